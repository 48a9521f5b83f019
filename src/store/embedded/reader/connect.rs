//! A connection that can read measurements and cannot change anything.

use std::{ops::Range, path::Path, sync::Arc, time::Duration};

use jiff::SpanRelativeTo;
use rusqlite::{
    Connection, OpenFlags, Statement,
    functions::FunctionFlags,
    hooks::{AuthAction, AuthContext, Authorization},
    limits::Limit,
};

use crate::{
    env::Clock,
    model::UnixNanos,
    store::{
        embedded::{columns::quoted, folder::Found, reader::answer::query_error},
        options::NativeQueryLimits,
        query::{NativeQueryLimit, StoreQuery, StoreQueryError},
    },
};

/// The maximum number of files that one query can read (SQLite's `SQLITE_MAX_ATTACHED`).
pub const FILES_MAX: usize = 125;
/// Steps of SQLite's virtual machine between two checks whether to continue.
const STEPS: i32 = 10_000;
/// The maximum bytes of our own statements, such as a view over many files with many columns.
const OWN_TEXT_BYTES: u32 = 64 << 20;
/// How long to wait for a lock of the writer or of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection for one query.
pub(super) struct Connected {
    connection: Connection,
    /// Every file of the store.
    files: Vec<Found>,
    n_attached: usize,
    /// Memory of the page caches of all attached files; `None`: SQLite's default for each.
    cache_bytes: Option<u64>,
    text_bytes_max: usize,
}

impl Connected {
    pub(super) fn new(files: Vec<Found>, clock: Arc<dyn Clock>) -> Result<Self, StoreQueryError> {
        let connection = open(clock).map_err(|error| query_error(&error))?;
        Ok(Self { connection, files, n_attached: 0, cache_bytes: None, text_bytes_max: usize::MAX })
    }

    /// Interrupts the work when `should_end` returns true; checks it after a number of steps.
    pub(super) fn interrupt_when(
        &mut self,
        mut should: impl FnMut(u64) -> bool + Send + 'static,
    ) -> Result<(), StoreQueryError> {
        let should = move || should(u64::from(STEPS.unsigned_abs()));
        self.connection.progress_handler(STEPS, Some(should)).map_err(|error| query_error(&error))
    }

    /// Applies these bounds to every statement that is prepared later. The bound on memory is per
    /// process and is set elsewhere.
    pub(super) fn hold_to(&mut self, bounds: &NativeQueryLimits) -> Result<(), StoreQueryError> {
        for (limit, max) in [
            (Limit::SQLITE_LIMIT_LENGTH, bounds.value_bytes),
            (Limit::SQLITE_LIMIT_SQL_LENGTH, bounds.text_bytes.max(OWN_TEXT_BYTES)),
            (Limit::SQLITE_LIMIT_COLUMN, bounds.columns),
            (Limit::SQLITE_LIMIT_EXPR_DEPTH, bounds.depth),
            (Limit::SQLITE_LIMIT_COMPOUND_SELECT, bounds.compounds),
            (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, bounds.pattern_bytes),
            (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        ] {
            let max = i32::try_from(max).unwrap_or(i32::MAX);
            self.connection.set_limit(limit, max).map_err(|error| query_error(&error))?;
        }
        self.cache_bytes = Some(bounds.memory_bytes / 8);
        self.text_bytes_max = bounds.text_bytes as usize;
        Ok(())
    }

    /// Prepares a query, which only reads.
    pub(super) fn prepare(&self, text: &str) -> Result<Statement<'_>, StoreQueryError> {
        self.connection.prepare(text).map_err(|error| query_error(&error))
    }

    /// Attaches the measurements that a query names; after that only reading statements can be
    /// prepared.
    pub(super) fn attach_for(&mut self, query: &StoreQuery) -> Result<(), StoreQueryError> {
        if query.text.len() > self.text_bytes_max {
            return Err(StoreQueryError::TooLarge { limit: NativeQueryLimit::Text, max: 0 });
        }
        loop {
            self.connection.authorizer(Some(only_reads)).map_err(|error| query_error(&error))?;
            let missing = match self.connection.prepare(&query.text) {
                Ok(_) => return Ok(()),
                Err(error) => match missing_table(&error) {
                    Some(name) => name,
                    None => return Err(query_error(&error)),
                },
            };
            let Some(files) = self.files_of(&missing) else {
                let message = format!("there is no measurement `{missing}` in the store");
                return Err(StoreQueryError::refused(message));
            };
            let none: Option<fn(AuthContext<'_>) -> Authorization> = None;
            self.connection.authorizer(none).map_err(|error| query_error(&error))?;
            let needed = needed(&files, query.range.as_ref());
            self.attach(&missing, &needed)?;
        }
    }

    /// The files of a measurement; a measurement whose name differs only in case is taken if it is
    /// the only one.
    fn files_of(&self, name: &str) -> Option<Vec<Found>> {
        let mut names: Vec<&str> = self
            .files
            .iter()
            .map(|found| found.measurement.as_str())
            .filter(|known| known.eq_ignore_ascii_case(name))
            .collect();
        names.dedup();
        let known = match names.as_slice() {
            [only] => *only,
            several => *several.iter().find(|known| **known == name)?,
        };
        let of_it = self.files.iter().filter(|found| found.measurement == known);
        Some(of_it.cloned().collect())
    }

    /// Attaches files and creates the view over them.
    fn attach(&mut self, view: &str, files: &[&Found]) -> Result<(), StoreQueryError> {
        if self.n_attached + files.len() > FILES_MAX {
            return Err(StoreQueryError::refused(format!(
                "`{view}` lies in {} files and one question reads at most {FILES_MAX}; query for \
                 less time through /api/v1/telemetry, or keep files a month",
                files.len()
            )));
        }
        let mut parts: Vec<(String, Columns)> = Vec::new();
        for found in files {
            let schema = format!("f{}", self.n_attached);
            let uri = format!("file:{}?mode=ro", escaped(&found.path));
            let attached = self.connection.execute(&format!("ATTACH ?1 AS {schema}"), [uri]);
            attached.map_err(|error| query_error(&error))?;
            if let Some(bytes) = self.cache_bytes {
                let kib = bytes / 1024 / files.len() as u64;
                let sized = self
                    .connection
                    .execute_batch(&format!("PRAGMA {schema}.cache_size = -{}", kib.max(16)));
                sized.map_err(|error| query_error(&error))?;
            }
            self.n_attached += 1;
            let columns = self.columns(&schema, &found.measurement);
            let columns = columns.map_err(|error| query_error(&error))?;
            parts.push((format!("{schema}.{}", quoted(&found.measurement)), columns));
        }
        self.connection.execute_batch(&view_sql(view, &parts)).map_err(|error| query_error(&error))
    }

    /// Names and declared types of the columns of a view.
    fn columns(&self, schema: &str, view: &str) -> rusqlite::Result<Columns> {
        let sql = "SELECT name, type FROM pragma_table_info(?1, ?2)";
        let mut statement = self.connection.prepare(sql)?;
        statement.query_map([view, schema], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }
}

/// The files of a measurement that a query with a range of time reads: those that overlap the
/// range, or else one file, for its columns: the query's own condition excludes its points.
pub(super) fn needed<'a>(files: &'a [Found], range: Option<&Range<UnixNanos>>) -> Vec<&'a Found> {
    let wanted = |found: &&Found| range.is_none_or(|range| found.period.overlaps(range));
    let mut needed: Vec<&Found> = files.iter().filter(wanted).collect();
    if needed.is_empty() {
        needed.extend(files.last());
    }
    needed
}

type Columns = Vec<(String, String)>;

/// One view over a measurement in several files, which may have different columns.
fn view_sql(view: &str, parts: &[(String, Columns)]) -> String {
    let mut all: Columns = Vec::new();
    for (_, columns) in parts {
        for column in columns {
            if !all.contains(column) {
                all.push(column.clone());
            }
        }
    }
    let mut selects = Vec::new();
    for (table, columns) in parts {
        let column = |column: &(String, String)| match columns.contains(column) {
            true => quoted(&column.0),
            false => format!("NULL AS {}", quoted(&column.0)),
        };
        let columns: Vec<String> = all.iter().map(column).collect();
        selects.push(format!("SELECT {} FROM {table}", columns.join(", ")));
    }
    // The last part of a union determines the types of the view. If it does not have all columns,
    // an empty table with all of them is added as the last part; otherwise that is omitted, so that
    // SQLite can read a single file without a union.
    let mut types_sql = String::new();
    let last = parts.last().map_or(&[][..], |(_, columns)| columns);
    if !all.iter().all(|column| last.contains(column)) {
        let types = quoted(&format!("_types_{view}"));
        let declared: Vec<String> =
            all.iter().map(|(name, kind)| format!("{} {kind}", quoted(name))).collect();
        types_sql = format!("CREATE TEMP TABLE {types} ({}); ", declared.join(", "));
        selects.push(format!("SELECT * FROM temp.{types}"));
    }
    format!("{types_sql}CREATE TEMP VIEW {} AS {}", quoted(view), selects.join(" UNION ALL "))
}

fn open(clock: Arc<dyn Clock>) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_MEMORY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(":memory:", flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let flags = FunctionFlags::SQLITE_UTF8;
    connection.create_scalar_function("now", 0, flags, move |_| Ok(clock.wall().0))?;
    let flags = flags | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("duration", 1, flags, |arguments| {
        let text: String = arguments.get(0)?;
        let parsed = text.parse::<jiff::Span>().ok();
        let days = SpanRelativeTo::days_are_24_hours();
        let duration = parsed.and_then(|span| span.to_duration(days).ok());
        let nanos = duration.and_then(|duration| i64::try_from(duration.as_nanos()).ok());
        nanos.ok_or_else(|| {
            let why = format!("`{text}` is no duration, such as '5m' or '1h 30m'");
            rusqlite::Error::UserFunctionError(why.into())
        })
    })?;
    Ok(connection)
}

/// What a query may do.
fn only_reads(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => {
            Authorization::Allow
        }
        AuthAction::Function { function_name } if function_name != "load_extension" => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

/// The missing table, from SQLite's message: it has no code for it.
fn missing_table(error: &rusqlite::Error) -> Option<String> {
    let message = match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message,
        rusqlite::Error::SqlInputError { msg, .. } => msg,
        _ => return None,
    };
    let name = message.strip_prefix("no such table: ")?;
    Some(
        name.strip_prefix("main.")
            .or_else(|| name.strip_prefix("temp."))
            .unwrap_or(name)
            .to_owned(),
    )
}

/// A path inside a URI.
fn escaped(path: &Path) -> String {
    let mut uri = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                uri.push(char::from(*byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
