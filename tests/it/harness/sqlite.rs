//! Reads the files of the embedded store directly with SQLite.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, types::Value};
use serde_json::Value as Json;

use super::{Row, database::Stored};

/// The files below a data directory, of one measurement or (with an empty name) of all.
pub(crate) fn files(data: &Path, measurement: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(folders) = fs::read_dir(data.join("embedded")) else { return files };
    for folder in folders.map(|entry| entry.unwrap()) {
        if !measurement.is_empty() && folder.file_name() != measurement {
            continue;
        }
        for file in fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_some_and(|extension| extension == "sqlite") {
                files.push(file);
            }
        }
    }
    files.sort();
    files
}

/// The rows of a query on one file.
#[track_caller]
pub(crate) fn rows(file: &Path, sql: &str) -> Vec<Vec<Value>> {
    // A reader of a file with a write-ahead log may need to write beside it.
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement
        .query_map([], |row| (0..columns).map(|at| row.get(at)).collect::<Result<Vec<Value>, _>>());
    rows.unwrap().map(|row| row.unwrap()).collect()
}

/// The rows of a query on one file, as columns by name; an empty tag counts as absent.
#[track_caller]
pub(super) fn named_rows(file: &Path, sql: &str) -> Vec<Row> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let named = |row: &rusqlite::Row<'_>| {
        names.iter().enumerate().map(|(at, name)| Ok((name.clone(), json(row.get(at)?)))).collect()
    };
    statement.query_map([], named).unwrap().collect::<Result<_, _>>().unwrap()
}

fn json(value: Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(value) => value.into(),
        Value::Real(value) => value.into(),
        Value::Text(text) => text.into(),
        Value::Blob(bytes) => panic!("no store of ours holds bytes: {bytes:02x?}"),
    }
}

/// The types of the fields of a file, with InfluxDB's names.
pub(super) fn field_types(file: &Path) -> BTreeMap<String, String> {
    let columns = rows(file, "SELECT name, type FROM pragma_table_info('_points')");
    let mut types = BTreeMap::new();
    for column in columns {
        let [Value::Text(name), Value::Text(kind)] = &column[..] else { panic!("{column:?}") };
        let kind = match kind.as_str() {
            "REAL" => "float",
            "TEXT" => "string",
            other => &other.to_lowercase(),
        };
        if name != "_series" && name != "time" {
            types.insert(name.clone(), kind.to_owned());
        }
    }
    types
}

/// Checks every file with SQLite's integrity check.
#[track_caller]
pub(crate) fn check_integrity(data: &Path) {
    let files = files(data, "");
    assert!(!files.is_empty(), "no file in {}", data.display());
    for file in files {
        let told = rows(&file, "PRAGMA integrity_check");
        assert_eq!(told, [[Value::Text("ok".to_owned())]], "{}", file.display());
    }
}

/// The samples of a vehicle.
pub(super) fn samples(data: &Path, vin: &str) -> Vec<Stored> {
    let mut samples = Vec::new();
    for file in files(data, "sample") {
        let sql = format!("SELECT time, seq, value FROM sample WHERE vin = '{vin}'");
        for row in rows(&file, &sql) {
            let [Value::Integer(at_nanos), Value::Integer(seq), Value::Real(value)] = row[..]
            else {
                panic!("{vin}: {row:?}");
            };
            samples.push(Stored { at_nanos, seq: seq.try_into().unwrap(), value });
        }
    }
    samples
}
