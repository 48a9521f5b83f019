//! JSON text → slots, as it is read: no tree, no copy.
//!
//! Text that stands in the payload as it is stays there; text with escapes is unescaped into the
//! table's scratch. What a payload may do and still be well formed: properties in any order, a
//! property twice (the last counts, as a whole: objects do not merge), properties that the schema
//! does not know (skipped and counted), null for anything that is not required. What it may not: be
//! anything but one value of the schema's type, lack what is required, hold a value of another type
//! than the schema says, nest deeper than the bound.
//!
//! Numbers are never rounded in silence: an integer is exact to 64 bits, may be written as `5.0`,
//! `5e0` or `"5"`, and is refused where it is not whole or does not fit; a float is the nearest
//! double.
//!
//! - `reader`: the text, byte by byte: white space, strings, numbers, what nobody wants;
//! - `number`: decimal digits → the integer that they are;
//! - `walk`: what the plan does with each value;
//! - `words`: what is told of text that is not JSON.

mod number;
mod reader;
mod walk;
mod words;

pub(crate) use walk::{element, message};
