//! `spool`: reads the spools on disk without the lock; `reshard` changes the number of shards.

use std::{io::IsTerminal as _, num::NonZeroU16, path::Path, sync::Arc};

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::{
    app,
    cli::{
        failure::Failure,
        moment,
        output::{Output, complain},
    },
    config::{self, Offline, Sources, shard_dir},
    env::{
        Clock as _, SystemClock,
        disk::{Disk, RealDisk},
    },
    mapping::Plans,
    model::{ShardCount, ShardId},
    spool::{self, CursorState, DamagedStretch, Progress, Replayed, Status, Verification},
};

/// Bytes of a segment of moved entries.
const SEGMENT_BYTES: u64 = 16 << 20;

/// Positions, lag and damage of the spools
///
/// `status` and `verify` read the data directory without its lock, so an appliance may be running
/// on it; `reshard` and `replay` need it stopped.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  fleetline spool status --config config/fleetline.toml
  fleetline spool verify --set data-dir=/var/lib/fleetline --json")]
pub(in crate::cli) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Shows what each shard holds, and the position up to which the store has confirmed
    #[command(after_help = "Example:\n  fleetline spool status --json")]
    Status {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Changes the number of shards of a stopped appliance; keeps everything in its spools
    ///
    /// Set `spool.shards` to the same number before the next start. The embedded store and the dead
    /// letters are not touched.
    #[command(after_help = "Example:\n  fleetline spool reshard 4")]
    Reshard {
        /// The new number of shards
        #[arg(value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
        shards: u16,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Sends points again that the store confirmed since a time, at the next start of a stopped
    /// appliance
    ///
    /// For a store that lost confirmed points, for example in a power cut. Only points that
    /// `store.hold` kept are still there; writing a point that the store already has changes
    /// nothing. Whole files are sent, so some earlier points may be sent too.
    #[command(after_help = "Example:\n  fleetline spool replay --from 2026-01-31T12:00:00Z\n  \
                            fleetline spool replay --from 10m")]
    Replay {
        /// RFC 3339, nanoseconds since 1970, or how long ago (10m)
        #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
        from: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Reads every entry and checks every checksum; exit code 1 if any is damaged
    #[command(after_help = "Example:\n  fleetline spool verify")]
    Verify {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

/// There is no spool in the directory; the operator names the right `data-dir`.
#[derive(Debug, thiserror::Error)]
#[error("there is no spool in `{dir}`; is data-dir right?")]
struct NoSpool {
    dir: String,
}

/// Shows or verifies every existing shard, independent of the configured number.
pub(in crate::cli) fn run(
    arguments: &Arguments,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    let offline = config::load_offline(sources)?;
    if let What::Reshard { shards, json } = arguments.what {
        return reshard(&offline, shards, json, output);
    }
    if let What::Replay { from, json } = &arguments.what {
        return replay(&offline, from, *json, output);
    }
    let dir = offline.spool_dir();
    let shards = shards(&dir)?;
    match arguments.what {
        What::Reshard { .. } | What::Replay { .. } => Ok(()),
        What::Status { json } => status(&dir, &shards, json, output),
        What::Verify { json } => verify(&dir, &shards, json, output),
    }
}

fn reshard(offline: &Offline, shards: u16, json: bool, output: &mut Output) -> Result<(), Failure> {
    let schemas = &offline.mapping;
    let plans =
        Plans::load(schemas).map_err(|errors| Failure::Schemas(schemas.dir.clone(), errors))?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let count = ShardCount(NonZeroU16::new(shards).expect("the argument's minimum is 1"));
    let done = app::reshard(&disk, &offline.data_dir, plans.catalog(), count, SEGMENT_BYTES);
    let app::Resharded { from, points, damaged } = done.map_err(Failure::failed)?;
    if json {
        let told = json!({ "from": from, "to": shards, "points": points, "damaged": damaged });
        return output.json(&told);
    }
    if damaged > 0 {
        complain(format_args!("{damaged} points were lost to damage of the spools before"));
    }
    output.line(format_args!(
        "{from} shards before, {shards} now; {points} points that wait were moved"
    ))?;
    if offline.shards != count {
        output.line(format_args!("set spool.shards = {shards} before the next start"))?;
    }
    Ok(())
}

fn replay(offline: &Offline, from: &str, json: bool, output: &mut Output) -> Result<(), Failure> {
    let from = moment::parse(from, SystemClock::start().wall())?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(0).with_prefix("shards"));
    let told = |done: u16, of: u16| {
        if let Some(bar) = &bar {
            bar.set_length(of.into());
            bar.set_position(done.into());
        }
    };
    let done = app::replay(&disk, &offline.data_dir, from, told);
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    let Replayed { segments, items } = done.map_err(Failure::failed)?;
    if json {
        return output.json(&json!({ "segments": segments, "points": items }));
    }
    output.line(format_args!(
        "{items} points will be sent again at the next start, of {segments} files that were held"
    ))?;
    Ok(())
}

fn shards(dir: &Path) -> Result<Vec<ShardId>, Failure> {
    let mut shards = Vec::new();
    for shard in (0..=u16::MAX).map(ShardId) {
        if !shard_dir(dir, shard).try_exists().map_err(Failure::failed)? {
            break;
        }
        shards.push(shard);
    }
    match shards.is_empty() {
        true => Err(Failure::failed(NoSpool { dir: dir.display().to_string() })),
        false => Ok(shards),
    }
}

fn status(dir: &Path, shards: &[ShardId], json: bool, output: &mut Output) -> Result<(), Failure> {
    let mut found = Vec::new();
    for shard in shards {
        let status = spool::status(&RealDisk, &shard_dir(dir, *shard)).map_err(Failure::failed)?;
        found.push((*shard, status));
    }
    if json {
        let shards: Vec<Value> = found.iter().map(|(shard, s)| status_json(*shard, s)).collect();
        return output.json(&json!({ "shards": shards }));
    }
    output.line(format_args!(
        "{:>5}  {:>12}  {:>12}  {:>10}  {:>12}  {:>8}  {:>12}  {:>7}  cursor",
        "shard", "last", "confirmed", "entries", "points", "segments", "bytes", "damaged"
    ))?;
    for (shard, s) in &found {
        output.line(format_args!(
            "{:>5}  {:>12}  {:>12}  {:>10}  {:>12}  {:>8}  {:>12}  {:>7}  {}",
            shard.0,
            s.last.0,
            s.confirmed.0,
            s.entries(),
            s.items,
            s.segments,
            s.bytes,
            s.damaged_entries,
            cursor(s.cursor)
        ))?;
    }
    Ok(())
}

fn status_json(shard: ShardId, status: &Status) -> Value {
    json!({
        "shard": shard.0,
        "segments": status.segments,
        "bytes": status.bytes,
        "first": status.first.0,
        "last": status.last.0,
        "confirmed": status.confirmed.0,
        "cursor": cursor(status.cursor),
        "entries": status.entries(),
        "points": status.items,
        "damaged_entries": status.damaged_entries,
    })
}

const fn cursor(state: CursorState) -> &'static str {
    match state {
        CursorState::Missing => "missing",
        CursorState::Found => "found",
        CursorState::Damaged => "damaged",
        CursorState::Ahead { .. } => "ahead",
    }
}

fn verify(dir: &Path, shards: &[ShardId], json: bool, output: &mut Output) -> Result<(), Failure> {
    let mut told = Vec::new();
    let mut is_whole = true;
    for shard in shards {
        let bar = bar(*shard);
        let mut progress = |progress: Progress| {
            if let Some(bar) = &bar {
                bar.set_length(progress.bytes_total);
                bar.set_position(progress.bytes_done);
            }
        };
        let found = spool::verify(&RealDisk, &shard_dir(dir, *shard), &mut progress);
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        let found = found.map_err(Failure::failed)?;
        is_whole &= found.damage.is_empty() && found.foreign.is_empty();
        match json {
            true => told.push(verification_json(*shard, &found)),
            false => tell(*shard, &found, output)?,
        }
    }
    if json {
        output.json(&json!({ "whole": is_whole, "shards": told }))?;
    }
    if is_whole { Ok(()) } else { Err(Failure::Reported(1)) }
}

/// On a terminal only.
fn bar(shard: ShardId) -> Option<ProgressBar> {
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {bytes}/{total_bytes} {eta}");
    let bar = ProgressBar::new(0).with_prefix(format!("shard {}", shard.0));
    let bar = bar.with_style(style.ok()?);
    std::io::stderr().is_terminal().then_some(bar)
}

fn tell(shard: ShardId, found: &Verification, output: &mut Output) -> Result<(), Failure> {
    let Verification { segments, entries, items, bytes, torn_bytes, .. } = found;
    let shard = shard.0;
    output.line(format_args!(
        "shard {shard}: {entries} entries with {items} points in {segments} segments, {bytes} bytes"
    ))?;
    if *torn_bytes > 0 {
        output.line(format_args!(
            "shard {shard}: {torn_bytes} bytes behind the last entry were never durable; the next \
             start cuts them"
        ))?;
    }
    for name in &found.foreign {
        complain(format_args!(
            "shard {shard}: {name} is no segment of this spool: the next start moves it to \
             quarantine"
        ));
    }
    for stretch in &found.damage {
        let DamagedStretch { segment, offset, bytes, first, entries, items } = stretch;
        let first = first.0;
        match (segment.is_empty(), entries) {
            (true, _) => complain(format_args!(
                "shard {shard}: the file with {entries} entries from {first} on is gone"
            )),
            (false, 0) => complain(format_args!(
                "shard {shard}: {segment}: {bytes} bytes at {offset} are damaged; no entry is lost"
            )),
            (false, _) => complain(format_args!(
                "shard {shard}: {segment}: {bytes} bytes at {offset} are damaged: {entries} \
                 entries from {first} on, {items} points"
            )),
        }
    }
    Ok(())
}

fn verification_json(shard: ShardId, found: &Verification) -> Value {
    let damage: Vec<Value> = found
        .damage
        .iter()
        .map(|stretch| {
            json!({
                "segment": stretch.segment,
                "offset": stretch.offset,
                "bytes": stretch.bytes,
                "first": stretch.first.0,
                "entries": stretch.entries,
                "points": stretch.items,
            })
        })
        .collect();
    json!({
        "shard": shard.0,
        "segments": found.segments,
        "entries": found.entries,
        "points": found.items,
        "bytes": found.bytes,
        "torn_bytes": found.torn_bytes,
        "foreign": found.foreign,
        "damage": damage,
    })
}
