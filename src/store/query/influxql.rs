//! InfluxDB 1: `GET /query` in InfluxQL, answered in chunks of `MessagePack`.
//!
//! Why `MessagePack`: in JSON a float 7.0 is `7`, so that integers and floats look alike. Why GET:
//! with GET the server itself refuses most statements that write.

use crate::{
    model::{UnixNanos, Value, ValueType},
    store::{
        options::InfluxDb1,
        query::{
            decode::{Decoder, Shape},
            packed::{self, Fault, Packed},
            request::{QueryProtocol, Request, params},
            terms::{Rows, StoreQuery, StoreQueryError},
        },
    },
};

pub(super) fn asking(options: &InfluxDb1, query: &StoreQuery) -> QueryProtocol {
    let mut pairs = vec![("db", options.database.clone())];
    if let Some(policy) = &options.retention_policy {
        pairs.push(("rp", policy.clone()));
    }
    pairs.push(("epoch", "ns".to_owned()));
    pairs.push(("chunked", "true".to_owned()));
    pairs.push(("chunk_size", Rows::CHUNK_ROWS.to_string()));
    pairs.push(("params", params(query).to_string()));
    pairs.push(("q", query.text.clone()));
    let accept = "application/x-msgpack";
    let request = Request { path: &["query"], database: None, query: pairs, accept, body: None };
    QueryProtocol { request, decoder: Decoder::InfluxQl(InfluxQlRows::default()) }
}

/// The maximum length of one chunk; the server is asked for chunks of [`Rows::CHUNK_ROWS`] rows.
const CHUNK_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The state of decoding an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::store) struct InfluxQlRows {
    /// The bytes of an incomplete chunk.
    rest: Vec<u8>,
    /// The length of `rest` at which decoding is tried again: twice the length that was too short,
    /// so that the total cost stays proportional to the bytes.
    wanted: usize,
    /// Whether the last chunk says that another follows.
    is_partial: bool,
}

impl InfluxQlRows {
    pub(super) fn take(&mut self, bytes: &[u8], shape: &mut Shape) -> Result<(), StoreQueryError> {
        self.rest.extend_from_slice(bytes);
        if self.rest.len() < self.wanted {
            return Ok(());
        }
        self.read(shape)
    }

    fn read(&mut self, shape: &mut Shape) -> Result<(), StoreQueryError> {
        let mut at = 0;
        loop {
            match packed::first(&self.rest[at..]) {
                Ok((chunk, len)) => {
                    at += len;
                    self.chunk(chunk, shape)?;
                }
                Err(Fault::Short) => break,
                Err(Fault::Wrong) => return Err(StoreQueryError::broken("it is no MessagePack")),
            }
        }
        self.rest.drain(..at);
        if self.rest.len() > CHUNK_BYTES_MAX {
            return Err(StoreQueryError::broken("a chunk does not end"));
        }
        self.wanted = 2 * self.rest.len();
        Ok(())
    }

    pub(super) fn end(&mut self, shape: &mut Shape) -> Result<(), StoreQueryError> {
        self.read(shape)?;
        match (self.rest.is_empty(), self.is_partial) {
            (false, _) => Err(StoreQueryError::broken("it ends in the middle of a chunk")),
            // For example the server's `max-row-limit`.
            (_, true) => Err(StoreQueryError::broken("the store left out the rest of it")),
            _ => Ok(()),
        }
    }

    fn chunk(&mut self, mut chunk: Packed, shape: &mut Shape) -> Result<(), StoreQueryError> {
        if let Some(message) = chunk.take("error").and_then(Packed::into_text) {
            return Err(StoreQueryError::refused(message));
        }
        let results = chunk.take("results").ok_or_else(|| StoreQueryError::broken("no results"))?;
        for mut result in results.into_list() {
            if let Some(message) = result.take("error").and_then(Packed::into_text) {
                return Err(refusal(message));
            }
            self.is_partial = result.take("partial") == Some(Packed::Boolean(true));
            for series in result.take("series").map(Packed::into_list).unwrap_or_default() {
                rows(series, shape)?;
            }
        }
        shape.fix_when_enough();
        Ok(())
    }
}

/// The meaning of a statement's error message, after HTTP 200.
fn refusal(message: String) -> StoreQueryError {
    if message.starts_with("database not found") || message.contains("not authorized") {
        return StoreQueryError::Halted { reason: message };
    }
    if ["timeout", "interrupted", "max-concurrent-queries", "engine is closed"]
        .iter()
        .any(|words| message.contains(words))
    {
        return StoreQueryError::Unavailable { reason: message };
    }
    StoreQueryError::refused(message)
}

/// The rows of one series: the time, the tags of its group, its other columns.
fn rows(mut series: Packed, shape: &mut Shape) -> Result<(), StoreQueryError> {
    let columns = series.take("columns").map(Packed::into_list).unwrap_or_default();
    let columns: Vec<String> = columns.into_iter().filter_map(Packed::into_text).collect();
    let mut tags = match series.take("tags") {
        Some(Packed::Map(tags)) => tags,
        _ => Vec::new(),
    };
    // The server writes them in random order.
    tags.sort_by(|(one, _), (other, _)| one.cmp(other));
    let has_time = columns.first().is_some_and(|name| name == "time");
    let mut places = Vec::with_capacity(columns.len() + tags.len());
    if has_time {
        places.push(shape.place("time", Some(ValueType::Timestamp))?);
    }
    for (name, _) in &tags {
        places.push(shape.place(name, Some(ValueType::String))?);
    }
    for name in columns.iter().skip(usize::from(has_time)) {
        places.push(shape.place(name, None)?);
    }
    for row in series.take("values").map(Packed::into_list).unwrap_or_default() {
        let mut values = row.into_list().into_iter();
        let time = if has_time { values.next().map(time) } else { None };
        let tags = tags.iter().map(|(_, value)| tag(value));
        shape.push(&places, time.into_iter().chain(tags).chain(values.map(value)));
    }
    Ok(())
}

fn time(packed: Packed) -> Value {
    match value(packed) {
        Value::Integer(nanos) => Value::Timestamp(UnixNanos(nanos)),
        other => other,
    }
}

/// A series without a tag of the grouping has an empty one.
fn tag(packed: &Packed) -> Value {
    match packed {
        Packed::Text(text) if !text.is_empty() => Value::String(text.clone()),
        _ => Value::Null,
    }
}

fn value(packed: Packed) -> Value {
    match packed {
        Packed::Boolean(value) => Value::Boolean(value),
        Packed::Integer(value) => Value::Integer(value),
        Packed::Unsigned(value) => Value::Unsigned(value),
        Packed::Float(value) => Value::Float(value),
        Packed::Text(value) => Value::String(value),
        Packed::Time(at) => Value::Timestamp(at),
        Packed::Nil | Packed::List(_) | Packed::Map(_) => Value::Null,
    }
}
