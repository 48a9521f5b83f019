//! The lanes: one spool and one commit thread per shard.

use std::{io, path::PathBuf, sync::Arc, thread::JoinHandle};

use crate::{
    config::SpoolOptions,
    env::{
        Clock, Supervisor,
        disk::{Disk, RealDisk},
    },
    model::{ShardCount, ShardId},
    sink,
    spool::{self, Budget, CommitCounters, CommitHandle, CommitState, Committer, Recovery},
    telemetry::{Critical, Health, HealthBoard, HealthCell, Metrics, ShardLabel},
};

/// The lanes of all shards, in order.
#[derive(Debug)]
pub(super) struct Lanes {
    pub(super) handles: Vec<CommitHandle>,
    /// The threads by name.
    threads: Vec<(String, JoinHandle<()>)>,
    budget: Arc<Budget>,
    /// The counters that are already in the metrics.
    reported: Vec<CommitCounters>,
    /// Evicted segments that are already in the metrics.
    reported_evicted: u64,
}

/// Why a lane cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// Its spool cannot be opened: the disk fails, or a file is foreign. Damage is not among the
    /// reasons.
    #[error("cannot open the spool of shard {}", shard.0)]
    Spool {
        /// The shard.
        shard: ShardId,
        /// The spool's error.
        #[source]
        source: Box<spool::OpenError>,
    },
    /// No thread can be started.
    #[error("cannot start the lane of shard {}", shard.0)]
    Thread {
        /// The shard.
        shard: ShardId,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
}

/// Opens every spool and starts its commit thread; returns the readers for the sink.
pub(super) fn open(
    disk: &Arc<dyn Disk>,
    options: &SpoolOptions,
    shards: ShardCount,
    metrics: &Metrics,
    board: &HealthBoard,
    supervisor: &Supervisor,
    clock: &Arc<dyn Clock>,
) -> Result<(Lanes, Vec<sink::Shard>), LaneError> {
    let budget = Budget::new(options.bytes_max).holding(options.hold, Arc::clone(clock));
    let budget = Arc::new(budget);
    metrics.spool_limit_bytes.set(i64::try_from(options.bytes_max).unwrap_or(i64::MAX));
    let (handles, threads, reported) = (Vec::new(), Vec::new(), Vec::new());
    let mut lanes = Lanes { handles, threads, budget, reported, reported_evicted: 0 };
    let mut readers = Vec::new();
    for shard in shards.ids() {
        let opened = spool::open(Arc::clone(disk), options.shard(shard, Arc::clone(&lanes.budget)))
            .map_err(|source| LaneError::Spool { shard, source: Box::new(source) })?;
        log_recovery(shard, &opened.recovery);
        let ledger = metrics.ledgers().shard(shard);
        ledger.recovered(opened.recovery.items);
        let name = format!("spool-{}", shard.0);
        let cell = board.cell(&name, Critical::Yes);
        cell.set(Health::Ready);
        let room =
            SizeSources { dir: options.dir.clone(), segment_bytes: options.segment_bytes_max };
        let (handle, thread) = Committer::start(
            supervisor.guard(&name),
            opened.writer,
            options.commit.clone(),
            Some(Arc::clone(&ledger)),
            Box::new(room.shown_in(cell, Arc::clone(&lanes.budget))),
        )
        .map_err(|source| LaneError::Thread { shard, source })?;
        lanes.handles.push(handle);
        lanes.threads.push((name, thread));
        lanes.reported.push(CommitCounters::default());
        readers.push(sink::Shard { id: shard, reader: opened.reader, ledger });
    }
    Ok((lanes, readers))
}

/// The sources of sizes for messages about a lane without room.
#[derive(Debug)]
struct SizeSources {
    dir: PathBuf,
    segment_bytes: u64,
}

impl SizeSources {
    /// Reports a lane's states as health; without room, also which bound or disk is full, and its
    /// size.
    fn shown_in(self, cell: HealthCell, budget: Arc<Budget>) -> impl FnMut(&CommitState) + Send {
        move |state| {
            cell.set(match state {
                CommitState::Running => Health::Ready,
                CommitState::Full => Health::Waiting(self.reason(&budget)),
                CommitState::Halted { reason } => Health::Failed(reason.to_string()),
            });
        }
    }

    fn reason(&self, budget: &Budget) -> String {
        let (used, most) = (mib(budget.used()), mib(budget.bytes_max()));
        let wanted = mib(self.segment_bytes);
        if budget.used() + self.segment_bytes > budget.bytes_max() {
            return format!(
                "no room: the spools hold {used}, another {wanted} is past spool.max-size = \
                 {most}: publishes wait until the store takes what is there"
            );
        }
        let free = RealDisk.free_bytes(&self.dir).map_or_else(|_| "too little".to_owned(), mib);
        let dir = self.dir.display();
        format!(
            "no room on the disk of `{dir}`: {free} is free, {wanted} is wanted for the next \
             segment: publishes wait"
        )
    }
}

/// Bytes as text in MiB.
fn mib(bytes: u64) -> String {
    match bytes >> 20 {
        0 => format!("{} KiB", bytes >> 10),
        mib => format!("{mib} MiB"),
    }
}

/// Logs the result of a recovery; as an error if something is lost.
fn log_recovery(shard: ShardId, recovery: &Recovery) {
    let shard = shard.0;
    let Recovery { items, torn_bytes, damaged_entries, damaged_items, set_aside, .. } = *recovery;
    if damaged_entries > 0 || set_aside > 0 {
        tracing::error!(
            shard,
            damaged_entries,
            damaged_items,
            set_aside,
            "the spool is damaged: these entries are lost, their bytes are in quarantine"
        );
    }
    if items > 0 || torn_bytes > 0 {
        tracing::info!(shard, recovered = items, torn_bytes, "recovered the spool");
    }
}

impl Lanes {
    /// Updates the metrics from the commit threads' counters.
    pub(super) fn measure(&mut self, metrics: &Metrics) {
        self.budget.expire_held();
        metrics.spool_disk_bytes.set(i64::try_from(self.budget.used()).unwrap_or(i64::MAX));
        let held = self.budget.held_status();
        metrics.spool_held_bytes.set(i64::try_from(held.bytes).unwrap_or(i64::MAX));
        let evicted = &metrics.spool_yielded_segments;
        evicted.inc_by(held.evicted_segments - self.reported_evicted);
        self.reported_evicted = held.evicted_segments;
        for (index, (handle, reported)) in self.handles.iter().zip(&mut self.reported).enumerate() {
            let shard = ShardLabel::from(ShardId(u16::try_from(index).unwrap_or(u16::MAX)));
            let now = handle.counters();
            let entries = metrics.spool_appended_entries.get_or_create_owned(&shard);
            entries.inc_by(now.entries - reported.entries);
            let fulls = metrics.spool_full_appends.get_or_create_owned(&shard);
            fulls.inc_by(now.fulls - reported.fulls);
            let syncs = metrics.spool_synced_groups.get_or_create_owned(&shard);
            syncs.inc_by(now.syncs - reported.syncs);
            let time = metrics.spool_sync_seconds.get_or_create_owned(&shard);
            time.inc_by((now.sync_time - reported.sync_time).as_secs_f64());
            *reported = now;
        }
    }

    /// Syncs queued entries and ends the threads. Blocks until they have ended.
    pub(super) fn close(self) {
        for handle in &self.handles {
            handle.stop();
        }
        for (name, thread) in self.threads {
            if thread.join().is_err() {
                tracing::error!(name, "the lane ended with a panic");
            }
        }
    }
}
