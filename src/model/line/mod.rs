//! The text of line protocol: how names and strings are escaped, and how lines are read.
//!
//! Lines are taken apart without interpreting them: where they end, and what their parts are. Where
//! somebody asks what a line says, it is read back ([`read()`]).
//!
//! Our own writer is the only producer, so the grammar here is the one that it writes: one newline
//! after each line, no comments, no blank lines, a time at the end. A line feed inside a quoted
//! string field belongs to the field, so a buffer of lines is never split at bare newlines. What a
//! vehicle sends as line protocol is checked by `uplink` before it becomes a line of ours.

mod label;
mod lines;
mod parts;
mod read;
mod value;
mod write;

pub use label::Label;
pub use lines::{Lines, lines};
pub use parts::{
    Fields, Tags, fields, fields_behind, measurement, measurement_of, series, tag, tags, unescape,
};
pub use read::{ReadPoint, read};
pub use value::FieldValue;
pub use write::{is_plain, is_separator, push_key, push_measurement, push_string, quote_in_place};
