//! The counters of the promise, kept so that the equations hold at every moment they are read.
//!
//! ```text
//! messages: received = spooled + dead_lettered + filtered + unmapped + refused + pending
//! points:   recovered + spooled = stored + dead_lettered + damaged + in_spool
//! deliveries: recovered + routed = delivered + queued + dropped + expired
//! ```
//!
//! Each worker owns one [`MessageLedger`] and publishes its counts once a turn, all fields at once;
//! each shard owns one [`PointLedger`] whose updates move both sides under one lock. A sum over
//! them is therefore consistent without stopping anybody. `pending` and `in_spool` are measured on
//! their own, not computed as a difference, so that the equations can fail.
//!
//! Why a mutex and not atomics: a reader must see all fields of one turn or none; the lock is taken
//! once a turn (or once a group) and is uncontended but for the reader.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What became of messages. All count from 0 at start but `pending`, which is a gauge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageCounts {
    /// Publishes read from vehicles.
    pub received: u64,
    /// Finished with points in the spool, durable.
    pub spooled: u64,
    /// Finished with a dead letter, durable (points of other mappings may be in the spool too).
    pub dead_lettered: u64,
    /// Finished: every mapping's filter said not to store, or no point had a field.
    pub filtered: u64,
    /// Finished: no mapping matches the topic.
    pub unmapped: u64,
    /// Turned away before decoding.
    pub refused: u64,
    /// Received and not finished yet.
    pub pending: u64,
    /// Points that were merged into others of their message before the spool; beside the equations.
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

    /// Whether the first equation of the promise holds.
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

/// What became of messages for subscribers. All count from 0 at start but `queued`, which is a
/// gauge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// Lay in the queues of sessions at start.
    pub recovered: u64,
    /// Messages that were to go to a session, once for each session; wraps around as `queued` does.
    pub routed: u64,
    /// Acknowledged to the end; at QoS 0 written.
    pub delivered: u64,
    /// Waiting, or under way. One worker queues what another delivers, so that the count of one
    /// may lie below zero: it wraps around, and the sum is right.
    pub queued: u64,
    /// Given up: no room, too large, refused, or the session ended.
    pub dropped: u64,
    /// Too old by what their publisher said.
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

    /// Whether the third equation of the promise holds.
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

/// What became of one shard's points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PointCounts {
    /// Lay past the cursor at start.
    pub recovered: u64,
    /// Made durable since.
    pub spooled: u64,
    /// Accepted by the store, and covered by the cursor.
    pub stored: u64,
    /// Refused by the store, kept as dead letters, and covered by the cursor.
    pub dead_lettered: u64,
    /// Lost to damage at rest: what a checksum refused.
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

    /// Whether the second equation of the promise holds.
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
    /// What recovery found past the cursor.
    pub fn recovered(&self, points: u64) {
        let mut counts = lock(&self.0);
        counts.recovered += points;
        counts.in_spool += points;
    }

    /// A group became durable. `points` is what the lane counted, `items` what the entries say.
    pub fn spooled(&self, points: u64, items: u64) {
        let mut counts = lock(&self.0);
        counts.spooled += points;
        counts.in_spool += items;
    }

    /// The cursor passed entries that say they hold `items`; the verdicts add up to the rest.
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

/// Plain numbers cannot be left half changed in a way that matters more than losing the process.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
