//! The adapter: its answers to writes and statements over HTTP.

use std::{
    io::Read as _,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use flate2::read::GzDecoder;
use serde_json::json;

#[cfg(feature = "taos-ws")]
use super::web_socket::{Behind, WebSocket};
use super::{
    lines::{self, Fault},
    schema::Column,
    select::{answer, statement_error},
    tables::Tables,
};
use crate::harness::server::{Reply, Request, Server};

/// `root:taosdata`.
const AUTHORIZATION: &str = "authorization: basic cm9vddp0yw9zzgf0yq==";
/// How the header starts for `root:…` with any password.
const ROOT: &str = "authorization: basic cm9vd";

/// How long a schema change takes, so that other requests can meet it.
const EXTENDING: Duration = Duration::from_millis(10);
/// How long `create database` takes.
const CREATING: Duration = Duration::from_millis(100);

/// The state of the server behind the adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Running,
    /// Killed: a write fails after a while, which was 10.3 s.
    Dead(Duration),
    /// Stopped by a signal: it answers nothing.
    Frozen,
}

#[derive(Debug)]
struct Inner {
    tables: Mutex<Tables>,
    condition: Mutex<Condition>,
    thawed: Condvar,
    /// Whether a schema change waits until another request has arrived.
    has_company: Mutex<bool>,
    /// How many requests have had their lines compared with the tables.
    came: Mutex<u64>,
    comes: Condvar,
    /// Whether it is a server of 2023, with shorter messages, which fails on long tags.
    is_old: bool,
    /// The received statements, in order.
    asked: Mutex<Vec<String>>,
    /// How many lines each write had, in order.
    written: Mutex<Vec<usize>>,
    /// Answers to writes whose body holds a text; they come before all other checks.
    refusals: Mutex<Vec<(String, Fault)>>,
}

/// A server without a database, on a free port, that stops when dropped.
#[derive(Debug)]
pub(crate) struct TdEngine {
    server: Server,
    /// The adapter's WebSocket, if clients are to use it.
    #[cfg(feature = "taos-ws")]
    socket: Option<WebSocket>,
    inner: Arc<Inner>,
}

impl TdEngine {
    pub(crate) fn start() -> Self {
        Self::of(false)
    }

    /// Starts a server of version 3.0.2.4.
    pub(crate) fn start_old() -> Self {
        Self::of(true)
    }

    fn of(is_old: bool) -> Self {
        let inner = Arc::new(Inner {
            tables: Mutex::new(Tables::new()),
            condition: Mutex::new(Condition::Running),
            thawed: Condvar::new(),
            has_company: Mutex::default(),
            came: Mutex::default(),
            comes: Condvar::new(),
            is_old,
            asked: Mutex::default(),
            written: Mutex::default(),
            refusals: Mutex::default(),
        });
        let adapter = Arc::clone(&inner);
        let server = Server::start(move |request| adapter.reply(request));
        Self {
            server,
            #[cfg(feature = "taos-ws")]
            socket: None,
            inner,
        }
    }

    /// Makes clients use the adapter's WebSocket, with the same answers as over HTTP.
    #[cfg(feature = "taos-ws")]
    pub(crate) fn over_web_socket(mut self) -> Self {
        self.socket = Some(WebSocket::start(Arc::clone(&self.inner)));
        self
    }

    /// Closes all connections of the WebSocket.
    #[cfg(feature = "taos-ws")]
    pub(crate) fn break_off(&self) {
        self.socket.as_ref().unwrap().break_off();
    }

    pub(crate) fn url(&self) -> String {
        #[cfg(feature = "taos-ws")]
        if let Some(socket) = &self.socket {
            return socket.url();
        }
        self.http_url()
    }

    /// The URL for HTTP, even if clients use the WebSocket.
    pub(crate) fn http_url(&self) -> String {
        self.server.url()
    }

    /// The statements received so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.inner.asked.lock().unwrap().clone()
    }

    /// How many lines each write received so far had.
    pub(crate) fn written(&self) -> Vec<usize> {
        self.inner.written.lock().unwrap().clone()
    }

    /// How many rows a table has.
    pub(crate) fn rows(&self, table: &str) -> i64 {
        self.count(table, "1 = 1")
    }

    /// How many rows of a table match a condition.
    pub(crate) fn count(&self, table: &str, condition: &str) -> i64 {
        let tables = self.inner.tables.lock().unwrap();
        let text = format!("SELECT count(*) FROM `{table}` WHERE {condition}");
        tables.sqlite.query_row(&text, [], |row| row.get(0)).unwrap_or(0)
    }

    /// Makes the database, as `create database` does.
    pub(crate) fn create(&self) {
        self.inner.tables.lock().unwrap().created =
            Some(Instant::now().checked_sub(CREATING).unwrap());
    }

    /// Drops the database.
    pub(crate) fn drop_database(&self) {
        *self.inner.tables.lock().unwrap() = Tables::new();
    }

    /// Makes a stable by hand.
    pub(crate) fn make_stable(&self, name: &str, columns: &[Column]) {
        self.inner.tables.lock().unwrap().make(name, columns, false, false);
    }

    /// Makes a normal table by hand.
    pub(crate) fn make_table(&self, name: &str, columns: &[Column]) {
        self.inner.tables.lock().unwrap().make(name, columns, true, false);
    }

    /// Makes a stable with a primary key by hand.
    pub(crate) fn make_keyed(&self, name: &str, columns: &[Column]) {
        self.inner.tables.lock().unwrap().make(name, columns, false, true);
    }

    /// Makes the database refuse a second stable.
    pub(crate) fn be_single_stable(&self) {
        self.inner.tables.lock().unwrap().is_single_stable = true;
    }

    /// Answers every write that holds the text with this error.
    pub(crate) fn refuse(&self, text: &str, code: u32, words: &str) {
        let refusal = (text.to_owned(), (code, words.to_owned()));
        self.inner.refusals.lock().unwrap().push(refusal);
    }

    /// Sets whether a schema change lasts until another request has arrived, so that the two surely
    /// meet, or only `EXTENDING`.
    pub(crate) fn have_company(&self, has_company: bool) {
        *self.inner.has_company.lock().unwrap() = has_company;
    }

    pub(crate) fn be(&self, condition: Condition) {
        *self.inner.condition.lock().unwrap() = condition;
        self.inner.thawed.notify_all();
    }
}

impl Drop for TdEngine {
    fn drop(&mut self) {
        self.be(Condition::Running);
    }
}

impl Inner {
    fn reply(&self, request: &Request) -> Reply {
        let has = |begin: &str| request.headers.iter().any(|header| header.starts_with(begin));
        let is_known = request.headers.iter().any(|header| header == AUTHORIZATION);
        let path = request.path.split('?').next().unwrap();
        let is_write = path == "/influxdb/v1/write";
        Some(match path {
            "/-/ping" => (200, String::new()),
            "/influxdb/v1/write" | "/rest/sql" | "/rest/sql/fleet" => {
                if is_known {
                    return Some(match is_write {
                        true => self.write(request),
                        false => self.ask(&request.body),
                    });
                }
                match (is_write, has("authorization: basic "), has(ROOT)) {
                    (true, true, true) => fault(&(0x357, "Authentication failure".to_owned())),
                    (true, true, false) => fault(&(0x351, "Invalid user".to_owned())),
                    (true, false, _) => {
                        (401, r#"{"code":"forbidden","message":"get auth error"}"#.to_owned())
                    }
                    (false, true, true) => statement_error(855, "Authentication failure"),
                    (false, true, false) => statement_error(849, "Invalid user"),
                    (false, false, _) if has("authorization: bearer ") => {
                        (401, statement_error(4386, "invalid type of Authorization").1)
                    }
                    (false, false, _) => (401, statement_error(4357, "no auth info input").1),
                }
            }
            _ => (404, "404 page not found".to_owned()),
        })
    }

    /// Waits while the server is frozen; returns whether it is alive.
    fn is_alive(&self, is_write: bool) -> bool {
        let mut condition = self.condition.lock().unwrap();
        while *condition == Condition::Frozen {
            condition = self.thawed.wait(condition).unwrap();
        }
        let Condition::Dead(after) = *condition else { return true };
        drop(condition);
        if is_write {
            thread::sleep(after);
        }
        false
    }

    fn write(&self, request: &Request) -> (u16, String) {
        let query = request.path.split_once('?').map_or("", |(_, query)| query);
        let database = query.split('&').find_map(|pair| pair.strip_prefix("db="));
        let Some(database) = database.filter(|name| !name.is_empty()) else {
            let words = "db required";
            let body = json!({
                "code": "not found", "message": words, "op": "get db query", "err": words, "line": 0
            });
            return (400, body.to_string());
        };
        let is_zipped = request.headers.iter().any(|header| header == "content-encoding: gzip");
        let mut body = Vec::new();
        if !is_zipped {
            body.clone_from(&request.bytes);
        } else if GzDecoder::new(request.bytes.as_slice()).read_to_end(&mut body).is_err() {
            return (400, String::new());
        }
        let precision = query.split('&').find_map(|pair| pair.strip_prefix("precision="));
        match self.put(database, precision.unwrap_or_default(), &body) {
            Ok(()) => (204, String::new()),
            Err(found) => fault(&found),
        }
    }

    fn put(&self, database: &str, precision: &str, body: &[u8]) -> Result<(), Fault> {
        let n_lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
        self.written.lock().unwrap().push(n_lines);
        if !self.is_alive(true) {
            return Err((0xb, "Unable to establish connection".to_owned()));
        }
        self.stored(database, precision, body)
    }

    fn stored(&self, database: &str, precision: &str, body: &[u8]) -> Result<(), Fault> {
        if matches!(database, "tags" | "table") {
            return Err((0x2600, format!("syntax error near \"{database}\"")));
        }
        assert_eq!((database, precision), ("fleet", "ns"));
        match self.tables.lock().unwrap().created {
            None => return Err((0x388, "Database not exist".to_owned())),
            Some(at) if at.elapsed() < CREATING => {
                return Err((0x396, "Database in creating status".to_owned()));
            }
            Some(_) => {}
        }
        let text = String::from_utf8_lossy(body);
        let refusals = self.refusals.lock().unwrap().clone();
        if let Some((_, found)) = refusals.iter().find(|(part, _)| text.contains(part)) {
            return Err(found.clone());
        }
        let lines = lines::read(body, self.is_old)?;
        if self.is_old {
            let tags = lines.iter().flat_map(|line| &line.tags);
            for (key, value) in tags {
                assert!(value.chars().count() <= 100, "a tag `{key}` that would kill a TDengine");
            }
        }
        let (begun, number) = {
            let mut tables = self.tables.lock().unwrap();
            let mut came = self.came.lock().unwrap();
            *came += 1;
            self.comes.notify_all();
            (tables.extend(&lines), *came)
        };
        let extending = begun?;
        if extending.is_slow && !extending.has_met && *self.has_company.lock().unwrap() {
            let came = self.came.lock().unwrap();
            let patience = Duration::from_mins(1);
            let (_came, waited) =
                self.comes.wait_timeout_while(came, patience, |came| *came == number).unwrap();
            assert!(!waited.timed_out(), "nobody came");
        } else if extending.is_slow {
            thread::sleep(EXTENDING);
        }
        self.tables.lock().unwrap().store(&lines, &extending)
    }

    fn ask(&self, text: &str) -> (u16, String) {
        self.asked.lock().unwrap().push(text.to_owned());
        let small = text.trim().to_ascii_lowercase();
        if small.is_empty() {
            return (400, statement_error(4358, "request is empty").1);
        }
        // A query of constants needs no server.
        let is_constant = small.starts_with("select ") && !small.contains(" from ");
        if is_constant && small.contains("server_version()") && self.is_old {
            return answer(&[("server_version()", "VARCHAR")], &[vec![json!("3.0.2.4")]]);
        }
        if is_constant {
            return self.tables.lock().unwrap().select(text);
        }
        if !self.is_alive(false) {
            return statement_error(11, "Unable to establish connection");
        }
        let mut tables = self.tables.lock().unwrap();
        if small.starts_with("create database `fleet` precision 'ns'") {
            return match tables.created {
                None => {
                    tables.created = Some(Instant::now());
                    drop(tables);
                    thread::sleep(CREATING);
                    answer(&[("affected_rows", "INT")], &[vec![json!(0)]])
                }
                Some(at) if at.elapsed() < CREATING => {
                    statement_error(918, "Database in creating status")
                }
                Some(_) => statement_error(897, "Database already exists"),
            };
        }
        if small.contains("information_schema.ins_databases") {
            let rows = [vec![json!("fleet"), json!("ns")]];
            let is_there = tables.created.is_some_and(|at| at.elapsed() >= CREATING);
            let rows = if is_there { &rows[..] } else { &[] };
            return answer(&[("name", "VARCHAR"), ("precision", "VARCHAR")], rows);
        }
        if tables.created.is_none() {
            return match small.contains("fleet.") {
                true => statement_error(904, "Fail to get table info, error: Database not exist"),
                false => statement_error(9750, "Database not specified"),
            };
        }
        if let Some(name) = text.strip_prefix("DESCRIBE `") {
            return tables.describe(name.trim_end_matches('`'));
        }
        if text == "SHOW STABLES" {
            return answer(&[("stable_name", "VARCHAR")], &tables.names());
        }
        tables.select(text)
    }
}

#[cfg(feature = "taos-ws")]
impl Behind for Inner {
    fn version(&self) -> &'static str {
        if self.is_old { "3.0.2.4" } else { "3.3.6.6.alpha" }
    }

    fn bars(&self, user: &str, password: &str, database: &str) -> Option<Fault> {
        let is_missing = self.tables.lock().unwrap().created.is_none();
        match (user, password, database) {
            ("root", "taosdata", "fleet") if is_missing => {
                Some((0x388, "Database not exist".to_owned()))
            }
            ("root", "taosdata", _) => None,
            ("root", ..) => Some((0x357, "Authentication failure".to_owned())),
            _ => Some((0x351, "Invalid user".to_owned())),
        }
    }

    fn insert(&self, database: &str, precision: &str, lines: &str) -> Result<(), Fault> {
        self.put(database, precision, lines.as_bytes())
    }

    fn ask(&self, text: &str) -> String {
        Self::ask(self, text).1
    }
}

/// An error of a write, which is always an HTTP 500.
fn fault((code, words): &Fault) -> (u16, String) {
    let message = format!("[{code:#x}] {words}");
    (500, json!({ "code": "internal error", "message": message }).to_string())
}
