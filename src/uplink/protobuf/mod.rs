//! Protobuf wire bytes → slots: one walk, no tree.
//!
//! What the wire may do and still be well formed: fields in any order, a field twice (of a scalar
//! the last counts, messages merge), repeated scalars packed, unpacked or both, members of a oneof
//! after each other (the last wins), unknown fields and groups. All of it ends in the slots as a
//! full decoder would have it; the tests compare the two value for value.
//!
//! Lengths are compared with what is there before they are believed, nothing is allocated by a
//! length of the wire, and skipping a nested group is bounded in depth.
//!
//! - `wire`: tags, varints, lengths: the bytes below the fields;
//! - `walk`: what the plan does with each field.

mod walk;
mod wire;

pub(crate) use walk::{element, message};
