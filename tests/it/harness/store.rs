//! A store that does as it is told: takes lines, refuses, stalls, goes away.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
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
}

#[derive(Debug)]
struct Inner {
    answer: Mutex<Answer>,
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
        let inner =
            Arc::new(Inner { answer: Mutex::new(answer), lines: Mutex::new(BTreeMap::new()) });
        let asked = Arc::clone(&inner);
        Self { server: Server::start(move |request| asked.reply(request)), inner }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Changes the answer to requests from now on.
    pub(crate) fn answers(&self, answer: Answer) {
        *self.inner.answer.lock().unwrap() = answer;
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
        let answer = self.answer.lock().unwrap().clone();
        match answer {
            Answer::HangUp => return None,
            Answer::Refuse(status, text) => return Some((status, text.to_owned())),
            Answer::RefuseLinesWith(bad) if is_write && body.contains(bad) => {
                let text = r#"{"code":"invalid","message":"unable to parse 'm': bad"}"#;
                return Some((400, text.to_owned()));
            }
            Answer::Accept | Answer::RefuseLinesWith(_) => {}
        }
        if is_write {
            let mut lines = self.lines.lock().unwrap();
            for line in body.lines() {
                *lines.entry(line.to_owned()).or_default() += 1;
            }
        }
        Some((204, String::new()))
    }
}
