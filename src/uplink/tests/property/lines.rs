//! Lines as an independent parser reads them.

use std::collections::BTreeMap;

use influxdb_line_protocol::{FieldValue, parse_lines};
use serde_json::Value;

/// A field's value; floats by their bits, so that -0.0 is not 0.0.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Field {
    Float(u64),
    Integer(i64),
    Unsigned(u64),
    Boolean(bool),
    Text(String),
    /// A text that is JSON: compared as such, because maps have no order.
    Json(Json),
}

/// A JSON value whose numbers are what they mean: `146`, `146.0` and `1.46e2` are one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Boolean(bool),
    /// A number that a float holds exactly, by the float's bits.
    Float(u64),
    /// An integer that no float holds exactly.
    Wide(i128),
    Text(String),
    List(Vec<Json>),
    Map(BTreeMap<String, Json>),
}

/// One point, fields by name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) time: i64,
    pub(super) tags: Vec<(String, String)>,
    pub(super) fields: Vec<(String, Field)>,
}

/// Reads lines; a text that looks like a JSON list or object is taken for it.
pub(super) fn read(text: &str) -> Vec<Point> {
    let mut points = Vec::new();
    for line in parse_lines(text) {
        let line = line.unwrap_or_else(|error| panic!("{error} in {text:?}"));
        assert_eq!(line.series.measurement.as_str(), "m");
        let time = line.timestamp.expect("a time");
        let tags = line.series.tag_set.iter().flatten();
        let tags = tags.map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let fields = line.field_set.iter().map(|(key, value)| (key.to_string(), field(value)));
        let mut fields: Vec<_> = fields.collect();
        fields.sort_by(|one, other| one.0.cmp(&other.0));
        points.push(Point { time, tags, fields });
    }
    let lines = crate::model::line::lines(text.as_bytes()).count();
    assert_eq!(lines, points.len(), "our own reader finds as many lines in {text:?}");
    points
}

fn field(value: &FieldValue<'_>) -> Field {
    match value {
        FieldValue::F64(value) => Field::Float(value.to_bits()),
        FieldValue::I64(value) => Field::Integer(*value),
        FieldValue::U64(value) => Field::Unsigned(*value),
        FieldValue::Boolean(value) => Field::Boolean(*value),
        FieldValue::String(text) => of_text(text.as_str()),
    }
}

/// A text, or the JSON that it is.
pub(super) fn of_text(text: &str) -> Field {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Array(_) | Value::Object(_))) => Field::Json(json(value)),
        _ => Field::Text(text.to_owned()),
    }
}

fn json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Boolean(value),
        Value::Number(number) => match number.as_i128() {
            Some(integer) => of_integer(integer),
            None => Json::Float(number.as_f64().expect("a JSON float").to_bits()),
        },
        Value::String(text) => Json::Text(text),
        Value::Array(items) => Json::List(items.into_iter().map(json).collect()),
        Value::Object(entries) => {
            Json::Map(entries.into_iter().map(|(key, value)| (key, json(value))).collect())
        }
    }
}

/// An integer as the float that it is, if there is one.
#[expect(clippy::cast_possible_truncation, reason = "what is cut off is noticed")]
fn of_integer(integer: i128) -> Json {
    let float = integer as f64;
    if float as i128 == integer { Json::Float(float.to_bits()) } else { Json::Wide(integer) }
}
