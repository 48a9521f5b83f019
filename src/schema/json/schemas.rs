//! All `.schema.json` files.

use std::collections::{BTreeMap, BTreeSet};

use super::{shaper, text::Text};
use crate::schema::{Problem, RecordIdx, Shape, Sources, nearest};

/// One JSON Schema.
#[derive(Clone, Debug)]
pub struct JsonSchema {
    /// Its objects, properties in their order.
    pub shape: Shape,
    /// What else is checked, an object of the shape each.
    pub(super) rules: Vec<Rules>,
}

/// What is checked of an object beside the types.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Names that must be there, declared or not; at most 128.
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

/// All loaded `.schema.json` files.
#[derive(Clone, Debug, Default)]
pub struct JsonSchemas {
    files: BTreeMap<String, JsonSchema>,
    /// Files that did not compile: their problem has been told already.
    broken: BTreeSet<String>,
}

impl JsonSchemas {
    /// Compiles every `.schema.json` file of the sources.
    pub(crate) fn compile(sources: &Sources, problems: &mut Vec<Problem>) -> Self {
        let mut all = Self::default();
        for source in sources.with_ending(".schema.json") {
            let compiled = match serde_json::from_str::<Text>(&source.text) {
                Ok(text) => shaper::compile(source, &text),
                Err(error) => Err(vec![Problem::of_json(&source.path, &error)]),
            };
            match compiled {
                Ok(schema) => {
                    all.files.insert(source.path.clone(), schema);
                }
                Err(told) => {
                    all.broken.insert(source.path.clone());
                    problems.extend(told);
                }
            }
        }
        all
    }

    /// The schema of a file.
    ///
    /// # Errors
    /// What to tell the operator; `None` if the file's own problem says it already.
    pub fn schema(&self, file: &str) -> Result<&JsonSchema, Option<String>> {
        if self.broken.contains(file) {
            return Err(None);
        }
        self.files.get(file).ok_or_else(|| {
            let known = self.files.keys().map(String::as_str);
            Some(match nearest(file, known) {
                Some(near) => format!("there is no schema `{file}`; did you mean `{near}`?"),
                None => format!("there is no schema `{file}` below the schemas directory"),
            })
        })
    }
}
