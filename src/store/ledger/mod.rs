//! What a store has of each measurement: which columns, of which types.
//!
//! A ledger is learned from what the store accepted, and read from the store itself where it
//! refused. It answers three things about a line before it is sent:
//! - It fits: nothing new, nothing in conflict.
//! - It grows its measurement: it brings columns that are not known yet. Two requests that add
//!   columns to one table at once make a good line of one of them look bad (TDengine), so such
//!   requests take [turns](Ledger::turn), a measurement.
//! - It conflicts: a field has another type there, or a tag's name. Where that loses nothing the
//!   value is written in the store's type; else the line is not sent, and its neighbours never
//!   leave in a request that must fail.
//!
//! # What it guarantees
//! - LE-1: a line is held back only for what the store itself said, or accepted, within
//!   `TRUST`: a table may be dropped and made anew by somebody else.
//! - LE-2: a ledger is bounded (`TABLES_MAX`, `COLUMNS_MAX`, `SHAPES_MAX`); past a bound it
//!   forgets all and learns anew, which costs turns and no line.
//!
//! # Budget
//! Most lines look like the one before them: the same measurement, tags and fields with the same
//! types. That is their shape; it is written into one buffer in the one walk that looks for values
//! which must not be sent, and compared. Only a shape that is new is compared column by column.

mod columns;
mod compare;
mod screen;
mod table;
#[cfg(test)]
mod tests;
mod turns;

pub(in crate::store) use columns::{Column, EXACT_MAX, casts, kind_of, words};
pub use screen::Screened;
pub(in crate::store) use table::{Ledger, push_field, push_tag};
pub use turns::Turn;
