//! An answer as JSON or CSV, streamed as its rows arrive.

use std::{io, num::NonZeroI64};

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde_json::json;

use crate::{
    http::{ApiError, parameters::Parameters},
    model::{Column, Row},
    query::{
        Answer, EpochUnit, Part, QueryError, StoreQueryError, push_csv, push_csv_head, push_json,
    },
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Csv,
}

/// The format of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    format: Format,
    epoch: EpochUnit,
}

impl Style {
    pub(super) fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let format = parameters.parsed("format", "json or csv", |word| match word {
            "json" => Some(Format::Json),
            "csv" => Some(Format::Csv),
            _ => None,
        })?;
        let epoch = parameters.parsed("epoch", "ns, us, ms or s", |word| match word {
            "ns" => NonZeroI64::new(1),
            "us" => NonZeroI64::new(1_000),
            "ms" => NonZeroI64::new(1_000_000),
            "s" => NonZeroI64::new(1_000_000_000),
            _ => None,
        })?;
        Ok(Self { format: format.unwrap_or(Format::Json), epoch })
    }

    /// The unit of times, also of those in the query.
    pub(super) fn epoch(self) -> EpochUnit {
        self.epoch
    }
}

/// Waits for the first part, which decides the status; the rest is streamed.
pub(super) async fn respond(mut answer: Answer, style: Style) -> Result<Response, ApiError> {
    let first = answer.parts.recv().await.unwrap_or_else(|| Err(cut_off()));
    let first = first.map_err(QueryError::Store)?;
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

fn cut_off() -> StoreQueryError {
    StoreQueryError::Broken { reason: "it ends in the middle".to_owned() }
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
            Format::Csv => push_csv_head(columns, out),
        }
    }

    /// Whether that was the last part.
    fn part(&mut self, part: &Part, out: &mut String) -> bool {
        match part {
            Part::Rows(rows) => {
                for row in rows {
                    match self.style.format {
                        Format::Json => self.json(row, out),
                        Format::Csv => push_csv(row, self.style.epoch, out),
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
            push_json(value, self.style.epoch, out);
        }
        out.push(']');
    }
}
