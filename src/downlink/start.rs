//! Starts and stops downlink.

use std::{
    sync::{Arc, atomic::AtomicU64, mpsc},
    thread::JoinHandle,
};

use arc_swap::ArcSwap;
use tokio::{
    runtime::Handle,
    sync::{
        mpsc::{UnboundedReceiver, unbounded_channel},
        watch,
    },
};

use super::{
    Downlink, Options,
    engine::{Engine, Failure, Job, StillCheck, Thread},
    push, still,
    store::{OpenError, Reader, Writer},
    topics, webhook,
};
use crate::{
    env::{Clock, Supervisor},
    mapping::Commands,
    model::{CommandEdge, Presence, Sessions},
    query::QueryEngine,
    telemetry::{HealthCell, Metrics},
};

/// The parts from which downlink is built.
#[derive(Debug)]
pub struct Parts {
    /// Its bounds.
    pub options: Options,
    /// The MQTT edge.
    pub edge: Arc<dyn CommandEdge>,
    /// The declared commands.
    pub commands: Arc<Commands>,
    /// Answers conditions.
    pub queries: QueryEngine,
    /// The presence of vehicles.
    pub presence: Arc<Presence>,
    /// Their sessions, which have their last points.
    pub sessions: Arc<dyn Sessions>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The health cell.
    pub health: HealthCell,
}

/// A running downlink.
#[derive(Debug)]
pub struct Running {
    /// The handle.
    pub downlink: Downlink,
    thread: JoinHandle<()>,
}

/// Opens the file of commands and starts the thread; the tasks that wait run on the runtime.
///
/// # Errors
/// If the file cannot be used.
pub fn start(
    parts: Parts,
    runtime: &Handle,
    supervisor: &Supervisor,
) -> Result<Running, OpenError> {
    let Parts { options, edge, commands, queries, presence, sessions, clock, metrics, health } =
        parts;
    let dir = options.dir.clone();
    let unread = |source| OpenError::Sqlite { path: dir.clone(), source };
    let writer = Writer::open(&dir)?;
    let declared = Arc::new(ArcSwap::new(commands));
    let engine = Engine::new(
        options.clone(),
        writer,
        Arc::clone(&edge),
        Arc::clone(&metrics),
        Arc::clone(&declared),
    );
    let mut engine = engine.map_err(unread)?;
    let now_ms = clock.wall().0.div_euclid(1_000_000);
    engine.give_up_interrupted(now_ms).map_err(unread)?;
    let next_push = engine.next_push();
    let webhook_cursor = engine.webhook_cursor().map_err(unread)?;
    let (jobs, waiting) = mpsc::channel();
    let (changes, changed) = watch::channel(engine.last_change());
    let (still_checks, asked) = unbounded_channel();
    let failure = Arc::new(Failure::default());
    let alarms = Arc::default();
    let downlink = Downlink {
        jobs,
        awaited: engine.awaited(),
        in_sessions: engine.in_sessions(),
        suppressed: engine.suppressed(),
        alarms: Arc::clone(&alarms),
        failure: Arc::clone(&failure),
        reader: Arc::new(Reader::new(&dir)),
        changes: changed,
        declared,
        generation: Arc::new(AtomicU64::new(1)),
        options: Arc::new(options),
        clock: Arc::clone(&clock),
        queries,
        presence,
        sessions,
        edge,
        freezing: Arc::default(),
        pushes_changed: watch::Sender::new(0),
        saved: watch::Sender::new(Arc::new([])),
        metrics: Arc::clone(&metrics),
        supervisor: supervisor.clone(),
    };
    let guard = supervisor.guard("downlink");
    let thread = Thread {
        engine,
        jobs: waiting,
        clock,
        metrics,
        health,
        failure,
        changes,
        still_checks,
        alarms,
        guard,
    };
    let thread = std::thread::Builder::new()
        .name("downlink".to_owned())
        .spawn(move || thread.run())
        .map_err(OpenError::Thread)?;
    let began = TaskStart { asked, next_push, webhook_cursor };
    spawn_tasks(&downlink, runtime, began);
    Ok(Running { downlink, thread })
}

/// The initial state of the tasks.
struct TaskStart {
    /// Conditions that are to be checked.
    asked: UnboundedReceiver<StillCheck>,
    /// Pushes below this number are from earlier processes.
    next_push: i64,
    /// The last change that the webhook has accepted.
    webhook_cursor: i64,
}

/// Starts the tasks.
fn spawn_tasks(downlink: &Downlink, runtime: &Handle, began: TaskStart) {
    let TaskStart { asked, next_push, webhook_cursor } = began;
    let guard = |name: &str| downlink.supervisor.panic_guard(name);
    runtime.spawn(still::answer(downlink.clone(), asked, guard("downlink-still")));
    let saved = downlink.saved.subscribe();
    runtime.spawn(topics::tell(downlink.clone(), saved, guard("downlink-queries")));
    runtime.spawn(push::resume(downlink.clone(), next_push, guard("downlink-pushes")));
    runtime.spawn(push::verify(downlink.clone(), guard("downlink-verify")));
    if let Some(url) = downlink.options.webhook.clone() {
        let (guard, metrics) = (guard("downlink-webhook"), Arc::clone(&downlink.metrics));
        runtime.spawn(webhook::tell(downlink.clone(), url, webhook_cursor, metrics, guard));
    }
}

impl Running {
    /// Commits waiting jobs and ends the thread. Blocks until it has ended.
    pub fn stop(self) {
        self.downlink.ask(Job::Stop);
        if self.thread.join().is_err() {
            tracing::error!("the thread of commands ended with a panic");
        }
    }
}
