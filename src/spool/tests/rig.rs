//! Helpers with which the tests open, write and read spools.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    env::{disk::Disk, sim::SimDisk},
    model::LineDialect,
};

use super::super::{
    Append, AppendError, Batch, BatchLimits, Budget, EntryBuffer, OpenError, Opened, Options,
    Reader, Writer, open,
};

/// No limits on a batch.
pub(super) const ALL: BatchLimits = BatchLimits { bytes_max: u64::MAX, items_max: u64::MAX };
/// One entry per batch.
pub(super) const ONE: BatchLimits = BatchLimits { bytes_max: 0, items_max: 0 };

/// A simulated disk and what a spool on it is opened with.
#[derive(Clone, Debug)]
pub(super) struct Rig {
    pub(super) disk: SimDisk,
    pub(super) options: Options,
}

impl Rig {
    pub(super) fn new(segment_bytes_max: u64, bytes_max: u64) -> Self {
        let options = Options {
            dir: PathBuf::from("/data/spool/0"),
            dialect: LineDialect::Signed,
            segment_bytes_max,
            budget: Arc::new(Budget::new(bytes_max)),
        };
        Self { disk: SimDisk::new(), options }
    }

    pub(super) fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.disk.clone())
    }

    pub(super) fn try_open(&self) -> Result<Opened, OpenError> {
        open(self.disk(), self.options.clone())
    }

    pub(super) fn open(&self) -> Opened {
        self.try_open().unwrap()
    }

    /// The segment files, in order.
    pub(super) fn segments(&self) -> Vec<PathBuf> {
        let mut names = self.disk.files(&self.options.dir).unwrap();
        names.retain(|name| Path::new(name).extension().is_some_and(|suffix| suffix == "seg"));
        names.iter().map(|name| self.options.dir.join(name)).collect()
    }

    pub(super) fn cursor(&self) -> PathBuf {
        self.options.dir.join("cursor")
    }

    /// Writes entries 1 to `count`, one item each, all synced, and closes the spool.
    pub(super) fn with_entries(self, count: u64) -> Self {
        let mut opened = self.open();
        for position in 1..=count {
            append(&mut opened.writer, &payload(position, 20), 1).unwrap();
            opened.writer.sync().unwrap();
        }
        drop(opened);
        self
    }
}

/// The payload of the entry at a position: the position, and `fill` more bytes.
pub(super) fn payload(position: u64, fill: usize) -> Vec<u8> {
    format!("{position} {}\n", "x".repeat(fill)).into_bytes()
}

pub(super) fn append(
    writer: &mut Writer,
    payload: &[u8],
    items: u32,
) -> Result<Append, AppendError> {
    let mut entry = EntryBuffer::new();
    entry.bytes_mut().extend_from_slice(payload);
    entry.items = items;
    writer.append_unsynced(&mut entry)
}

/// The positions that a body of [`payload`]s holds.
pub(super) fn positions(body: &[u8]) -> Vec<u64> {
    let lines = std::str::from_utf8(body).unwrap().lines();
    lines.map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
}

/// Reads all there is: positions, and the batches.
pub(super) fn drain(reader: &mut Reader) -> (Vec<u64>, Vec<Batch>) {
    let mut body = Vec::new();
    let mut batches = Vec::new();
    while let Some(batch) = reader.read_batch(&mut body, ALL).unwrap() {
        batches.push(batch);
    }
    (positions(&body), batches)
}

pub(super) fn lost(batches: &[Batch]) -> u64 {
    batches.iter().filter_map(|batch| batch.damaged).map(|damage| damage.entries).sum()
}
