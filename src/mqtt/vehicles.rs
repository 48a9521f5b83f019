//! The vehicles that one session publishes for: for each the last line of each mapping, as bytes,
//! overwritten in place and parsed only on request.
//!
//! PR-2: a kept line is the latest durable one, or there is none: a line that does not fit also
//! removes the older line of its mapping.
//!
//! Memory: a session with one vehicle and one mapping costs about 150 bytes and its line, rounded
//! up to 64 bytes; a session without a vehicle costs a pointer.

use std::sync::Arc;

use crate::{
    model::{MappingKey, UnixNanos},
    uplink::LastLine,
};

/// The bounds of one session's lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct VehicleLimits {
    pub(super) vehicles_max: usize,
    /// Bytes of one line.
    pub(super) line_bytes_max: usize,
    /// Bytes of all lines, as they are allocated.
    pub(super) bytes_max: usize,
}

/// Why a last line is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotKept {
    /// The session has its maximum of vehicles: this one is not kept at all.
    Vehicles,
    /// The line exceeds its bound.
    LineBytes,
    /// The session's lines together exceed their bound.
    Bytes,
}

impl NotKept {
    pub(super) const ALL: [Self; 3] = [Self::Vehicles, Self::LineBytes, Self::Bytes];

    /// The label in the metric.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Vehicles => "vehicles",
            Self::LineBytes => "line-bytes",
            Self::Bytes => "bytes",
        }
    }
}

/// The vehicles of one session.
#[derive(Debug, Default)]
pub(super) struct Vehicles {
    /// In the order of their first message; bounded by `vehicles_max`.
    known: Vec<Vehicle>,
    /// Where the search starts: most sessions have one vehicle, and a gateway publishes for its
    /// vehicles in turn.
    next: usize,
    /// Bytes allocated for lines; at most `bytes_max`.
    bytes: usize,
}

/// One vehicle of a session.
#[derive(Debug)]
pub(super) struct Vehicle {
    /// Shared with the table of all vehicles.
    pub(super) name: Arc<str>,
    /// When its last message became durable, to a tick.
    pub(super) seen: UnixNanos,
    /// One for each mapping; bounded by `bytes_max`, because each has at least a byte.
    lines: Vec<Kept>,
}

#[derive(Debug)]
struct Kept {
    mapping: MappingKey,
    line: Vec<u8>,
}

/// The allocation step of lines, so that one more digit does not reallocate.
const STEP: usize = 64;

impl Vehicles {
    /// Replaces the line of a vehicle and mapping. `enter` registers a vehicle that is new to the
    /// session.
    ///
    /// # Errors
    /// The bound that it exceeds.
    pub(super) fn keep(
        &mut self,
        last: LastLine<'_>,
        now: UnixNanos,
        limits: &VehicleLimits,
        enter: impl FnOnce(&str) -> Arc<str>,
    ) -> Result<(), NotKept> {
        let at = match self.find(last.vehicle) {
            Some(at) => at,
            None if self.known.len() >= limits.vehicles_max => return Err(NotKept::Vehicles),
            None => {
                let name = enter(&String::from_utf8_lossy(last.vehicle));
                self.known.reserve_exact(1);
                self.known.push(Vehicle { name, seen: now, lines: Vec::new() });
                self.known.len() - 1
            }
        };
        self.next = at;
        let vehicle = &mut self.known[at];
        vehicle.seen = now;
        let len = last.line.len();
        let room = len.next_multiple_of(STEP);
        let place = vehicle.lines.iter().position(|kept| kept.mapping == last.mapping);
        let held = place.map_or(0, |place| vehicle.lines[place].line.capacity());
        let not_kept = if len == 0 || len > limits.line_bytes_max {
            NotKept::LineBytes
        } else if len > held && self.bytes - held + room > limits.bytes_max {
            NotKept::Bytes
        } else {
            if len > held {
                let mut line = Vec::new();
                line.reserve_exact(room);
                self.bytes = self.bytes - held + line.capacity();
                match place {
                    Some(place) => vehicle.lines[place].line = line,
                    None => {
                        vehicle.lines.reserve_exact(1);
                        vehicle.lines.push(Kept { mapping: last.mapping, line });
                    }
                }
            }
            let place = place.unwrap_or(vehicle.lines.len().saturating_sub(1));
            if let Some(kept) = vehicle.lines.get_mut(place) {
                kept.line.clear();
                kept.line.extend_from_slice(last.line);
            }
            return Ok(());
        };
        if let Some(place) = place {
            vehicle.lines.swap_remove(place);
            self.bytes -= held;
        }
        Err(not_kept)
    }

    /// A vehicle's last lines, and when it was seen; `None` if the session does not know it.
    pub(super) fn lines(&self, vehicle: &str) -> Option<(UnixNanos, impl Iterator<Item = &[u8]>)> {
        let vehicle = self.known.iter().find(|known| *known.name == *vehicle)?;
        Some((vehicle.seen, vehicle.lines.iter().map(|kept| kept.line.as_slice())))
    }

    /// Every vehicle.
    pub(super) fn known(&self) -> &[Vehicle] {
        &self.known
    }

    /// The index of a vehicle, searched from the last place on.
    fn find(&self, name: &[u8]) -> Option<usize> {
        let count = self.known.len();
        let places = (self.next..count).chain(0..self.next.min(count));
        places.into_iter().find(|at| self.known[*at].name.as_bytes() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: VehicleLimits =
        VehicleLimits { vehicles_max: 2, line_bytes_max: 100, bytes_max: 256 };

    fn keep(vehicles: &mut Vehicles, vehicle: &str, plan: u32, line: &str) -> Result<(), NotKept> {
        let mapping = MappingKey::of(&plan.to_string());
        let last = LastLine { run: 0, mapping, vehicle: vehicle.as_bytes(), line: line.as_bytes() };
        vehicles.keep(last, UnixNanos(7), &LIMITS, |name| name.into())
    }

    #[track_caller]
    fn check(vehicles: &Vehicles, vehicle: &str, expect: &[&str]) {
        let (seen, lines) = vehicles.lines(vehicle).expect("it is carried");
        assert_eq!(seen, UnixNanos(7));
        let lines: Vec<_> = lines.map(|line| str::from_utf8(line).expect("text")).collect();
        assert_eq!(lines, expect, "{vehicle}");
        let held = vehicles.known.iter().flat_map(|it| &it.lines).map(|it| it.line.capacity());
        assert_eq!(held.sum::<usize>(), vehicles.bytes, "what is counted is what is held");
        assert!(vehicles.bytes <= LIMITS.bytes_max);
    }

    #[test]
    fn the_last_line_of_each_mapping_and_vehicle_is_kept() {
        let mut vehicles = Vehicles::default();
        for (vehicle, plan, line) in
            [("A", 0, "a1"), ("B", 0, "b1"), ("A", 0, "a22"), ("A", 1, "alarm"), ("B", 0, "b2")]
        {
            assert_eq!(keep(&mut vehicles, vehicle, plan, line), Ok(()));
        }
        check(&vehicles, "A", &["a22", "alarm"]);
        check(&vehicles, "B", &["b2"]);
        assert!(vehicles.lines("C").is_none());
        assert_eq!(vehicles.known().len(), 2);
    }

    #[test]
    fn one_vehicle_too_many_is_not_seen() {
        let mut vehicles = Vehicles::default();
        for vehicle in ["A", "B"] {
            assert_eq!(keep(&mut vehicles, vehicle, 0, "x"), Ok(()));
        }
        assert_eq!(keep(&mut vehicles, "C", 0, "x"), Err(NotKept::Vehicles));
        assert!(vehicles.lines("C").is_none());
        assert_eq!(keep(&mut vehicles, "A", 0, "y"), Ok(()));
        check(&vehicles, "A", &["y"]);
    }

    #[test]
    fn a_line_over_its_bound_removes_the_older_one() {
        // PR-2
        let mut vehicles = Vehicles::default();
        assert_eq!(keep(&mut vehicles, "A", 0, "old"), Ok(()));
        assert_eq!(keep(&mut vehicles, "A", 0, &"n".repeat(101)), Err(NotKept::LineBytes));
        check(&vehicles, "A", &[]);
        assert_eq!(keep(&mut vehicles, "A", 0, &"n".repeat(100)), Ok(()));
        check(&vehicles, "A", &[&"n".repeat(100)]);
    }

    #[test]
    fn the_lines_of_a_session_are_bounded_together() {
        let mut vehicles = Vehicles::default();
        for plan in 0..3 {
            assert_eq!(keep(&mut vehicles, "A", plan, "short"), Ok(()));
        }
        // 192 bytes are held: one more of 65 to 128 does not fit, one of 64 does.
        assert_eq!(keep(&mut vehicles, "A", 0, &"n".repeat(65)), Ok(()));
        assert_eq!(keep(&mut vehicles, "B", 0, "x"), Err(NotKept::Bytes));
        check(&vehicles, "B", &[]);
        assert_eq!(keep(&mut vehicles, "A", 1, &"n".repeat(65)), Err(NotKept::Bytes));
        check(&vehicles, "A", &[&"n".repeat(65), "short"]);
        assert_eq!(keep(&mut vehicles, "B", 0, "x"), Ok(()));
        check(&vehicles, "B", &["x"]);
    }

    #[test]
    fn nothing_is_allocated_once_a_line_has_reached_its_size() {
        let mut vehicles = Vehicles::default();
        assert_eq!(keep(&mut vehicles, "A", 0, &"1".repeat(60)), Ok(()));
        let before = vehicles.known[0].lines[0].line.as_ptr();
        for len in [64, 1, 63] {
            assert_eq!(keep(&mut vehicles, "A", 0, &"2".repeat(len)), Ok(()));
        }
        assert_eq!(vehicles.known[0].lines[0].line.as_ptr(), before);
    }
}
