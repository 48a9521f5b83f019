//! Letters are removed segment by segment, so that others are taken in meanwhile.

use std::collections::{BTreeSet, VecDeque};

use tokio::sync::oneshot;

use crate::{
    dead_letter::{
        keeper::{Halt, Keeper},
        queue::RemoveOrder,
        shelf::{RemoveError, Shelf},
    },
    model::{LetterFilter, LetterId, LetterKind, LettersError, Position},
    telemetry::Chain,
};

/// A removal under way.
pub(super) struct Removal {
    filter: LetterFilter,
    /// What was there when it was asked for: segments, and the last entry of each kind. What comes
    /// later stays.
    segments: VecDeque<(LetterKind, Position)>,
    last: [Position; 2],
    removed: u64,
    answer: oneshot::Sender<Result<u64, LettersError>>,
}

impl Removal {
    pub(super) fn begin(order: RemoveOrder, messages: &Shelf, points: &Shelf) -> Self {
        let RemoveOrder { filter, answer } = order;
        let mut segments = VecDeque::new();
        let shelves = [(LetterKind::Message, messages), (LetterKind::Point, points)];
        let last = shelves.map(|(kind, shelf)| {
            let named: BTreeSet<Position> =
                filter.ids.iter().filter(|id| id.kind == kind).map(|id| id.position).collect();
            let found = shelf.segments();
            let may_hold = |first: Position, last: Position| {
                filter.ids.is_empty() || named.range(first..=last).next().is_some()
            };
            let held = found.iter().filter(|it| it.items > 0 && may_hold(it.first, it.last));
            segments.extend(held.map(|segment| (kind, segment.first)));
            found.last().map_or(Position::ZERO, |segment| segment.last)
        });
        Self { filter, segments, last, removed: 0, answer }
    }

    fn is_meant(&self, id: LetterId) -> bool {
        let last = match id.kind {
            LetterKind::Message => self.last[0],
            LetterKind::Point => self.last[1],
        };
        id.position <= last
    }
}

impl Keeper {
    /// Goes on with a removal by one segment; whether anything went. All that was written has to be
    /// synced.
    pub(super) fn step(&mut self) -> Result<bool, Halt> {
        let Some(mut removal) = self.removal.take() else { return Ok(false) };
        let Some((kind, first)) = removal.segments.pop_front() else {
            // Whoever asked may have gone; what is removed stays so.
            drop(removal.answer.send(Ok(removal.removed)));
            return Ok(false);
        };
        let filter = &removal.filter;
        let removed = self.shelf(kind).remove(first, &mut |id, letter| {
            removal.is_meant(id)
                && match letter {
                    Ok(letter) => filter.matches(id, letter),
                    Err(_) => filter.matches_unread(id),
                }
        });
        match removed {
            Ok(gone) => {
                let letters = gone.len() as u64;
                if kind == LetterKind::Message {
                    self.forget(&gone);
                }
                self.signs.removed(kind, letters);
                removal.removed += letters;
                self.removal = Some(removal);
                Ok(letters > 0)
            }
            Err(RemoveError::Fatal(error)) => Err(Halt::at(&error)),
            Err(error) => {
                let reason = Chain(&error).to_string();
                tracing::error!(reason, "dead letters cannot be removed");
                drop(removal.answer.send(Err(LettersError::Unremovable { reason })));
                Ok(removal.removed > 0)
            }
        }
    }
}
