//! Lines of line protocol, taken apart without interpreting them: where they end, and what their
//! parts are; and, where somebody asks what a line says, read back ([`read()`]).
//!
//! Our own writer is the only producer, so the grammar here is the one that it writes: one newline
//! after each line, no comments, no blank lines, a time at the end. A line feed inside a quoted
//! string field belongs to the field, so a buffer of lines is never split at bare newlines.

mod lines;
mod parts;
mod read;

pub use lines::{Lines, lines};
pub use parts::{Fields, Tags, fields, fields_behind, measurement, series, tag, tags, unescape};
pub use read::{ReadPoint, read};
