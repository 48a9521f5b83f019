//! Turns a [`StoreQuery`] into a request, maps a fault of the server to an error, and decodes its
//! answer, one document `{"code":0,"column_meta":[…],"data":[[…],…],"rows":n}`, into rows as it
//! arrives.

use serde_json::value::RawValue;

use crate::{
    model::{UnixNanos, Value, ValueType},
    store::{
        options::TdEngine,
        query::{
            decode::{Decoder, Shape},
            request::{Body, QueryProtocol, Request},
            tdengine::literal,
            terms::{StoreQuery, StoreQueryError},
        },
        tdengine::{Code, Fault, StatementClass},
    },
};

pub(in crate::store::query) fn asking(
    options: &TdEngine,
    query: &StoreQuery,
) -> Result<QueryProtocol, StoreQueryError> {
    let request = request(Some(options.database.clone()), literal::bind(query)?);
    Ok(QueryProtocol { request, decoder: Decoder::Rest(RestRows::default()) })
}

/// One statement, with or without a database.
pub(in crate::store::query) fn request(database: Option<String>, text: String) -> Request {
    let accept = "application/json";
    let body = Some(Body::Text(text));
    Request { path: &["rest", "sql"], database, query: Vec::new(), accept, body }
}

/// The query of a table's columns: the time first, then the fields, then the tags.
pub(in crate::store::query) fn describe(table: &str) -> Result<String, StoreQueryError> {
    if table.contains(['`', '\0']) {
        return Err(StoreQueryError::refused(format!("TDengine's SQL cannot name `{table}`")));
    }
    Ok(format!("DESCRIBE `{table}`"))
}

/// The possible names of a measurement's table: newer servers write an underscore for each dot.
pub(in crate::store::query) fn table_names(measurement: &str) -> Vec<String> {
    let mut names = vec![measurement.to_owned()];
    if measurement.contains('.') {
        names.push(measurement.replace('.', "_"));
    }
    names
}

/// Maps a fault to an error for the caller.
fn error(fault: &Fault) -> StoreQueryError {
    let mut reason = fault.text();
    reason.truncate(reason.floor_char_boundary(1024));
    match fault.code().of_question() {
        // `Fail to get table info, error: Database not exist`.
        _ if reason.contains("Database not exist") => StoreQueryError::Halted { reason },
        StatementClass::Setting => StoreQueryError::Halted { reason },
        StatementClass::Question => StoreQueryError::refused(reason),
        StatementClass::Wait => StoreQueryError::Unavailable { reason },
    }
}

/// Reads an answer that is not 200; `None` if it is not from TDengine.
pub(in crate::store::query) fn refusal(body: &[u8]) -> Option<StoreQueryError> {
    // The codes of other stores are texts.
    Fault::read(body).as_ref().map(error)
}

/// Whether a query failed because the table does not exist.
pub(in crate::store::query) fn is_table_missing(error: &StoreQueryError) -> bool {
    let StoreQueryError::Refused { message } = error else { return false };
    let digits = message.strip_prefix("[0x").and_then(|rest| rest.split_once(']'));
    let code = digits.and_then(|(digits, _)| u32::from_str_radix(digits, 16).ok());
    code.is_some_and(|code| Code(code).is_table_missing(message))
}

/// The maximum length of one row, or of one member of the document other than its rows.
const PIECE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The state of decoding an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::store) struct RestRows {
    rest: Vec<u8>,
    place: Place,
    /// The types of the columns, and the index of each.
    kinds: Vec<Kind>,
    places: Vec<usize>,
    /// The rows read so far, and the number that the document announces.
    count: u64,
    announced: Option<u64>,
    code: Option<i64>,
    desc: String,
}

/// The position of the next byte in the document's structure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Start,
    Members,
    Rows,
    End,
}

/// How a column's values are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Timestamp,
    Float,
    Integer,
    Boolean,
    Text,
}

impl RestRows {
    pub(in crate::store::query) fn take(
        &mut self,
        bytes: &[u8],
        shape: &mut Shape,
    ) -> Result<(), StoreQueryError> {
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(bytes);
        let mut at = 0;
        loop {
            let blank = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',');
            at += rest[at..].iter().position(blank).unwrap_or(rest.len() - at);
            match self.step(&rest[at..], shape)? {
                0 => break,
                len => at += len,
            }
            shape.fix_when_enough();
        }
        rest.drain(..at);
        if rest.len() > PIECE_BYTES_MAX {
            return Err(StoreQueryError::broken("a row does not end"));
        }
        self.rest = rest;
        Ok(())
    }

    pub(in crate::store::query) fn end(&self) -> Result<(), StoreQueryError> {
        if self.place != Place::End {
            // Servers of 2023 end an answer here at a NaN that somebody else has written.
            return Err(StoreQueryError::broken("it ends in the middle of a row"));
        }
        match (self.code, self.announced) {
            (Some(0), None) => Ok(()),
            (Some(0), Some(rows)) if rows == self.count => Ok(()),
            (Some(0), Some(announced)) => {
                let count = self.count;
                Err(StoreQueryError::broken(format!("it has {count} rows and says {announced}")))
            }
            (Some(code), _) => Err(error(&Fault::new(code, self.desc.clone()))),
            (None, _) => Err(StoreQueryError::broken("it has no code")),
        }
    }

    /// Takes the next piece and returns its length; 0 if it is incomplete.
    fn step(&mut self, rest: &[u8], shape: &mut Shape) -> Result<usize, StoreQueryError> {
        let Some(first) = rest.first() else { return Ok(0) };
        let misplaced = || StoreQueryError::broken("it is no answer of /rest/sql");
        match (self.place, first) {
            (Place::Start, b'{') => self.place = Place::Members,
            (Place::Members, b'}') => self.place = Place::End,
            (Place::Rows, b']') => self.place = Place::Members,
            (Place::Rows, b'[') => {
                let Some(len) = value_len(rest) else { return Ok(0) };
                self.row(&rest[..len], shape)?;
                return Ok(len);
            }
            (Place::Members, b'"') => return self.member(rest, shape),
            _ => return Err(misplaced()),
        }
        Ok(1)
    }

    /// A key with its value, or with the beginning of the rows.
    fn member(&mut self, rest: &[u8], shape: &mut Shape) -> Result<usize, StoreQueryError> {
        let Some(key_len) = value_len(rest) else { return Ok(0) };
        let key = &rest[1..key_len - 1];
        let gap = |byte: &u8| !matches!(byte, b' ' | b':');
        let Some(gap) = rest[key_len..].iter().position(gap) else { return Ok(0) };
        let at = key_len + gap;
        if key == b"data" && rest[at] == b'[' {
            if self.code == Some(0) && self.kinds.is_empty() {
                return Err(StoreQueryError::broken("its rows come before their columns"));
            }
            self.place = Place::Rows;
            return Ok(at + 1);
        }
        let Some(len) = value_len(&rest[at..]) else { return Ok(0) };
        let value = &rest[at..at + len];
        match key {
            b"code" => self.code = Some(parse(value)?),
            b"desc" => self.desc = parse(value)?,
            b"rows" => self.announced = Some(parse(value)?),
            b"column_meta" => self.columns(value, shape)?,
            _ => {}
        }
        Ok(at + len)
    }

    fn columns(&mut self, value: &[u8], shape: &mut Shape) -> Result<(), StoreQueryError> {
        let columns: Vec<(String, String, i64)> = parse(value)?;
        self.kinds = columns.iter().map(|(_, kind, _)| Kind::of(kind)).collect();
        let named = columns.iter().map(|(name, ..)| name.as_str());
        let kinds = self.kinds.iter().map(|kind| Some(kind.answers()));
        self.places = shape.places(named.zip(kinds))?;
        Ok(())
    }

    fn row(&mut self, text: &[u8], shape: &mut Shape) -> Result<(), StoreQueryError> {
        let cells: Vec<&RawValue> = parse(text)?;
        if cells.len() != self.kinds.len() {
            return Err(StoreQueryError::broken(
                "a row has not as many values as there are columns",
            ));
        }
        let values: Result<Vec<Value>, StoreQueryError> =
            self.kinds.iter().zip(cells).map(|(kind, cell)| kind.value(cell.get())).collect();
        shape.push(&self.places, values?);
        self.count += 1;
        Ok(())
    }
}

impl Kind {
    fn of(name: &str) -> Self {
        match name.to_ascii_uppercase().trim_end_matches(" UNSIGNED") {
            "TIMESTAMP" => Self::Timestamp,
            "FLOAT" | "DOUBLE" => Self::Float,
            "TINYINT" | "SMALLINT" | "INT" | "BIGINT" => Self::Integer,
            "BOOL" => Self::Boolean,
            // VARCHAR, NCHAR, JSON, VARBINARY, GEOMETRY, DECIMAL.
            _ => Self::Text,
        }
    }

    const fn answers(self) -> ValueType {
        match self {
            Self::Timestamp => ValueType::Timestamp,
            Self::Float => ValueType::Float,
            Self::Integer => ValueType::Integer,
            Self::Boolean => ValueType::Boolean,
            Self::Text => ValueType::String,
        }
    }

    /// Reads a value. Numbers are read from their digits: no integer is rounded.
    fn value(self, text: &str) -> Result<Value, StoreQueryError> {
        if text == "null" {
            return Ok(Value::Null);
        }
        let value = match self {
            Self::Timestamp => moment(text).map(Value::Timestamp),
            Self::Float => text.parse().ok().map(Value::Float),
            Self::Integer => {
                let signed = text.parse().ok().map(Value::Integer);
                signed.or_else(|| text.parse().ok().map(Value::Unsigned))
            }
            Self::Boolean => text.parse().ok().map(Value::Boolean),
            Self::Text => {
                // JSON tags and decimals are not in quotes, and stay as written.
                let read = serde_json::from_str(text).unwrap_or_else(|_| text.to_owned());
                Some(Value::String(read))
            }
        };
        value.ok_or_else(|| {
            StoreQueryError::broken(format!("`{text}` is no {}", self.answers().as_str()))
        })
    }
}

/// RFC 3339 in quotes, with as many decimals as the database has.
fn moment(text: &str) -> Option<UnixNanos> {
    let text: &str = serde_json::from_str(text).ok()?;
    let at = text.parse::<jiff::Timestamp>().ok()?;
    i64::try_from(at.as_nanosecond()).ok().map(UnixNanos)
}

fn parse<'a, T: serde::Deserialize<'a>>(text: &'a [u8]) -> Result<T, StoreQueryError> {
    serde_json::from_slice(text)
        .map_err(|error| StoreQueryError::broken(format!("a part of it cannot be read: {error}")))
}

/// The length of the first value; `None` if it is incomplete. A number or a word ends at the next
/// delimiter.
fn value_len(bytes: &[u8]) -> Option<usize> {
    let (mut depth, mut is_quoted, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => {
                is_quoted = !is_quoted;
                if !is_quoted && depth == 0 {
                    return Some(at + 1);
                }
            }
            _ if is_quoted => {}
            b',' | b' ' | b'\r' | b'\n' | b']' | b'}' if depth == 0 => return Some(at),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}
