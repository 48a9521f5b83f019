//! Limits accepted connections per second: excess connections wait for their turn, at most one
//! second.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How far in the future turns are given.
const AHEAD: Duration = Duration::from_secs(1);
/// The burst that is accepted at once, as time: a tenth of a second's worth.
const BURST: Duration = Duration::from_millis(100);

/// When a connection may continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) enum Turn {
    Now,
    In(Duration),
    /// Too many wait already.
    Never,
}

/// The turns of all listeners. One number: the time at which the next turn is due.
#[derive(Debug)]
pub(in crate::mqtt) struct AcceptRate {
    every_nanos: u64,
    next_nanos: AtomicU64,
}

impl AcceptRate {
    /// A limit of `a_second` connections per second.
    pub(in crate::mqtt) fn new(a_second: u32) -> Self {
        Self { every_nanos: 1_000_000_000 / u64::from(a_second.max(1)), next_nanos: 0.into() }
    }

    /// Takes a turn for one connection.
    pub(in crate::mqtt) fn turn(&self, now: Duration) -> Turn {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2);
        let (now, earliest) = (nanos(now), nanos(now.saturating_sub(BURST)));
        let mut due = 0;
        let taken = self.next_nanos.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            due = next.max(earliest);
            (due <= now + nanos(AHEAD)).then_some(due + self.every_nanos)
        });
        match taken {
            Err(_) => Turn::Never,
            Ok(_) if due <= now => Turn::Now,
            Ok(_) => Turn::In(Duration::from_nanos(due - now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_rate_connections_wait_for_a_second_at_most() {
        let accept_rate = AcceptRate::new(100);
        let turns = |now: Duration| -> (usize, usize, usize) {
            let turns: Vec<Turn> = (0..200).map(|_| accept_rate.turn(now)).collect();
            let count = |is: fn(&Turn) -> bool| turns.iter().filter(|turn| is(turn)).count();
            (
                count(|turn| *turn == Turn::Now),
                count(|turn| matches!(turn, Turn::In(_))),
                count(|turn| *turn == Turn::Never),
            )
        };
        assert_eq!(turns(Duration::from_secs(10)), (11, 100, 89));
        // Half a second later half of the turns are over.
        assert_eq!(turns(Duration::from_millis(10_500)), (0, 50, 150));
        assert_eq!(accept_rate.turn(Duration::from_secs(60)), Turn::Now);
    }
}
