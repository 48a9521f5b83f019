//! Mapping files → compiled plans.
//!
//! A mapping says which messages it takes (topic, selection), how their payload is read (format,
//! schema, message) and what becomes of it (measurement, tags, fields, time, points, filter). It is
//! compiled in three steps, none of which looks at a payload:
//!
//! 1. the file is read strictly: unknown keys are refused with the nearest known one;
//! 2. its paths are resolved against the schema's [`crate::schema::Shape`], and each value that is
//!    wanted gets a slot: the [`Layout`];
//! 3. the format compiles its [`Decoder`] from the layout, and the rest becomes a [`Plan`].
//!
//! All problems of all files are collected before anything is refused.
//!
//! # The keys of `[[mapping]]`
//! `name`, `topic`, `format`, `schema`, `message`, `measurement`, `vehicle`, `tags`, `time`,
//! `points`, `fields`, `when` and `select` as the shipped mappings show them, and:
//! - `schema-id = 42` with `select = "confluent"`: the id under which the schema registry knows the
//!   schema. A protobuf payload's message indexes must be those of `message`.
//! - `content-type = "application/x-protobuf"` with `select = "content-type"`: compared byte for
//!   byte with the content type of a 5.0 message.
//! - `repeated = "spread"` (default: `name_0`, `name_1`…, `name_key`) or `"json"` (one string).
//! - `bytes = "base64"` (default) or `"skip"`.
//! - `duplicates` says what points of one message with equal series and time mean, of which every
//!   store keeps one: `"merge"` (default: one point with the fields of all, of one key the last
//!   value), `"keep-last"`, or `"offset-ns"` (points of their own, each at least a nanosecond after
//!   the one before). What is merged is counted. A mapping whose points must all meet is warned of
//!   when it is loaded, unless it says `duplicates`. Points without a time of their own never meet:
//!   each gets its own time of receipt.
//!
//! `vehicle` must be one of the `tags`, or all vehicles would share one series; both take the name
//! of a capture with or without its braces.
//!
//! A topic whose mappings all select by something else than the topic, none of which takes a
//! message, makes it a dead letter `schema-unknown`.
//!
//! In `fields.exclude` a `*` stands for any run of characters, dots included; excluding a record
//! excludes all of it. `fields.rename` of a record renames the start of all names below it.

pub mod avro;
mod catalog;
mod compile;
mod decoder;
mod file;
mod filter;
pub mod json;
mod layout;
pub(crate) mod names;
mod plan;
mod plans;
pub mod protobuf;
mod topic;

#[cfg(test)]
mod tests;

pub use decoder::Decoder;
pub use filter::{Comparison, Filter, Operand};
pub use layout::{Layout, Place, RecordLayout, SlotIdx};
pub use plan::{Duplicates, Field, FieldForm, Plan, Select, SlotPlan, Source, Tag, Time};
pub use plans::{LoadErrors, Options, Plans};
pub use topic::TopicMatch;
