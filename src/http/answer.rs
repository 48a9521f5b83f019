//! An answer as JSON or CSV, written as its rows come.

use std::io;

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use jiff::Timestamp;
use serde_json::json;

use crate::{
    http::{ApiError, parameters::Parameters},
    model::{Column, Row, UnixNanos, Value},
    query::{Answer, AskError, Part, QueryError},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Csv,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    format: Format,
    /// Nanoseconds of the unit that moments are integers of; absent: RFC 3339.
    epoch: Option<i64>,
}

impl Style {
    pub(super) fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let format = parameters.parsed("format", "json or csv", |word| match word {
            "json" => Some(Format::Json),
            "csv" => Some(Format::Csv),
            _ => None,
        })?;
        let epoch = parameters.parsed("epoch", "ns, us, ms or s", |word| match word {
            "ns" => Some(1),
            "us" => Some(1_000),
            "ms" => Some(1_000_000),
            "s" => Some(1_000_000_000),
            _ => None,
        })?;
        Ok(Self { format: format.unwrap_or(Format::Json), epoch })
    }
}

/// Waits for the first part, which decides the status; the rest is written as it comes.
pub(super) async fn respond(mut answer: Answer, style: Style) -> Result<Response, ApiError> {
    let first = answer.parts.recv().await.unwrap_or_else(|| Err(cut_off()));
    let first = first.map_err(QueryError::Ask)?;
    let content_type = match style.format {
        Format::Json => "application/json",
        Format::Csv => "text/csv; charset=utf-8",
    };
    let mut text = String::new();
    let mut writer = Writer { style, rows: 0 };
    writer.head(&answer.columns, &mut text);
    let is_end = writer.part(&first, &mut text);
    let state = (answer, writer, Some(text), is_end);
    let body = stream::unfold(state, |(mut answer, mut writer, begin, is_end)| async move {
        if let Some(text) = begin {
            return Some((Ok(Bytes::from(text)), (answer, writer, None, is_end)));
        }
        if is_end {
            return None;
        }
        let mut text = String::new();
        let part = answer.parts.recv().await.unwrap_or_else(|| Err(cut_off()));
        match part {
            Ok(part) => {
                let is_end = writer.part(&part, &mut text);
                Some((Ok(Bytes::from(text)), (answer, writer, None, is_end)))
            }
            Err(error) => {
                // HT-2: an error in a body makes the server close the connection.
                tracing::warn!(%error, "an answer is cut off");
                Some((Err(io::Error::other(error)), (answer, writer, None, true)))
            }
        }
    });
    Ok(([(header::CONTENT_TYPE, content_type)], Body::from_stream(body)).into_response())
}

fn cut_off() -> AskError {
    AskError::Broken { reason: "it ends in the middle".to_owned() }
}

struct Writer {
    style: Style,
    rows: usize,
}

impl Writer {
    fn head(&self, columns: &[Column], out: &mut String) {
        match self.style.format {
            Format::Json => {
                let column =
                    |column: &Column| json!({ "name": column.name, "type": column.kind.as_str() });
                let columns: Vec<_> = columns.iter().map(column).collect();
                out.push_str(r#"{"columns":"#);
                out.push_str(&json!(columns).to_string());
                out.push_str(r#","rows":["#);
            }
            Format::Csv => {
                let names = columns.iter().map(|column| Value::String(column.name.clone()));
                self.csv(&names.collect(), out);
            }
        }
    }

    /// Whether that was the last part.
    fn part(&mut self, part: &Part, out: &mut String) -> bool {
        match part {
            Part::Rows(rows) => {
                for row in rows {
                    match self.style.format {
                        Format::Json => self.json(row, out),
                        Format::Csv => self.csv(row, out),
                    }
                    self.rows += 1;
                }
                false
            }
            Part::End { after } => {
                if self.style.format == Format::Json {
                    out.push_str(r#"],"after":"#);
                    out.push_str(&json!(after).to_string());
                    out.push('}');
                }
                true
            }
        }
    }

    fn json(&self, row: &Row, out: &mut String) {
        out.push_str(if self.rows == 0 { "[" } else { ",[" });
        for (at, value) in row.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            match value {
                Value::Null => out.push_str("null"),
                Value::Timestamp(at) => match self.moment(*at) {
                    Ok(number) => out.push_str(itoa::Buffer::new().format(number)),
                    Err(text) => out.push_str(&format!("\"{text}\"")),
                },
                // JSON has no word for NaN and infinity.
                Value::Float(value) => out.push_str(&json!(value).to_string()),
                Value::Integer(value) => out.push_str(itoa::Buffer::new().format(*value)),
                Value::Unsigned(value) => out.push_str(itoa::Buffer::new().format(*value)),
                Value::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
                Value::String(value) => out.push_str(&json!(value).to_string()),
            }
        }
        out.push(']');
    }

    /// A null is an empty cell, an empty text one of quotes.
    fn csv(&self, row: &Row, out: &mut String) {
        for (at, value) in row.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            match value {
                Value::Null => {}
                Value::Timestamp(at) => match self.moment(*at) {
                    Ok(number) => out.push_str(itoa::Buffer::new().format(number)),
                    Err(text) => out.push_str(&text),
                },
                Value::Float(value) => out.push_str(&json!(value).to_string()),
                Value::Integer(value) => out.push_str(itoa::Buffer::new().format(*value)),
                Value::Unsigned(value) => out.push_str(itoa::Buffer::new().format(*value)),
                Value::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
                Value::String(value) => {
                    let is_plain = !value.is_empty() && !value.contains([',', '"', '\n', '\r']);
                    match is_plain {
                        true => out.push_str(value),
                        false => out.push_str(&format!("\"{}\"", value.replace('"', "\"\""))),
                    }
                }
            }
        }
        out.push('\n');
    }

    /// A number where a unit was asked for, else RFC 3339 with the decimals that it has.
    fn moment(&self, at: UnixNanos) -> Result<i64, String> {
        match self.style.epoch {
            Some(unit) => Ok(at.0.div_euclid(unit)),
            None => Err(rfc3339(at)),
        }
    }
}

/// A moment as people read it, in UTC; one that the calendar does not reach, in nanoseconds.
pub(super) fn rfc3339(at: UnixNanos) -> String {
    Timestamp::from_nanosecond(i128::from(at.0))
        .map_or_else(|_| at.0.to_string(), |moment| moment.to_string())
}
