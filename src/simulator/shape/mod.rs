//! Payloads of the fleet: a mapping applied backwards, from named values to a payload.
//!
//! A [`Shape`] is one mapping of a folder of schemas (or of those that ship with the program) with
//! the fields of its schema flattened to [`Field`]s; [`Shape::encode`] turns one value a field and
//! a time into a payload. It encodes through descriptors (prost-reflect, apache-avro, a tree for
//! JSON), and so it is also an independent check of the decoding plans. It costs microseconds a
//! payload, so a load source encodes before it publishes, never meanwhile.
//!
//! Only what a fleet needs: scalars, also nested; repeated fields and maps are left out, and the
//! time is an integer at the start of the message.

mod avro;
mod error;
mod field;
mod files;
mod json;
mod load;
mod protobuf;
#[cfg(test)]
mod tests;

pub(crate) use error::ShapeError;
pub(crate) use field::{Field, Kind, TimeUnit, Value};
pub(crate) use files::{Files, read_text};
pub(crate) use load::{Format, Shape};
