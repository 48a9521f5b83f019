//! Rows for people: a table that fits a width, and a field over time as a plot.
//!
//! Everything here is pure: columns, rows and a width go in, text comes out. The caller reports on
//! standard error what the text does not contain (`Drawn::note`, `Plot::note`).
//!
//! - A table never wraps a row. If it does not fit, strings are shortened first (`…`), then columns
//!   are left out from the right. A number or a time is never shortened: the rest would be another
//!   number.
//! - A plot draws each series in its own panel, over one time axis and one value axis, so that
//!   vehicles can be compared without colours.
//! - Strings from outside reach a terminal with their control characters made visible.

mod canvas;
mod plot;
mod table;
mod text;

pub(super) use plot::Plot;
pub(super) use table::table;
pub(super) use text::visible;
