//! Parses an answer as it arrives: columns first, then row by row, then the token of the next page.

use std::{
    fmt,
    io::{BufReader, Read},
};

use jiff::Timestamp;
use serde::{
    Deserialize,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::{
    cli::failure::Failure,
    model::{Column, Row, UnixNanos, Value, ValueType},
};

/// Bytes per read from the connection.
const BUFFER_BYTES: usize = 64 * 1024;

/// The receiver of rows.
pub(in crate::cli) trait Sink {
    /// The columns of every row of the page; called once a page, before its first row.
    fn columns(&mut self, columns: &[Column]) -> Result<(), Failure>;
    /// One row.
    fn row(&mut self, row: Row) -> Result<(), Failure>;
}

/// What is known at the end of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Page {
    /// Where the next page begins, if there is one.
    pub(super) after: Option<String>,
}

/// Why reading an answer stopped early.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The connection broke, or the appliance reached a limit or lost its store: see its log;
    /// repeat the query, or reduce it.
    #[error("the answer is cut off after {rows} rows; the appliance's log says why")]
    CutOff {
        /// Rows that were received.
        rows: u64,
        /// The error of the connection.
        #[source]
        source: serde_json::Error,
    },
    /// The answer is from another server, or another version.
    #[error("the answer cannot be read after {rows} rows")]
    Unreadable {
        /// Rows that were received.
        rows: u64,
        /// The error of the parser.
        #[source]
        source: serde_json::Error,
    },
}

/// Reads a whole answer into the sink.
pub(in crate::cli) fn read(body: impl Read, sink: &mut dyn Sink) -> Result<Page, Failure> {
    let mut reading = Reading { sink, kinds: None, rows: 0, failure: None };
    let body = BufReader::with_capacity(BUFFER_BYTES, body);
    let mut json = serde_json::Deserializer::from_reader(body);
    let page = AnswerSeed(&mut reading).deserialize(&mut json);
    // The end of the body is part of the answer: a truncated one has none.
    let page = page.and_then(|page| json.end().map(|()| page));
    let rows = reading.rows;
    page.map_err(|source| match reading.failure {
        Some(failure) => failure,
        None if source.is_io() || source.is_eof() => {
            Failure::failed(ReadError::CutOff { rows, source })
        }
        None => Failure::failed(ReadError::Unreadable { rows, source }),
    })
}

struct Reading<'a> {
    sink: &'a mut dyn Sink,
    kinds: Option<Vec<ValueType>>,
    rows: u64,
    /// Why the sink accepts no more rows.
    failure: Option<Failure>,
}

impl Reading<'_> {
    /// Keeps the sink's failure and stops the parser.
    fn pass<E: serde::de::Error>(&mut self, done: Result<(), Failure>) -> Result<(), E> {
        done.map_err(|failure| {
            self.failure = Some(failure);
            E::custom("the rows are not taken")
        })
    }
}

struct AnswerSeed<'r, 'a>(&'r mut Reading<'a>);

impl<'de> DeserializeSeed<'de> for AnswerSeed<'_, '_> {
    type Value = Page;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Page, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for AnswerSeed<'_, '_> {
    type Value = Page;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer with columns and rows")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Page, A::Error> {
        let reading = self.0;
        let (mut has_rows, mut after) = (false, None);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "columns" => {
                    let columns: Vec<ColumnText> = map.next_value()?;
                    let columns: Vec<Column> = columns.into_iter().map(Column::from).collect();
                    reading.kinds = Some(columns.iter().map(|column| column.kind).collect());
                    let done = reading.sink.columns(&columns);
                    reading.pass(done)?;
                }
                "rows" => {
                    map.next_value_seed(RowsSeed(&mut *reading))?;
                    has_rows = true;
                }
                "after" => after = map.next_value::<Option<String>>()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if has_rows { Ok(Page { after }) } else { Err(A::Error::missing_field("rows")) }
    }
}

#[derive(Deserialize)]
struct ColumnText {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

impl From<ColumnText> for Column {
    fn from(text: ColumnText) -> Self {
        let kind = match text.kind.as_str() {
            "timestamp" => ValueType::Timestamp,
            "float" => ValueType::Float,
            "integer" => ValueType::Integer,
            "boolean" => ValueType::Boolean,
            _ => ValueType::String,
        };
        Self::new(text.name, kind)
    }
}

struct RowsSeed<'r, 'a>(&'r mut Reading<'a>);

impl<'de> DeserializeSeed<'de> for RowsSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RowsSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        let Some(kinds) = self.0.kinds.take() else {
            return Err(A::Error::missing_field("columns"));
        };
        while let Some(row) = rows.next_element_seed(RowSeed(&kinds))? {
            let done = self.0.sink.row(row);
            self.0.pass(done)?;
            self.0.rows += 1;
        }
        Ok(())
    }
}

struct RowSeed<'a>(&'a [ValueType]);

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = Row;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Row, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = Row;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a row of {} values", self.0.len())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Row, A::Error> {
        let mut row = Vec::with_capacity(self.0.len());
        for kind in self.0 {
            let value = values.next_element_seed(ValueSeed(*kind))?;
            row.push(value.ok_or_else(|| A::Error::invalid_length(row.len(), &self))?);
        }
        match values.next_element::<IgnoredAny>()? {
            None => Ok(row),
            Some(_) => Err(A::Error::invalid_length(row.len() + 1, &self)),
        }
    }
}

/// A value in its JSON form; the column's type only distinguishes a time from a string. A native
/// answer may hold values of another type than their column's; they are shown too.
struct ValueSeed(ValueType);

impl<'de> DeserializeSeed<'de> for ValueSeed {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for ValueSeed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a single value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Unsigned(value), Value::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        let moment = match self.0 {
            ValueType::Timestamp => text.parse::<Timestamp>().ok(),
            _ => None,
        };
        let nanos = moment.and_then(|moment| i64::try_from(moment.as_nanosecond()).ok());
        Ok(nanos.map_or_else(
            || Value::String(text.to_owned()),
            |nanos| Value::Timestamp(UnixNanos(nanos)),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Kept {
        columns: Vec<Column>,
        rows: Vec<Row>,
        rows_max: Option<usize>,
    }

    impl Sink for Kept {
        fn columns(&mut self, columns: &[Column]) -> Result<(), Failure> {
            self.columns = columns.to_vec();
            Ok(())
        }

        fn row(&mut self, row: Row) -> Result<(), Failure> {
            if self.rows_max == Some(self.rows.len()) {
                return Err(Failure::Closed);
            }
            self.rows.push(row);
            Ok(())
        }
    }

    const HEAD: &str = r#"{"columns":[{"name":"time","type":"timestamp"},{"name":"n","type":"integer"},{"name":"x","type":"float"},{"name":"s","type":"string"}],"rows":["#;

    fn told(text: &str) -> Result<(Page, Kept), String> {
        let mut kept = Kept::default();
        let page = read(text.as_bytes(), &mut kept).map_err(|failure| failure.to_string())?;
        Ok((page, kept))
    }

    #[test]
    fn values_are_exact_and_of_their_types() {
        let rows = r#"["2021-04-26T14:44:08.000000001Z",9223372036854775807,0.1,"2021-04-26T14:44:08Z"],[null,18446744073709551615,1e300,null]],"after":"token"}"#;
        let (page, kept) = told(&format!("{HEAD}{rows}")).expect("an answer");
        assert_eq!(page.after.as_deref(), Some("token"));
        let kinds: Vec<&str> = kept.columns.iter().map(|column| column.kind.as_str()).collect();
        assert_eq!(kinds, ["timestamp", "integer", "float", "string"]);
        assert_eq!(
            kept.rows,
            [
                vec![
                    Value::Timestamp(UnixNanos(1_619_448_248_000_000_001)),
                    Value::Integer(i64::MAX),
                    Value::Float(0.1),
                    Value::String("2021-04-26T14:44:08Z".to_owned()),
                ],
                vec![Value::Null, Value::Unsigned(u64::MAX), Value::Float(1e300), Value::Null],
            ]
        );
    }

    #[test]
    fn an_answer_without_its_end_is_no_short_answer() {
        let check = |rest: &str, expect: &str| {
            let error = told(&format!("{HEAD}{rest}")).expect_err(rest);
            assert!(error.starts_with(expect), "{error}");
        };
        check("", "the answer is cut off after 0 rows");
        check("[null,1,2,null]", "the answer is cut off after 1 rows");
        check("[null,1,2,null],[null,", "the answer is cut off after 1 rows");
        check("[null,1,2,null]]", "the answer is cut off after 1 rows");
        check("[null,1,2]],", "the answer cannot be read after 0 rows");
        check("[null,1,2,null,5]],", "the answer cannot be read after 0 rows");
        check("[null,{},2,null]],", "the answer cannot be read after 0 rows");
        let (page, _) = told(&format!("{HEAD}],\"after\":null}}\n")).expect("no rows");
        assert_eq!(page.after, None);
    }

    #[test]
    fn the_failure_of_whoever_takes_the_rows_is_the_one_that_is_told() {
        let mut kept = Kept { rows_max: Some(1), ..Kept::default() };
        let text = format!("{HEAD}[null,1,2,null],[null,1,2,null]],\"after\":null}}");
        assert!(matches!(read(text.as_bytes(), &mut kept), Err(Failure::Closed)));
    }
}
