//! Times of receipt: the clock is read once per turn, and each message gets a distinct stamp.

use std::{collections::VecDeque, sync::Arc};

use crate::{env::Clock, model::UnixNanos};

/// Nanoseconds that the clock may be behind the last stamp without having been set back: messages
/// that arrived at once have used stamps that far ahead of the clock.
const NUDGED_MAX: i64 = 10_000_000;

/// If the clock is this many nanoseconds ahead of the last stamp, that stamp is remembered.
const REMEMBERED_FROM: i64 = 10_000_000_000;

/// How many stamps are remembered.
const REMEMBERED_MAX: usize = 8;

/// Hands out distinct stamps that follow the clock. They grow, except when the clock is set back.
#[derive(Debug)]
pub(super) struct Stamps {
    clock: Arc<dyn Clock>,
    last: UnixNanos,
    /// Whether the clock has been read this turn.
    read: bool,
    /// The last stamps before jumps of the clock, newest first: the clock may be set back to the
    /// time of one of them.
    left: VecDeque<UnixNanos>,
}

impl Stamps {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let left = VecDeque::with_capacity(REMEMBERED_MAX + 1);
        Self { clock, last: UnixNanos(i64::MIN), read: false, left }
    }

    /// The time of receipt, moved ahead if that stamp was handed out before.
    pub(super) fn next(&mut self) -> UnixNanos {
        let after = self.last.saturating_add(1);
        self.last = if self.read { after } else { self.look(after) };
        self.read = true;
        self.last
    }

    /// The clock's time, or `after` if that is a little ahead of it.
    fn look(&mut self, after: UnixNanos) -> UnixNanos {
        let wall = self.clock.wall();
        let ahead = wall.0.saturating_sub(after.0);
        if (-NUDGED_MAX..REMEMBERED_FROM).contains(&ahead) {
            return after.max(wall);
        }
        self.left.push_front(self.last);
        self.left.truncate(REMEMBERED_MAX);
        let mut stamp = wall;
        for left in self.left.iter().rev() {
            if (0..NUDGED_MAX).contains(&left.0.saturating_sub(stamp.0)) {
                stamp = left.saturating_add(1);
            }
        }
        stamp
    }

    /// Notes that a message has used `stamps` stamps, including the one that it was given.
    pub(super) fn used(&mut self, stamps: u32) {
        self.last = self.last.saturating_add(i64::from(stamps.saturating_sub(1)));
    }

    pub(super) fn end_turn(&mut self) {
        self.read = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::sim::SimClock;

    fn stamps(clock: &SimClock) -> Stamps {
        Stamps::new(Arc::new(clock.clone()))
    }

    /// A stamp of a turn that begins at a time.
    fn at(clock: &SimClock, stamps: &mut Stamps, wall: i64) -> i64 {
        stamps.end_turn();
        clock.set_wall(UnixNanos(wall));
        stamps.next().0
    }

    #[test]
    fn stamps_grow_within_a_turn_and_by_as_many_as_a_message_has_used() {
        let clock = SimClock::new();
        let mut stamps = stamps(&clock);
        assert_eq!(at(&clock, &mut stamps, 100), 100);
        assert_eq!(stamps.next(), UnixNanos(101));
        assert_eq!(at(&clock, &mut stamps, 50), 102, "a little behind is no jump");
        assert_eq!(at(&clock, &mut stamps, 500), 500);
        stamps.used(3);
        assert_eq!(stamps.next(), UnixNanos(503), "two more points of that message had stamps");
        stamps.used(0);
        assert_eq!(stamps.next(), UnixNanos(504));
    }

    /// The case `o02-clock-that-jumps`.
    #[test]
    fn a_clock_that_was_ahead_for_a_moment_is_followed_back_and_no_stamp_comes_twice() {
        const DAY: i64 = 86_400_000_000_000;
        const NOW: i64 = 1_795_737_600_000_000_000;
        let clock = SimClock::new();
        let mut stamps = stamps(&clock);
        let mut seen = std::collections::BTreeSet::new();
        let walls = [NOW, NOW + 1, NOW + DAY, NOW + DAY, NOW + 1, NOW, NOW + 5, NOW + DAY, NOW + 7];
        for wall in walls {
            for stamp in [at(&clock, &mut stamps, wall), stamps.next().0] {
                assert!(seen.insert(stamp), "{stamp} twice");
                let off = stamp - wall;
                assert!((0..1_000).contains(&off), "{off} ns off at {}", wall - NOW);
            }
        }
        // Corrected by an hour: followed, too.
        let back = NOW - DAY / 24;
        assert_eq!(at(&clock, &mut stamps, back), back);
    }
}
