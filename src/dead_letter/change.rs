//! Letters are removed and changed segment by segment, so that others are taken in meanwhile.

use std::collections::{BTreeSet, VecDeque};

use tokio::sync::oneshot;

use crate::{
    dead_letter::{
        keeper::{Halt, Keeper},
        letter::LetterError,
        queue::{Order, What},
        shelf::{Fate, RemoveError, Shelf},
    },
    model::{DeadLetter, LetterId, LetterKind, LettersError, Position},
    telemetry::Chain,
};

/// A change under way.
pub(super) struct Change {
    what: What,
    /// What was there when it was asked for: segments, and the last entry of each kind. What comes
    /// later stays.
    segments: VecDeque<(LetterKind, Position)>,
    last: [Position; 2],
    removed: u64,
    answer: oneshot::Sender<Result<u64, LettersError>>,
}

impl Change {
    pub(super) fn begin(order: Order, messages: &Shelf, points: &Shelf) -> Self {
        let Order { what, answer } = order;
        let is_any = matches!(&what, What::Remove(filter) if filter.ids.is_empty());
        let mut segments = VecDeque::new();
        let shelves = [(LetterKind::Message, messages), (LetterKind::Point, points)];
        let last = shelves.map(|(kind, shelf)| {
            let named = named(&what, kind);
            let found = shelf.segments();
            let may_hold = |first: Position, last: Position| {
                is_any || named.range(first..=last).next().is_some()
            };
            let held = found.iter().filter(|it| it.items > 0 && may_hold(it.first, it.last));
            segments.extend(held.map(|segment| (kind, segment.first)));
            found.last().map_or(Position::ZERO, |segment| segment.last)
        });
        Self { what, segments, last, removed: 0, answer }
    }

    fn fate(&self, id: LetterId, letter: Result<&DeadLetter, &LetterError>) -> Fate {
        let last = match id.kind {
            LetterKind::Message => self.last[0],
            LetterKind::Point => self.last[1],
        };
        if id.position > last {
            return Fate::Stays;
        }
        match &self.what {
            What::Remove(filter) => {
                let is_meant = match letter {
                    Ok(letter) => filter.matches(id, letter),
                    Err(_) => filter.matches_unread(id),
                };
                if is_meant { Fate::Goes } else { Fate::Stays }
            }
            What::Change(changes) => match changes.get(&id) {
                None => Fate::Stays,
                Some(None) => Fate::Goes,
                Some(Some(letter)) => Fate::Becomes(Box::new(letter.clone())),
            },
        }
    }
}

/// The entries of a kind that hold letters which are named.
fn named(what: &What, kind: LetterKind) -> BTreeSet<Position> {
    let of_kind = |id: &&LetterId| id.kind == kind;
    match what {
        What::Remove(filter) => filter.ids.iter().filter(of_kind).map(|id| id.position).collect(),
        What::Change(changes) => changes.keys().filter(of_kind).map(|id| id.position).collect(),
    }
}

impl Keeper {
    /// Goes on with a change by one segment; whether anything went. All that was written has to be
    /// synced.
    pub(super) fn step(&mut self) -> Result<bool, Halt> {
        let Some(mut change) = self.change.take() else { return Ok(false) };
        let Some((kind, first)) = change.segments.pop_front() else {
            // Whoever asked may have gone; what is removed stays so.
            drop(change.answer.send(Ok(change.removed)));
            return Ok(false);
        };
        let changed = self.shelf(kind).change(first, &mut |id, letter| change.fate(id, letter));
        match changed {
            Ok(changed) => {
                let letters = (changed.gone.len() - changed.come.len()) as u64;
                self.forget(&changed.gone);
                self.remember(&changed.come);
                self.signs.removed(kind, letters);
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
