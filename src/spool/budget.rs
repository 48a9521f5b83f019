//! The bound on bytes on disk, shared by all spools of the appliance.

use std::{
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::hold::{HeldStatus, Holding};
use crate::env::Clock;

/// Bytes that the segments of all spools may take together (SP-6).
///
/// A spool that has no other segment is always granted one. Otherwise a shard whose store works
/// could be starved permanently by a shard whose store is down. So bytes on disk ≤ `bytes_max` +
/// one segment a spool, where an entry that is larger than a segment counts as a segment of its own
/// size.
///
/// Why a mutex: it is taken once per segment, not once per entry, and waiting for room needs a
/// condition variable.
#[derive(Debug)]
pub struct Budget {
    bytes_max: u64,
    usage: Mutex<Usage>,
    freed: Condvar,
    /// Confirmed segments that are kept for a time; `None` if the option is not used.
    holding: Option<Holding>,
}

#[derive(Debug, Default)]
struct Usage {
    used: u64,
    /// Incremented whenever a waiting writer should check again.
    changes: u64,
}

impl Budget {
    /// A budget of `bytes_max` bytes, none used.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        Self { bytes_max, usage: Mutex::default(), freed: Condvar::new(), holding: None }
    }

    /// Holds confirmed segments for `time`. If `time` is zero, nothing is held, and segments that
    /// an earlier process held are deleted.
    #[must_use]
    pub fn holding(self, time: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { holding: Some(Holding::new(time, clock)), ..self }
    }

    /// The held segments; `None` if no time was configured.
    pub(super) fn held(&self) -> Option<&Holding> {
        self.holding.as_ref()
    }

    /// How many bytes are held, and how many segments were evicted.
    #[must_use]
    pub fn held_status(&self) -> HeldStatus {
        self.holding.as_ref().map(Holding::status).unwrap_or_default()
    }

    /// Deletes segments that were held for the full time.
    pub fn expire_held(&self) {
        let freed = self.holding.as_ref().map_or(0, Holding::expire);
        if freed > 0 {
            self.give_back(freed);
        }
    }

    /// Deletes the oldest held segment to free its room; false if none is held.
    pub(super) fn evict_held(&self) -> bool {
        let freed = self.holding.as_ref().and_then(Holding::evict_oldest);
        if let Some(bytes) = freed {
            self.give_back(bytes);
        }
        freed.is_some()
    }

    /// Stops counting the held segments of a spool, which is closed.
    pub(super) fn forget_held(&self, dir: &Path) {
        let bytes = self.holding.as_ref().map_or(0, |holding| holding.forget(dir));
        if bytes > 0 {
            self.give_back(bytes);
        }
    }

    /// The bound.
    #[must_use]
    pub const fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Bytes that segments take now, those reserved ahead included.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.lock().used
    }

    /// Takes `bytes` if they fit. Also takes them if the caller has no other segment (`only`) and
    /// no held segment could be evicted first.
    pub(super) fn take(&self, bytes: u64, only: bool) -> bool {
        let only = only && self.held_status().bytes == 0;
        let mut usage = self.lock();
        let after = usage.used.saturating_add(bytes);
        let granted = only || after <= self.bytes_max;
        if granted {
            usage.used = after;
        }
        granted
    }

    /// Counts bytes that are on disk already, whatever the bound.
    pub(super) fn adopt(&self, bytes: u64) {
        self.lock().used += bytes;
    }

    /// Returns bytes back and wakes writers that wait for room.
    pub(super) fn give_back(&self, bytes: u64) {
        let mut usage = self.lock();
        debug_assert!(usage.used >= bytes, "more given back than taken");
        usage.used = usage.used.saturating_sub(bytes);
        usage.changes += 1;
        drop(usage);
        self.freed.notify_all();
    }

    /// Returns bytes that were taken and could not be used. Wakes nobody: no room became free, and
    /// a writer that waits because the disk is full would be woken by its own attempts.
    pub(super) fn refund(&self, bytes: u64) {
        let mut usage = self.lock();
        usage.used = usage.used.saturating_sub(bytes);
    }

    /// Wakes writers that wait for room, because something else has changed for them.
    pub(super) fn wake(&self) {
        self.lock().changes += 1;
        self.freed.notify_all();
    }

    /// The current change count, for [`wait`](Self::wait).
    pub(super) fn mark(&self) -> u64 {
        self.lock().changes
    }

    /// Waits until something has changed since the mark, at most `at_most`. Usage that was freed
    /// between the mark and this call is not missed.
    pub(super) fn wait(&self, mark: u64, at_most: Duration) {
        let usage = self.lock();
        let waited = self.freed.wait_timeout_while(usage, at_most, |usage| usage.changes == mark);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Poisoning is ignored: a panic cannot leave these two numbers inconsistent.
    fn lock(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
