//! Which batches the cursor may pass: requests overtake each other, the cursor waits (SK-2).

use std::collections::BTreeMap;

use crate::model::Position;

/// Counts of the points of one or more batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BatchCounts {
    /// Points according to the batch's entries, with those of damaged entries.
    pub(super) items: u64,
    /// Points that are durable dead letters.
    pub(super) dead_lettered: u64,
    /// Points of entries with a wrong checksum.
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

/// The order of a batch among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// In the order of the spool.
    InTurn,
    /// Ahead of older ones that were not sent yet.
    Ahead,
}

/// A batch that was sent and that the cursor has not passed.
#[derive(Debug)]
struct Sent {
    last: Position,
    order: Order,
    /// Once it is finished.
    counts: Option<BatchCounts>,
}

/// The batches that the cursor has not passed.
#[derive(Debug)]
pub(super) struct SentBatches {
    /// By their first position. Adjacent finished batches that overtook a backlog are joined, so
    /// that their number does not grow while the backlog is sent.
    batches: BTreeMap<Position, Sent>,
    /// How many of them were sent in turn.
    in_turn: usize,
    /// The position that the cursor may pass next.
    next: Position,
}

impl SentBatches {
    /// No batch is behind the cursor yet.
    pub(super) fn new(confirmed: Position) -> Self {
        Self { batches: BTreeMap::new(), in_turn: 0, next: confirmed.next() }
    }

    /// A batch is sent with all entries from the first to the last.
    pub(super) fn begin(&mut self, first: Position, last: Position, order: Order) {
        let before = self.batches.range(..=last).next_back();
        assert!(
            first >= self.next && before.is_none_or(|(_, before)| before.last < first),
            "SK-2: no entry leaves twice"
        );
        self.in_turn += usize::from(order == Order::InTurn);
        self.batches.insert(first, Sent { last, order, counts: None });
    }

    /// The batch that begins at `first` is finished: each of its points is stored, a durable dead
    /// letter, or damaged (SK-1).
    pub(super) fn finish(&mut self, first: Position, counts: BatchCounts) {
        let batch = self.batches.get_mut(&first).expect("a batch is kept until it is finished");
        assert!(batch.counts.is_none(), "a batch is finished once");
        batch.counts = Some(counts);
        if batch.order == Order::Ahead {
            let behind = batch.last.next();
            self.join(behind);
            self.join(first);
        }
    }

    /// Joins the finished batch that begins at `first` with the one before it, if they are adjacent
    /// and both overtook a backlog.
    fn join(&mut self, first: Position) {
        let is_done = |batch: &Sent| batch.order == Order::Ahead && batch.counts.is_some();
        let Some(batch) = self.batches.get(&first).filter(|batch| is_done(batch)) else { return };
        let (last, counts) = (batch.last, batch.counts.unwrap_or_default());
        let before = self.batches.range_mut(..first).next_back();
        let Some((_, before)) =
            before.filter(|(_, before)| is_done(before) && before.last.next() == first)
        else {
            return;
        };
        before.last = last;
        before.counts.get_or_insert_default().add(&counts);
        self.batches.remove(&first);
    }

    /// Takes the finished batches before the first unfinished one; returns how far the cursor may
    /// move, and the sum of their counts.
    pub(super) fn advance(&mut self) -> Option<(Position, BatchCounts)> {
        let mut passed: Option<(Position, BatchCounts)> = None;
        while let Some(oldest) = self.batches.first_entry()
            && *oldest.key() == self.next
            && let Some(counts) = oldest.get().counts
        {
            let batch = oldest.remove();
            self.in_turn -= usize::from(batch.order == Order::InTurn);
            self.next = batch.last.next();
            let sum = &mut passed.get_or_insert_default();
            sum.0 = batch.last;
            sum.1.add(&counts);
        }
        passed
    }

    /// Batches that were sent in turn and that the cursor has not passed.
    pub(super) fn in_turn(&self) -> usize {
        self.in_turn
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
        let mut sent = SentBatches::new(Position::ZERO);
        for (first, last) in [(1, 3), (4, 7), (8, 8), (9, 20)] {
            sent.begin(Position(first), Position(last), Order::InTurn);
        }
        sent.finish(Position(4), counts(20));
        sent.finish(Position(8), counts(30));
        assert_eq!(sent.advance(), None);
        sent.finish(Position(1), counts(10));
        let (position, sum) = sent.advance().expect("three batches are finished");
        assert_eq!(position, Position(8));
        assert_eq!(sum, BatchCounts { items: 60, dead_lettered: 3, damaged: 6, bytes: 600 });
        assert_eq!(sum.stored(), 51);
        assert_eq!(sent.in_turn(), 1);
        sent.finish(Position(9), counts(1));
        sent.begin(Position(21), Position(21), Order::InTurn);
        assert_eq!(sent.advance().map(|(position, _)| position), Some(Position(20)));
        assert_eq!(sent.advance(), None);
    }

    #[test]
    fn what_went_ahead_waits_for_the_backlog_and_costs_no_memory_meanwhile() {
        let mut sent = SentBatches::new(Position(10));
        sent.begin(Position(11), Position(20), Order::InTurn);
        for first in (101..1101).step_by(2).map(Position) {
            sent.begin(first, first.next(), Order::Ahead);
            // Every other one is finished after the next.
            if first.0 % 4 == 1 {
                continue;
            }
            sent.finish(first, counts(2));
            sent.finish(Position(first.0 - 2), counts(2));
            assert_eq!(sent.batches.len(), 2);
        }
        assert_eq!((sent.advance(), sent.in_turn()), (None, 1));
        sent.finish(Position(11), counts(10));
        assert_eq!(sent.advance().map(|(position, _)| position), Some(Position(20)));
        sent.begin(Position(21), Position(100), Order::InTurn);
        assert_eq!(sent.advance(), None);
        sent.finish(Position(21), counts(80));
        let (position, sum) = sent.advance().expect("all is finished");
        assert_eq!((position, sum.items, sum.dead_lettered), (Position(1100), 1080, 501));
        assert_eq!((sent.in_turn(), sent.batches.len()), (0, 0));
    }
}
