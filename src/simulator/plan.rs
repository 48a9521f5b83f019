//! What vehicles publish: a simulated fleet or a recording, encoded for a mapping.

use std::{path::PathBuf, time::Duration};

use jiff::tz::TimeZone;
use thiserror::Error;

use super::{
    replay::{self, ReplayError, ReplayOptions, Replayed, RowCounts},
    script::{DriveOptions, KEPT_MAX, Live, LiveOptions, Script, drives},
    shape::{Files, Format, Shape, ShapeError},
    verify::{Asked, Vehicles},
};
use crate::env::{Clock, disk::Disk};

/// The maximum bytes of encoded rows in memory.
const REPLAY_BYTES_MAX: usize = 2 << 30;
const TOPIC_BYTES_MAX: usize = 1024;
const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// What to publish.
#[derive(Debug)]
pub(crate) struct PlanOptions {
    pub(crate) files: Files,
    pub(crate) format: Format,
    /// The mapping to encode for; by default the first of the format.
    pub(crate) mapping: Option<String>,
    /// The topic, with `{…}` for the vehicle; by default the mapping's.
    pub(crate) topic: Option<String>,
    pub(crate) source: PlanSource,
}

/// The source of messages.
#[derive(Debug)]
pub(crate) enum PlanSource {
    Fleet(FleetOptions),
    Recording(RecordingOptions),
}

/// Simulated vehicles.
#[derive(Debug)]
pub(crate) struct FleetOptions {
    pub(crate) vehicles: usize,
    /// The number of the first vehicle, so that several sources can share a fleet.
    pub(crate) first: usize,
    pub(crate) seed: u64,
    /// The time between two messages of a vehicle.
    pub(crate) step: Duration,
    /// The approximate payload size.
    pub(crate) size: Option<usize>,
    /// Messages of a vehicle that may be unacknowledged.
    pub(crate) window: usize,
}

/// Up to this number of vehicles and messages a second, vehicles are simulated live; larger fleets
/// play drives that were encoded beforehand, because a source must cost less than the measured
/// system.
const LIVE_VEHICLES_MAX: usize = 1000;
const LIVE_STEPS_MAX: f64 = 2000.0;

impl FleetOptions {
    /// Whether each vehicle is simulated when its message is due.
    fn is_live(&self) -> bool {
        let vehicles = u32::try_from(self.vehicles).unwrap_or(u32::MAX);
        self.size.is_none()
            && self.window < KEPT_MAX
            && self.vehicles <= LIVE_VEHICLES_MAX
            && f64::from(vehicles) <= LIVE_STEPS_MAX * self.step.as_secs_f64()
    }
}

/// A folder of recorded drives.
#[derive(Debug)]
pub(crate) struct RecordingOptions {
    pub(crate) dir: PathBuf,
    /// Column and field.
    pub(crate) columns: Vec<(String, String)>,
    pub(crate) timezone: String,
}

/// Why there is nothing to publish.
#[derive(Debug, Error)]
pub(crate) enum PlanError {
    /// The time zone is unknown. Write a name such as Europe/Berlin, or UTC.
    #[error("{name} is not a time zone")]
    Zone {
        name: String,
        #[source]
        source: jiff::Error,
    },
    /// The topic is empty, too long, or contains wildcards. Name another.
    #[error("{topic:?} is not a topic that can be published to")]
    Topic { topic: String },
    /// A payload is too large for one write. Request a smaller size, or replay narrower rows.
    #[error("a payload of {bytes} bytes; at most {bytes_max} are sent at once")]
    Payload { bytes: usize, bytes_max: usize },
    /// The schemas and mappings cannot be used to encode.
    #[error("cannot encode what the fleet publishes")]
    Shape(#[source] ShapeError),
    /// The recording cannot be read.
    #[error("cannot replay")]
    Replay(#[source] ReplayError),
}

/// Everything that will be published, and how to query it from a store afterwards.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) script: Box<dyn Script>,
    /// What was done with a recording's rows.
    pub(crate) replayed: Option<ReplayedRows>,
    about: About,
    /// For a recording; the times of a fleet depend on its progress.
    times: Option<(i64, i64)>,
}

/// Where its points are stored.
#[derive(Debug)]
struct About {
    measurement: String,
    vehicle_tag: String,
}

impl About {
    fn of(shape: &Shape) -> Self {
        let Shape { measurement, vehicle_tag, .. } = shape;
        Self { measurement: measurement.clone(), vehicle_tag: vehicle_tag.clone() }
    }
}

/// The contents of a recording.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct ReplayedRows {
    #[serde(flatten)]
    pub(crate) rows: RowCounts,
    pub(crate) unused_columns: Vec<String>,
}

impl Plan {
    /// A topic filter that matches every published topic: a level in which they differ is a
    /// wildcard.
    pub(crate) fn topics(&self) -> String {
        let mut topics = self.script.parts().iter().map(|part| part.topic.split('/'));
        let mut levels: Vec<&str> = topics.next().into_iter().flatten().collect();
        for topic in topics {
            let topic: Vec<&str> = topic.collect();
            if topic.len() != levels.len() {
                return "#".to_owned();
            }
            for (level, other) in levels.iter_mut().zip(topic) {
                *level = if *level == other { *level } else { "+" };
            }
        }
        levels.join("/")
    }

    /// Encodes the simulated drives, or reads and encodes the recording.
    pub(crate) fn make(
        options: PlanOptions,
        disk: &dyn Disk,
        clock: &dyn Clock,
    ) -> Result<Self, PlanError> {
        let shape = Shape::load(&options.files, options.format, options.mapping.as_deref());
        let mut shape = shape.map_err(PlanError::Shape)?;
        if let Some(topic) = options.topic {
            shape.topic = topic;
        }
        let plan = match options.source {
            PlanSource::Fleet(fleet) => Self::fleet(shape, options.format, &fleet, clock)?,
            PlanSource::Recording(recording) => Self::recording(&shape, recording, disk)?,
        };
        for part in plan.script.parts() {
            let is_usual = (1..=TOPIC_BYTES_MAX).contains(&part.topic.len());
            if !is_usual || part.topic.contains(['+', '#', '\0']) {
                return Err(PlanError::Topic { topic: part.topic.to_string() });
            }
        }
        let (bytes, bytes_max) = (plan.script.payload_bytes().1, PAYLOAD_BYTES_MAX);
        if bytes > bytes_max {
            return Err(PlanError::Payload { bytes, bytes_max });
        }
        Ok(plan)
    }

    fn fleet(
        shape: Shape,
        format: Format,
        fleet: &FleetOptions,
        clock: &dyn Clock,
    ) -> Result<Self, PlanError> {
        let (vehicles, first, seed) = (fleet.vehicles, fleet.first, fleet.seed);
        let start_nanos = clock.wall().0;
        let step_nanos = i64::try_from(fleet.step.as_nanos()).unwrap_or(i64::MAX);
        let about = About::of(&shape);
        let script: Box<dyn Script> = if fleet.is_live() {
            let options = LiveOptions { vehicles, first, seed, start_nanos, step_nanos };
            let mut live = Live::new(options);
            live.add(shape, vehicles).map_err(PlanError::Shape)?;
            Box::new(live)
        } else {
            let (topic, size) = (shape.topic.clone(), fleet.size);
            let options = DriveOptions {
                format,
                topic,
                vehicles,
                first,
                seed,
                start_nanos,
                step_nanos,
                size,
            };
            Box::new(drives(&shape, &options).map_err(PlanError::Shape)?)
        };
        Ok(Self { script, replayed: None, about, times: None })
    }

    fn recording(
        shape: &Shape,
        recording: RecordingOptions,
        disk: &dyn Disk,
    ) -> Result<Self, PlanError> {
        let RecordingOptions { dir, columns, timezone: name } = recording;
        let zone = TimeZone::get(&name).map_err(|source| PlanError::Zone { name, source })?;
        let topic = shape.topic.clone();
        let options = ReplayOptions { dir, columns, zone, topic, bytes_max: REPLAY_BYTES_MAX };
        let replayed = replay::read(disk, shape, &options).map_err(PlanError::Replay)?;
        let Replayed { script, rows, unused, times } = replayed;
        let replayed = ReplayedRows { rows, unused_columns: unused.into_iter().collect() };
        let (script, about) = (Box::new(script), About::of(shape));
        Ok(Self { script, replayed: Some(replayed), about, times })
    }

    /// The query for a store, if the vehicle with the most messages sent `messages_max`.
    pub(crate) fn asked(&self, messages_max: u64) -> Asked {
        let names = || self.script.parts().iter().map(|part| part.vehicle.clone());
        let vehicles = match (self.replayed.is_some(), names().min(), names().max()) {
            (false, Some(first), Some(last)) => Vehicles::Range { first, last },
            _ => Vehicles::These(names().collect()),
        };
        let times = self.script.times(messages_max).or(self.times).unwrap_or((0, 0));
        Asked {
            measurement: self.about.measurement.clone(),
            vehicle_tag: self.about.vehicle_tag.clone(),
            vehicles,
            times,
        }
    }
}
