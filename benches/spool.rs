//! What the spool costs on a real disk: append, group sync, read, recovery.
//!
//! `cargo bench --bench spool [-- DIR]` prints CPU seconds (user and system, of this process) per
//! million lines of 400 bytes, and the share of it that copying the same bytes costs. The disk is
//! that of DIR, else of the folder for temporary files; if that one is in memory, syncs are free.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use fleetline::{
    env::{
        Clock, SystemClock,
        disk::{Disk, RealDisk},
    },
    model::LineDialect,
    spool::{Append, BatchLimits, Budget, EntryBuffer, Opened, Options, open, verify},
};

const LINE_BYTES: usize = 400;
const LINES: usize = 1_000_000;
/// Lines of one worker's turn: an entry of 40 KB.
const LINES_AN_ENTRY: usize = 100;
/// Entries of one group commit.
const ENTRIES_A_GROUP: usize = 8;
const SEGMENT_BYTES: u64 = 64 << 20;
const LIMITS: BatchLimits = BatchLimits { bytes_max: 4 << 20, items_max: 10_000 };

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Cargo passes flags of its own.
    let chosen = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let temporary = tempfile::Builder::new()
        .prefix("fleetline-spool-bench")
        .tempdir_in(chosen.map_or_else(std::env::temp_dir, PathBuf::from))?;
    let clock = SystemClock::start();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{LINES} lines of {LINE_BYTES} B, {LINES_AN_ENTRY} an entry, segments of 64 MiB"
    )?;
    writeln!(out, "{:<34}{:>10}{:>10}{:>12}{:>10}", "", "cpu s/1M", "wall s", "MB/s", "x copy")?;

    let mut table = Table { out, clock, copy: 0.0 };
    copy(&mut table)?;
    let dir = temporary.path();
    for (name, synced) in [("append, no sync", false), ("append, a sync each 8 entries", true)] {
        let options = options(&dir.join(name));
        let opened = open(Arc::new(RealDisk), options)?;
        table.row(name, || append(opened, synced))?;
    }
    let dir = dir.join("append, no sync");
    table.row("read, verify, confirm", || read(&dir))?;
    table.row("verify", || {
        verify(&RealDisk, &dir, &mut |_| {})?;
        Ok(())
    })?;
    recovery(&mut table, temporary.path())?;
    Ok(())
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Measures and prints.
struct Table<'a> {
    out: io::StdoutLock<'a>,
    clock: SystemClock,
    /// CPU seconds of copying the same bytes once: what nothing that keeps them can go below.
    copy: f64,
}

impl Table<'_> {
    fn row(&mut self, name: &str, work: impl FnOnce() -> Outcome) -> Outcome {
        let (cpu, wall) = (cpu_seconds()?, self.clock.monotonic());
        work()?;
        let cpu = cpu_seconds()? - cpu;
        let wall = (self.clock.monotonic() - wall).as_secs_f64();
        if self.copy == 0.0 {
            self.copy = cpu;
        }
        let rate = (LINES * LINE_BYTES) as f64 / 1e6 / wall;
        let ratio = cpu / self.copy;
        writeln!(self.out, "{name:<34}{cpu:>10.3}{wall:>10.3}{rate:>12.0}{ratio:>10.1}")?;
        Ok(())
    }
}

/// User and system time of this process so far.
fn cpu_seconds() -> io::Result<f64> {
    const TICKS_A_SECOND: f64 = 100.0;
    let file = RealDisk.open(Path::new("/proc/self/stat"), fleetline::env::disk::Access::Read)?;
    let mut bytes = [0; 1024];
    let n = file.read_at(&mut bytes, 0)?;
    let text = String::from_utf8_lossy(&bytes[..n]);
    // The name, in parentheses, may hold spaces.
    let fields = text.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<f64>().ok());
    Ok(ticks.sum::<f64>() / TICKS_A_SECOND)
}

fn options(dir: &Path) -> Options {
    Options {
        dir: dir.to_owned(),
        dialect: LineDialect::Signed,
        segment_bytes_max: SEGMENT_BYTES,
        budget: Arc::new(Budget::new(64 << 30)),
    }
}

fn copy(table: &mut Table<'_>) -> Outcome {
    let from = entry();
    let mut to = Vec::with_capacity(LINES * LINE_BYTES);
    table.row("copy in memory, for comparison", || {
        for _ in 0..LINES / LINES_AN_ENTRY {
            to.extend_from_slice(std::hint::black_box(from.payload()));
        }
        std::hint::black_box(&to);
        Ok(())
    })
}

fn entry() -> EntryBuffer {
    let mut entry = EntryBuffer::new();
    for n in 0..LINES_AN_ENTRY {
        let line = format!("telemetry,vin=VIN{n:014} speed_kmh=");
        entry.bytes_mut().extend_from_slice(line.as_bytes());
        let fill = LINE_BYTES - 1 - line.len();
        entry.bytes_mut().extend((0..fill).map(|at| b'0' + u8::try_from(at % 10).unwrap_or(0)));
        entry.bytes_mut().push(b'\n');
        entry.items += 1;
    }
    entry
}

fn append(mut opened: Opened, synced: bool) -> Outcome {
    let mut entry = entry();
    for n in 1..=LINES / LINES_AN_ENTRY {
        if opened.writer.append_unsynced(&mut entry)? == Append::Full {
            return Err("the spool is full".into());
        }
        if synced && n % ENTRIES_A_GROUP == 0 {
            opened.writer.sync()?;
        }
    }
    opened.writer.sync()?;
    Ok(())
}

fn read(dir: &Path) -> Outcome {
    let mut opened = open(Arc::new(RealDisk), options(dir))?;
    let mut body = Vec::new();
    let mut items = 0;
    while let Some(batch) = opened.reader.read_batch(&mut body, LIMITS)? {
        items += batch.items;
        opened.reader.confirm(batch.last);
        body.clear();
    }
    // The cursor stays in memory, so that the next row finds the same files.
    if items == LINES as u64 { Ok(()) } else { Err(format!("{items} lines were read").into()) }
}

/// How long 1 GiB of spool takes to open, as a killed process left it.
fn recovery(table: &mut Table<'_>, dir: &Path) -> Outcome {
    let options = options(&dir.join("recovery"));
    let mut opened = open(Arc::new(RealDisk), options.clone())?;
    let mut entry = entry();
    let entries = (1 << 30) / entry.len();
    for _ in 0..entries {
        opened.writer.append_unsynced(&mut entry)?;
    }
    opened.writer.sync()?;
    drop(opened);
    let began = table.clock.monotonic();
    let opened = open(Arc::new(RealDisk), options)?;
    let took = (table.clock.monotonic() - began).as_secs_f64();
    writeln!(
        table.out,
        "recovery of 1 GiB: {:.0} ms, {} items past the cursor",
        took * 1e3,
        opened.recovery.items
    )?;
    Ok(())
}
