//! Stalled deliveries: at a line of which it is not known whether it is bad. They give up their
//! slot.
//!
//! A line that is refused alone in unknown words becomes a dead letter only if the store accepts
//! something else. If each such delivery kept its slot among the requests in flight, a few of them
//! would block all lines that the store could accept, for ever.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::sink::meters::{Meters, Raised};

/// Counts the stalled deliveries of a shard.
#[derive(Debug)]
pub(super) struct Stalled {
    count: AtomicUsize,
    /// The most slots that are given up: each of the batches stays in memory.
    slots_max: usize,
    changed: Notify,
}

/// A stalled delivery, until it is dropped.
#[derive(Debug)]
pub(super) struct Stall<'a> {
    stalled: &'a Stalled,
    _counted: Raised<'a>,
}

impl Stalled {
    pub(super) fn new(slots_max: usize) -> Self {
        Self { count: AtomicUsize::new(0), slots_max, changed: Notify::new() }
    }

    /// A delivery is stalled: it gives up its slot and goes on trying.
    pub(super) fn begin<'a>(&'a self, meters: &'a Meters) -> Stall<'a> {
        if self.count.fetch_add(1, Ordering::Relaxed) >= self.slots_max {
            meters.kept_place();
        }
        self.changed.notify_one();
        Stall { stalled: self, _counted: meters.stalling() }
    }

    /// Slots that other deliveries may use.
    pub(super) fn slots(&self) -> usize {
        self.count.load(Ordering::Relaxed).min(self.slots_max)
    }

    /// Waits until another delivery has given up its slot.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Drop for Stall<'_> {
    fn drop(&mut self) {
        self.stalled.count.fetch_sub(1, Ordering::Relaxed);
    }
}
