//! Tracks of payloads, encoded beforehand, and the assignment of vehicles to them.

use super::{Part, Script, patch::TimeForm};

/// The position of the time in a payload, relative to its start.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimePlace {
    pub(super) start: usize,
    pub(super) width: usize,
}

/// A sequence of payloads.
#[derive(Debug, Default)]
pub(crate) struct Track {
    bytes: Vec<u8>,
    /// Where each payload ends in `bytes`; not decreasing.
    ends: Vec<usize>,
    /// One a payload, or empty if times are not rewritten.
    times: Vec<TimePlace>,
    /// When each payload was recorded, nanoseconds since the Unix epoch; empty without a recording.
    recorded: Vec<i64>,
}

impl Track {
    pub(super) fn push_timed(&mut self, payload: &[u8], time: TimePlace) {
        debug_assert!(time.start + time.width <= payload.len());
        self.bytes.extend_from_slice(payload);
        self.ends.push(self.bytes.len());
        self.times.push(time);
    }

    /// Adds a recorded payload, `at` nanoseconds after the Unix epoch.
    pub(crate) fn push_recorded(&mut self, payload: &[u8], at: i64) {
        self.bytes.extend_from_slice(payload);
        self.ends.push(self.bytes.len());
        self.recorded.push(at);
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    fn payload(&self, idx: usize) -> &[u8] {
        let start = if idx == 0 { 0 } else { self.ends[idx - 1] };
        &self.bytes[start..self.ends[idx]]
    }
}

/// Rewritten times: the time of message `n` of every vehicle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(super) form: TimeForm,
    /// The time of message 0, in the schema's unit.
    pub(super) first: i64,
    /// The step between two messages; at least 1, so that points are distinct.
    pub(super) step: i64,
    pub(super) unit_nanos: i64,
}

/// A vehicle's track, and the payload at which it starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    pub(super) track: usize,
    pub(super) start: usize,
}

/// All messages of a fleet, encoded.
#[derive(Debug)]
pub(crate) struct Tracks {
    pub(super) parts: Vec<Part>,
    /// One a part.
    pub(super) courses: Vec<Course>,
    pub(super) tracks: Vec<Track>,
    /// Rewrites times and repeats the track endlessly; without it each track is published once,
    /// unchanged.
    pub(super) timing: Option<Timing>,
}

impl Tracks {
    /// A recording: each vehicle with its track, once and unchanged.
    pub(crate) fn recorded(vehicles: Vec<(Part, Track)>) -> Self {
        let courses = (0..vehicles.len()).map(|track| Course { track, start: 0 }).collect();
        let (parts, tracks) = vehicles.into_iter().unzip();
        Self { parts, courses, tracks, timing: None }
    }

    fn place(&self, part: usize, message: u64) -> Option<(&Track, usize)> {
        let Course { track, start } = self.courses[part];
        let track = &self.tracks[track];
        let length = u64::try_from(track.len()).ok()?;
        let idx = if self.timing.is_some() {
            (u64::try_from(start).ok()? + message).checked_rem(length)?
        } else if message < length {
            message
        } else {
            return None;
        };
        Some((track, usize::try_from(idx).ok()?))
    }
}

impl Script for Tracks {
    fn parts(&self) -> &[Part] {
        &self.parts
    }

    fn total(&self) -> Option<u64> {
        let counts = self.courses.iter().map(|course| self.tracks[course.track].len());
        let total = counts.sum::<usize>();
        self.timing.is_none().then(|| u64::try_from(total).unwrap_or(u64::MAX))
    }

    fn payload_len(&self, part: usize, message: u64) -> Option<usize> {
        let (track, idx) = self.place(part, message)?;
        Some(track.payload(idx).len())
    }

    fn append(&self, part: usize, message: u64, into: &mut Vec<u8>) {
        let Some((track, idx)) = self.place(part, message) else { return };
        let start = into.len();
        into.extend_from_slice(track.payload(idx));
        if let Some(timing) = self.timing {
            let place = track.times[idx];
            let at = start + place.start..start + place.start + place.width;
            timing.form.write(timing.at(message), &mut into[at]);
        }
    }

    fn recorded_at(&self, part: usize, message: u64) -> Option<u64> {
        let (track, idx) = self.place(part, message)?;
        let (first, at) = (track.recorded.first()?, track.recorded.get(idx)?);
        Some(u64::try_from(at - first).unwrap_or(0))
    }

    fn payload_bytes(&self) -> (usize, usize) {
        let (bytes, count) = self
            .tracks
            .iter()
            .fold((0, 0), |(bytes, count), track| (bytes + track.bytes_len(), count + track.len()));
        let lengths = self
            .tracks
            .iter()
            .flat_map(|track| (0..track.len()).map(|idx| track.payload(idx).len()));
        (bytes.checked_div(count).unwrap_or(0), lengths.max().unwrap_or(0))
    }

    fn times(&self, count: u64) -> Option<(i64, i64)> {
        let timing = self.timing?;
        let nanos = |message| timing.at(message).saturating_mul(timing.unit_nanos);
        Some((nanos(0), nanos(count.saturating_sub(1))))
    }

    fn limit_charge(&self, _part: usize, _percent: u8) -> bool {
        false
    }

    fn time_nanos(&self, part: usize, message: u64) -> i64 {
        if let Some(timing) = self.timing {
            return timing.at(message).saturating_mul(timing.unit_nanos);
        }
        let place = self.place(part, message);
        place.and_then(|(track, idx)| track.recorded.get(idx).copied()).unwrap_or(0)
    }
}

impl Timing {
    fn at(self, message: u64) -> i64 {
        self.first + self.step * i64::try_from(message).unwrap_or(i64::MAX / 2).min(1 << 40)
    }
}
