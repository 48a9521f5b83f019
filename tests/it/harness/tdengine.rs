//! A stand-in for TDengine behind its taosAdapter: the answers that one was seen to give, over
//! tables in SQLite, which runs the SQL that is meant.
//!
//! Lines are read by another parser than ours. Of SQL it knows what portable questions use:
//! `PARTITION BY`, `INTERVAL(…b)`, `_wstart`, `FIRST` and `LAST` are rewritten, texts are unescaped
//! by TDengine's rules, and all else is the same in both. It shows that the questions are right if
//! TDengine does as it says; whether it does, only a TDengine can show.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use influxdb_line_protocol::{FieldValue, ParsedLine, parse_lines};
use rusqlite::{
    Connection, ToSql,
    functions::{Aggregate, Context, FunctionFlags},
    types::{Value, ValueRef},
};
use serde_json::{Value as Json, json};

/// `root:taosdata`.
const AUTHORIZATION: &str = "authorization: basic cm9vddp0yw9zzgf0yq==";

/// A fault of a write: the code and its words.
type Fault = (u32, &'static str);

#[derive(Debug)]
struct Inner {
    tables: Mutex<Tables>,
    /// Statements as they came, in order.
    asked: Mutex<Vec<String>>,
    gone: AtomicBool,
}

/// A server without a database, on a free port, for as long as it lives.
#[derive(Debug)]
pub(crate) struct TdEngine {
    address: SocketAddr,
    inner: Arc<Inner>,
}

impl TdEngine {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let tables = Mutex::new(Tables::new());
        let inner =
            Arc::new(Inner { tables, asked: Mutex::default(), gone: AtomicBool::new(false) });
        let accepting = Arc::clone(&inner);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.gone.load(Ordering::Relaxed) {
                    return;
                }
                let inner = Arc::clone(&accepting);
                let Ok(stream) = stream else { continue };
                thread::spawn(move || inner.converse(&stream));
            }
        });
        Self { address, inner }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The statements that came so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.inner.asked.lock().unwrap().clone()
    }

    /// How many rows a table has.
    pub(crate) fn rows(&self, table: &str) -> i64 {
        let tables = self.inner.tables.lock().unwrap();
        let text = format!("SELECT count(*) FROM `{table}`");
        tables.sqlite.query_row(&text, [], |row| row.get(0)).unwrap_or(0)
    }
}

impl Drop for TdEngine {
    fn drop(&mut self) {
        self.inner.gone.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts, so that it sees it and closes the port.
        drop(TcpStream::connect(self.address));
    }
}

impl Inner {
    /// One connection, request after request.
    fn converse(&self, stream: &TcpStream) {
        if stream.set_read_timeout(Some(Duration::from_mins(2))).is_err() {
            return;
        }
        let mut reader = BufReader::new(stream);
        while let Some((path, is_known, body)) = request(&mut reader) {
            let (status, text) = match path.split('?').next().unwrap() {
                "/influxdb/v1/write" if is_known => self.write(&path, &body),
                "/influxdb/v1/write" => fault((0x357, "Authentication failure")),
                "/rest/sql" | "/rest/sql/fleet" if is_known => self.ask(&body),
                "/rest/sql" | "/rest/sql/fleet" => told(855, "Authentication failure"),
                _ => (404, "404 page not found".to_owned()),
            };
            let mut stream = stream;
            let head = match status {
                204 => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
                _ => format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n", text.len()),
            };
            if stream.write_all(format!("{head}{text}").as_bytes()).is_err() {
                return;
            }
        }
    }

    fn write(&self, path: &str, body: &str) -> (u16, String) {
        assert!(path.ends_with("?db=fleet&precision=ns"), "{path}");
        let mut tables = self.tables.lock().unwrap();
        match tables.write(body) {
            Ok(()) => (204, String::new()),
            Err(found) => fault(found),
        }
    }

    fn ask(&self, text: &str) -> (u16, String) {
        self.asked.lock().unwrap().push(text.to_owned());
        let mut tables = self.tables.lock().unwrap();
        if text.starts_with("create database `fleet` precision 'ns'") {
            let is_new = !std::mem::replace(&mut tables.is_created, true);
            return match is_new {
                true => answer(&[("affected_rows", "INT")], &[vec![json!(0)]]),
                false => told(897, "Database already exists"),
            };
        }
        if text.contains("information_schema.ins_databases") {
            let rows = [vec![json!("fleet"), json!("ns")]];
            let rows = if tables.is_created { &rows[..] } else { &[] };
            return answer(&[("name", "VARCHAR"), ("precision", "VARCHAR")], rows);
        }
        if !tables.is_created {
            return told(904, "Database not exist");
        }
        if let Some(name) = text.strip_prefix("DESCRIBE `") {
            return tables.describe(name.trim_end_matches('`'));
        }
        tables.select(text)
    }
}

/// The next request's path, whether it may come in, and its body.
fn request(reader: &mut BufReader<&TcpStream>) -> Option<(String, bool, String)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut length, mut is_known) = (0, false);
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        is_known |= line == AUTHORIZATION;
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, is_known, String::from_utf8(body).ok()?))
}

/// A fault of a write: HTTP 500, whatever it is.
fn fault((code, words): Fault) -> (u16, String) {
    let message = format!("[{code:#x}] {words}");
    (500, json!({ "code": "internal error", "message": message }).to_string())
}

/// A fault of a statement: HTTP 200, whatever it is.
fn told(code: u32, desc: &str) -> (u16, String) {
    (200, json!({ "code": code, "desc": desc }).to_string())
}

fn answer(columns: &[(&str, &str)], rows: &[Vec<Json>]) -> (u16, String) {
    let meta: Vec<Json> = columns.iter().map(|(name, kind)| json!([name, kind, 8])).collect();
    let (meta, data) = (json!(meta), json!(rows));
    let count = rows.len();
    (200, format!(r#"{{"code":0,"column_meta":{meta},"data":{data},"rows":{count}}}"#))
}

/// The tables of the one database.
#[derive(Debug)]
struct Tables {
    sqlite: Connection,
    is_created: bool,
    /// By table: columns with their types, the time first, and whether they are tags.
    columns: BTreeMap<String, Vec<(String, &'static str, bool)>>,
}

impl Tables {
    fn new() -> Self {
        let sqlite = Connection::open_in_memory().unwrap();
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        for (name, is_last) in [("td_first", false), ("td_last", true)] {
            sqlite.create_aggregate_function(name, 2, flags, Edge { is_last }).unwrap();
        }
        Self { sqlite, is_created: false, columns: BTreeMap::new() }
    }

    /// All lines or, where one is bad, none.
    fn write(&mut self, body: &str) -> Result<(), Fault> {
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
                FieldValue::U64(value) => {
                    ("BIGINT UNSIGNED", Value::Integer(i64::try_from(*value).unwrap()))
                }
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

    fn describe(&self, table: &str) -> (u16, String) {
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

    fn select(&self, text: &str) -> (u16, String) {
        let mut statement = match self.sqlite.prepare(&to_sqlite(text)) {
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
                Value::Null | Value::Blob(_) => None,
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
            (Value::Null | Value::Blob(_), _) => Json::Null,
        };
        let data: Vec<Vec<Json>> =
            rows.iter().map(|row| row.iter().zip(&columns).map(json).collect()).collect();
        let meta: Vec<(&str, &str)> =
            columns.iter().map(|(name, kind)| (name.as_str(), kind.as_str())).collect();
        answer(&meta, &data)
    }
}

/// A statement of TDengine's as SQLite understands it.
fn to_sqlite(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(c);
        if c != '\'' {
            continue;
        }
        loop {
            match chars.next().expect("a text that closes") {
                '\\' => match chars.next().expect("an escape of something") {
                    '\'' => plain.push_str("''"),
                    c => plain.push(c),
                },
                '\'' => break,
                c => plain.push(c),
            }
        }
        plain.push('\'');
    }
    let mut plain = plain.replace("FIRST(", "td_first(`_ts`, ").replace("LAST(", "td_last(`_ts`, ");
    if let Some((before, after)) = plain.clone().split_once(" INTERVAL(") {
        let (every, after) = after.split_once("b)").expect("nanoseconds");
        let start = format!("(`_ts` - ((`_ts` % {every}) + {every}) % {every})");
        plain = before.replace("_wstart", &start);
        write!(
            plain,
            "{} q_time{after}",
            if before.contains("PARTITION BY") { "," } else { " GROUP BY" }
        )
        .unwrap();
    }
    plain.replace("PARTITION BY", "GROUP BY")
}

/// `FIRST` and `LAST`: the value of the least or greatest time, nulls left out.
struct Edge {
    is_last: bool,
}

impl Aggregate<Option<(i64, Value)>, Value> for Edge {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Option<(i64, Value)>> {
        Ok(None)
    }

    fn step(
        &self,
        context: &mut Context<'_>,
        edge: &mut Option<(i64, Value)>,
    ) -> rusqlite::Result<()> {
        let (time, value) = (context.get::<i64>(0)?, context.get_raw(1));
        let is_beyond = match edge {
            None => true,
            Some((known, _)) => {
                if self.is_last {
                    time > *known
                } else {
                    time < *known
                }
            }
        };
        if is_beyond && value != ValueRef::Null {
            *edge = Some((time, Value::try_from(value)?));
        }
        Ok(())
    }

    fn finalize(
        &self,
        _: &mut Context<'_>,
        edge: Option<Option<(i64, Value)>>,
    ) -> rusqlite::Result<Value> {
        Ok(edge.flatten().map_or(Value::Null, |(_, value)| value))
    }
}
