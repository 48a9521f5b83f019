//! All records of all `.avsc` files.

use std::collections::{BTreeMap, BTreeSet};

use apache_avro::Schema;
use serde_json::Value;

use super::{
    fingerprint::{canonical_form, fingerprint},
    record::AvroRecord,
    resolve::{Definitions, Names, ResolveError},
};
use crate::schema::{Problem, Sources, nearest};

/// All record types of the loaded `.avsc` files.
#[derive(Clone, Debug, Default)]
pub struct AvroSchemas {
    /// Records by file and full name.
    files: BTreeMap<String, BTreeMap<String, AvroRecord>>,
    /// Files, or single records, that did not compile: their problem has been told already.
    broken: BTreeSet<String>,
}

impl AvroSchemas {
    /// Compiles every `.avsc` file of the sources.
    pub(crate) fn compile(sources: &Sources, problems: &mut Vec<Problem>) -> Self {
        let mut all = Self::default();
        let mut definitions = Definitions::default();
        let mut parsed: Vec<(&str, &str, Names)> = Vec::new();
        for source in sources.with_ending(".avsc") {
            match serde_json::from_str::<Value>(&source.text) {
                Ok(schema) => {
                    let names = definitions.add(&source.path, &schema);
                    parsed.push((&source.path, &source.text, names));
                }
                Err(error) => {
                    problems.push(Problem::of_json(&source.path, &error));
                    all.broken.insert(source.path.clone());
                }
            }
        }
        for (file, text, Names { records, others }) in parsed {
            let mut found = BTreeMap::new();
            let mut told = BTreeSet::new();
            if records.is_empty() {
                told.extend(problems_without_records(&definitions, file, text, &others));
            }
            if !told.is_empty() {
                all.broken.insert(file.to_owned());
            }
            for name in records {
                match compile(&definitions, file, text, &name) {
                    Ok(record) => {
                        found.insert(name, record);
                    }
                    // A record inside another one has that one's problems.
                    Err(problem) => {
                        all.broken.insert(broken_key(file, &name));
                        told.insert(problem);
                    }
                }
            }
            problems.extend(told);
            all.files.insert(file.to_owned(), found);
        }
        all
    }

    /// A record by the file that declares it and its full name.
    ///
    /// # Errors
    /// What to tell the operator; `None` if the file's own problem says it already.
    pub fn record(&self, file: &str, name: &str) -> Result<&AvroRecord, Option<String>> {
        if self.broken.contains(file) || self.broken.contains(&broken_key(file, name)) {
            return Err(None);
        }
        let Some(records) = self.files.get(file) else {
            let known = self.files.keys().map(String::as_str);
            return Err(Some(match nearest(file, known) {
                Some(near) => format!("there is no schema `{file}`; did you mean `{near}`?"),
                None => format!("there is no schema `{file}` below the schemas directory"),
            }));
        };
        records.get(name).ok_or_else(|| {
            let known: Vec<&str> = records.keys().map(String::as_str).collect();
            Some(match nearest(name, known.iter().copied()) {
                Some(near) => {
                    format!("`{file}` has no record `{name}`; did you mean `{near}`?")
                }
                None if known.is_empty() => format!("`{file}` has no record; a payload is one"),
                None => format!("`{file}` has no record `{name}`; it has {}", known.join(", ")),
            })
        })
    }
}

/// How a record that did not compile is remembered.
fn broken_key(file: &str, name: &str) -> String {
    format!("{file}\n{name}")
}

/// What is wrong with a file of which no payload can be: it may define enums and fixeds that others
/// share, and nothing looks at those but the records that use them.
fn problems_without_records(
    definitions: &Definitions,
    file: &str,
    text: &str,
    others: &[String],
) -> Vec<Problem> {
    if others.is_empty() {
        let what = "it defines nothing; write a record, or an enum or fixed that others share";
        return vec![Problem::of_file(file, what)];
    }
    others.iter().filter_map(|name| parse(definitions, file, text, name).err()).collect()
}

/// Compiles one record.
fn compile(
    definitions: &Definitions,
    file: &str,
    text: &str,
    name: &str,
) -> Result<AvroRecord, Problem> {
    let (schema, parsed) = parse(definitions, file, text, name)?;
    let fingerprint = fingerprint(&canonical_form(&schema));
    AvroRecord::new(&parsed, &schema.to_string(), fingerprint)
        .map_err(|what| of_name(file, text, name, &what))
}

/// A named type in its self-contained form, as it is and as apache-avro reads it.
fn parse(
    definitions: &Definitions,
    file: &str,
    text: &str,
    name: &str,
) -> Result<(Value, Schema), Problem> {
    let schema =
        definitions.self_contained(file, name).map_err(|error| told(file, text, &error))?;
    let parsed =
        Schema::parse(&schema).map_err(|error| of_name(file, text, name, &error.to_string()))?;
    Ok((schema, parsed))
}

/// A problem of a named type, at its name.
fn of_name(file: &str, text: &str, name: &str, what: &str) -> Problem {
    let what = format!("`{name}`: {what}");
    match find_word(text, name.rsplit('.').next().unwrap_or(name)) {
        Some(offset) => Problem::at(file, text, offset, what),
        None => Problem::of_file(file, what),
    }
}

/// What the operator reads of a name that does not resolve.
fn told(file: &str, text: &str, error: &ResolveError) -> Problem {
    let what = match error {
        ResolveError::Unknown { near: Some(near), .. } => {
            format!("{error}; did you mean `{near}`?")
        }
        ResolveError::Unknown { near: None, .. } => {
            format!("{error}; define it in this file or in another one")
        }
        _ => error.to_string(),
    };
    match error.word().and_then(|word| find_word(text, word)) {
        Some(offset) => Problem::at(file, text, offset, what),
        None => Problem::of_file(file, what),
    }
}

/// Where a JSON string stands in a file for the first time.
fn find_word(text: &str, word: &str) -> Option<usize> {
    text.find(&format!("\"{word}\"")).or_else(|| text.find(word))
}
