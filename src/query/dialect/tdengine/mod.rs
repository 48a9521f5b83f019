//! TDengine's SQL.
//!
//! What shaped the text:
//! - A column that a table has not is an error, so its columns are asked for first
//!   ([`crate::store::Table`]).
//! - How it orders texts and nulls is a matter of its version, so rows are ordered by time only and
//!   put in order here, among those of one moment. `LIMIT` would cut among them; where the page
//!   ends is asked for before it ([`page_end`]).
//! - `INTERVAL` in days or weeks begins at midnight of the server's time zone; in nanoseconds
//!   (`b`) it begins at multiples of itself since the epoch.
//! - The order stands at the select of the windows itself: 3.3.6.6 drops that of a select around
//!   it, and backwards it then gives parts of windows.
//! - Arithmetic answers in floats, which hold no nanoseconds: there is none in here.
//! - `FIRST` and `LAST` take each column's first or last value, nulls left out. Of two series of a
//!   vehicle with a value at that very moment they take either, where other stores answer with the
//!   greater.

#[cfg(test)]
mod tests;
mod text;

pub(in crate::query) use text::{name, page_end, translate};
