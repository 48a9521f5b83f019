//! One SQLite file: the points of one measurement in one period.

use std::{collections::HashMap, path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use crate::{
    model::{
        FieldType,
        line::{self, FieldValue},
    },
    store::embedded::{
        columns::{Role, quoted},
        value::{bind, declared, kind_of},
    },
};

/// `FLT1`: marks the file as ours.
pub(super) const APPLICATION_ID: i32 = 0x464C_5431;
/// The layout of the tables.
pub(super) const VERSION: i32 = 1;
/// Series per file whose ids are cached in memory; past that the cache is emptied.
pub const SERIES_MAX: usize = 200_000;
/// Pages of the write-ahead log after which a checkpoint moves them into the file: 64 MiB. The last
/// page of every series is written in each batch until it is full, and a checkpoint moves it only
/// once.
pub const LOG_PAGES: u32 = 16_384;
/// Bytes that the log keeps on disk after a checkpoint; a long reader may have made it larger.
const LOG_BYTES_KEPT: u32 = 128 << 20;
/// How long to wait for a lock that another process holds, such as a tool that reads the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// SQLite's error.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// It is not a file of this store; move it away.
    #[error("it is not a file of this store")]
    Foreign,
    /// A later version of Fleetline wrote it.
    #[error("it has version {found} and this Fleetline knows version {VERSION}")]
    Version {
        /// The version in the file.
        found: i32,
    },
}

/// An open file, and cached knowledge about it.
#[derive(Debug)]
pub(super) struct File {
    connection: Connection,
    tags: Vec<String>,
    fields: Vec<(String, FieldType)>,
    /// Ids by series, as written in lines.
    series: HashMap<Box<[u8]>, i64>,
    /// The keys of fields as written in lines, in the order in which they were first seen, with
    /// their columns: the next key of a line is nearly always the same as in the line before.
    keys: Vec<(Box<[u8]>, usize)>,
    /// The index of a key in that order.
    places: HashMap<Box<[u8]>, usize>,
    /// A column was added, and the view does not show it yet.
    is_view_old: bool,
}

/// A field of a line, as written.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrittenField<'l> {
    pub(super) key: &'l [u8],
    pub(super) value: &'l [u8],
    /// Its column, and the column's type; `None` if it is not known yet.
    pub(super) column: Option<(usize, FieldType)>,
}

/// A point ready to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Staged {
    pub(super) series: i64,
    pub(super) time: i64,
    /// Its index among the points of the batch: of two with equal series and time the last wins.
    pub(super) order: u32,
    /// Begin and end of its values in the list of all values.
    pub(super) values: (u32, u32),
}

impl File {
    /// Opens the file of a measurement; creates it if there is none.
    pub(super) fn open(path: &Path, measurement: &str) -> Result<Self, FileError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(32);
        let is_new = is_empty(&connection)?;
        if !is_new {
            check_version(&connection)?;
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
        connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
        if is_new {
            connection.execute_batch(&format!(
                "BEGIN;
                 PRAGMA application_id = {APPLICATION_ID};
                 PRAGMA user_version = {VERSION};
                 CREATE TABLE _series (_id INTEGER PRIMARY KEY, _key TEXT NOT NULL UNIQUE);
                 CREATE TABLE _points (_series INTEGER NOT NULL, time TIMESTAMP NOT NULL,
                     PRIMARY KEY (_series, time)) WITHOUT ROWID;
                 CREATE VIEW {} AS SELECT time FROM _points;
                 COMMIT;",
                quoted(measurement)
            ))?;
        }
        let (tags, fields) = columns(&connection)?;
        Ok(Self {
            connection,
            tags,
            fields,
            series: HashMap::new(),
            keys: Vec::new(),
            places: HashMap::new(),
            is_view_old: false,
        })
    }

    /// Sets the memory of its page cache.
    pub(super) fn resize_cache(&self, bytes: u64) -> rusqlite::Result<()> {
        let kib = i64::try_from(bytes / 1024).unwrap_or(i64::MAX);
        self.connection.pragma_update(None, "cache_size", -kib)
    }

    /// The memory of its page cache.
    #[cfg(test)]
    pub(super) fn cache_bytes(&self) -> u64 {
        let kib =
            self.connection.pragma_query_value(None, "cache_size", |row| row.get::<_, i64>(0));
        kib.expect("a number").unsigned_abs() * 1024
    }

    /// Begins a transaction that may write.
    pub(super) fn begin(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE")
    }

    /// Commits the transaction; what it wrote is durable on return (EM-1).
    pub(super) fn commit(&mut self, measurement: &str) -> rusqlite::Result<()> {
        if self.is_view_old {
            self.remake_view(measurement)?;
        }
        self.connection.execute_batch("COMMIT")?;
        self.is_view_old = false;
        Ok(())
    }

    /// The cached id of a series.
    pub(super) fn known_series(&self, series: &[u8]) -> Option<i64> {
        self.series.get(series).copied()
    }

    /// The id of a series with these tags; it is created if there is none.
    pub(super) fn series(
        &mut self,
        series: &[u8],
        key: &str,
        tags: &[(String, String)],
    ) -> rusqlite::Result<i64> {
        let mut find = self.connection.prepare_cached("SELECT _id FROM _series WHERE _key = ?1")?;
        let found: Option<i64> = find.query_row([key], |row| row.get(0)).optional()?;
        drop(find);
        let id = match found {
            Some(id) => id,
            None => self.add_series(key, tags)?,
        };
        if self.series.len() >= SERIES_MAX {
            self.series.clear();
        }
        self.series.insert(series.into(), id);
        Ok(id)
    }

    fn add_series(&mut self, key: &str, tags: &[(String, String)]) -> rusqlite::Result<i64> {
        for (tag, _) in tags {
            if !self.tags.contains(tag) {
                let column = quoted(tag);
                // A vehicle is searched by its tag, in a table that is small compared to the
                // points.
                self.connection.execute_batch(&format!(
                    "ALTER TABLE _series ADD COLUMN {column} TEXT;
                     CREATE INDEX {} ON _series ({column});",
                    quoted(&format!("_series_{tag}"))
                ))?;
                self.tags.push(tag.clone());
                self.is_view_old = true;
            }
        }
        let columns: Vec<String> =
            tags.iter().map(|(tag, _)| format!(", {}", quoted(tag))).collect();
        let sql = format!(
            "INSERT INTO _series (_key{}) VALUES (?{})",
            columns.concat(),
            ", ?".repeat(tags.len())
        );
        let values = std::iter::once(key).chain(tags.iter().map(|(_, value)| value.as_str()));
        let mut insert = self.connection.prepare_cached(&sql)?;
        insert.insert(rusqlite::params_from_iter(values))
    }

    /// The next field of a line. `next` is the index at which its key is expected, 0 at the
    /// beginning of a line.
    pub(super) fn next_field<'l>(
        &self,
        fields: &mut line::Fields<'l>,
        next: &mut usize,
    ) -> Option<WrittenField<'l>> {
        let expected = self.keys.get(*next);
        if let Some((key, value)) = expected.and_then(|(key, _)| fields.next_of(key)) {
            let column = self.column_at(*next);
            *next += 1;
            return Some(WrittenField { key, value, column });
        }
        let (key, value) = fields.next()?;
        let place = self.places.get(key);
        if let Some(place) = place {
            *next = place + 1;
        }
        Some(WrittenField { key, value, column: place.and_then(|place| self.column_at(*place)) })
    }

    fn column_at(&self, place: usize) -> Option<(usize, FieldType)> {
        let (_, column) = self.keys.get(place)?;
        Some((*column, self.fields.get(*column)?.1))
    }

    /// Finds the column of a field by its name; adds it if there is none.
    pub(super) fn add_column(
        &mut self,
        key: &[u8],
        name: &str,
        kind: FieldType,
    ) -> rusqlite::Result<usize> {
        let found = self.fields.iter().position(|(known, _)| known == name);
        let column = match found {
            Some(column) => column,
            None => {
                self.connection.execute_batch(&format!(
                    "ALTER TABLE _points ADD COLUMN {} {}",
                    quoted(name),
                    declared(kind)
                ))?;
                self.fields.push((name.to_owned(), kind));
                self.is_view_old = true;
                self.fields.len() - 1
            }
        };
        self.places.insert(key.into(), self.keys.len());
        self.keys.push((key.into(), column));
        Ok(column)
    }

    /// Writes points, in the order of the file; the fields of an existing point are merged (EM-4).
    pub(super) fn insert(
        &self,
        points: &mut [Staged],
        values: &[(usize, FieldValue<'_>)],
    ) -> rusqlite::Result<()> {
        points.sort_unstable_by_key(|point| (point.series, point.time, point.order));
        let mut is_used = vec![false; self.fields.len()];
        for (column, _) in values {
            is_used[*column] = true;
        }
        let used: Vec<usize> = (0..is_used.len()).filter(|column| is_used[*column]).collect();
        let mut slot_of = vec![usize::MAX; self.fields.len()];
        for (slot, column) in used.iter().enumerate() {
            slot_of[*column] = slot;
        }
        let mut insert = self.connection.prepare_cached(&self.insert_sql(&used))?;
        let mut slots: Vec<Option<&FieldValue<'_>>> = Vec::new();
        for point in points {
            slots.clear();
            slots.resize(used.len(), None);
            for (column, value) in &values[point.values.0 as usize..point.values.1 as usize] {
                slots[slot_of[*column]] = Some(value);
            }
            insert.raw_bind_parameter(1, point.series)?;
            insert.raw_bind_parameter(2, point.time)?;
            for (slot, value) in slots.iter().enumerate() {
                match value {
                    Some(value) => bind(value, &mut insert, slot + 3)?,
                    None => insert.raw_bind_parameter(slot + 3, rusqlite::types::Null)?,
                }
            }
            insert.raw_execute()?;
        }
        Ok(())
    }

    fn insert_sql(&self, used: &[usize]) -> String {
        let names: Vec<String> =
            used.iter().map(|column| quoted(&self.fields[*column].0)).collect();
        let columns: Vec<String> = names.iter().map(|name| format!(", {name}")).collect();
        let merge: Vec<String> = names
            .iter()
            .map(|name| format!("{name} = coalesce(excluded.{name}, {name})"))
            .collect();
        format!(
            "INSERT INTO _points (_series, time{}) VALUES (?, ?{}) \
             ON CONFLICT (_series, time) DO UPDATE SET {}",
            columns.concat(),
            ", ?".repeat(names.len()),
            merge.join(", ")
        )
    }

    fn remake_view(&self, measurement: &str) -> rusqlite::Result<()> {
        let view = quoted(measurement);
        let tags = self.tags.iter().map(|tag| format!(", s.{0} AS {0}", quoted(tag)));
        let fields = self.fields.iter().map(|(field, _)| format!(", p.{0} AS {0}", quoted(field)));
        let columns: String = tags.chain(fields).collect();
        // SQLite keeps the order of a cross join: series first, then the points of each by time, as
        // they are clustered.
        self.connection.execute_batch(&format!(
            "DROP VIEW {view};
             CREATE VIEW {view} AS SELECT p.time AS time{columns}
                 FROM _series AS s CROSS JOIN _points AS p ON p._series = s._id;"
        ))
    }
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

fn check_version(connection: &Connection) -> Result<(), FileError> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    if number("application_id")? != APPLICATION_ID {
        return Err(FileError::Foreign);
    }
    match number("user_version")? {
        VERSION => Ok(()),
        found => Err(FileError::Version { found }),
    }
}

/// Opens an existing file read-only and returns its columns.
pub(super) fn look(path: &Path) -> Result<Vec<(String, Role)>, FileError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    if is_empty(&connection)? {
        return Ok(Vec::new());
    }
    check_version(&connection)?;
    let (tags, fields) = columns(&connection)?;
    let tags = tags.into_iter().map(|tag| (tag, Role::Tag));
    Ok(tags.chain(fields.into_iter().map(|(name, kind)| (name, Role::Field(kind)))).collect())
}

type Columns = (Vec<String>, Vec<(String, FieldType)>);

fn columns(connection: &Connection) -> Result<Columns, FileError> {
    let list = |table: &str| -> rusqlite::Result<Vec<(String, String)>> {
        let sql = format!("SELECT name, type FROM pragma_table_info('{table}') ORDER BY cid");
        let mut statement = connection.prepare(&sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect()
    };
    let is_ours = |name: &str| !matches!(name, "_id" | "_key" | "_series" | "time");
    let tags = list("_series")?.into_iter().map(|(name, _)| name).filter(|name| is_ours(name));
    let mut fields = Vec::new();
    for (name, declared) in list("_points")?.into_iter().filter(|(name, _)| is_ours(name)) {
        fields.push((name, kind_of(&declared).ok_or(FileError::Foreign)?));
    }
    Ok((tags.collect(), fields))
}
