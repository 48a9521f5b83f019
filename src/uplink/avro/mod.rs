//! Avro bytes → slots: one walk, no tree.
//!
//! Everything is read with the writer's schema. Arrays and maps may have any number of blocks, with
//! or without their size in bytes. A payload is refused if it does one of these:
//! - it ends inside a value, or continues after the record;
//! - it has an unknown branch or symbol, a boolean other than 0 and 1, an int of more than 32 bits,
//!   a negative length, or a block whose size is not that of its items;
//! - it costs work without bytes: values without bytes are never iterated over, and lists and
//!   points are bounded, so a block count of 2^63 costs no more than the bytes that follow it. The
//!   depth of skipped values is bounded.

mod bytes;
mod text;
mod walk;

pub(crate) use walk::{element, message};
