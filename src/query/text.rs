//! Rows in machine-readable form: JSON values and lines of CSV. Integers are exact, and NaN is
//! null.

use std::num::NonZeroI64;

use serde_json::json;

use crate::model::{Column, Row, UnixNanos, Value};

/// How a moment is written: in whole units of so many nanoseconds since 1970, or, without one, as
/// RFC 3339 with the decimals that it has.
pub type EpochUnit = Option<NonZeroI64>;

/// One value of a JSON answer.
pub fn push_json(value: &Value, epoch: EpochUnit, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Timestamp(at) => match epoch {
            Some(_) => push_moment(*at, epoch, out),
            None => {
                out.push('"');
                push_moment(*at, epoch, out);
                out.push('"');
            }
        },
        // JSON has no literal for NaN and infinity.
        Value::Float(value) => out.push_str(&json!(value).to_string()),
        Value::Integer(value) => out.push_str(itoa::Buffer::new().format(*value)),
        Value::Unsigned(value) => out.push_str(itoa::Buffer::new().format(*value)),
        Value::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::String(value) => out.push_str(&json!(value).to_string()),
    }
}

/// The names of the columns, as a line of CSV.
pub fn push_csv_head(columns: &[Column], out: &mut String) {
    let names = columns.iter().map(|column| Value::String(column.name.clone()));
    push_csv(&names.collect(), None, out);
}

/// A line of CSV. Null is an empty cell, an empty text is `""`.
pub fn push_csv(row: &Row, epoch: EpochUnit, out: &mut String) {
    for (at, value) in row.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        match value {
            Value::Null => {}
            Value::Timestamp(at) => push_moment(*at, epoch, out),
            Value::String(value) => {
                let is_plain = !value.is_empty() && !value.contains([',', '"', '\n', '\r']);
                match is_plain {
                    true => out.push_str(value),
                    false => out.push_str(&format!("\"{}\"", value.replace('"', "\"\""))),
                }
            }
            value => push_json(value, epoch, out),
        }
    }
    out.push('\n');
}

fn push_moment(at: UnixNanos, epoch: EpochUnit, out: &mut String) {
    match epoch {
        Some(unit) => out.push_str(itoa::Buffer::new().format(at.0.div_euclid(unit.get()))),
        None => out.push_str(&at.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ValueType;

    fn row() -> Row {
        vec![
            Value::Timestamp(UnixNanos(1_619_448_248_500_000_000)),
            Value::String("a \"b\",\n".to_owned()),
            Value::Float(3.0),
            Value::Integer(i64::MIN),
            Value::Unsigned(u64::MAX),
            Value::Boolean(true),
            Value::Null,
            Value::String(String::new()),
        ]
    }

    #[test]
    fn csv_tells_a_null_from_an_empty_text() {
        let mut out = String::new();
        let columns = ["time", "a,b"].map(|name| Column::new(name, ValueType::String));
        push_csv_head(&columns, &mut out);
        push_csv(&row(), None, &mut out);
        push_csv(&row(), NonZeroI64::new(1_000_000_000), &mut out);
        let rest = ",\"a \"\"b\"\",\n\",3.0,-9223372036854775808,18446744073709551615,true,,\"\"\n";
        let expect = format!("time,\"a,b\"\n2021-04-26T14:44:08.5Z{rest}1619448248{rest}");
        assert_eq!(out, expect);
    }

    #[test]
    fn json_is_read_back_as_it_was() {
        let mut out = String::from("[");
        for value in row().iter().chain([&Value::Float(f64::NAN)]) {
            push_json(value, None, &mut out);
            out.push(',');
        }
        // Before 1970 numbers are rounded down too.
        let before = Value::Timestamp(UnixNanos(-1));
        push_json(&before, NonZeroI64::new(1_000), &mut out);
        let expect = r#"["2021-04-26T14:44:08.5Z","a \"b\",\n",3.0,-9223372036854775808,18446744073709551615,true,null,"",null,-1"#;
        assert_eq!(out, expect);
    }
}
