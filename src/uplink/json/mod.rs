//! JSON text → slots, as it is parsed: no tree.
//!
//! serde_json parses; the seeds here say where each value goes. Text that stands in the payload as
//! it is stays there; text with escapes is unescaped into the table's scratch. What a payload may
//! do and still be well formed: properties in any order, a property twice (the last counts, as a
//! whole: objects do not merge), properties that the schema does not know (skipped and counted),
//! null for anything that is not required. An integer is exact to 64 bits and may be written as 5.0
//! or 5e0. What it may not: be anything but one object, lack what is required, hold a value of
//! another type than the schema says, nest deeper than the bound.

mod seeds;
mod walk;

pub(crate) use walk::{element, message};
