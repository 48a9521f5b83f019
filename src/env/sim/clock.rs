//! A clock that does not run by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{env::Clock, model::UnixNanos};

/// A clock that does not run by itself. Clones are the same clock.
///
/// Two atomics, not a mutex: the two times are independent, and each is read alone.
#[derive(Clone, Debug, Default)]
pub struct SimClock {
    wall: Arc<AtomicI64>,
    monotonic: Arc<AtomicU64>,
}

impl SimClock {
    /// A clock at the Unix epoch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Advances both clocks.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.monotonic.fetch_add(nanos, Ordering::SeqCst);
        self.wall.fetch_add(i64::try_from(nanos).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Sets the wall clock, which may jump.
    pub fn set_wall(&self, to: UnixNanos) {
        self.wall.store(to.0, Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn wall(&self) -> UnixNanos {
        UnixNanos(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.monotonic.load(Ordering::SeqCst))
    }
}
