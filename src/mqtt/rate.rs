//! How fast one client may publish: past its rate it is read no faster, and nothing is dropped.
//!
//! Counted in halves, because it is refilled by the clock of half a second; so a client may send
//! what a second allows at once, and a publish that is larger than that is taken and owed.

/// What a second allows; 0: as much as comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RateLimits {
    pub(super) messages: u32,
    pub(super) bytes: u64,
}

/// What one client may still send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    half_messages: i64,
    half_bytes: i64,
}

impl RateLimits {
    fn halves(self) -> (i64, i64) {
        (self.messages.into(), i64::try_from(self.bytes).unwrap_or(i64::MAX / 4))
    }
}

impl Rate {
    /// What a second allows.
    pub(super) fn new(limits: RateLimits) -> Self {
        let (messages, bytes) = limits.halves();
        Self { half_messages: 2 * messages, half_bytes: 2 * bytes }
    }

    /// A publish was taken.
    pub(super) fn spend(&mut self, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX / 4);
        self.half_messages = self.half_messages.saturating_sub(2);
        self.half_bytes = self.half_bytes.saturating_sub(2 * bytes);
    }

    /// Whether it may send nothing more for now.
    pub(super) fn is_spent(&self, limits: RateLimits) -> bool {
        (limits.messages > 0 && self.half_messages <= 0)
            || (limits.bytes > 0 && self.half_bytes <= 0)
    }

    /// Half a second has passed.
    pub(super) fn refill(&mut self, limits: RateLimits) {
        let (messages, bytes) = limits.halves();
        self.half_messages = (self.half_messages + messages).min(2 * messages);
        self.half_bytes = (self.half_bytes + bytes).min(2 * bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Publishes taken in so many seconds by a client that always has one more.
    fn taken(limits: RateLimits, bytes: usize, seconds: u32) -> u32 {
        let (mut rate, mut count) = (Rate::new(limits), 0);
        for _ in 0..2 * seconds {
            while !rate.is_spent(limits) && count < 1_000_000 {
                rate.spend(bytes);
                count += 1;
            }
            rate.refill(limits);
        }
        count
    }

    #[test]
    fn a_client_sends_what_a_second_allows_on_average() {
        let limits = |messages, bytes| RateLimits { messages, bytes };
        assert_eq!(taken(limits(1, 0), 10, 10), 11);
        assert_eq!(taken(limits(100, 0), 10, 10), 1050, "a second's worth at once, then the rate");
        assert_eq!(taken(limits(0, 1000), 100, 10), 105);
        // One that is larger than a second allows is taken, and waited for.
        assert_eq!(taken(limits(0, 1000), 5000, 10), 3);
        assert_eq!(taken(limits(0, 0), 10, 1), 1_000_000, "no bound");
    }
}
