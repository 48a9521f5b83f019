//! Removes and changes letters, one segment at a time: new letters are written in between.

use std::collections::{BTreeSet, VecDeque};

use tokio::sync::oneshot;

use crate::{
    dead_letter::{
        letter::LetterError,
        letter_spool::{LetterSpool, Outcome, RemoveError},
        queue::{Action, ChangeRequest},
        thread::{Halt, LogThread},
    },
    model::{DeadLetter, LetterId, LetterKind, LettersError, Position},
    telemetry::Chain,
};

/// A requested change that is not finished.
pub(super) struct Change {
    action: Action,
    /// The segments that are left, and the last entry of each kind at the time of the request:
    /// later letters are not changed.
    segments: VecDeque<(LetterKind, Position)>,
    last: [Position; 2],
    removed: u64,
    answer: oneshot::Sender<Result<u64, LettersError>>,
}

impl Change {
    pub(super) fn begin(
        request: ChangeRequest,
        messages: &LetterSpool,
        points: &LetterSpool,
    ) -> Self {
        let ChangeRequest { action, answer } = request;
        let is_any = matches!(&action, Action::Remove(filter) if filter.ids.is_empty());
        let mut segments = VecDeque::new();
        let spools = [(LetterKind::Message, messages), (LetterKind::Point, points)];
        let last = spools.map(|(kind, spool)| {
            let named = named(&action, kind);
            let found = spool.segments();
            let may_hold = |first: Position, last: Position| {
                is_any || named.range(first..=last).next().is_some()
            };
            let held = found.iter().filter(|it| it.items > 0 && may_hold(it.first, it.last));
            segments.extend(held.map(|segment| (kind, segment.first)));
            found.last().map_or(Position::ZERO, |segment| segment.last)
        });
        Self { action, segments, last, removed: 0, answer }
    }

    fn outcome(&self, id: LetterId, letter: Result<&DeadLetter, &LetterError>) -> Outcome {
        let last = match id.kind {
            LetterKind::Message => self.last[0],
            LetterKind::Point => self.last[1],
        };
        if id.position > last {
            return Outcome::Keep;
        }
        match &self.action {
            Action::Remove(filter) => {
                let is_meant = match letter {
                    Ok(letter) => filter.matches(id, letter),
                    Err(_) => filter.matches_unread(id),
                };
                if is_meant { Outcome::Remove } else { Outcome::Keep }
            }
            Action::Change(changes) => match changes.get(&id) {
                None => Outcome::Keep,
                Some(None) => Outcome::Remove,
                Some(Some(letter)) => Outcome::Replace(Box::new(letter.clone())),
            },
        }
    }
}

/// The entries of a kind that hold letters whose ids the action names.
fn named(action: &Action, kind: LetterKind) -> BTreeSet<Position> {
    let of_kind = |id: &&LetterId| id.kind == kind;
    match action {
        Action::Remove(filter) => filter.ids.iter().filter(of_kind).map(|id| id.position).collect(),
        Action::Change(changes) => changes.keys().filter(of_kind).map(|id| id.position).collect(),
    }
}

impl LogThread {
    /// Continues the change by one segment; returns whether letters were removed. The caller has
    /// synced everything that was written.
    pub(super) fn step(&mut self) -> Result<bool, Halt> {
        let Some(mut change) = self.change.take() else { return Ok(false) };
        let Some((kind, first)) = change.segments.pop_front() else {
            // The requester may be gone; the letters are removed all the same.
            drop(change.answer.send(Ok(change.removed)));
            return Ok(false);
        };
        let changed =
            self.spool_of(kind).change(first, &mut |id, letter| change.outcome(id, letter));
        match changed {
            Ok(changed) => {
                let letters = (changed.removed.len() - changed.added.len()) as u64;
                self.forget(&changed.removed);
                self.remember(&changed.added);
                self.indicators.removed(kind, letters);
                change.removed += letters;
                self.change = Some(change);
                Ok(letters > 0)
            }
            Err(RemoveError::Fatal(error)) => Err(Halt::at(&error)),
            Err(error) => {
                let reason = Chain(&error).to_string();
                tracing::error!(reason, "dead letters cannot be removed");
                drop(change.answer.send(Err(LettersError::Unremovable { reason })));
                Ok(change.removed > 0)
            }
        }
    }
}
