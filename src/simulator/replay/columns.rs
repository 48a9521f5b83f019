//! The meaning of a file's columns, and the formats of times.

use std::path::Path;

use jiff::{Timestamp, civil, tz::TimeZone};

use super::ReplayError;
use crate::simulator::shape::Shape;

/// The columns of a row's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeColumns {
    Moment(usize),
    DateAndTime { date: usize, time: usize },
}

/// The meaning of each column of one file.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) time: TimeColumns,
    /// The column that names the vehicle of each row, if there is one.
    pub(super) vehicle: Option<usize>,
    /// Columns, and the fields to which their cells belong.
    pub(super) fields: Vec<(usize, usize)>,
    /// Names of columns without a field.
    pub(super) unused: Vec<String>,
}

impl Columns {
    pub(super) fn of(
        header: &csv::StringRecord,
        given: &[(String, String)],
        shape: &Shape,
        path: &Path,
    ) -> Result<Self, ReplayError> {
        let named = |name: &str| header.iter().position(|known| known.eq_ignore_ascii_case(name));
        let time = match (named("date"), named("time")) {
            (Some(date), Some(time)) => TimeColumns::DateAndTime { date, time },
            (None, Some(time)) => TimeColumns::Moment(time),
            _ => return Err(ReplayError::NoTime { path: path.to_owned() }),
        };
        let vehicle = named("vin").or_else(|| named("vehicle"));
        let mut columns = Self { time, vehicle, fields: Vec::new(), unused: Vec::new() };
        for (column, field) in given {
            let missing = || ReplayError::NoColumn { path: path.into(), column: column.clone() };
            let field = shape.exactly(field).map_err(ReplayError::Field)?;
            columns.fields.push((named(column).ok_or_else(missing)?, field));
        }
        for (column, name) in header.iter().enumerate() {
            let is_time = match time {
                TimeColumns::Moment(at) => column == at,
                TimeColumns::DateAndTime { date, time } => column == date || column == time,
            };
            let is_given = columns.fields.iter().any(|(known, _)| *known == column);
            if is_time || is_given || vehicle == Some(column) {
                continue;
            }
            let taken = |field: &usize| columns.fields.iter().any(|(_, known)| known == field);
            match shape.find(name).filter(|field| !taken(field)) {
                Some(field) => columns.fields.push((column, field)),
                None => columns.unused.push(name.to_owned()),
            }
        }
        Ok(columns)
    }
}

/// A time as nanoseconds since the Unix epoch: from RFC 3339, or from an integer whose size gives
/// its unit.
pub(super) fn moment(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(count) = text.parse::<i64>() {
        // Seconds reach 10^11 in the year 5138; milliseconds reached it in 1973.
        let nanos_a_step = match count.unsigned_abs() {
            0..100_000_000_000 => 1_000_000_000,
            100_000_000_000..100_000_000_000_000 => 1_000_000,
            100_000_000_000_000..100_000_000_000_000_000 => 1000,
            _ => 1,
        };
        return count.checked_mul(nanos_a_step);
    }
    i64::try_from(text.parse::<Timestamp>().ok()?.as_nanosecond()).ok()
}

/// The same from a date (`M/D/Y` or `Y-M-D`) and a time of day (`H:M:S`, with or without decimals)
/// in a time zone.
pub(super) fn civil_moment(date: &str, time: &str, zone: &TimeZone) -> Option<i64> {
    let (year, month, day) = if let Some((month, rest)) = date.trim().split_once('/') {
        let (day, year) = rest.split_once('/')?;
        (year, month, day)
    } else {
        let (year, rest) = date.trim().split_once('-')?;
        let (month, day) = rest.split_once('-')?;
        (year, month, day)
    };
    let date = civil::Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    let (hour, rest) = time.trim().split_once(':')?;
    let (minute, second) = rest.split_once(':')?;
    let (second, decimals) = second.split_once('.').unwrap_or((second, ""));
    if !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let nanos = format!("{decimals:0<9}").get(..9)?.parse().ok()?;
    let time =
        civil::Time::new(hour.parse().ok()?, minute.parse().ok()?, second.parse().ok()?, nanos);
    let moment = date.to_datetime(time.ok()?).to_zoned(zone.clone()).ok()?;
    i64::try_from(moment.timestamp().as_nanosecond()).ok()
}
