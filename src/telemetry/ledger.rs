//! The counters of the promise, kept so that the equations hold at every moment they are read.
//!
//! ```text
//! messages: received = spooled + dead_lettered + filtered + unmapped + refused + pending
//! points:   recovered + spooled = stored + dead_lettered + damaged + in_spool
//! deliveries: recovered + routed = delivered + queued + dropped + expired
//! ```
//!
//! Each worker owns one [`MessageLedger`] and publishes its counts once per turn, all fields at
//! once; each shard owns one [`PointLedger`] whose updates change both sides of the equation under
//! one lock. So a sum over them is consistent without stopping any thread. `pending` and `in_spool`
//! are counted independently, not computed as a difference, so that the equations can fail.
//!
//! Why a mutex and not atomics: a reader must see all fields of one turn or none; the lock is taken
//! once per turn (or per group), and only readers contend for it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts of messages by outcome. All are counters from 0 at start, except `pending`, which is a
/// gauge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageCounts {
    /// Publishes read from vehicles.
    pub received: u64,
    /// Finished with points in the spool, durable.
    pub spooled: u64,
    /// Finished with a dead letter, durable (points of other mappings may be in the spool too).
    pub dead_lettered: u64,
    /// Finished: every mapping's filter excluded it, or no point had a field.
    pub filtered: u64,
    /// Finished: no mapping matches the topic.
    pub unmapped: u64,
    /// Refused before it was decoded.
    pub refused: u64,
    /// Received and not finished yet.
    pub pending: u64,
    /// Points that were merged into others of their message before the spool; not part of the
    /// equations.
    pub points_merged: u64,
}

impl MessageCounts {
    /// Adds another ledger's counts.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.spooled += other.spooled;
        self.dead_lettered += other.dead_lettered;
        self.filtered += other.filtered;
        self.unmapped += other.unmapped;
        self.refused += other.refused;
        self.pending += other.pending;
        self.points_merged += other.points_merged;
    }

    /// Whether the first equation holds.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.received
            == self.spooled
                + self.dead_lettered
                + self.filtered
                + self.unmapped
                + self.refused
                + self.pending
    }
}

/// One worker's message counts as last published.
#[derive(Debug, Default)]
pub struct MessageLedger(Mutex<MessageCounts>);

impl MessageLedger {
    /// Publishes the worker's counts at the end of a turn.
    pub fn publish(&self, counts: MessageCounts) {
        *lock(&self.0) = counts;
    }

    /// The counts as of the last turn.
    pub fn snapshot(&self) -> MessageCounts {
        *lock(&self.0)
    }
}

/// Counts of messages for subscribers by outcome. All are counters from 0 at start, except
/// `queued`, which is a gauge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// In the queues of sessions at start.
    pub recovered: u64,
    /// Messages that were to go to a session, once for each session; wraps around as `queued` does.
    pub routed: u64,
    /// Acknowledged completely; at QoS 0 written.
    pub delivered: u64,
    /// Queued or in flight. One worker queues what another delivers, so the count of one worker may
    /// be below zero: it wraps around, and the sum is right.
    pub queued: u64,
    /// Dropped: no room, too large, refused, or the session ended.
    pub dropped: u64,
    /// Older than the expiry of their publisher.
    pub expired: u64,
}

impl DeliveryCounts {
    /// Adds another worker's counts.
    pub fn add(&mut self, other: &Self) {
        self.recovered += other.recovered;
        self.routed = self.routed.wrapping_add(other.routed);
        self.delivered += other.delivered;
        self.queued = self.queued.wrapping_add(other.queued);
        self.dropped += other.dropped;
        self.expired += other.expired;
    }

    /// Whether the third equation holds.
    #[must_use]
    pub fn balances(&self) -> bool {
        let settled = self.delivered + self.dropped + self.expired;
        self.recovered.wrapping_add(self.routed) == self.queued.wrapping_add(settled)
    }
}

/// One worker's delivery counts as last published.
#[derive(Debug, Default)]
pub struct DeliveryLedger(Mutex<DeliveryCounts>);

impl DeliveryLedger {
    /// Publishes the worker's counts at the end of a turn.
    pub fn publish(&self, counts: DeliveryCounts) {
        *lock(&self.0) = counts;
    }

    /// The counts as of the last turn.
    pub fn snapshot(&self) -> DeliveryCounts {
        *lock(&self.0)
    }
}

/// Counts of one shard's points by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PointCounts {
    /// Past the cursor at start.
    pub recovered: u64,
    /// Made durable since.
    pub spooled: u64,
    /// Accepted by the store, and covered by the cursor.
    pub stored: u64,
    /// Refused by the store, kept as dead letters, and covered by the cursor.
    pub dead_lettered: u64,
    /// Lost by damage on disk that a checksum found.
    pub damaged: u64,
    /// Durable and past the cursor, requests in flight included.
    pub in_spool: u64,
}

impl PointCounts {
    /// Adds another shard's counts.
    pub fn add(&mut self, other: &Self) {
        self.recovered += other.recovered;
        self.spooled += other.spooled;
        self.stored += other.stored;
        self.dead_lettered += other.dead_lettered;
        self.damaged += other.damaged;
        self.in_spool += other.in_spool;
    }

    /// Whether the second equation holds.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.recovered + self.spooled
            == self.stored + self.dead_lettered + self.damaged + self.in_spool
    }
}

/// One shard's point counts. The lane adds what became durable, the shipper what the cursor passed.
#[derive(Debug, Default)]
pub struct PointLedger(Mutex<PointCounts>);

impl PointLedger {
    /// Adds the points that recovery found past the cursor.
    pub fn recovered(&self, points: u64) {
        let mut counts = lock(&self.0);
        counts.recovered += points;
        counts.in_spool += points;
    }

    /// A group became durable. `points` is the lane's count, `items` the number in the entries.
    pub fn spooled(&self, points: u64, items: u64) {
        let mut counts = lock(&self.0);
        counts.spooled += points;
        counts.in_spool += items;
    }

    /// The cursor passed entries with `items`; the verdicts account for the rest.
    pub fn confirmed(&self, stored: u64, dead_lettered: u64, damaged: u64, items: u64) {
        let mut counts = lock(&self.0);
        counts.stored += stored;
        counts.dead_lettered += dead_lettered;
        counts.damaged += damaged;
        counts.in_spool = counts.in_spool.saturating_sub(items);
    }

    /// The counts now.
    pub fn snapshot(&self) -> PointCounts {
        *lock(&self.0)
    }
}

/// Poisoning is ignored: the counters are plain numbers.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
