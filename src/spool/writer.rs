//! The writing half: appends entries, makes them durable, rotates segments.
//!
//! Sole owner of the active segment. Nothing that it appended is visible to the reader before
//! [`Writer::sync`] has returned.

use std::{io, mem, sync::Arc};

use crate::{
    env::disk::DiskFile,
    model::{LineDialect, Position},
};

use super::{
    budget::Budget,
    entry::EntryBuffer,
    fault::{DiskFault, is_no_room},
    format::{
        ENTRY_HEADER_BYTES, FOOTER_LEN, Footer, PAYLOAD_BYTES_MAX, SEGMENT_HEADER_LEN,
        SegmentHeader, segment_name,
    },
    outcome::{Append, AppendError, Place, SyncError, Synced},
    shared::{Segment, Shared},
};

/// The writing half of a spool.
#[derive(Debug)]
pub struct Writer {
    pub(super) shared: Arc<Shared>,
    dialect: LineDialect,
    segment_bytes_max: u64,
    active: Option<Active>,
    /// Sealed since the last publication, in order.
    sealed: Vec<Segment>,
    /// The position of the next entry (SP-1).
    next: Position,
    /// Where the last entry went.
    appended: Place,
    /// What was appended since the last sync, and is not durable.
    unsynced: Synced,
    /// A write or sync failed; no call touches the disk any more.
    poisoned: bool,
    /// A segment file that could not be prepared could not be removed either.
    leftover: bool,
}

/// The segment that is being written.
#[derive(Debug)]
pub(super) struct Active {
    pub file: Box<dyn DiskFile>,
    /// Includes entries that are not durable yet.
    pub segment: Segment,
    /// Entries and footer end at or before this offset: `segment.end + FOOTER_LEN <= reserved`,
    /// except in a segment whose rest could not be reserved again after a restart.
    pub reserved: u64,
    /// The file system has really reserved the room.
    pub firm: bool,
    /// Written to since its last sync.
    pub dirty: bool,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        dialect: LineDialect,
        segment_bytes_max: u64,
        active: Option<Active>,
        next: Position,
    ) -> Self {
        Self {
            shared,
            dialect,
            segment_bytes_max,
            active,
            sealed: Vec::new(),
            next,
            appended: Place { segment: Position::ZERO, offset: 0 },
            unsynced: Synced::default(),
            poisoned: false,
            leftover: false,
        }
    }

    /// Makes room for an entry; false if there is none now.
    ///
    /// # Errors
    /// As for [`append_unsynced`](Self::append_unsynced).
    pub(crate) fn make_room(&mut self, entry: &EntryBuffer) -> Result<bool, AppendError> {
        if self.poisoned {
            return Err(AppendError::Poisoned);
        }
        if entry.len() > PAYLOAD_BYTES_MAX {
            let bytes_max = PAYLOAD_BYTES_MAX;
            return Err(AppendError::TooLong { bytes: entry.len(), bytes_max });
        }
        let bytes = entry.entry_bytes();
        Ok(self.fits(bytes) || self.rotate(bytes)?)
    }

    /// Writes an entry at the next position. Nothing is durable until [`sync`](Self::sync).
    ///
    /// # Errors
    /// See [`AppendError`]; only `TooLong` and `Create` leave the writer usable.
    pub fn append_unsynced(&mut self, entry: &mut EntryBuffer) -> Result<Append, AppendError> {
        if !self.make_room(entry)? {
            return Ok(Append::Full);
        }
        let bytes = entry.entry_bytes();
        let position = self.next;
        let items = u64::from(entry.items);
        let active = self.active.as_mut().expect("room was made");
        let sealed = entry.seal(position).expect("the length was checked above");
        if let Err(source) = active.file.write_all_at(sealed, active.segment.end) {
            if is_no_room(&source) && !active.firm {
                // No room was reserved here, and what was partly written is overwritten or cut.
                return Ok(Append::Full);
            }
            self.poisoned = true;
            let path = self.shared.dir.join(&active.segment.name);
            let fault = DiskFault::at("write", &path)(source);
            return Err(AppendError::Write { position, fault });
        }
        active.dirty = true;
        self.appended = Place {
            segment: active.segment.first,
            offset: active.segment.end + ENTRY_HEADER_BYTES as u64,
        };
        active.segment.last = position;
        active.segment.end += bytes;
        active.segment.items += items;
        self.next = position.next();
        self.unsynced.entries += 1;
        self.unsynced.items += items;
        Ok(Append::Done { position })
    }

    /// Makes everything appended durable (SP-2) and visible to the reader.
    ///
    /// # Errors
    /// Any error is final: see [`SyncError`].
    pub fn sync(&mut self) -> Result<Synced, SyncError> {
        let synced = self.sync_unpublished()?;
        self.publish();
        Ok(synced)
    }

    /// Makes everything appended durable. The reader sees it only after [`publish`](Self::publish),
    /// so that durable entries can be counted before they can be shipped.
    pub(super) fn sync_unpublished(&mut self) -> Result<Synced, SyncError> {
        if self.poisoned {
            return Err(SyncError::Poisoned);
        }
        if let Some(active) = self.active.as_mut().filter(|active| active.dirty) {
            if let Err(source) = active.file.sync_data() {
                self.poisoned = true;
                let path = self.shared.dir.join(&active.segment.name);
                return Err(SyncError::Sync { fault: DiskFault::at("sync", &path)(source) });
            }
            active.dirty = false;
        }
        let upto = Position(self.next.0 - 1);
        Ok(Synced { upto, ..mem::take(&mut self.unsynced) })
    }

    /// Publishes what is durable to the reader.
    pub(super) fn publish(&mut self) {
        assert!(self.unsynced.entries == 0, "SP-2: only durable entries are shown");
        let active = self.active.as_ref().map(|active| active.segment.clone());
        let changed = self.sealed.drain(..).chain(active);
        self.shared.publish(changed, Position(self.next.0 - 1));
    }

    /// Where the payload of the last appended entry is.
    #[must_use]
    pub fn last_place(&self) -> Place {
        self.appended
    }

    /// The position that the next entry gets.
    #[must_use]
    pub fn next_position(&self) -> Position {
        self.next
    }

    /// The budget that this spool shares.
    pub(super) fn budget(&self) -> &Arc<Budget> {
        &self.shared.budget
    }

    /// Whether there is an active segment without an entry.
    pub(super) fn is_active_empty(&self) -> bool {
        self.active.as_ref().is_some_and(|active| active.segment.end == SEGMENT_HEADER_LEN)
    }

    /// Whether an entry and then the footer fit in the active segment.
    fn fits(&self, bytes: u64) -> bool {
        self.active
            .as_ref()
            .is_some_and(|active| active.segment.end + bytes + FOOTER_LEN <= active.reserved)
    }

    /// Makes room for an entry of `bytes`; evicts held segments if necessary.
    fn rotate(&mut self, bytes: u64) -> Result<bool, AppendError> {
        loop {
            if self.try_rotate(bytes)? {
                return Ok(true);
            }
            if !self.shared.budget.evict_held() {
                return Ok(false);
            }
        }
    }

    /// Makes room for an entry of `bytes`: reserves a new segment, then seals the active one. False
    /// if there is no room; then the active segment is sealed as well, so that it can be released.
    fn try_rotate(&mut self, bytes: u64) -> Result<bool, AppendError> {
        let reserve = self.segment_bytes_max.max(SEGMENT_HEADER_LEN + bytes + FOOTER_LEN);
        if self.is_active_empty() {
            return self.extend(reserve);
        }
        if let Some(fresh) = self.reserve(reserve)? {
            return self.replace(fresh);
        }
        self.seal_active()?;
        if self.unsynced.entries == 0 {
            self.publish();
        }
        // The reader may have confirmed all of it before it was sealed, and would not try to
        // release it again. A segment that cannot be deleted now is tried again with the next
        // flush.
        if self.shared.release().is_ok_and(|released| released.segments > 0)
            && let Some(fresh) = self.reserve(reserve)?
        {
            return self.replace(fresh);
        }
        Ok(false)
    }

    /// Seals the active segment and continues in a new one.
    fn replace(&mut self, fresh: Active) -> Result<bool, AppendError> {
        let charged = fresh.segment.charged;
        if let Err(error) = self.seal_active() {
            self.shared.refund(charged);
            return Err(error);
        }
        self.active = Some(fresh);
        Ok(true)
    }

    /// Reserves more room for the active segment, which has no entry yet.
    fn extend(&mut self, reserve: u64) -> Result<bool, AppendError> {
        let active = self.active.as_mut().expect("the caller saw it");
        let more = reserve.saturating_sub(active.segment.charged);
        if !self.shared.take(more, active.segment.first, self.sealed.is_empty()) {
            return Ok(false);
        }
        match try_allocate(active.file.as_ref(), reserve) {
            Ok(firm) => {
                active.firm = firm;
                active.reserved = reserve;
                active.segment.charged += more;
                active.dirty = true;
                Ok(true)
            }
            Err(error) => {
                self.shared.refund(more);
                if is_no_room(&error) {
                    return Ok(false);
                }
                self.poisoned = true;
                let path = self.shared.dir.join(&active.segment.name);
                Err(AppendError::Prepare { fault: DiskFault::at("extend", &path)(error) })
            }
        }
    }

    /// Takes room from the budget and from the disk for a segment that begins at `next`.
    fn reserve(&mut self, bytes: u64) -> Result<Option<Active>, AppendError> {
        let alone = self.active.is_none() && self.sealed.is_empty();
        if !self.shared.take(bytes, self.next, alone) {
            return Ok(None);
        }
        let fresh = self.make_segment(bytes);
        if !matches!(fresh, Ok(Some(_))) {
            self.shared.refund(bytes);
        }
        fresh
    }

    /// Creates the file of a segment: its name and header are durable on return.
    fn make_segment(&mut self, bytes: u64) -> Result<Option<Active>, AppendError> {
        let name = segment_name(self.next);
        let path = self.shared.dir.join(&name);
        if self.leftover {
            match self.shared.disk.remove(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(AppendError::Create {
                        fault: DiskFault::at("remove", &path)(error),
                    });
                }
                Ok(()) | Err(_) => self.leftover = false,
            }
        }
        let file = match self.shared.disk.create(&path) {
            Err(error) if is_no_room(&error) => return Ok(None),
            Err(error) => {
                return Err(AppendError::Create { fault: DiskFault::at("create", &path)(error) });
            }
            Ok(file) => file,
        };
        let header = SegmentHeader { first: self.next, dialect: self.dialect };
        match self.prepare(file.as_ref(), header, bytes) {
            Ok(firm) => Ok(Some(Active {
                file,
                segment: Segment {
                    first: self.next,
                    name,
                    dialect: self.dialect,
                    last: Position(self.next.0 - 1),
                    items: 0,
                    items_before: 0,
                    end: SEGMENT_HEADER_LEN,
                    sealed: false,
                    charged: bytes,
                },
                reserved: bytes,
                firm,
                dirty: false,
            })),
            Err(error) => {
                self.leftover = self.shared.disk.remove(&path).is_err();
                if is_no_room(&error) {
                    return Ok(None);
                }
                self.poisoned = true;
                Err(AppendError::Prepare { fault: DiskFault::at("prepare", &path)(error) })
            }
        }
    }

    /// Reserves room in a new file and makes its header and its name durable. Returns whether the
    /// room is really reserved: some file systems cannot do it.
    fn prepare(&self, file: &dyn DiskFile, header: SegmentHeader, bytes: u64) -> io::Result<bool> {
        let firm = try_allocate(file, bytes)?;
        file.write_all_at(&header.encode(), 0)?;
        file.sync_data()?;
        self.shared.disk.sync_dir(&self.shared.dir)?;
        Ok(firm)
    }

    /// Closes the active segment with a footer; everything in it is durable on return.
    pub(super) fn seal_active(&mut self) -> Result<(), AppendError> {
        let Some(active) = self.active.take() else {
            return Ok(());
        };
        let Active { file, mut segment, .. } = active;
        debug_assert!(segment.last >= segment.first, "an empty segment is extended, not sealed");
        match seal(file.as_ref(), &segment) {
            Ok(len) => {
                segment.sealed = true;
                self.shared.recharge(segment.charged, len);
                segment.charged = len;
                self.sealed.push(segment);
                Ok(())
            }
            Err(source) => {
                self.poisoned = true;
                let path = self.shared.dir.join(segment.name);
                Err(AppendError::Seal { fault: DiskFault::at("seal", &path)(source) })
            }
        }
    }
}

/// Writes the footer after the last entry, cuts what was reserved after it, and syncs. Returns the
/// length of the file.
fn seal(file: &dyn DiskFile, segment: &Segment) -> io::Result<u64> {
    let footer = Footer { first: segment.first, last: segment.last, items: segment.items };
    let len = match file.write_all_at(&footer.encode(), segment.end) {
        Ok(()) => segment.end + FOOTER_LEN,
        // Only if the room could not be reserved. Without a footer the segment is still valid; the
        // next start scans it.
        Err(error) if is_no_room(&error) => segment.end,
        Err(error) => return Err(error),
    };
    file.set_len(len)?;
    file.sync_data()?;
    Ok(len)
}

/// Reserves room; false if the file system cannot, which is not an error.
pub(super) fn try_allocate(file: &dyn DiskFile, bytes: u64) -> io::Result<bool> {
    match file.allocate(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(false),
        Err(error) => Err(error),
    }
}
