//! Limits the rate of one client's publishes: its socket is read no faster, and nothing is dropped.
//!
//! It counts in halves, because the clock of half a second refills it. A client may send a second's
//! worth at once; a larger publish is accepted, and the excess is taken from the following seconds.

/// The limits per second; 0: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RateLimits {
    pub(super) messages: u32,
    pub(super) bytes: u64,
}

/// What one client may send now.
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
    /// A full second's worth.
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

    /// Whether it may send nothing for now.
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

    /// Publishes accepted within `seconds` from a client that always has one more.
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
        // A publish that is larger than a second's worth is accepted, and then waited for.
        assert_eq!(taken(limits(0, 1000), 5000, 10), 3);
        assert_eq!(taken(limits(0, 0), 10, 1), 1_000_000, "no bound");
    }
}
