//! How a payload is written, whatever the format.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost_reflect::MessageDescriptor;
use serde_json::{Map, Value};

use super::{
    avro::{self, AvroForm},
    json::JsonForm,
    protobuf,
};
use crate::{model::CommandId, schema::nearest};

/// How deep values may nest.
pub(super) const DEPTH_MAX: usize = 32;

/// A field of a command that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field `{field}` {what}")]
pub struct FieldError {
    /// Its path, with dots.
    pub field: String,
    /// What is wrong with it, and what it must be.
    pub what: String,
}

impl FieldError {
    pub(super) fn new(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self { field: field.into(), what: what.into() }
    }

    /// A field that the schema does not have.
    pub(super) fn unknown<'a>(field: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let name = field.rsplit('.').next().unwrap_or(field);
        let known: Vec<&str> = known.into_iter().collect();
        let what = match nearest(name, known.iter().copied()) {
            Some(near) => format!("is unknown; did you mean `{near}`?"),
            None if known.is_empty() => "is unknown; there are none".to_owned(),
            None => format!("is unknown; known are {}", known.join(", ")),
        };
        Self::new(field, what)
    }

    /// A value of another kind.
    pub(super) fn kind(field: &str, value: &Value, must: &str) -> Self {
        Self::new(field, format!("is {}; it must be {must}", is_a(value)))
    }
}

/// A value, for people.
fn is_a(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.len() <= 40 => format!("the text \"{text}\""),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// A path one level deeper.
pub(super) fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The kinds of fields that are distinguished here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mapping::command) enum Leaf {
    Text,
    Bytes,
    /// One of these names.
    Enum(Vec<String>),
    Other,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mapping::command) enum FieldValue {
    Text(String),
    Bytes(Vec<u8>),
}

impl FieldValue {
    pub(in crate::mapping::command) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    pub(in crate::mapping::command) fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// How strictly fields are checked against a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mapping::command) enum Strictness {
    /// Completely: they are sent.
    Whole,
    /// Only the present fields; others may be added later.
    Part,
    /// Names, types and presence: a value stands for any value of its type, and null for any value.
    Kinds,
}

impl Strictness {
    pub(super) fn asks_for_all(self) -> bool {
        self != Self::Part
    }

    pub(super) fn asks_for_values(self) -> bool {
        self != Self::Kinds
    }

    /// Whether it stands for an unknown value.
    pub(super) fn is_any(self, value: &Value) -> bool {
        self == Self::Kinds && value.is_null()
    }

    /// Whether it stands for any text.
    pub(super) fn is_any_text(self, value: &Value) -> bool {
        self == Self::Kinds && value.is_string()
    }
}

/// How a payload is written.
#[derive(Debug)]
pub(in crate::mapping::command) enum Form {
    Protobuf(MessageDescriptor),
    Avro(AvroForm),
    Json(JsonForm),
}

impl Form {
    /// Parses a self-contained Avro schema.
    pub(in crate::mapping::command) fn avro(schema: &str) -> Result<Self, String> {
        AvroForm::parse(schema).map(Self::Avro)
    }

    /// Parses a JSON Schema.
    pub(in crate::mapping::command) fn json(schema: &str) -> Result<Self, String> {
        JsonForm::parse(schema).map(Self::Json)
    }

    /// Encodes fields. The bytes may be sent only if the fields were checked completely.
    pub(in crate::mapping::command) fn encode(
        &self,
        fields: &Map<String, Value>,
        strictness: Strictness,
    ) -> Result<Vec<u8>, FieldError> {
        match self {
            Self::Protobuf(message) => protobuf::encode(message, fields, strictness),
            Self::Avro(form) => avro::encode(form, fields, strictness),
            Self::Json(form) => form.encode(fields, strictness),
        }
    }

    /// What a field holds.
    pub(in crate::mapping::command) fn leaf(&self, path: &str) -> Result<Leaf, String> {
        let found = match self {
            Self::Protobuf(message) => protobuf::leaf(message, path),
            Self::Avro(form) => form.leaf(path),
            Self::Json(form) => form.leaf(path),
        };
        found.map_err(|error| error.to_string())
    }

    /// Reads fields of a payload; `None` for an absent one.
    pub(in crate::mapping::command) fn read(
        &self,
        payload: &[u8],
        paths: &[&str],
    ) -> Result<Vec<Option<FieldValue>>, String> {
        match self {
            Self::Protobuf(message) => protobuf::read(message, payload, paths),
            Self::Avro(form) => form.read(payload, paths),
            Self::Json(_) => JsonForm::read(payload, paths),
        }
    }
}

/// A command's id as the value of a field.
pub(in crate::mapping::command) fn id_value(id: CommandId, is_bytes: bool) -> Value {
    if is_bytes { bytes_value(&id.0) } else { Value::from(id.to_string()) }
}

/// Bytes as the value of a field.
pub(in crate::mapping::command) fn bytes_value(bytes: &[u8]) -> Value {
    Value::from(STANDARD.encode(bytes))
}

/// Reads bytes from base64.
pub(super) fn bytes(value: &Value, path: &str) -> Result<Vec<u8>, FieldError> {
    let text = value.as_str().ok_or_else(|| FieldError::kind(path, value, "bytes in base64"))?;
    STANDARD.decode(text).map_err(|_| FieldError::kind(path, value, "bytes in base64"))
}

/// A whole number within bounds, also as a text of digits.
pub(super) fn integer(
    value: &Value,
    path: &str,
    (least, most): (i128, i128),
) -> Result<i128, FieldError> {
    let wrong = || FieldError::kind(path, value, &format!("a whole number from {least} to {most}"));
    let number = match value {
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => Some(i128::from(number)),
            (_, Some(number), _) => Some(i128::from(number)),
            // 5.0 is whole; above 2^53 a float does not represent every integer.
            (.., Some(number)) if number.fract() == 0.0 && number.abs() < 9e15 => {
                format!("{number:.0}").parse().ok()
            }
            _ => None,
        },
        Value::String(digits) if most > i128::from(i32::MAX) => digits.parse().ok(),
        _ => None,
    };
    number.filter(|number| (least..=most).contains(number)).ok_or_else(wrong)
}

pub(super) fn float(value: &Value, path: &str) -> Result<f64, FieldError> {
    value.as_f64().ok_or_else(|| FieldError::kind(path, value, "a number"))
}

pub(super) fn boolean(value: &Value, path: &str) -> Result<bool, FieldError> {
    value.as_bool().ok_or_else(|| FieldError::kind(path, value, "true or false"))
}

pub(super) fn text<'v>(value: &'v Value, path: &str) -> Result<&'v str, FieldError> {
    value.as_str().ok_or_else(|| FieldError::kind(path, value, "a text"))
}

pub(super) fn list<'v>(value: &'v Value, path: &str) -> Result<&'v [Value], FieldError> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| FieldError::kind(path, value, "a list"))
}

pub(super) fn object<'v>(
    value: &'v Value,
    path: &str,
) -> Result<&'v Map<String, Value>, FieldError> {
    value.as_object().ok_or_else(|| FieldError::kind(path, value, "an object"))
}
