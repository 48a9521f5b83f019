//! Files → script.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use jiff::tz::TimeZone;

use super::{
    ReplayError,
    columns::{Columns, TimeColumns, civil_moment, moment},
};
use crate::{
    env::disk::Disk,
    simulator::{
        script::{Part, Track, Tracks, topic_of},
        shape::{Shape, Value, read_text},
    },
};

/// What to replay, and how.
#[derive(Debug)]
pub(crate) struct ReplayOptions {
    pub(crate) dir: PathBuf,
    /// Column and field, as given.
    pub(crate) columns: Vec<(String, String)>,
    pub(crate) zone: TimeZone,
    /// `{…}` is replaced by the vehicle's identity.
    pub(crate) topic: String,
    /// The maximum bytes of all encoded rows together.
    pub(crate) bytes_max: usize,
}

/// A recording, encoded.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) script: Tracks,
    pub(crate) rows: RowCounts,
    /// Columns of any file without a field.
    pub(crate) unused: BTreeSet<String>,
    /// The first and the last time, nanoseconds since the Unix epoch.
    pub(crate) times: Option<(i64, i64)>,
}

/// Counts of rows and cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct RowCounts {
    pub(crate) read: u64,
    /// Encoded, and to be published.
    pub(crate) taken: u64,
    /// Rows without a valid time.
    pub(crate) skipped: u64,
    /// Cells that are invalid for their field.
    pub(crate) cells_skipped: u64,
}

/// Reads and encodes every `*.csv` of a folder.
pub(crate) fn read(
    disk: &dyn Disk,
    shape: &Shape,
    options: &ReplayOptions,
) -> Result<Replayed, ReplayError> {
    let dir = &options.dir;
    let names = disk.files(dir);
    let names = names.map_err(|source| ReplayError::Read { path: dir.clone(), source })?;
    let mut recording = Recording {
        shape,
        options,
        drives: BTreeMap::new(),
        rows: RowCounts::default(),
        unused: BTreeSet::new(),
        times: None,
        bytes: 0,
    };
    for name in names {
        if let Some(vehicle) = name.strip_suffix(".csv").or_else(|| name.strip_suffix(".CSV")) {
            recording.file(disk, &dir.join(&name), vehicle)?;
        }
    }
    if recording.drives.is_empty() && recording.rows.read == 0 {
        return Err(ReplayError::Empty { path: dir.clone() });
    }
    Ok(recording.finish())
}

struct Recording<'a> {
    shape: &'a Shape,
    options: &'a ReplayOptions,
    /// Rows by vehicle.
    drives: BTreeMap<String, Track>,
    rows: RowCounts,
    unused: BTreeSet<String>,
    times: Option<(i64, i64)>,
    bytes: usize,
}

impl Recording<'_> {
    fn file(&mut self, disk: &dyn Disk, path: &Path, vehicle: &str) -> Result<(), ReplayError> {
        let text = read_text(disk, path)
            .map_err(|source| ReplayError::Read { path: path.to_owned(), source })?;
        let failed = |source| ReplayError::Csv { path: path.to_owned(), source };
        let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let header = reader.headers().map_err(failed)?.clone();
        let columns = Columns::of(&header, &self.options.columns, self.shape, path)?;
        self.unused.extend(columns.unused.iter().cloned());
        let mut row = csv::StringRecord::new();
        let mut values = vec![Value::Absent; self.shape.fields.len()];
        while reader.read_record(&mut row).map_err(failed)? {
            self.rows.read += 1;
            let cell = |column: usize| row.get(column).unwrap_or_default();
            let at = match columns.time {
                TimeColumns::Moment(column) => moment(cell(column)),
                TimeColumns::DateAndTime { date, time } => {
                    civil_moment(cell(date), cell(time), &self.options.zone)
                }
            };
            let Some(at) = at else {
                self.rows.skipped += 1;
                continue;
            };
            for &(column, field) in &columns.fields {
                let value = self.shape.fields[field].parse(cell(column).trim());
                self.rows.cells_skipped += u64::from(value.is_none());
                values[field] = value.unwrap_or_default();
            }
            let payload = self.shape.encode(at / self.shape.unit.nanos(), &values);
            let payload =
                payload.map_err(|source| ReplayError::Encode { path: path.to_owned(), source })?;
            self.add(columns.vehicle.map_or(vehicle, cell), at, &payload)?;
        }
        Ok(())
    }

    fn add(&mut self, vehicle: &str, at: i64, payload: &[u8]) -> Result<(), ReplayError> {
        let bytes_max = self.options.bytes_max;
        self.bytes += payload.len();
        if self.bytes > bytes_max {
            return Err(ReplayError::TooLarge { bytes_max });
        }
        self.rows.taken += 1;
        self.times = Some(self.times.map_or((at, at), |(a, b)| (a.min(at), b.max(at))));
        if !self.drives.contains_key(vehicle) {
            self.drives.insert(vehicle.to_owned(), Track::default());
        }
        if let Some(track) = self.drives.get_mut(vehicle) {
            track.push_recorded(payload, at);
        }
        Ok(())
    }

    fn finish(self) -> Replayed {
        let drives = self.drives.into_iter().map(|(vehicle, track)| {
            let topic = topic_of(&self.options.topic, &vehicle).into();
            (Part { vehicle, topic }, track)
        });
        let script = Tracks::recorded(drives.collect());
        Replayed { script, rows: self.rows, unused: self.unused, times: self.times }
    }
}
