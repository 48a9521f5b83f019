//! The text of line protocol: how names and strings are escaped, and how lines are read.
//!
//! Most code only splits lines into their parts, without interpreting them. Where the values of a
//! line are needed, it is parsed ([`read()`]).
//!
//! Our own writer is the only producer, so the grammar here is what it writes: one newline after
//! each line, no comments, no blank lines, a time at the end. A line feed inside a quoted string
//! field belongs to the field, so a buffer of lines is never split at bare newlines. Line protocol
//! that a vehicle sends is checked by `uplink` and written again before it gets here.

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
