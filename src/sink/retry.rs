//! How long to wait before a retry.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// The bounds of waiting. `delay_min <= delay_max / 2` for the growth to mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryOptions {
    /// About the first wait after a store was unavailable. Default: 100 ms.
    pub delay_min: Duration,
    /// The longest wait, whatever happened. Default: 10 s.
    pub delay_max: Duration,
    /// The longest that a store's `Retry-After` is honoured for. Default: 10 s.
    pub retry_after_max: Duration,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            delay_min: Duration::from_millis(100),
            delay_max: Duration::from_secs(10),
            retry_after_max: Duration::from_secs(10),
        }
    }
}

/// The waits of one batch: growing, and jittered so that shards do not retry at the same time.
#[derive(Debug)]
pub(super) struct Retry {
    options: RetryOptions,
    seed: u64,
    backoff: ExponentialBackoff,
}

impl Retry {
    /// A batch that was not sent yet. Equal seeds give equal waits.
    pub(super) fn new(options: RetryOptions, seed: u64) -> Self {
        Self { options, seed, backoff: backoff(options, seed) }
    }

    /// The store answered: the next outage begins with the shortest wait.
    pub(super) fn reset(&mut self) {
        self.seed = self.seed.wrapping_add(1);
        self.backoff = backoff(self.options, self.seed);
    }

    /// How long to wait for a store that is unavailable and asked for `retry_after`.
    pub(super) fn unavailable(&mut self, retry_after: Option<Duration>) -> Duration {
        let grown = self.backoff.next().unwrap_or(self.options.delay_max);
        let asked = retry_after.unwrap_or_default().min(self.options.retry_after_max);
        grown.min(self.options.delay_max).max(asked)
    }

    /// How long to wait if somebody has to change a setting first: long from the start.
    pub(super) fn halted(&mut self) -> Duration {
        let mut slow = ExponentialBuilder::new()
            .with_min_delay(self.options.delay_max / 2)
            .with_jitter()
            .with_jitter_seed(self.seed)
            .build();
        self.seed = self.seed.wrapping_add(1);
        slow.next().unwrap_or(self.options.delay_max).min(self.options.delay_max)
    }
}

/// Jitter adds up to the delay itself, so the arithmetic is bounded at half of the longest wait.
fn backoff(options: RetryOptions, seed: u64) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(options.delay_min)
        .with_max_delay(options.delay_max / 2)
        .with_factor(2.0)
        .with_jitter()
        .with_jitter_seed(seed)
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_with_jitter_and_never_pass_the_bound() {
        let options = RetryOptions::default();
        for seed in 0..50 {
            let mut retry = Retry::new(options, seed);
            let waits: Vec<Duration> = (0..40).map(|_| retry.unavailable(None)).collect();
            assert!(waits[0] < Duration::from_millis(200), "{waits:?}");
            assert!(waits.iter().all(|wait| *wait >= options.delay_min), "{waits:?}");
            assert!(waits.iter().all(|wait| *wait <= options.delay_max), "{waits:?}");
            assert!(waits[10..].iter().all(|wait| *wait >= options.delay_max / 2), "{waits:?}");
            assert!(waits[10..].windows(2).any(|pair| pair[0] != pair[1]), "{waits:?}");
            retry.reset();
            assert!(retry.unavailable(None) < Duration::from_millis(200));
        }
    }

    #[test]
    fn retry_after_is_honoured_up_to_its_bound() {
        let options =
            RetryOptions { retry_after_max: Duration::from_secs(7), ..RetryOptions::default() };
        let mut retry = Retry::new(options, 1);
        assert_eq!(retry.unavailable(Some(Duration::from_secs(3))), Duration::from_secs(3));
        assert_eq!(retry.unavailable(Some(Duration::MAX)), Duration::from_secs(7));
        assert!(retry.unavailable(Some(Duration::ZERO)) >= options.delay_min);
    }

    #[test]
    fn a_halted_store_is_asked_slowly_from_the_start() {
        let mut retry = Retry::new(RetryOptions::default(), 1);
        for _ in 0..20 {
            let wait = retry.halted();
            assert!((5..=10).contains(&wait.as_secs()), "{wait:?}");
        }
    }
}
