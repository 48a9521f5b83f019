//! Which batches the cursor may pass: requests overtake each other, the cursor does not (SK-2).

use std::collections::VecDeque;

use crate::model::Position;

/// What became of the points of a batch, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BatchCounts {
    /// Points that the batch's entries say they hold, those of damaged entries included.
    pub(super) items: u64,
    /// Points set aside as dead letters, durable.
    pub(super) dead_lettered: u64,
    /// Points of entries that a checksum refused.
    pub(super) damaged: u64,
    /// Bytes of lines.
    pub(super) bytes: u64,
}

impl BatchCounts {
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
pub(super) struct SentBatches {
    /// The number of the oldest batch that is kept; the others follow without gaps.
    oldest: u64,
    /// Each batch's last position, and its counts once it is finished.
    batches: VecDeque<(Position, Option<BatchCounts>)>,
}

impl SentBatches {
    /// A batch that ends at `last` leaves; the number names it when it comes back.
    pub(super) fn begin(&mut self, last: Position) -> u64 {
        if let Some((before, _)) = self.batches.back() {
            assert!(last > *before, "SK-2: batches leave in the order of their entries");
        }
        self.batches.push_back((last, None));
        self.oldest + self.batches.len() as u64 - 1
    }

    /// A batch is finished: each of its points is stored, a durable dead letter, or damaged (SK-1).
    pub(super) fn finish(&mut self, number: u64, counts: BatchCounts) {
        let idx = number.checked_sub(self.oldest).and_then(|idx| usize::try_from(idx).ok());
        let batch = idx.and_then(|idx| self.batches.get_mut(idx));
        let (_, finished) = batch.expect("a batch is finished once, and kept until then");
        assert!(finished.is_none(), "a batch is finished once");
        *finished = Some(counts);
    }

    /// Takes the finished batches before the first that is not; how far the cursor may go, and the
    /// sum of what became of them.
    pub(super) fn advance(&mut self) -> Option<(Position, BatchCounts)> {
        let mut passed: Option<(Position, BatchCounts)> = None;
        while let Some((last, Some(counts))) = self.batches.front() {
            let sum = &mut passed.get_or_insert_default();
            sum.0 = *last;
            sum.1.add(counts);
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

    fn counts(items: u64) -> BatchCounts {
        BatchCounts { items, dead_lettered: 1, damaged: 2, bytes: 10 * items }
    }

    #[test]
    fn the_cursor_passes_only_what_is_finished_up_to_the_first_that_is_not() {
        let mut sent = SentBatches::default();
        let numbers = [3, 7, 8, 20].map(|last| sent.begin(Position(last)));
        sent.finish(numbers[1], counts(20));
        sent.finish(numbers[2], counts(30));
        assert_eq!(sent.advance(), None);
        sent.finish(numbers[0], counts(10));
        let (position, sum) = sent.advance().expect("three batches are finished");
        assert_eq!(position, Position(8));
        assert_eq!(sum, BatchCounts { items: 60, dead_lettered: 3, damaged: 6, bytes: 600 });
        assert_eq!(sum.stored(), 51);
        assert_eq!(sent.len(), 1);
        sent.finish(numbers[3], counts(1));
        assert_eq!(sent.begin(Position(21)), numbers[3] + 1);
        assert_eq!(sent.advance().map(|(position, _)| position), Some(Position(20)));
        assert_eq!(sent.advance(), None);
    }
}
