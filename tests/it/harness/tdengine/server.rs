//! The adapter: what it answers to a write and to a statement, over HTTP.

use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};

use super::tables::{Fault, Tables};
use crate::harness::server::{Reply, Request, Server};

/// `root:taosdata`.
const AUTHORIZATION: &str = "authorization: basic cm9vddp0yw9zzgf0yq==";

#[derive(Debug)]
struct Inner {
    tables: Mutex<Tables>,
    /// Statements as they came, in order.
    asked: Mutex<Vec<String>>,
}

/// A server without a database, on a free port, for as long as it lives.
#[derive(Debug)]
pub(crate) struct TdEngine {
    server: Server,
    inner: Arc<Inner>,
}

impl TdEngine {
    pub(crate) fn start() -> Self {
        let inner = Arc::new(Inner { tables: Mutex::new(Tables::new()), asked: Mutex::default() });
        let adapter = Arc::clone(&inner);
        Self { server: Server::start(move |request| adapter.reply(request)), inner }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
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

impl Inner {
    fn reply(&self, Request { path, headers, body }: &Request) -> Reply {
        let is_known = headers.iter().any(|header| header == AUTHORIZATION);
        Some(match path.split('?').next().unwrap() {
            "/influxdb/v1/write" if is_known => self.write(path, body),
            "/influxdb/v1/write" => fault((0x357, "Authentication failure")),
            "/rest/sql" | "/rest/sql/fleet" if is_known => self.ask(body),
            "/rest/sql" | "/rest/sql/fleet" => told(855, "Authentication failure"),
            _ => (404, "404 page not found".to_owned()),
        })
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
        if text == "SHOW STABLES" {
            return answer(&[("stable_name", "VARCHAR")], &tables.names());
        }
        tables.select(text)
    }
}

/// A fault of a write: HTTP 500, whatever it is.
fn fault((code, words): Fault) -> (u16, String) {
    let message = format!("[{code:#x}] {words}");
    (500, json!({ "code": "internal error", "message": message }).to_string())
}

/// A fault of a statement: HTTP 200, whatever it is.
pub(super) fn told(code: u32, desc: &str) -> (u16, String) {
    (200, json!({ "code": code, "desc": desc }).to_string())
}

pub(super) fn answer(columns: &[(&str, &str)], rows: &[Vec<Json>]) -> (u16, String) {
    let meta: Vec<Json> = columns.iter().map(|(name, kind)| json!([name, kind, 8])).collect();
    let (meta, data) = (json!(meta), json!(rows));
    let count = rows.len();
    (200, format!(r#"{{"code":0,"column_meta":{meta},"data":{data},"rows":{count}}}"#))
}
