//! Parses a line into typed values.

use crate::model::{
    Catalog, FieldType, UnixNanos, Value,
    line::{FieldValue, fields, measurement, unescape},
};

/// A parsed point.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadPoint {
    /// Its measurement.
    pub measurement: String,
    /// Its time.
    pub time: UnixNanos,
    /// Its fields in the line's order.
    pub fields: Vec<(String, Value)>,
}

/// Parses a line. A field has the type that the catalog declares, if the value can have it; a field
/// that is not in the catalog has the type with which it is written. `None` if it is not a line
/// that we write.
#[must_use]
pub fn read(line: &[u8], catalog: &Catalog) -> Option<ReadPoint> {
    let measurement = measurement(line);
    let known = catalog.measurements.get(&measurement);
    let kind = |field: &str| {
        let fields = &known?.fields;
        fields.iter().find(|(name, _)| name == field).map(|(_, kind)| *kind)
    };
    let mut written = fields(line);
    let mut fields = Vec::new();
    for (key, value) in written.by_ref() {
        let key = unescape(key).into_owned();
        let value = typed(FieldValue::read(value)?, kind(&key));
        fields.push((key, value));
    }
    let time = UnixNanos(written.time()?);
    (!fields.is_empty()).then_some(ReadPoint { measurement, time, fields })
}

/// Line protocol from a vehicle may have `5i` for a float, and `5u` for an integer.
fn typed(value: FieldValue<'_>, kind: Option<FieldType>) -> Value {
    match (kind, value) {
        (Some(FieldType::Float), FieldValue::Integer(value)) => Value::Float(float(value)),
        (Some(FieldType::Integer), FieldValue::Unsigned(value)) => {
            i64::try_from(value).map_or(Value::Unsigned(value), Value::Integer)
        }
        (_, FieldValue::Float(value)) => Value::Float(value),
        (_, FieldValue::Integer(value)) => Value::Integer(value),
        (_, FieldValue::Unsigned(value)) => Value::Unsigned(value),
        (_, FieldValue::Boolean(value)) => Value::Boolean(value),
        (_, FieldValue::String(value)) => Value::String(value.into_owned()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a float field answers floats, as the store does")]
fn float(value: i64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Measurement;

    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        let fields = [("x", FieldType::Float), ("n", FieldType::Integer)];
        let known = Measurement {
            vehicle_tag: Some("vin".to_owned()),
            tags: vec!["vin".to_owned()],
            fields: fields.map(|(name, kind)| (name.to_owned(), kind)).into(),
        };
        catalog.measurements.insert("m m".to_owned(), known);
        catalog
    }

    #[test]
    fn a_line_gives_back_what_was_written() {
        let line = b"m\\ m,vin=A\\,B x=1.5,n=-3i,k\\ 1=\"a, b=\\\"\\\\\n\",t=true,u=7u 1795382379000000001\n";
        let point = read(line, &catalog()).expect("a line");
        assert_eq!((point.measurement.as_str(), point.time.0), ("m m", 1_795_382_379_000_000_001));
        let expect = [
            ("x", Value::Float(1.5)),
            ("n", Value::Integer(-3)),
            ("k 1", Value::String("a, b=\"\\\n".to_owned())),
            ("t", Value::Boolean(true)),
            ("u", Value::Unsigned(7)),
        ];
        assert_eq!(point.fields, expect.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn the_catalog_decides_the_type_of_a_number() {
        let point = read(b"m\\ m x=5i,n=5u,o=5u 1\n", &catalog()).expect("a line");
        let values: Vec<Value> = point.fields.into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, [Value::Float(5.0), Value::Integer(5), Value::Unsigned(5)]);
        let point = read(b"m\\ m n=18446744073709551615u 1\n", &catalog()).expect("a line");
        assert_eq!(point.fields[0].1, Value::Unsigned(u64::MAX));
    }

    #[test]
    fn text_that_is_not_a_line_is_none() {
        for line in ["", "m", "m x=1", "m x=zz 1\n", "m x=\"a 1\n", "m x=99999999999999999999i 1\n"]
        {
            assert_eq!(read(line.as_bytes(), &catalog()), None, "{line}");
        }
    }
}
