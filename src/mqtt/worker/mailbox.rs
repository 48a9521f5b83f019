//! Letters to a worker from other threads: one queue a worker, one kind of letter a reason.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::{
    model::{
        EdgeTimeout, OutgoingCommand, Presence, Publication, QueuePlace, SessionAnswer, SessionId,
        SessionQuestion, Sessions,
    },
    mqtt::{
        commands::{CommandRoutes, VehicleSessions},
        lasting::Ticket,
        router::Router,
        worker::{absent::Absent, deliver::Carried, slot::SlotKey, survey::Survey},
    },
    sessions::{Answered, DueWill, Piece},
    uplink::Answer,
};

/// Requests of operators that wait for one worker; further ones wait outside.
const REQUESTS_MAX: usize = 64;
/// The maximum time of an answer: a worker reads its mailbox once a turn.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// One letter to a worker.
#[derive(Debug)]
pub(in crate::mqtt) enum Mail {
    /// A lane's answer about a group of the worker's.
    Group(Answer<SlotKey>),
    /// Queries of an operator about vehicles.
    Questions(Questions),
    /// A query of an operator about sessions.
    Survey(Survey),
    /// A client identifier of the worker's was taken over: its old connection ends.
    TakenOver(SlotKey, oneshot::Sender<()>),
    /// Too many connections have sent no CONNECT yet, and this one has waited longest: it ends, for
    /// this cause.
    TooEarly(SlotKey, &'static str),
    /// Messages for sessions of the worker's.
    Carried(Vec<Carried>),
    /// Publishes of the worker's sessions, by their numbers, that are queued for their receivers.
    Passed(Vec<(SlotKey, u64)>),
    /// A session's queue is full, and its connection must end because of that.
    QueueFull(SlotKey),
    /// A command for a session of the worker's.
    Command(SlotKey, Box<OutgoingCommand>),
    /// Commands that can be removed from their queues.
    Forget(Vec<QueuePlace>),
    /// The publication of an alarm.
    Alarm(Box<Publication>),
    /// A message of the server on one of its own topics, as JSON.
    Tell(Box<str>, Box<str>),
    /// The results of the worker's records.
    Journaled(Answered<Ticket>),
    /// A piece of the queue of a persistent session.
    Fetched(SlotKey, Piece),
    /// Wills to publish; the sender is notified when that is done.
    DueWills(Vec<DueWill>, Option<oneshot::Sender<()>>),
    /// An operator ends a disconnected session.
    EndAbsent(u64),
    /// The appliance is stopping.
    Drain,
}

/// The queries of one request to one worker.
#[derive(Debug)]
pub(in crate::mqtt) struct Questions {
    /// In the order of the answers.
    pub(super) questions: Vec<SessionQuestion>,
    /// The answers so far.
    pub(super) answers: Vec<Option<SessionAnswer>>,
    pub(super) reply: oneshot::Sender<Vec<Option<SessionAnswer>>>,
    /// One of the worker's [`REQUESTS_MAX`] permits, until it is answered.
    _turn: OwnedSemaphorePermit,
}

/// The mailbox of one worker. Not bounded as a queue, because each kind of letter is: groups by the
/// memory budget, requests by [`REQUESTS_MAX`], messages for other workers' sessions by the
/// unacknowledged publishes, the others by the connections, each of which ends once.
#[derive(Clone, Debug)]
pub(super) struct Mailbox {
    pub(super) mail: mpsc::UnboundedSender<Mail>,
    pub(super) requests: Arc<Semaphore>,
}

/// The workers' mailboxes. Created before the edge starts, and filled by its workers.
#[derive(Debug)]
pub struct Workers {
    /// By the worker's number. Behind a lock, because workers start while operators send requests.
    mailboxes: RwLock<Vec<Mailbox>>,
    within: Duration,
    /// Set when the edge starts.
    command_routes: OnceLock<CommandRoutes>,
    /// Set when the edge starts.
    absent: OnceLock<Absent>,
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            mailboxes: RwLock::default(),
            within: ANSWER_WITHIN,
            command_routes: OnceLock::new(),
            absent: OnceLock::new(),
        }
    }
}

impl Workers {
    /// A worker starts: its number, and its mailbox.
    pub(super) fn join(&self) -> (u16, mpsc::UnboundedSender<Mail>, mpsc::UnboundedReceiver<Mail>) {
        let (mail, received) = mpsc::unbounded_channel();
        let requests = Arc::new(Semaphore::new(REQUESTS_MAX));
        let mut mailboxes = self.mailboxes.write().unwrap_or_else(PoisonError::into_inner);
        mailboxes.push(Mailbox { mail: mail.clone(), requests });
        let number = u16::try_from(mailboxes.len() - 1).expect("config bounds workers far below");
        (number, mail, received)
    }

    /// Sets how commands find their sessions.
    pub(in crate::mqtt) fn route_commands(
        &self,
        router: &Arc<Router>,
        vehicles: &Arc<VehicleSessions>,
        presence: &Arc<Presence>,
    ) {
        let (router, vehicles) = (Arc::clone(router), Arc::clone(vehicles));
        let presence = Arc::clone(presence);
        self.command_routes.get_or_init(|| CommandRoutes { router, vehicles, presence });
    }

    /// Sets where disconnected sessions are searched.
    pub(in crate::mqtt) fn look_for_absent(&self, absent: Absent) {
        self.absent.get_or_init(|| absent);
    }

    pub(super) fn absent(&self) -> Option<&Absent> {
        self.absent.get()
    }

    pub(in crate::mqtt) fn command_routes(&self) -> Option<&CommandRoutes> {
        self.command_routes.get()
    }

    /// Sends a letter about a session to its worker.
    pub(in crate::mqtt) fn send(&self, session: SessionId, mail: impl FnOnce(SlotKey) -> Mail) {
        if let Some(mailbox) = self.mailbox(session.worker) {
            // A worker that has ended has no sessions any more.
            mailbox.mail.send(mail(SlotKey::of(session.number))).unwrap_or_default();
        }
    }

    /// Sends a letter to one worker; false if it has not started, or has ended: then it has no
    /// sessions.
    pub(in crate::mqtt) fn send_to(&self, worker: u16, mail: Mail) -> bool {
        self.mailbox(worker).is_some_and(|mailbox| mailbox.mail.send(mail).is_ok())
    }

    /// Sends a letter to every worker.
    pub(in crate::mqtt) fn send_all(&self, mail: impl Fn() -> Mail) {
        let mailboxes = self.mailboxes.read().unwrap_or_else(PoisonError::into_inner);
        mailboxes.iter().for_each(|mailbox| mailbox.mail.send(mail()).unwrap_or_default());
    }

    /// The mailboxes of all workers.
    pub(super) fn all(&self) -> Vec<Mailbox> {
        self.mailboxes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for workers' answers, up to the maximum time.
    ///
    /// # Errors
    /// The answers took longer.
    pub(super) async fn in_time<T>(&self, said: impl Future<Output = T>) -> Result<T, EdgeTimeout> {
        let waited_ms = u64::try_from(self.within.as_millis()).unwrap_or(u64::MAX);
        tokio::time::timeout(self.within, said).await.map_err(|_| EdgeTimeout { waited_ms })
    }

    fn mailbox(&self, worker: u16) -> Option<Mailbox> {
        let mailboxes = self.mailboxes.read().unwrap_or_else(PoisonError::into_inner);
        mailboxes.get(usize::from(worker)).cloned()
    }

    async fn ask_all(&self, questions: Vec<SessionQuestion>) -> Vec<Option<SessionAnswer>> {
        let mut found: Vec<Option<SessionAnswer>> = questions.iter().map(|_| None).collect();
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
        // All letters are sent before the first answer is awaited.
        let mut replies = Vec::new();
        for (worker, places, questions) in by_worker {
            let Some(mailbox) = self.mailbox(worker) else { continue };
            let Ok(turn) = mailbox.requests.acquire_owned().await else { continue };
            let (reply, replied) = oneshot::channel();
            let questions = Questions { questions, answers: Vec::new(), reply, _turn: turn };
            // A worker that has ended has no sessions any more.
            if mailbox.mail.send(Mail::Questions(questions)).is_ok() {
                replies.push((places, replied));
            }
        }
        for (places, replied) in replies {
            for (place, answer) in places.into_iter().zip(replied.await.unwrap_or_default()) {
                found[place] = answer;
            }
        }
        found
    }
}

impl Sessions for Workers {
    fn ask(
        &self,
        questions: Vec<SessionQuestion>,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Option<SessionAnswer>>, EdgeTimeout>> + Send + '_>>
    {
        Box::pin(self.in_time(self.ask_all(questions)))
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

    /// A worker whose sessions have their numbers as names; those with odd numbers have ended.
    async fn answer(mut mail: mpsc::UnboundedReceiver<Mail>) {
        while let Some(Mail::Questions(Questions { questions, reply, .. })) = mail.recv().await {
            let answer = |question: &SessionQuestion| {
                let SessionId { worker, number } = question.session;
                let facts = SessionFacts {
                    client_id: format!("{worker}-{number}"),
                    protocol: Protocol::V5,
                    address: None,
                    connected_at: UnixNanos(0),
                    last_packet_at: UnixNanos(0),
                    keep_alive_seconds: 0,
                };
                let answer = SessionAnswer { facts, last_seen: UnixNanos(0), lines: Vec::new() };
                (number % 2 == 0).then_some(answer)
            };
            drop(reply.send(questions.iter().map(answer).collect()));
        }
    }

    #[tokio::test]
    async fn answers_come_in_the_order_of_the_questions_whoever_gives_them() {
        let workers = Workers::default();
        let (zero, one) = (workers.join(), workers.join());
        assert_eq!((zero.0, one.0), (0, 1));
        tokio::spawn(answer(zero.2));
        tokio::spawn(answer(one.2));
        let asked =
            [question(1, 2), question(0, 4), question(1, 3), question(7, 0), question(1, 6)];
        let found = workers.ask(asked.to_vec()).await.expect("all answer");
        let names: Vec<_> = found
            .iter()
            .map(|found| found.as_ref().map(|found| found.facts.client_id.as_str()))
            .collect();
        assert_eq!(names, [Some("1-2"), Some("0-4"), None, None, Some("1-6")]);
    }

    #[tokio::test]
    async fn a_worker_that_has_ended_has_no_session_and_a_stalled_one_is_told() {
        let workers = Workers { within: Duration::from_millis(20), ..Workers::default() };
        drop(workers.join());
        assert_eq!(workers.ask(vec![question(0, 0)]).await, Ok(vec![None]));
        let _stalled = workers.join();
        let silent = workers.ask(vec![question(1, 0)]).await;
        assert_eq!(silent, Err(EdgeTimeout { waited_ms: 20 }));
    }
}
