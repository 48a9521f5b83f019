//! The state that both halves of a spool share: which segments there are, and how far each is
//! durable.

use std::{
    collections::VecDeque,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::{
    env::disk::{Disk, DiskLock},
    model::{LineDialect, Position},
};

use super::{budget::Budget, fault::DiskFault};

/// One file of the spool, as far as it is durable.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// The position of the first entry.
    pub first: Position,
    /// The file's name in the spool's folder.
    pub name: String,
    /// The dialect of its lines.
    pub dialect: LineDialect,
    /// The last entry; one before `first` while there is none.
    pub last: Position,
    /// Items of all entries, including damaged ones as far as known.
    pub items: u64,
    /// Those at or before the cursor when the spool was opened: they were not recovered.
    pub items_before: u64,
    /// Just past the last entry.
    pub end: u64,
    /// No more entries will follow in it.
    pub sealed: bool,
    /// The bytes that it counts in the budget.
    pub charged: u64,
}

/// What was released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// Segments deleted, or held from now on.
    pub segments: u64,
    /// Bytes given back to the budget.
    pub bytes: u64,
}

/// The state that writer and reader share. Dropped with the second of them: that releases the
/// folder's lock and the share of the budget.
#[derive(Debug)]
pub(super) struct Shared {
    pub disk: Arc<dyn Disk>,
    pub dir: PathBuf,
    pub budget: Arc<Budget>,
    /// A mutex because both halves change the list; taken once per group and once per batch, and
    /// never held during a disk operation.
    log: Mutex<Log>,
    durable: watch::Sender<Position>,
    /// SP-8: held as long as either half lives.
    _lock: Box<dyn DiskLock>,
}

#[derive(Debug)]
struct Log {
    /// In the order of positions; all but the last are sealed.
    segments: VecDeque<Segment>,
    /// The durable cursor: never past the last durable entry (SP-4).
    flushed: Position,
    /// Bytes of the budget that this spool uses: its segments, and what is reserved but not
    /// published yet.
    charged: u64,
}

impl Shared {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        budget: Arc<Budget>,
        lock: Box<dyn DiskLock>,
        segments: VecDeque<Segment>,
        flushed: Position,
        durable: Position,
    ) -> Self {
        let charged = segments.iter().map(|segment| segment.charged).sum();
        budget.adopt(charged);
        let log = Mutex::new(Log { segments, flushed, charged });
        Self { disk, dir, budget, log, durable: watch::Sender::new(durable), _lock: lock }
    }

    /// Publishes segments as durable to the reader, and moves the durable position.
    pub(super) fn publish(&self, changed: impl Iterator<Item = Segment>, durable: Position) {
        let mut log = self.lock();
        for segment in changed {
            match log.segments.iter_mut().rev().find(|known| known.first == segment.first) {
                Some(known) => *known = segment,
                None => log.segments.push_back(segment),
            }
        }
        drop(log);
        self.durable.send_replace(durable);
    }

    /// Returns what [`take`](Self::take) took for a segment that could not be created.
    pub(super) fn refund(&self, bytes: u64) {
        self.lock().charged -= bytes;
        self.budget.refund(bytes);
    }

    /// A segment takes `now` bytes instead of `before`: fewer when it is sealed, or one footer more
    /// if a restart could not reserve its room again.
    pub(super) fn recharge(&self, before: u64, now: u64) {
        if now > before {
            self.lock().charged += now - before;
            self.budget.adopt(now - before);
        } else {
            self.give_back(before - now);
        }
    }

    /// A receiver of the durable position.
    pub(super) fn watch_durable(&self) -> watch::Receiver<Position> {
        self.durable.subscribe()
    }

    /// The last durable position.
    pub(super) fn durable(&self) -> Position {
        *self.durable.borrow()
    }

    /// The segment that holds a position, or the first one after it.
    pub(super) fn segment_at(&self, position: Position) -> Option<Segment> {
        self.lock().segments.iter().find(|segment| segment.last >= position).cloned()
    }

    /// Takes room from the budget for a segment that begins at `first`, or for more of it. A spool
    /// without another segment gets it in any case (see [`Budget`]): `alone` says that the writer
    /// has no segment that is not yet in the list.
    pub(super) fn take(&self, bytes: u64, first: Position, alone: bool) -> bool {
        let mut log = self.lock();
        let only = alone && log.segments.iter().all(|segment| segment.first == first);
        let granted = self.budget.take(bytes, only);
        if granted {
            log.charged += bytes;
        }
        granted
    }

    /// Returns room back to the budget.
    pub(super) fn give_back(&self, bytes: u64) {
        self.lock().charged -= bytes;
        self.budget.give_back(bytes);
    }

    /// Calls `at` with the list and the durable cursor.
    pub(super) fn look<T>(&self, at: impl FnOnce(&VecDeque<Segment>, Position) -> T) -> T {
        let log = self.lock();
        at(&log.segments, log.flushed)
    }

    /// The cursor is durable at a position.
    pub(super) fn flushed(&self, position: Position) {
        let mut log = self.lock();
        assert!(position >= log.flushed, "SP-4: the cursor never moves backward");
        log.flushed = position;
    }

    /// Replaces a sealed segment that was rewritten under the same name.
    pub(super) fn replace(&self, fresh: Segment) {
        let mut log = self.lock();
        let Some(known) = log.segments.iter_mut().find(|known| known.first == fresh.first) else {
            return;
        };
        let (before, now) = (known.charged, fresh.charged);
        *known = fresh;
        drop(log);
        self.recharge(before, now);
    }

    /// Removes a segment whose file was removed, and gives its bytes back.
    pub(super) fn forget(&self, first: Position) {
        let mut log = self.lock();
        let at = log.segments.iter().position(|known| known.first == first);
        let gone = at.and_then(|at| log.segments.remove(at));
        drop(log);
        if let Some(gone) = gone {
            self.give_back(gone.charged);
        }
    }

    /// Deletes the sealed segments that the durable cursor covers (SP-5), oldest first, and gives
    /// their bytes back; or holds them, if that is configured. What cannot be deleted stays, and is
    /// tried again.
    ///
    /// The folder is synced after each, so that a crash cannot leave an older segment without a
    /// newer one: what remains always reaches up to the cursor.
    pub(super) fn release(&self) -> Result<Released, DiskFault> {
        let mut released = Released::default();
        while let Some(segment) = self.pop_confirmed() {
            let path = self.dir.join(&segment.name);
            let holding = self.budget.held().filter(|holding| holding.is_on());
            let held = holding.map(|holding| (holding, holding.name(segment.first)));
            let (action, done) = match &held {
                Some((_, name)) => ("hold", self.disk.rename(&path, &self.dir.join(name))),
                None => ("remove", self.disk.remove(&path)),
            };
            match (done, held) {
                (Err(error), _) if error.kind() != io::ErrorKind::NotFound => {
                    self.lock().segments.push_front(segment);
                    return Err(DiskFault::at(action, &path)(error));
                }
                (Ok(()), Some((holding, name))) => {
                    self.lock().charged -= segment.charged;
                    holding.keep(&self.disk, &self.dir, name, segment.charged);
                }
                (Ok(()) | Err(_), _) => {
                    released.bytes += segment.charged;
                    self.give_back(segment.charged);
                }
            }
            released.segments += 1;
            self.disk.sync_dir(&self.dir).map_err(DiskFault::at("sync", &self.dir))?;
        }
        Ok(released)
    }

    /// Takes the oldest segment off the list if every entry in it is durably confirmed.
    fn pop_confirmed(&self) -> Option<Segment> {
        let mut log = self.lock();
        let flushed = log.flushed;
        let oldest = log.segments.front()?;
        if !(oldest.sealed && oldest.last <= flushed) {
            return None;
        }
        log.segments.pop_front()
    }

    /// Poisoning is ignored: each change of the list is one step.
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let charged = self.lock().charged;
        self.budget.give_back(charged);
        self.budget.forget_held(&self.dir);
    }
}
