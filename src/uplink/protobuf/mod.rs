//! Protobuf wire bytes → slots: one walk, no tree.
//!
//! Accepted: fields in any order, a field twice (the last scalar counts, messages merge), repeated
//! scalars packed, unpacked or both, several members of a oneof (the last wins), unknown fields and
//! groups. The slots hold the same values that a full decoder would give; the tests compare the two
//! value for value.
//!
//! Lengths are checked against the remaining bytes before they are used, nothing is allocated by a
//! length from the wire, and the depth of skipped groups is bounded.
//!
//! - `wire`: reads tags, varints, lengths and groups;
//! - `walk`: stores each field as the plan says.

mod walk;
mod wire;

pub(crate) use walk::{element, message};
