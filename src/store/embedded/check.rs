//! Checks the files that were open at a crash, in the background.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::env::Clock;

/// The maximum time to check one file after a crash; a larger file is not checked to its end.
pub const CHECK_TIME_MAX: Duration = Duration::from_secs(60);
/// Steps of SQLite's virtual machine between two checks of the clock.
const STEPS: i32 = 10_000;

/// A file that SQLite reports as damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Damaged {
    pub(super) path: PathBuf,
    pub(super) reason: String,
}

/// Checks the files on a separate thread, which ends after the last one.
pub(super) fn start(
    paths: Vec<PathBuf>,
    clock: Arc<dyn Clock>,
    found: impl Fn(Damaged) + Send + 'static,
) {
    if paths.is_empty() {
        return;
    }
    let check_all = move || {
        for path in paths {
            let since = clock.monotonic();
            let watched = Arc::clone(&clock);
            let is_late = move || watched.monotonic().saturating_sub(since) > CHECK_TIME_MAX;
            let checked = match check(&path, is_late.clone()) {
                // A single error may come from memory or the bus.
                Ok(Some(_)) => check(&path, is_late),
                checked => checked,
            };
            match checked {
                Ok(None) => tracing::info!(path = %path.display(), "whole after the crash"),
                Ok(Some(reason)) => {
                    tracing::error!(path = %path.display(), reason, "damaged");
                    found(Damaged { path, reason });
                }
                Err(error)
                    if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) =>
                {
                    tracing::warn!(path = %path.display(), "too large to be read through in time");
                }
                Err(error) => tracing::warn!(path = %path.display(), %error, "cannot be checked"),
            }
        }
    };
    let thread = std::thread::Builder::new().name("embedded-check".to_owned());
    if let Err(error) = thread.spawn(check_all) {
        tracing::warn!(%error, "no thread to check the embedded store after the crash");
    }
}

/// What is wrong with a file, as SQLite reports it; `None` if nothing.
fn check(
    path: &Path,
    is_late: impl FnMut() -> bool + Send + 'static,
) -> rusqlite::Result<Option<String>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.progress_handler(STEPS, Some(is_late))?;
    let checked = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match checked {
        Ok(word) if word == "ok" => Ok(None),
        Ok(reason) => Ok(Some(reason)),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Ok(Some(error.to_string()))
            }
            _ => Err(error),
        },
    }
}
