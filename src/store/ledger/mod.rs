//! What is known about each measurement in a store: its columns and their types.
//!
//! A ledger learns from lines that the store accepted, and is read from the store itself after a
//! refusal. It says one of three things about a line before it is sent:
//! - It fits: nothing is new, nothing is in conflict.
//! - It grows its measurement: it has columns that are not known yet. If two requests add columns
//!   to one table at the same time, a good line of one of them may be refused (TDengine), so such
//!   requests take [turns](Ledger::turn) per measurement.
//! - It conflicts: a field has another type there, or is a tag. If that loses nothing, the value is
//!   converted to the store's type; otherwise the line is not sent, so that its neighbours are
//!   never part of a request that must fail.
//!
//! Some stores report their types only when they refuse points (InfluxDB 1 and 2). For these it
//! also knows [whether](Ledger::knows_types) the types of a measurement were reported, or a line of
//! it accepted.
//!
//! # What it guarantees
//! - LE-1: a line is held back only because of something that the store itself said, or accepted,
//!   within `TRUST`: somebody else may drop and recreate a table.
//! - LE-2: a ledger is bounded (`TABLES_MAX`, `COLUMNS_MAX`, `SHAPES_MAX`); past a bound it forgets
//!   everything and learns again, which costs turns but no line.
//!
//! # Budget
//! Most lines are like the one before: the same measurement, tags and fields with the same types.
//! That is their shape. It is written into a buffer in the same pass that looks for values that
//! must not be sent, and compared with the known shapes. Only a line with a new shape is compared
//! column by column.

mod columns;
mod compare;
mod known;
mod screen;
mod table;
#[cfg(test)]
mod tests;
mod turns;

pub(in crate::store) use columns::{Column, EXACT_MAX, casts, kind_of, words};
pub use screen::Screened;
pub(in crate::store) use table::{Ledger, push_field, push_tag};
pub use turns::Turn;
