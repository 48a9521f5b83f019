//! JSON text → slots in one walk: no tree, no copy.
//!
//! Text without escapes stays in the payload; text with escapes is unescaped into the table's
//! scratch. Accepted: properties in any order, a property twice (the last one counts as a whole:
//! objects do not merge), properties that the schema does not declare (skipped and counted), null
//! for everything that is not required. Refused: anything but one value of the schema's type, a
//! missing required property, a value of another type than the schema's, nesting deeper than the
//! bound.
//!
//! Integers are never rounded: an integer is exact to 64 bits, may be written as `5.0`, `5e0` or
//! `"5"`, and is refused if it is not whole or does not fit. A float becomes the nearest double.
//!
//! - `reader`: reads white space, strings and numbers, and skips values that are not needed;
//! - `number`: decimal digits → the exact integer;
//! - `walk`: stores each value as the plan says;
//! - `mistakes`: names the mistake in text that is not JSON.

mod mistakes;
mod number;
mod reader;
mod walk;

pub(crate) use walk::{element, message};
