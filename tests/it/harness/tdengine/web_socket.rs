//! The adapter's WebSocket, written from the adapter's source: requests by name as JSON, rows as
//! blocks of columns.

use std::{
    collections::BTreeMap,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use serde_json::{Value as Json, json};
use tungstenite::{
    Message, WebSocket as Frames,
    handshake::server::{ErrorResponse, Request, Response},
    protocol::Role,
};

use super::block;

/// The server behind the adapter.
pub(super) trait Behind: Send + Sync + 'static {
    /// The version that the server reports.
    fn version(&self) -> &'static str;
    /// The code and the message if the login or the database is refused.
    fn bars(&self, user: &str, password: &str, database: &str) -> Option<(u32, String)>;
    fn insert(&self, database: &str, precision: &str, lines: &str) -> Result<(), (u32, String)>;
    /// The document of `/rest/sql`.
    fn ask(&self, text: &str) -> String;
}

/// A server on a free port, which stops when dropped.
#[derive(Debug)]
pub(super) struct WebSocket {
    address: SocketAddr,
    gone: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl WebSocket {
    pub(super) fn start(behind: Arc<impl Behind>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (gone, open) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (is_gone, streams) = (Arc::clone(&gone), Arc::clone(&open));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if is_gone.load(Ordering::Relaxed) {
                    return;
                }
                streams.lock().unwrap().push(stream.try_clone().unwrap());
                let behind = Arc::clone(&behind);
                thread::spawn(move || converse(stream, &behind));
            }
        });
        Self { address, gone, open }
    }

    pub(super) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Closes all connections, as a killed adapter does.
    pub(super) fn break_off(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
        self.break_off();
    }
}

/// One connection: its login, and the results that were not yet read.
struct Session<B> {
    behind: Arc<B>,
    writer: Mutex<Frames<TcpStream>>,
    /// The database, after the login.
    database: Mutex<Option<String>>,
    /// The block of each result; `None` after it was fetched.
    results: Mutex<BTreeMap<u64, Option<Vec<u8>>>>,
}

fn converse(stream: TcpStream, behind: &Arc<impl Behind>) {
    let Ok(other) = stream.try_clone() else { return };
    let is_old = behind.version().starts_with("3.0");
    #[expect(clippy::result_large_err, reason = "the library asks for such an answer")]
    let path = |request: &Request, response: Response| {
        // An adapter of 2023 has one path for each of the two.
        let known = ["/rest/ws", "/rest/schemaless", "/ws"];
        let known = if is_old { &known[..2] } else { &known };
        if known.contains(&request.uri().path()) {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = tungstenite::http::StatusCode::NOT_FOUND;
        Err(refusal)
    };
    let Ok(mut reader) = tungstenite::accept_hdr(stream, path) else { return };
    let session = Arc::new(Session {
        behind: Arc::clone(behind),
        writer: Mutex::new(Frames::from_raw_socket(other, Role::Server, None)),
        database: Mutex::default(),
        results: Mutex::default(),
    });
    while let Ok(message) = reader.read() {
        let session = Arc::clone(&session);
        // The adapter does not wait for one answer to read the next message.
        thread::spawn(move || {
            if let Message::Text(text) = message {
                session.text(&text);
            }
        });
    }
}

impl<B: Behind> Session<B> {
    fn send(&self, message: Message) {
        // A client that has gone needs no answer.
        drop(self.writer.lock().unwrap().send(message));
    }

    fn reply(&self, action: &str, request: &Json, result: Result<Json, (u32, String)>) {
        let (code, words, mut answer) = match result {
            Ok(answer) => (0, String::new(), answer),
            Err((code, words)) => (code, words, json!({})),
        };
        answer["code"] = json!(code);
        answer["message"] = json!(words);
        answer["action"] = json!(action);
        answer["req_id"] = request.clone();
        answer["timing"] = json!(137_218);
        self.send(Message::Text(answer.to_string()));
    }

    fn text(&self, text: &str) {
        let message: Json = serde_json::from_str(text).unwrap();
        let (action, args) = (message["action"].as_str().unwrap(), &message["args"]);
        let word = |name: &str| args[name].as_str().unwrap_or_default();
        if action == "version" {
            let version = json!({ "version": self.behind.version() });
            return self.reply(action, &json!(0), Ok(version));
        }
        let entered = self.database.lock().unwrap().clone();
        let number = args["id"].as_u64().unwrap_or_default();
        let result = match (action, entered) {
            ("conn", _) => match self.behind.bars(word("user"), word("password"), word("db")) {
                Some(fault) => Err(fault),
                None => {
                    *self.database.lock().unwrap() = Some(word("db").to_owned());
                    Ok(json!({}))
                }
            },
            (_, None) => Err((0xffff, "server not connected".to_owned())),
            ("insert", Some(database)) => {
                assert_eq!(args["protocol"], 1);
                let stored = self.behind.insert(&database, word("precision"), word("data"));
                stored.map(|()| json!({ "affected_rows": 1, "total_rows": 1 }))
            }
            ("query", Some(_)) => self.query(word("sql")),
            ("fetch", Some(_)) => {
                let block = self.results.lock().unwrap().get(&number).cloned().flatten();
                let rows = block.as_ref().map_or(0, |block| block::rows(block));
                let is_end = block.is_none();
                Ok(json!({ "id": number, "completed": is_end, "lengths": [], "rows": rows }))
            }
            ("fetch_block", Some(_)) => {
                let block = self.results.lock().unwrap().insert(number, None).flatten().unwrap();
                let head = [137_218_u64.to_le_bytes(), number.to_le_bytes()].concat();
                return self.send(Message::Binary([head, block].concat()));
            }
            ("free_result", Some(_)) => {
                self.results.lock().unwrap().remove(&number);
                return;
            }
            _ => Err((0xffff, format!("unknown action {action}"))),
        };
        self.reply(action, &args["req_id"], result);
    }

    fn query(&self, text: &str) -> Result<Json, (u32, String)> {
        let document: Json = serde_json::from_str(&self.behind.ask(text)).unwrap();
        if document["code"] != 0 {
            let code = u32::try_from(document["code"].as_u64().unwrap()).unwrap();
            return Err((code, document["desc"].as_str().unwrap().to_owned()));
        }
        let columns = document["column_meta"].as_array().unwrap();
        if columns[0][0] == "affected_rows" {
            return Ok(json!({ "is_update": true, "affected_rows": 0 }));
        }
        let rows = document["data"].as_array().unwrap();
        let names: Vec<&Json> = columns.iter().map(|column| &column[0]).collect();
        let kinds: Vec<u8> =
            columns.iter().map(|column| block::kind(column[1].as_str().unwrap())).collect();
        let lengths: Vec<u32> = vec![8; names.len()];
        let block = (!rows.is_empty()).then(|| block::of(&kinds, rows));
        let mut results = self.results.lock().unwrap();
        let number = results.last_key_value().map_or(1, |(last, _)| last + 1);
        results.insert(number, block);
        Ok(json!({
            "id": number, "is_update": false, "affected_rows": 0, "fields_count": names.len(),
            "fields_names": names, "fields_types": kinds, "fields_lengths": lengths, "precision": 2
        }))
    }
}
