//! Payloads of commands and receipts: JSON → bytes that a schema describes, and what single fields
//! of such bytes say.
//!
//! This is slower than the decoders of telemetry and handles one value at a time: commands are few
//! in comparison.

mod avro;
mod avro_read;
mod form;
mod json;
mod protobuf;

pub use form::FieldError;
pub(super) use form::{FieldValue, Form, Leaf, Strictness, bytes_value, id_value};
