//! A store that does as it is told: takes lines, refuses, stalls, goes away.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use super::server::{Reply, Request, Server};

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
    /// The lines are kept, and the connection is closed without an answer.
    AcceptAndHangUp,
    /// Nothing is answered until this changes; then the connection is closed.
    Stall,
}

#[derive(Debug)]
struct Inner {
    answer: Mutex<Answer>,
    changed: Condvar,
    writes: AtomicU64,
    /// Each distinct line and how often it was accepted.
    lines: Mutex<BTreeMap<String, u64>>,
}

/// A store on a free port, for as long as it lives.
#[derive(Debug)]
pub(crate) struct StandIn {
    server: Server,
    inner: Arc<Inner>,
}

impl StandIn {
    pub(crate) fn start(answer: Answer) -> Self {
        let inner = Arc::new(Inner {
            answer: Mutex::new(answer),
            changed: Condvar::new(),
            writes: AtomicU64::new(0),
            lines: Mutex::new(BTreeMap::new()),
        });
        let asked = Arc::clone(&inner);
        Self { server: Server::start(move |request| asked.reply(request)), inner }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Changes the answer to requests from now on.
    pub(crate) fn answers(&self, answer: Answer) {
        *self.inner.answer.lock().unwrap() = answer;
        self.inner.changed.notify_all();
    }

    /// How many writes came so far.
    pub(crate) fn writes(&self) -> u64 {
        self.inner.writes.load(Ordering::Relaxed)
    }

    /// Loses all that it accepted.
    pub(crate) fn forget(&self) {
        self.inner.lines.lock().unwrap().clear();
    }

    /// The distinct lines that were accepted, sorted.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.inner.lines.lock().unwrap().keys().cloned().collect()
    }
}

impl Inner {
    fn reply(&self, Request { path, body, .. }: &Request) -> Reply {
        let is_write = path.contains("/write");
        self.writes.fetch_add(u64::from(is_write), Ordering::Relaxed);
        let answer = self.answer.lock().unwrap().clone();
        match answer {
            Answer::Stall => {
                let stalled = self.answer.lock().unwrap();
                drop(self.changed.wait_while(stalled, |answer| *answer == Answer::Stall));
                return None;
            }
            Answer::HangUp => return None,
            Answer::Refuse(status, text) => return Some((status, text.to_owned())),
            Answer::RefuseLinesWith(bad) if is_write && body.contains(bad) => {
                let text = r#"{"code":"invalid","message":"unable to parse 'm': bad"}"#;
                return Some((400, text.to_owned()));
            }
            Answer::Accept | Answer::AcceptAndHangUp | Answer::RefuseLinesWith(_) => {}
        }
        if is_write {
            let mut lines = self.lines.lock().unwrap();
            for line in body.lines() {
                *lines.entry(line.to_owned()).or_default() += 1;
            }
        }
        (answer != Answer::AcceptAndHangUp).then(|| (204, String::new()))
    }
}
