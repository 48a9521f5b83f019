//! Rows as people read them: a table that fits a width, and a field over time as a plot.
//!
//! Everything here is pure: columns, rows and a width go in, text comes out. Whoever prints it says
//! on standard error what the text could not hold (`Drawn::note`, `Plot::note`).
//!
//! - A table never wraps a row. Where it does not fit, texts are shortened first (`…`), then
//!   columns are left out from the right. A number or a time is never shortened: what would be left
//!   of it is another number.
//! - A plot draws each series in a panel of its own, over one axis of time and one of values, so
//!   that vehicles can be compared without colours.
//! - Text from outside reaches a terminal with its control characters made visible.

mod canvas;
mod plot;
mod table;
mod text;

pub(super) use plot::Plot;
pub(super) use table::table;
pub(super) use text::visible;
