//! Which column of a file is what.

use std::path::Path;

use super::ReplayError;
use crate::simulator::shape::Shape;

/// Where a row's time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeColumns {
    Moment(usize),
    DateAndTime { date: usize, time: usize },
}

/// What each column of one file is.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) time: TimeColumns,
    /// The vehicle of each row, if a column says.
    pub(super) vehicle: Option<usize>,
    /// Column, and the field that its cells are values of.
    pub(super) fields: Vec<(usize, usize)>,
    /// Names of columns that nothing takes.
    pub(super) unused: Vec<String>,
}

impl Columns {
    pub(super) fn of(
        header: &csv::StringRecord,
        told: &[(String, String)],
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
        for (column, field) in told {
            let missing = || ReplayError::NoColumn { path: path.into(), column: column.clone() };
            let field = shape.exactly(field).map_err(ReplayError::Field)?;
            columns.fields.push((named(column).ok_or_else(missing)?, field));
        }
        for (column, name) in header.iter().enumerate() {
            let is_time = match time {
                TimeColumns::Moment(at) => column == at,
                TimeColumns::DateAndTime { date, time } => column == date || column == time,
            };
            let is_told = columns.fields.iter().any(|(known, _)| *known == column);
            if is_time || is_told || vehicle == Some(column) {
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
