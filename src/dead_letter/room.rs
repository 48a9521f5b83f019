//! Finds room for new letters: writes them, lets them wait, or drops older ones for them.

use crate::{
    dead_letter::{
        SinkWhenFull, WhenFull,
        indicators::gauge,
        letter_spool::{Changed, Outcome, RemoveError},
        thread::{Halt, LogThread, Pending},
        waiting::WaitReason,
    },
    model::{Disposition, LetterKind},
    spool::Append,
    telemetry::Chain,
};

/// At least this part of its share, as a divisor, is dropped at once when a vehicle exceeds it, so
/// that segments are not rewritten for each letter.
const SHARE_STEP: u64 = 8;

impl LogThread {
    /// Writes letters, or lets them wait.
    pub(super) fn place(&mut self, mut pending: Pending) -> Result<(), Halt> {
        if let Some(reason) = self.try_place(&mut pending)? {
            self.waiting.push(pending, reason);
            return Ok(());
        }
        for (owner, bytes) in &pending.owners {
            self.usage.add(owner, *bytes);
        }
        for (cause, (letters, _)) in &pending.causes {
            self.indicators.kept(Some(*cause), gauge(*letters));
        }
        self.group.push(pending);
        Ok(())
    }

    /// Tries to write the waiting letters again, in order.
    pub(super) fn retry(&mut self) -> Result<(), Halt> {
        for pending in self.waiting.take() {
            self.place(pending)?;
        }
        Ok(())
    }

    /// Writes letters; returns the reason if they have to wait instead.
    fn try_place(&mut self, pending: &mut Pending) -> Result<Option<WaitReason>, Halt> {
        // Once letters of a kind wait for room, later ones wait behind them without a try.
        if let Some(reason) = self.waiting.blocked(pending.kind) {
            return Ok(Some(reason));
        }
        if pending.kind == LetterKind::Message && !self.has_share(pending)? {
            return Ok(Some(WaitReason::Share));
        }
        loop {
            match self.append(pending)? {
                Append::Done { .. } => return Ok(None),
                Append::Full if !self.spool_of(pending.kind).is_over_bound(pending.entry.len()) => {
                    return Ok(Some(WaitReason::Disk));
                }
                Append::Full if !self.drops_oldest(pending.kind) => {
                    return Ok(Some(WaitReason::Bound));
                }
                Append::Full if self.drop_oldest(pending.kind)? => {}
                Append::Full => return Ok(Some(WaitReason::Disk)),
            }
        }
    }

    fn append(&mut self, pending: &mut Pending) -> Result<Append, Halt> {
        match self.spool_of(pending.kind).append(&mut pending.entry) {
            Ok(appended) => Ok(appended),
            Err(error) if error.disposition() == Disposition::Retry => {
                tracing::warn!(error = %Chain(&error), "no new segment of dead letters for now");
                Ok(Append::Full)
            }
            Err(error) => Err(Halt::at(&error)),
        }
    }

    fn drops_oldest(&self, kind: LetterKind) -> bool {
        match kind {
            LetterKind::Message => self.options.when_full == WhenFull::DropOldest,
            LetterKind::Point => self.options.sink_when_full == SinkWhenFull::Replace,
        }
    }

    /// Drops the oldest letters of a kind; false if there are none, or the disk fails.
    fn drop_oldest(&mut self, kind: LetterKind) -> Result<bool, Halt> {
        self.sync()?;
        let dropped = self.spool_of(kind).drop_oldest();
        let Some(removed) = self.tolerated(dropped)?.flatten() else { return Ok(false) };
        self.forget(&removed);
        self.indicators.replaced(kind, removed.len() as u64);
        Ok(true)
    }

    /// Whether every vehicle of these letters has room in its share. Where the options say so, its
    /// oldest letters are dropped to make room. The first letter of a vehicle always has room: it
    /// may be larger than the share.
    fn has_share(&mut self, pending: &Pending) -> Result<bool, Halt> {
        for (owner, bytes) in &pending.owners {
            let used = self.usage.of(owner);
            if used == 0 || used + bytes <= self.options.vehicle_bytes_max {
                continue;
            }
            if self.options.when_full == WhenFull::Block {
                return Ok(false);
            }
            let wanted = (*bytes).max(self.options.vehicle_bytes_max / SHARE_STEP);
            if !self.drop_oldest_of(owner, wanted)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Drops a vehicle's oldest messages until so many bytes are free or none is left; false if
    /// there are none, or the disk fails.
    fn drop_oldest_of(&mut self, owner: &str, bytes: u64) -> Result<bool, Halt> {
        self.sync()?;
        let mut left = bytes;
        let mut letters = 0;
        for segment in self.messages.segments() {
            if left == 0 {
                break;
            }
            let removed = self.messages.change(segment.first, &mut |_, letter| {
                let Ok(letter) = letter else { return Outcome::Keep };
                let of = letter.vehicle.as_ref().or(letter.topic.as_ref());
                let is_wanted =
                    left > 0 && letter.topic.is_some() && of.is_some_and(|of| of == owner);
                if is_wanted {
                    let size = letter.payload.as_ref().map_or(0, Vec::len) as u64;
                    left = left.saturating_sub(size.max(1));
                }
                if is_wanted { Outcome::Remove } else { Outcome::Keep }
            });
            let Some(Changed { removed, .. }) = self.tolerated(removed)? else { break };
            letters += removed.len() as u64;
            self.forget(&removed);
        }
        self.indicators.replaced(LetterKind::Message, letters);
        Ok(letters > 0)
    }

    /// The result of a change on disk; `None` if the disk failed. That is no reason to halt as long
    /// as what was written is whole.
    pub(super) fn tolerated<T>(&self, done: Result<T, RemoveError>) -> Result<Option<T>, Halt> {
        match done {
            Ok(done) => Ok(Some(done)),
            Err(RemoveError::Fatal(error)) => Err(Halt::at(&error)),
            Err(error) => {
                tracing::error!(error = %Chain(&error), "dead letters cannot be removed for now");
                Ok(None)
            }
        }
    }
}
