//! Times of receipt: one look at the clock a turn, one distinct stamp a message.

use std::sync::Arc;

use crate::{env::Clock, model::UnixNanos};

/// Hands out stamps that only grow.
#[derive(Debug)]
pub(super) struct Stamps {
    clock: Arc<dyn Clock>,
    last: UnixNanos,
    /// Whether the clock has been read this turn.
    read: bool,
}

impl Stamps {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, last: UnixNanos(i64::MIN), read: false }
    }

    /// A stamp after every earlier one, even if the clock was set back.
    pub(super) fn next(&mut self) -> UnixNanos {
        let after = self.last.saturating_add(1);
        self.last = if self.read { after } else { after.max(self.clock.wall()) };
        self.read = true;
        self.last
    }

    /// A message has used so many stamps, the one that it was given included.
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

    #[test]
    fn stamps_only_grow_within_a_turn_and_when_the_clock_is_set_back() {
        let clock = Arc::new(SimClock::new());
        clock.set_wall(UnixNanos(100));
        let mut stamps = Stamps::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let first = [stamps.next(), stamps.next()];
        assert_eq!(first, [UnixNanos(100), UnixNanos(101)]);
        stamps.end_turn();
        clock.set_wall(UnixNanos(50));
        assert_eq!(stamps.next(), UnixNanos(102));
        stamps.end_turn();
        clock.set_wall(UnixNanos(500));
        assert_eq!(stamps.next(), UnixNanos(500));
        stamps.used(3);
        assert_eq!(stamps.next(), UnixNanos(503), "two more points of that message had stamps");
        stamps.used(0);
        assert_eq!(stamps.next(), UnixNanos(504));
    }
}
