//! All schemas in force: replaced whole.
//!
//! A schema is compiled when it is first asked for, by the name of its file. So a file that nobody
//! names harms nobody, and two files may define one name.

use std::sync::Arc;

use crate::schema::{AvroSchemas, JsonSchemas, Problem, ProtobufSchemas, Sources};

/// The schemas of every format.
#[derive(Debug)]
pub struct Registry {
    /// `*.proto`.
    pub protobuf: ProtobufSchemas,
    /// `*.avsc`.
    pub avro: AvroSchemas,
    /// `*.schema.json`.
    pub json: JsonSchemas,
}

impl Registry {
    /// Schemas of these sources. `import_roots` are folders below the schemas directory from which
    /// protobuf's imports are looked up, beside that directory itself.
    #[must_use]
    pub fn new(sources: &Arc<Sources>, import_roots: &[String]) -> Self {
        Self {
            protobuf: ProtobufSchemas::new(Arc::clone(sources), import_roots),
            avro: AvroSchemas::new(Arc::clone(sources)),
            json: JsonSchemas::new(Arc::clone(sources)),
        }
    }

    /// What is wrong with the files that nobody has asked for so far.
    #[must_use]
    pub fn problems_of_unreached(&self) -> Vec<Problem> {
        let mut problems = self.protobuf.problems_of_unreached();
        problems.extend(self.avro.problems_of_unreached());
        problems.extend(self.json.problems_of_unreached());
        problems
    }
}
