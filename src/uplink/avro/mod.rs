//! Avro bytes → slots: one walk, no tree.
//!
//! Everything is read with the schema that wrote it. What the wire may do and still be well formed:
//! arrays and maps in any number of blocks, with or without their size in bytes. What it may not:
//! - end inside a value, or go on after the record;
//! - name a branch or symbol that is not there, a boolean other than 0 and 1, an int of more than
//!   32 bits, a negative length, a block whose size is not that of its items;
//! - make us work for nothing: values without bytes are never stepped through, lists and points are
//!   bounded, so a block's count of 2^63 costs no more than the bytes that follow it; what is
//!   walked over is bounded in depth.

mod bytes;
mod text;
mod walk;

pub(crate) use walk::{element, message};
