//! The clock of a worker's connections, in half seconds: one for all of them, because a timer per
//! connection would cost more than everything else that an idle vehicle costs.

use std::time::Duration;

/// The interval at which overdue connections are searched: the error of every time-out of the edge.
pub(super) const TICK: Duration = Duration::from_millis(500);

/// A time on a worker's clock, in half seconds since it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tick(pub(super) u32);

impl Tick {
    /// Ticks since an earlier time.
    pub(super) fn since(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
    }

    /// The next tick.
    pub(super) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A duration in ticks, rounded up.
pub(super) fn ticks(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis().div_ceil(TICK.as_millis())).unwrap_or(u32::MAX)
}
