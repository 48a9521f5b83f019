//! Recorded drives: CSV files with a header, one a vehicle, encoded by a schema and published.
//!
//! A row needs a time: a column `time` (RFC 3339, or an integer since the Unix epoch in seconds,
//! milliseconds, microseconds or nanoseconds, distinguished by size), or `Date` (month/day/year, or
//! year-month-day) and `Time` (hours:minutes:seconds) in a time zone. A row with a non-existent
//! time is skipped and counted: recorded data contains such rows. A cell that is invalid for its
//! field is counted too, and left out of its row.
//!
//! A column `vin` or `vehicle` names the vehicle of a row; without it the vehicle has the file's
//! name. Columns are matched to the schema's fields by name (letter case, separators and units
//! aside), or as configured; a column without a field is reported and left out.

mod columns;
mod error;
mod read;
#[cfg(test)]
mod tests;

pub(crate) use error::ReplayError;
pub(crate) use read::{ReplayOptions, Replayed, RowCounts, read};
