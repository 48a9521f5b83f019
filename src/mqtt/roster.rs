//! The way from an operator to a live session: a mailbox a worker.
//!
//! A question goes to the worker that owns the session and is answered on its thread between two
//! turns, so that a session needs no lock. It is the control path: one letter a request and worker,
//! never one a message.

use std::{
    pin::Pin,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use crate::model::{EdgeSilent, SessionId, SessionQuestion, Sessions, Told};

/// Letters that wait in a mailbox; one more waits outside.
const LETTERS_MAX: usize = 64;
/// How long an answer may take: a worker reads its mailbox once a turn.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The questions of one request to one worker.
#[derive(Debug)]
pub(super) struct Letter {
    /// In the order of the answers.
    pub(super) questions: Vec<SessionQuestion>,
    pub(super) answer: oneshot::Sender<Vec<Option<Told>>>,
}

/// What a worker that starts is given.
#[derive(Debug)]
pub(super) struct Mailbox {
    /// Its number.
    pub(super) number: u16,
    pub(super) letters: mpsc::Receiver<Letter>,
    /// Connections of its that lost their client id. Bounded by the live ones: each loses its id
    /// once.
    pub(super) pushed_out: mpsc::UnboundedReceiver<u64>,
}

/// The ways to one worker.
#[derive(Clone, Debug)]
struct Ways {
    letters: mpsc::Sender<Letter>,
    pushed_out: mpsc::UnboundedSender<u64>,
}

/// The mailboxes of all workers. Made before the edge starts, and filled by its workers.
#[derive(Debug)]
pub struct Roster {
    /// By the worker's number. A lock, because workers start while operators ask.
    mailboxes: RwLock<Vec<Ways>>,
    within: Duration,
}

impl Default for Roster {
    fn default() -> Self {
        Self { mailboxes: RwLock::default(), within: ANSWER_WITHIN }
    }
}

impl Roster {
    /// A worker starts.
    pub(super) fn join(&self) -> Mailbox {
        let (sender, letters) = mpsc::channel(LETTERS_MAX);
        let (push_out, pushed_out) = mpsc::unbounded_channel();
        let mut mailboxes = self.mailboxes.write().unwrap_or_else(PoisonError::into_inner);
        mailboxes.push(Ways { letters: sender, pushed_out: push_out });
        let number = u16::try_from(mailboxes.len() - 1);
        let number = number.expect("config bounds listeners and workers far below it");
        Mailbox { number, letters, pushed_out }
    }

    /// Ends a session whose client id another one has taken over.
    pub(super) fn push_out(&self, session: SessionId) {
        if let Some(ways) = self.mailbox(session.worker) {
            // A worker that has ended has no session left.
            ways.pushed_out.send(session.number).unwrap_or_default();
        }
    }

    fn mailbox(&self, worker: u16) -> Option<Ways> {
        let mailboxes = self.mailboxes.read().unwrap_or_else(PoisonError::into_inner);
        mailboxes.get(usize::from(worker)).cloned()
    }

    async fn ask_all(&self, questions: Vec<SessionQuestion>) -> Vec<Option<Told>> {
        let mut told: Vec<Option<Told>> = questions.iter().map(|_| None).collect();
        let mut by_worker: Vec<(u16, Vec<usize>, Vec<SessionQuestion>)> = Vec::new();
        for (place, question) in questions.into_iter().enumerate() {
            let worker = question.session.worker;
            let known = by_worker.iter().position(|(known, ..)| *known == worker);
            let at = known.unwrap_or_else(|| {
                by_worker.push((worker, Vec::new(), Vec::new()));
                by_worker.len() - 1
            });
            by_worker[at].1.push(place);
            by_worker[at].2.push(question);
        }
        // All are written before the first answer is waited for.
        let mut answers = Vec::new();
        for (worker, places, questions) in by_worker {
            let Some(mailbox) = self.mailbox(worker) else { continue };
            let (answer, answered) = oneshot::channel();
            // A worker that has ended has no session left.
            if mailbox.letters.send(Letter { questions, answer }).await.is_ok() {
                answers.push((places, answered));
            }
        }
        for (places, answered) in answers {
            for (place, answer) in places.into_iter().zip(answered.await.unwrap_or_default()) {
                told[place] = answer;
            }
        }
        told
    }
}

impl Sessions for Roster {
    fn ask(
        &self,
        questions: Vec<SessionQuestion>,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Option<Told>>, EdgeSilent>> + Send + '_>> {
        Box::pin(async move {
            let told = tokio::time::timeout(self.within, self.ask_all(questions)).await;
            let waited_ms = u64::try_from(self.within.as_millis()).unwrap_or(u64::MAX);
            told.map_err(|_| EdgeSilent { waited_ms })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Protocol, SessionFacts, UnixNanos};

    fn question(worker: u16, number: u64) -> SessionQuestion {
        let session = SessionId { worker, number };
        SessionQuestion { session, vehicle: "A".into(), with_lines: false }
    }

    /// A worker whose sessions are called by their numbers; those of odd numbers have ended.
    async fn answer(mut letters: mpsc::Receiver<Letter>) {
        while let Some(Letter { questions, answer }) = letters.recv().await {
            let told = |question: &SessionQuestion| {
                let SessionId { worker, number } = question.session;
                let facts = SessionFacts {
                    client_id: format!("{worker}-{number}"),
                    protocol: Protocol::V5,
                    address: None,
                    connected_at: UnixNanos(0),
                    last_packet_at: UnixNanos(0),
                    keep_alive_seconds: 0,
                };
                let told = Told { facts, last_seen: UnixNanos(0), lines: Vec::new() };
                (number % 2 == 0).then_some(told)
            };
            drop(answer.send(questions.iter().map(told).collect()));
        }
    }

    #[tokio::test]
    async fn answers_come_in_the_order_of_the_questions_whoever_gives_them() {
        let roster = Roster::default();
        let (zero, one) = (roster.join(), roster.join());
        assert_eq!((zero.number, one.number), (0, 1));
        tokio::spawn(answer(zero.letters));
        tokio::spawn(answer(one.letters));
        let asked =
            [question(1, 2), question(0, 4), question(1, 3), question(7, 0), question(1, 6)];
        let told = roster.ask(asked.to_vec()).await.expect("all answer");
        let names: Vec<_> = told
            .iter()
            .map(|told| told.as_ref().map(|told| told.facts.client_id.as_str()))
            .collect();
        assert_eq!(names, [Some("1-2"), Some("0-4"), None, None, Some("1-6")]);
    }

    #[tokio::test]
    async fn a_worker_that_has_ended_has_no_session_and_a_stalled_one_is_told() {
        let roster = Roster { within: Duration::from_millis(20), ..Roster::default() };
        drop(roster.join());
        assert_eq!(roster.ask(vec![question(0, 0)]).await, Ok(vec![None]));
        let _stalled = roster.join();
        let silent = roster.ask(vec![question(1, 0)]).await;
        assert_eq!(silent, Err(EdgeSilent { waited_ms: 20 }));
    }
}
