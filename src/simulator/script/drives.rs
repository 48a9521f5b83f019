//! The script of a load test: drives, encoded beforehand, that vehicles share.

use super::{
    super::{
        drive::{Chance, Vehicle, values_for},
        shape::{Format, Shape, ShapeError, Value},
    },
    Part, Track, Tracks,
    patch::TimeForm,
    track::{Course, TimePlace, Timing},
};

/// The maximum of encoded drives; more vehicles share them from different starting points.
const DRIVES_MAX: usize = 64;
/// The payloads of all drives together: 4,096 of 200 bytes stay near the processor's caches.
const PAYLOADS_MAX: usize = 4096;
const PAYLOADS_MIN_A_DRIVE: usize = 64;

/// What a fleet publishes.
#[derive(Debug)]
pub(crate) struct DriveOptions {
    pub(crate) format: Format,
    /// `{…}` is replaced by the vehicle's identity.
    pub(crate) topic: String,
    pub(crate) vehicles: usize,
    /// The number of the first vehicle, so that several sources can share a fleet.
    pub(crate) first: usize,
    pub(crate) seed: u64,
    /// The time of each vehicle's first message, nanoseconds since the Unix epoch.
    pub(crate) start_nanos: i64,
    /// The time between two messages of a vehicle.
    pub(crate) step_nanos: i64,
    /// The approximate payload size.
    pub(crate) size: Option<usize>,
}

/// Simulates some vehicles, and encodes their messages.
pub(crate) fn drives(shape: &Shape, options: &DriveOptions) -> Result<Tracks, ShapeError> {
    let drive_count = options.vehicles.clamp(1, DRIVES_MAX);
    let length = (PAYLOADS_MAX / drive_count).max(PAYLOADS_MIN_A_DRIVE);
    let step_nanos = options.step_nanos.max(shape.unit.nanos());
    let timing = Timing {
        form: TimeForm::of(options.format),
        first: options.start_nanos / shape.unit.nanos(),
        step: step_nanos / shape.unit.nanos(),
        unit_nanos: shape.unit.nanos(),
    };
    let mut tracks = Vec::with_capacity(drive_count);
    for drive in 0..drive_count {
        let index = u64::try_from(options.first + drive).unwrap_or(u64::MAX);
        tracks.push(drive_once(shape, options, timing, index, length)?);
    }
    let mut chance = Chance::new(options.seed, u64::MAX);
    let parts = (0..options.vehicles).map(|idx| part(options.first + idx, &options.topic));
    let courses = (0..options.vehicles).map(|idx| {
        // The first vehicle of a drive begins at its start; the others at random positions.
        let anywhere = usize::try_from(chance.next() >> 33).unwrap_or(0) % length;
        Course { track: idx % drive_count, start: if idx < drive_count { 0 } else { anywhere } }
    });
    let (parts, courses) = (parts.collect(), courses.collect());
    Ok(Tracks { parts, courses, tracks, timing: Some(timing) })
}

/// The vehicle with that number.
pub(super) fn part(number: usize, topic: &str) -> Part {
    let vehicle = format!("FLSIM{number:012}");
    let topic = topic_of(topic, &vehicle).into();
    Part { vehicle, topic }
}

/// The topic of one vehicle: the pattern with its identity instead of the braces.
pub(crate) fn topic_of(pattern: &str, vehicle: &str) -> String {
    let mut topic = String::with_capacity(pattern.len() + vehicle.len());
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((_, behind)) = after.split_once('}') else { break };
        topic.push_str(before);
        topic.push_str(vehicle);
        rest = behind;
    }
    topic + rest
}

fn drive_once(
    shape: &Shape,
    options: &DriveOptions,
    timing: Timing,
    index: u64,
    length: usize,
) -> Result<Track, ShapeError> {
    let mut vehicle = Vehicle::new(options.seed, index);
    let mut track = Track::default();
    for _ in 0..length {
        vehicle.step(1.0);
        let values = values_for(&vehicle, &shape.fields);
        let payload = sized(shape, timing.first, values, options.size)?;
        let place = timing.form.find(timing.first, &payload);
        let (start, width) =
            place.ok_or_else(|| ShapeError::Time { name: shape.mapping.clone() })?;
        track.push_timed(&payload, TimePlace { start, width });
    }
    Ok(track)
}

/// The payload of these values, adjusted to a size: readings are left out from the last one on, or
/// the firmware's name is extended.
fn sized(
    shape: &Shape,
    time: i64,
    mut values: Vec<Value>,
    size: Option<usize>,
) -> Result<Vec<u8>, ShapeError> {
    let mut payload = shape.encode(time, &values)?;
    let Some(size) = size else { return Ok(payload) };
    for idx in (0..values.len()).rev() {
        if payload.len() <= size {
            break;
        }
        values[idx] = Value::Absent;
        payload = shape.encode(time, &values)?;
    }
    let firmware = shape.fields.iter().position(|field| field.name == "firmware");
    if let Some(idx) = firmware
        && let Value::Text(text) = &mut values[idx]
        && payload.len() < size
    {
        text.push_str(&"+".repeat(size - payload.len()));
        payload = shape.encode(time, &values)?;
    }
    Ok(payload)
}
