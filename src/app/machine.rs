//! Checks of the machine: whether its clock is plausible or was set, and whether descriptors are
//! left.

use std::{sync::Arc, time::Duration};

use crate::{
    env::{self, Clock, RELEASED},
    model::UnixNanos,
    telemetry::{Critical, Health, HealthBoard, HealthCell, LogLimit},
};

/// The smallest jump of the clock that is logged.
const SET_LOGGED: Duration = Duration::from_secs(1);

/// How often the log says that no descriptor is left.
const DESCRIPTORS_SAID_EVERY: Duration = Duration::from_mins(1);

/// How long the health state shows a missing descriptor.
const DESCRIPTORS_REMEMBERED: Duration = Duration::from_secs(10);

/// The results of the last check. A part appears in the health state with its first fault.
#[derive(Debug)]
pub(super) struct Machine {
    clock: Arc<dyn Clock>,
    health: HealthBoard,
    /// The wall clock and the monotonic time at the last check.
    seen: (UnixNanos, Duration),
    clock_cell: Option<HealthCell>,
    descriptors_cell: Option<HealthCell>,
    /// When a descriptor was last missing.
    missing_at: Option<Duration>,
    missing_said: LogLimit,
}

impl Machine {
    pub(super) fn new(clock: Arc<dyn Clock>, health: HealthBoard) -> Self {
        let seen = (clock.wall(), clock.monotonic());
        Self {
            clock,
            health,
            seen,
            clock_cell: None,
            descriptors_cell: None,
            missing_at: None,
            missing_said: LogLimit::new(DESCRIPTORS_SAID_EVERY),
        }
    }

    /// Runs the checks, logs changes, and repeats lasting faults.
    pub(super) fn look(&mut self) {
        let (wall, now) = (self.clock.wall(), self.clock.monotonic());
        self.look_at_clock(wall, now);
        self.look_for_descriptor(env::is_descriptor_left(), now);
        self.health.repeat(now);
    }

    fn look_at_clock(&mut self, wall: UnixNanos, now: Duration) {
        let (wall_before, before) = self.seen;
        self.seen = (wall, now);
        let passed = i128::try_from(now.saturating_sub(before).as_nanos()).unwrap_or(i128::MAX);
        let set = i128::from(wall.0) - i128::from(wall_before.0) - passed;
        if set.unsigned_abs() >= SET_LOGGED.as_nanos() {
            let seconds = set.unsigned_abs() / 1_000_000_000;
            let direction = if set < 0 { "back" } else { "ahead" };
            tracing::warn!(now = %wall, seconds, direction, "the machine's clock was set");
        }
        let health = match wall < RELEASED {
            false => Health::Ready,
            true => Health::Failed(format!(
                "the machine's clock says {wall}, before this version was made ({RELEASED}): \
                 points without a time get this one, and the times of others are held against \
                 that date; set the clock"
            )),
        };
        if let Some(cell) = cell(&mut self.clock_cell, &self.health, "clock", &health) {
            cell.set(health);
        }
    }

    fn look_for_descriptor(&mut self, is_left: bool, now: Duration) {
        if !is_left {
            self.missing_at = Some(now);
        }
        let remembered = |at: Duration| now.saturating_sub(at) < DESCRIPTORS_REMEMBERED;
        if !self.missing_at.is_some_and(remembered) {
            if let Some(cell) = &self.descriptors_cell {
                cell.set(Health::Ready);
            }
            return;
        }
        let reason = "no descriptor is left for another connection or file; raise the limit \
                      (ulimit -n, LimitNOFILE) or lower mqtt.connections-max";
        let health = Health::Waiting(reason.to_owned());
        if let Some(cell) = cell(&mut self.descriptors_cell, &self.health, "descriptors", &health) {
            cell.set_idle(reason);
        }
        if self.missing_said.admit(now).is_some() {
            tracing::warn!(component = "descriptors", reason, "waiting");
        }
    }
}

/// The part's health cell, which is created with its first fault.
fn cell<'a>(
    cell: &'a mut Option<HealthCell>,
    board: &HealthBoard,
    name: &str,
    health: &Health,
) -> Option<&'a HealthCell> {
    if cell.is_none() && *health != Health::Ready {
        *cell = Some(board.cell(name, Critical::No));
    }
    cell.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::sim::SimClock;

    const SECOND: Duration = Duration::from_secs(1);

    fn machine(clock: &SimClock) -> (Machine, HealthBoard) {
        let board = HealthBoard::default();
        (Machine::new(Arc::new(clock.clone()), board.clone()), board)
    }

    fn states(board: &HealthBoard) -> Vec<(String, &'static str)> {
        let parts = board.snapshot().into_iter();
        parts.map(|part| (part.name, part.health.as_str())).collect()
    }

    /// The case `o02-clock-that-jumps`, for a machine that boots in 1970.
    #[test]
    fn a_clock_before_the_release_date_is_reported_until_it_is_set() {
        let clock = SimClock::new();
        let (mut machine, board) = machine(&clock);
        machine.look();
        assert_eq!(states(&board), [("clock".to_owned(), "failed")]);
        assert!(board.is_ready(), "messages are taken all the same");
        let reason = board.snapshot()[0].health.reason().map(str::to_owned).expect("a reason");
        assert!(reason.contains("1970-01-01") && reason.contains("2026-11-01"), "{reason}");
        clock.set_wall(RELEASED.saturating_add(1));
        machine.look();
        assert_eq!(states(&board), [("clock".to_owned(), "ready")]);
    }

    #[test]
    fn a_missing_descriptor_is_shown_for_some_time_and_a_healthy_machine_reports_nothing() {
        let clock = SimClock::new();
        clock.set_wall(RELEASED);
        let (mut machine, board) = machine(&clock);
        machine.look();
        assert_eq!(states(&board), []);
        machine.look_for_descriptor(false, SECOND);
        machine.look_for_descriptor(true, SECOND * 5);
        assert_eq!(states(&board), [("descriptors".to_owned(), "waiting")]);
        machine.look_for_descriptor(true, SECOND * 11);
        assert_eq!(states(&board), [("descriptors".to_owned(), "ready")]);
    }
}
