//! A JSON Schema → its shape.

use std::collections::HashMap;

use super::{
    schemas::{JsonSchema, Rules},
    text::{Node, Text},
};
use crate::schema::{
    Kind, Member, Presence, Problem, Record, RecordIdx, Scalar, Shape, Source, nearest,
};

/// How many `$ref` may follow each other.
const REFERENCES_MAX: usize = 16;

/// How many names one object may require: they are marked in the bits of a u128.
const REQUIRED_MAX: usize = 128;

/// The types that a value may have.
const TYPES: [&str; 7] = ["integer", "number", "string", "boolean", "object", "array", "null"];

/// Compiles one file.
pub(super) fn compile(source: &Source, text: &Text) -> Result<JsonSchema, Vec<Problem>> {
    let mut shaper = Shaper {
        source,
        root: text,
        records: Vec::new(),
        rules: Vec::new(),
        made: HashMap::new(),
        problems: Vec::new(),
        path: Vec::new(),
    };
    let root = match shaper.value(text).map(|value| value.kind) {
        Some(Kind::Record(root)) => root,
        Some(_) => {
            shaper.tell("it must be an object with `properties`: a payload is one".to_owned());
            RecordIdx(0)
        }
        None => RecordIdx(0),
    };
    if shaper.problems.is_empty() {
        let shape = Shape { records: shaper.records, root };
        return Ok(JsonSchema { shape, rules: shaper.rules });
    }
    Err(shaper.problems)
}

/// The shape under construction.
struct Shaper<'a> {
    source: &'a Source,
    root: &'a Text,
    records: Vec<Record>,
    rules: Vec<Rules>,
    /// Objects that have their record already, because they are referred to.
    made: HashMap<*const Node, RecordIdx>,
    problems: Vec<Problem>,
    /// The properties on the way to where we are.
    path: Vec<String>,
}

/// What a schema says about a value.
struct Value {
    kind: Kind,
    nullable: bool,
}

impl<'a> Shaper<'a> {
    /// Notes a problem of the property where we are.
    fn tell(&mut self, what: String) {
        let mut offset = 0;
        for name in &self.path {
            let text = self.source.text.get(offset..).unwrap_or_default();
            offset += text.find(&format!("\"{name}\"")).unwrap_or_default();
        }
        let what = match self.path.is_empty() {
            true => what,
            false => format!("`{}` {what}", self.path.join(".")),
        };
        let problem = Problem::at(&self.source.path, &self.source.text, offset, what);
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// What a schema says; `None` if a problem was told.
    fn value(&mut self, text: &'a Text) -> Option<Value> {
        let (node, mut nullable) = self.node(text)?;
        if node.all_of.is_some() {
            self.tell("uses `allOf`; write all its properties in one place".to_owned());
            return None;
        }
        let mut types: Vec<&str> = node.types.0.iter().map(String::as_str).collect();
        if let Some(word) = types.iter().find(|word| !TYPES.contains(word)) {
            let hint = nearest(word, TYPES).unwrap_or("integer, number, string or boolean");
            self.tell(format!("has the type `{word}`, which there is not; did you mean {hint}?"));
            return None;
        }
        if types.is_empty() && node.properties.is_some() {
            types.push("object");
        }
        nullable |= types.contains(&"null");
        types.retain(|word| *word != "null");
        if types.contains(&"number") {
            types.retain(|word| *word != "integer");
        }
        let kind = match types.as_slice() {
            [] if nullable => Kind::Unsupported("is always null".to_owned()),
            [] => {
                self.tell("has no `type`; say which".to_owned());
                return None;
            }
            ["integer"] if node.is_unsigned() => Kind::Scalar(Scalar::Unsigned),
            ["integer"] => Kind::Scalar(Scalar::Integer),
            ["number"] => Kind::Scalar(Scalar::Float64),
            ["string"] => Kind::Scalar(Scalar::String),
            ["boolean"] => Kind::Scalar(Scalar::Boolean),
            ["array"] => self.array(node)?,
            ["object"] => self.object(node)?,
            many => {
                let told = format!(
                    "is a union of {}; a field has one type, so say one (`null` may stand \
                     beside it)",
                    many.join(" and ")
                );
                self.tell(told);
                return None;
            }
        };
        Some(Value { kind, nullable })
    }

    /// Follows references, and unions with null, to the schema that says something.
    fn node(&mut self, text: &'a Text) -> Option<(&'a Node, bool)> {
        let mut text = text;
        let mut nullable = false;
        for _ in 0..REFERENCES_MAX {
            let Text::Node(node) = text else {
                self.tell("has no `type`; say which".to_owned());
                return None;
            };
            if let Some(reference) = &node.reference {
                let Some(found) = self.find(reference) else {
                    self.tell(format!(
                        "refers to `{reference}`, which is not in this file; use `#/$defs/…`"
                    ));
                    return None;
                };
                text = found;
            } else if let Some(branches) = node.any_of.as_ref().or(node.one_of.as_ref()) {
                let (nulls, others): (Vec<_>, Vec<_>) =
                    branches.iter().partition(|branch| is_null(branch));
                nullable |= !nulls.is_empty();
                let [only] = others.as_slice() else {
                    let what = "is a union; a field has one type, so say one (`null` may stand \
                                beside it)";
                    self.tell(what.to_owned());
                    return None;
                };
                text = only;
            } else {
                return Some((node, nullable));
            }
        }
        self.tell("refers to itself".to_owned());
        None
    }

    /// What a reference points at.
    fn find(&self, reference: &str) -> Option<&'a Text> {
        if reference == "#" {
            return Some(self.root);
        }
        let Text::Node(root) = self.root else { return None };
        let (defs, name) = match reference.strip_prefix("#/$defs/") {
            Some(name) => (&root.defs, name),
            None => (&root.definitions, reference.strip_prefix("#/definitions/")?),
        };
        defs.as_ref()?.find(name)
    }

    /// What an array holds.
    fn array(&mut self, node: &'a Node) -> Option<Kind> {
        if node.prefix_items.is_some() {
            return Some(Kind::Unsupported("is an array with `prefixItems`".to_owned()));
        }
        let Some(items) = &node.items else {
            return Some(Kind::Unsupported("is an array that does not say its `items`".to_owned()));
        };
        Some(match self.value(items)?.kind {
            Kind::Scalar(scalar) => Kind::List(scalar),
            Kind::Record(record) => Kind::Records(record),
            Kind::Unsupported(why) => Kind::Unsupported(format!("is an array whose item {why}")),
            Kind::List(_) | Kind::Records(_) => {
                Kind::Unsupported("is an array of arrays".to_owned())
            }
            Kind::Map { .. } => Kind::Unsupported("is an array of maps".to_owned()),
        })
    }

    /// An object: a record, or a map.
    fn object(&mut self, node: &'a Node) -> Option<Kind> {
        let Some(properties) = &node.properties else {
            return match &node.additional {
                Some(values @ Text::Node(_)) => Some(match self.value(values)?.kind {
                    Kind::Scalar(value) => Kind::Map { key: Scalar::String, value },
                    _ => Kind::Unsupported("is a map of objects or arrays".to_owned()),
                }),
                _ => Some(Kind::Unsupported(
                    "is an object that does not say its `properties`".to_owned(),
                )),
            };
        };
        if let Some(made) = self.made.get(&std::ptr::from_ref(node)) {
            return Some(Kind::Record(*made));
        }
        if node.required.len() > REQUIRED_MAX {
            self.tell(format!(
                "requires {} properties; at most {REQUIRED_MAX} of one object can be checked",
                node.required.len()
            ));
        }
        let at = RecordIdx(self.records.len());
        self.made.insert(std::ptr::from_ref(node), at);
        let name = self.path.last().cloned().unwrap_or_else(|| "the payload".to_owned());
        self.records.push(Record { name, members: Vec::new() });
        self.rules.push(Rules { required: node.required.clone(), nullable: Vec::new() });
        let mut members = Vec::with_capacity(properties.0.len());
        let mut nullable = Vec::with_capacity(properties.0.len());
        for (name, text) in &properties.0 {
            self.path.push(name.clone());
            if let Some(value) = self.value(text) {
                let presence = Presence::Explicit;
                members.push(Member { name: name.clone(), kind: value.kind, presence });
                nullable.push(value.nullable);
            }
            self.path.pop();
        }
        self.records[at.0].members = members;
        self.rules[at.0].nullable = nullable;
        Some(Kind::Record(at))
    }
}

/// Whether a schema says null and nothing else.
fn is_null(text: &Text) -> bool {
    let Text::Node(node) = text else { return false };
    matches!(node.types.0.as_slice(), [word] if word == "null")
}
