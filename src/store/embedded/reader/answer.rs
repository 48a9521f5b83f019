//! Rows out of a statement, typed, within their bounds.

use rusqlite::{ErrorCode, Statement, types::ValueRef};

use crate::{
    model::{Column, Row, UnixNanos, Value, ValueType},
    store::ask::{AskError, AskLimits, QuestionLimit, Rows},
};

/// Bytes of rows that are handed on together, about; a single row may have more.
const CHUNK_BYTES: usize = 256 << 10;

/// Who takes an answer.
pub(super) trait Deliver {
    /// Takes the columns; once, before the rows.
    fn columns(&mut self, columns: Vec<Column>);

    /// Takes rows; false where nobody wants more.
    fn rows(&mut self, rows: Vec<Row>) -> bool;
}

/// One answer on its way.
pub(super) struct Answering<L> {
    limits: AskLimits,
    is_late: L,
    rows: usize,
    bytes: usize,
}

impl<L: Fn() -> bool> Answering<L> {
    pub(super) fn new(limits: AskLimits, is_late: L) -> Self {
        Self { limits, is_late, rows: 0, bytes: 0 }
    }

    /// Runs a statement to its end: the columns first, then the rows in chunks.
    pub(super) fn run(
        &mut self,
        statement: &mut Statement<'_>,
        taker: &mut impl Deliver,
    ) -> Result<(), AskError> {
        let declared: Vec<(String, Option<ValueType>)> = statement
            .columns()
            .map(|column| (column.name().to_owned(), column.decl_type().and_then(kind_of)))
            .collect();
        let mut rows = statement.raw_query();
        let mut chunk: Vec<Row> = Vec::new();
        let (mut is_begun, mut bytes_before) = (false, 0);
        loop {
            let next = rows.next().map_err(|error| self.ask_error(&error))?;
            let is_end = next.is_none();
            if let Some(row) = next {
                let mut values = Vec::with_capacity(declared.len());
                for (at, (_, kind)) in declared.iter().enumerate() {
                    let value = row.get_ref(at).map_err(|error| self.ask_error(&error))?;
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

    fn count(&mut self, row: &Row) -> Result<(), AskError> {
        self.rows += 1;
        if self.rows > self.limits.rows_max {
            return Err(AskError::Rows { max: self.limits.rows_max });
        }
        self.bytes += row.iter().map(weight).sum::<usize>();
        if self.bytes > self.limits.bytes_max {
            return Err(AskError::Bytes { max: self.limits.bytes_max });
        }
        Ok(())
    }

    fn ask_error(&self, error: &rusqlite::Error) -> AskError {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) if (self.is_late)() => {
                AskError::time(&self.limits)
            }
            Some(ErrorCode::OperationInterrupted) => AskError::broken("nobody waits for it"),
            _ => ask_error(error),
        }
    }
}

/// Which bound a question has passed, in SQLite's words: it has one code for most of them.
fn passed(error: &rusqlite::Error) -> Option<QuestionLimit> {
    if error.sqlite_error_code() == Some(ErrorCode::TooBig) {
        return Some(QuestionLimit::Value);
    }
    if error.sqlite_error_code() == Some(ErrorCode::OutOfMemory) {
        return Some(QuestionLimit::Memory);
    }
    let message = match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message,
        rusqlite::Error::SqlInputError { msg, .. } => msg,
        _ => return None,
    };
    let words: [(&str, QuestionLimit); 8] = [
        ("too many columns", QuestionLimit::Columns),
        ("too many terms in compound SELECT", QuestionLimit::Compounds),
        ("too many terms in", QuestionLimit::Columns),
        ("too many arguments on", QuestionLimit::Columns),
        ("Expression tree is too large", QuestionLimit::Depth),
        ("parser stack overflow", QuestionLimit::Depth),
        ("Recursion limit", QuestionLimit::Depth),
        ("LIKE or GLOB pattern too complex", QuestionLimit::Pattern),
    ];
    words.iter().find(|(words, _)| message.contains(words)).map(|(_, limit)| *limit)
}

/// What an error of SQLite means to whoever asked.
pub(super) fn ask_error(error: &rusqlite::Error) -> AskError {
    if let Some(limit) = passed(error) {
        return AskError::TooLarge { limit, max: 0 };
    }
    match error.sqlite_error_code() {
        None | Some(ErrorCode::Unknown | ErrorCode::AuthorizationForStatementDenied) => {
            AskError::refused(error.to_string())
        }
        Some(
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::PermissionDenied,
        ) => AskError::Halted { reason: error.to_string() },
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::CannotOpen
            | ErrorCode::SystemIoFailure,
        ) => AskError::Unavailable { reason: error.to_string() },
        Some(_) => AskError::refused(error.to_string()),
    }
}

/// The columns as declared, else as their first value is.
fn columns(declared: &[(String, Option<ValueType>)], rows: &[Row]) -> Vec<Column> {
    let typed = declared.iter().enumerate().map(|(at, (name, kind))| {
        let seen = || rows.iter().find_map(|row| row[at].kind());
        Column::new(name.clone(), kind.or_else(seen).unwrap_or(ValueType::String))
    });
    typed.collect()
}

/// The type of a column that is declared as our tables declare theirs.
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
        // No table of ours holds bytes, but an expression may make some.
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
