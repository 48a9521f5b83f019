//! `.avsc` files: records by name, as shapes to map and as types to read by.
//!
//! A file holds one schema, or an array of named ones. Named types may be used across files; where
//! a file defines a name itself, its own definition counts. Each record is made self-contained
//! (every name it reaches is written out at its first use, under its full name), and that one form
//! feeds both the parser (apache-avro) and the fingerprint, so the two cannot disagree.
//!
//! Payloads are read with the schema that wrote them, the one the mapping names. So `aliases` and
//! `default`, which matter only where a reader's schema differs from the writer's, are accepted and
//! not used; a vehicle with an older schema gets a mapping of its own, chosen by topic, content
//! type, Confluent id or single-object fingerprint.
//!
//! How Avro's types appear in a shape:
//!
//! | Avro | in a line |
//! |---|---|
//! | int, long | integer |
//! | float, double, boolean, string, bytes, fixed, enum | as design says for any format |
//! | union of null and one type | the value, or nothing |
//! | any other union | as a record with one member a branch: `x_int`, `x_string`, `x_Car_…` |
//! | timestamp-*, local-timestamp-* | integer nanoseconds since the epoch, as if in UTC |
//! | date | string, `2026-11-22` |
//! | time-millis, time-micros | string, `23:59:59.999`, `23:59:59.999999` |
//! | duration | string, ISO 8601: `P1M2DT3.004S` |
//! | uuid | string; of 16 bytes: 32 hex digits with hyphens |
//! | decimal | float: the nearest double; a value of more than 38 digits is a dead letter |
//! | array, map of such scalars, null among them | list, map |
//! | array or map of records, of unions, or of such arrays and maps | many points, or excluded |
//! | all else (big-decimal, arrays of arrays…) | must be excluded |
//!
//! A logical type on a type that cannot carry it is ignored, as the specification says.

mod definitions;
mod fingerprint;
mod record;
mod resolve;
mod schemas;
mod types;

#[cfg(test)]
mod tests;

pub use fingerprint::{canonical_form, fingerprint};
pub use record::AvroRecord;
pub(crate) use resolve::DEFAULT;
pub use schemas::AvroSchemas;
pub use types::{Leaf, Type, TypeIdx, Types};
