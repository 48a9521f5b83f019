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
/// A spool that has no other segment is always granted one, or a shard whose store is well could be
/// starved for good by one whose store is away. So bytes on disk ≤ `bytes_max` + one segment a
/// spool, where an entry larger than a segment counts as the segment that it gets.
///
/// Why a mutex: it is taken once a segment, not once an entry, and the wait needs a condition
/// variable beside it.
#[derive(Debug)]
pub struct Budget {
    bytes_max: u64,
    room: Mutex<Room>,
    freed: Condvar,
    /// Segments that are kept although they are confirmed; `None` where nothing is said about it.
    holding: Option<Holding>,
}

#[derive(Debug, Default)]
struct Room {
    used: u64,
    /// Counts the moments at which somebody who waits should look again.
    changes: u64,
}

impl Budget {
    /// A budget of `bytes_max` bytes, none used.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        Self { bytes_max, room: Mutex::default(), freed: Condvar::new(), holding: None }
    }

    /// The same, where confirmed segments are held for a time, or, if that is zero, what an earlier
    /// process held is deleted.
    #[must_use]
    pub fn holding(self, time: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { holding: Some(Holding::new(time, clock)), ..self }
    }

    /// What is held; nothing where no time is told.
    pub(super) fn held(&self) -> Option<&Holding> {
        self.holding.as_ref()
    }

    /// What is held, and what gave way.
    #[must_use]
    pub fn held_status(&self) -> HeldStatus {
        self.holding.as_ref().map(Holding::status).unwrap_or_default()
    }

    /// Deletes what was held for long enough.
    pub fn expire_held(&self) {
        let freed = self.holding.as_ref().map_or(0, Holding::expire);
        if freed > 0 {
            self.give_back(freed);
        }
    }

    /// Deletes the oldest segment that is held, for room; false where none is.
    pub(super) fn take_from_held(&self) -> bool {
        let freed = self.holding.as_ref().and_then(Holding::give_way);
        if let Some(bytes) = freed {
            self.give_back(bytes);
        }
        freed.is_some()
    }

    /// A spool is closed: what it holds counts no more.
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

    /// Takes `bytes` if they fit, or if the asker has no other segment and nothing is held that
    /// could give way first.
    pub(super) fn take(&self, bytes: u64, only: bool) -> bool {
        let only = only && self.held_status().bytes == 0;
        let mut room = self.lock();
        let after = room.used.saturating_add(bytes);
        let granted = only || after <= self.bytes_max;
        if granted {
            room.used = after;
        }
        granted
    }

    /// Counts bytes that are on disk already, whatever the bound.
    pub(super) fn adopt(&self, bytes: u64) {
        self.lock().used += bytes;
    }

    /// Gives bytes back and wakes who waits for room.
    pub(super) fn give_back(&self, bytes: u64) {
        let mut room = self.lock();
        debug_assert!(room.used >= bytes, "more given back than taken");
        room.used = room.used.saturating_sub(bytes);
        room.changes += 1;
        drop(room);
        self.freed.notify_all();
    }

    /// Gives back what was taken and could not be used. Wakes nobody: it was not there before, and
    /// who waits because the disk is full would be woken by its own attempts.
    pub(super) fn refund(&self, bytes: u64) {
        let mut room = self.lock();
        room.used = room.used.saturating_sub(bytes);
    }

    /// Wakes who waits for room, to look at something else.
    pub(super) fn wake(&self) {
        self.lock().changes += 1;
        self.freed.notify_all();
    }

    /// A mark of now, for [`wait`](Self::wait).
    pub(super) fn mark(&self) -> u64 {
        self.lock().changes
    }

    /// Waits until something changed since the mark, at most so long. Room that was freed between
    /// the mark and this call is not missed.
    pub(super) fn wait(&self, mark: u64, at_most: Duration) {
        let room = self.lock();
        let waited = self.freed.wait_timeout_while(room, at_most, |room| room.changes == mark);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Two numbers cannot be left half changed.
    fn lock(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
