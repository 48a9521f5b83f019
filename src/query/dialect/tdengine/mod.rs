//! TDengine's SQL.
//!
//! Behaviour that determines the query text:
//! - A column that a table does not have is an error, so its columns are read first
//!   ([`crate::store::Table`]).
//! - The order of texts and nulls depends on its version, so rows are ordered by time only and
//!   sorted here among those of one moment. `LIMIT` would cut among them, so the end of the page is
//!   read first ([`page_end`]).
//! - `INTERVAL` in days or weeks begins at midnight of the server's time zone; in nanoseconds
//!   (`b`) it begins at multiples of itself since the epoch.
//! - `ORDER BY` is in the select of the windows itself: 3.3.6.6 drops that of an outer select, and
//!   then returns parts of windows in descending order.
//! - Arithmetic gives floats, which cannot hold nanoseconds, so none is used here.
//! - `FIRST` and `LAST` take each column's first or last value that is not null. If two series of a
//!   vehicle have a value at that moment, they take either one; other stores return the greater.

#[cfg(test)]
mod tests;
mod text;

pub(in crate::query) use text::{name, page_end, translate};
