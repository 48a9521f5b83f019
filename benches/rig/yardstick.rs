//! SQLite itself: the rows of the embedded store, inserted as fast as SQLite takes them from a
//! program that has them at hand, typed and in memory.

use std::path::Path;

use rusqlite::{Connection, types::Value};

use super::{
    Outcome,
    points::{Point, Request},
};

/// A table that is clustered by series and time, as durable as the embedded store.
#[derive(Debug)]
pub(crate) struct Yardstick {
    connection: Connection,
}

impl Yardstick {
    pub(crate) fn open(folder: &Path) -> Outcome<Self> {
        let connection = Connection::open(folder.join("yardstick.sqlite"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -65_536)?;
        connection.execute_batch(
            "CREATE TABLE points (series INTEGER NOT NULL, time INTEGER NOT NULL, f0 REAL, f1 REAL,
                 f2 REAL, f3 REAL, f4 REAL, f5 REAL, f6 REAL, f7 REAL, i0 INTEGER, i1 INTEGER,
                 b0 BOOLEAN, s0 TEXT, PRIMARY KEY (series, time)) WITHOUT ROWID",
        )?;
        Ok(Self { connection })
    }

    /// One request, sorted, in one transaction.
    pub(crate) fn insert(&self, request: &Request) -> Outcome {
        let mut points: Vec<&Point> = request.points.iter().collect();
        points.sort_unstable_by_key(|point| (point.vehicle, point.time));
        let transaction = self.connection.unchecked_transaction()?;
        let sql = format!("INSERT INTO points VALUES (?{})", ", ?".repeat(13));
        let mut insert = transaction.prepare_cached(&sql)?;
        for point in points {
            insert.raw_bind_parameter(1, i64::try_from(point.vehicle)?)?;
            insert.raw_bind_parameter(2, point.time)?;
            for (at, value) in point.floats.iter().enumerate() {
                insert.raw_bind_parameter(3 + at, value)?;
            }
            for (at, value) in point.integers.iter().enumerate() {
                insert.raw_bind_parameter(11 + at, value)?;
            }
            insert.raw_bind_parameter(13, Value::from(point.is_charging))?;
            insert.raw_bind_parameter(14, point.mode)?;
            insert.raw_execute()?;
        }
        drop(insert);
        transaction.commit()?;
        Ok(())
    }
}
