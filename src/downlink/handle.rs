//! The handle to commands, for `http` and `mqtt`.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
    mpsc,
};

use arc_swap::ArcSwap;
use tokio::sync::{oneshot, watch};

use super::{
    Options,
    engine::{
        Asked, Awaited, Cancelling, Failure, InSessions, Job, Placed, PushJob, Refused, Suppressed,
    },
    record::{FeedEntry, Record, Request},
    store::{AuditEntry, CommandFilter, ReadError, Reader},
};
use crate::{
    env::{Clock, Supervisor, blocking},
    mapping::{Commands, SavedQuery},
    model::{
        AlarmPermit, AlarmRefusal, CommandEdge, CommandId, CommandReport, CommandTracker,
        IncomingReceipt, Presence, RaisedAlarm, SessionId, Sessions,
    },
    query::QueryEngine,
    telemetry::Metrics,
};

/// The handle to downlink; cheap to clone.
#[derive(Clone, Debug)]
pub struct Downlink {
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) awaited: Arc<Awaited>,
    pub(super) in_sessions: Arc<InSessions>,
    pub(super) suppressed: Arc<Suppressed>,
    /// Alarms that wait for their command.
    pub(super) alarms: Arc<AtomicUsize>,
    pub(super) failure: Arc<Failure>,
    pub(super) reader: Arc<Reader>,
    pub(super) changes: watch::Receiver<i64>,
    pub(super) declared: Arc<ArcSwap<Commands>>,
    /// Counts the sets of declared commands.
    pub(super) generation: Arc<AtomicU64>,
    pub(super) options: Arc<Options>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) queries: QueryEngine,
    pub(super) presence: Arc<Presence>,
    pub(super) sessions: Arc<dyn Sessions>,
    pub(super) edge: Arc<dyn CommandEdge>,
    /// Held from the check of `once-per` to the commands: two pushes at once must not reach a
    /// vehicle twice.
    pub(super) freezing: Arc<tokio::sync::Mutex<()>>,
    /// Counts operators' changes of pushes.
    pub(super) pushes_changed: watch::Sender<u64>,
    /// The saved queries, whose rows are published on topics.
    pub(super) saved: watch::Sender<Arc<[SavedQuery]>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) supervisor: Supervisor,
}

impl Downlink {
    /// Creates commands; each is answered when it is durable, in their order.
    pub async fn create(&self, requests: Vec<Arc<Request>>) -> Vec<Result<Placed, Refused>> {
        let count = requests.len();
        let (reply, replied) = oneshot::channel();
        self.ask(Job::Create(requests, Some(reply)));
        match replied.await {
            Ok(placed) => placed,
            Err(_) => (0..count).map(|_| Err(self.failure.refusal())).collect(),
        }
    }

    /// Cancels a command, if it is not delivered.
    ///
    /// # Errors
    /// If it cannot be cancelled.
    pub async fn cancel(&self, id: CommandId, who: Arc<str>) -> Result<Cancelling, Refused> {
        let (reply, replied) = oneshot::channel();
        self.ask(Job::Cancel(id, who, Some(reply)));
        replied.await.unwrap_or_else(|_| Err(self.failure.refusal()))
    }

    /// Runs a job of a push; answered when it is durable.
    pub(super) async fn ask_push(&self, job: PushJob) -> Result<Asked, Refused> {
        let (reply, replied) = oneshot::channel();
        self.ask(Job::Push(Box::new(job), Some(reply)));
        replied.await.unwrap_or_else(|_| Err(self.failure.refusal()))
    }

    /// Waits until a command has ended.
    pub async fn ended(&self, id: CommandId) {
        let (reply, replied) = oneshot::channel();
        self.ask(Job::Wait(id, Some(reply)));
        // If the disk has failed, there is nothing to wait for.
        replied.await.unwrap_or_default();
    }

    /// One command, with its history.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn command(&self, id: CommandId) -> Result<Option<Record>, ReadError> {
        self.read(move |reader| reader.command(id)).await
    }

    /// Commands, newest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn page(
        &self,
        filter: CommandFilter,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Record>, ReadError> {
        self.read(move |reader| reader.page(&filter, after, limit)).await
    }

    /// Changes after a number, oldest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn feed(&self, after: i64, limit: usize) -> Result<Vec<FeedEntry>, ReadError> {
        self.read(move |reader| reader.feed(after, limit)).await
    }

    /// Audit entries after a number, oldest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn audit(&self, after: i64, limit: usize) -> Result<Vec<AuditEntry>, ReadError> {
        self.read(move |reader| reader.audit(after, limit)).await
    }

    /// Watches the number of the last change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<i64> {
        self.changes.clone()
    }

    /// The declared commands.
    #[must_use]
    pub fn declared(&self) -> Arc<Commands> {
        self.declared.load_full()
    }

    /// Replaces the declared commands.
    pub fn declare(&self, commands: Arc<Commands>) {
        self.declared.store(commands);
        self.suppressed.clear();
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Replaces the saved queries: these run and publish on their topics from now on, others stop.
    pub fn publish_queries(&self, queries: Arc<[SavedQuery]>) {
        self.saved.send_replace(queries);
    }

    pub(super) fn ask(&self, job: Job) {
        // If the thread has ended, it does not answer: the caller gets the reason.
        self.jobs.send(job).unwrap_or_default();
    }

    pub(super) async fn read<R: Send + 'static>(
        &self,
        ask: impl FnOnce(&Reader) -> Result<R, ReadError> + Send + 'static,
    ) -> Result<R, ReadError> {
        let reader = Arc::clone(&self.reader);
        blocking(move || ask(&reader)).await
    }
}

impl CommandTracker for Downlink {
    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn is_receipt_topic(&self, topic: &str) -> bool {
        self.declared.load().receipts(topic).next().is_some()
    }

    fn receipt(&self, receipt: IncomingReceipt) {
        self.ask(Job::Receipt(receipt));
    }

    fn admit_alarm(&self, alarm: &str, vehicle: &str) -> Result<AlarmPermit, AlarmRefusal> {
        let now_ms = self.clock.wall().0.div_euclid(1_000_000);
        if self.suppressed.holds(alarm, vehicle, now_ms) {
            return Err(AlarmRefusal::OncePer);
        }
        let place = AlarmPermit::take(&self.alarms, self.options.alarms_waiting_max);
        place.ok_or(AlarmRefusal::Full)
    }

    fn alarm(&self, raised: RaisedAlarm) {
        self.ask(Job::Alarm(Box::new(raised)));
    }

    fn vehicle_reachable(&self, vehicle: &str) {
        if self.awaited.contains(vehicle) {
            self.ask(Job::Here(vehicle.into()));
        }
    }

    fn has_queued(&self, lasting: u64) -> bool {
        self.in_sessions.holds(lasting)
    }

    fn is_current(&self, lasting: u64, command: CommandId, attempt: u32) -> bool {
        self.in_sessions.is_current(lasting, command, attempt)
    }

    fn session_resumed(&self, lasting: u64, session: SessionId, commands: Vec<CommandId>) {
        self.ask(Job::Resumed(lasting, session, commands));
    }

    fn session_ended(&self, lasting: u64) {
        if self.in_sessions.holds(lasting) {
            self.ask(Job::Ended(lasting));
        }
    }

    fn report_outcomes(&self, reports: Vec<CommandReport>) {
        self.in_sessions.left(&reports);
        self.ask(Job::Reports(reports));
    }
}
