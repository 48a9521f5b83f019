//! Protobuf through prost-reflect.

use prost::Message as _;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value as Proto,
};
use serde_json::{Map, Value};

use super::form::{self, DEPTH_MAX, FieldError, FieldValue, Leaf, Strictness, below};

pub(super) fn encode(
    message: &MessageDescriptor,
    fields: &Map<String, Value>,
    strictness: Strictness,
) -> Result<Vec<u8>, FieldError> {
    let message = record(message, fields, "", 0, strictness)?;
    Ok(message.encode_to_vec())
}

fn record(
    descriptor: &MessageDescriptor,
    fields: &Map<String, Value>,
    path: &str,
    depth: usize,
    strictness: Strictness,
) -> Result<DynamicMessage, FieldError> {
    if depth > DEPTH_MAX {
        return Err(FieldError::new(path, "nests too deep"));
    }
    let mut message = DynamicMessage::new(descriptor.clone());
    // Fields whose value is not known yet.
    let mut open = Vec::new();
    for (name, value) in fields {
        let path = below(path, name);
        let field = find(descriptor, name).ok_or_else(|| unknown(descriptor, &path))?;
        if value.is_null() {
            open.extend(strictness.is_any(value).then_some(field));
            continue;
        }
        let other = field.containing_oneof().and_then(|oneof| {
            oneof.fields().find(|other| *other != field && message.has_field(other))
        });
        if let Some(other) = other {
            let what = format!("excludes `{}`, which is there too", other.name());
            return Err(FieldError::new(path, what));
        }
        let value = many(&field, value, &path, depth, strictness)?;
        message.set_field(&field, value);
    }
    let missing = descriptor.fields().find(|field| {
        field.cardinality() == prost_reflect::Cardinality::Required
            && !message.has_field(field)
            && !open.contains(field)
    });
    match missing {
        Some(field) if strictness.asks_for_all() => {
            Err(FieldError::new(below(path, field.name()), "is missing"))
        }
        _ => Ok(message),
    }
}

/// By its name in the schema, or as protobuf's JSON writes it.
fn find(descriptor: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    descriptor.get_field_by_name(name).or_else(|| descriptor.get_field_by_json_name(name))
}

fn unknown(descriptor: &MessageDescriptor, path: &str) -> FieldError {
    let fields: Vec<FieldDescriptor> = descriptor.fields().collect();
    FieldError::unknown(path, fields.iter().map(FieldDescriptor::name))
}

/// The value of a field that may be a list or a map.
fn many(
    field: &FieldDescriptor,
    value: &Value,
    path: &str,
    depth: usize,
    strictness: Strictness,
) -> Result<Proto, FieldError> {
    if field.is_map() {
        let Kind::Message(entry) = field.kind() else {
            return Err(FieldError::new(path, "is of no type that a command can have"));
        };
        let (keys, values) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        let entries = form::object(value, path)?.iter().map(|(key, value)| {
            let path = below(path, key);
            let value = one(&values.kind(), value, &path, depth, strictness)?;
            Ok((map_key(&keys.kind(), key, &path)?, value))
        });
        return Ok(Proto::Map(entries.collect::<Result<_, FieldError>>()?));
    }
    if field.is_list() {
        let items = form::list(value, path)?.iter().enumerate().map(|(place, value)| {
            one(&field.kind(), value, &below(path, &place.to_string()), depth, strictness)
        });
        return Ok(Proto::List(items.collect::<Result<_, _>>()?));
    }
    one(&field.kind(), value, path, depth, strictness)
}

fn map_key(kind: &Kind, key: &str, path: &str) -> Result<MapKey, FieldError> {
    let quoted = Value::from(key);
    let number = |least: i128, most: i128| {
        let number = key.parse::<i128>().ok().filter(|it| (least..=most).contains(it));
        number.ok_or_else(|| FieldError::kind(path, &quoted, "a whole number"))
    };
    Ok(match kind {
        Kind::String => MapKey::String(key.to_owned()),
        Kind::Bool => match key {
            "true" => MapKey::Bool(true),
            "false" => MapKey::Bool(false),
            _ => return Err(FieldError::kind(path, &quoted, "true or false")),
        },
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            MapKey::I32(narrow(number(i32::MIN.into(), i32::MAX.into())?))
        }
        Kind::Uint32 | Kind::Fixed32 => MapKey::U32(narrow(number(0, u32::MAX.into())?)),
        Kind::Uint64 | Kind::Fixed64 => MapKey::U64(narrow(number(0, u64::MAX.into())?)),
        _ => MapKey::I64(narrow(number(i64::MIN.into(), i64::MAX.into())?)),
    })
}

/// Converts a number that was checked against the bounds of its type.
fn narrow<T: TryFrom<i128>>(number: i128) -> T {
    T::try_from(number).unwrap_or_else(|_| unreachable!("its bounds were checked"))
}

/// One value.
fn one(
    kind: &Kind,
    value: &Value,
    path: &str,
    depth: usize,
    strictness: Strictness,
) -> Result<Proto, FieldError> {
    // Within a list or a map.
    if strictness.is_any(value) {
        return Ok(Proto::default_value(kind));
    }
    Ok(match kind {
        Kind::Double => Proto::F64(form::float(value, path)?),
        #[expect(clippy::cast_possible_truncation, reason = "a float field holds what it can")]
        Kind::Float => Proto::F32(form::float(value, path)? as f32),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            Proto::I32(narrow(form::integer(value, path, (i32::MIN.into(), i32::MAX.into()))?))
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 if strictness.is_any_text(value) => {
            Proto::I64(0)
        }
        Kind::Uint64 | Kind::Fixed64 if strictness.is_any_text(value) => Proto::U64(0),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            Proto::I64(narrow(form::integer(value, path, (i64::MIN.into(), i64::MAX.into()))?))
        }
        Kind::Uint32 | Kind::Fixed32 if strictness.is_any_text(value) => Proto::U32(0),
        Kind::Uint32 | Kind::Fixed32 => {
            Proto::U32(narrow(form::integer(value, path, (0, u32::MAX.into()))?))
        }
        Kind::Uint64 | Kind::Fixed64 => {
            Proto::U64(narrow(form::integer(value, path, (0, u64::MAX.into()))?))
        }
        Kind::Bool => Proto::Bool(form::boolean(value, path)?),
        Kind::String => Proto::String(form::text(value, path)?.to_owned()),
        Kind::Bytes if strictness.is_any_text(value) => Proto::Bytes(Vec::new().into()),
        Kind::Bytes => Proto::Bytes(form::bytes(value, path)?.into()),
        Kind::Enum(_)
            if strictness == Strictness::Kinds && (value.is_string() || value.is_i64()) =>
        {
            Proto::EnumNumber(0)
        }
        Kind::Enum(names) => {
            let number = match value {
                Value::String(name) => names.get_value_by_name(name).map(|value| value.number()),
                Value::Number(number) => number
                    .as_i64()
                    .and_then(|number| i32::try_from(number).ok())
                    .filter(|number| names.get_value(*number).is_some()),
                _ => None,
            };
            let known = || names.values().map(|it| it.name().to_owned()).collect::<Vec<_>>();
            let wrong = || FieldError::kind(path, value, &format!("one of {}", known().join(", ")));
            Proto::EnumNumber(number.ok_or_else(wrong)?)
        }
        Kind::Message(message)
            if message.full_name().starts_with("google.protobuf.")
                && strictness.is_any_text(value) =>
        {
            Proto::Message(DynamicMessage::new(message.clone()))
        }
        Kind::Message(message) if message.full_name().starts_with("google.protobuf.") => {
            let read = DynamicMessage::deserialize(message.clone(), value.clone());
            Proto::Message(read.map_err(|error| {
                let what = format!("is no {}: {error}", message.name());
                FieldError::new(path, what)
            })?)
        }
        Kind::Message(message) => {
            let fields = form::object(value, path)?;
            Proto::Message(record(message, fields, path, depth + 1, strictness)?)
        }
    })
}

/// The field at the end of a path.
fn way(descriptor: &MessageDescriptor, path: &str) -> Result<Vec<FieldDescriptor>, FieldError> {
    let mut way = Vec::new();
    let mut at = Some(descriptor.clone());
    let mut walked = String::new();
    for name in path.split('.') {
        walked = below(&walked, name);
        let Some(message) = at else {
            return Err(FieldError::new(walked, "is unknown: what stands before it is no message"));
        };
        let field = message.get_field_by_name(name).ok_or_else(|| unknown(&message, &walked))?;
        at = field.kind().as_message().filter(|_| !field.is_list() && !field.is_map()).cloned();
        way.push(field);
    }
    Ok(way)
}

pub(super) fn leaf(descriptor: &MessageDescriptor, path: &str) -> Result<Leaf, FieldError> {
    let way = way(descriptor, path)?;
    let Some(field) = way.last() else { return Ok(Leaf::Other) };
    if field.is_list() || field.is_map() {
        return Ok(Leaf::Other);
    }
    Ok(match field.kind() {
        Kind::String => Leaf::Text,
        Kind::Bytes => Leaf::Bytes,
        Kind::Enum(names) => Leaf::Enum(names.values().map(|it| it.name().to_owned()).collect()),
        _ => Leaf::Other,
    })
}

pub(super) fn read(
    descriptor: &MessageDescriptor,
    payload: &[u8],
    paths: &[&str],
) -> Result<Vec<Option<FieldValue>>, String> {
    let message = DynamicMessage::decode(descriptor.clone(), payload);
    let message = message.map_err(|error| error.to_string())?;
    let found = paths.iter().map(|path| {
        let way = way(descriptor, path).ok()?;
        let (last, before) = way.split_last()?;
        let mut at = message.clone();
        for field in before {
            let Proto::Message(inner) = at.get_field(field).into_owned() else { return None };
            at = inner;
        }
        if last.supports_presence() && !at.has_field(last) {
            return None;
        }
        said(&last.kind(), &at.get_field(last))
    });
    Ok(found.collect())
}

fn said(kind: &Kind, value: &Proto) -> Option<FieldValue> {
    Some(match value {
        Proto::String(text) => FieldValue::Text(text.clone()),
        Proto::Bytes(bytes) => FieldValue::Bytes(bytes.to_vec()),
        Proto::Bool(value) => FieldValue::Text(value.to_string()),
        Proto::I32(number) => FieldValue::Text(number.to_string()),
        Proto::I64(number) => FieldValue::Text(number.to_string()),
        Proto::U32(number) => FieldValue::Text(number.to_string()),
        Proto::U64(number) => FieldValue::Text(number.to_string()),
        Proto::F32(number) => FieldValue::Text(number.to_string()),
        Proto::F64(number) => FieldValue::Text(number.to_string()),
        Proto::EnumNumber(number) => {
            let names = kind.as_enum();
            let named = names.and_then(|names| names.get_value(*number));
            FieldValue::Text(named.map_or(number.to_string(), |named| named.name().to_owned()))
        }
        Proto::Message(_) | Proto::List(_) | Proto::Map(_) => return None,
    })
}
