//! Schema files → an immutable registry of payload shapes.
//!
//! Each format turns its schema into a [`Shape`], the common description for compiling mappings,
//! and keeps the data for its decode program beside it. Each error in a file is a [`Problem`] with
//! file, line and remedy; all of them are collected, not only the first.

pub mod avro;
pub mod json;
mod missing;
mod problem;
pub mod protobuf;
mod registry;
mod shape;
mod shipped;
mod source;
mod tree;

pub use avro::AvroSchemas;
pub use json::JsonSchemas;
pub use missing::Missing;
pub use problem::{Problem, nearest};
pub use protobuf::ProtobufSchemas;
pub use registry::Registry;
pub(crate) use shape::INNER_NAME;
pub use shape::{
    Form, Kind, Member, Presence, Record, RecordIdx, Scalar, Shape, Symbols, Top, Unit, Unsupported,
};
pub(crate) use shipped::SHIPPED;
pub use source::{Bounds, Source, Sources};
