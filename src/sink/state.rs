//! The state of shipping that operators see, and the health of the store.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    env::Clock,
    model::{Position, ShardId},
    sink::lag::Lag,
    telemetry::{Health, HealthCell, LogLimit},
};

/// How often a shard alarms that the store took nothing of a batch.
const REFUSED_BATCHES_LOGGED_EVERY: Duration = Duration::from_mins(1);

/// One shard's shipping at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardStatus {
    /// Which shard.
    pub shard: ShardId,
    /// Whether the store accepts what the shard ships, according to the last request.
    pub health: Health,
    /// The last entry that the cursor in memory covers; the cursor on disk may lag.
    pub confirmed: Position,
    /// Entries that are durable and not confirmed.
    pub waiting_entries: u64,
    /// How long the oldest of them has been waiting; zero if there is none.
    pub waiting_time: Duration,
    /// Requests that were answered or failed.
    pub requests: u64,
    /// Requests that repeat one which failed.
    pub retries: u64,
    /// Bytes of lines sent, before compression, repetitions included.
    pub sent_bytes: u64,
    /// Lines that became dead letters.
    pub dead_lettered: u64,
    /// The last error of a request or of the disk; bounded.
    pub last_error: Option<String>,
}

/// The store's health on the board: the worst that any shard reports.
#[derive(Debug)]
pub(super) struct StoreHealth {
    cell: HealthCell,
    /// The health that each shard reports, by index; `None` before its first request.
    ///
    /// Why a mutex: it is taken when a shard's health changes, not once a request.
    shards: Mutex<Vec<Option<Health>>>,
}

impl StoreHealth {
    /// Nothing is known of the store before the first request of a shard.
    pub(super) fn new(cell: HealthCell, n_shards: usize) -> Self {
        cell.set_idle(IDLE);
        Self { cell, shards: Mutex::new(vec![None; n_shards]) }
    }

    fn set(&self, idx: usize, health: Health) {
        let mut shards = lock(&self.shards);
        shards[idx] = Some(health);
        let rank = |health: &&Health| match health {
            Health::Ready => 0,
            Health::Waiting(_) => 1,
            Health::Failed(_) => 2,
        };
        let worst = shards.iter().flatten().max_by_key(rank);
        self.cell.set(worst.cloned().unwrap_or_else(unknown));
    }
}

/// The state of a store that was not asked anything yet.
const IDLE: &str = "nothing shipped yet";

fn unknown() -> Health {
    Health::Waiting(IDLE.to_owned())
}

/// What one shard's shipper and its deliveries write, and anybody reads.
#[derive(Debug)]
pub(super) struct ShardState {
    shard: ShardId,
    /// The shard's index in [`StoreHealth`].
    idx: usize,
    store: Arc<StoreHealth>,
    clock: Arc<dyn Clock>,
    /// How far the spool is durable.
    durable: watch::Receiver<Position>,
    /// Why a mutex: fields change together; it is taken once a batch or request and not held long.
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    lag: Lag,
    store: Health,
    /// Requests that wait to be sent again; at most as many as are in flight.
    stuck: u32,
    /// The last error of the shard's disk, until the disk works again.
    disk: Option<String>,
    requests: u64,
    retries: u64,
    sent_bytes: u64,
    dead_lettered: u64,
    last_error: Option<String>,
    refused_batches: LogLimit,
}

impl ShardState {
    pub(super) fn new(
        shard: ShardId,
        idx: usize,
        confirmed: Position,
        store: Arc<StoreHealth>,
        clock: Arc<dyn Clock>,
        durable: watch::Receiver<Position>,
    ) -> Self {
        let inner = Inner {
            lag: Lag::new(confirmed),
            store: unknown(),
            stuck: 0,
            disk: None,
            requests: 0,
            retries: 0,
            sent_bytes: 0,
            dead_lettered: 0,
            last_error: None,
            refused_batches: LogLimit::new(REFUSED_BATCHES_LOGGED_EVERY),
        };
        Self { shard, idx, store, clock, durable, inner: Mutex::new(inner) }
    }

    /// Everything as of now.
    pub(super) fn status(&self) -> ShardStatus {
        let now = self.clock.monotonic();
        let durable = *self.durable.borrow();
        let mut inner = lock(&self.inner);
        inner.lag.saw_durable(durable, now);
        ShardStatus {
            shard: self.shard,
            health: inner.health(),
            confirmed: inner.lag.confirmed(),
            waiting_entries: inner.lag.entries(),
            waiting_time: inner.lag.since().map_or(Duration::ZERO, |at| now.saturating_sub(at)),
            requests: inner.requests,
            retries: inner.retries,
            sent_bytes: inner.sent_bytes,
            dead_lettered: inner.dead_lettered,
            last_error: inner.last_error.clone(),
        }
    }

    /// Entries up to `position` are durable.
    pub(super) fn saw_durable(&self, position: Position) {
        let now = self.clock.monotonic();
        lock(&self.inner).lag.saw_durable(position, now);
    }

    /// The cursor passed `position`; so many of the lines passed are dead letters.
    pub(super) fn saw_confirmed(&self, position: Position, dead_lettered: u64) {
        let mut inner = lock(&self.inner);
        inner.lag.saw_confirmed(position);
        inner.dead_lettered += dead_lettered;
    }

    /// The store refused all `lines` of a batch: the cause is hardly in each of them.
    pub(super) fn saw_refused_batch(&self, lines: usize) {
        let mut inner = lock(&self.inner);
        let Some(batches_before) = inner.refused_batches.admit(self.clock.monotonic()) else {
            return;
        };
        let (shard, answer) = (self.shard.0, inner.last_error.as_deref().unwrap_or_default());
        tracing::error!(
            shard,
            lines,
            batches_before,
            answer,
            "the store refused every line of a batch; they are dead letters"
        );
    }

    /// A request of `bytes` ended and found the store in this health. `again`: an earlier try of
    /// the same request has failed.
    ///
    /// A shard is ready only if none of its requests waits for a retry: so the health does not flap
    /// while one request always fails and others succeed.
    pub(super) fn saw_verdict(&self, health: Health, bytes: u64, again: bool, error: Option<&str>) {
        let mut inner = lock(&self.inner);
        match (&health, again) {
            (Health::Ready, true) => inner.stuck -= 1,
            (Health::Waiting(_) | Health::Failed(_), false) => inner.stuck += 1,
            (Health::Ready, false) | (Health::Waiting(_) | Health::Failed(_), true) => {}
        }
        inner.requests += 1;
        inner.retries += u64::from(again);
        inner.sent_bytes += bytes;
        if let Some(error) = error {
            inner.last_error = Some(error.to_owned());
        }
        let hidden = health == Health::Ready && inner.stuck > 0;
        if inner.store != health && !hidden {
            inner.store = health;
            self.tell(&inner);
        }
    }

    /// A request has had no answer for so long, and is still in flight.
    pub(super) fn saw_silence(&self, silence: Duration) {
        let mut inner = lock(&self.inner);
        if inner.store == Health::Ready || inner.store == unknown() {
            let reason = format!("no answer within {} s", silence.as_secs());
            inner.store = Health::Waiting(reason);
            self.tell(&inner);
        }
    }

    /// The shard's disk failed, or (`None`) works again.
    pub(super) fn saw_disk(&self, fault: Option<String>) {
        let mut inner = lock(&self.inner);
        if inner.disk != fault {
            if fault.is_some() {
                inner.last_error.clone_from(&fault);
            }
            inner.disk = fault;
            self.tell(&inner);
        }
    }

    fn tell(&self, inner: &Inner) {
        self.store.set(self.idx, inner.health());
    }
}

impl Inner {
    fn health(&self) -> Health {
        match &self.disk {
            Some(fault) => Health::Failed(fault.clone()),
            None => self.store.clone(),
        }
    }
}

/// Every change leaves the fields whole, so a panic elsewhere cannot leave half of one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
