//! Requests that may teach the types of a measurement: one of a shard at a time.
//!
//! An InfluxDB 1 or 2 tells the type of a field only when it refuses points for it, and then all
//! the requests that were under way with such points are sent again. So a request with lines of a
//! measurement whose types are not known, a *probe*, is sent while no other probe of its shard is
//! under way. The next one is screened by what the first has taught. As soon as the store has
//! accepted a line of the measurement, its requests are sent side by side again.
//!
//! A probe never waits long for another: [`Options::probe_wait_max`](crate::sink::Options) at once
//! where the other one hangs, and over time a [`WAIT_SHARE`]th of the time, however many new
//! measurements a fleet brings. Then it is sent beside the other, which costs nothing but that both
//! may have to be sent again.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Mutex as Turnstile, time::timeout};

use crate::env::Clock;

/// Which part of the time the probes of a shard wait for each other at most.
const WAIT_SHARE: u32 = 50;

/// The probes of one shard.
#[derive(Debug)]
pub(super) struct Probes {
    /// Held by the probe that is under way. Those that wait get it in their order.
    turnstile: Turnstile<()>,
    /// Why a mutex: it is taken for a moment, by a probe that has to wait.
    allowance: Mutex<Allowance>,
}

/// Permission to send a probe: no other of the shard is under way until it is dropped.
#[derive(Debug)]
pub(super) struct Probe<'a> {
    _held: tokio::sync::MutexGuard<'a, ()>,
}

impl Probes {
    /// The probes of a shard that may wait so long at once.
    pub(super) fn new(wait_max: Duration) -> Self {
        Self { turnstile: Turnstile::default(), allowance: Mutex::new(Allowance::new(wait_max)) }
    }

    /// The probe, if no other one is under way.
    pub(super) fn try_begin(&self) -> Option<Probe<'_>> {
        self.turnstile.try_lock().ok().map(|held| Probe { _held: held })
    }

    /// Waits until no other probe is under way; `None` where that takes too long.
    pub(super) async fn begin(&self, clock: &dyn Clock) -> Option<Probe<'_>> {
        if let Some(probe) = self.try_begin() {
            return Some(probe);
        }
        let began = clock.monotonic();
        let wait = self.allowance().left(began);
        let held = timeout(wait, self.turnstile.lock()).await;
        self.allowance().spend(clock.monotonic().saturating_sub(began));
        held.ok().map(|held| Probe { _held: held })
    }

    /// Each change leaves it whole.
    fn allowance(&self) -> MutexGuard<'_, Allowance> {
        self.allowance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long the probes of a shard may still wait for each other.
#[derive(Debug)]
struct Allowance {
    wait_max: Duration,
    /// What was waited, less what time has given back since.
    spent: Duration,
    /// When time last gave something back.
    at: Duration,
}

impl Allowance {
    fn new(wait_max: Duration) -> Self {
        Self { wait_max, spent: Duration::ZERO, at: Duration::ZERO }
    }

    /// How long a probe may wait from now on.
    fn left(&mut self, now: Duration) -> Duration {
        let given_back = now.saturating_sub(self.at) / WAIT_SHARE;
        self.spent = self.spent.saturating_sub(given_back);
        self.at = now;
        self.wait_max.saturating_sub(self.spent)
    }

    /// A probe has waited for so long.
    fn spend(&mut self, waited: Duration) {
        self.spent = self.spent.saturating_add(waited);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::SystemClock;

    const WAIT_MAX: Duration = Duration::from_secs(5);

    #[test]
    fn a_fleet_that_brings_new_measurements_all_the_time_waits_a_fiftieth_of_it_at_most() {
        let request = Duration::from_millis(50);
        let mut allowance = Allowance::new(WAIT_MAX);
        let (mut now, mut waited) = (Duration::ZERO, Duration::ZERO);
        let hour = Duration::from_hours(1);
        while now < hour {
            let wait = allowance.left(now).min(request);
            allowance.spend(wait);
            waited += wait;
            now += request + wait;
        }
        let bound = WAIT_MAX + now / WAIT_SHARE + request;
        assert!(waited <= bound && waited > bound / 2, "{waited:?} of {now:?}");
    }

    #[test]
    fn what_was_waited_is_given_back_in_time() {
        let mut allowance = Allowance::new(WAIT_MAX);
        assert_eq!(allowance.left(Duration::ZERO), WAIT_MAX);
        allowance.spend(WAIT_MAX * 2);
        assert_eq!(allowance.left(WAIT_MAX), Duration::ZERO);
        assert_eq!(allowance.left(WAIT_MAX * WAIT_SHARE * 3), WAIT_MAX);
    }

    #[tokio::test]
    async fn a_probe_waits_for_the_one_before_it_and_for_so_long_at_most() {
        let clock = SystemClock::start();
        let probes = Probes::new(Duration::from_millis(20));
        let first = probes.begin(&clock).await.expect("nobody is there");
        assert!(probes.try_begin().is_none());
        assert!(probes.begin(&clock).await.is_none(), "the first one hangs");
        drop(first);
        assert!(probes.begin(&clock).await.is_some());

        let probes = Probes::new(WAIT_MAX);
        let first = probes.begin(&clock).await;
        let (second, ()) = tokio::join!(probes.begin(&clock), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        assert!(second.is_some());
    }
}
