//! The tables: lines create them, widen them and fill them with rows.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use rusqlite::{Connection, ToSql, types};
use serde_json::{Value as Json, json};

use super::{
    lines::{Fault, Line, Value},
    schema::{Column, Kind, Schema},
    select::{answer, statement_error},
    sqlite,
};

/// How long the database keeps points, by default.
const KEEP_DAYS: i64 = 3_650;
/// The most columns of a table in SQLite, without those that every row has.
const SQLITE_COLUMNS_MAX: usize = 1_990;
const DAY_NANOS: i64 = 86_400_000_000_000;

/// The tables of the one database.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) sqlite: Connection,
    /// When the database was created; `None` while it is missing.
    pub(super) created: Option<std::time::Instant>,
    pub(super) is_single_stable: bool,
    schemas: BTreeMap<String, Schema>,
    /// Tables to which requests are adding columns now, with those columns.
    extending: Vec<(u64, String, BTreeSet<String>)>,
    requests: u64,
    /// How often two requests have met at a table that did not exist.
    meetings: u32,
}

/// A request whose schema changes are under way.
pub(super) struct Extending {
    id: u64,
    changes: Vec<(String, Schema)>,
    /// It adds columns, which takes a while.
    pub(super) is_slow: bool,
    /// Another request was changing one of its tables.
    pub(super) has_met: bool,
}

/// The vgroup that holds a child table's rows.
pub(super) fn vgroup(series: &str) -> i64 {
    let mut hasher = DefaultHasher::new();
    series.hash(&mut hasher);
    i64::try_from(hasher.finish() % 2).unwrap()
}

impl Tables {
    pub(super) fn new() -> Self {
        let sqlite = Connection::open_in_memory().unwrap();
        sqlite::add_functions(&sqlite);
        Self {
            sqlite,
            created: None,
            is_single_stable: false,
            schemas: BTreeMap::new(),
            extending: Vec::new(),
            requests: 0,
            meetings: 0,
        }
    }

    /// Begins the schema changes that the lines need.
    pub(super) fn extend(&mut self, lines: &[Line]) -> Result<Extending, Fault> {
        let mut next: BTreeMap<&str, Schema> = BTreeMap::new();
        // In the order of the tables; those before a conflict stay changed.
        let mut order: Vec<&str> = Vec::new();
        for line in lines {
            if !order.contains(&line.table.as_str()) {
                order.push(&line.table);
            }
        }
        let mut changes = Vec::new();
        let mut has_met = false;
        for table in order {
            let known = self.schemas.get(table);
            match known {
                Some(known) if known.is_normal => {
                    return self.fail(changes, (0x603, "Table already exists".to_owned()));
                }
                Some(known) if known.has_primary_key => {
                    let words = "Can not insert data into table with primary key".to_owned();
                    return self.fail(changes, (0x3006, words));
                }
                None if self.is_single_stable && !self.schemas.is_empty() => {
                    let words = "Database is single stable mode".to_owned();
                    return self.fail(changes, (0x3c5, words));
                }
                _ => {}
            }
            let (base, is_new) = (known.cloned().unwrap_or_default(), known.is_none());
            let of_table = lines.iter().filter(|line| line.table == table);
            let schema = match base.grown(of_table, is_new) {
                Ok(schema) => schema,
                Err(fault) => return self.fail(changes, fault),
            };
            next.insert(table, schema.clone());
            let added: BTreeSet<String> = schema
                .columns
                .iter()
                .filter(|column| base.find(&column.name).is_none())
                .map(|column| column.name.clone())
                .collect();
            let others: BTreeSet<String> = self
                .extending
                .iter()
                .filter(|(_, name, _)| name == table)
                .flat_map(|(.., columns)| columns.iter().cloned())
                .collect();
            has_met |= !others.is_empty();
            let meets = !others.is_empty() && !added.is_empty() && added != others;
            if meets {
                // Two requests that create a table at the same time rarely fail; two that extend
                // one always do.
                self.meetings += 1;
                if !is_new {
                    return self.fail(changes, (0x3002, "Invalid data format".to_owned()));
                }
                if self.meetings.is_multiple_of(16) {
                    return self.fail(changes, (0x200, "Invalid data format".to_owned()));
                }
            }
            changes.push((table.to_owned(), schema, added));
        }
        let changes: Vec<(String, Schema, BTreeSet<String>)> =
            changes.into_iter().filter(|(table, ..)| self.differs(table, &next)).collect();
        self.requests += 1;
        let id = self.requests;
        let mut is_slow = false;
        for (table, _, added) in &changes {
            if !added.is_empty() {
                self.extending.push((id, table.clone(), added.clone()));
                is_slow = true;
            }
        }
        let changes = changes.into_iter().map(|(table, schema, _)| (table, schema)).collect();
        Ok(Extending { id, changes, is_slow, has_met })
    }

    fn differs(&self, table: &str, next: &BTreeMap<&str, Schema>) -> bool {
        let known = self.schemas.get(table);
        let (known, next) = (known.map(|it| &it.columns), &next[table].columns);
        known.is_none_or(|known| {
            known.len() != next.len()
                || known.iter().zip(next).any(|(one, other)| one.width != other.width)
        })
    }

    /// Reports a conflict after other tables were changed already.
    fn fail(
        &mut self,
        changes: Vec<(String, Schema, BTreeSet<String>)>,
        fault: Fault,
    ) -> Result<Extending, Fault> {
        for (table, schema, _) in changes {
            self.declare(&table, &schema);
        }
        Err(fault)
    }

    /// Ends the schema changes, and stores the rows.
    pub(super) fn store(&mut self, lines: &[Line], extending: &Extending) -> Result<(), Fault> {
        for (table, schema) in &extending.changes {
            // Another request may have added other columns meanwhile.
            let mut joined = self.schemas.get(table).cloned().unwrap_or_default();
            for column in &schema.columns {
                match joined.columns.iter_mut().find(|known| known.name == column.name) {
                    Some(known) => known.width = known.width.max(column.width),
                    None => joined.columns.push(column.clone()),
                }
            }
            self.declare(table, &joined);
        }
        self.extending.retain(|(id, ..)| *id != extending.id);
        let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap();
        let is_out = |line: &Line| line.time < now - KEEP_DAYS * DAY_NANOS || line.time == i64::MAX;
        let bad: BTreeSet<i64> =
            lines.iter().filter(|line| is_out(line)).map(|line| vgroup(&series(line))).collect();
        self.sqlite.execute_batch("BEGIN").unwrap();
        for line in lines {
            // Found only in the storage: rows of the other vgroup are stored all the same.
            if !bad.contains(&vgroup(&series(line))) {
                self.insert(line);
            }
        }
        self.sqlite.execute_batch("COMMIT").unwrap();
        match bad.is_empty() {
            true => Ok(()),
            false => Err((0x60b, "Timestamp data out of range".to_owned())),
        }
    }

    /// Makes or widens a table.
    pub(super) fn declare(&mut self, table: &str, schema: &Schema) {
        let quoted = table.replace('`', "");
        let known = self.schemas.entry(table.to_owned()).or_default();
        // SQLite has at most 2,000 columns: the columns beyond that are declared, but cannot be
        // queried here.
        let room = SQLITE_COLUMNS_MAX.saturating_sub(known.columns.len());
        let added = schema.columns.iter().filter(|column| known.find(&column.name).is_none());
        let added = added.take(room).map(|it| format!("`{}` {}", it.name, it.kind.word()));
        let added: Vec<String> = added.collect();
        if known.columns.is_empty() {
            let columns: String = added.iter().map(|column| format!("{column}, ")).collect();
            let text = format!(
                "CREATE TABLE IF NOT EXISTS `{quoted}` (series TEXT, _ts TIMESTAMP, {columns} \
                 PRIMARY KEY (series, _ts))"
            );
            self.sqlite.execute_batch(&text).unwrap();
        } else {
            for column in added {
                let text = format!("ALTER TABLE `{quoted}` ADD COLUMN {column}");
                self.sqlite.execute_batch(&text).unwrap();
            }
        }
        *known = schema.clone();
    }

    fn insert(&self, line: &Line) {
        let mut names = vec!["series".to_owned(), "_ts".to_owned()];
        let mut values: Vec<types::Value> =
            vec![types::Value::Text(series(line)), types::Value::Integer(line.time)];
        for (key, value) in &line.tags {
            names.push(key.clone());
            values.push(types::Value::Text(value.clone()));
        }
        for (key, value, _) in &line.fields {
            names.push(key.clone());
            values.push(stored(value));
        }
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let places = vec!["?"; names.len()].join(", ");
        let again: Vec<String> =
            quoted[2..].iter().map(|name| format!("{name} = excluded.{name}")).collect();
        let table = &line.table;
        let text = format!(
            "INSERT INTO `{table}` ({}) VALUES ({places}) ON CONFLICT (series, _ts) DO UPDATE SET {}",
            quoted.join(", "),
            again.join(", ")
        );
        let values: Vec<&dyn ToSql> = values.iter().map(|value| value as &dyn ToSql).collect();
        match self.sqlite.execute(&text, values.as_slice()) {
            Ok(_) => {}
            // The table is wider than SQLite allows: only the existence of the row is stored.
            Err(_) => {
                let text = format!("INSERT OR IGNORE INTO `{table}` (series, _ts) VALUES (?, ?)");
                self.sqlite.execute(&text, &values[..2]).unwrap();
            }
        }
    }

    /// One row for each table.
    pub(super) fn names(&self) -> Vec<Vec<Json>> {
        self.schemas.keys().map(|name| vec![json!(name)]).collect()
    }

    pub(super) fn describe(&self, table: &str) -> (u16, String) {
        let Some(schema) = self.schemas.get(table) else {
            return statement_error(9731, "Table does not exist");
        };
        let meta = ["field", "type", "length", "note", "encode", "compress", "level"]
            .map(|name| (name, if name == "length" { "INT" } else { "VARCHAR" }));
        let row = |name: &str, kind: &str, width: usize, note: &str| {
            let length = if width == 0 { 8 } else { width };
            json!([name, kind, length, note, "delta-i", "lz4", "medium"])
        };
        let mut rows = vec![row("_ts", "TIMESTAMP", 8, "")];
        for is_tag in [false, true] {
            for column in schema.columns.iter().filter(|column| column.is_tag == is_tag) {
                let note = if is_tag { "TAG" } else { "" };
                rows.push(row(&column.name, column.kind.word(), column.width, note));
            }
        }
        let rows: Vec<Vec<Json>> =
            rows.into_iter().map(|row| row.as_array().unwrap().clone()).collect();
        answer(&meta, &rows)
    }

    /// Creates a table, as a person does by hand.
    pub(super) fn make(&mut self, table: &str, columns: &[Column], is_normal: bool, key: bool) {
        let schema = Schema { columns: columns.to_vec(), is_normal, has_primary_key: key };
        self.declare(table, &schema);
    }
}

fn series(line: &Line) -> String {
    let mut tags = line.tags.clone();
    tags.sort();
    json!(tags).to_string()
}

fn stored(value: &Value) -> types::Value {
    match value {
        Value::Integer(value) => types::Value::Integer(*value),
        Value::Unsigned(value) => sqlite::unsigned(*value),
        Value::Float(value) => sqlite::float(*value),
        Value::Text(text) => types::Value::Text(String::from_utf8_lossy(text).into_owned()),
        Value::Boolean(value) => types::Value::Integer(i64::from(*value)),
    }
}

impl Column {
    pub(crate) fn field(name: &str, kind: Kind) -> Self {
        Self { name: name.to_owned(), kind, is_tag: false, width: 16 }
    }

    pub(crate) fn tag(name: &str, kind: Kind) -> Self {
        Self { name: name.to_owned(), kind, is_tag: true, width: 16 }
    }
}
