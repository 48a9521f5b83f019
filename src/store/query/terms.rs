//! A query to a store in one of its own languages, its bounds, and its answer.

use std::{fmt, ops::Range, str::FromStr, time::Duration};

use tokio::sync::mpsc;

use crate::model::{Column, FieldType, Row, UnixNanos, Value};

/// A query language of some store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// SQL: the embedded store's (SQLite), InfluxDB 3's and TDengine's.
    Sql,
    /// InfluxQL: InfluxDB 1 and 3.
    InfluxQl,
    /// Flux: InfluxDB 2.
    Flux,
}

impl Language {
    /// Every language.
    pub const ALL: &[Self] = &[Self::Sql, Self::InfluxQl, Self::Flux];

    /// The name in the API and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sql => "sql",
            Self::InfluxQl => "influxql",
            Self::Flux => "flux",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Language {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|language| language.as_str() == word).ok_or(())
    }
}

/// One query.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreQuery {
    /// The language of `text`.
    pub language: Language,
    /// The query text; it must be one statement that only reads.
    pub text: String,
    /// Values by name, which the text refers to in the way of its language (`$name` in InfluxQL and
    /// SQL, `params.name` in Flux). They are sent to the store as data and never parsed as part of
    /// the text.
    pub params: Vec<(String, Value)>,
    /// The measurements that it reads, if the caller knows them; a store that has separate files
    /// per measurement opens only these. Empty: any.
    pub measurements: Vec<String>,
    /// The range of time that it reads, if the caller knows it; a store that has separate files per
    /// day opens only these.
    pub range: Option<Range<UnixNanos>>,
    /// Who wrote `text`: an operator's text may need unlimited memory.
    pub author: Author,
}

/// Who wrote a query's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// The author of a native query.
    Operator,
    /// Fleetline, from a portable query.
    Fleetline,
}

impl StoreQuery {
    /// An operator's query, without parameters and hints.
    #[must_use]
    pub fn new(language: Language, text: impl Into<String>) -> Self {
        Self {
            language,
            text: text.into(),
            params: Vec::new(),
            measurements: Vec::new(),
            range: None,
            author: Author::Operator,
        }
    }
}

/// The bounds of one query. Past a bound its work is cancelled at the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreQueryLimits {
    /// Rows of the answer.
    pub rows_max: usize,
    /// Bytes of the answer as the store sends it; for the embedded store, of its values.
    pub bytes_max: usize,
    /// From the query to the last row.
    pub time_max: Duration,
}

/// The answer to one query, row by row.
///
/// Dropping it cancels the work at the store. At most [`Rows::CHUNKS_AHEAD`] chunks wait for the
/// receiver; past that the store's connection is not read.
#[derive(Debug)]
pub struct Rows {
    /// The columns of every row. A column that has only nulls in the first rows of an untyped
    /// answer is a string.
    pub columns: Vec<Column>,
    /// The rows, in the store's order. An error is always the last item; without one the end of the
    /// channel is the end of the answer.
    pub chunks: mpsc::Receiver<Result<Vec<Row>, StoreQueryError>>,
}

impl Rows {
    /// The bound of [`Rows::chunks`]: enough for reading and sending to overlap.
    pub const CHUNKS_AHEAD: usize = 2;
    /// Approximate rows of one chunk: a chunk of telemetry is then about 100 KB.
    pub const CHUNK_ROWS: usize = 1000;
}

impl Rows {
    /// An answer of no columns and no rows.
    pub(in crate::store) fn none() -> Self {
        // A channel without a sender is at its end.
        Self { columns: Vec::new(), chunks: mpsc::channel(1).1 }
    }

    /// The first timestamp of the first column.
    ///
    /// # Errors
    /// If the answer fails before its first row.
    pub async fn first_moment(mut self) -> Result<Option<UnixNanos>, StoreQueryError> {
        let Some(chunk) = self.chunks.recv().await else { return Ok(None) };
        Ok(chunk?.into_iter().next().and_then(|row| match row.into_iter().next() {
            Some(Value::Timestamp(at)) => Some(at),
            _ => None,
        }))
    }

    /// All rows at once.
    ///
    /// # Errors
    /// If the answer fails before its end.
    pub async fn all(mut self) -> Result<Vec<Row>, StoreQueryError> {
        let mut rows = Vec::new();
        while let Some(chunk) = self.chunks.recv().await {
            rows.extend(chunk?);
        }
        Ok(rows)
    }

    /// All texts of the first column.
    ///
    /// # Errors
    /// If the answer fails before its end.
    pub async fn first_column(mut self) -> Result<Vec<String>, StoreQueryError> {
        let mut texts = Vec::new();
        while let Some(chunk) = self.chunks.recv().await {
            let text = |row: Row| match row.into_iter().next() {
                Some(Value::String(text)) => Some(text),
                _ => None,
            };
            texts.extend(chunk?.into_iter().filter_map(text));
        }
        Ok(texts)
    }
}

/// What a store has of a measurement, whether Fleetline or somebody else wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Its tags.
    pub tags: Vec<String>,
    /// Its fields, with their types there.
    pub fields: Vec<(String, FieldType)>,
}

/// A measurement's table in a store where a query of missing columns is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name in the store, which may differ from the measurement's.
    pub name: String,
    /// Its columns: the time first, then fields and tags.
    pub columns: Vec<String>,
}

/// The bounds of a native query to the embedded store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NativeQueryLimit {
    /// Memory during the query.
    Memory,
    /// Bytes of a temporary file.
    Temporary,
    /// Bytes of one text, blob or row.
    Value,
    /// Bytes of the query text.
    Text,
    /// Columns of a result.
    Columns,
    /// Nesting of an expression.
    Depth,
    /// Parts of a compound `SELECT`.
    Compounds,
    /// Steps of SQLite's virtual machine.
    Steps,
    /// Bytes of a pattern.
    Pattern,
}

impl NativeQueryLimit {
    /// Every one.
    pub(in crate::store) const ALL: &[Self] = &[
        Self::Memory,
        Self::Temporary,
        Self::Value,
        Self::Text,
        Self::Columns,
        Self::Depth,
        Self::Compounds,
        Self::Steps,
        Self::Pattern,
    ];

    const fn what(self) -> &'static str {
        match self {
            Self::Memory => "more memory",
            Self::Temporary => "larger temporary files",
            Self::Value => "longer texts, blobs or rows",
            Self::Text => "to be longer itself",
            Self::Columns => "more columns",
            Self::Depth => "deeper expressions",
            Self::Compounds => "more parts of a compound SELECT",
            Self::Steps => "more steps of SQLite's machine",
            Self::Pattern => "longer patterns of LIKE or GLOB",
        }
    }

    /// The configuration key that sets it.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Memory => "store.question-memory-max",
            Self::Temporary => "store.question-temporary-max",
            Self::Value => "store.question-value-max",
            Self::Text => "store.question-text-max",
            Self::Columns => "store.question-columns-max",
            Self::Depth => "store.question-depth-max",
            Self::Compounds => "store.question-compounds-max",
            Self::Steps => "store.question-steps-max",
            Self::Pattern => "store.question-pattern-max",
        }
    }
}

/// Why a query failed, at once or before the end of its answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreQueryError {
    /// The store does not have this language; use one of the others.
    #[error("the store does not speak {asked}; it speaks {}", words(.spoken))]
    Language {
        /// The requested language.
        asked: Language,
        /// The languages of the store.
        spoken: Vec<Language>,
    },
    /// The query is wrong, or it would write: correct it.
    #[error("{message}")]
    Refused {
        /// What is wrong with it, in a message of the store or ours, bounded.
        message: String,
    },
    /// The store cannot be reached or is overloaded: retry later.
    #[error("the store cannot answer now: {reason}")]
    Unavailable {
        /// The reason, for the operator, bounded.
        reason: String,
    },
    /// The store will not answer until an operator changes a setting, Fleetline's or the store's.
    #[error("the store refuses all queries: {reason}")]
    Halted {
        /// The reason, for the operator, bounded.
        reason: String,
    },
    /// The answer has more rows than allowed: query less, or raise `query.rows-max`.
    #[error("the answer has more than {max} rows")]
    Rows {
        /// The bound.
        max: usize,
    },
    /// The answer is larger than allowed: query less, or raise `query.bytes-max`.
    #[error("the answer has more than {max} bytes")]
    Bytes {
        /// The bound.
        max: usize,
    },
    /// The answer takes longer than allowed: query less, or raise `query.time-max`.
    #[error("the answer takes more than {max_ms} ms")]
    Time {
        /// The bound, in milliseconds.
        max_ms: u64,
    },
    /// The query exceeds a bound of the embedded store: simplify it, or raise the key.
    #[error("the query needs {} than `{}` allows, which is {max}", .limit.what(), .limit.key())]
    TooLarge {
        /// Which bound.
        limit: NativeQueryLimit,
        /// Its value.
        max: u64,
    },
    /// A sum of integers does not fit into 64 bits: query shorter windows, fewer vehicles, or the
    /// mean.
    #[error(
        "the sum of field `{field}` does not fit into 64 bits; query for shorter windows, or its mean"
    )]
    SumOverflow {
        /// The field.
        field: String,
    },
    /// The answer is not from this kind of store, or ends in the middle: check which server is at
    /// the store's address.
    #[error("the store's answer cannot be read: {reason}")]
    Broken {
        /// What is wrong with it, bounded.
        reason: String,
    },
}

impl StoreQueryError {
    /// [`StoreQueryError::Time`] of these bounds.
    #[must_use]
    pub fn time(limits: &StoreQueryLimits) -> Self {
        let max_ms = u64::try_from(limits.time_max.as_millis()).unwrap_or(u64::MAX);
        Self::Time { max_ms }
    }

    /// An answer that cannot be read.
    pub(in crate::store) fn broken(reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        reason.truncate(reason.floor_char_boundary(1024));
        Self::Broken { reason }
    }

    /// A refused query.
    pub(in crate::store) fn refused(message: impl Into<String>) -> Self {
        let mut message = message.into();
        message.truncate(message.floor_char_boundary(1024));
        Self::Refused { message }
    }
}

fn words(languages: &[Language]) -> String {
    let words: Vec<&str> = languages.iter().map(|language| language.as_str()).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
