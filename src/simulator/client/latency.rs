//! How long acknowledgements took: a histogram with a bounded relative error.
//!
//! Values are nanoseconds. Below 64 each has its own bucket; above, every power of two is split
//! into 64 equal buckets, so a quantile is at most 1/64 (1.6 %) above the value it stands for. The
//! table is 30 KiB, whatever is recorded.

use std::time::Duration;

const SUB_BITS: u32 = 6;
const SUB_COUNT: usize = 1 << SUB_BITS;
/// One run of `SUB_COUNT` buckets for each exponent a `u64` can have above the linear part.
const BUCKETS_COUNT: usize = SUB_COUNT * (64 - SUB_BITS as usize + 1);

/// Recorded durations.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    buckets: Vec<u64>,
    recorded: u64,
    longest: u64,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self { buckets: vec![0; BUCKETS_COUNT], recorded: 0, longest: 0 }
    }

    pub(crate) fn record(&mut self, nanos: u64) {
        self.buckets[bucket_of(nanos)] += 1;
        self.recorded += 1;
        self.longest = self.longest.max(nanos);
    }

    pub(crate) fn recorded(&self) -> u64 {
        self.recorded
    }

    pub(crate) fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest)
    }

    /// What was recorded since `earlier`, a copy of this as it was; the longest is known to the
    /// precision of its bucket.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let pairs = self.buckets.iter().zip(&earlier.buckets);
        let buckets: Vec<u64> = pairs.map(|(now, then)| now.saturating_sub(*then)).collect();
        let longest = buckets.iter().rposition(|count| *count > 0).map_or(0, highest_in);
        Self {
            recorded: self.recorded.saturating_sub(earlier.recorded),
            longest: longest.min(self.longest),
            buckets,
        }
    }

    /// The duration that `per_100k` of 100,000 recorded ones do not exceed (50,000 is the median);
    /// zero if nothing was recorded.
    pub(crate) fn quantile(&self, per_100k: u64) -> Duration {
        let wanted = (u128::from(self.recorded) * u128::from(per_100k)).div_ceil(100_000).max(1);
        let mut seen = 0_u128;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += u128::from(*count);
            if seen >= wanted {
                return Duration::from_nanos(highest_in(bucket).min(self.longest));
            }
        }
        Duration::ZERO
    }
}

fn bucket_of(nanos: u64) -> usize {
    let exponent = (u64::BITS - nanos.leading_zeros()).saturating_sub(SUB_BITS + 1);
    let sub = usize::try_from(nanos >> exponent).expect("shifted down to SUB_BITS + 1 bits");
    SUB_COUNT * usize::try_from(exponent).expect("at most 57") + sub
}

fn highest_in(bucket: usize) -> u64 {
    if bucket < 2 * SUB_COUNT {
        return u64::try_from(bucket).expect("small");
    }
    let exponent = bucket / SUB_COUNT - 1;
    let sub = u64::try_from(bucket - SUB_COUNT * exponent).expect("small");
    ((sub + 1) << exponent).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_a_bucket_whose_top_is_at_most_a_64th_above_it() {
        let mut values: Vec<u64> = (0..2000).collect();
        for shift in 11..64 {
            values.extend([(1 << shift) - 1, 1 << shift, (1 << shift) + (1 << (shift - 3))]);
        }
        values.push(u64::MAX);
        for value in values {
            let top = highest_in(bucket_of(value));
            assert!(top >= value, "{value} is above its bucket's top {top}");
            assert!(top - value <= value / 64, "{value} is far below its bucket's top {top}");
        }
    }

    #[test]
    fn what_came_since_has_quantiles_of_its_own() {
        let mut latencies = Latencies::new();
        (0..1000).for_each(|_| latencies.record(9_000_000));
        let earlier = latencies.clone();
        assert_eq!(latencies.since(&earlier).quantile(99_000), Duration::ZERO);
        (1..=10).for_each(|micros| latencies.record(micros * 1000));
        let recent = latencies.since(&earlier);
        assert_eq!(recent.recorded(), 10);
        let (median, longest) = (recent.quantile(50_000).as_nanos(), recent.longest().as_nanos());
        assert!((5000..=5079).contains(&median), "{median}");
        assert!((10_000..=10_157).contains(&longest), "{longest}");
    }

    #[test]
    fn quantiles_of_a_known_distribution() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.quantile(99_000), Duration::ZERO);
        for micros in 1..=10_000_u64 {
            latencies.record(micros * 1000);
        }
        assert_eq!(latencies.recorded(), 10_000);
        for (per_100k, micros) in [(50_000, 5000), (99_000, 9900), (99_900, 9990)] {
            let answer = latencies.quantile(per_100k).as_nanos();
            let exact = micros * 1000;
            assert!(answer >= exact && answer <= exact + exact / 64, "{per_100k}: {answer}");
        }
        assert_eq!(latencies.quantile(100_000), latencies.longest());
        assert_eq!(latencies.longest(), Duration::from_millis(10));
    }
}
