//! InfluxDB 2: `POST /api/v2/query` in Flux, with parameters as a syntax tree besides the text.
//!
//! `extern` is a parsed file that the server puts in front of the query text: here it is `params =
//! {…}`. So values never become text, and the imports can stay in the first line of the text. The
//! `params` of the request itself are InfluxDB Cloud's and are ignored by the open server.
//!
//! The answer is annotated CSV: tables with their types, one below the other. An empty cell is a
//! null; Flux writes an empty string in the same way, and no reader can distinguish them. It also
//! writes LF inside a string as CR LF and omits a lone CR; both are read as LF.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::{
    model::{UnixNanos, Value, ValueType},
    store::{
        options::InfluxDb2,
        query::{
            decode::{Decoder, Shape},
            request::{Body, QueryProtocol, Request},
            terms::{StoreQuery, StoreQueryError},
        },
    },
};

pub(super) fn asking(options: &InfluxDb2, query: &StoreQuery) -> QueryProtocol {
    let mut body = json!({
        "query": query.text,
        "type": "flux",
        // Without this the answer has no types.
        "dialect": { "header": true, "annotations": ["datatype", "group", "default"] },
    });
    if !query.params.is_empty() {
        body["extern"] = file(&query.params);
    }
    let request = Request {
        path: &["api", "v2", "query"],
        database: None,
        query: vec![("org", options.org.clone())],
        accept: "application/csv",
        body: Some(Body::Json(body)),
    };
    QueryProtocol { request, decoder: Decoder::Flux(FluxRows::default()) }
}

/// `params = {…}` as the syntax tree of a file. A null is left out: `exists params.name` is false.
fn file(params: &[(String, Value)]) -> Json {
    let properties: Vec<Json> = params
        .iter()
        .filter_map(|(name, value)| {
            let key = json!({ "type": "StringLiteral", "value": name });
            Some(json!({ "type": "Property", "key": key, "value": literal(value)? }))
        })
        .collect();
    json!({
        "type": "File", "package": null, "imports": null,
        "body": [{
            "type": "VariableAssignment",
            "id": { "type": "Identifier", "name": "params" },
            "init": { "type": "ObjectExpression", "properties": properties },
        }],
    })
}

/// Integers are text in the tree, so that none is rounded.
fn literal(value: &Value) -> Option<Json> {
    let (kind, value) = match value {
        Value::Null => return None,
        Value::Timestamp(at) => {
            let at = Timestamp::from_nanosecond(i128::from(at.0)).ok()?;
            ("DateTimeLiteral", json!(at.to_string()))
        }
        Value::Float(value) => ("FloatLiteral", json!(value)),
        Value::Integer(value) => ("IntegerLiteral", json!(value.to_string())),
        Value::Unsigned(value) => ("UnsignedIntegerLiteral", json!(value.to_string())),
        Value::Boolean(value) => ("BooleanLiteral", json!(value)),
        Value::String(value) => ("StringLiteral", json!(value)),
    };
    Some(json!({ "type": kind, "value": value }))
}

/// The maximum length of one record: a string field and its escapes.
const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The state of decoding an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::store) struct FluxRows {
    rest: Vec<u8>,
    table: Table,
}

/// The table that is being read.
#[derive(Clone, Debug, Default, PartialEq)]
struct Table {
    kinds: Vec<String>,
    defaults: Vec<String>,
    /// The index of each of `columns`; known once the header was read.
    places: Option<Vec<usize>>,
    /// Which cells are columns of the answer: not the annotation, `result` and `table`.
    columns: Vec<usize>,
    /// Whether it is not a table of rows but the server's error message, after HTTP 200.
    is_error: bool,
}

impl FluxRows {
    pub(super) fn take(&mut self, bytes: &[u8], shape: &mut Shape) -> Result<(), StoreQueryError> {
        self.rest.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(len) = record_len(&self.rest[at..]) {
            let cells = cells(&self.rest[at..at + len]);
            at += len;
            self.table.record(cells, shape)?;
            shape.fix_when_enough();
        }
        self.rest.drain(..at);
        if self.rest.len() > RECORD_BYTES_MAX {
            return Err(StoreQueryError::broken("a record does not end"));
        }
        Ok(())
    }

    pub(super) fn end(&mut self, shape: &mut Shape) -> Result<(), StoreQueryError> {
        // The error table may lack its last line end.
        let rest = std::mem::take(&mut self.rest);
        match rest.is_empty() {
            true => Ok(()),
            false => self.table.record(cells(&rest), shape),
        }
    }
}

impl Table {
    fn record(&mut self, cells: Vec<String>, shape: &mut Shape) -> Result<(), StoreQueryError> {
        match cells.first().map(String::as_str) {
            None => *self = Self::default(),
            Some("") if cells.len() == 1 => *self = Self::default(),
            Some("#datatype") => *self = Self { kinds: cells, ..Self::default() },
            Some("#default") => self.defaults = cells,
            Some("#group") => {}
            _ if self.places.is_some() => self.row(cells, shape)?,
            _ => self.header(&cells, shape)?,
        }
        Ok(())
    }

    fn header(&mut self, cells: &[String], shape: &mut Shape) -> Result<(), StoreQueryError> {
        let names = cells.iter().map(|name| name.trim());
        // By their indices, because a field may have these names, too.
        let is_column = |(at, name): &(usize, &str)| {
            !matches!((*at, *name), (0, _) | (1, "result") | (2, "table"))
        };
        if cells.first().is_some_and(|name| name == "error")
            || cells.get(1).is_some_and(|name| name == "error")
        {
            self.is_error = true;
            self.places = Some(Vec::new());
            return Ok(());
        }
        let columns: Vec<(usize, &str)> = names.enumerate().filter(is_column).collect();
        let kinds = columns
            .iter()
            .map(|(at, name)| (*name, self.kinds.get(*at).map(|datatype| kind(datatype))));
        let places = shape.places(kinds)?;
        self.columns = columns.into_iter().map(|(at, _)| at).collect();
        self.places = Some(places);
        Ok(())
    }

    fn row(&self, mut cells: Vec<String>, shape: &mut Shape) -> Result<(), StoreQueryError> {
        if self.is_error {
            let message = cells.iter().find(|cell| !cell.is_empty()).cloned().unwrap_or_default();
            return Err(StoreQueryError::Unavailable { reason: message });
        }
        let values: Result<Vec<Value>, StoreQueryError> = self
            .columns
            .iter()
            .map(|at| {
                let cell = cells.get_mut(*at).map(std::mem::take).unwrap_or_default();
                let cell = match cell.is_empty() {
                    true => self.defaults.get(*at).cloned().unwrap_or_default(),
                    false => cell,
                };
                value(cell, self.kinds.get(*at).map_or("string", String::as_str))
            })
            .collect();
        shape.push(self.places.as_deref().unwrap_or_default(), values?);
        Ok(())
    }
}

fn kind(datatype: &str) -> ValueType {
    match datatype {
        "long" | "unsignedLong" => ValueType::Integer,
        "double" => ValueType::Float,
        "boolean" => ValueType::Boolean,
        text if text.starts_with("dateTime") => ValueType::Timestamp,
        _ => ValueType::String,
    }
}

fn value(cell: String, datatype: &str) -> Result<Value, StoreQueryError> {
    if cell.is_empty() {
        return Ok(Value::Null);
    }
    let parsed = match datatype {
        "long" => cell.parse().ok().map(Value::Integer),
        "unsignedLong" => cell.parse().ok().map(Value::Unsigned),
        "double" => match cell.as_str() {
            "+Inf" => Some(Value::Float(f64::INFINITY)),
            text => text.parse().ok().map(Value::Float),
        },
        "boolean" => cell.parse().ok().map(Value::Boolean),
        text if text.starts_with("dateTime") => cell
            .parse::<jiff::Timestamp>()
            .ok()
            .and_then(|at| i64::try_from(at.as_nanosecond()).ok())
            .map(|at| Value::Timestamp(UnixNanos(at))),
        _ => return Ok(Value::String(cell)),
    };
    parsed.ok_or_else(|| StoreQueryError::broken(format!("`{cell}` is no {datatype}")))
}

/// The length of the first record, with its line end; `None` if it is incomplete.
fn record_len(bytes: &[u8]) -> Option<usize> {
    let mut is_quoted = false;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' if !is_quoted => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The cells of a record; an empty line has none.
fn cells(record: &[u8]) -> Vec<String> {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    let record = record.strip_suffix(b"\r").unwrap_or(record);
    let mut cells = Vec::new();
    if record.is_empty() {
        return cells;
    }
    let mut cell = Vec::new();
    let mut is_quoted = false;
    let mut bytes = record.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if is_quoted && bytes.peek() == Some(&b'"') => {
                cell.push(b'"');
                bytes.next();
            }
            b'"' => is_quoted = !is_quoted,
            // The server writes LF inside quotes as CR LF.
            b'\r' if is_quoted && bytes.peek() == Some(&b'\n') => {}
            b',' if !is_quoted => {
                cells.push(String::from_utf8_lossy(&cell).into_owned());
                cell.clear();
            }
            byte => cell.push(byte),
        }
    }
    cells.push(String::from_utf8_lossy(&cell).into_owned());
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Column;

    fn read(text: &str, step: usize) -> Result<(Vec<Column>, Vec<Vec<Value>>), StoreQueryError> {
        Decoder::Flux(FluxRows::default()).read(text.as_bytes(), step)
    }

    #[test]
    fn tables_are_read_with_their_types_however_the_bytes_come() {
        let text = "#datatype,string,long,dateTime:RFC3339,string,unsignedLong,double\r\n\
                    #group,false,false,false,false,false,false\r\n\
                    #default,_result,,,,,\r\n\
                    ,result,table,_time,s,u,f\r\n\
                    ,,0,1970-01-01T00:00:00.000000001Z,\"a,\"\"b\r\n\"\"\",18446744073709551615,7\r\n\
                    ,,0,1970-01-01T00:00:00Z,,,-Inf\r\n\r\n\
                    #datatype,string,long,boolean,string,string\r\n\
                    #group,false,false,false,false,false\r\n\
                    #default,_result,,,,\r\n\
                    ,result,table,b,s,result\r\n\
                    ,,1,true,x,y\r\n\r\n";
        for step in [1, 7, 4096] {
            let (columns, rows) = read(text, step).expect("a good answer");
            let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            assert_eq!(names, ["_time", "s", "u", "f", "b", "result"]);
            let first = [
                Value::Timestamp(UnixNanos(1)),
                Value::String("a,\"b\n\"".to_owned()),
                Value::Unsigned(u64::MAX),
                Value::Float(7.0),
                Value::Null,
                Value::Null,
            ];
            assert_eq!(rows[0], first);
            assert_eq!(rows[1][3], Value::Float(f64::NEG_INFINITY));
            let [x, y] = ["x", "y"].map(|text| Value::String(text.to_owned()));
            let null = Value::Null;
            let last = [null.clone(), x, null.clone(), null, Value::Boolean(true), y];
            assert_eq!(rows[2], last);
        }
    }

    #[test]
    fn an_error_after_the_first_rows_is_an_error() {
        let text = "#datatype,string,long,long\r\n#group,false,false,false\r\n\
                    #default,_result,,\r\n,result,table,n\r\n,,0,1\r\n\r\n\
                    #datatype,string,string\r\n#group,true,true\r\n#default,,\r\n\
                    ,error,reference\r\n,out of memory,897\r\n";
        for text in [text, &text[text.find("\r\n\r\n").unwrap() + 4..], "error,reference\r\nx,1"] {
            assert!(matches!(read(text, 5), Err(StoreQueryError::Unavailable { .. })), "{text}");
        }
    }
}
