//! Runs the appliance, from taking its lock to the end of the drain.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::runtime::Runtime;

use super::{
    certificates::Certificates,
    commands,
    fleet::Fleet,
    lanes::{self, Lanes},
    layout::DataDir,
    machine::Machine,
    mappings::Mappings,
    names,
    problem::RunError,
    types,
    watch::{Asked, Requests, Signals, Until},
};
use crate::{
    auth::Access,
    config::Resolved,
    dead_letter, downlink,
    env::{
        Clock, Supervisor, SystemClock,
        disk::{Disk, RealDisk},
    },
    http,
    model::Catalog,
    mqtt::{Edge, Listener, Others, Transport},
    query::{EngineParts, QueryEngine},
    sessions,
    sink::{self, Sink},
    store::Store,
    telemetry::{Critical, Health, HealthBoard, HealthCell, Metrics},
    uplink::{IntakeParts, MemoryBudget, NameRegistry, Replayer},
};

/// The addresses of the running appliance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// For vehicles.
    pub mqtt: Vec<Listener>,
    /// For operators.
    pub http: SocketAddr,
    /// Whether the operators' address uses TLS.
    pub http_tls: bool,
}

impl Ready {
    /// The addresses of one kind of listener, in the configured order.
    pub fn addresses(&self, transport: Transport) -> impl Iterator<Item = SocketAddr> {
        let kind = self.mqtt.iter().filter(move |listener| listener.transport == transport);
        kind.map(|listener| listener.address)
    }
}

/// How the appliance ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// By a request to stop.
    Asked {
        /// Connections that were cut before all their messages were acknowledged.
        cut_connections: usize,
        /// Entries that wait in the spools for the next start.
        waiting_entries: u64,
    },
    /// A thread or task ended by itself; everything acknowledged is in the spools.
    ThreadDied {
        /// Its name.
        name: String,
    },
}

/// Threads of the control runtime, for shippers and the operator edge. A heavy query never stalls
/// an MQTT worker, because these have their own threads.
const CONTROL_THREADS: usize = 2;
/// How often the metrics are updated from the lanes' counters.
const MEASURE: Duration = Duration::from_millis(500);
/// How often the machine is checked.
const LOOK: Duration = Duration::from_secs(1);
/// The share of the drain's time that the edge may use.
const EDGE_SHARE: f64 = 0.5;

/// Runs the appliance until `until` requests a stop. `on_ready` is called when every listener is
/// up.
///
/// # Errors
/// If it cannot start. Everything that was opened by then is closed again.
pub fn run(
    resolved: &Resolved,
    drain: Duration,
    until: Until,
    on_ready: impl FnOnce(&Ready),
) -> Result<Stopped, RunError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(RunError::Runtime)?;
    let mut requests = {
        let _entered = runtime.enter();
        Requests::listen(until).map_err(RunError::Runtime)?
    };
    let mut appliance = Appliance::start(resolved, &runtime)?;
    on_ready(&appliance.ready);
    let died = runtime.block_on(appliance.watch(&mut requests));
    if let Some(name) = died {
        tracing::error!(name, "this part ended by itself; stopping, so that a restart recovers");
        return Ok(Stopped::ThreadDied { name });
    }
    if let Requests::Signals(signals) = requests {
        runtime.spawn(stop_at_once(signals));
    }
    Ok(appliance.stop(&runtime, drain))
}

/// All running stages.
struct Appliance {
    ready: Ready,
    mappings: Mappings,
    queries: QueryEngine,
    store: Arc<Store>,
    access: Arc<Access>,
    certificates: Certificates,
    metrics: Arc<Metrics>,
    fleet: Fleet,
    machine: Machine,
    edge_health: HealthCell,
    edge: Edge,
    lanes: Lanes,
    memory: Arc<MemoryBudget>,
    sink: Sink,
    letters: dead_letter::Log,
    journal: sessions::Journal,
    downlink: downlink::Running,
    operators: http::Server,
    clock: Arc<dyn Clock>,
    supervisor: Supervisor,
    /// Held until the end.
    _data_dir: DataDir,
}

impl Appliance {
    fn start(resolved: &Resolved, runtime: &Runtime) -> Result<Self, RunError> {
        let common = Common::default();
        let offline = &resolved.offline;
        let data_dir = DataDir::open(Arc::clone(&common.disk), &offline.data_dir, offline.shards)
            .map_err(RunError::DataDir)?;
        let names = common.names(resolved)?;
        let mappings = Mappings::load(&offline.mapping, Arc::clone(&names));
        let mappings = mappings.map_err(RunError::Schemas)?;
        let access = common.access(resolved)?;
        let certificates =
            Certificates::load(&resolved.tls, &access, &common.clock).map_err(RunError::Auth)?;
        let catalog = Arc::clone(&mappings.catalog);
        let (lanes, shards) = common.lanes(resolved)?;
        let letters = common.letters(resolved)?;
        let journal = common.journal(resolved)?;
        let store = common.store(resolved)?;
        let parts = common.sink(resolved, &store, &letters, &catalog);
        let sink = sink::start(runtime.handle(), parts, shards);
        let edge_health = common.board.cell("mqtt", Critical::Yes);
        let fleet = Fleet::new(resolved.mqtt.away_vehicles_max);
        let known = (Arc::clone(&store), Arc::clone(&catalog));
        let intake = common.intake(resolved, &mappings, &lanes, &letters);
        let queries = query_engine(resolved, Arc::clone(&store), &catalog, &common.metrics);
        let around = (&mappings, &*access, &fleet, queries.clone());
        let downlink = commands::start(&common, &resolved.downlink, around, runtime.handle())?;
        let state = common.http(&queries, &catalog, &fleet, &intake, &access, &downlink.downlink);
        let (operators, address) =
            runtime.block_on(common.serve_operators(state, resolved, &certificates))?;
        let (presence, workers) = (Arc::clone(&fleet.presence), Arc::clone(&fleet.workers));
        let tls = certificates.mqtt.clone();
        let tracker = Arc::new(downlink.downlink.clone());
        let sessions = journal.sessions.clone();
        let access_of = Arc::clone(&access);
        let others = Others { presence, workers, access: access_of, tracker, sessions, tls };
        let edge = Edge::start(&resolved.mqtt, &intake, others, &common.supervisor)
            .map_err(RunError::Mqtt)?;
        commands::publish_queries(&downlink.downlink, &mappings);
        let guard = common.supervisor.panic_guard("names");
        runtime.spawn(names::learn(queries.clone(), Arc::clone(&names), known, guard));
        edge_health.set(Health::Ready);
        let http_tls = certificates.http.is_some();
        let ready = Ready { mqtt: edge.listeners().to_vec(), http: address, http_tls };
        data_dir.announce(&announcement(&ready)).map_err(RunError::DataDir)?;
        Ok(Self {
            ready,
            mappings,
            queries,
            store,
            access,
            certificates,
            fleet,
            machine: Machine::new(Arc::clone(&common.clock), common.board),
            edge_health,
            edge,
            lanes,
            memory: intake.memory,
            sink,
            letters,
            journal,
            downlink,
            operators,
            metrics: common.metrics,
            clock: common.clock,
            supervisor: common.supervisor,
            _data_dir: data_dir,
        })
    }

    /// Waits for a request to stop (`None`), or until a part has ended by itself (its name).
    async fn watch(&mut self, requests: &mut Requests) -> Option<String> {
        let mut measure = tokio::time::interval(MEASURE);
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                asked = requests.next() => match asked {
                    Asked::Stop => return None,
                    Asked::Reload => self.reload().await,
                },
                _ = measure.tick() => self.measure(),
                _ = look.tick() => {
                    self.machine.look();
                    self.certificates.look(&self.metrics);
                }
                name = self.supervisor.ended_unasked() => return Some(name),
            }
        }
    }

    /// Reloads the files that the operator may change at run time.
    async fn reload(&self) {
        if let Some(plans) = self.mappings.reload() {
            types::log_conflicts(&self.queries, &self.store, plans.catalog()).await;
            self.mappings.put_in_force(plans);
        }
        commands::declare(&self.downlink.downlink, &self.mappings, &self.access);
        self.certificates.reload(&self.access);
        match self.access.reload() {
            Ok(()) => tracing::info!("files of [auth] loaded anew"),
            Err(problems) => {
                tracing::error!(%problems, "files of [auth] not loaded, what they said before holds");
            }
        }
    }

    /// Updates the metrics from the stages' counters.
    fn measure(&mut self) {
        self.lanes.measure(&self.metrics);
        self.mappings.names.write();
        let known = i64::try_from(self.mappings.names.names_count()).unwrap_or(i64::MAX);
        self.metrics.uplink_known_names.set(known);
        let used = i64::try_from(self.memory.used()).unwrap_or(i64::MAX);
        self.metrics.uplink_memory_bytes.set(used);
        self.sink.state().measure();
        self.fleet.measure(&self.metrics);
    }

    /// Stops the stages in the direction of the data flow.
    fn stop(self, runtime: &Runtime, limit: Duration) -> Stopped {
        tracing::info!("stopping: nothing more is taken in");
        self.supervisor.stop();
        self.edge_health.set(Health::Waiting("stopping".to_owned()));
        let began = self.clock.monotonic();
        let cut_connections = runtime.block_on(self.edge.drain(limit.mul_f64(EDGE_SHARE)));
        self.edge.stop();
        self.downlink.stop();
        self.mappings.names.write();
        self.lanes.close();
        self.journal.close();
        let left = limit.saturating_sub(self.clock.monotonic().saturating_sub(began));
        let drained = runtime.block_on(self.sink.drain(left));
        self.letters.close();
        runtime.block_on(self.operators.stop(Duration::from_millis(200)));
        let waiting_entries = drained.waiting_entries;
        tracing::info!(cut_connections, waiting_entries, "stopped");
        Stopped::Asked { cut_connections, waiting_entries }
    }
}

/// The common parts of all stages, and the construction of each stage from them.
pub(super) struct Common {
    disk: Arc<dyn Disk>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) board: HealthBoard,
    pub(super) metrics: Arc<Metrics>,
    pub(super) supervisor: Supervisor,
}

impl Default for Common {
    fn default() -> Self {
        let board = HealthBoard::default();
        Self {
            disk: Arc::new(RealDisk),
            clock: Arc::new(SystemClock::start()),
            metrics: Arc::new(Metrics::new(board.clone())),
            board,
            supervisor: Supervisor::default(),
        }
    }
}

impl Common {
    fn access(&self, resolved: &Resolved) -> Result<Arc<Access>, RunError> {
        let Self { clock, metrics, supervisor, .. } = self;
        let access = Access::load(&resolved.offline.auth, clock, metrics, supervisor);
        access.map(Arc::new).map_err(RunError::Auth)
    }

    fn lanes(&self, resolved: &Resolved) -> Result<(Lanes, Vec<sink::Shard>), RunError> {
        let Self { disk, metrics, board, supervisor, clock } = self;
        let shards = resolved.offline.shards;
        lanes::open(disk, &resolved.spool, shards, metrics, board, supervisor, clock)
            .map_err(RunError::Lane)
    }

    fn names(&self, resolved: &Resolved) -> Result<Arc<NameRegistry>, RunError> {
        let (disk, dir) = (Arc::clone(&self.disk), &resolved.offline.data_dir);
        let names =
            NameRegistry::open(disk, dir, resolved.uplink.names).map_err(RunError::Names)?;
        Ok(Arc::new(names))
    }

    fn letters(&self, resolved: &Resolved) -> Result<dead_letter::Log, RunError> {
        let (disk, metrics) = (Arc::clone(&self.disk), Arc::clone(&self.metrics));
        let options = resolved.dead_letter.clone();
        dead_letter::open(disk, options, metrics, &self.board, &self.supervisor)
            .map_err(|error| RunError::DeadLetters(Box::new(error)))
    }

    fn journal(&self, resolved: &Resolved) -> Result<sessions::Journal, RunError> {
        let (disk, metrics) = (Arc::clone(&self.disk), Arc::clone(&self.metrics));
        let (options, now) = (resolved.sessions.clone(), self.clock.wall());
        sessions::open(disk, options, now, metrics, &self.board, &self.supervisor)
            .map_err(RunError::Sessions)
    }

    fn store(&self, resolved: &Resolved) -> Result<Arc<Store>, RunError> {
        let (clock, metrics) = (Arc::clone(&self.clock), Arc::clone(&self.metrics));
        let store = Store::new(&resolved.store, clock, metrics, &self.supervisor);
        store.map(Arc::new).map_err(RunError::Store)
    }

    fn sink(
        &self,
        resolved: &Resolved,
        store: &Arc<Store>,
        letters: &dead_letter::Log,
        catalog: &Arc<ArcSwap<Catalog>>,
    ) -> sink::Parts {
        sink::Parts {
            options: resolved.sink.clone(),
            store: Arc::clone(store),
            dead_letters: letters.handle.clone(),
            catalog: Arc::clone(catalog),
            clock: Arc::clone(&self.clock),
            metrics: Arc::clone(&self.metrics),
            supervisor: self.supervisor.clone(),
            health: self.board.cell("store", Critical::No),
        }
    }

    fn http(
        &self,
        queries: &QueryEngine,
        catalog: &Arc<ArcSwap<Catalog>>,
        fleet: &Fleet,
        intake: &IntakeParts,
        access: &Arc<Access>,
        downlink: &downlink::Downlink,
    ) -> http::HttpState {
        http::HttpState {
            health: self.board.clone(),
            metrics: Arc::clone(&self.metrics),
            queries: queries.clone(),
            catalog: Arc::clone(catalog),
            presence: Arc::clone(&fleet.presence),
            sessions: Arc::clone(&fleet.workers) as _,
            board: Arc::clone(&fleet.workers) as _,
            dead_letters: Arc::new(intake.letters.clone()),
            replay: Arc::new(Replayer::new(intake.clone())),
            access: Arc::clone(access),
            downlink: Arc::new(downlink.clone()),
            clock: Arc::clone(&self.clock),
        }
    }

    /// Starts the operator edge; returns its address.
    async fn serve_operators(
        &self,
        state: http::HttpState,
        resolved: &Resolved,
        certificates: &Certificates,
    ) -> Result<(http::Server, SocketAddr), RunError> {
        let listener = http::bind(&resolved.http).await.map_err(RunError::Http)?;
        let address = listener.local_addr().map_err(RunError::Runtime)?;
        let tls = certificates.http.clone();
        if !address.ip().is_loopback() && resolved.offline.auth.tokens.is_none() {
            tracing::warn!(
                %address,
                "auth.anonymous lets everybody ask and change everything here; auth.tokens would not"
            );
        }
        Ok((http::serve(listener, state, &resolved.http, tls, &self.supervisor), address))
    }

    fn intake(
        &self,
        resolved: &Resolved,
        mappings: &Mappings,
        lanes: &Lanes,
        letters: &dead_letter::Log,
    ) -> IntakeParts {
        let limits = resolved.offline.limits.clone();
        let bytes_max = resolved.uplink.memory_max;
        self.metrics.uplink_memory_limit_bytes.set(i64::try_from(bytes_max).unwrap_or(i64::MAX));
        let memory = MemoryBudget::new(bytes_max, resolved.mqtt.workers, limits.bytes_max);
        IntakeParts {
            plans: Arc::clone(&mappings.plans),
            limits,
            names: Arc::clone(&mappings.names),
            lanes: lanes.handles.clone(),
            letters: letters.handle.clone(),
            shards: resolved.offline.shards,
            metrics: Arc::clone(&self.metrics),
            clock: Arc::clone(&self.clock),
            memory: Arc::new(memory),
            group_bytes_max: resolved.uplink.group_bytes_max,
        }
    }
}

/// Creates the query engine for the store that points are shipped to.
fn query_engine(
    resolved: &Resolved,
    store: Arc<Store>,
    catalog: &Arc<ArcSwap<Catalog>>,
    metrics: &Arc<Metrics>,
) -> QueryEngine {
    QueryEngine::new(EngineParts {
        options: resolved.query.clone(),
        store,
        bucket: resolved.store.target.bucket().to_owned(),
        catalog: Arc::clone(catalog),
        metrics: Arc::clone(metrics),
    })
}

/// The content of the lock file: the addresses for commands on this machine.
fn announcement(ready: &Ready) -> String {
    let mut text = serde_json::json!({
        "pid": std::process::id(), "http": ready.http, "http-tls": ready.http_tls,
    });
    for transport in Transport::ALL {
        let addresses: Vec<SocketAddr> = ready.addresses(transport).collect();
        if !addresses.is_empty() {
            text[transport.scheme()] = serde_json::json!(addresses);
        }
    }
    text.to_string()
}

/// A second request to stop ends the process at once; everything that was acknowledged is in the
/// spools.
async fn stop_at_once(mut signals: Signals) {
    while signals.next().await != Asked::Stop {}
    tracing::warn!("asked to stop again: ending at once");
    std::process::exit(1);
}
