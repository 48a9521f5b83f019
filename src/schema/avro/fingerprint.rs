//! The parsing canonical form of a schema, and its CRC-64-AVRO.
//!
//! Written here because apache-avro 0.22 keeps `{"type":"long"}` in the canonical form of a field
//! with a logical type, so that its fingerprints do not match those of Java, Python and Go.

use serde_json::Value;

/// The canonical form of a schema whose names are full and all defined in it.
#[must_use]
pub fn canonical_form(schema: &Value) -> String {
    let mut text = String::new();
    write_schema(schema, &mut text);
    text
}

/// CRC-64-AVRO of a text: the Rabin fingerprint of a canonical form.
#[must_use]
pub fn fingerprint(canonical: &str) -> u64 {
    const EMPTY: u64 = 0xc15d_213a_a4d7_a795;
    let mut crc = EMPTY;
    for byte in canonical.bytes() {
        crc ^= u64::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (EMPTY & (crc & 1).wrapping_neg());
        }
    }
    crc
}

/// Writes one schema: only the attributes that decide how it is read, in the fixed order.
fn write_schema(schema: &Value, text: &mut String) {
    match schema {
        Value::Array(branches) => write_list(branches, text, write_schema),
        Value::Object(object) => match object.get("type").and_then(Value::as_str) {
            Some(kind @ ("record" | "error" | "enum" | "fixed")) => {
                text.push_str("{\"name\":");
                write_value(object.get("name"), text);
                text.push_str(",\"type\":");
                write_string(kind, text);
                write_definition(object, text);
                text.push('}');
            }
            Some(kind @ ("array" | "map")) => {
                let inner = if kind == "array" { "items" } else { "values" };
                text.push_str("{\"type\":");
                write_string(kind, text);
                text.push(',');
                write_string(inner, text);
                text.push(':');
                write_schema(object.get(inner).unwrap_or(&Value::Null), text);
                text.push('}');
            }
            // A primitive or a name with attributes that do not matter here.
            _ => write_schema(object.get("type").unwrap_or(&Value::Null), text),
        },
        other => write_value(Some(other), text),
    }
}

/// Writes the attributes of a definition other than its name and type.
fn write_definition(object: &serde_json::Map<String, Value>, text: &mut String) {
    if let Some(Value::Array(fields)) = object.get("fields") {
        text.push_str(",\"fields\":");
        write_list(fields, text, |field, text| {
            text.push_str("{\"name\":");
            write_value(field.get("name"), text);
            text.push_str(",\"type\":");
            write_schema(field.get("type").unwrap_or(&Value::Null), text);
            text.push('}');
        });
    }
    if let Some(Value::Array(symbols)) = object.get("symbols") {
        text.push_str(",\"symbols\":");
        write_list(symbols, text, |symbol, text| write_value(Some(symbol), text));
    }
    if let Some(size) = object.get("size") {
        text.push_str(",\"size\":");
        write_value(Some(size), text);
    }
}

/// Writes `[…]`.
fn write_list(values: &[Value], text: &mut String, write: impl Fn(&Value, &mut String)) {
    text.push('[');
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write(value, text);
    }
    text.push(']');
}

/// Writes a JSON value unchanged.
fn write_value(value: Option<&Value>, text: &mut String) {
    text.push_str(&value.unwrap_or(&Value::Null).to_string());
}

/// Writes a JSON string.
fn write_string(value: &str, text: &mut String) {
    text.push_str(&Value::from(value).to_string());
}
