//! Segments that are kept for a time after everything in them was confirmed (`store.hold`).
//!
//! A store's yes may come before its own disk has the points (TDengine's log is synced every three
//! seconds, InfluxDB's maybe never), so a power cut there takes what it confirmed. What is held can
//! be sent again: [`replay`] puts it back in front of the cursor.
//!
//! A segment that would be deleted is renamed instead, to `POSITION.held.NANOS`: the position of
//! its first entry, and when the last of it was confirmed. It is no segment then: nobody reads it,
//! and recovery passes it over. It counts in the [`Budget`](super::Budget) and is the first to give
//! way: a spool that has no room takes the oldest of all spools.
//!
//! How long it was held is counted by the clock that does not jump, and anew from a restart.

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    env::{
        Clock,
        disk::{Access, Disk},
    },
    model::{Position, UnixNanos},
};

use super::{
    cursor::{CursorError, CursorFile},
    fault::DiskFault,
    format::{parse_segment_name, segment_name},
    survey::{SurveyError, survey},
};

/// What is held, of all spools of a budget.
#[derive(Debug)]
pub(super) struct Holding {
    time: Duration,
    clock: Arc<dyn Clock>,
    /// Why a mutex: it is taken once a segment.
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// Oldest first.
    files: VecDeque<HeldFile>,
    bytes: u64,
    yielded: u64,
}

/// One file that is held.
#[derive(Debug)]
struct HeldFile {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    name: String,
    bytes: u64,
    since: Duration,
}

/// What is held now, and what gave way so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldStatus {
    /// Bytes of segments that are held.
    pub bytes: u64,
    /// Segments that were deleted before their time, for room.
    pub yielded_segments: u64,
}

impl Holding {
    pub(super) fn new(time: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { time, clock, held: Mutex::default() }
    }

    /// Whether anything is held at all.
    pub(super) fn is_on(&self) -> bool {
        !self.time.is_zero()
    }

    /// The name by which a segment is held from now on.
    pub(super) fn name(&self, first: Position) -> String {
        held_name(first, self.clock.wall())
    }

    /// A file is held from now on.
    pub(super) fn keep(&self, disk: &Arc<dyn Disk>, dir: &Path, name: String, bytes: u64) {
        let (disk, dir, since) = (Arc::clone(disk), dir.to_path_buf(), self.clock.monotonic());
        let mut held = self.lock();
        held.bytes += bytes;
        held.files.push_back(HeldFile { disk, dir, name, bytes, since });
    }

    /// Deletes what was held for long enough; the bytes that came free.
    pub(super) fn expire(&self) -> u64 {
        let now = self.clock.monotonic();
        let mut freed = 0;
        while let Some(file) = self.take(|file| now.saturating_sub(file.since) >= self.time) {
            freed += file.delete();
        }
        freed
    }

    /// Deletes the oldest file for room, whatever its time; the bytes that came free, nothing where
    /// nothing is held.
    pub(super) fn give_way(&self) -> Option<u64> {
        let file = self.take(|_| true)?;
        self.lock().yielded += 1;
        Some(file.delete())
    }

    /// Forgets the files of a spool that is closed; their bytes.
    pub(super) fn forget(&self, dir: &Path) -> u64 {
        let mut held = self.lock();
        let (gone, kept) =
            std::mem::take(&mut held.files).into_iter().partition(|it| it.dir == dir);
        let gone: VecDeque<HeldFile> = gone;
        held.files = kept;
        let bytes = gone.iter().map(|file| file.bytes).sum();
        held.bytes -= bytes;
        bytes
    }

    pub(super) fn status(&self) -> HeldStatus {
        let held = self.lock();
        HeldStatus { bytes: held.bytes, yielded_segments: held.yielded }
    }

    /// Takes the oldest file off the list, if it is so.
    fn take(&self, is_so: impl FnOnce(&HeldFile) -> bool) -> Option<HeldFile> {
        let mut held = self.lock();
        held.files.front().filter(|file| is_so(file))?;
        let file = held.files.pop_front()?;
        held.bytes -= file.bytes;
        Some(file)
    }

    /// The list is changed in single steps, each of which leaves it whole.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeldFile {
    /// Deletes it. One that cannot be deleted is found again at the next start; a crash that brings
    /// it back costs its room until then.
    fn delete(self) -> u64 {
        let path = self.dir.join(&self.name);
        match self.disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(file = %path.display(), %error, "a held segment cannot be deleted");
            }
            Ok(()) | Err(_) => {}
        }
        self.bytes
    }
}

fn held_name(first: Position, at: UnixNanos) -> String {
    let segment = segment_name(first);
    let digits = segment.strip_suffix(".seg").unwrap_or(&segment);
    format!("{digits}.held.{}", at.0)
}

/// Reads the name of a held file, strictly: the first position, and when the last was confirmed.
fn parse_held_name(name: &str) -> Option<(Position, UnixNanos)> {
    let (digits, nanos) = name.split_once(".held.")?;
    let first = parse_segment_name(&format!("{digits}.seg"))?;
    Some((first, UnixNanos(nanos.parse().ok()?)))
}

/// The held files of a folder by their positions.
fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<(Position, UnixNanos, String)>, DiskFault> {
    let names = disk.files(dir).map_err(DiskFault::at("list", dir))?;
    let mut found: Vec<_> = names
        .into_iter()
        .filter_map(|name| parse_held_name(&name).map(|(first, at)| (first, at, name)))
        .collect();
    found.sort();
    Ok(found)
}

/// Takes over what an earlier process held, or deletes it where nothing is held any more; the bytes
/// that are held.
pub(super) fn adopt(holding: &Holding, disk: &Arc<dyn Disk>, dir: &Path) -> Result<u64, DiskFault> {
    let mut bytes = 0;
    for (_, _, name) in list(disk.as_ref(), dir)? {
        let path = dir.join(&name);
        if !holding.is_on() {
            disk.remove(&path).map_err(DiskFault::at("remove", &path))?;
            continue;
        }
        let file = disk.open(&path, Access::Read).map_err(DiskFault::at("open", &path))?;
        let len = file.len().map_err(DiskFault::at("look at", &path))?;
        bytes += len;
        holding.keep(disk, dir, name, len);
    }
    Ok(bytes)
}

/// What a replay put back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Segments that were held and are segments again.
    pub segments: u64,
    /// Items that will be sent again, beside those that wait anyway.
    pub items: u64,
}

/// Why nothing, or not all of it, was put back. Nothing is lost; it can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// An appliance runs on it: stop it first.
    #[error("the spool in {} is in use", dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// It cannot be looked at.
    #[error("cannot look at the spool in {}", dir.display())]
    Survey {
        /// The folder.
        dir: PathBuf,
        /// Why.
        #[source]
        source: SurveyError,
    },
    /// The disk refused an operation.
    #[error("cannot put held segments back")]
    Disk(#[source] DiskFault),
    /// The cursor cannot be written.
    #[error("cannot set the cursor back")]
    Cursor(#[source] CursorError),
}

/// Puts everything back in front of the cursor that was confirmed at `from` or later, whole
/// segments at a time; the next start recovers it and sends it again. For a spool that nobody has
/// open: only so does the cursor move backward (SP-4).
///
/// # Errors
/// See [`ReplayError`].
pub fn replay(disk: &Arc<dyn Disk>, dir: &Path, from: UnixNanos) -> Result<Replayed, ReplayError> {
    let lock_path = dir.join(super::recovery::LOCK_NAME);
    let lock = disk.lock(&lock_path).map_err(DiskFault::at("lock", &lock_path));
    let Some(_lock) = lock.map_err(ReplayError::Disk)? else {
        return Err(ReplayError::Locked { dir: dir.to_path_buf() });
    };
    let look = || {
        survey(disk.as_ref(), dir)
            .map_err(|source| ReplayError::Survey { dir: dir.to_path_buf(), source })
    };
    let before = look()?.items;
    let mut replayed = Replayed::default();
    // Newest first, so that a crash leaves no gap; what it leaves lies behind the cursor and is
    // held again at the next start.
    for (first, at, name) in list(disk.as_ref(), dir).map_err(ReplayError::Disk)?.iter().rev() {
        if at.0 < from.0 {
            break;
        }
        let (held, path) = (dir.join(name), dir.join(segment_name(*first)));
        disk.rename(&held, &path)
            .map_err(DiskFault::at("put back", &held))
            .map_err(ReplayError::Disk)?;
        replayed.segments += 1;
    }
    disk.sync_dir(dir).map_err(DiskFault::at("sync", dir)).map_err(ReplayError::Disk)?;
    let survey = look()?;
    let begin = survey.segments.first().map(|oldest| Position(oldest.segment.first.0 - 1));
    if let Some(begin) = begin.filter(|begin| *begin < survey.confirmed) {
        let mut cursor = CursorFile::new(Arc::clone(disk), dir.to_path_buf(), survey.sequence);
        cursor.store(begin).map_err(ReplayError::Cursor)?;
    }
    replayed.items = look()?.items.saturating_sub(before);
    Ok(replayed)
}
