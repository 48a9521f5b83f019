//! A store that does as it is told: takes lines, refuses, stalls, goes away.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// How the store answers from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 204, and the lines are kept.
    Accept,
    /// This status and body; nothing is kept.
    Refuse(u16, &'static str),
    /// 400 for a request with a line that holds this text, else as [`Answer::Accept`].
    RefuseLinesWith(&'static str),
    /// The connection is closed without an answer.
    HangUp,
}

#[derive(Debug)]
struct Inner {
    answer: Mutex<Answer>,
    /// Each distinct line and how often it was accepted.
    lines: Mutex<BTreeMap<String, u64>>,
    gone: AtomicBool,
}

/// A store on a free port, for as long as it lives.
#[derive(Debug)]
pub(crate) struct StandIn {
    address: SocketAddr,
    inner: Arc<Inner>,
}

impl StandIn {
    pub(crate) fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            answer: Mutex::new(answer),
            lines: Mutex::new(BTreeMap::new()),
            gone: AtomicBool::new(false),
        });
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

    /// Changes the answer to requests from now on.
    pub(crate) fn answers(&self, answer: Answer) {
        *self.inner.answer.lock().unwrap() = answer;
    }

    /// The distinct lines that were accepted, sorted.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.inner.lines.lock().unwrap().keys().cloned().collect()
    }
}

impl Drop for StandIn {
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
        while let Some((path, body)) = request(&mut reader) {
            let is_write = path.contains("/write");
            let answer = self.answer.lock().unwrap().clone();
            let (status, text) = match answer {
                Answer::HangUp => return,
                Answer::Refuse(status, text) => (status, text),
                Answer::RefuseLinesWith(bad) if is_write && body.contains(bad) => {
                    (400, r#"{"code":"invalid","message":"unable to parse"}"#)
                }
                Answer::Accept | Answer::RefuseLinesWith(_) => (204, ""),
            };
            if status == 204 && is_write {
                let mut lines = self.lines.lock().unwrap();
                for line in body.lines() {
                    *lines.entry(line.to_owned()).or_default() += 1;
                }
            }
            let length = text.len();
            let head = if status == 204 {
                "HTTP/1.1 204 No Content\r\n\r\n".to_owned()
            } else {
                format!("HTTP/1.1 {status} Told\r\nContent-Length: {length}\r\n\r\n{text}")
            };
            let mut stream = stream;
            if stream.write_all(head.as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// The next request's path and body; `None` at the end of the connection.
fn request(reader: &mut BufReader<&TcpStream>) -> Option<(String, String)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, String::from_utf8(body).ok()?))
}
