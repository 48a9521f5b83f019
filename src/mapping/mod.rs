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

pub mod avro;
mod decoder;
mod filter;
mod layout;
mod plan;
pub mod protobuf;

pub use decoder::Decoder;
pub use filter::{Comparison, Filter, Operand};
pub use layout::{Layout, Place, RecordLayout, SlotIdx};
pub use plan::{Field, FieldForm, Plan, Select, SlotPlan, Source, Tag, Time};
