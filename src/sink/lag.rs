//! How long the oldest unconfirmed entry has been waiting.
//!
//! Entries carry no time, so marks are kept: the last durable position, and when an entry after it
//! was first seen. The number of marks is bounded; when it is reduced, the age is overestimated by
//! at most their new spacing, and never underestimated. Entries that a restart finds in the spool
//! count from the restart.

use std::{collections::VecDeque, time::Duration};

use crate::model::Position;

/// The most marks: as their spacing doubles, an hour of backlog is known to within a minute.
const MARKS_MAX: usize = 128;

/// The spacing of marks to begin with.
const SPACING_MIN: Duration = Duration::from_millis(100);

/// Marks of when entries were first seen.
#[derive(Debug)]
pub(super) struct Lag {
    /// The last position that was seen durable.
    durable: Position,
    /// The position up to which the store has confirmed.
    confirmed: Position,
    /// Entries after the position were first seen at the time; both ascend.
    marks: VecDeque<(Position, Duration)>,
    spacing: Duration,
}

impl Lag {
    /// Nothing waits past `confirmed`.
    pub(super) fn new(confirmed: Position) -> Self {
        let marks = VecDeque::with_capacity(MARKS_MAX);
        Self { durable: confirmed, confirmed, marks, spacing: SPACING_MIN }
    }

    /// Entries up to `position` were seen durable.
    pub(super) fn saw_durable(&mut self, position: Position, now: Duration) {
        if position <= self.durable {
            return;
        }
        let due = self.marks.back().is_none_or(|(_, at)| now.saturating_sub(*at) >= self.spacing);
        if due {
            self.marks.push_back((self.durable, now));
        }
        self.durable = position;
        if self.marks.len() == MARKS_MAX {
            let mut keep = false;
            self.marks.retain(|_| {
                keep = !keep;
                keep
            });
            self.spacing *= 2;
        }
    }

    /// The store confirmed entries up to `position`.
    pub(super) fn saw_confirmed(&mut self, position: Position) {
        self.confirmed = self.confirmed.max(position);
        while self.marks.get(1).is_some_and(|(after, _)| *after <= self.confirmed) {
            self.marks.pop_front();
        }
        if self.confirmed >= self.durable {
            self.marks.clear();
            self.spacing = SPACING_MIN;
        }
    }

    /// The position up to which the store has confirmed.
    pub(super) fn confirmed(&self) -> Position {
        self.confirmed
    }

    /// How many entries wait.
    pub(super) fn entries(&self) -> u64 {
        self.durable.0.saturating_sub(self.confirmed.0)
    }

    /// When the oldest waiting entry was first seen; `None` if nothing waits.
    pub(super) fn since(&self) -> Option<Duration> {
        self.marks.front().map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_oldest_waiting_entry_says_since_when() {
        let mut lag = Lag::new(Position(10));
        assert_eq!((lag.entries(), lag.since()), (0, None));
        lag.saw_durable(Position(12), at(100));
        lag.saw_durable(Position(15), at(101));
        lag.saw_durable(Position(20), at(102));
        assert_eq!((lag.entries(), lag.since()), (10, Some(at(100))));
        lag.saw_confirmed(Position(11));
        assert_eq!((lag.entries(), lag.since()), (9, Some(at(100))));
        lag.saw_confirmed(Position(12));
        assert_eq!((lag.entries(), lag.since()), (8, Some(at(101))));
        lag.saw_confirmed(Position(20));
        assert_eq!((lag.entries(), lag.since()), (0, None));
    }

    #[test]
    fn a_long_outage_keeps_few_marks_and_never_understates_the_age() {
        let mut lag = Lag::new(Position::ZERO);
        for second in 1..=36_000 {
            lag.saw_durable(Position(second), at(second));
        }
        assert!(lag.marks.len() < MARKS_MAX);
        for confirmed in (0..36_000).step_by(97) {
            lag.saw_confirmed(Position(confirmed));
            let since = lag.since().expect("something waits");
            assert!(since <= at(confirmed + 1));
            assert!(since + at(1_200) >= at(confirmed + 1), "{since:?} for {confirmed}");
        }
    }
}
