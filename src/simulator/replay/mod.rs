//! Recorded drives: CSV files with a header, one a vehicle, encoded by a schema and published.
//!
//! A row needs a time: a column `time` (RFC 3339, or an integer since the Unix epoch in seconds,
//! milliseconds, microseconds or nanoseconds, told apart by size), or `Date` (month/day/year, or
//! year-month-day) and `Time` (hours:minutes:seconds) in a time zone. A row whose time does not
//! exist is skipped and counted: recorded data is like that. A cell that its field cannot take
//! counts too, and is left out of its row.
//!
//! A column `vin` or `vehicle` names the vehicle of a row; without it the file's name is the
//! vehicle. Columns go to the schema's fields by name (letter case, separators and units aside), or
//! as told; a column without a field is told and left out.

mod columns;
mod error;
mod read;
#[cfg(test)]
mod tests;

pub(crate) use error::ReplayError;
pub(crate) use read::{ReplayOptions, Replayed, RowCounts, read};
