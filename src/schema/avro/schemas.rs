//! All records of all `.avsc` files.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use apache_avro::Schema;

use super::{
    definitions::{Definitions, ENDING, File},
    fingerprint::{canonical_form, fingerprint},
    record::AvroRecord,
    resolve,
};
use crate::schema::{Missing, Problem, Sources};

/// A record, or its errors.
type Compiled = Result<Arc<AvroRecord>, Vec<Problem>>;

/// All record types of the `.avsc` files.
#[derive(Debug)]
pub struct AvroSchemas {
    sources: Arc<Sources>,
    /// Read at the first request for a record.
    definitions: OnceLock<Definitions>,
    /// Requested records, by file and full name. A lock, because the registry is shared; only loads
    /// take it.
    compiled: Mutex<BTreeMap<(String, String), Compiled>>,
}

impl AvroSchemas {
    /// The files of the sources; none is read yet.
    pub(crate) fn new(sources: Arc<Sources>) -> Self {
        Self { sources, definitions: OnceLock::new(), compiled: Mutex::default() }
    }

    /// A record by the file that declares it and its full name.
    ///
    /// # Errors
    /// The errors of the file, of the types that the record reaches, or of a name.
    pub fn record(&self, file: &str, name: &str) -> Result<Arc<AvroRecord>, Missing> {
        let source = self.sources.find(file).filter(|source| source.path.ends_with(ENDING));
        let source = source.ok_or_else(|| Missing::file(&self.sources, file, ENDING))?;
        let definitions = self.definitions();
        if let Some(problem) = definitions.broken.get(&source.path) {
            return Err(Missing::Broken(vec![problem.clone()]));
        }
        let found = definitions.file(&source.path);
        if !found.is_some_and(|found| found.records.iter().any(|record| record == name)) {
            let known = found.map(|found| found.records.clone()).unwrap_or_default();
            return Err(Missing::message(file, "record", name, known));
        }
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let record = compiled
            .entry((source.path.clone(), name.to_owned()))
            .or_insert_with(|| self.compile(&source.path, name).map(Arc::new));
        record.clone().map_err(Missing::Broken)
    }

    /// The errors of files from which no record has been requested so far.
    pub(crate) fn problems_of_unreached(&self) -> Vec<Problem> {
        let definitions = self.definitions();
        let reached: Vec<String> = {
            let compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
            compiled.keys().map(|(file, _)| file.clone()).collect()
        };
        let mut problems: Vec<Problem> = definitions.broken.values().cloned().collect();
        for source in self.sources.with_ending(ENDING) {
            let Some(file) = definitions.file(&source.path) else { continue };
            if !reached.contains(&source.path) {
                problems.extend(self.problems_of(file));
            }
        }
        problems.sort();
        problems.dedup();
        problems
    }

    /// The definitions of all files.
    fn definitions(&self) -> &Definitions {
        self.definitions.get_or_init(|| Definitions::of(&self.sources))
    }

    /// The errors of a file. It may define only enums and fixeds that others share; those are
    /// checked with the records that use them.
    fn problems_of(&self, file: &File) -> Vec<Problem> {
        if file.records.is_empty() && file.others.is_empty() {
            let what = "it defines nothing; write a record, or an enum or fixed that others share";
            return vec![Problem::of_file(&file.path, what)];
        }
        let names = if file.records.is_empty() { &file.others } else { &file.records };
        names.iter().filter_map(|name| self.parse(&file.path, name).err()).flatten().collect()
    }

    /// Compiles one record.
    fn compile(&self, file: &str, name: &str) -> Result<AvroRecord, Vec<Problem>> {
        let (schema, parsed) = self.parse(file, name)?;
        let fingerprint = fingerprint(&canonical_form(&schema));
        AvroRecord::new(&parsed, &schema.to_string(), fingerprint)
            .map_err(|what| vec![Problem::of_file(file, format!("`{name}`: {what}"))])
    }

    /// A named type in its self-contained form, as JSON and as parsed by apache-avro.
    fn parse(&self, file: &str, name: &str) -> Result<(serde_json::Value, Schema), Vec<Problem>> {
        let schema = resolve::self_contained(self.definitions(), &self.sources, file, name)?;
        let parsed = Schema::parse(&schema)
            .map_err(|error| vec![Problem::of_file(file, format!("`{name}`: {error}"))])?;
        Ok((schema, parsed))
    }
}
