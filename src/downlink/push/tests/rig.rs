//! Downlink with a fake store, a manual clock, and restarts.
#![expect(clippy::disallowed_methods, reason = "schemas are files that the test writes")]

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::{Router, http::StatusCode};
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, runtime::Handle, sync::watch};

use crate::{
    downlink::{self, Downlink, PushError, Running, Sender, push::PushRequest},
    env::{Supervisor, sim::SimClock},
    mapping::{Commands, Options as MappingOptions, Plans},
    model::{
        Catalog, CommandEdge, CommandId, EdgeTimeout, LineDialect, OutgoingCommand, Presence,
        Publication, QueuePlace, Reach, ReceiptTicket, SessionAnswer, SessionId, SessionQuestion,
        Sessions, UnixNanos,
    },
    query::{self, EngineParts, QueryEngine},
    schema::{Bounds, Sources},
    store::{self, InfluxDb3, Store, Target},
    telemetry::{Critical, HealthBoard, Metrics},
};

const DECLARED: &str = r#"
[[command]]
name   = "horn"
format = "json"
schema = "horn.schema.json"
"#;
const SCHEMA: &str = r#"{"type":"object","properties":{"text":{"type":"string"}}}"#;
const ROWS: &str = "{\"vin\":\"V1\"}\n{\"vin\":\"V2\"}\n";

/// An MQTT edge where all vehicles are connected and none subscribes.
#[derive(Debug)]
struct NoSubscribers;

impl CommandEdge for NoSubscribers {
    fn reach(&self, _vehicle: &str, _topic: &str, _qos: u8) -> Reach {
        Reach::NotSubscribed
    }
    fn is_here(&self, _lasting: u64) -> bool {
        false
    }
    fn dequeue(&self, _places: Vec<QueuePlace>) {}
    fn send(&self, _session: SessionId, _outgoing: OutgoingCommand) {}
    fn publish(&self, _publication: Publication) {}
    fn publish_retained(&self, _topic: &str, _text: &str) -> bool {
        true
    }
    fn acknowledge(&self, _receipts: Vec<ReceiptTicket>) {}
}

impl Sessions for NoSubscribers {
    fn ask(
        &self,
        questions: Vec<SessionQuestion>,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Option<SessionAnswer>>, EdgeTimeout>> + Send + '_>>
    {
        Box::pin(async move { Ok(vec![None; questions.len()]) })
    }
}

/// A fake store that returns two vehicles, when it is allowed to answer, or fails.
#[derive(Debug)]
pub(super) struct PlayedStore {
    pub(super) open: watch::Sender<bool>,
    pub(super) fails: AtomicBool,
    pub(super) asked: AtomicU64,
}

impl PlayedStore {
    async fn answer(&self) -> (StatusCode, String) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut open = self.open.subscribe();
        open.wait_for(|open| *open).await.expect("the store goes on");
        match self.fails.load(Ordering::SeqCst) {
            true => {
                (StatusCode::BAD_REQUEST, r#"{"error":"query error: no such column"}"#.to_owned())
            }
            false => (StatusCode::OK, ROWS.to_owned()),
        }
    }

    async fn start() -> (Arc<Self>, String) {
        let (asked, fails) = (AtomicU64::new(0), AtomicBool::new(false));
        let played = Arc::new(Self { open: watch::Sender::new(true), fails, asked });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let answering = Arc::clone(&played);
        let router = Router::new().fallback(move || {
            let answering = Arc::clone(&answering);
            async move { answering.answer().await }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        (played, url)
    }
}

pub(super) struct Rig {
    dir: TempDir,
    pub(super) clock: SimClock,
    pub(super) store: Arc<PlayedStore>,
    queries: QueryEngine,
    commands: Arc<Commands>,
    metrics: Arc<Metrics>,
    running: Option<Running>,
}

impl Rig {
    /// A rig at a given time, without pushes.
    pub(super) async fn at(moment: &str) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let dir = TempDir::new().expect("a folder");
        std::fs::write(dir.path().join("c.toml"), DECLARED).expect("a file");
        std::fs::write(dir.path().join("horn.schema.json"), SCHEMA).expect("a file");
        let sources = Sources::read(dir.path(), &Bounds::default(), &mut Vec::new());
        let options = MappingOptions::new(dir.path().to_owned(), LineDialect::Signed);
        let plans = Plans::from_sources(&sources, &options).expect("they are well");
        let clock = SimClock::new();
        clock.set_wall(nanos(moment));
        let metrics = Arc::new(Metrics::new(HealthBoard::default()));
        let (store, url) = PlayedStore::start().await;
        let target = InfluxDb3 { database: "d".to_owned(), token: None };
        let options = store::Options::new(Target::InfluxDb3(target), vec![url]);
        let asked = Store::new(
            &options,
            Arc::new(clock.clone()),
            Arc::clone(&metrics),
            &Supervisor::default(),
        );
        let queries = QueryEngine::new(EngineParts {
            options: query::Options::default(),
            store: Arc::new(asked.expect("a store")),
            bucket: String::new(),
            catalog: Arc::new(ArcSwap::from_pointee(Catalog::default())),
            metrics: Arc::clone(&metrics),
        });
        let commands = Arc::clone(plans.commands());
        let mut rig = Self { dir, clock, store, queries, commands, metrics, running: None };
        rig.start();
        rig
    }

    fn start(&mut self) {
        let hour = Duration::from_hours(1);
        let parts = downlink::Parts {
            options: downlink::Options {
                dir: self.dir.path().join("downlink"),
                open_max: 1000,
                total_open_max: 1000,
                schedules_max: 2,
                empty_runs_max: 3,
                payload_bytes_max: 100,
                expires_in: 1000 * hour,
                keep: 1000 * hour,
                audit_keep: hour,
                topic_rows_max: 1000,
                topic_bytes_max: 1000,
                still_interval: hour,
                alarms_waiting_max: 1000,
                webhook: None,
                webhook_timeout: hour,
            },
            edge: Arc::new(NoSubscribers),
            commands: Arc::clone(&self.commands),
            queries: self.queries.clone(),
            presence: Arc::new(Presence::new(10)),
            sessions: Arc::new(NoSubscribers),
            clock: Arc::new(self.clock.clone()),
            metrics: Arc::clone(&self.metrics),
            health: HealthBoard::default().cell("downlink", Critical::Yes),
        };
        let running = downlink::start(parts, &Handle::current(), &Supervisor::default());
        self.running = Some(running.expect("it starts"));
    }

    /// Ends the process.
    pub(super) fn stop(&mut self) {
        let running = self.running.take().expect("it runs");
        tokio::task::block_in_place(|| running.stop());
    }

    /// Starts another process.
    pub(super) fn start_again(&mut self) {
        self.start();
    }

    pub(super) fn downlink(&self) -> &Downlink {
        &self.running.as_ref().expect("it runs").downlink
    }

    /// Moves the clock to a time, and lets waiting tasks read it.
    pub(super) fn pass_to(&self, moment: &str) {
        self.clock.set_wall(nanos(moment));
        self.downlink().pushes_changed.send_modify(|count| *count += 1);
    }

    pub(super) async fn ask(&self, schedule: &Json) -> Result<CommandId, PushError> {
        let mut request = json!({
            "query": { "language": "sql", "text": "SELECT vin FROM m" }, "vehicle": "vin",
            "command": "horn",
        });
        for (member, value) in schedule.as_object().expect("members") {
            request[member] = value.clone();
        }
        let request: PushRequest = serde_json::from_value(request).expect("its members are known");
        let sender = Sender { who: "tests".into(), vehicles: None };
        let made = self.downlink().push(request, sender).await?;
        let told = made.record.json();
        Ok(told["id"].as_str().expect("an id").parse().expect("an id"))
    }

    pub(super) async fn push(&self, id: CommandId) -> Json {
        self.downlink().push_record(id).await.expect("it is read").expect("it is there").json()
    }

    /// Its runs, the oldest first: time, state, cause.
    pub(super) async fn runs(&self, id: CommandId) -> Vec<(String, String, String)> {
        let push = self.downlink().push_record(id).await.expect("it is read");
        let push = push.expect("it is there").seq();
        let runs = self.downlink().run_page(push, None, 1000).await.expect("they are read");
        let told = runs.iter().rev().map(|run| {
            let told = run.json();
            let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
            (text("at"), text("state"), text("cause"))
        });
        told.collect()
    }

    /// Waits until its next run is due at `next`, and the previous one is over.
    pub(super) async fn until_next(&self, id: CommandId, next: &str) {
        for _ in 0..6000 {
            let is_next = self.push(id).await["next"] == next;
            if is_next && self.runs(id).await.last().is_none_or(|run| run.1 != "running") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never is: {}, {:?}", self.push(id).await, self.runs(id).await);
    }
}

fn nanos(moment: &str) -> UnixNanos {
    let at: Timestamp = moment.parse().expect("a moment");
    UnixNanos(i64::try_from(at.as_nanosecond()).expect("of our time"))
}
