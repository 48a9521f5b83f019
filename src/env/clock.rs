//! The clock: wall time for stamps, monotonic time for waits.

use std::{
    fmt,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::model::UnixNanos;

/// The month of this release, 2026-11-01: an earlier wall time must be wrong.
pub const RELEASED: UnixNanos = UnixNanos(1_793_491_200_000_000_000);

/// A clock. It is read once per batch, never per message.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The wall clock, which may jump.
    fn wall(&self) -> UnixNanos;
    /// Time since a fixed moment; it never goes back.
    fn monotonic(&self) -> Duration;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    fn wall(&self) -> UnixNanos {
        let nanos = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
            Err(before) => {
                i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos)
            }
        };
        UnixNanos(nanos)
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}
