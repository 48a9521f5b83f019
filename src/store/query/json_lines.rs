//! InfluxDB 3: `POST /api/v3/query_sql` and `query_influxql`, answered in JSON lines.
//!
//! A line omits nulls, a timestamp is RFC 3339 without a zone, and a float always has a decimal
//! point. There is no other information about types: a text that looks like a timestamp, in a
//! column whose name is `time` or ends in `_time`, is read as one.

use std::fmt;

use serde::{
    Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::json;

use crate::{
    model::{UnixNanos, Value},
    store::{
        options::InfluxDb3,
        query::{
            decode::{Decoder, Shape},
            request::{Body, QueryProtocol, Request, params},
            terms::{Language, StoreQuery, StoreQueryError},
        },
    },
};

/// The maximum length of one line.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

pub(super) fn asking(options: &InfluxDb3, query: &StoreQuery) -> QueryProtocol {
    let path: &[&str] = match query.language {
        Language::InfluxQl => &["api", "v3", "query_influxql"],
        Language::Sql | Language::Flux => &["api", "v3", "query_sql"],
    };
    let mut body = json!({ "db": options.database, "q": query.text, "format": "jsonl" });
    if !query.params.is_empty() {
        body["params"] = params(query);
    }
    let accept = "application/jsonl";
    let body = Some(Body::Json(body));
    let request = Request { path, database: None, query: Vec::new(), accept, body };
    QueryProtocol { request, decoder: Decoder::Lines(JsonLines::default()) }
}

/// The state of decoding an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::store) struct JsonLines {
    rest: Vec<u8>,
}

impl JsonLines {
    pub(super) fn take(&mut self, bytes: &[u8], shape: &mut Shape) -> Result<(), StoreQueryError> {
        self.rest.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(len) = self.rest[at..].iter().position(|byte| *byte == b'\n') {
            line(&self.rest[at..at + len], shape)?;
            at += len + 1;
            shape.fix_when_enough();
        }
        self.rest.drain(..at);
        if self.rest.len() > LINE_BYTES_MAX {
            return Err(StoreQueryError::broken("a line does not end"));
        }
        Ok(())
    }

    pub(super) fn end(&mut self, shape: &mut Shape) -> Result<(), StoreQueryError> {
        line(&std::mem::take(&mut self.rest), shape)
    }
}

fn line(text: &[u8], shape: &mut Shape) -> Result<(), StoreQueryError> {
    if text.trim_ascii().is_empty() {
        return Ok(());
    }
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let pairs = deserializer.deserialize_map(Pairs).and_then(|pairs| {
        deserializer.end()?;
        Ok(pairs)
    });
    let pairs =
        pairs.map_err(|error| StoreQueryError::broken(format!("a line is no row: {error}")))?;
    let mut places = Vec::with_capacity(pairs.len());
    let mut values = Vec::with_capacity(pairs.len());
    for (name, json) in pairs {
        let value = value(&name, json);
        places.push(shape.place(&name, value.kind())?);
        values.push(value);
    }
    shape.push(&places, values);
    Ok(())
}

/// The members of an object in their written order, which is that of the columns.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(String, serde_json::Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}

fn value(column: &str, json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Boolean(value),
        serde_json::Value::Number(number) => number
            .as_i64()
            .map(Value::Integer)
            .or_else(|| number.as_u64().map(Value::Unsigned))
            .or_else(|| number.as_f64().map(Value::Float))
            .unwrap_or(Value::Null),
        serde_json::Value::String(text) => {
            let may_be_time = column == "time" || column.ends_with("_time");
            match may_be_time.then(|| moment(&text)).flatten() {
                Some(at) => Value::Timestamp(at),
                None => Value::String(text),
            }
        }
        // A list or a record, which SQL can return and our rows cannot hold.
        other => Value::String(other.to_string()),
    }
}

/// RFC 3339, in UTC if it has no zone.
pub(super) fn moment(text: &str) -> Option<UnixNanos> {
    let parsed = match text.parse::<jiff::Timestamp>() {
        Ok(at) => at,
        Err(_) => {
            let civil = text.parse::<jiff::civil::DateTime>().ok()?;
            civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp()
        }
    };
    i64::try_from(parsed.as_nanosecond()).ok().map(UnixNanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ValueType;

    #[test]
    fn lines_that_omit_nulls_become_rows_with_all_columns() {
        let text =
            b"{\"time\":\"2026-01-01T00:00:00.000000001\",\"vin\":\"A\",\"i\":9007199254740993}\n\
                     {\"time\":\"2026-01-01T00:00:01\",\"vin\":\"2026-01-01T00:00:01\",\"f\":7.0}";
        for step in [1, 10, 1000] {
            let decoder = Decoder::Lines(JsonLines::default());
            let (columns, rows) = decoder.read(text, step).expect("good lines");
            let kinds: Vec<ValueType> = columns.iter().map(|column| column.kind).collect();
            use ValueType::{Float, Integer, String, Timestamp};
            assert_eq!(kinds, [Timestamp, String, Integer, Float]);
            assert_eq!(rows[0][0], Value::Timestamp(UnixNanos(1_767_225_600_000_000_001)));
            assert_eq!(rows[0][2..], [Value::Integer(9_007_199_254_740_993), Value::Null]);
            assert_eq!(rows[1][1], Value::String("2026-01-01T00:00:01".to_owned()));
            assert_eq!(rows[1][2..], [Value::Null, Value::Float(7.0)]);
        }
    }
}
