//! Spools, a dead-letter log and shippers in a temporary folder, with waits that look at states.

use std::{collections::BTreeSet, num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::{
    dead_letter,
    env::{
        Supervisor, SystemClock,
        disk::{Disk, RealDisk},
    },
    model::{
        Catalog, DeadLetter, LetterFilter, LetterMark, LineDialect, Measurement, Secret,
        ShardCount, ShardId,
    },
    sink::{Drained, Options, Parts, RetryOptions, Shard, ShardStatus, Sink, start},
    spool::{self, Budget, EntryBuffer, Writer},
    store::{
        self, Credentials, InfluxDb1, InfluxDb2, InfluxDb3, Kind, Newlines, Store, Target, TdEngine,
    },
    telemetry::{Critical, Exposition, Health, HealthBoard, Metrics, PointCounts},
};

use super::{
    fake_store::{FakeStore, Play, Request},
    fault_disk::FaultDisk,
};

/// How long anything may take before a test gives up: thousands of seeds are played beside other
/// work.
const PATIENCE: Duration = Duration::from_mins(5);

/// Waits until something is so; level-triggered, so nothing can be missed.
pub(super) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !so() {
        assert!(tokio::time::Instant::now() < deadline, "gave up waiting until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Small and fast bounds: batches of four lines, waits of milliseconds.
pub(super) fn options() -> Options {
    Options {
        batch_lines: NonZeroUsize::new(4).expect("four"),
        batch_age: Duration::from_millis(20),
        retry: RetryOptions {
            delay_min: Duration::from_millis(5),
            delay_max: Duration::from_millis(40),
            retry_after_max: Duration::from_millis(60),
        },
        ..Options::default()
    }
}

/// A line of a vehicle.
pub(super) fn line(idx: usize) -> String {
    format!("m,vin=V{idx} x={idx}i {idx}\n")
}

pub(super) fn line_set(idxs: impl IntoIterator<Item = usize>) -> BTreeSet<String> {
    idxs.into_iter().map(line).collect()
}

pub(super) struct Rig {
    dir: TempDir,
    options: Options,
    kind: Kind,
    dialect: LineDialect,
    n_shards: u16,
    pub(super) store: FakeStore,
    /// Servers beside that one, over which the shards are spread.
    others: Vec<FakeStore>,
    pub(super) disk: Arc<FaultDisk>,
    /// Bytes that dead letters may take.
    letter_bytes_max: u64,
    board: HealthBoard,
    pub(super) supervisor: Supervisor,
    running: Option<Running>,
}

struct Running {
    metrics: Arc<Metrics>,
    writers: Vec<Writer>,
    sink: Sink,
    letters: dead_letter::Log,
}

impl Rig {
    /// One shard that writes to InfluxDB 2.
    pub(super) async fn new(
        options: Options,
        script: impl Fn(&Request) -> Play + Send + Sync + 'static,
    ) -> Self {
        Self::with(options, Kind::InfluxDb2, LineDialect::Unsigned, 1, script).await
    }

    pub(super) async fn with(
        options: Options,
        kind: Kind,
        dialect: LineDialect,
        n_shards: u16,
        script: impl Fn(&Request) -> Play + Send + Sync + 'static,
    ) -> Self {
        let store = FakeStore::start(script).await;
        Self::over(options, (kind, dialect), n_shards, store, Vec::new())
    }

    /// Shards that are spread over several servers.
    pub(super) fn over(
        options: Options,
        (kind, dialect): (Kind, LineDialect),
        n_shards: u16,
        store: FakeStore,
        others: Vec<FakeStore>,
    ) -> Self {
        // Another test of this process may have been first.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let mut rig = Self {
            dir: TempDir::new().expect("a temporary folder"),
            options,
            kind,
            dialect,
            n_shards,
            store,
            others,
            disk: Arc::default(),
            letter_bytes_max: 1 << 30,
            board: HealthBoard::default(),
            supervisor: Supervisor::default(),
            running: None,
        };
        rig.start();
        rig
    }

    /// Starts again with room for so many bytes of dead letters.
    pub(super) async fn restart_with_letter_room(&mut self, bytes_max: u64) {
        self.kill().await;
        self.letter_bytes_max = bytes_max;
        self.start();
    }

    /// The folder of a shard's spool.
    pub(super) fn spool_dir(&self, shard: u16) -> PathBuf {
        self.dir.path().join(format!("spool/{shard}"))
    }

    fn dead_letter_dir(&self) -> PathBuf {
        self.dir.path().join("dead-letter")
    }

    /// Opens everything as the app does.
    pub(super) fn start(&mut self) {
        let disk: Arc<dyn Disk> = Arc::<FaultDisk>::clone(&self.disk);
        let metrics = Arc::new(Metrics::new(self.board.clone()));
        let budget = Arc::new(Budget::new(1 << 30));
        let (mut writers, mut shards) = (Vec::new(), Vec::new());
        for id in (0..self.n_shards).map(ShardId) {
            let options = spool::Options {
                dir: self.spool_dir(id.0),
                dialect: self.dialect,
                segment_bytes_max: 64 << 10,
                budget: Arc::clone(&budget),
            };
            let opened = spool::open(Arc::clone(&disk), options).expect("a spool opens");
            let ledger = metrics.ledgers().shard(id);
            ledger.recovered(opened.recovery.items);
            writers.push(opened.writer);
            shards.push(Shard { id, reader: opened.reader, ledger });
        }
        let letters = dead_letter::Options {
            bytes_max: self.letter_bytes_max,
            segment_bytes_max: 64 << 10,
            sink_when_full: dead_letter::SinkWhenFull::Hold,
            ..dead_letter::Options::new(self.dead_letter_dir())
        };
        let letters = dead_letter::open(
            disk,
            letters,
            Arc::clone(&metrics),
            &self.board,
            &Supervisor::default(),
        )
        .expect("a dead-letter log opens");
        let sink = start(
            &Handle::current(),
            Parts {
                options: self.options.clone(),
                store: Arc::new(self.client()),
                dead_letters: letters.handle.clone(),
                catalog: Arc::new(ArcSwap::from_pointee(catalog())),
                clock: Arc::new(SystemClock::start()),
                metrics: Arc::clone(&metrics),
                supervisor: self.supervisor.clone(),
                health: self.board.cell("store", Critical::No),
            },
            shards,
        );
        self.running = Some(Running { metrics, writers, sink, letters });
    }

    fn client(&self) -> Store {
        let target = match self.kind {
            Kind::InfluxDb1 => Target::InfluxDb1(InfluxDb1 {
                database: "d".to_owned(),
                retention_policy: None,
                credentials: None,
            }),
            Kind::InfluxDb3 => {
                Target::InfluxDb3(InfluxDb3 { database: "d".to_owned(), token: None })
            }
            Kind::TdEngine => Target::TdEngine(TdEngine {
                database: "fleet".to_owned(),
                credentials: Credentials::Basic {
                    user: "root".to_owned(),
                    password: Secret::new("hush"),
                },
                create: true,
                newlines: Newlines::Refuse,
                string_bytes_max: TdEngine::STRING_BYTES_MAX,
            }),
            _ => Target::InfluxDb2(InfluxDb2 {
                org: "o".to_owned(),
                bucket: "b".to_owned(),
                token: Some(Secret::new("hush")),
                create: false,
            }),
        };
        let servers = std::iter::once(&self.store).chain(&self.others);
        let urls = servers.map(|server| format!("http://{}", server.address)).collect();
        let mut options = store::Options::new(target, urls);
        options.shards = ShardCount(self.n_shards.try_into().expect("not zero"));
        options.request_timeout = Duration::from_millis(500);
        let metrics = Arc::new(Metrics::new(self.board.clone()));
        Store::new(&options, Arc::new(SystemClock::start()), metrics, &Supervisor::default())
            .expect("a store that can be asked")
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    /// Makes one entry of lines durable in a shard, as its lane does.
    pub(super) fn append(&mut self, shard: usize, lines: &[String]) {
        let running = self.running.as_mut().expect("it runs");
        let mut entry = EntryBuffer::new();
        for line in lines {
            entry.bytes_mut().extend_from_slice(line.as_bytes());
            entry.items += 1;
        }
        running.writers[shard].append_unsynced(&mut entry).expect("room");
        let items = u64::from(entry.items);
        let id = ShardId(u16::try_from(shard).expect("few shards"));
        running.metrics.ledgers().shard(id).spooled(items, items);
        running.writers[shard].sync().expect("a disk that works");
    }

    pub(super) fn status(&self, shard: usize) -> ShardStatus {
        self.running().sink.state().shards()[shard].clone()
    }

    /// A part's health as the operator sees it.
    pub(super) fn health(&self, name: &str) -> Health {
        let parts = self.board.snapshot();
        let part = parts.into_iter().find(|part| part.name == name);
        part.expect("the part is on the board").health
    }

    pub(super) fn store_health(&self) -> Health {
        self.health("store")
    }

    /// A metric's value in a scrape.
    pub(super) fn metric(&self, name: &str) -> Option<String> {
        let running = self.running();
        running.sink.state().measure();
        let text = running.metrics.encode(Exposition::Text);
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned))
    }

    pub(super) fn points(&self) -> PointCounts {
        self.running().metrics.ledgers().points()
    }

    /// Waits until a shard's cursor covers all that is durable.
    pub(super) async fn shipped(&self, shard: usize) {
        until("all is confirmed", || self.status(shard).waiting_entries == 0).await;
        assert!(self.points().balances(), "{:?}", self.points());
    }

    /// Ends without drain, as a killed process does: what the cursor on disk does not cover is
    /// there at the next start.
    pub(super) async fn kill(&mut self) {
        let Running { writers, sink, letters, .. } = self.running.take().expect("it runs");
        drop((writers, sink));
        letters.close();
        let dir = self.dir.path().to_owned();
        let n_shards = self.n_shards;
        let free = move |path: PathBuf| matches!(RealDisk.lock(&path), Ok(Some(_)));
        until("the locks are free", || {
            (0..n_shards).all(|id| free(dir.join(format!("spool/{id}/lock"))))
                && free(dir.join("dead-letter/lock"))
        })
        .await;
    }

    pub(super) async fn drain(&mut self, within: Duration) -> Drained {
        let Running { writers, sink, letters, .. } = self.running.take().expect("it runs");
        let drained = sink.drain(within).await;
        letters.close();
        drop(writers);
        drained
    }

    /// The dead letters, read as the command line does.
    pub(super) fn letters(&self) -> Vec<DeadLetter> {
        let (filter, after) = (LetterFilter::default(), LetterMark::default());
        dead_letter::list(Arc::new(RealDisk), &self.dead_letter_dir(), filter, after)
            .expect("the log can be read")
            .map(|found| found.expect("each letter can be read").1)
            .collect()
    }
}

fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    let measurement =
        Measurement { vehicle_tag: Some("vin".to_owned()), tags: Vec::new(), fields: Vec::new() };
    catalog.measurements.insert("m".to_owned(), measurement);
    catalog
}
