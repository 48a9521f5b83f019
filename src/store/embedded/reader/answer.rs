//! Reads typed rows from a statement, within their bounds.

use rusqlite::{ErrorCode, Statement, types::ValueRef};

use crate::{
    model::{Column, Row, UnixNanos, Value, ValueType},
    store::query::{NativeQueryLimit, Rows, StoreQueryError, StoreQueryLimits},
};

/// Approximate bytes of rows that are sent together; a single row may have more.
const CHUNK_BYTES: usize = 256 << 10;

/// Receives an answer.
pub(super) trait Receiver {
    /// Takes the columns; once, before the rows.
    fn columns(&mut self, columns: Vec<Column>);

    /// Takes rows; false if the receiver wants no more.
    fn rows(&mut self, rows: Vec<Row>) -> bool;
}

/// An answer that is being read.
pub(super) struct Answering<L> {
    limits: StoreQueryLimits,
    is_late: L,
    rows: usize,
    bytes: usize,
}

impl<L: Fn() -> bool> Answering<L> {
    pub(super) fn new(limits: StoreQueryLimits, is_late: L) -> Self {
        Self { limits, is_late, rows: 0, bytes: 0 }
    }

    /// Runs a statement to its end: the columns first, then the rows in chunks.
    pub(super) fn run(
        &mut self,
        statement: &mut Statement<'_>,
        taker: &mut impl Receiver,
    ) -> Result<(), StoreQueryError> {
        let declared: Vec<(String, Option<ValueType>)> = statement
            .columns()
            .map(|column| (column.name().to_owned(), column.decl_type().and_then(kind_of)))
            .collect();
        let mut rows = statement.raw_query();
        let mut chunk: Vec<Row> = Vec::new();
        let (mut is_begun, mut bytes_before) = (false, 0);
        loop {
            let next = rows.next().map_err(|error| self.query_error(&error))?;
            let is_end = next.is_none();
            if let Some(row) = next {
                let mut values = Vec::with_capacity(declared.len());
                for (at, (_, kind)) in declared.iter().enumerate() {
                    let value = row.get_ref(at).map_err(|error| self.query_error(&error))?;
                    values.push(read(value, *kind));
                }
                self.count(&values)?;
                chunk.push(values);
            }
            let is_full =
                chunk.len() >= Rows::CHUNK_ROWS || self.bytes - bytes_before >= CHUNK_BYTES;
            if !is_end && !is_full {
                continue;
            }
            bytes_before = self.bytes;
            if !is_begun {
                is_begun = true;
                taker.columns(columns(&declared, &chunk));
            }
            if !chunk.is_empty() && !taker.rows(std::mem::take(&mut chunk)) {
                return Ok(());
            }
            if is_end {
                return Ok(());
            }
        }
    }

    fn count(&mut self, row: &Row) -> Result<(), StoreQueryError> {
        self.rows += 1;
        if self.rows > self.limits.rows_max {
            return Err(StoreQueryError::Rows { max: self.limits.rows_max });
        }
        self.bytes += row.iter().map(weight).sum::<usize>();
        if self.bytes > self.limits.bytes_max {
            return Err(StoreQueryError::Bytes { max: self.limits.bytes_max });
        }
        Ok(())
    }

    fn query_error(&self, error: &rusqlite::Error) -> StoreQueryError {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) if (self.is_late)() => {
                StoreQueryError::time(&self.limits)
            }
            Some(ErrorCode::OperationInterrupted) => StoreQueryError::broken("nobody waits for it"),
            _ => query_error(error),
        }
    }
}

/// The bound that a query has exceeded, from SQLite's message: it has one code for most of them.
fn passed(error: &rusqlite::Error) -> Option<NativeQueryLimit> {
    if error.sqlite_error_code() == Some(ErrorCode::TooBig) {
        return Some(NativeQueryLimit::Value);
    }
    if error.sqlite_error_code() == Some(ErrorCode::OutOfMemory) {
        return Some(NativeQueryLimit::Memory);
    }
    let message = match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message,
        rusqlite::Error::SqlInputError { msg, .. } => msg,
        _ => return None,
    };
    let words: [(&str, NativeQueryLimit); 8] = [
        ("too many columns", NativeQueryLimit::Columns),
        ("too many terms in compound SELECT", NativeQueryLimit::Compounds),
        ("too many terms in", NativeQueryLimit::Columns),
        ("too many arguments on", NativeQueryLimit::Columns),
        ("Expression tree is too large", NativeQueryLimit::Depth),
        ("parser stack overflow", NativeQueryLimit::Depth),
        ("Recursion limit", NativeQueryLimit::Depth),
        ("LIKE or GLOB pattern too complex", NativeQueryLimit::Pattern),
    ];
    words.iter().find(|(words, _)| message.contains(words)).map(|(_, limit)| *limit)
}

/// Maps an error of SQLite to an error for the caller.
pub(super) fn query_error(error: &rusqlite::Error) -> StoreQueryError {
    if let Some(limit) = passed(error) {
        return StoreQueryError::TooLarge { limit, max: 0 };
    }
    match error.sqlite_error_code() {
        None | Some(ErrorCode::Unknown | ErrorCode::AuthorizationForStatementDenied) => {
            StoreQueryError::refused(error.to_string())
        }
        Some(
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::PermissionDenied,
        ) => StoreQueryError::Halted { reason: error.to_string() },
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::CannotOpen
            | ErrorCode::SystemIoFailure,
        ) => StoreQueryError::Unavailable { reason: error.to_string() },
        Some(_) => StoreQueryError::refused(error.to_string()),
    }
}

/// The columns with their declared types, else with the types of their first values.
fn columns(declared: &[(String, Option<ValueType>)], rows: &[Row]) -> Vec<Column> {
    let typed = declared.iter().enumerate().map(|(at, (name, kind))| {
        let seen = || rows.iter().find_map(|row| row[at].kind());
        Column::new(name.clone(), kind.or_else(seen).unwrap_or(ValueType::String))
    });
    typed.collect()
}

/// The type of a column with a declared type of our tables.
fn kind_of(declared: &str) -> Option<ValueType> {
    Some(match declared {
        "TIMESTAMP" => ValueType::Timestamp,
        "REAL" => ValueType::Float,
        "INTEGER" => ValueType::Integer,
        "BOOLEAN" => ValueType::Boolean,
        "TEXT" => ValueType::String,
        _ => return None,
    })
}

fn read(value: ValueRef<'_>, kind: Option<ValueType>) -> Value {
    match (value, kind) {
        (ValueRef::Null, _) => Value::Null,
        (ValueRef::Integer(value), Some(ValueType::Timestamp)) => {
            Value::Timestamp(UnixNanos(value))
        }
        (ValueRef::Integer(value @ (0 | 1)), Some(ValueType::Boolean)) => {
            Value::Boolean(value == 1)
        }
        (ValueRef::Integer(value), _) => Value::Integer(value),
        (ValueRef::Real(value), _) => Value::Float(value),
        (ValueRef::Text(text), _) => Value::String(String::from_utf8_lossy(text).into_owned()),
        // No table of ours holds bytes, but an expression may return some.
        (ValueRef::Blob(bytes), _) => {
            Value::String(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
        }
    }
}

/// Bytes that a value takes in memory.
fn weight(value: &Value) -> usize {
    let text = if let Value::String(text) = value { text.len() } else { 0 };
    size_of::<Value>() + text
}
