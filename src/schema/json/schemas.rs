//! All `.schema.json` files.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::shaper;
use crate::schema::{Missing, Problem, RecordIdx, Shape, Source, Sources, tree::Node};

/// One JSON Schema.
#[derive(Clone, Debug)]
pub struct JsonSchema {
    /// Its objects, properties in their order.
    pub shape: Shape,
    /// What else is checked, one entry per object of the shape.
    pub(super) rules: Vec<Rules>,
}

/// What is checked of an object in addition to types.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Required names, declared or not; at most 128.
    pub required: Vec<String>,
    /// By member: whether null is one of its types.
    pub nullable: Vec<bool>,
}

impl JsonSchema {
    /// What is checked of an object.
    #[must_use]
    pub fn rules(&self, record: RecordIdx) -> &Rules {
        &self.rules[record.0]
    }
}

/// All `.schema.json` files.
#[derive(Debug)]
pub struct JsonSchemas {
    sources: Arc<Sources>,
    /// Requested schemas. A lock, because the registry is shared; only loads take it.
    compiled: Mutex<BTreeMap<String, Result<Arc<JsonSchema>, Problem>>>,
}

/// How these files end.
const ENDING: &str = ".schema.json";

impl JsonSchemas {
    /// The files of the sources; none is read yet.
    pub(crate) fn new(sources: Arc<Sources>) -> Self {
        Self { sources, compiled: Mutex::default() }
    }

    /// The schema of a file.
    ///
    /// # Errors
    /// The errors of the file or of its name.
    pub fn schema(&self, file: &str) -> Result<Arc<JsonSchema>, Missing> {
        let source = self.sources.find(file).filter(|source| source.path.ends_with(ENDING));
        let source = source.ok_or_else(|| Missing::file(&self.sources, file, ENDING))?;
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let found =
            compiled.entry(source.path.clone()).or_insert_with(|| compile(source).map(Arc::new));
        found.clone().map_err(|problem| Missing::Broken(vec![problem]))
    }

    /// The text of a file, for complete checks of values.
    #[must_use]
    pub fn text(&self, file: &str) -> Option<&str> {
        let source = self.sources.find(file).filter(|source| source.path.ends_with(ENDING));
        source.map(|source| source.text.as_str())
    }

    /// The errors of files that have not been requested so far.
    pub(crate) fn problems_of_unreached(&self) -> Vec<Problem> {
        let compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let unreached = self.sources.with_ending(ENDING);
        let unreached = unreached.filter(|source| !compiled.contains_key(&source.path));
        unreached.filter_map(|source| compile(source).err()).collect()
    }
}

/// Compiles one file.
fn compile(source: &Source) -> Result<JsonSchema, Problem> {
    if let Some(problem) = source.fault() {
        return Err(problem);
    }
    shaper::compile(source, &Node::parse(source)?)
}
