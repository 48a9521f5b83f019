//! Names: which definition each one means, and schemas that need no other file.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

/// One named definition.
#[derive(Clone, Debug)]
struct Definition {
    file: String,
    /// The object that defines it.
    schema: Value,
    /// The namespace around it.
    namespace: String,
}

/// Every named definition of every file, nested ones included, by full name.
#[derive(Clone, Debug, Default)]
pub(super) struct Definitions {
    by_name: BTreeMap<String, Vec<Definition>>,
}

/// The full names that one file defines.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) records: Vec<String>,
    /// Enums and fixeds.
    pub(super) others: Vec<String>,
}

/// Why a schema cannot be made self-contained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ResolveError {
    /// A name that no file defines. Define it, or mend the spelling.
    #[error("there is no type `{name}`")]
    Unknown {
        /// As it is written.
        name: String,
        /// A defined name that is near.
        near: Option<String>,
    },
    /// Several other files define the name, and differ. Keep one of them.
    #[error("type `{name}` is defined differently in {}; keep one", files.join(" and "))]
    Ambiguous {
        /// The full name.
        name: String,
        /// Where.
        files: Vec<String>,
    },
    /// One schema defines a name twice. Use the name the second time.
    #[error("type `{name}` is defined twice; write only its name the second time")]
    Twice {
        /// The full name.
        name: String,
    },
    /// A record, enum or fixed without a name.
    #[error("a {kind} has no `name`; give it one")]
    Nameless {
        /// `record`, `enum` or `fixed`.
        kind: String,
    },
}

impl ResolveError {
    /// The word of the file that it is about, for finding the line.
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Self::Unknown { name, .. } => Some(name),
            Self::Ambiguous { name, .. } | Self::Twice { name } => name.rsplit('.').next(),
            Self::Nameless { .. } => None,
        }
    }
}

/// The names of the types that need no definition.
const PRIMITIVES: [&str; 8] =
    ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// The types that a definition may have.
fn defines(kind: &str) -> bool {
    matches!(kind, "record" | "error" | "enum" | "fixed")
}

/// The full name of a definition.
fn full_name_of(object: &Map<String, Value>, around: &str) -> Option<String> {
    let name = object.get("name")?.as_str()?;
    let namespace = object.get("namespace").and_then(Value::as_str).unwrap_or(around);
    Some(full_name(name, namespace))
}

/// A name in a namespace; one with a dot is full already.
fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() {
        return name.to_owned();
    }
    format!("{namespace}.{name}")
}

/// The namespace of a full name.
fn namespace_of(full: &str) -> &str {
    full.rsplit_once('.').map_or("", |(namespace, _)| namespace)
}

impl Definitions {
    /// Adds what a file's schema defines.
    pub(super) fn add(&mut self, file: &str, schema: &Value) -> Names {
        let mut names = Names::default();
        self.collect(file, schema, "", &mut names);
        names
    }

    /// Walks one schema.
    fn collect(&mut self, file: &str, schema: &Value, around: &str, names: &mut Names) {
        match schema {
            Value::Array(branches) => {
                for branch in branches {
                    self.collect(file, branch, around, names);
                }
            }
            Value::Object(object) => {
                let kind = object.get("type").and_then(Value::as_str).unwrap_or_default();
                let mut inside = around.to_owned();
                if let Some(name) = full_name_of(object, around).filter(|_| defines(kind)) {
                    namespace_of(&name).clone_into(&mut inside);
                    match kind {
                        "record" | "error" => names.records.push(name.clone()),
                        _ => names.others.push(name.clone()),
                    }
                    self.by_name.entry(name).or_default().push(Definition {
                        file: file.to_owned(),
                        schema: schema.clone(),
                        namespace: around.to_owned(),
                    });
                }
                for inner in inner_schemas(object) {
                    self.collect(file, inner, &inside, names);
                }
            }
            _ => {}
        }
    }

    /// The self-contained form of a named type, as a file sees it.
    pub(super) fn self_contained(&self, file: &str, name: &str) -> Result<Value, ResolveError> {
        let mut resolver = Resolver { definitions: self, file, seen: HashSet::new() };
        resolver.named(name, name)
    }

    /// The definition that a name means in a file.
    fn find(&self, file: &str, name: &str) -> Result<Option<&Definition>, ResolveError> {
        let Some(all) = self.by_name.get(name) else { return Ok(None) };
        if let Some(own) = all.iter().find(|definition| definition.file == file) {
            return Ok(Some(own));
        }
        let first = &all[0];
        if all.iter().all(|other| other.schema == first.schema) {
            return Ok(Some(first));
        }
        let files = all.iter().map(|definition| definition.file.clone()).collect();
        Err(ResolveError::Ambiguous { name: name.to_owned(), files })
    }
}

/// The schemas directly inside an object.
fn inner_schemas(object: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let fields = object.get("fields").and_then(Value::as_array).into_iter().flatten();
    let of_fields = fields.filter_map(|field| field.get("type"));
    ["type", "items", "values"].into_iter().filter_map(|key| object.get(key)).chain(of_fields)
}

/// One schema on its way to its self-contained form.
struct Resolver<'a> {
    definitions: &'a Definitions,
    file: &'a str,
    seen: HashSet<String>,
}

impl Resolver<'_> {
    /// A type by its full name: its definition the first time, then the name.
    fn named(&mut self, full: &str, written: &str) -> Result<Value, ResolveError> {
        if self.seen.contains(full) {
            return Ok(Value::from(full));
        }
        match self.definitions.find(self.file, full)? {
            Some(definition) => self.schema(&definition.schema, &definition.namespace),
            None => Err(self.unknown(written)),
        }
    }

    /// Any schema.
    fn schema(&mut self, schema: &Value, around: &str) -> Result<Value, ResolveError> {
        match schema {
            Value::String(name) if PRIMITIVES.contains(&name.as_str()) => Ok(schema.clone()),
            Value::String(name) => self.named(&full_name(name, around), name),
            Value::Array(branches) => {
                let branches = branches.iter().map(|branch| self.schema(branch, around));
                Ok(Value::Array(branches.collect::<Result<_, _>>()?))
            }
            Value::Object(object) => self.object(object, around),
            _ => Ok(schema.clone()),
        }
    }

    /// A schema with attributes.
    fn object(&mut self, object: &Map<String, Value>, around: &str) -> Result<Value, ResolveError> {
        let mut made = object.clone();
        let kind = object.get("type").and_then(Value::as_str).unwrap_or_default();
        let mut inside = around.to_owned();
        if defines(kind) {
            let name = full_name_of(object, around)
                .ok_or_else(|| ResolveError::Nameless { kind: kind.to_owned() })?;
            namespace_of(&name).clone_into(&mut inside);
            made.insert("namespace".to_owned(), Value::from(inside.as_str()));
            made.insert("name".to_owned(), Value::from(name.as_str()));
            if !self.seen.insert(name.clone()) {
                return Err(ResolveError::Twice { name });
            }
        } else if !matches!(kind, "array" | "map") {
            let inner = object.get("type").unwrap_or(&Value::Null);
            made.insert("type".to_owned(), self.schema(inner, around)?);
        }
        for key in ["items", "values"] {
            if let Some(inner) = object.get(key) {
                made.insert(key.to_owned(), self.schema(inner, &inside)?);
            }
        }
        if let Some(Value::Array(fields)) = made.get_mut("fields") {
            for field in fields {
                if let Some(inner) = field.get_mut("type") {
                    *inner = self.schema(&inner.clone(), &inside)?;
                }
            }
        }
        Ok(Value::Object(made))
    }

    /// A name that nothing defines.
    fn unknown(&self, written: &str) -> ResolveError {
        let known = self.definitions.by_name.keys().map(String::as_str);
        let near = crate::schema::nearest(written, known.chain(PRIMITIVES));
        ResolveError::Unknown { name: written.to_owned(), near: near.map(str::to_owned) }
    }
}
