//! Where letters find room: which of them are written, which wait, and which go for others.

use crate::{
    dead_letter::{
        SinkWhenFull, WhenFull,
        keeper::{Halt, Keeper, Pending},
        shelf::{Changed, Fate, RemoveError},
        signs::gauge,
        waiting::Waits,
    },
    model::{Disposition, LetterKind},
    spool::Append,
    telemetry::Chain,
};

/// A vehicle that is past its share loses this part of it at once, as a divisor: so its segments
/// are not written anew for each letter.
const SHARE_STEP: u64 = 8;

impl Keeper {
    /// Writes letters, or lets them wait.
    pub(super) fn place(&mut self, mut pending: Pending) -> Result<(), Halt> {
        if let Some(waits) = self.try_place(&mut pending)? {
            self.waiting.push(pending, waits);
            return Ok(());
        }
        for (owner, bytes) in &pending.owners {
            self.usage.add(owner, *bytes);
        }
        for (cause, (letters, _)) in &pending.causes {
            self.signs.kept(Some(*cause), gauge(*letters));
        }
        self.group.push(pending);
        Ok(())
    }

    /// Tries again what waits, in order.
    pub(super) fn retry(&mut self) -> Result<(), Halt> {
        for pending in self.waiting.take() {
            self.place(pending)?;
        }
        Ok(())
    }

    /// Why the letters have to wait, unless they were written.
    fn try_place(&mut self, pending: &mut Pending) -> Result<Option<Waits>, Halt> {
        // Where one kind waits for room, what comes later waits behind it, and costs no attempt.
        if let Some(waits) = self.waiting.ahead(pending.kind) {
            return Ok(Some(waits));
        }
        if pending.kind == LetterKind::Message && !self.has_share(pending)? {
            return Ok(Some(Waits::Share));
        }
        loop {
            match self.append(pending)? {
                Append::Done { .. } => return Ok(None),
                Append::Full if !self.shelf(pending.kind).is_over_bound(pending.entry.len()) => {
                    return Ok(Some(Waits::Disk));
                }
                Append::Full if !self.drops_oldest(pending.kind) => return Ok(Some(Waits::Bound)),
                Append::Full if self.drop_oldest(pending.kind)? => {}
                Append::Full => return Ok(Some(Waits::Disk)),
            }
        }
    }

    fn append(&mut self, pending: &mut Pending) -> Result<Append, Halt> {
        match self.shelf(pending.kind).append(&mut pending.entry) {
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

    /// Lets the oldest letters of a kind go; false if there are none, or the disk refuses.
    fn drop_oldest(&mut self, kind: LetterKind) -> Result<bool, Halt> {
        self.sync()?;
        let dropped = self.shelf(kind).drop_oldest();
        let Some(gone) = self.tolerated(dropped)?.flatten() else { return Ok(false) };
        self.forget(&gone);
        self.signs.replaced(kind, gone.len() as u64);
        Ok(true)
    }

    /// Whether every vehicle of these letters has room in its share, which is made where the oldest
    /// are to go. The first letter of a vehicle always has: it may be larger than the share.
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

    /// Takes a vehicle's oldest messages out until so many bytes are free, or all of them are;
    /// false if there are none, or the disk refuses.
    fn drop_oldest_of(&mut self, owner: &str, bytes: u64) -> Result<bool, Halt> {
        self.sync()?;
        let mut left = bytes;
        let mut letters = 0;
        for segment in self.messages.segments() {
            if left == 0 {
                break;
            }
            let removed = self.messages.change(segment.first, &mut |_, letter| {
                let Ok(letter) = letter else { return Fate::Stays };
                let of = letter.vehicle.as_ref().or(letter.topic.as_ref());
                let is_wanted =
                    left > 0 && letter.topic.is_some() && of.is_some_and(|of| of == owner);
                if is_wanted {
                    let size = letter.payload.as_ref().map_or(0, Vec::len) as u64;
                    left = left.saturating_sub(size.max(1));
                }
                if is_wanted { Fate::Goes } else { Fate::Stays }
            });
            let Some(Changed { gone, .. }) = self.tolerated(removed)? else { break };
            letters += gone.len() as u64;
            self.forget(&gone);
        }
        self.signs.replaced(LetterKind::Message, letters);
        Ok(letters > 0)
    }

    /// What was done on the disk; nothing if it refused, which is no reason to halt as long as what
    /// was written is whole.
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
