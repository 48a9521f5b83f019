//! A named type and everything that it reaches → one checked schema that needs no other file.
//!
//! Only attributes that decide how bytes are read are kept, and defaults, for encoders, under a
//! name that no parser checks ([`DEFAULT`]). Other attributes (aliases, docs) are dropped. All
//! errors are collected, each with its file and line.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value, json};

use super::definitions::{Definition, Definitions, defines, full_name, full_name_of, namespace_of};
use crate::schema::{Problem, Sources, nearest, tree};

/// How deep types may nest: the result is read by recursion.
const DEPTH_MAX: usize = 64;

/// Where a field's default is kept.
pub(crate) const DEFAULT: &str = "fleetline.default";

/// The names of the types that need no definition.
const PRIMITIVES: [&str; 8] =
    ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// The self-contained form of a named type, as a file sees it.
///
/// # Errors
/// All errors in the types that it reaches.
pub(super) fn self_contained(
    definitions: &Definitions,
    sources: &Sources,
    file: &str,
    name: &str,
) -> Result<Value, Vec<Problem>> {
    let mut resolver = Resolver {
        definitions,
        sources,
        file,
        here: file,
        seen: HashSet::new(),
        depth: 0,
        problems: BTreeSet::new(),
    };
    let found = definitions.find(file, name).ok().flatten();
    let schema = match found {
        Some(definition) => resolver.definition(definition),
        None => Value::Null,
    };
    if resolver.problems.is_empty() {
        return Ok(schema);
    }
    Err(resolver.problems.into_iter().collect())
}

/// The state of making one schema self-contained.
struct Resolver<'a> {
    definitions: &'a Definitions,
    sources: &'a Sources,
    /// The file whose own definitions take precedence.
    file: &'a str,
    /// The file of the current definition.
    here: &'a str,
    seen: HashSet<String>,
    depth: usize,
    problems: BTreeSet<Problem>,
}

impl<'a> Resolver<'a> {
    /// Notes a problem at the line of a value.
    fn tell(&mut self, node: &tree::Node, what: impl Into<String>) {
        let source = self.sources.find(self.here);
        self.problems.extend(source.map(|source| source.problem(node.at, what)));
    }

    /// A definition, in the file that has it.
    fn definition(&mut self, definition: Definition<'a>) -> Value {
        let before = std::mem::replace(&mut self.here, definition.file);
        let schema = self.schema(definition.node, definition.namespace);
        self.here = before;
        schema
    }

    /// A type by its name: its definition the first time, then the name.
    fn named(&mut self, node: &'a tree::Node, written: &str, around: &str) -> Value {
        let full = full_name(written, around);
        if self.seen.contains(&full) {
            return Value::from(full);
        }
        match self.definitions.find(self.file, &full) {
            Ok(Some(definition)) => self.definition(definition),
            Ok(None) => {
                let what = self.unknown(written);
                self.tell(node, what);
                Value::Null
            }
            Err(files) => {
                let files = files.join(" and ");
                self.tell(
                    node,
                    format!("type `{full}` is defined differently in {files}; keep one"),
                );
                Value::Null
            }
        }
    }

    /// Any schema.
    fn schema(&mut self, node: &'a tree::Node, around: &str) -> Value {
        if self.depth == DEPTH_MAX {
            self.tell(node, format!("types hold each other deeper than {DEPTH_MAX}"));
            return Value::Null;
        }
        self.depth += 1;
        let schema = match &node.value {
            tree::Value::String(name) if PRIMITIVES.contains(&&**name) => Value::from(&**name),
            tree::Value::String(name) => self.named(node, name, around),
            tree::Value::Array(branches) => self.union(node, branches, around),
            tree::Value::Object(_) => self.object(node, around),
            _ => {
                self.tell(node, format!("{} is no type", node.is_a()));
                Value::Null
            }
        };
        self.depth -= 1;
        schema
    }

    /// A union.
    fn union(&mut self, node: &'a tree::Node, branches: &'a [tree::Node], around: &str) -> Value {
        let mut made = Vec::with_capacity(branches.len());
        let mut kinds = BTreeSet::new();
        if branches.is_empty() {
            self.tell(node, "a union has no branch; write at least one");
        }
        for branch in branches {
            let schema = self.schema(branch, around);
            if schema.is_array() {
                self.tell(branch, "a union is a branch of a union; write its branches instead");
            } else if !schema.is_null() && !kinds.insert(kind_of(&schema)) {
                let kind = kind_of(&schema);
                self.tell(branch, format!("`{kind}` is a branch of this union twice; keep one"));
            }
            made.push(schema);
        }
        Value::Array(made)
    }

    /// A schema with attributes.
    fn object(&mut self, node: &'a tree::Node, around: &str) -> Value {
        let kind = node.get("type").and_then(tree::Node::text).unwrap_or_default();
        let mut made = Map::new();
        if defines(kind) {
            let Some(name) = full_name_of(node, around) else {
                self.tell(node, format!("a {kind} has no `name`; give it one"));
                return Value::Null;
            };
            if let Some(wrong) = name.split('.').find(|part| !is_name(part)) {
                let what = format!("`{wrong}` is no name; letters, digits and `_` make one");
                self.tell(node.get("name").unwrap_or(node), what);
            }
            if !self.seen.insert(name.clone()) {
                let what = "is defined twice; write only its name the second time";
                self.tell(node.get("name").unwrap_or(node), format!("type `{name}` {what}"));
            }
            made.insert("type".to_owned(), Value::from(kind));
            made.insert("namespace".to_owned(), Value::from(namespace_of(&name)));
            made.insert("name".to_owned(), Value::from(name.as_str()));
            self.defined(node, kind, namespace_of(&name), &mut made);
        } else if let ("array", key) | ("map", key) =
            (kind, if kind == "array" { "items" } else { "values" })
        {
            made.insert("type".to_owned(), Value::from(kind));
            made.insert(key.to_owned(), self.inner(node, kind, key, around));
        } else {
            made.insert("type".to_owned(), self.inner(node, "a type", "type", around));
        }
        for key in ["logicalType", "precision", "scale"] {
            if let Some(value) = node.get(key).and_then(plain) {
                made.insert(key.to_owned(), value);
            }
        }
        Value::Object(made)
    }

    /// The schema under a required key.
    fn inner(&mut self, node: &'a tree::Node, what: &str, key: &str, around: &str) -> Value {
        if let Some(inner) = node.get(key) {
            return self.schema(inner, around);
        }
        let what = match what {
            "array" | "map" => format!("this {what} has no `{key}`; say its type"),
            _ => format!("{what} has no `{key}`"),
        };
        self.tell(node, what);
        Value::Null
    }

    /// The attributes of a record, an enum or a fixed.
    fn defined(
        &mut self,
        node: &'a tree::Node,
        kind: &str,
        namespace: &str,
        made: &mut Map<String, Value>,
    ) {
        let key = match kind {
            "enum" => "symbols",
            "fixed" => "size",
            _ => "fields",
        };
        let value = match (kind, node.get(key)) {
            ("enum", Some(symbols @ tree::Node { value: tree::Value::Array(_), .. })) => {
                self.symbols(symbols.items())
            }
            ("fixed", Some(size)) if plain(size).is_some_and(|size| size.is_u64()) => {
                plain(size).unwrap_or_default()
            }
            (
                "record" | "error",
                Some(fields @ tree::Node { value: tree::Value::Array(_), .. }),
            ) => self.fields(fields.items(), namespace),
            (_, found) => {
                let must = if key == "size" { "a number of bytes" } else { "a list" };
                let what = match found {
                    None => format!("this {kind} has no `{key}`; add it"),
                    Some(found) => format!("`{key}` is {}; it must be {must}", found.is_a()),
                };
                self.tell(found.unwrap_or(node), what);
                Value::Null
            }
        };
        made.insert(key.to_owned(), value);
    }

    /// The symbols of an enum.
    fn symbols(&mut self, symbols: &'a [tree::Node]) -> Value {
        let mut seen = HashSet::new();
        for symbol in symbols {
            match symbol.text() {
                Some(text) if !is_name(text) => {
                    let what = format!("`{text}` is no symbol; letters, digits and `_` make one");
                    self.tell(symbol, what);
                }
                Some(text) if !seen.insert(text) => {
                    self.tell(symbol, format!("the symbol `{text}` stands here twice"));
                }
                Some(_) => {}
                None => self.tell(symbol, format!("{} is no symbol", symbol.is_a())),
            }
        }
        Value::Array(symbols.iter().filter_map(plain).collect())
    }

    /// The fields of a record.
    fn fields(&mut self, fields: &'a [tree::Node], namespace: &str) -> Value {
        let mut seen = HashSet::new();
        let mut made = Vec::with_capacity(fields.len());
        for field in fields {
            let Some(name) = field.get("name").and_then(tree::Node::text) else {
                self.tell(field, "a field has no `name`; give it one");
                continue;
            };
            if !is_name(name) {
                let what = format!("`{name}` is no name; letters, digits and `_` make one");
                self.tell(field, what);
            }
            if !seen.insert(name) {
                self.tell(field, format!("the field `{name}` stands here twice"));
            }
            let inner = self.inner(field, &format!("the field `{name}`"), "type", namespace);
            let mut one = json!({ "name": name, "type": inner });
            if let Some(default) = field.get("default") {
                one[DEFAULT] = value_of(default);
            }
            made.push(one);
        }
        Value::Array(made)
    }

    /// The error for a name without a definition.
    fn unknown(&mut self, written: &str) -> String {
        if defines(written) || matches!(written, "array" | "map") {
            return format!(
                "`{written}` needs a schema of its own here: write `\"type\": {{\"type\": \
                 \"{written}\", …}}`"
            );
        }
        // It may be defined in a file that cannot be read; then that file's error is reported.
        self.problems.extend(self.definitions.broken.values().cloned());
        match nearest(written, self.definitions.names().chain(PRIMITIVES)) {
            Some(near) => format!("there is no type `{written}`; did you mean `{near}`?"),
            None => {
                format!("there is no type `{written}`; define it in this file or in another one")
            }
        }
    }
}

/// What identifies a branch of a union: its type, or its name.
fn kind_of(schema: &Value) -> String {
    let named = schema.get("name").or_else(|| schema.get("type")).unwrap_or(schema);
    match named {
        Value::Object(_) => kind_of(named),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

/// A tree as a value of JSON. Trees are bounded in depth.
fn value_of(node: &tree::Node) -> Value {
    match &node.value {
        tree::Value::Null => Value::Null,
        tree::Value::Boolean(value) => Value::Bool(*value),
        tree::Value::String(text) => Value::from(&**text),
        tree::Value::Number(number) => serde_json::from_str(number).unwrap_or_default(),
        tree::Value::Array(items) => items.iter().map(value_of).collect(),
        tree::Value::Object(_) => {
            let members = node.members().iter();
            let members = members.map(|one| (one.name.to_string(), value_of(&one.node)));
            members.collect::<Map<_, _>>().into()
        }
    }
}

/// A text or a number as a value of JSON.
fn plain(node: &tree::Node) -> Option<Value> {
    match &node.value {
        tree::Value::String(text) => Some(Value::from(&**text)),
        tree::Value::Number(number) => serde_json::from_str(number).ok(),
        _ => None,
    }
}

/// Whether a text is a name as Avro has them.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
