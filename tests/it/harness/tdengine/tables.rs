//! The tables: made and widened by the lines that come, read by statements.

use std::collections::BTreeMap;

use influxdb_line_protocol::{FieldValue, ParsedLine, parse_lines};
use rusqlite::{Connection, ToSql, types::Value};
use serde_json::{Value as Json, json};

use super::{
    server::{answer, told},
    sqlite,
};

/// A fault of a write: the code and its words.
pub(super) type Fault = (u32, &'static str);

/// The tables of the one database.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) sqlite: Connection,
    pub(super) is_created: bool,
    /// By table: columns with their types, the time first, and whether they are tags.
    columns: BTreeMap<String, Vec<(String, &'static str, bool)>>,
}

impl Tables {
    pub(super) fn new() -> Self {
        let sqlite = Connection::open_in_memory().unwrap();
        sqlite::add_functions(&sqlite);
        Self { sqlite, is_created: false, columns: BTreeMap::new() }
    }

    /// All lines or, where one is bad, none.
    pub(super) fn write(&mut self, body: &str) -> Result<(), Fault> {
        if !self.is_created {
            return Err((0x388, "Database not exist"));
        }
        self.sqlite.execute_batch("BEGIN").unwrap();
        let lines: Vec<_> = parse_lines(body).collect();
        let written = match lines.is_empty() {
            true => Err((0x3002, "lines is null")),
            false => lines.into_iter().try_for_each(|line| match line {
                Ok(line) => self.line(&line),
                Err(_) => Err((0x3002, "Invalid data format")),
            }),
        };
        let end = if written.is_ok() { "COMMIT" } else { "ROLLBACK" };
        self.sqlite.execute_batch(end).unwrap();
        if written.is_err() {
            // What was added to the schema goes with it here; a real one keeps it.
            self.columns.retain(|table, known| {
                let text = format!("SELECT name FROM pragma_table_info('{table}')");
                let mut statement = self.sqlite.prepare(&text).unwrap();
                let names = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
                let names: Vec<String> = names.map(Result::unwrap).collect();
                known.retain(|(name, ..)| names.contains(name));
                !known.is_empty()
            });
        }
        written
    }

    fn line(&mut self, line: &ParsedLine<'_>) -> Result<(), Fault> {
        let table = line.series.measurement.as_str().to_owned();
        let time = line.timestamp.expect("each line has its time");
        let mut tags: Vec<(String, String)> = line
            .series
            .tag_set
            .iter()
            .flatten()
            .map(|(key, value)| (key.as_str().to_owned(), value.as_str().to_owned()))
            .collect();
        tags.sort();
        for (key, value) in &tags {
            assert!(value.chars().count() <= 100, "a tag `{key}` that would kill a TDengine");
        }
        let series = json!(tags).to_string();
        let mut names = vec!["series".to_owned(), "_ts".to_owned()];
        let mut values: Vec<Value> = vec![Value::Text(series), Value::Integer(time)];
        for (key, value) in tags {
            self.column(&table, &key, "NCHAR", true)?;
            names.push(key);
            values.push(Value::Text(value));
        }
        for (key, value) in &line.field_set {
            let (kind, value) = match value {
                FieldValue::I64(value) => ("BIGINT", Value::Integer(*value)),
                FieldValue::U64(value) => ("BIGINT UNSIGNED", sqlite::unsigned(*value)),
                FieldValue::F64(value) => ("DOUBLE", Value::Real(*value)),
                FieldValue::String(text) => ("VARCHAR", Value::Text(text.as_str().to_owned())),
                FieldValue::Boolean(value) => ("BOOL", Value::Integer(i64::from(*value))),
            };
            self.column(&table, key.as_str(), kind, false)?;
            names.push(key.as_str().to_owned());
            values.push(value);
        }
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let places = vec!["?"; names.len()].join(", ");
        let again: Vec<String> =
            quoted[2..].iter().map(|name| format!("{name} = excluded.{name}")).collect();
        let text = format!(
            "INSERT INTO `{table}` ({}) VALUES ({places}) ON CONFLICT (series, _ts) DO UPDATE SET {}",
            quoted.join(", "),
            again.join(", ")
        );
        let values: Vec<&dyn ToSql> = values.iter().map(|value| value as &dyn ToSql).collect();
        self.sqlite.execute(&text, values.as_slice()).unwrap();
        Ok(())
    }

    /// Adds a column that is new; one of another type is a conflict.
    fn column(
        &mut self,
        table: &str,
        name: &str,
        kind: &'static str,
        tag: bool,
    ) -> Result<(), Fault> {
        if !self.columns.contains_key(table) {
            let text = format!(
                "CREATE TABLE `{table}` (series TEXT, _ts TIMESTAMP, PRIMARY KEY (series, _ts))"
            );
            self.sqlite.execute_batch(&text).unwrap();
            self.columns.insert(table.to_owned(), vec![("_ts".to_owned(), "TIMESTAMP", false)]);
        }
        let columns = self.columns.get_mut(table).unwrap();
        match columns.iter().find(|(known, ..)| known == name) {
            Some((_, known, _)) if *known == kind => Ok(()),
            Some(_) => Err((0x203, "Invalid value in client")),
            None => {
                let text = format!("ALTER TABLE `{table}` ADD COLUMN `{name}` {kind}");
                self.sqlite.execute_batch(&text).unwrap();
                columns.push((name.to_owned(), kind, tag));
                Ok(())
            }
        }
    }

    /// A row a table.
    pub(super) fn names(&self) -> Vec<Vec<Json>> {
        self.columns.keys().map(|name| vec![json!(name)]).collect()
    }

    pub(super) fn describe(&self, table: &str) -> (u16, String) {
        let Some(columns) = self.columns.get(table) else {
            return told(9826, "Fail to get table info, error: Table does not exist");
        };
        let meta =
            [("field", "VARCHAR"), ("type", "VARCHAR"), ("length", "INT"), ("note", "VARCHAR")];
        let (fields, tags): (Vec<_>, Vec<_>) = columns.iter().partition(|(.., tag)| !tag);
        let rows: Vec<Vec<Json>> = fields
            .into_iter()
            .chain(tags)
            .map(|(name, kind, tag)| {
                vec![json!(name), json!(kind), json!(8), json!(if *tag { "TAG" } else { "" })]
            })
            .collect();
        answer(&meta, &rows)
    }

    pub(super) fn select(&self, text: &str) -> (u16, String) {
        let mut statement = match self.sqlite.prepare(&sqlite::translate(text)) {
            Ok(statement) => statement,
            Err(error) => return told(9728, &format!("syntax error: {error}")),
        };
        let declared: Vec<(String, Option<String>)> = statement
            .columns()
            .map(|column| (column.name().to_owned(), column.decl_type().map(str::to_owned)))
            .collect();
        let count = declared.len();
        let values = statement.query_map([], |row| {
            (0..count).map(|at| row.get::<_, Value>(at)).collect::<Result<Vec<_>, _>>()
        });
        let rows: Vec<Vec<Value>> = values.unwrap().map(Result::unwrap).collect();
        let kind = |(at, (name, declared)): (usize, &(String, Option<String>))| {
            let seen = rows.iter().find_map(|row| match &row[at] {
                Value::Integer(_) => Some("BIGINT"),
                Value::Real(_) => Some("DOUBLE"),
                Value::Text(_) => Some("VARCHAR"),
                Value::Blob(_) => Some("BIGINT UNSIGNED"),
                Value::Null => None,
            });
            let kind = match (name.as_str(), declared) {
                ("q_time", _) => "TIMESTAMP".to_owned(),
                (_, Some(declared)) => declared.clone(),
                (_, None) => seen.unwrap_or("BIGINT").to_owned(),
            };
            (name.clone(), kind)
        };
        let columns: Vec<(String, String)> = declared.iter().enumerate().map(kind).collect();
        let json = |(value, (_, kind)): (&Value, &(String, String))| match (value, kind.as_str()) {
            (Value::Integer(nanos), "TIMESTAMP") => {
                let at = jiff::Timestamp::from_nanosecond(i128::from(*nanos)).unwrap();
                json!(format!("{at:.9}"))
            }
            (Value::Integer(value), "BOOL") => json!(*value == 1),
            (Value::Integer(value), _) => json!(value),
            (Value::Real(value), _) => json!(value),
            (Value::Text(text), _) => json!(text),
            (Value::Blob(digits), _) => {
                json!(str::from_utf8(digits).unwrap().parse::<u64>().unwrap())
            }
            (Value::Null, _) => Json::Null,
        };
        let data: Vec<Vec<Json>> =
            rows.iter().map(|row| row.iter().zip(&columns).map(json).collect()).collect();
        let meta: Vec<(&str, &str)> =
            columns.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
        answer(&meta, &data)
    }
}
