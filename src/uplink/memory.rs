//! One memory budget for the process: for everything between vehicles and disk.
//!
//! It counts the bytes that are allocated for groups, open and handed over. These hold lines, not
//! payloads: a line may be forty times as large as its payload. Past the bound no message is taken;
//! groups continue to the disk, which frees memory.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Bytes for groups of lines and dead letters on their way to the disk.
///
/// Why atomics: each is one number, and a group that grows must not take a lock. A worker checks
/// before each message, so the threshold is exceeded by at most one message per worker. It is
/// `bytes_max` minus that headroom.
#[derive(Debug)]
pub struct MemoryBudget {
    bytes_max: usize,
    /// No message is taken at or past this: `bytes_max` minus the largest message of each worker,
    /// but at least three quarters of `bytes_max`.
    threshold: usize,
    used: AtomicUsize,
    /// The part of `used` that dead letters take: at most an eighth of `bytes_max`.
    letters: AtomicUsize,
}

/// Waiting dead letters may take this fraction of the budget: one eighth.
const LETTERS_PART: usize = 8;

impl MemoryBudget {
    /// A budget for `workers`, each of which may exceed the threshold by one message of
    /// `message_bytes_max`.
    #[must_use]
    pub fn new(bytes_max: usize, workers: usize, message_bytes_max: usize) -> Self {
        let head_room = workers.saturating_mul(message_bytes_max).min(bytes_max / 4);
        let threshold = bytes_max - head_room;
        Self { bytes_max, threshold, used: 0.into(), letters: 0.into() }
    }

    /// The bound.
    #[must_use]
    pub const fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Bytes in use now.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether one more message may be taken.
    pub(crate) fn has_room(&self) -> bool {
        self.used() < self.threshold
    }

    /// Whether one more dead letter may wait for its log.
    pub(crate) fn has_room_for_letters(&self) -> bool {
        self.letters.load(Ordering::Relaxed) < self.bytes_max / LETTERS_PART
    }

    /// Whether so little is used that empty buffers may be kept for reuse.
    pub(crate) fn may_keep_buffers(&self) -> bool {
        self.used() < self.threshold / 2
    }
}

/// The bytes that one group takes from the budget; returned on drop.
#[derive(Debug)]
pub(super) struct Charge {
    budget: Arc<MemoryBudget>,
    bytes: usize,
    is_letters: bool,
}

impl Charge {
    /// A charge of 0 bytes.
    pub(super) fn new(budget: Arc<MemoryBudget>) -> Self {
        Self { budget, bytes: 0, is_letters: false }
    }

    /// Sets the charge to `bytes`.
    pub(super) fn set(&mut self, bytes: usize) {
        if bytes != self.bytes {
            self.change(bytes, self.is_letters);
        }
    }

    /// Marks the charge as one of dead letters.
    pub(super) fn set_letters(&mut self) {
        self.change(self.bytes, true);
    }

    #[cold]
    fn change(&mut self, bytes: usize, is_letters: bool) {
        self.budget.used.fetch_add(bytes, Ordering::Relaxed);
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
        if is_letters {
            self.budget.letters.fetch_add(bytes, Ordering::Relaxed);
        }
        if self.is_letters {
            self.budget.letters.fetch_sub(self.bytes, Ordering::Relaxed);
        }
        (self.bytes, self.is_letters) = (bytes, is_letters);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.change(0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_ends_one_message_per_worker_before_the_bound() {
        let budget = Arc::new(MemoryBudget::new(1000, 2, 50));
        let mut charge = Charge::new(Arc::clone(&budget));
        charge.set(899);
        assert!(budget.has_room());
        charge.set(900);
        assert!(!budget.has_room());
        drop(charge);
        assert_eq!((budget.used(), budget.has_room()), (0, true));
        // However many workers, three quarters can be used.
        assert!(Arc::new(MemoryBudget::new(1000, 64, 50)).threshold == 750);
    }

    #[test]
    fn dead_letters_take_at_most_an_eighth_and_count_in_the_total() {
        let budget = Arc::new(MemoryBudget::new(800, 1, 0));
        let mut charge = Charge::new(Arc::clone(&budget));
        charge.set_letters();
        charge.set(100);
        assert_eq!((budget.used(), budget.has_room_for_letters()), (100, false));
        drop(charge);
        assert_eq!((budget.used(), budget.has_room_for_letters()), (0, true));
    }
}
