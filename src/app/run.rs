//! The appliance, from its first lock to its last goodbye.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::runtime::Runtime;

use super::{
    fleet::Fleet,
    lanes::{self, LaneError, Lanes},
    layout::{DataDir, DataDirError},
    watch::{Asked, Requests, Signals, Until, dead_thread},
};
use crate::{
    config::Resolved,
    dead_letter,
    env::{
        Clock, SystemClock,
        disk::{Disk, RealDisk},
    },
    http,
    mapping::{self, Plans},
    model::Catalog,
    mqtt::{Edge, StartError},
    query,
    sink::{self, Sink},
    store::{Store, StoreError},
    telemetry::{Critical, Health, HealthBoard, HealthCell, Metrics},
    uplink::IntakeParts,
};

/// Where the running appliance listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// For vehicles.
    pub mqtt: Vec<SocketAddr>,
    /// For operators.
    pub http: SocketAddr,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// As asked.
    Asked {
        /// Connections that were cut before all of theirs was acknowledged.
        cut_connections: usize,
        /// Entries that wait in the spools for the next start.
        waiting_entries: u64,
    },
    /// A thread of ours ended by itself; everything acknowledged is in the spools.
    ThreadDied {
        /// Which.
        name: String,
    },
}

/// Why the appliance cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It cannot be used, is in use, or was made for another number of shards.
    #[error("the data directory is not usable")]
    DataDir(#[source] DataDirError),
    /// Its spool cannot be opened, or its thread not started.
    #[error("a lane cannot be opened")]
    Lane(#[source] LaneError),
    /// The dead-letter log cannot be opened.
    #[error("the dead-letter log cannot be opened")]
    DeadLetters(#[source] Box<dead_letter::OpenError>),
    /// Something is wrong in the schemas or mappings: the message lists all of it.
    #[error("{0}")]
    Schemas(mapping::LoadErrors),
    /// The client for the database cannot be built.
    #[error("the store's client cannot be built")]
    Store(#[source] StoreError),
    /// The machine gives no threads, or no signals.
    #[error("the control runtime cannot be started")]
    Runtime(#[source] io::Error),
    /// The operators' address cannot be listened on.
    #[error("the operator edge cannot start")]
    Http(#[source] http::BindError),
    /// A vehicles' address cannot be listened on.
    #[error("the vehicle edge cannot start")]
    Mqtt(#[source] StartError),
}

/// Threads of the control runtime: shippers and the operator edge; a heavy query never stalls an
/// MQTT worker, whatever their number.
const CONTROL_THREADS: usize = 2;
/// How often the metrics are brought up to what the lanes have counted.
const MEASURE: Duration = Duration::from_millis(500);
/// What is kept of the drain's time for the steps behind the edge.
const EDGE_SHARE: f64 = 0.5;

/// Runs the appliance `until` it is asked to stop. `on_ready` is called once every listener is up.
///
/// # Errors
/// If it cannot start. What it has opened by then is closed again.
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
        tracing::error!(name, "a thread ended by itself; stopping, so that a restart recovers");
        return Ok(Stopped::ThreadDied { name });
    }
    if let Requests::Signals(signals) = requests {
        runtime.spawn(stop_at_once(signals));
    }
    Ok(appliance.stop(&runtime, drain))
}

/// Everything that runs.
struct Appliance {
    ready: Ready,
    mapping: mapping::Options,
    plans: Arc<ArcSwap<Plans>>,
    catalog: Arc<ArcSwap<Catalog>>,
    metrics: Arc<Metrics>,
    fleet: Fleet,
    edge_health: HealthCell,
    edge: Edge,
    lanes: Lanes,
    sink: Sink,
    letters: dead_letter::Log,
    operators: http::Server,
    clock: Arc<dyn Clock>,
    /// Held until the end.
    _data_dir: DataDir,
}

impl Appliance {
    fn start(resolved: &Resolved, runtime: &Runtime) -> Result<Self, RunError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let board = HealthBoard::default();
        let metrics = Arc::new(Metrics::new(board.clone()));
        let offline = &resolved.offline;
        let data_dir = DataDir::open(Arc::clone(&disk), &offline.data_dir, offline.shards)
            .map_err(RunError::DataDir)?;
        let plans = Plans::load(&offline.mapping).map_err(RunError::Schemas)?;
        let catalog = Arc::new(ArcSwap::from_pointee(plans.catalog().clone()));
        let plans = Arc::new(ArcSwap::from_pointee(plans));
        let (lanes, shards) = lanes::open(&disk, &resolved.spool, offline.shards, &metrics, &board)
            .map_err(RunError::Lane)?;
        let letters =
            dead_letter::open(disk, resolved.dead_letter.clone(), Arc::clone(&metrics), &board)
                .map_err(|error| RunError::DeadLetters(Box::new(error)))?;
        let store = Store::new(&resolved.store, Arc::clone(&clock), Arc::clone(&metrics));
        let store = Arc::new(store.map_err(RunError::Store)?);
        let parts = sink::Parts {
            options: resolved.sink.clone(),
            store: Arc::clone(&store),
            dead_letters: letters.handle.clone(),
            catalog: Arc::clone(&catalog),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
            health: board.cell("store", Critical::No),
        };
        let sink = sink::start(runtime.handle(), parts, shards);
        let edge_health = board.cell("mqtt", Critical::Yes);
        let fleet = Fleet::new(resolved.mqtt.away_vehicles_max);
        let state = http::HttpState {
            health: board,
            metrics: Arc::clone(&metrics),
            queries: query_engine(resolved, store, &catalog, &metrics),
            catalog: Arc::clone(&catalog),
            presence: Arc::clone(&fleet.presence),
            sessions: Arc::clone(&fleet.roster) as _,
            dead_letters: Arc::new(letters.handle.clone()),
            clock: Arc::clone(&clock),
        };
        let (operators, address) = runtime.block_on(serve_operators(state, &resolved.http))?;
        let parts = IntakeParts {
            plans: Arc::clone(&plans),
            limits: offline.limits.clone(),
            lanes: lanes.handles.clone(),
            letters: letters.handle.clone(),
            shards: offline.shards,
            metrics: Arc::clone(&metrics),
            clock: Arc::clone(&clock),
        };
        let (presence, roster) = (Arc::clone(&fleet.presence), Arc::clone(&fleet.roster));
        let edge = Edge::start(&resolved.mqtt, &parts, presence, roster).map_err(RunError::Mqtt)?;
        edge_health.set(Health::Ready);
        let ready = Ready { mqtt: edge.addresses().to_vec(), http: address };
        data_dir.announce(&announcement(&ready)).map_err(RunError::DataDir)?;
        Ok(Self {
            ready,
            mapping: offline.mapping.clone(),
            plans,
            catalog,
            metrics,
            fleet,
            edge_health,
            edge,
            lanes,
            sink,
            letters,
            operators,
            clock,
            _data_dir: data_dir,
        })
    }

    /// Waits until it is asked to stop (`None`), or until a thread has died (its name).
    async fn watch(&mut self, requests: &mut Requests) -> Option<String> {
        let mut measure = tokio::time::interval(MEASURE);
        loop {
            tokio::select! {
                asked = requests.next() => match asked {
                    Asked::Stop => return None,
                    Asked::Reload => self.reload(),
                },
                _ = measure.tick() => self.measure(),
                name = dead_thread(&self.lanes.threads, &self.letters, &self.edge) => {
                    return Some(name);
                }
                () = self.sink.watch() => return Some("sink".to_owned()),
            }
        }
    }

    /// Brings the metrics up to what the stages have counted.
    fn measure(&mut self) {
        self.lanes.measure(&self.metrics);
        self.sink.state().measure();
        self.fleet.measure(&self.metrics);
    }

    /// Loads schemas and mappings anew; the old ones stay if anything is wrong.
    fn reload(&self) {
        match Plans::load(&self.mapping) {
            Ok(plans) => {
                self.catalog.store(Arc::new(plans.catalog().clone()));
                self.plans.store(Arc::new(plans));
                tracing::info!("schemas and mappings loaded anew");
            }
            Err(errors) => {
                tracing::error!(%errors, "schemas and mappings not loaded, the old ones stay");
            }
        }
    }

    /// Stops in the direction of the data.
    fn stop(self, runtime: &Runtime, limit: Duration) -> Stopped {
        tracing::info!("stopping: nothing more is taken in");
        self.edge_health.set(Health::Waiting("stopping".to_owned()));
        let began = self.clock.monotonic();
        let cut_connections = runtime.block_on(self.edge.drain(limit.mul_f64(EDGE_SHARE)));
        self.edge.stop();
        self.lanes.close();
        let left = limit.saturating_sub(self.clock.monotonic().saturating_sub(began));
        let drained = runtime.block_on(self.sink.drain(left));
        self.letters.close();
        runtime.block_on(self.operators.stop(Duration::from_millis(200)));
        let waiting_entries = drained.waiting_entries;
        tracing::info!(cut_connections, waiting_entries, "stopped");
        Stopped::Asked { cut_connections, waiting_entries }
    }
}

/// Where questions are asked of the store that points are shipped to.
fn query_engine(
    resolved: &Resolved,
    store: Arc<Store>,
    catalog: &Arc<ArcSwap<Catalog>>,
    metrics: &Arc<Metrics>,
) -> query::QueryEngine {
    query::QueryEngine::new(query::EngineParts {
        options: resolved.query.clone(),
        store,
        bucket: resolved.store.target.bucket().to_owned(),
        catalog: Arc::clone(catalog),
        metrics: Arc::clone(metrics),
    })
}

/// The operator edge, and where it listens.
async fn serve_operators(
    state: http::HttpState,
    options: &http::Options,
) -> Result<(http::Server, SocketAddr), RunError> {
    let listener = http::bind(options).await.map_err(RunError::Http)?;
    let address = listener.local_addr().map_err(RunError::Runtime)?;
    Ok((http::serve(listener, state, options), address))
}

/// What stands in the lock file: where commands on this machine find the appliance.
fn announcement(ready: &Ready) -> String {
    serde_json::json!({ "pid": std::process::id(), "mqtt": ready.mqtt, "http": ready.http })
        .to_string()
}

/// A second request to stop ends the process at once; all that was acknowledged is in the spools.
async fn stop_at_once(mut signals: Signals) {
    while signals.next().await != Asked::Stop {}
    tracing::warn!("asked to stop again: ending at once");
    std::process::exit(1);
}
