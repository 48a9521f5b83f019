//! An engine, a fake MQTT edge, and a manual clock.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use arc_swap::ArcSwap;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::super::{Cancelling, Engine, Job, Placed, Refused};
use crate::{
    downlink::{
        Options,
        lifecycle::State,
        record::{Idempotency, Record, Request},
        store::{Reader, Writer},
    },
    mapping::{Commands, Order},
    model::{
        CommandEdge, CommandId, CommandOutcome, CommandReport, IncomingReceipt, OutgoingCommand,
        Publication, QueuePlace, Reach, ReceiptTicket, SessionId, UnixNanos,
    },
    schema::Sources,
    telemetry::{HealthBoard, Metrics},
};

/// A fake MQTT edge: vehicles have at most one session, which subscribes or not.
#[derive(Debug, Default)]
pub(super) struct PlayedEdge {
    reaches: Mutex<BTreeMap<String, Reach>>,
    /// The sent commands, in order.
    sent: Mutex<Vec<(SessionId, OutgoingCommand)>>,
    /// The publishes of alarms.
    published: Mutex<Vec<Publication>>,
    /// Publishes that may be acknowledged.
    settled: Mutex<Vec<ReceiptTicket>>,
    /// Commands that need not be queued any more.
    forgotten: Mutex<Vec<QueuePlace>>,
}

impl CommandEdge for PlayedEdge {
    fn reach(&self, vehicle: &str, _topic: &str, _qos: u8) -> Reach {
        self.reaches.lock().unwrap().get(vehicle).copied().unwrap_or(Reach::Away)
    }

    fn is_here(&self, lasting: u64) -> bool {
        let is_it = |reach: &Reach| matches!(reach, Reach::Lasting(_, it) if *it == lasting);
        self.reaches.lock().unwrap().values().any(is_it)
    }

    fn dequeue(&self, places: Vec<QueuePlace>) {
        self.forgotten.lock().unwrap().extend(places);
    }

    fn send(&self, session: SessionId, outgoing: OutgoingCommand) {
        self.sent.lock().unwrap().push((session, outgoing));
    }

    fn publish_retained(&self, _topic: &str, _text: &str) -> bool {
        true
    }

    fn publish(&self, publication: Publication) {
        self.published.lock().unwrap().push(publication);
    }

    fn acknowledge(&self, receipts: Vec<ReceiptTicket>) {
        self.settled.lock().unwrap().extend(receipts);
    }
}

pub(super) struct Rig {
    dir: TempDir,
    pub(super) edge: Arc<PlayedEdge>,
    pub(super) engine: Engine,
    pub(super) now_ms: i64,
    next_id: u64,
    next_session: u64,
    declared: Arc<ArcSwap<Commands>>,
}

/// The declarations of all commands here.
const DECLARED: &str = r#"
[[command]]
name = "x"
format = "json"
schema = "x.schema.json"
[command.receipt]
topic = "vehicles/{vin}/receipts"
format = "json"
schema = "x.schema.json"
id = "id"
status = "status"
done = ["done"]
failed = ["failed"]
rejected = ["rejected"]
progress = ["progress"]
"#;
const SCHEMA: &str =
    r#"{"type": "object", "properties": {"id": {"type": "string"}, "status": {"type": "string"}}}"#;

pub(super) const START_MS: i64 = 1_795_382_378_000;

fn engine(dir: &TempDir, edge: &Arc<PlayedEdge>, declared: &Arc<ArcSwap<Commands>>) -> Engine {
    let hour = Duration::from_hours(1);
    let options = Options {
        dir: dir.path().to_owned(),
        open_max: 4,
        total_open_max: 1000,
        schedules_max: 2,
        empty_runs_max: 3,
        payload_bytes_max: 1000,
        expires_in: hour,
        keep: hour,
        audit_keep: hour,
        topic_rows_max: 1000,
        topic_bytes_max: 1000,
        still_interval: Duration::from_secs(5),
        alarms_waiting_max: 10,
        webhook: None,
        webhook_timeout: hour,
    };
    let writer = Writer::open(dir.path()).expect("a new file");
    let metrics = Arc::new(Metrics::new(HealthBoard::default()));
    let (edge, declared) = (Arc::clone(edge) as _, Arc::clone(declared));
    Engine::new(options, writer, edge, metrics, declared).expect("it is read")
}

impl Rig {
    pub(super) fn new() -> Self {
        let text = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let texts = [text("x.toml", DECLARED), text("x.schema.json", SCHEMA)];
        let commands = Commands::from_sources(&Sources::from_texts(texts)).expect("it is well");
        Self::declaring(Arc::new(commands))
    }

    /// An engine with the declarations of mapping files.
    pub(super) fn declaring(commands: Arc<Commands>) -> Self {
        let dir = TempDir::new().expect("a folder");
        let edge = Arc::default();
        let declared = Arc::new(ArcSwap::new(commands));
        let engine = engine(&dir, &edge, &declared);
        Self { dir, edge, engine, now_ms: START_MS, next_id: 1, next_session: 1, declared }
    }

    /// Puts other mapping files in force.
    pub(super) fn declare(&mut self, commands: Arc<Commands>) {
        self.declared.store(commands);
    }

    /// Kills the process and starts another one: no session is left.
    pub(super) fn restart(&mut self) {
        self.edge.reaches.lock().unwrap().clear();
        self.edge.sent.lock().unwrap().clear();
        self.edge.published.lock().unwrap().clear();
        self.edge.settled.lock().unwrap().clear();
        self.engine = engine(&self.dir, &self.edge, &self.declared);
        self.engine.give_up_interrupted(self.now_ms).expect("it is written");
        self.turn(vec![]);
    }

    pub(super) fn turn(&mut self, mut jobs: Vec<Job>) {
        self.engine.turn(&mut jobs, self.now_ms).expect("the disk is well");
    }

    pub(super) fn request(&mut self, vehicle: &str) -> Request {
        let mut rest = [0; 10];
        rest[2..].copy_from_slice(&self.next_id.to_be_bytes());
        self.next_id += 1;
        Request {
            id: CommandId::new(UnixNanos(self.now_ms * 1_000_000), rest),
            vehicle: vehicle.into(),
            name: Some("x".into()),
            fields: Some("{}".into()),
            topic: format!("vehicles/{vehicle}/commands/x").into(),
            payload: b"p".as_slice().into(),
            qos: 1,
            expires_in_ms: 60_000,
            execute_within_ms: None,
            order: Order::AfterDelivery,
            response_topic: None,
            supersede: None,
            still: None,
            idempotency: None,
            who: "tests".into(),
            origin: None,
        }
    }

    pub(super) fn keyed(&mut self, vehicle: &str, key: &str, digest: u8) -> Request {
        let idempotency = Some(Idempotency { key: key.into(), digest: [digest; 16] });
        Request { idempotency, ..self.request(vehicle) }
    }

    pub(super) fn create(&mut self, request: Request) -> Result<Placed, Refused> {
        let (reply, mut replied) = oneshot::channel();
        self.turn(vec![Job::Create(vec![Arc::new(request)], Some(reply))]);
        replied.try_recv().expect("it is answered").remove(0)
    }

    /// Creates a command, and returns its id.
    pub(super) fn made(&mut self, change: impl FnOnce(&mut Request)) -> CommandId {
        let mut request = self.request("A");
        change(&mut request);
        self.create(request).expect("it is made").record.request.id
    }

    pub(super) fn cancel(&mut self, id: CommandId) -> Result<Cancelling, Refused> {
        let (reply, mut replied) = oneshot::channel();
        self.turn(vec![Job::Cancel(id, "tests".into(), Some(reply))]);
        replied.try_recv().expect("it is answered")
    }

    /// A vehicle connects, and subscribes if `reach` says so.
    pub(super) fn comes(&mut self, vehicle: &str, reach: impl FnOnce(SessionId) -> Reach) {
        let session = SessionId { worker: 0, number: self.next_session };
        self.next_session += 1;
        self.edge.reaches.lock().unwrap().insert(vehicle.to_owned(), reach(session));
        self.turn(vec![Job::Here(vehicle.into())]);
    }

    /// A vehicle's connection has ended.
    pub(super) fn is_away(&mut self, vehicle: &str) {
        self.edge.reaches.lock().unwrap().remove(vehicle);
    }

    /// Commands that were removed from their queues since the last call.
    pub(super) fn forgotten(&mut self) -> Vec<QueuePlace> {
        std::mem::take(&mut *self.edge.forgotten.lock().unwrap())
    }

    /// A vehicle is connected, without a report.
    pub(super) fn is_there(&mut self, vehicle: &str) {
        let session = SessionId { worker: 0, number: self.next_session };
        self.next_session += 1;
        self.edge.reaches.lock().unwrap().insert(vehicle.to_owned(), Reach::Session(session));
    }

    /// Its session ends; the outcomes of its commands are reported.
    pub(super) fn goes(&mut self, vehicle: &str, held: &[OutgoingCommand]) {
        self.edge.reaches.lock().unwrap().remove(vehicle);
        let left = |outgoing: &OutgoingCommand| CommandReport {
            command: outgoing.command,
            attempt: outgoing.attempt,
            outcome: CommandOutcome::Left,
            place: None,
        };
        self.turn(vec![Job::Reports(held.iter().map(left).collect())]);
    }

    pub(super) fn report(&mut self, outgoing: &OutgoingCommand, outcome: CommandOutcome) {
        let (command, attempt) = (outgoing.command, outgoing.attempt);
        let place = None;
        self.turn(vec![Job::Reports(vec![CommandReport { command, attempt, outcome, place }])]);
    }

    /// A session of this vehicle publishes a receipt that names a command.
    pub(super) fn says(&mut self, vehicle: &str, command: CommandId, status: &str) {
        let payload = format!(r#"{{"id":"{command}","status":"{status}"}}"#);
        let session = SessionId { worker: 0, number: self.next_session };
        self.turn(vec![Job::Receipt(IncomingReceipt {
            ticket: ReceiptTicket { session, seq: 0 },
            vehicle: Some(vehicle.into()),
            is_gateway: false,
            topic: format!("vehicles/{vehicle}/receipts").into(),
            correlation: None,
            payload: payload.as_bytes().into(),
        })]);
    }

    /// Commands that were sent since the last call.
    pub(super) fn sent(&mut self) -> Vec<OutgoingCommand> {
        let sent = std::mem::take(&mut *self.edge.sent.lock().unwrap());
        sent.into_iter().map(|(_, outgoing)| outgoing).collect()
    }

    /// Publishes of alarms since the last call.
    pub(super) fn published(&mut self) -> Vec<Publication> {
        std::mem::take(&mut *self.edge.published.lock().unwrap())
    }

    /// Numbers of publishes that were acknowledged since the last call.
    pub(super) fn settled(&mut self) -> Vec<u64> {
        let settled = std::mem::take(&mut *self.edge.settled.lock().unwrap());
        settled.into_iter().map(|ticket| ticket.seq).collect()
    }

    pub(super) fn record(&self, id: CommandId) -> Record {
        let reader = Reader::new(self.dir.path());
        reader.command(id).expect("it is read").expect("it is there")
    }

    pub(super) fn state(&self, id: CommandId) -> (State, Option<String>) {
        let record = self.record(id);
        (record.state, record.cause.map(|cause| cause.to_string()))
    }

    pub(super) fn reader(&self) -> Reader {
        Reader::new(self.dir.path())
    }

    pub(super) fn passes(&mut self, ms: i64) {
        self.now_ms += ms;
        self.turn(vec![]);
    }
}
