//! Which batches the cursor may pass: requests overtake each other, the cursor does not (SK-2).

use std::collections::VecDeque;

use crate::model::Position;

/// What became of the points of a batch, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Points that the batch's entries say they hold, those of damaged entries included.
    pub(super) items: u64,
    /// Points set aside as dead letters, durable.
    pub(super) dead_lettered: u64,
    /// Points of entries that a checksum refused.
    pub(super) damaged: u64,
    /// Bytes of lines.
    pub(super) bytes: u64,
}

impl Outcome {
    /// Points that the store has.
    pub(super) fn stored(&self) -> u64 {
        self.items.saturating_sub(self.dead_lettered).saturating_sub(self.damaged)
    }

    /// Adds another batch's.
    pub(super) fn add(&mut self, other: &Self) {
        self.items += other.items;
        self.dead_lettered += other.dead_lettered;
        self.damaged += other.damaged;
        self.bytes += other.bytes;
    }
}

/// The batches between the cursor and the reader, oldest first.
#[derive(Debug, Default)]
pub(super) struct Prefix {
    /// The number of the oldest batch that is kept; the others follow without gaps.
    oldest: u64,
    /// Each batch's last position, and its outcome once it is settled.
    batches: VecDeque<(Position, Option<Outcome>)>,
}

impl Prefix {
    /// A batch that ends at `last` leaves; the number names it when it comes back.
    pub(super) fn begin(&mut self, last: Position) -> u64 {
        if let Some((before, _)) = self.batches.back() {
            assert!(last > *before, "SK-2: batches leave in the order of their entries");
        }
        self.batches.push_back((last, None));
        self.oldest + self.batches.len() as u64 - 1
    }

    /// A batch is settled: each of its points is stored, a durable dead letter, or damaged (SK-1).
    pub(super) fn settle(&mut self, number: u64, outcome: Outcome) {
        let idx = number.checked_sub(self.oldest).and_then(|idx| usize::try_from(idx).ok());
        let batch = idx.and_then(|idx| self.batches.get_mut(idx));
        let (_, settled) = batch.expect("a batch is settled once, and kept until then");
        assert!(settled.is_none(), "a batch is settled once");
        *settled = Some(outcome);
    }

    /// Takes the settled batches before the first that is not; how far the cursor may go, and the
    /// sum of what became of them.
    pub(super) fn advance(&mut self) -> Option<(Position, Outcome)> {
        let mut passed: Option<(Position, Outcome)> = None;
        while let Some((last, Some(outcome))) = self.batches.front() {
            let sum = &mut passed.get_or_insert_default();
            sum.0 = *last;
            sum.1.add(outcome);
            self.batches.pop_front();
            self.oldest += 1;
        }
        passed
    }

    /// Batches that the cursor has not passed.
    pub(super) fn len(&self) -> usize {
        self.batches.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(items: u64) -> Outcome {
        Outcome { items, dead_lettered: 1, damaged: 2, bytes: 10 * items }
    }

    #[test]
    fn the_cursor_passes_only_what_is_settled_up_to_the_first_that_is_not() {
        let mut prefix = Prefix::default();
        let numbers = [3, 7, 8, 20].map(|last| prefix.begin(Position(last)));
        prefix.settle(numbers[1], outcome(20));
        prefix.settle(numbers[2], outcome(30));
        assert_eq!(prefix.advance(), None);
        prefix.settle(numbers[0], outcome(10));
        let (position, sum) = prefix.advance().expect("three batches are settled");
        assert_eq!(position, Position(8));
        assert_eq!(sum, Outcome { items: 60, dead_lettered: 3, damaged: 6, bytes: 600 });
        assert_eq!(sum.stored(), 51);
        assert_eq!(prefix.len(), 1);
        prefix.settle(numbers[3], outcome(1));
        assert_eq!(prefix.begin(Position(21)), numbers[3] + 1);
        assert_eq!(prefix.advance().map(|(position, _)| position), Some(Position(20)));
        assert_eq!(prefix.advance(), None);
    }
}
