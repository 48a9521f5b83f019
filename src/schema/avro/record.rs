//! A parsed schema → the types for decoding and the shape for mapping.

use std::{collections::HashMap, sync::Arc};

use apache_avro::schema::{InnerDecimalSchema, RecordSchema, Schema, UuidSchema};

use super::types::{Leaf, Type, TypeIdx, Types};
use crate::schema::{
    Form, INNER_NAME, Kind, Member, Presence, Record, RecordIdx, Scalar, Shape, Symbols, Top, Unit,
};

/// One record that a payload may be.
#[derive(Clone, Debug)]
pub struct AvroRecord {
    /// All types it reaches.
    pub types: Arc<Types>,
    /// The record itself.
    pub root: TypeIdx,
    /// The same as a shape. The members of a record are its fields in order; those of a union with
    /// several branches other than null are these branches in order.
    pub shape: Shape,
    /// CRC-64-AVRO of the canonical form.
    pub fingerprint: u64,
    /// The self-contained schema, as JSON text.
    pub schema: Box<str>,
}

impl AvroRecord {
    /// Builds both from a self-contained schema.
    ///
    /// # Errors
    /// The error text for the operator: it is not a record.
    pub(super) fn new(parsed: &Schema, schema: &str, fingerprint: u64) -> Result<Self, String> {
        let mut builder = Builder::default();
        let root = builder.schema(parsed)?;
        let mut shaper = Shaper { builder: &builder, records: Vec::new(), made: HashMap::new() };
        let record = shaper.record(root);
        let shape = Shape { records: shaper.records, root: record, top: Top::Record };
        Ok(Self {
            types: Arc::new(Types::new(builder.types)),
            root,
            shape,
            fingerprint,
            schema: schema.into(),
        })
    }
}

/// What the shape needs to know of a type in addition to its encoding.
#[derive(Clone, Debug, Default)]
struct Names {
    /// The full name of a record, or the word for any other type.
    name: String,
    /// The names of a record's fields.
    fields: Vec<String>,
}

/// The arena under construction.
#[derive(Default)]
struct Builder {
    types: Vec<Type>,
    names: Vec<Names>,
    by_name: HashMap<String, TypeIdx>,
}

impl Builder {
    /// Adds one type.
    fn add(&mut self, one: Type, name: &str) -> TypeIdx {
        self.types.push(one);
        self.names.push(Names { name: name.to_owned(), fields: Vec::new() });
        TypeIdx(self.types.len() - 1)
    }

    /// Adds a schema and everything that it contains.
    fn schema(&mut self, schema: &Schema) -> Result<TypeIdx, String> {
        Ok(match schema {
            Schema::Null => self.add(Type::Null, "null"),
            Schema::Array(array) => {
                let items = self.schema(&array.items)?;
                self.add(Type::Array(items), "array")
            }
            Schema::Map(map) => {
                let values = self.schema(&map.types)?;
                self.add(Type::Map(values), "map")
            }
            Schema::Union(union) => {
                let branches = union.variants().iter().map(|branch| self.schema(branch));
                let branches = branches.collect::<Result<_, _>>()?;
                self.add(Type::Union(branches), "union")
            }
            Schema::Record(record) => self.record(record)?,
            Schema::Ref { name } => {
                let full = name.fullname(None);
                *self.by_name.get(&full).ok_or_else(|| format!("there is no type `{full}`"))?
            }
            _ => {
                let (leaf, word) = leaf_of(schema)?;
                let index = self.add(Type::Leaf(leaf), word);
                if let Some(name) = schema.name() {
                    let full = name.fullname(None);
                    self.names[index.0].name.clone_from(&full);
                    self.by_name.insert(full, index);
                }
                index
            }
        })
    }

    /// Adds a record: its index first, because it may contain itself.
    fn record(&mut self, record: &RecordSchema) -> Result<TypeIdx, String> {
        let full = record.name.fullname(None);
        let index = self.add(Type::Record(Box::default()), &full);
        self.by_name.insert(full, index);
        let mut fields = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            fields.push(self.schema(&field.schema)?);
            self.names[index.0].fields.push(field.name.clone());
        }
        self.types[index.0] = Type::Record(fields.into_boxed_slice());
        Ok(index)
    }
}

/// A scalar's type, and the word that names it as a branch of a union.
fn leaf_of(schema: &Schema) -> Result<(Leaf, &'static str), String> {
    Ok(match schema {
        Schema::Boolean => (Leaf::Boolean, "boolean"),
        Schema::Int => (Leaf::Int, "int"),
        Schema::Long => (Leaf::Long, "long"),
        Schema::Float => (Leaf::Float, "float"),
        Schema::Double => (Leaf::Double, "double"),
        Schema::Bytes => (Leaf::Bytes, "bytes"),
        Schema::String | Schema::Uuid(UuidSchema::String) => (Leaf::String, "string"),
        Schema::Fixed(fixed) => (Leaf::Fixed(fixed.size), "fixed"),
        Schema::Enum(symbols) => {
            let numbered = (0_i64..).zip(symbols.symbols.iter().map(String::as_str));
            (Leaf::Enum(Arc::new(Symbols::new(numbered)), symbols.symbols.len()), "enum")
        }
        Schema::Date => (Leaf::Date, "int"),
        Schema::TimeMillis => (Leaf::TimeMillis, "int"),
        Schema::TimeMicros => (Leaf::TimeMicros, "long"),
        Schema::TimestampMillis | Schema::LocalTimestampMillis => {
            (Leaf::Ticks(Unit::Millis), "long")
        }
        Schema::TimestampMicros | Schema::LocalTimestampMicros => {
            (Leaf::Ticks(Unit::Micros), "long")
        }
        Schema::TimestampNanos | Schema::LocalTimestampNanos => (Leaf::Ticks(Unit::Nanos), "long"),
        Schema::Duration(_) => (Leaf::Duration, "fixed"),
        Schema::Uuid(UuidSchema::Bytes) => (Leaf::UuidBytes, "bytes"),
        Schema::Uuid(UuidSchema::Fixed(_)) => (Leaf::UuidFixed, "fixed"),
        Schema::BigDecimal => (Leaf::BigDecimal, "bytes"),
        Schema::Decimal(decimal) => {
            let fixed = match &decimal.inner {
                InnerDecimalSchema::Bytes => None,
                InnerDecimalSchema::Fixed(fixed) => Some(fixed.size),
            };
            (Leaf::Decimal { fixed, scale: decimal.scale }, "bytes")
        }
        Schema::Null
        | Schema::Array(_)
        | Schema::Map(_)
        | Schema::Union(_)
        | Schema::Record(_)
        | Schema::Ref { .. } => return Err("a scalar was expected".to_owned()),
    })
}

/// What an array or a map holds.
enum Held {
    Scalar(Scalar),
    Record(RecordIdx),
    /// A word for it.
    Unsupported(&'static str),
}

/// The shape under construction.
struct Shaper<'a> {
    builder: &'a Builder,
    records: Vec<Record>,
    made: HashMap<TypeIdx, RecordIdx>,
}

impl Shaper<'_> {
    /// The shape of a record, or of a union that appears as one.
    fn record(&mut self, index: TypeIdx) -> RecordIdx {
        if let Some(made) = self.made.get(&index) {
            return *made;
        }
        let names = &self.builder.names[index.0];
        let at = RecordIdx(self.records.len());
        let form = match self.builder.types[index.0] {
            Type::Union(_) => Form::Branches,
            _ => Form::Members,
        };
        self.records.push(Record { name: names.name.clone(), members: Vec::new(), form });
        self.made.insert(index, at);
        let named: Vec<(String, TypeIdx)> = match &self.builder.types[index.0] {
            Type::Record(fields) => {
                names.fields.iter().cloned().zip(fields.iter().copied()).collect()
            }
            Type::Union(branches) => {
                let branches = branches.iter().filter(|branch| !self.is_null(**branch));
                branches.map(|branch| (self.branch_name(*branch), *branch)).collect()
            }
            _ => Vec::new(),
        };
        let members = named
            .into_iter()
            .map(|(name, one)| Member { name, kind: self.kind(one), presence: Presence::Explicit })
            .collect();
        self.records[at.0].members = members;
        at
    }

    /// The name of a union's branch: the name of its type, without the namespace.
    fn branch_name(&self, index: TypeIdx) -> String {
        let name = &self.builder.names[index.0].name;
        name.rsplit('.').next().unwrap_or(name).to_owned()
    }

    /// Whether a type is null.
    fn is_null(&self, index: TypeIdx) -> bool {
        matches!(self.builder.types[index.0], Type::Null)
    }

    /// What a member holds.
    fn kind(&mut self, index: TypeIdx) -> Kind {
        match &self.builder.types[index.0] {
            Type::Null => Kind::always_null(),
            Type::Leaf(leaf) => match leaf.scalar() {
                Some(scalar) => Kind::Scalar(scalar),
                None => Kind::unsupported("is a big-decimal"),
            },
            Type::Record(_) => Kind::Record(self.record(index)),
            Type::Array(items) => match self.held(*items) {
                Held::Scalar(scalar) => Kind::List(scalar),
                Held::Record(record) => Kind::Records(record),
                Held::Unsupported(word) => Kind::unsupported(format!("is an array of {word}s")),
            },
            Type::Map(values) => match self.held(*values) {
                Held::Scalar(value) => Kind::Map { key: Scalar::String, value },
                Held::Record(record) => Kind::RecordMap { key: Scalar::String, record },
                Held::Unsupported(word) => Kind::unsupported(format!("is a map of {word}s")),
            },
            Type::Union(branches) => self.union(index, branches),
        }
    }

    /// What an array or a map holds, other than null.
    fn held(&mut self, index: TypeIdx) -> Held {
        let word = self.word(index);
        match self.kind(index) {
            Kind::Scalar(scalar) => Held::Scalar(scalar),
            Kind::Record(record) => Held::Record(record),
            kind @ (Kind::Records(_) | Kind::RecordMap { .. }) => {
                let at = RecordIdx(self.records.len());
                let (name, presence) = (INNER_NAME.to_owned(), Presence::Explicit);
                let members = vec![Member { name, kind, presence }];
                self.records.push(Record { name: word.to_owned(), members, form: Form::Inner });
                Held::Record(at)
            }
            _ => Held::Unsupported(word),
        }
    }

    /// A union: if it has one branch other than null, it is that branch, otherwise a record of its
    /// branches.
    fn union(&mut self, index: TypeIdx, branches: &[TypeIdx]) -> Kind {
        let others: Vec<TypeIdx> =
            branches.iter().copied().filter(|branch| !self.is_null(*branch)).collect();
        match others.as_slice() {
            [] => Kind::always_null(),
            [only] => self.kind(*only),
            many => {
                let mut names: Vec<String> =
                    many.iter().map(|branch| self.branch_name(*branch)).collect();
                names.sort();
                names.dedup();
                if names.len() < many.len() {
                    return Kind::unsupported("is a union of types that are called alike");
                }
                Kind::Record(self.record(index))
            }
        }
    }

    /// A word for the operator.
    fn word(&self, index: TypeIdx) -> &'static str {
        match self.builder.types[index.0] {
            Type::Null => "null",
            Type::Leaf(_) => "big-decimal",
            Type::Array(_) => "array",
            Type::Map(_) => "map",
            Type::Union(_) => "union",
            Type::Record(_) => "record",
        }
    }
}
