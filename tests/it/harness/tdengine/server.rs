//! The adapter: what it answers to a write and to a statement, over HTTP.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value as Json, json};

use super::tables::{Fault, Tables};

/// `root:taosdata`.
const AUTHORIZATION: &str = "authorization: basic cm9vddp0yw9zzgf0yq==";

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
pub(super) fn told(code: u32, desc: &str) -> (u16, String) {
    (200, json!({ "code": code, "desc": desc }).to_string())
}

pub(super) fn answer(columns: &[(&str, &str)], rows: &[Vec<Json>]) -> (u16, String) {
    let meta: Vec<Json> = columns.iter().map(|(name, kind)| json!([name, kind, 8])).collect();
    let (meta, data) = (json!(meta), json!(rows));
    let count = rows.len();
    (200, format!(r#"{{"code":0,"column_meta":{meta},"data":{data},"rows":{count}}}"#))
}
