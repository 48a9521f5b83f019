//! The embedded store: points per CPU second from the bytes of lines to the commit, and how long a
//! vehicle's last hour takes, beside SQLite itself.
//!
//! ```text
//! requests of 10,000 lines, two a shard in flight ──▶ store::Store ──▶ telemetry/2026-11.sqlite
//! the same rows, typed and sorted, 10,000 a transaction ─────────────▶ yardstick.sqlite
//! ```
//!
//! 1,000 vehicles a second apart, 12 fields a point, lines in the order of time as they come from
//! two shards. The yardstick has no lines to read, no types to hold and no fields to merge: its
//! rate is what SQLite leaves to be reached, and the ratio is what a busy machine does not blur.
//! CPU is that of the process, user and system, while a slice of the points is stored.
//!
//! ```text
//! cargo bench --bench embedded -- [--points N] [--no-yardstick]
//! ```
//! By default 5 million points; the budget of the question is for 50 million (`--points 50000000`,
//! some ten minutes and 12 GB below `target/tmp`).

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the machine as it is")]

#[path = "rig/mod.rs"]
mod rig;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use fleetline::{
    env::{Supervisor, SystemClock},
    model::{Catalog, ShardId, UnixNanos},
    query::{self, Part, QueryEngine, QueryRequest},
    store::{self, Embedded, Encoding, NativeQueryLimits, Partition, Store, Target, Verdict},
    telemetry::{HealthBoard, Metrics},
};
use futures_util::{StreamExt as _, future::try_join_all, stream};
use rig::{
    Outcome, fault,
    points::{self, Points, Request, SHARDS, STEP, VEHICLES},
    process::{cpu_seconds, resident_bytes},
    server,
    table::{line, met, thousands},
    yardstick::Yardstick,
};

/// Points that are made, then stored under the clock, and so on.
const SLICE: usize = 200_000;
/// Points of which the first and the last so many are told apart.
const ENDS: usize = 1_000_000;
/// Requests of a shard in flight, as the sink has by default.
const IN_FLIGHT: usize = 2;
const RATE_MUST: f64 = 100e3;
const RATE_AIM: f64 = 200e3;
const HOUR: i64 = 3_600_000_000_000;
const QUESTION_MAX: Duration = Duration::from_millis(20);
const QUESTIONS: usize = 50;
const MIB: f64 = 1024.0 * 1024.0;

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    rig::exit(measure(&arguments))
}

struct Options {
    points: usize,
    has_yardstick: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> Outcome<Self> {
        let mut options = Self { points: 5_000_000, has_yardstick: true };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match (argument.as_str(), rest.as_slice().first()) {
                ("--no-yardstick", _) => options.has_yardstick = false,
                ("--points", Some(value)) => {
                    options.points = value.parse()?;
                    rest.next();
                }
                _ => {
                    let known = "--points N or --no-yardstick";
                    return Err(fault(format!("{argument} is not {known}")));
                }
            }
        }
        // Whole slices, so that every shard has whole requests.
        options.points = options.points.div_ceil(SLICE) * SLICE;
        Ok(options)
    }
}

fn measure(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    let folder = server::folder()?;
    let dir = folder.path().join("embedded");
    let is_rate_met = rates(&options, folder.path(), &dir)?;
    let is_question_met = questions(&options, &dir)?;
    if is_rate_met && is_question_met { Ok(()) } else { Err(fault("a budget was missed")) }
}

fn open(dir: &Path) -> Outcome<Arc<Store>> {
    let options = store::Options::new(
        Target::Embedded(Embedded {
            dir: dir.to_owned(),
            retention: None,
            partition: Partition::Month,
            cache_bytes: 64 << 20,
            questions: NativeQueryLimits::default(),
            answerer: None,
        }),
        Vec::new(),
    );
    let metrics = Arc::new(Metrics::new(HealthBoard::default()));
    Ok(Arc::new(Store::new(
        &options,
        Arc::new(SystemClock::start()),
        metrics,
        &Supervisor::default(),
    )?))
}

/// CPU of a stretch of points.
#[derive(Clone, Copy, Debug, Default)]
struct Stretch {
    points: f64,
    cpu: f64,
}

impl Stretch {
    fn add(&mut self, points: usize, cpu: f64) {
        self.points += count(points);
        self.cpu += cpu;
    }

    fn rate(&self) -> f64 {
        self.points / self.cpu
    }
}

/// The first million points, all, and the last million.
#[derive(Clone, Copy, Debug, Default)]
struct Stretches([Stretch; 3]);

impl Stretches {
    fn add(&mut self, at: usize, of: usize, cpu: f64) {
        self.0[1].add(SLICE, cpu);
        if at < ENDS {
            self.0[0].add(SLICE, cpu);
        }
        if at + SLICE > of.saturating_sub(ENDS) {
            self.0[2].add(SLICE, cpu);
        }
    }

    fn summary(&self) -> String {
        let [first, all, last] = self.0.map(|stretch| thousands(stretch.rate()));
        format!("{first} points per CPU second at first, {all} in all, {last} at last")
    }
}

/// Fills the store and the yardstick, slice by slice in turn.
fn rates(options: &Options, folder: &Path, dir: &Path) -> Outcome<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let store = open(dir)?;
    let yardstick = if options.has_yardstick { Some(Yardstick::open(folder)?) } else { None };
    let (mut ours, mut theirs) = (Stretches::default(), Stretches::default());
    let mut source = Points::default();
    let own = std::process::id();
    let (began, mut storing) = (Instant::now(), Duration::ZERO);
    let base = resident_bytes(own)?;
    let mut resident_max = 0.0_f64;
    for at in (0..options.points).step_by(SLICE) {
        let requests = source.next(SLICE);
        let (cpu, wall) = (cpu_seconds(own)?, Instant::now());
        runtime.block_on(write(&store, &requests))?;
        ours.add(at, options.points, cpu_seconds(own)? - cpu);
        storing += wall.elapsed();
        resident_max = resident_max.max(resident_bytes(own)?);
        if let Some(yardstick) = &yardstick {
            let cpu = cpu_seconds(own)?;
            requests.iter().try_for_each(|request| yardstick.insert(request))?;
            theirs.add(at, options.points, cpu_seconds(own)? - cpu);
        }
    }
    drop(store);
    let bytes = server::bytes_below(dir)?;
    let points = count(options.points);
    line(&format!(
        "{} points of 12 fields, {VEHICLES} vehicles; {:.0} s, of which the store {:.0} s",
        thousands(points),
        began.elapsed().as_secs_f64(),
        storing.as_secs_f64()
    ));
    line(&format!("  embedded   {}", ours.summary()));
    if yardstick.is_some() {
        let ratio = |at: usize| ours.0[at].rate() / theirs.0[at].rate();
        line(&format!("  SQLite     {}", theirs.summary()));
        line(&format!(
            "  the store reaches {:.2} of SQLite at first, {:.2} in all, {:.2} at last",
            ratio(0),
            ratio(1),
            ratio(2)
        ));
    }
    #[expect(clippy::cast_precision_loss, reason = "bytes on a disk are below 2^52")]
    let each = bytes as f64 / points;
    line(&format!(
        "  {each:.0} bytes a point on disk; memory {:.0} MiB, {:.0} MiB before",
        resident_max / MIB,
        base / MIB
    ));
    let least = ours.0.iter().map(Stretch::rate).fold(f64::INFINITY, f64::min);
    let is_met = least >= RATE_MUST;
    line(&format!(
        "  must {}, aim {}: {}",
        thousands(RATE_MUST),
        thousands(RATE_AIM),
        met(is_met, least >= RATE_AIM)
    ));
    Ok(is_met)
}

/// Ships requests as the sink does: each shard's in their order, so many in flight.
async fn write(store: &Store, requests: &[Request]) -> Outcome {
    let shards = (0..SHARDS).map(|shard| {
        let of_it = requests.iter().filter(move |request| usize::from(request.shard) == shard);
        let written = stream::iter(of_it.map(|request| request.lines.clone()))
            .map(move |lines| write_one(store, shard, lines))
            .buffered(IN_FLIGHT);
        written.fold(Ok(()), |all: Outcome, one| std::future::ready(all.and(one)))
    });
    try_join_all(shards).await?;
    Ok(())
}

async fn write_one(store: &Store, shard: usize, lines: Bytes) -> Outcome {
    let shard = ShardId(u16::try_from(shard)?);
    match store.write(shard, lines, Encoding::Identity).await {
        Verdict::Accepted => Ok(()),
        other => Err(fault(format!("not stored: {other:?}"))),
    }
}

/// A vehicle's last hour as the API asks for it: with the pages of the files out of memory, which
/// tells about the disk, and again, which the budget is for: what was written within the hour is in
/// memory.
fn questions(options: &Options, dir: &Path) -> Outcome<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let queries = queries(open(dir)?);
    let to = points::START + i64::try_from(options.points / VEHICLES)? * STEP;
    let expect = usize::try_from(HOUR / STEP)?.min(options.points / VEHICLES);
    let ask = |vehicle: usize| {
        let began = Instant::now();
        let n_rows = runtime.block_on(answer(&queries, vehicle, to))?;
        let took = began.elapsed();
        if n_rows == expect { Ok(took) } else { Err(fault(format!("{n_rows} rows, not {expect}"))) }
    };
    let vehicle = |n: usize| (n * 37 + 5) % VEHICLES;
    let mut cold = Vec::new();
    for n in 0..QUESTIONS {
        forget(dir)?;
        cold.push(ask(vehicle(n))?);
    }
    let cpu = cpu_seconds(std::process::id())?;
    let warm: Vec<Duration> = (0..QUESTIONS).map(|n| ask(vehicle(n))).collect::<Outcome<_>>()?;
    let cpu = (cpu_seconds(std::process::id())? - cpu) / count(QUESTIONS);
    let files = open_while(dir, || ask(vehicle(0)).map(drop))?;
    let (cold, warm) = (Spread::of(cold), Spread::of(warm));
    line(&format!(
        "a vehicle's last hour, {expect} of {} points, {files} file open meanwhile",
        thousands(count(options.points))
    ));
    line(&format!("  pages not in memory  {}", cold.summary()));
    line(&format!("  in memory            {}, CPU {:.1} ms each", warm.summary(), cpu * 1e3));
    let is_met = warm.median < QUESTION_MAX;
    line(&format!("  must {} ms: {}", QUESTION_MAX.as_millis(), met(is_met, false)));
    Ok(is_met)
}

fn queries(store: Arc<Store>) -> QueryEngine {
    let mut catalog = Catalog::default();
    catalog.measurements.insert("telemetry".to_owned(), points::measurement());
    QueryEngine::new(query::EngineParts {
        options: query::Options::default(),
        store,
        bucket: String::new(),
        catalog: Arc::new(ArcSwap::from_pointee(catalog)),
        metrics: Arc::new(Metrics::new(HealthBoard::default())),
    })
}

/// Asks, and counts the rows to the last.
async fn answer(queries: &QueryEngine, vehicle: usize, to: i64) -> Outcome<usize> {
    let request = QueryRequest {
        measurement: "telemetry".to_owned(),
        vehicles: vec![points::vin(vehicle)],
        from: UnixNanos(to - HOUR),
        to: UnixNanos(to),
        limit: QueryRequest::LIMIT_MAX,
        ..QueryRequest::default()
    };
    let mut parts = queries.portable(request).await?.parts;
    let mut n_rows = 0;
    while let Some(part) = parts.recv().await {
        match part? {
            Part::Rows(rows) => n_rows += rows.len(),
            Part::End { .. } => return Ok(n_rows),
        }
    }
    Err(fault("the answer was cut off"))
}

/// Lets the kernel forget the pages of every file.
fn forget(dir: &Path) -> Outcome {
    for path in files(dir)? {
        let file = fs::File::open(path)?;
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    Ok(())
}

fn files(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in fs::read_dir(dir)? {
        for file in fs::read_dir(folder?.path())? {
            files.push(file?.path());
        }
    }
    Ok(files)
}

/// How many files of the store are open at once while `work` is done.
fn open_while(dir: &Path, mut work: impl FnMut() -> Outcome) -> Outcome<usize> {
    let is_done = Arc::new(AtomicBool::new(false));
    let (done, dir) = (Arc::clone(&is_done), dir.to_owned());
    let watcher = thread::spawn(move || {
        let mut most = 0;
        while !done.load(Ordering::Relaxed) {
            most = most.max(open_below(&dir));
        }
        most
    });
    // Once may be over before the watcher has looked.
    let worked = (0..QUESTIONS).try_for_each(|_| work());
    is_done.store(true, Ordering::Relaxed);
    worked?;
    watcher.join().map_err(|_| fault("the watcher panicked"))
}

fn open_below(dir: &Path) -> usize {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return 0 };
    let targets = entries.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    let is_file = |path: &PathBuf| {
        path.starts_with(dir) && path.extension().is_some_and(|end| end == "sqlite")
    };
    let mut open: Vec<PathBuf> = targets.filter(is_file).collect();
    open.sort_unstable();
    open.dedup();
    open.len()
}

/// The least, the middle and the most.
struct Spread {
    least: Duration,
    median: Duration,
    most: Duration,
}

impl Spread {
    fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        let (least, most) = (all[0], all[all.len() - 1]);
        Self { least, median: all[all.len() / 2], most }
    }

    fn summary(&self) -> String {
        let ms = |took: Duration| took.as_secs_f64() * 1e3;
        let Self { least, median, most } = self;
        format!("{:.1} ms (from {:.1} to {:.1})", ms(*median), ms(*least), ms(*most))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn count(count: usize) -> f64 {
    count as f64
}
