//! Segments that are kept for a time after everything in them was confirmed (`store.hold`).
//!
//! A store may confirm points before they are on its own disk (TDengine syncs its log every three
//! seconds, InfluxDB perhaps never), so a power cut there loses what it confirmed. Held segments
//! can be sent again: [`replay`] puts them back in front of the cursor.
//!
//! A segment that would be deleted is renamed instead, to `POSITION.held.NANOS`: the position of
//! its first entry, and when its last entry was confirmed. Then it is not a segment any more:
//! nobody reads it, and recovery ignores it. It counts in the [`Budget`](super::Budget) and is
//! evicted first: a spool that has no room deletes the oldest held segment of all spools.
//!
//! The time is measured with the monotonic clock, and begins again at a restart.

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

/// The held segments of all spools of a budget.
#[derive(Debug)]
pub(super) struct Holding {
    time: Duration,
    clock: Arc<dyn Clock>,
    /// A mutex is enough: it is taken once per segment.
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// Oldest first.
    files: VecDeque<HeldFile>,
    bytes: u64,
    evicted: u64,
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

/// How many bytes are held now, and how many segments were evicted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldStatus {
    /// Bytes of segments that are held.
    pub bytes: u64,
    /// Segments that were deleted before their time, to free room.
    pub evicted_segments: u64,
}

impl Holding {
    pub(super) fn new(time: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { time, clock, held: Mutex::default() }
    }

    /// Whether segments are held at all.
    pub(super) fn is_on(&self) -> bool {
        !self.time.is_zero()
    }

    /// The file name of a segment that is held from now on.
    pub(super) fn name(&self, first: Position) -> String {
        held_name(first, self.clock.wall())
    }

    /// Adds a file to the list.
    pub(super) fn keep(&self, disk: &Arc<dyn Disk>, dir: &Path, name: String, bytes: u64) {
        let (disk, dir, since) = (Arc::clone(disk), dir.to_path_buf(), self.clock.monotonic());
        let mut held = self.lock();
        held.bytes += bytes;
        held.files.push_back(HeldFile { disk, dir, name, bytes, since });
    }

    /// Deletes segments that were held for the full time; returns the bytes freed.
    pub(super) fn expire(&self) -> u64 {
        let now = self.clock.monotonic();
        let mut freed = 0;
        while let Some(file) = self.take(|file| now.saturating_sub(file.since) >= self.time) {
            freed += file.delete();
        }
        freed
    }

    /// Deletes the oldest held file, whatever its age; returns the bytes freed, or `None` if
    /// nothing is held.
    pub(super) fn evict_oldest(&self) -> Option<u64> {
        let file = self.take(|_| true)?;
        self.lock().evicted += 1;
        Some(file.delete())
    }

    /// Removes the files of a closed spool from the list; returns their bytes.
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
        HeldStatus { bytes: held.bytes, evicted_segments: held.evicted }
    }

    /// Takes the oldest file off the list, if the condition holds for it.
    fn take(&self, is_so: impl FnOnce(&HeldFile) -> bool) -> Option<HeldFile> {
        let mut held = self.lock();
        held.files.front().filter(|file| is_so(file))?;
        let file = held.files.pop_front()?;
        held.bytes -= file.bytes;
        Some(file)
    }

    /// Poisoning is ignored: each change of the list is one step.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeldFile {
    /// Deletes the file; returns its bytes. A file that cannot be deleted is found again at the
    /// next start, and so is one that comes back after a crash.
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

/// Takes over the segments that an earlier process held, or deletes them if nothing is held any
/// more. Returns the bytes that are held.
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

/// The result of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Held segments that were put back.
    pub segments: u64,
    /// Items that will be sent again, besides those that were not confirmed yet.
    pub items: u64,
}

/// Why a replay failed or was incomplete. Nothing is lost, and it can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A running appliance has the spool open: stop it first.
    #[error("the spool in {} is in use", dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder cannot be read.
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

/// Puts back all held segments that were confirmed at `from` or later, and sets the cursor before
/// them; the next start recovers them and sends them again. Only for a spool that is not open.
/// Nothing else moves the cursor backward (SP-4).
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
    // Newest first, so that a crash leaves no gap; segments that were put back before it are behind
    // the cursor and are held again at the next start.
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
