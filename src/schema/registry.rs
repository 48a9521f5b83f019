//! All schemas in force: immutable, replaced whole.

use crate::schema::{AvroSchemas, JsonSchemas, Problem, ProtobufSchemas, Sources};

/// The schemas of every format.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// `*.proto`.
    pub protobuf: ProtobufSchemas,
    /// `*.avsc`.
    pub avro: AvroSchemas,
    /// `*.schema.json`.
    pub json: JsonSchemas,
}

impl Registry {
    /// Compiles every schema file. What is wrong is added to `problems`, and the rest is still
    /// there, so that the mappings can be looked at too.
    #[must_use]
    pub fn compile(sources: &Sources, problems: &mut Vec<Problem>) -> Self {
        Self {
            protobuf: ProtobufSchemas::compile(sources, problems),
            avro: AvroSchemas::compile(sources, problems),
            json: JsonSchemas::compile(sources, problems),
        }
    }
}
