//! How long acknowledgements took.

use std::time::Duration;

use hdrhistogram::Histogram;

/// A quantile is at most 1 % above what it stands for.
const DIGITS: u8 = 2;

/// Recorded durations, in a histogram of nanoseconds whose size does not grow with their number:
/// some 30 KiB for durations up to ten seconds.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Self {
        Self(Histogram::new(DIGITS).expect("up to five digits are allowed"))
    }

    pub(crate) fn record(&mut self, nanos: u64) {
        self.0.record(nanos).expect("the table grows with the longest");
    }

    pub(crate) fn recorded(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn longest(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// What was recorded since `earlier`, a copy of this as it was.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut recent = self.0.clone();
        recent.subtract(&earlier.0).expect("counts only grow");
        Self(recent)
    }

    /// The duration that this share of the recorded ones, from 0 to 1, does not exceed; zero if
    /// nothing was recorded.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_quantile(share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `found` is `exact` or up to a hundredth above it.
    #[track_caller]
    fn check_near(found: Duration, exact: Duration) {
        assert!(found >= exact && found <= exact + exact / 100, "{found:?} for {exact:?}");
    }

    #[test]
    fn what_came_since_has_quantiles_of_its_own() {
        let mut latencies = Latencies::new();
        (0..1000).for_each(|_| latencies.record(9_000_000));
        let earlier = latencies.clone();
        assert_eq!(latencies.since(&earlier).quantile(0.99), Duration::ZERO);
        (1..=10).for_each(|micros| latencies.record(micros * 1000));
        let recent = latencies.since(&earlier);
        assert_eq!(recent.recorded(), 10);
        check_near(recent.quantile(0.5), Duration::from_micros(5));
        check_near(recent.longest(), Duration::from_micros(10));
    }

    #[test]
    fn quantiles_of_a_known_distribution() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.quantile(0.99), Duration::ZERO);
        for micros in 1..=10_000_u64 {
            latencies.record(micros * 1000);
        }
        assert_eq!(latencies.recorded(), 10_000);
        for (share, micros) in [(0.5, 5000), (0.99, 9900), (0.999, 9990), (1.0, 10_000)] {
            check_near(latencies.quantile(share), Duration::from_micros(micros));
        }
        check_near(latencies.longest(), Duration::from_millis(10));
        latencies.record(u64::MAX);
        assert_eq!(latencies.longest(), Duration::from_nanos(u64::MAX));
    }
}
