//! Avro: bare datums, written along the schema.

use std::collections::HashMap;

use apache_avro::schema::{RecordSchema, Schema, UuidSchema};
use serde_json::{Map, Value};

use super::form::{self, DEPTH_MAX, FieldError, Leaf, Strictness, below};
use crate::schema::avro::DEFAULT;

/// A record and the types that it names.
pub(in crate::mapping::command) struct AvroForm {
    pub(super) schema: Schema,
    named: HashMap<String, Schema>,
}

impl std::fmt::Debug for AvroForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AvroForm").field("types", &self.named.len()).finish_non_exhaustive()
    }
}

impl AvroForm {
    /// Parses a self-contained schema.
    pub(super) fn parse(schema: &str) -> Result<Self, String> {
        let schema = Schema::parse_str(schema).map_err(|error| error.to_string())?;
        let mut named = HashMap::new();
        gather(&schema, &mut named);
        Ok(Self { schema, named })
    }

    /// Resolves a schema that is a name.
    pub(super) fn resolved<'s>(&'s self, schema: &'s Schema) -> &'s Schema {
        match schema {
            Schema::Ref { name } => self.named.get(&name.fullname(None)).unwrap_or(schema),
            other => other,
        }
    }

    /// The record of a schema that is a record, or a union of a record and null.
    fn record<'s>(&'s self, schema: &'s Schema) -> Option<&'s RecordSchema> {
        match self.resolved(schema) {
            Schema::Record(record) => Some(record),
            Schema::Union(_) => match self.resolved(self.some(schema)) {
                Schema::Record(record) => Some(record),
                _ => None,
            },
            _ => None,
        }
    }

    /// The branch other than null, if there is exactly one.
    fn some<'s>(&'s self, schema: &'s Schema) -> &'s Schema {
        let resolved = self.resolved(schema);
        let Schema::Union(union) = resolved else { return resolved };
        let mut branches = union.variants().iter().filter(|branch| **branch != Schema::Null);
        match (branches.next(), branches.next()) {
            (Some(only), None) => self.resolved(only),
            _ => resolved,
        }
    }

    pub(super) fn leaf(&self, path: &str) -> Result<Leaf, FieldError> {
        let mut at = &self.schema;
        let mut walked = String::new();
        for name in path.split('.') {
            walked = below(&walked, name);
            let Some(record) = self.record(at) else {
                let what = "is unknown: what stands before it is no record";
                return Err(FieldError::new(walked, what));
            };
            let found = record.fields.iter().find(|field| field.name == name);
            let known = || record.fields.iter().map(|field| field.name.as_str());
            at = &found.ok_or_else(|| FieldError::unknown(&walked, known()))?.schema;
        }
        Ok(match self.some(at) {
            Schema::String | Schema::Uuid(UuidSchema::String) => Leaf::Text,
            Schema::Bytes | Schema::Fixed(_) | Schema::Uuid(_) => Leaf::Bytes,
            Schema::Enum(names) => Leaf::Enum(names.symbols.clone()),
            _ => Leaf::Other,
        })
    }
}

/// Notes every definition.
fn gather(schema: &Schema, named: &mut HashMap<String, Schema>) {
    if let Some(name) = schema.name()
        && !matches!(schema, Schema::Ref { .. })
    {
        named.insert(name.fullname(None), schema.clone());
    }
    match schema {
        Schema::Record(record) => {
            record.fields.iter().for_each(|field| gather(&field.schema, named));
        }
        Schema::Union(union) => union.variants().iter().for_each(|branch| gather(branch, named)),
        Schema::Array(array) => gather(&array.items, named),
        Schema::Map(map) => gather(&map.types, named),
        _ => {}
    }
}

pub(super) fn encode(
    form: &AvroForm,
    fields: &Map<String, Value>,
    strictness: Strictness,
) -> Result<Vec<u8>, FieldError> {
    let mut writer = Writer { form, out: Vec::new(), strictness };
    match form.resolved(&form.schema) {
        Schema::Record(record) => writer.record(record, fields, "", 0)?,
        _ => return Err(FieldError::new("", "the schema is no record")),
    }
    Ok(writer.out)
}

struct Writer<'f> {
    form: &'f AvroForm,
    out: Vec<u8>,
    strictness: Strictness,
}

impl Writer<'_> {
    fn record(
        &mut self,
        record: &RecordSchema,
        fields: &Map<String, Value>,
        path: &str,
        depth: usize,
    ) -> Result<(), FieldError> {
        let known = || record.fields.iter().map(|field| field.name.as_str());
        if let Some(name) = fields.keys().find(|name| !known().any(|known| known == name.as_str()))
        {
            return Err(FieldError::unknown(&below(path, name), known()));
        }
        for field in &record.fields {
            let path = below(path, &field.name);
            let default = field.custom_attributes.get(DEFAULT);
            match fields.get(&field.name).or(default) {
                Some(value) => self.value(&field.schema, value, &path, depth + 1)?,
                None if self.is_nullable(&field.schema) => {
                    self.value(&field.schema, &Value::Null, &path, depth + 1)?;
                }
                None if !self.strictness.asks_for_all() => {}
                None => return Err(FieldError::new(path, "is missing")),
            }
        }
        Ok(())
    }

    fn is_nullable(&self, schema: &Schema) -> bool {
        match self.form.resolved(schema) {
            Schema::Null => true,
            Schema::Union(union) => union.variants().contains(&Schema::Null),
            _ => false,
        }
    }

    fn value(
        &mut self,
        schema: &Schema,
        value: &Value,
        path: &str,
        depth: usize,
    ) -> Result<(), FieldError> {
        if depth > DEPTH_MAX {
            return Err(FieldError::new(path, "nests too deep"));
        }
        let schema = self.form.resolved(schema);
        if self.strictness.is_any(value)
            || self.strictness.is_any_text(value) && may_be_any_text(schema)
        {
            return Ok(());
        }
        match schema {
            Schema::Null if value.is_null() => {}
            Schema::Null => return Err(FieldError::kind(path, value, "null")),
            Schema::Boolean => self.out.push(form::boolean(value, path)?.into()),
            Schema::Int | Schema::TimeMillis => {
                self.integer(value, path, (i32::MIN.into(), i32::MAX.into()))?;
            }
            Schema::Date => match date(value) {
                Some(days) => self.long(days),
                None => self.integer(value, path, (i32::MIN.into(), i32::MAX.into()))?,
            },
            Schema::Long | Schema::TimeMicros => {
                self.integer(value, path, (i64::MIN.into(), i64::MAX.into()))?;
            }
            Schema::TimestampMillis | Schema::LocalTimestampMillis => {
                self.moment(value, path, 1_000_000)?;
            }
            Schema::TimestampMicros | Schema::LocalTimestampMicros => {
                self.moment(value, path, 1_000)?;
            }
            Schema::TimestampNanos | Schema::LocalTimestampNanos => self.moment(value, path, 1)?,
            #[expect(clippy::cast_possible_truncation, reason = "a float field holds what it can")]
            Schema::Float => {
                self.out.extend((form::float(value, path)? as f32).to_le_bytes());
            }
            Schema::Double => self.out.extend(form::float(value, path)?.to_le_bytes()),
            Schema::String | Schema::Uuid(UuidSchema::String) => {
                self.bytes(form::text(value, path)?.as_bytes());
            }
            Schema::Bytes | Schema::Uuid(UuidSchema::Bytes) => {
                self.bytes(&form::bytes(value, path)?);
            }
            Schema::Fixed(fixed) => self.fixed(value, path, fixed.size)?,
            Schema::Uuid(UuidSchema::Fixed(fixed)) => self.fixed(value, path, fixed.size)?,
            Schema::Enum(names) => {
                let found = names.symbols.iter().position(|name| value == name.as_str());
                let must = || format!("one of {}", names.symbols.join(", "));
                self.long(found.ok_or_else(|| FieldError::kind(path, value, &must()))? as i64);
            }
            Schema::Array(array) => self.array(&array.items, value, path, depth)?,
            Schema::Map(map) => self.map(&map.types, value, path, depth)?,
            Schema::Union(union) => self.union(union.variants(), value, path, depth)?,
            Schema::Record(record) => {
                self.record(record, form::object(value, path)?, path, depth)?;
            }
            _ => return Err(FieldError::new(path, "is of a type that a command cannot have")),
        }
        Ok(())
    }

    /// A number as Avro writes it: zigzag, seven bits a byte.
    fn long(&mut self, number: i64) {
        let mut rest = (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned();
        while rest >= 0x80 {
            self.out.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        self.out.push(rest.to_le_bytes()[0]);
    }

    fn integer(
        &mut self,
        value: &Value,
        path: &str,
        bounds: (i128, i128),
    ) -> Result<(), FieldError> {
        let number = form::integer(value, path, bounds)?;
        self.long(i64::try_from(number).unwrap_or_else(|_| unreachable!("within 64 bits")));
        Ok(())
    }

    /// A moment: RFC 3339, or the count as it is on the wire.
    fn moment(&mut self, value: &Value, path: &str, nanos: i128) -> Result<(), FieldError> {
        let text = value.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        match text.map(|moment| moment.as_nanosecond().div_euclid(nanos)) {
            Some(count) => {
                let count = i64::try_from(count);
                let wrong = |_| FieldError::new(path, "is out of the type's range");
                self.long(count.map_err(wrong)?);
                Ok(())
            }
            None => self.integer(value, path, (i64::MIN.into(), i64::MAX.into())),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.long(bytes.len() as i64);
        self.out.extend_from_slice(bytes);
    }

    fn fixed(&mut self, value: &Value, path: &str, size: usize) -> Result<(), FieldError> {
        let bytes = form::bytes(value, path)?;
        if bytes.len() != size {
            let what = format!("has {} bytes; it must have {size}", bytes.len());
            return Err(FieldError::new(path, what));
        }
        self.out.extend(bytes);
        Ok(())
    }

    fn array(
        &mut self,
        items: &Schema,
        value: &Value,
        path: &str,
        depth: usize,
    ) -> Result<(), FieldError> {
        let values = form::list(value, path)?;
        if !values.is_empty() {
            self.long(values.len() as i64);
        }
        for (place, value) in values.iter().enumerate() {
            self.value(items, value, &below(path, &place.to_string()), depth + 1)?;
        }
        self.long(0);
        Ok(())
    }

    fn map(
        &mut self,
        types: &Schema,
        value: &Value,
        path: &str,
        depth: usize,
    ) -> Result<(), FieldError> {
        let values = form::object(value, path)?;
        if !values.is_empty() {
            self.long(values.len() as i64);
        }
        for (key, value) in values {
            self.bytes(key.as_bytes());
            self.value(types, value, &below(path, key), depth + 1)?;
        }
        self.long(0);
        Ok(())
    }

    /// The first branch that fits.
    fn union(
        &mut self,
        branches: &[Schema],
        value: &Value,
        path: &str,
        depth: usize,
    ) -> Result<(), FieldError> {
        let begin = self.out.len();
        let mut told = None;
        for (place, branch) in branches.iter().enumerate() {
            self.long(place as i64);
            match self.value(branch, value, path, depth + 1) {
                Ok(()) => return Ok(()),
                // The error is that of the branch that was most likely intended.
                Err(error) if *branch != Schema::Null => told = told.or(Some(error)),
                Err(_) => {}
            }
            self.out.truncate(begin);
        }
        Err(told.unwrap_or_else(|| FieldError::kind(path, value, "null")))
    }
}

/// Types whose JSON value is a text with another meaning.
fn may_be_any_text(schema: &Schema) -> bool {
    matches!(
        schema,
        Schema::Date
            | Schema::Long
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos
            | Schema::Bytes
            | Schema::Fixed(_)
            | Schema::Uuid(_)
            | Schema::Enum(_)
    )
}

/// Days since 1970 out of `2026-11-27`.
fn date(value: &Value) -> Option<i64> {
    let date: jiff::civil::Date = value.as_str()?.parse().ok()?;
    let days = date.since(jiff::civil::date(1970, 1, 1)).ok()?;
    Some(days.get_days().into())
}
