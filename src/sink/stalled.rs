//! Deliveries of a shard that stand at a line which nobody can judge: they give up their place.
//!
//! A line that is refused alone in words that are in no list is set aside only where the store
//! accepts something else. If each kept its place among the requests in flight, a few of them would
//! keep everything from being sent that could be accepted, for ever.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::sink::meters::{Meters, Raised};

/// How many of a shard's deliveries stand at such a line.
#[derive(Debug)]
pub(super) struct Stalled {
    count: AtomicUsize,
    /// Places that are given up at most: each holds a batch in memory.
    places_max: usize,
    changed: Notify,
}

/// One delivery, for as long as it stands there.
#[derive(Debug)]
pub(super) struct Stall<'a> {
    stalled: &'a Stalled,
    _told: Raised<'a>,
}

impl Stalled {
    pub(super) fn new(places_max: usize) -> Self {
        Self { count: AtomicUsize::new(0), places_max, changed: Notify::new() }
    }

    /// A delivery has waited for its line's words for long enough, and goes on trying.
    pub(super) fn begin<'a>(&'a self, meters: &'a Meters) -> Stall<'a> {
        if self.count.fetch_add(1, Ordering::Relaxed) >= self.places_max {
            meters.kept_place();
        }
        self.changed.notify_one();
        Stall { stalled: self, _told: meters.stalling() }
    }

    /// Places that others may take.
    pub(super) fn places(&self) -> usize {
        self.count.load(Ordering::Relaxed).min(self.places_max)
    }

    /// Waits until one more has given up its place.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Drop for Stall<'_> {
    fn drop(&mut self) {
        self.stalled.count.fetch_sub(1, Ordering::Relaxed);
    }
}
