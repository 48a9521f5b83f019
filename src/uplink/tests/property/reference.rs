//! The slow path: a dynamic message, walked by its descriptors, as design 3.3 says in prose.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage as _, Value};

use super::{
    forms::{Unknown, converted},
    lines::{Field, Point, of_text},
    schema::Schema,
};
use crate::{
    model::{Cause, LineDialect},
    uplink::tests::harness::RECEIVED_AT,
};

/// What the mapping says, and how.
pub(super) struct Reference<'a> {
    pub(super) schema: &'a Schema,
    pub(super) dialect: LineDialect,
}

/// The fields of a record so far, and what made it fail.
#[derive(Default)]
struct Walk {
    fields: Vec<(String, Field)>,
    causes: Vec<Cause>,
    is_unknown: bool,
}

impl Reference<'_> {
    /// The points of a message.
    ///
    /// # Errors
    /// The causes one of which it must fail with.
    pub(super) fn points(
        &self,
        message: &DynamicMessage,
    ) -> Result<Result<Vec<Point>, Vec<Cause>>, Unknown> {
        if !self.schema.forms.passes(message) {
            return Ok(Ok(Vec::new()));
        }
        let mut walk = Walk::default();
        self.record(message, "", true, &mut walk);
        if walk.is_unknown {
            return Err(Unknown);
        }
        let time = self.schema.forms.time(message)?;
        let Walk { fields: around, mut causes, .. } = walk;
        let elements = match message.get_field_by_name("p") {
            Some(value) => value.as_list().expect("a list").to_vec(),
            None => vec![Value::Bool(true)],
        };
        let id = message.get_field_by_name("id").expect("every root has it");
        let id = id.as_str().expect("a string").to_owned();
        if !elements.is_empty() && !is_writable(&id) {
            causes.push(Cause::TagInvalid);
        }
        let mut points = Vec::new();
        let mut stamp = RECEIVED_AT.0;
        for element in &elements {
            let mut walk = Walk::default();
            if let Some(element) = element.as_message() {
                self.record(element, "", false, &mut walk);
            }
            causes.extend(walk.causes);
            let mut fields = [around.clone(), walk.fields].concat();
            fields.sort_by(|one, other| one.0.cmp(&other.0));
            let mut tags = vec![("vin".to_owned(), "V1".to_owned())];
            tags.extend((!id.is_empty()).then(|| ("id".to_owned(), id.clone())));
            if !fields.is_empty() {
                let time = time.map_err(|cause| causes.push(cause)).ok().flatten();
                points.push(Point { time: time.unwrap_or(stamp), tags, fields });
                stamp += 1;
            }
        }
        // Without an element nothing is written, so nothing of the message can be wrong.
        if elements.is_empty() {
            causes.clear();
        }
        Ok(if causes.is_empty() {
            Ok(self.schema.forms.resolve_equal(points))
        } else {
            Err(causes)
        })
    }

    /// One record's fields.
    fn record(&self, message: &DynamicMessage, prefix: &str, is_root: bool, walk: &mut Walk) {
        for field in message.descriptor().fields() {
            let is_excluded = self.schema.excluded.as_deref() == Some(field.name());
            let is_taken = self.schema.forms.is_taken(field.name());
            if is_root && (is_excluded || is_taken || matches!(field.name(), "p" | "id")) {
                continue;
            }
            if field.supports_presence() && !message.has_field(&field) {
                continue;
            }
            let name = format!("{prefix}{}", field.name());
            let value = message.get_field(&field);
            self.field(&field, &value, name, walk);
        }
    }

    /// One field.
    fn field(&self, field: &FieldDescriptor, value: &Value, name: String, walk: &mut Walk) {
        let kind = field.kind();
        match value {
            Value::List(list) => self.list(&kind, list, &name, walk),
            Value::Map(map) => {
                let entry = kind.as_message().expect("an entry");
                let kind = entry.map_entry_value_field().kind();
                self.map(&kind, map, &name, walk);
            }
            Value::Message(inner) => match well_known(inner) {
                Some(Some((kind, value))) => self.scalar(&kind, &value, name, walk),
                Some(None) => {}
                None => self.record(inner, &format!("{name}_"), false, walk),
            },
            value => self.scalar(&kind, value, name, walk),
        }
    }

    fn list(&self, kind: &Kind, list: &[Value], name: &str, walk: &mut Walk) {
        if self.is_skipped(kind) || list.is_empty() {
            return;
        }
        if self.schema.is_json {
            let items: Vec<String> = list.iter().map(|value| json(kind, value)).collect();
            walk.fields.push((name.to_owned(), of_text(&format!("[{}]", items.join(",")))));
            return;
        }
        for (index, value) in list.iter().enumerate() {
            self.scalar(kind, value, format!("{name}_{index}"), walk);
        }
    }

    fn map(
        &self,
        kind: &Kind,
        map: &std::collections::HashMap<MapKey, Value>,
        name: &str,
        walk: &mut Walk,
    ) {
        if self.is_skipped(kind) || map.is_empty() {
            return;
        }
        if self.schema.is_json {
            let entries = map.iter().map(|(key, value)| {
                let key = serde_json::to_string(&key_text(key)).expect("a string");
                format!("{key}:{}", json(kind, value))
            });
            let entries: Vec<String> = entries.collect();
            walk.fields.push((name.to_owned(), of_text(&format!("{{{}}}", entries.join(",")))));
            return;
        }
        for (key, value) in map {
            let key = key_text(key);
            if !is_writable(&key) {
                walk.causes.push(Cause::PayloadMismatch);
            }
            self.scalar(kind, value, format!("{name}_{key}"), walk);
        }
    }

    fn is_skipped(&self, kind: &Kind) -> bool {
        matches!(kind, Kind::Bytes) && self.schema.is_bytes_skipped
    }

    /// One value.
    fn scalar(&self, kind: &Kind, value: &Value, name: String, walk: &mut Walk) {
        // Elements of the list have its conversion.
        let origin = if name.starts_with("cl_") { "cl" } else { &name };
        if let Some(conversion) = self.schema.forms.conversion(origin) {
            match converted(conversion, value) {
                Ok(Ok(Some(field))) => walk.fields.push((name, field)),
                Ok(Ok(None)) => {}
                Ok(Err(cause)) => walk.causes.push(cause),
                Err(Unknown) => walk.is_unknown = true,
            }
            return;
        }
        let field = match value {
            Value::F64(value) if value.is_finite() => Field::Float(value.to_bits()),
            Value::F32(value) if value.is_finite() => {
                let printed: f64 = printed(*value).parse().expect("a float");
                Field::Float(printed.to_bits())
            }
            Value::F64(_) | Value::F32(_) => return,
            Value::I32(value) => Field::Integer(i64::from(*value)),
            Value::I64(value) => Field::Integer(*value),
            Value::U32(value) => Field::Integer(i64::from(*value)),
            Value::U64(value) => match (self.dialect, i64::try_from(*value)) {
                (LineDialect::Unsigned, _) => Field::Unsigned(*value),
                (LineDialect::Signed, Ok(value)) => Field::Integer(value),
                (LineDialect::Signed, Err(_)) => return walk.causes.push(Cause::IntegerOutOfRange),
            },
            Value::Bool(value) => Field::Boolean(*value),
            Value::String(text) => of_text(text),
            Value::Bytes(_) if self.is_skipped(kind) => return,
            Value::Bytes(bytes) => Field::Text(STANDARD.encode(bytes)),
            Value::EnumNumber(number) => Field::Text(symbol(kind, *number)),
            Value::Message(_) | Value::List(_) | Value::Map(_) => panic!("no scalar: {value:?}"),
        };
        walk.fields.push((name, field));
    }
}

/// The value that a well-known message stands for: `None` if it is no such message, `Some(None)` if
/// it is a time that does not fit, which is left out.
fn well_known(message: &DynamicMessage) -> Option<Option<(Kind, Value)>> {
    let descriptor = message.descriptor();
    let name = descriptor.full_name().strip_prefix("google.protobuf.")?;
    if !matches!(name, "Timestamp" | "Duration") {
        let field = descriptor.get_field(1).expect("a wrapper's value");
        return Some(Some((field.kind(), message.get_field(&field).into_owned())));
    }
    let seconds = message.get_field_by_number(1).expect("seconds").as_i64().expect("int64");
    let nanos = message.get_field_by_number(2).expect("nanos").as_i32().expect("int32");
    let is_valid = if name == "Timestamp" {
        let years = -62_135_596_800..=253_402_300_799;
        years.contains(&seconds) && (0..=999_999_999).contains(&nanos)
    } else {
        let same_sign = seconds == 0 || nanos == 0 || (seconds > 0) == (nanos > 0);
        (-999_999_999..=999_999_999).contains(&nanos) && same_sign
    };
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    let total = i64::try_from(total).ok().filter(|_| is_valid);
    Some(total.map(|total| (Kind::Int64, Value::I64(total))))
}

/// Whether a text may be a tag or a key.
fn is_writable(text: &str) -> bool {
    let is_bad = text.contains(['\n', '\r', '\t', '\0']) || text.ends_with('\\');
    let is_ambiguous = ["\\\\", "\\,", "\\=", "\\ "].iter().any(|pair| text.contains(pair));
    !is_bad && !is_ambiguous && text.len() <= 256
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::String(text) => text.clone(),
        MapKey::Bool(value) => value.to_string(),
        MapKey::I32(value) => value.to_string(),
        MapKey::I64(value) => value.to_string(),
        MapKey::U32(value) => value.to_string(),
        MapKey::U64(value) => value.to_string(),
    }
}

fn symbol(kind: &Kind, number: i32) -> String {
    let symbols = kind.as_enum().expect("an enum");
    symbols.get_value(number).map_or_else(|| number.to_string(), |value| value.name().to_owned())
}

/// A 32-bit float as such. Of two shortest forms that read back equal, such as .2 and .3 for .25,
/// std and zmij take different ones; so what is held is that it reads back equal.
fn printed(value: f32) -> String {
    let text = zmij::Buffer::new().format_finite(value).to_owned();
    assert_eq!(text.parse(), Ok(value));
    text
}

/// One value as JSON.
fn json(kind: &Kind, value: &Value) -> String {
    let quoted = |text: &str| serde_json::to_string(text).expect("a string");
    match value {
        Value::F64(value) if value.is_finite() => format!("{value:?}"),
        Value::F32(value) if value.is_finite() => printed(*value),
        Value::F64(_) | Value::F32(_) => "null".to_owned(),
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Bytes(bytes) => quoted(&STANDARD.encode(bytes)),
        Value::EnumNumber(number) => quoted(&symbol(kind, *number)),
        Value::Message(_) | Value::List(_) | Value::Map(_) => panic!("no scalar: {value:?}"),
    }
}
