//! All schemas in force: replaced whole.
//!
//! A schema is compiled at the first request for it by the name of its file. So a broken file that
//! no mapping names does no harm, and two files may define the same name.

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
    /// protobuf's imports are looked up, in addition to that directory itself.
    #[must_use]
    pub fn new(sources: &Arc<Sources>, import_roots: &[String]) -> Self {
        Self {
            protobuf: ProtobufSchemas::new(Arc::clone(sources), import_roots),
            avro: AvroSchemas::new(Arc::clone(sources)),
            json: JsonSchemas::new(Arc::clone(sources)),
        }
    }

    /// The errors of files that have not been requested so far.
    #[must_use]
    pub fn problems_of_unreached(&self) -> Vec<Problem> {
        let mut problems = self.protobuf.problems_of_unreached();
        problems.extend(self.avro.problems_of_unreached());
        problems.extend(self.json.problems_of_unreached());
        problems
    }
}
