//! Plan against reference: generated schemas, messages and wires give the same points either way.
//!
//! - `schema`: a random `.proto` file, proto2 or proto3, and a mapping of it;
//! - `forms`: times, conversions and equal points, generated and evaluated;
//! - `message`: a random message of it, hostile strings included, and a wire that protobuf allows
//!   but no encoder writes: shuffled, doubled, split, packed and unpacked otherwise than declared,
//!   with unknown fields between;
//! - `reference`: the slow path: prost-reflect's dynamic message, walked by its descriptors;
//! - `lines`: the lines of the plan, read back by an independent parser;
//! - `compare`: the property. In the end the wire is damaged: nothing may panic, and what still
//!   decodes must still agree.

mod compare;
mod dice;
mod forms;
mod lines;
mod message;
mod reference;
mod schema;
