//! Starts a shipper for each shard, shows their states, and drains them.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{
    runtime::Handle,
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout_at},
};

use crate::{
    dead_letter,
    env::{Clock, Supervisor},
    model::{Catalog, ShardId},
    sink::{
        Options, ShardStatus,
        circuit::Circuit,
        delivery::Context,
        meters::Meters,
        probe::Probes,
        shipper::Shipper,
        stalled::Stalled,
        state::{ShardState, StoreHealth},
    },
    spool::Reader,
    store::Store,
    telemetry::{HealthCell, Metrics, PointLedger},
};

/// Time for a cursor's last write after the drain's end.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// What one shard brings.
#[derive(Debug)]
pub struct Shard {
    /// Which shard.
    pub id: ShardId,
    /// The reading half of its spool.
    pub reader: Reader,
    /// Where its points are counted.
    pub ledger: Arc<PointLedger>,
}

/// What all shards share.
#[derive(Debug)]
pub struct Parts {
    /// The bounds.
    pub options: Options,
    /// Where to write.
    pub store: Arc<Store>,
    /// Where refused lines go.
    pub dead_letters: dead_letter::Handle,
    /// Which tag of a measurement names the vehicle; may be replaced while shipping.
    pub catalog: Arc<ArcSwap<Catalog>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where requests are counted.
    pub metrics: Arc<Metrics>,
    /// Watches the shippers, each by the name `sink-` and its shard.
    pub supervisor: Supervisor,
    /// The store's place on the health board; not critical, as a store may be away.
    pub health: HealthCell,
}

/// The running shippers.
#[derive(Debug)]
pub struct Sink {
    shards: SinkState,
    shippers: JoinSet<Drained>,
    drain: watch::Sender<Option<Instant>>,
}

/// What shipping looks like from outside. Cheap to clone, for metrics and the API.
#[derive(Clone, Debug)]
pub struct SinkState(Arc<[Arc<Context>]>);

impl SinkState {
    /// Each shard's state now, in the order of [`start`].
    #[must_use]
    pub fn shards(&self) -> Vec<ShardStatus> {
        self.0.iter().map(|context| context.state.status()).collect()
    }

    /// Brings the gauges of what waits up to date; to be called before a scrape, or now and then.
    pub fn measure(&self) {
        for context in self.0.iter() {
            context.meters.measure(&context.state.status(), context.circuit.is_open());
        }
    }
}

/// What a drain left in the spools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Durable entries that the store has not confirmed; they are shipped after the next start.
    pub waiting_entries: u64,
}

/// Starts one shipper a shard on a runtime. Nothing is sent before something is in a spool.
#[must_use]
pub fn start(runtime: &Handle, parts: Parts, shards: Vec<Shard>) -> Sink {
    let accepted = Arc::default();
    let health = Arc::new(StoreHealth::new(parts.health, shards.len()));
    let (drain, drains) = watch::channel(None);
    let circuits: Vec<Arc<Circuit>> =
        (0..parts.store.endpoints()).map(|endpoint| Arc::new(Circuit::new(endpoint))).collect();
    let mut shippers = JoinSet::new();
    let mut contexts = Vec::with_capacity(shards.len());
    for (idx, shard) in shards.into_iter().enumerate() {
        let Shard { id, reader, ledger } = shard;
        let (confirmed, durable) = (reader.confirmed(), reader.durable());
        let clock = Arc::clone(&parts.clock);
        let context = Arc::new(Context {
            shard: id,
            options: parts.options.clone(),
            store: Arc::clone(&parts.store),
            dead_letters: parts.dead_letters.clone(),
            catalog: Arc::clone(&parts.catalog),
            state: ShardState::new(
                id,
                idx,
                confirmed,
                Arc::clone(&health),
                Arc::clone(&clock),
                durable,
            ),
            clock,
            meters: Meters::new(&parts.metrics, id),
            accepted: Arc::clone(&accepted),
            circuit: Arc::clone(&circuits[parts.store.endpoint(id)]),
            stalled: Stalled::new(parts.options.batches_stalled),
            probes: Probes::new(parts.options.probe_wait_max),
        });
        contexts.push(Arc::clone(&context));
        let shipper = Shipper::new(context, ledger, reader, drains.clone());
        let guard = parts.supervisor.guard(format!("sink-{}", id.0));
        let run = async move {
            let _guard = guard;
            shipper.run().await
        };
        shippers.spawn_on(run, runtime);
    }
    Sink { shards: SinkState(contexts.into()), shippers, drain }
}

impl Sink {
    /// A view of the shards that outlives this.
    #[must_use]
    pub fn state(&self) -> SinkState {
        self.shards.clone()
    }

    /// Ships what the store takes within a time, without waiting for batches to fill; then writes
    /// the cursors and ends. Call it when the lanes have ended: what becomes durable later stays in
    /// the spool.
    pub async fn drain(mut self, within: Duration) -> Drained {
        let deadline = Instant::now() + within;
        self.drain.send_replace(Some(deadline));
        let mut sum = Drained::default();
        let last = deadline + LAST_WRITE;
        while let Ok(Some(ended)) = timeout_at(last, self.shippers.join_next()).await {
            sum.waiting_entries += passed_on(ended).waiting_entries;
        }
        sum
    }
}

fn passed_on(ended: Result<Drained, tokio::task::JoinError>) -> Drained {
    match ended.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(drained) => drained,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_cancelled)) => Drained::default(),
    }
}
