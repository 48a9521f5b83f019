//! A fleet that drives without end: each message is simulated and encoded when it is due.
//!
//! A vehicle advances when its next message is requested. The last messages are kept, so that they
//! can be sent again unchanged; for an older one the drive is repeated from the start, which gives
//! the same bytes (FL-1).

use std::{cell::RefCell, collections::VecDeque, sync::Arc};

use super::{
    super::{
        drive::{Vehicle, values_for},
        shape::{Shape, ShapeError},
    },
    Part, Script,
    drives::part,
};

/// Messages of a vehicle that are kept: more than the usual window allows unacknowledged.
pub(crate) const KEPT_MAX: usize = 64;

/// How a live fleet drives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LiveOptions {
    /// The vehicles of the whole fleet; within a step they publish one after the other.
    pub(crate) vehicles: usize,
    /// The number of the first vehicle.
    pub(crate) first: usize,
    pub(crate) seed: u64,
    /// The time of the first message of the first vehicle, nanoseconds since the Unix epoch.
    pub(crate) start_nanos: i64,
    /// The time between two messages of a vehicle.
    pub(crate) step_nanos: i64,
}

/// A fleet that advances on request.
#[derive(Debug)]
pub(crate) struct Live {
    options: LiveOptions,
    parts: Vec<Part>,
    /// The bytes of all first messages, and of the longest one.
    bytes: (usize, usize),
    /// One a part. In cells, because a request advances them; one thread owns the script.
    drivers: Vec<RefCell<Driver>>,
}

#[derive(Debug)]
struct Driver {
    shape: Arc<Shape>,
    timing: Timing,
    start: Vehicle,
    vehicle: Vehicle,
    /// The vehicle's number of messages so far; the kept ones are the last of them.
    reached: u64,
    kept: VecDeque<Vec<u8>>,
    /// The maximum charge in percent from a message on; in order.
    limits: Vec<(u64, u8)>,
}

#[derive(Clone, Copy, Debug)]
struct Timing {
    first_nanos: i64,
    step_nanos: i64,
    unit_nanos: i64,
}

impl Live {
    pub(crate) fn new(options: LiveOptions) -> Self {
        Self { options, parts: Vec::new(), bytes: (0, 0), drivers: Vec::new() }
    }

    /// Adds vehicles that use one shape.
    pub(crate) fn add(&mut self, shape: Shape, vehicles: usize) -> Result<(), ShapeError> {
        let shape = Arc::new(shape);
        for _ in 0..vehicles {
            let (idx, number) = (self.parts.len(), self.options.first + self.parts.len());
            let driver = Driver::new(&shape, self.options, idx)?;
            let bytes = driver.kept.front().map_or(0, Vec::len);
            self.bytes = (self.bytes.0 + bytes, self.bytes.1.max(bytes));
            self.parts.push(part(number, &shape.topic));
            self.drivers.push(RefCell::new(driver));
        }
        Ok(())
    }

    /// Applies `look` to a vehicle's n-th message.
    fn message<R>(&self, part: usize, message: u64, look: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let mut driver = self.drivers.get(part)?.borrow_mut();
        match driver.message(message) {
            Ok(payload) => Some(look(payload)),
            Err(error) => {
                tracing::error!(%error, "a vehicle has nothing to say");
                None
            }
        }
    }
}

impl Script for Live {
    fn parts(&self) -> &[Part] {
        &self.parts
    }

    fn total(&self) -> Option<u64> {
        None
    }

    fn payload_len(&self, part: usize, message: u64) -> Option<usize> {
        self.message(part, message, <[u8]>::len)
    }

    fn append(&self, part: usize, message: u64, into: &mut Vec<u8>) {
        self.message(part, message, |payload| into.extend_from_slice(payload));
    }

    fn recorded_at(&self, _part: usize, _message: u64) -> Option<u64> {
        None
    }

    fn payload_bytes(&self) -> (usize, usize) {
        let (sum, longest) = self.bytes;
        (sum.checked_div(self.parts.len()).unwrap_or(0), longest)
    }

    fn times(&self, count: u64) -> Option<(i64, i64)> {
        let last = self.parts.len().checked_sub(1)?;
        Some((self.time_nanos(0, 0), self.time_nanos(last, count.saturating_sub(1))))
    }

    fn limit_charge(&self, part: usize, percent: u8) -> bool {
        let Some(driver) = self.drivers.get(part) else { return false };
        driver.borrow_mut().limit_charge(percent);
        true
    }

    fn time_nanos(&self, part: usize, message: u64) -> i64 {
        self.drivers.get(part).map_or(0, |driver| {
            let timing = driver.borrow().timing;
            timing.at(message).saturating_mul(timing.unit_nanos)
        })
    }
}

impl Driver {
    fn new(shape: &Arc<Shape>, options: LiveOptions, idx: usize) -> Result<Self, ShapeError> {
        let unit_nanos = shape.unit.nanos();
        let step_nanos = options.step_nanos.max(unit_nanos);
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let turn = step_nanos / count(options.vehicles.max(1)) * count(idx);
        let which = (options.first + idx).saturating_sub(1);
        let start = Vehicle::new(options.seed, u64::try_from(which).unwrap_or(u64::MAX));
        let timing = Timing { first_nanos: options.start_nanos + turn, step_nanos, unit_nanos };
        let mut driver = Self {
            shape: Arc::clone(shape),
            timing,
            vehicle: start.clone(),
            start,
            reached: 0,
            kept: VecDeque::with_capacity(KEPT_MAX),
            limits: Vec::new(),
        };
        driver.message(0)?;
        Ok(driver)
    }

    fn message(&mut self, message: u64) -> Result<&[u8], ShapeError> {
        let kept = |driver: &Self| u64::try_from(driver.kept.len()).unwrap_or(0);
        if message < self.reached - kept(self) {
            self.vehicle = self.start.clone();
            self.reached = 0;
            self.kept.clear();
        }
        while self.reached <= message {
            self.go_on()?;
        }
        let idx = message - (self.reached - kept(self));
        Ok(&self.kept[usize::try_from(idx).expect("below what is kept")])
    }

    /// From the next message on.
    fn limit_charge(&mut self, percent: u8) {
        match self.limits.last_mut() {
            Some((_, last)) if *last == percent => {}
            Some((from, last)) if *from == self.reached => *last = percent,
            _ => self.limits.push((self.reached, percent)),
        }
    }

    /// Advances to the next message.
    fn go_on(&mut self) -> Result<(), ShapeError> {
        if let Ok(at) = self.limits.binary_search_by_key(&self.reached, |(from, _)| *from) {
            self.vehicle.limit_charge(self.limits[at].1);
        }
        if self.reached > 0 {
            let step_nanos = u64::try_from(self.timing.step_nanos).unwrap_or(0);
            self.vehicle.step(std::time::Duration::from_nanos(step_nanos).as_secs_f64());
        }
        let values = values_for(&self.vehicle, &self.shape.fields);
        let payload = self.shape.encode(self.timing.at(self.reached), &values)?;
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(payload);
        self.reached += 1;
        Ok(())
    }
}

impl Timing {
    /// The time of a message, in the schema's unit.
    fn at(self, message: u64) -> i64 {
        let message = i64::try_from(message).unwrap_or(i64::MAX);
        let since = self.step_nanos.saturating_mul(message);
        self.first_nanos.saturating_add(since) / self.unit_nanos
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::{Files, Format};

    const START: i64 = 1_795_382_379_000_000_000;

    fn live() -> Live {
        let options = LiveOptions {
            vehicles: 4,
            first: 1,
            seed: 1,
            start_nanos: START,
            step_nanos: 1_000_000_000,
        };
        let mut live = Live::new(options);
        for format in [Format::Protobuf, Format::Avro] {
            live.add(Shape::load(&Files::Shipped, format, None).unwrap(), 2).unwrap();
        }
        live
    }

    fn to_usize(message: u64) -> usize {
        usize::try_from(message).unwrap()
    }

    fn said(live: &Live, part: usize, message: u64) -> Vec<u8> {
        let mut payload = Vec::new();
        live.append(part, message, &mut payload);
        assert_eq!(live.payload_len(part, message), Some(payload.len()));
        payload
    }

    #[test]
    fn a_message_is_the_same_whenever_it_is_asked_for() {
        let (live, other) = (live(), live());
        for part in 0..4 {
            let first: Vec<_> = (0..200).map(|message| said(&live, part, message)).collect();
            // Kept, then no longer kept, then ahead of the other fleet's position.
            for message in [199, 150, 3, 0, 199] {
                assert_eq!(said(&live, part, message), first[to_usize(message)]);
                assert_eq!(said(&other, part, message), first[to_usize(message)]);
            }
            assert_eq!(first.iter().collect::<std::collections::BTreeSet<_>>().len(), 200);
        }
    }

    /// FL-1 with a limit in between: a repeated drive has the same limit.
    #[test]
    fn a_limit_of_charge_holds_from_its_message_on_whenever_that_is_asked_for() {
        // A message a minute, so that few messages contain much charging.
        let minutes = || {
            let step_nanos = 60_000_000_000;
            let mut live = Live::new(LiveOptions {
                vehicles: 1,
                first: 1,
                seed: 1,
                start_nanos: START,
                step_nanos,
            });
            live.add(Shape::load(&Files::Shipped, Format::Protobuf, None).unwrap(), 1).unwrap();
            live
        };
        let (limited, free) = (minutes(), minutes());
        let mut expect: Vec<_> = (0..100).map(|message| said(&limited, 0, message)).collect();
        assert!(limited.limit_charge(0, 30) && !limited.limit_charge(1, 30));
        expect.extend((100..800).map(|message| said(&limited, 0, message)));
        assert!((0..100).all(|message| said(&free, 0, message) == expect[to_usize(message)]));
        assert_ne!(said(&free, 0, 799), expect[799], "it charged less");
        for message in [799, 101, 99, 400] {
            assert_eq!(said(&limited, 0, message), expect[to_usize(message)]);
        }
        assert_eq!(limited.drivers[0].borrow().limits, [(100, 30)]);
    }

    #[test]
    fn vehicles_take_turns_in_time_and_have_names_and_topics_of_their_own() {
        let live = live();
        let times: Vec<_> = (0..4).map(|part| live.time_nanos(part, 7) - START).collect();
        assert_eq!(times, [7_000, 7_250, 7_500, 7_750].map(|millis| millis * 1_000_000));
        let topics: Vec<_> = live.parts().iter().map(|part| &*part.topic).collect();
        assert_eq!(topics[1], "vehicles/FLSIM000000000002/telemetry");
        assert_eq!(topics[2], "vehicles/FLSIM000000000003/telemetry/avro");
    }
}
