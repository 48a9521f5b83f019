//! How downlink begins and ends.

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
    engine::{Engine, Failure, Job, Question, Thread},
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

/// What it is built from.
#[derive(Debug)]
pub struct Parts {
    /// Its bounds.
    pub options: Options,
    /// The way to the vehicles.
    pub edge: Arc<dyn CommandEdge>,
    /// What may be sent.
    pub commands: Arc<Commands>,
    /// Who is asked whether a condition holds.
    pub queries: QueryEngine,
    /// Which vehicles are there.
    pub presence: Arc<Presence>,
    /// Their sessions, which know their last points.
    pub sessions: Arc<dyn Sessions>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What it counts in.
    pub metrics: Arc<Metrics>,
    /// Where it tells how it is.
    pub health: HealthCell,
}

/// Downlink while it runs.
#[derive(Debug)]
pub struct Running {
    /// The way to it.
    pub downlink: Downlink,
    thread: JoinHandle<()>,
}

/// Opens the file of commands and starts the thread; what waits runs on the runtime.
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
    let told = engine.webhook_cursor().map_err(unread)?;
    let (jobs, waiting) = mpsc::channel();
    let (changes, changed) = watch::channel(engine.last_change());
    let (questions, asked) = unbounded_channel();
    let failure = Arc::new(Failure::default());
    let alarms = Arc::default();
    let downlink = Downlink {
        jobs,
        awaited: engine.awaited(),
        held: engine.held(),
        quiet: engine.quiet(),
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
        questions,
        alarms,
        guard,
    };
    let thread = std::thread::Builder::new()
        .name("downlink".to_owned())
        .spawn(move || thread.run())
        .map_err(OpenError::Thread)?;
    let began = Began { asked, next_push, told };
    spawn_tasks(&downlink, runtime, began);
    Ok(Running { downlink, thread })
}

/// What the tasks begin with.
struct Began {
    /// Conditions that are to be asked.
    asked: UnboundedReceiver<Question>,
    /// Pushes below this number were made by a process before this one.
    next_push: i64,
    /// The last change that the webhook was told.
    told: i64,
}

/// Starts what waits.
fn spawn_tasks(downlink: &Downlink, runtime: &Handle, began: Began) {
    let Began { asked, next_push, told } = began;
    let guard = |name: &str| downlink.supervisor.panic_guard(name);
    runtime.spawn(still::answer(downlink.clone(), asked, guard("downlink-still")));
    let saved = downlink.saved.subscribe();
    runtime.spawn(topics::tell(downlink.clone(), saved, guard("downlink-queries")));
    runtime.spawn(push::resume(downlink.clone(), next_push, guard("downlink-pushes")));
    runtime.spawn(push::verify(downlink.clone(), guard("downlink-verify")));
    if let Some(url) = downlink.options.webhook.clone() {
        let (guard, metrics) = (guard("downlink-webhook"), Arc::clone(&downlink.metrics));
        runtime.spawn(webhook::tell(downlink.clone(), url, told, metrics, guard));
    }
}

impl Running {
    /// Commits what waits and ends the thread. Blocks until it has ended.
    pub fn stop(self) {
        self.downlink.ask(Job::Stop);
        if self.thread.join().is_err() {
            tracing::error!("the thread of commands ended with a panic");
        }
    }
}
