//! The memory that everything between vehicles and disk may take: one budget for the process.
//!
//! Counted is what is allocated for groups, open and handed over, as it lies in memory: lines, not
//! payloads, because a line may be forty times its payload. Past the bound nothing is taken in;
//! what is there goes on to the disk and makes room.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Bytes for groups of lines and dead letters on their way to the disk.
///
/// Why atomics: each is one number, and a group that grows by a page or by nothing must not take a
/// lock. A worker looks before each message, so the bound is passed by at most one message a
/// worker; `bytes_max` less that head room is where taking in stops.
#[derive(Debug)]
pub struct MemoryBudget {
    bytes_max: usize,
    /// Where taking in stops: `bytes_max` less the largest message of each worker, but at least
    /// three quarters of it.
    threshold: usize,
    used: AtomicUsize,
    /// Of `used`, what dead letters take; at most an eighth of `bytes_max`.
    letters: AtomicUsize,
}

/// Dead letters that wait may take one part in so many.
const LETTERS_PART: usize = 8;

impl MemoryBudget {
    /// A budget for `workers` that may each pass it by one message of `message_bytes_max`.
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

    /// Bytes taken now.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether one more message may be taken in.
    pub(crate) fn has_room(&self) -> bool {
        self.used() < self.threshold
    }

    /// Whether one more dead letter may wait for its log.
    pub(crate) fn has_room_for_letters(&self) -> bool {
        self.letters.load(Ordering::Relaxed) < self.bytes_max / LETTERS_PART
    }

    /// Whether it is so empty that buffers may be kept for later.
    pub(crate) fn is_relaxed(&self) -> bool {
        self.used() < self.threshold / 2
    }
}

/// What one group takes of the budget; given back when it goes.
#[derive(Debug)]
pub(super) struct Charge {
    budget: Arc<MemoryBudget>,
    bytes: usize,
    is_letters: bool,
}

impl Charge {
    /// A charge of nothing yet.
    pub(super) fn new(budget: Arc<MemoryBudget>) -> Self {
        Self { budget, bytes: 0, is_letters: false }
    }

    /// Says how much it is now.
    pub(super) fn set(&mut self, bytes: usize) {
        if bytes != self.bytes {
            self.change(bytes, self.is_letters);
        }
    }

    /// Says that it is for dead letters.
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
    fn room_ends_before_the_bound_by_a_message_a_worker() {
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
    fn letters_take_an_eighth_and_count_in_the_whole() {
        let budget = Arc::new(MemoryBudget::new(800, 1, 0));
        let mut charge = Charge::new(Arc::clone(&budget));
        charge.set_letters();
        charge.set(100);
        assert_eq!((budget.used(), budget.has_room_for_letters()), (100, false));
        drop(charge);
        assert_eq!((budget.used(), budget.has_room_for_letters()), (0, true));
    }
}
