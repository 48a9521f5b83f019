//! Opens the file of commands, and defines its tables.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use crate::env::disk::{Disk as _, RealDisk};

/// `FLD1`: marks the file as ours.
const APPLICATION_ID: i32 = 0x464C_4431;
/// The layout of the tables.
const VERSION: i32 = 5;
/// How long to wait for a lock that another process holds, such as a tool that reads the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that the log keeps on disk after a checkpoint.
const LOG_BYTES_KEPT: u32 = 16 << 20;
/// The writer's page cache in KiB: enough for the inner pages of some millions of commands.
const CACHE_KIB: i64 = 64 << 10;

const TABLES: &str = "
    CREATE TABLE command (
        seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, vehicle TEXT NOT NULL, name TEXT,
        fields TEXT, topic TEXT NOT NULL, payload BLOB NOT NULL, qos INTEGER NOT NULL,
        created INTEGER NOT NULL, expires INTEGER NOT NULL, execute_within INTEGER,
        ordering TEXT NOT NULL, response_topic TEXT, supersede TEXT, still TEXT,
        idempotency TEXT, digest BLOB, who TEXT NOT NULL,
        state INTEGER NOT NULL, cause TEXT, due INTEGER, cancel_requested INTEGER NOT NULL,
        maybe_received INTEGER NOT NULL, ended INTEGER);
    CREATE INDEX command_vehicle ON command (vehicle, seq);
    CREATE INDEX command_state ON command (state, seq);
    CREATE UNIQUE INDEX command_idempotency ON command (vehicle, idempotency)
        WHERE idempotency IS NOT NULL;
    CREATE INDEX command_ended ON command (ended) WHERE ended IS NOT NULL;
    CREATE TABLE change (
        number INTEGER PRIMARY KEY, command INTEGER NOT NULL, at INTEGER NOT NULL,
        what INTEGER NOT NULL, cause TEXT, detail TEXT);
    CREATE INDEX change_command ON change (command, number);
    CREATE TABLE audit (
        number INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL,
        id BLOB NOT NULL, vehicle TEXT NOT NULL, name TEXT);
    CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
";

/// What version 2 adds to version 1: pushes.
const PUSHES: &str = "
    ALTER TABLE command ADD COLUMN run INTEGER;
    ALTER TABLE command ADD COLUMN held INTEGER;
    ALTER TABLE command ADD COLUMN evidence TEXT;
    ALTER TABLE command ADD COLUMN verified INTEGER;
    CREATE INDEX command_run ON command (run, state) WHERE run IS NOT NULL;
    CREATE INDEX command_verified ON command (verified, run) WHERE verified = 0;
    CREATE TABLE push (
        seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, name TEXT NOT NULL, spec TEXT NOT NULL,
        who TEXT NOT NULL, vehicles TEXT, created INTEGER NOT NULL, state INTEGER NOT NULL,
        idempotency TEXT, digest BLOB, ended INTEGER, past TEXT);
    CREATE UNIQUE INDEX push_idempotency ON push (idempotency) WHERE idempotency IS NOT NULL;
    CREATE INDEX push_name ON push (name);
    CREATE TABLE run (
        seq INTEGER PRIMARY KEY, push INTEGER NOT NULL, at INTEGER NOT NULL,
        state INTEGER NOT NULL, cause TEXT, query TEXT NOT NULL, rows INTEGER NOT NULL,
        unknown INTEGER NOT NULL, duplicate INTEGER NOT NULL, once_per INTEGER NOT NULL,
        open_max INTEGER NOT NULL, not_allowed INTEGER NOT NULL, targeted INTEGER NOT NULL,
        abort_above REAL, wave INTEGER NOT NULL, wave_at INTEGER, ended INTEGER);
    CREATE INDEX run_push ON run (push, seq);
    CREATE INDEX run_state ON run (state);
";

/// What version 3 adds to version 2: raised alarms.
const ALARMS: &str = "
    CREATE TABLE alarm (
        name TEXT NOT NULL, vehicle TEXT NOT NULL, at INTEGER NOT NULL, key BLOB NOT NULL,
        PRIMARY KEY (name, vehicle)) WITHOUT ROWID;
    CREATE INDEX alarm_at ON alarm (at);
";

/// What version 4 adds to version 3: when a scheduled push runs next.
const SCHEDULES: &str = "
    ALTER TABLE push ADD COLUMN next INTEGER;
";

/// What version 5 adds to version 4: how often a command was sent, and the persistent session to
/// which it was sent.
const SESSIONS: &str = "
    ALTER TABLE command ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE command ADD COLUMN session INTEGER;
";

/// The statements that each version adds to the one before, from the first on.
const STEPS: [&str; 5] = [TABLES, PUSHES, ALARMS, SCHEDULES, SESSIONS];

/// Why the file of commands cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its folder cannot be created. Check the data directory.
    #[error("the folder `{}` cannot be made", dir.display())]
    Folder {
        /// Which.
        dir: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// SQLite cannot open or read it. Check the disk.
    #[error("`{}` cannot be read", path.display())]
    Sqlite {
        /// Which file.
        path: PathBuf,
        /// SQLite's error.
        #[source]
        source: rusqlite::Error,
    },
    /// It is not a file of commands. Move it away.
    #[error("`{}` is not a file of commands", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// A later version of Fleetline wrote it. Run that version.
    #[error("`{}` has version {found} and this Fleetline knows version {VERSION}", path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// The version in the file.
        found: i32,
    },
    /// No thread can be started.
    #[error("the thread of commands cannot be started")]
    Thread(#[source] io::Error),
}

/// The name of the file.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("commands.sqlite")
}

/// Opens the file for writing; creates it if there is none.
pub(super) fn open(dir: &Path) -> Result<Connection, OpenError> {
    RealDisk
        .create_dirs(dir)
        .map_err(|source| OpenError::Folder { dir: dir.to_owned(), source })?;
    let path = path(dir);
    let failed = |source| OpenError::Sqlite { path: path.clone(), source };
    let connection = Connection::open(&path).map_err(failed)?;
    let is_new = prepare(&connection).map_err(failed)?;
    let number = |name: &str| {
        connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).map_err(failed)
    };
    if is_new {
        let id = format!("PRAGMA application_id = {APPLICATION_ID};");
        take_over(&connection, 0, &id).map_err(failed)?;
    } else if number("application_id")? != APPLICATION_ID {
        return Err(OpenError::Foreign { path });
    } else {
        match number("user_version")? {
            found @ 1..=VERSION => take_over(&connection, found, "").map_err(failed)?,
            found => return Err(OpenError::Version { path, found }),
        }
    }
    Ok(connection)
}

/// Upgrades a file of an earlier version; a file of version 0 is empty.
fn take_over(connection: &Connection, found: i32, first: &str) -> rusqlite::Result<()> {
    let done = usize::try_from(found).unwrap_or(0);
    if done < STEPS.len() {
        let steps = STEPS[done..].concat();
        let text = format!("BEGIN; {first} PRAGMA user_version = {VERSION}; {steps} COMMIT;");
        connection.execute_batch(&text)?;
    }
    Ok(())
}

/// Sets the pragmas for writing; returns whether the file is empty.
fn prepare(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(64);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    Ok(tables == 0)
}

/// Opens the file for reading.
pub(super) fn open_to_read(dir: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path(dir), flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_earlier_versions_are_upgraded_and_a_later_one_is_refused() {
        for version in 1..STEPS.len() {
            let dir = tempfile::tempdir().expect("a folder");
            let old = Connection::open(path(dir.path())).expect("a new file");
            let text = format!(
                "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version};
                 {} INSERT INTO audit VALUES (1, 2, 'tests', 'send', x'00', 'V', NULL);",
                STEPS[..version].concat()
            );
            old.execute_batch(&text).expect("the tables of that version");
            drop(old);
            let new = open(dir.path()).expect("it is taken over");
            let count = |(what, table): (&str, &str)| -> i64 {
                let text = format!("SELECT count({what}) FROM {table}");
                new.query_row(&text, [], |row| row.get(0)).expect("a table with that column")
            };
            let all = [("*", "audit"), ("next", "push"), ("attempts", "command"), ("*", "alarm")];
            assert_eq!(all.map(count), [1, 0, 0, 0]);
            new.pragma_update(None, "user_version", VERSION + 1).expect("a later one");
            drop(new);
            let refused = open(dir.path());
            assert!(
                matches!(refused, Err(OpenError::Version { found: later, .. }) if later > VERSION)
            );
        }
    }
}
