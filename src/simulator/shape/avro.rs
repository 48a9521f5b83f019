//! Avro through apache-avro: datums without framing, as a mapping by topic expects them.

use std::collections::HashMap;

use apache_avro::{Schema, schema::RecordSchema, types::Value as AvroValue};
use serde_json::value::RawValue;

use super::{
    Field, Files, Kind, ShapeError, TimeUnit, Value,
    load::{Layout, Wanted},
};

/// Records nested deeper than this are ignored.
const DEPTH_MAX: usize = 8;

pub(super) struct AvroEncoder {
    name: String,
    schema: Schema,
    /// The schema and those that it references, each after its own references, as the library
    /// resolves them.
    all: Vec<Schema>,
    root: Vec<(String, Node)>,
}

impl std::fmt::Debug for AvroEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AvroEncoder").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The schemas of a file: one, or a list of several.
fn schemas_of(text: &str) -> Vec<String> {
    match serde_json::from_str::<Vec<&RawValue>>(text) {
        Ok(several) => several.into_iter().map(|schema| schema.get().to_owned()).collect(),
        // Text that is no list is passed to the library, which reports the error.
        Err(_) => vec![text.to_owned()],
    }
}

/// Collects a schema of the set after those that it references; `begun` are those in progress, so
/// that a schema may reference itself.
fn gather<'a>(
    schema: &'a Schema,
    named: &HashMap<String, &'a Schema>,
    begun: &mut Vec<&'a Schema>,
    into: &mut Vec<Schema>,
) {
    if begun.iter().any(|known| std::ptr::eq(*known, schema)) {
        return;
    }
    begun.push(schema);
    let mut names = Vec::new();
    references(schema, &mut names);
    for name in names {
        if let Some(schema) = named.get(&name) {
            gather(schema, named, begun, into);
        }
    }
    into.push(schema.clone());
}

/// The full names that a schema references.
fn references(schema: &Schema, names: &mut Vec<String>) {
    match schema {
        Schema::Ref { name } => names.push(name.fullname(None)),
        Schema::Record(record) => {
            record.fields.iter().for_each(|field| references(&field.schema, names));
        }
        Schema::Union(union) => {
            union.variants().iter().for_each(|branch| references(branch, names));
        }
        Schema::Array(array) => references(&array.items, names),
        Schema::Map(map) => references(&map.types, names),
        _ => {}
    }
}

/// What to write at one position of the schema.
#[derive(Debug)]
enum Node {
    Time(Leaf),
    Value {
        field: usize,
        leaf: Leaf,
    },
    Record(Vec<(String, Node)>),
    /// The branch for a value of `inner`, and the null branch.
    Nullable {
        some: u32,
        null: u32,
        inner: Box<Node>,
    },
    /// Not used by the fleet: null, or an empty collection.
    Nothing(AvroValue),
}

#[derive(Debug)]
enum Leaf {
    Int,
    Long,
    TimestampMillis,
    TimestampMicros,
    TimestampNanos,
    Float,
    Double,
    Boolean,
    Text,
    Enum(Vec<String>),
}

impl AvroEncoder {
    pub(super) fn load(files: &Files, wanted: Wanted<'_>) -> Result<Layout<Self>, ShapeError> {
        let schema_name = wanted.schema;
        let failed =
            |source| ShapeError::Avro { name: schema_name.into(), source: Box::new(source) };
        let mut texts = Vec::new();
        for name in files.names(".avsc")? {
            texts.extend(schemas_of(&files.text(&name)?));
        }
        let all = Schema::parse_list(&texts).map_err(failed)?;
        let named: HashMap<String, &Schema> =
            all.iter().filter_map(|schema| Some((schema.name()?.fullname(None), schema))).collect();
        let missing = || ShapeError::Missing {
            name: schema_name.to_owned(),
            wanted: wanted.message.to_owned(),
        };
        let schema = *named.get(wanted.message).ok_or_else(missing)?;
        let Schema::Record(record) = schema else { return Err(missing()) };
        let mut walk = Walk { named: &named, time: wanted.time, fields: Vec::new(), unit: None };
        let root = walk.record(record, "", 1);
        if !root.iter().any(|(_, node)| matches!(node, Node::Time(_))) {
            return Err(ShapeError::Time { name: schema_name.to_owned() });
        }
        let (fields, unit) = (walk.fields, walk.unit);
        let mut all = Vec::new();
        gather(schema, &named, &mut Vec::new(), &mut all);
        let (name, schema) = (schema_name.to_owned(), schema.clone());
        Ok(Layout { encoder: Self { name, schema, all, root }, fields, unit })
    }

    pub(super) fn encode(&self, time: i64, values: &[Value]) -> Result<Vec<u8>, ShapeError> {
        let failed = |source| ShapeError::Encode { name: self.name.clone(), source };
        let schemata = self.all.iter().collect();
        let (_, datum) = record(&self.root, time, values);
        apache_avro::writer::datum::GenericDatumWriter::builder(&self.schema)
            .schemata(schemata)
            .and_then(|builder| builder.build())
            .and_then(|writer| writer.write_value_to_vec(datum))
            .map_err(|source| failed(Box::new(source)))
    }
}

struct Walk<'a> {
    named: &'a HashMap<String, &'a Schema>,
    time: &'a str,
    fields: Vec<Field>,
    unit: Option<TimeUnit>,
}

impl Walk<'_> {
    fn record(&mut self, record: &RecordSchema, way: &str, depth: usize) -> Vec<(String, Node)> {
        let nodes = record.fields.iter().map(|field| {
            let path =
                if way.is_empty() { field.name.clone() } else { format!("{way}.{}", field.name) };
            (field.name.clone(), self.node(&field.schema, &path, true, depth))
        });
        nodes.collect()
    }

    fn node(&mut self, schema: &Schema, path: &str, required: bool, depth: usize) -> Node {
        let (leaf, kind) = match schema {
            Schema::Ref { name } => {
                return match self.named.get(&name.fullname(None)).copied() {
                    Some(schema) if depth < DEPTH_MAX => self.node(schema, path, required, depth),
                    _ => Node::Nothing(AvroValue::Null),
                };
            }
            Schema::Record(inner) if depth < DEPTH_MAX => {
                return Node::Record(self.record(inner, path, depth + 1));
            }
            Schema::Union(union) => {
                let branches = union.variants();
                let null = branches.iter().position(|branch| *branch == Schema::Null);
                let some = branches.iter().position(|branch| *branch != Schema::Null);
                let (Some(null), Some(some)) = (null, some) else {
                    return Node::Nothing(AvroValue::Null);
                };
                let inner = Box::new(self.node(&branches[some], path, false, depth));
                let index = |idx| u32::try_from(idx).unwrap_or(0);
                return Node::Nullable { some: index(some), null: index(null), inner };
            }
            Schema::Array(_) => return Node::Nothing(AvroValue::Array(Vec::new())),
            Schema::Map(_) => return Node::Nothing(AvroValue::Map(HashMap::new())),
            Schema::Int => (Leaf::Int, Kind::Integer),
            Schema::Long => (Leaf::Long, Kind::Integer),
            Schema::TimestampMillis => (Leaf::TimestampMillis, Kind::Integer),
            Schema::TimestampMicros => (Leaf::TimestampMicros, Kind::Integer),
            Schema::TimestampNanos => (Leaf::TimestampNanos, Kind::Integer),
            Schema::Float => (Leaf::Float, Kind::Float),
            Schema::Double => (Leaf::Double, Kind::Float),
            Schema::Boolean => (Leaf::Boolean, Kind::Flag),
            Schema::String => (Leaf::Text, Kind::Text),
            Schema::Enum(names) => {
                (Leaf::Enum(names.symbols.clone()), Kind::Choice(names.symbols.clone()))
            }
            _ => return Node::Nothing(AvroValue::Null),
        };
        if path == self.time && required && kind == Kind::Integer {
            self.unit = match leaf {
                Leaf::TimestampMicros => Some(TimeUnit::Micros),
                Leaf::TimestampNanos => Some(TimeUnit::Nanos),
                Leaf::TimestampMillis => Some(TimeUnit::Millis),
                _ => None,
            };
            return Node::Time(leaf);
        }
        let field = self.fields.len();
        self.fields.push(Field { name: String::new(), path: path.to_owned(), kind, required });
        Node::Value { field, leaf }
    }
}

/// The datum of a record, and whether anything in it has a value.
fn record(nodes: &[(String, Node)], time: i64, values: &[Value]) -> (bool, AvroValue) {
    let mut is_some = false;
    let fields = nodes.iter().map(|(name, node)| {
        let (some, value) = datum(node, time, values);
        is_some |= some;
        (name.clone(), value)
    });
    let fields = fields.collect();
    (is_some, AvroValue::Record(fields))
}

fn datum(node: &Node, time: i64, values: &[Value]) -> (bool, AvroValue) {
    match node {
        Node::Time(leaf) => (true, scalar(leaf, &Value::Integer(time)).1),
        Node::Value { field, leaf } => scalar(leaf, &values[*field]),
        Node::Record(nodes) => record(nodes, time, values),
        Node::Nullable { some, null, inner } => match datum(inner, time, values) {
            (true, value) => (true, AvroValue::Union(*some, Box::new(value))),
            (false, _) => (false, AvroValue::Union(*null, Box::new(AvroValue::Null))),
        },
        Node::Nothing(value) => (false, value.clone()),
    }
}

/// The value in that type, or the type's zero or `false`.
fn scalar(leaf: &Leaf, value: &Value) -> (bool, AvroValue) {
    let integer = if let Value::Integer(value) = value { Some(*value) } else { None };
    let float = if let Value::Float(value) = value { Some(*value) } else { None };
    let text = if let Value::Text(value) = value { Some(value.as_str()) } else { None };
    let is_some = integer.is_some() || float.is_some() || text.is_some();
    match leaf {
        Leaf::Int => {
            let value = integer.and_then(|value| i32::try_from(value).ok());
            (value.is_some(), AvroValue::Int(value.unwrap_or(0)))
        }
        Leaf::Long => (integer.is_some(), AvroValue::Long(integer.unwrap_or(0))),
        Leaf::TimestampMillis => (is_some, AvroValue::TimestampMillis(integer.unwrap_or(0))),
        Leaf::TimestampMicros => (is_some, AvroValue::TimestampMicros(integer.unwrap_or(0))),
        Leaf::TimestampNanos => (is_some, AvroValue::TimestampNanos(integer.unwrap_or(0))),
        #[expect(clippy::cast_possible_truncation, reason = "a float field holds what it can")]
        Leaf::Float => (float.is_some(), AvroValue::Float(float.unwrap_or(0.0) as f32)),
        Leaf::Double => (float.is_some(), AvroValue::Double(float.unwrap_or(0.0))),
        Leaf::Boolean => match value {
            Value::Flag(value) => (true, AvroValue::Boolean(*value)),
            _ => (false, AvroValue::Boolean(false)),
        },
        Leaf::Text => (text.is_some(), AvroValue::String(text.unwrap_or_default().to_owned())),
        Leaf::Enum(names) => {
            let found = names.iter().position(|name| Some(name.as_str()) == text);
            let idx = found.unwrap_or(0);
            let name = names.get(idx).cloned().unwrap_or_default();
            (found.is_some(), AvroValue::Enum(u32::try_from(idx).unwrap_or(0), name))
        }
    }
}
