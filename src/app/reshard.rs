//! Changes the number of shards of a stopped appliance.
//!
//! The unconfirmed points in the spools are appended again, each to the shard that its vehicle has
//! with the new number; then the number changes, and then the old copies are confirmed. After a
//! crash in between, points may exist twice, but none is lost: they reach the store twice, which
//! changes nothing there. A vehicle's points keep their order: they are all in one shard before,
//! are read in order, and all go to one shard.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::layout::{DataDir, HoldError};
use crate::{
    config::shard_dir,
    env::disk::Disk,
    model::{Catalog, LineDialect, ShardCount, ShardId, line},
    spool::{
        self, Append, AppendError, BatchLimits, Budget, CursorError, EntryBuffer, OpenError,
        Opened, ReadError, SyncError,
    },
};

/// Bytes that are read and written at once.
const STEP_BYTES: u64 = 4 << 20;

/// The result of the change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resharded {
    /// The number of shards before.
    pub from: u16,
    /// Points that were moved.
    pub points: u64,
    /// Points that were lost because the spools were damaged before.
    pub damaged: u64,
}

/// Why the number of shards cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum ReshardError {
    /// The data directory cannot be changed.
    #[error(transparent)]
    DataDir(#[from] HoldError),
    /// A spool cannot be opened.
    #[error("the spool of shard {} cannot be opened", shard.0)]
    Open {
        /// The shard.
        shard: ShardId,
        /// The cause.
        #[source]
        source: Box<OpenError>,
    },
    /// A spool cannot be read.
    #[error("what waits cannot be read")]
    Read(#[source] ReadError),
    /// A spool cannot be written. The number does not change, and nothing is lost.
    #[error("what waits cannot be written once more")]
    Append(#[source] AppendError),
    /// A spool cannot be synced. The number does not change, and nothing is lost.
    #[error("what waits cannot be made durable once more")]
    Sync(#[source] SyncError),
    /// The disk has no room for a second copy of the unconfirmed points. Nothing is lost: free some
    /// space, or drain the spools first.
    #[error(
        "the disk has no room to write what waits once more: make room, or let the appliance drain \
         first"
    )]
    Room,
    /// A cursor cannot be written: the number has changed, but the old copies will be sent as well.
    #[error("the number of shards has changed, but what was moved will be sent twice")]
    Cursor(#[source] CursorError),
}

/// Changes the number of shards of a data directory. `catalog` says which tag names a vehicle; new
/// segments have `segment_bytes`.
///
/// # Errors
/// See [`ReshardError`].
pub fn reshard(
    disk: &Arc<dyn Disk>,
    data_dir: &Path,
    catalog: &Catalog,
    to: ShardCount,
    segment_bytes: u64,
) -> Result<Resharded, ReshardError> {
    let (dir, from) = DataDir::hold_idle(disk, data_dir)?;
    let mut done = Resharded { from, ..Resharded::default() };
    if from == to.0.get() {
        return Ok(done);
    }
    let spools = data_dir.join("spool");
    let mut opened = Vec::new();
    for shard in (0..from.max(to.0.get())).map(ShardId) {
        let options = spool::Options {
            dir: shard_dir(&spools, shard),
            // This dialect can hold every line; for a store without it, lines are rewritten.
            dialect: LineDialect::Unsigned,
            segment_bytes_max: segment_bytes,
            budget: Arc::new(Budget::new(u64::MAX)),
        };
        let spool = spool::open(Arc::clone(disk), options)
            .map_err(|source| ReshardError::Open { shard, source: Box::new(source) })?;
        opened.push(spool);
    }
    let ends: Vec<_> = opened.iter().map(|spool| spool.recovery.last).collect();
    for old in 0..usize::from(from) {
        copy(&mut opened, old, catalog, to, &mut done)?;
    }
    for spool in &mut opened {
        spool.writer.sync().map_err(ReshardError::Sync)?;
    }
    dir.set_shards(&spools, to).map_err(HoldError::DataDir)?;
    for (spool, end) in opened.iter_mut().zip(ends).take(usize::from(from)) {
        spool.reader.pass(end);
        spool.reader.flush_cursor().map_err(ReshardError::Cursor)?;
    }
    Ok(done)
}

/// Writes the unconfirmed points of one shard into their new shards.
fn copy(
    opened: &mut [Opened],
    old: usize,
    catalog: &Catalog,
    to: ShardCount,
    done: &mut Resharded,
) -> Result<(), ReshardError> {
    let limits = BatchLimits { bytes_max: STEP_BYTES, items_max: u64::MAX };
    let mut body = Vec::new();
    // The reader does not see what is written meanwhile, because that is not synced yet.
    loop {
        body.clear();
        let batch = opened[old].reader.read_batch(&mut body, limits).map_err(ReshardError::Read)?;
        let Some(batch) = batch else { break };
        done.damaged += batch.damaged.map_or(0, |damage| damage.items);
        let mut entries: BTreeMap<usize, EntryBuffer> = BTreeMap::new();
        for line in line::lines(&body) {
            let entry = entries.entry(shard_of(line, catalog, to).as_usize()).or_default();
            entry.bytes_mut().extend_from_slice(line);
            entry.items += 1;
            done.points += 1;
        }
        for (shard, mut entry) in entries {
            match opened[shard].writer.append_unsynced(&mut entry) {
                Ok(Append::Done { .. }) => {}
                Ok(Append::Full) => return Err(ReshardError::Room),
                Err(error) => return Err(ReshardError::Append(error)),
            }
        }
    }
    Ok(())
}

/// The shard of a line's vehicle. If no mapping says which tag that is, the line's series is used
/// instead, so that at least a series keeps its order.
fn shard_of(line: &[u8], catalog: &Catalog, to: ShardCount) -> ShardId {
    match catalog.vehicle(line) {
        Some(vehicle) => ShardId::of(vehicle.as_bytes(), to),
        None => ShardId::of(line::series(line), to),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::layout::{DataDirError, shards_of},
        *,
    };
    use crate::{env::sim::SimDisk, model::Measurement};

    fn count(n: u16) -> ShardCount {
        ShardCount(n.try_into().expect("not zero"))
    }

    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        let vehicle_tag = Some("vin".to_owned());
        let measurement = Measurement { vehicle_tag, tags: Vec::new(), fields: Vec::new() };
        catalog.measurements.insert("m".to_owned(), measurement);
        catalog
    }

    fn open(disk: &Arc<dyn Disk>, shard: u16) -> Opened {
        let options = spool::Options {
            dir: shard_dir(Path::new("/data/spool"), ShardId(shard)),
            dialect: LineDialect::Signed,
            segment_bytes_max: 1 << 16,
            budget: Arc::new(Budget::new(1 << 30)),
        };
        spool::open(Arc::clone(disk), options).expect("it opens")
    }

    /// The unconfirmed lines of a shard.
    fn waiting(disk: &Arc<dyn Disk>, shard: u16) -> Vec<String> {
        let mut body = Vec::new();
        let limits = BatchLimits { bytes_max: u64::MAX, items_max: u64::MAX };
        let mut spool = open(disk, shard);
        while spool.reader.read_batch(&mut body, limits).expect("it reads").is_some() {}
        String::from_utf8(body).expect("text").lines().map(str::to_owned).collect()
    }

    /// 300 lines of ten vehicles over two shards, of which the first of each shard are confirmed.
    fn filled(disk: &Arc<dyn Disk>) {
        let path = Path::new("/data");
        drop(DataDir::open(Arc::clone(disk), path, count(2)).expect("it opens"));
        for shard in 0..2 {
            let mut spool = open(disk, shard);
            for at in 0..300 {
                let vin = format!("V{}", at % 10);
                if ShardId::of(vin.as_bytes(), count(2)) == ShardId(shard) {
                    let mut entry = EntryBuffer::new();
                    let line = format!("m,vin={vin} x={at}i {at}\n");
                    entry.bytes_mut().extend_from_slice(line.as_bytes());
                    entry.items = 1;
                    spool.writer.append_unsynced(&mut entry).expect("there is room");
                }
            }
            spool.writer.sync().expect("a disk that works");
            let mut body = Vec::new();
            let one = BatchLimits { bytes_max: 0, items_max: 0 };
            let first = spool.reader.read_batch(&mut body, one).expect("it reads");
            spool.reader.confirm(first.expect("it is there").last);
            spool.reader.flush_cursor().expect("a disk that works");
        }
    }

    fn check(to: u16) {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
        filled(&disk);
        let mut before: Vec<String> = (0..2).flat_map(|shard| waiting(&disk, shard)).collect();
        let done =
            reshard(&disk, Path::new("/data"), &catalog(), count(to), 1 << 16).expect("it can");
        assert_eq!(done, Resharded { from: 2, points: 298, damaged: 0 });
        let mut after = Vec::new();
        for shard in 0..to {
            let lines = waiting(&disk, shard);
            let at =
                |line: &String| line.rsplit_once(' ').and_then(|(_, at)| at.parse::<u64>().ok());
            for vin in 0..10 {
                let of: Vec<_> =
                    lines.iter().filter(|line| line.contains(&format!("vin=V{vin} "))).collect();
                let is_home =
                    ShardId::of(format!("V{vin}").as_bytes(), count(to)) == ShardId(shard);
                assert!(is_home || of.is_empty(), "V{vin} lies in its shard");
                assert!(of.is_sorted_by_key(|line| at(line)), "V{vin} keeps its order");
            }
            after.extend(lines);
        }
        before.sort();
        after.sort();
        assert_eq!(after, before);
        let path = Path::new("/data");
        assert!(DataDir::open(Arc::clone(&disk), path, count(2)).is_err());
        DataDir::open(disk, path, count(to)).expect("it opens with the new number");
    }

    #[test]
    fn unconfirmed_points_are_in_the_new_shards_once_and_in_order() {
        for to in [1, 3, 7] {
            check(to);
        }
    }

    #[test]
    fn a_power_cut_at_any_moment_loses_nothing() {
        use crate::env::sim::Fault;
        for nth in 0.. {
            let sim = SimDisk::new();
            let disk: Arc<dyn Disk> = Arc::new(sim.clone());
            filled(&disk);
            let mut before: Vec<String> = (0..2).flat_map(|shard| waiting(&disk, shard)).collect();
            before.sort();
            let error = std::io::ErrorKind::Other;
            sim.set_fault(Some(Fault { call: None, nth, error, is_permanent: true }));
            let done = reshard(&disk, Path::new("/data"), &catalog(), count(3), 1 << 16);
            let is_over = !sim.is_fault_injected();
            sim.set_fault(None);
            sim.crash(nth);
            let shards = shards_of(disk.as_ref(), Path::new("/data")).expect("it can be read");
            let shards: u16 = shards.expect("it is there").parse().expect("a number");
            let mut after: Vec<String> =
                (0..shards).flat_map(|shard| waiting(&disk, shard)).collect();
            after.sort();
            after.dedup();
            assert_eq!(after, before, "{nth}: {done:?}");
            if is_over {
                assert!(done.is_ok());
                return;
            }
        }
    }

    #[test]
    fn nothing_is_done_in_an_empty_or_used_data_directory() {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
        let path = Path::new("/data");
        let empty = reshard(&disk, path, &catalog(), count(3), 1 << 16);
        let is_empty = matches!(empty, Err(ReshardError::DataDir(HoldError::Empty { .. })));
        assert!(is_empty, "{empty:?}");
        let held = DataDir::open(Arc::clone(&disk), path, count(2)).expect("it opens");
        let used = reshard(&disk, path, &catalog(), count(3), 1 << 16);
        let Err(ReshardError::DataDir(HoldError::DataDir(in_use))) = used else {
            panic!("{used:?}")
        };
        assert!(matches!(in_use, DataDirError::InUse { .. }), "{in_use:?}");
        drop(held);
        let same = reshard(&disk, path, &catalog(), count(2), 1 << 16).expect("it can");
        assert_eq!(same, Resharded { from: 2, ..Resharded::default() });
    }
}
