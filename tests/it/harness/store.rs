//! A scripted store: it accepts lines, refuses, stalls, or is down.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    server::{Reply, Request, Sent, Server},
    until,
};

/// How the store answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 204, and the lines are kept.
    Accept,
    /// This status and body; nothing is kept.
    Refuse(u16, &'static str),
    /// 400 for a request with a line that contains this text, otherwise as [`Answer::Accept`].
    RefuseLinesWith(&'static str),
    /// The connection is closed without an answer.
    HangUp,
    /// The lines are kept, and the connection is closed without an answer.
    AcceptAndHangUp,
    /// Nothing is answered until this changes; then the connection is closed.
    Stall,
    /// Bytes that are not an HTTP answer.
    Garbage(&'static [u8]),
    /// An answer whose body is sent byte by byte, slowly and endlessly.
    Slow,
    /// An answer whose body is sent as fast as it is read, endlessly.
    Endless,
    /// The connection is reset.
    Reset,
}

#[derive(Debug)]
struct Inner {
    answer: Mutex<Answer>,
    changed: Condvar,
    writes: AtomicU64,
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    /// Each distinct line and how often it was accepted.
    counts: BTreeMap<String, u64>,
    /// The distinct lines in the order in which they were accepted first.
    first: Vec<String>,
}

/// A store on a free port; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct StandIn {
    /// `None` while it refuses connections.
    server: Option<Server>,
    address: SocketAddr,
    inner: Arc<Inner>,
}

impl StandIn {
    pub(crate) fn start(answer: Answer) -> Self {
        let inner = Arc::new(Inner {
            answer: Mutex::new(answer),
            changed: Condvar::new(),
            writes: AtomicU64::new(0),
            lines: Mutex::default(),
        });
        let asked = Arc::clone(&inner);
        let server = Server::start(move |request| asked.sent(request));
        Self { address: server.address(), server: Some(server), inner }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops listening and closes open connections.
    pub(crate) fn goes_away(&mut self) {
        self.server = None;
    }

    /// Listens again, at the same address.
    pub(crate) fn comes_back(&mut self) {
        let asked = Arc::clone(&self.inner);
        // The port is free when the accepting thread has ended.
        until("the port is free", Duration::from_mins(1), || {
            std::net::TcpListener::bind(self.address).is_ok()
        });
        let server = Server::start_at(self.address, move |request| asked.sent(request));
        self.server = Some(server);
    }

    /// Changes the answer to requests from now on.
    pub(crate) fn answers(&self, answer: Answer) {
        *self.inner.answer.lock().unwrap() = answer;
        self.inner.changed.notify_all();
    }

    /// The number of writes so far.
    pub(crate) fn writes(&self) -> u64 {
        self.inner.writes.load(Ordering::Relaxed)
    }

    /// Loses everything that it accepted.
    pub(crate) fn forget(&self) {
        *self.inner.lines.lock().unwrap() = Lines::default();
    }

    /// The distinct lines that were accepted, sorted.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.inner.lines.lock().unwrap().counts.keys().cloned().collect()
    }

    /// The distinct lines in the order in which they were accepted first.
    pub(crate) fn lines_in_order(&self) -> Vec<String> {
        self.inner.lines.lock().unwrap().first.clone()
    }
}

impl Inner {
    fn sent(&self, request: &Request) -> Sent {
        let is_write = request.path.contains("/write");
        self.writes.fetch_add(u64::from(is_write), Ordering::Relaxed);
        let answer = self.answer.lock().unwrap().clone();
        match answer {
            Answer::Garbage(bytes) => Sent::Bytes(bytes),
            Answer::Slow => Sent::Slow,
            Answer::Endless => Sent::Endless,
            Answer::Reset => Sent::Reset,
            answer => self.reply(&answer, is_write, &request.body).into(),
        }
    }

    fn reply(&self, answer: &Answer, is_write: bool, body: &str) -> Reply {
        match answer {
            Answer::Stall => {
                let stalled = self.answer.lock().unwrap();
                drop(self.changed.wait_while(stalled, |answer| *answer == Answer::Stall));
                return None;
            }
            Answer::HangUp => return None,
            Answer::Refuse(status, text) => return Some((*status, (*text).to_owned())),
            Answer::RefuseLinesWith(bad) if is_write && body.contains(bad) => {
                let text = r#"{"code":"invalid","message":"unable to parse 'm': bad"}"#;
                return Some((400, text.to_owned()));
            }
            _ => {}
        }
        if is_write {
            let mut lines = self.lines.lock().unwrap();
            for line in body.lines() {
                let count = lines.counts.entry(line.to_owned()).or_default();
                *count += 1;
                if *count == 1 {
                    lines.first.push(line.to_owned());
                }
            }
        }
        (*answer != Answer::AcceptAndHangUp).then(|| (204, String::new()))
    }
}
