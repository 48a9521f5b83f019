//! Removes items from the middle of a log: a sealed segment is rewritten, or removed as a whole.
//!
//! For a log that is not read and confirmed in order, such as the dead-letter log. An entry from
//! which everything was removed keeps its header, so that positions have no gaps. A segment without
//! items is removed as a whole if there are others before and after it; its positions are then a
//! gap, which [`entries`](super::entries()) skips.
//!
//! A rewrite creates a file beside the segment, syncs it, and renames it over the segment: a crash
//! at any moment leaves the old segment or the new one, complete. The new file is not counted in
//! the budget: there is at most one, and it is smaller than the segment.

use std::{collections::VecDeque, io};

use crate::{
    env::disk::{Access, Disk},
    model::Position,
};

use super::{
    chunk::Chunk,
    entry_file::EntryFileWriter,
    fault::DiskFault,
    format::FOOTER_LEN,
    inspect::{Entries, Stored, span},
    outcome::AppendError,
    quarantine,
    scan::scan,
    shared::Segment,
    survey::Surveyed,
    writer::Writer,
};

/// The suffix of a rewritten segment until it is renamed.
pub(super) const FRESH_SUFFIX: &str = ".new";

/// A segment, as far as it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFacts {
    /// The position of its first entry: its name.
    pub first: Position,
    /// The position of its last entry.
    pub last: Position,
    /// Items of all its entries.
    pub items: u64,
    /// Bytes that it takes from the budget.
    pub bytes: u64,
    /// No more entries will follow in it.
    pub sealed: bool,
}

/// What is left of an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remainder {
    /// The payload.
    pub payload: Vec<u8>,
    /// How many items it holds.
    pub items: u32,
}

impl Writer {
    /// The segments that are durable, in order.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentFacts> {
        self.shared.look(|segments, _| segments.iter().map(SegmentFacts::from).collect())
    }

    /// Closes the active segment, unless it is empty, so that it can be rewritten; later entries go
    /// to a new one. Everything that was appended must be synced before.
    ///
    /// # Errors
    /// As for an append: after an error nothing is written any more.
    pub fn retire(&mut self) -> Result<(), AppendError> {
        if self.is_active_empty() {
            return Ok(());
        }
        self.seal_active()?;
        self.publish();
        Ok(())
    }

    /// The intact entries of one segment, as it is now.
    ///
    /// # Errors
    /// If its file cannot be opened.
    pub fn read_segment(&self, first: Position) -> Result<Entries, DiskFault> {
        let segments = match self.find(first) {
            Some(segment) => VecDeque::from([self.survey(segment)?]),
            None => VecDeque::new(),
        };
        Ok(Entries::of(&self.shared.dir, segments))
    }

    /// Rewrites a sealed segment: `edit` returns what is left of an entry, or `None` to keep it
    /// unchanged. Damaged bytes are copied to quarantine first, and become empty entries.
    ///
    /// # Errors
    /// If a disk operation fails. Then the segment is unchanged, or, if only the sync of the folder
    /// failed, it may be the new one.
    pub fn rewrite(
        &mut self,
        first: Position,
        edit: &mut dyn FnMut(&Stored) -> Option<Remainder>,
    ) -> Result<(), DiskFault> {
        let Some(segment) = self.find(first).filter(|segment| segment.sealed) else {
            return Ok(());
        };
        self.keep_damage(&segment)?;
        let path = self.shared.dir.join(&segment.name);
        let fresh_path = self.shared.dir.join(format!("{}{FRESH_SUFFIX}", segment.name));
        let disk = self.shared.disk.as_ref();
        let made = self.write_fresh(&segment, edit, &fresh_path).and_then(|fresh| {
            disk.rename(&fresh_path, &path).map_err(DiskFault::at("replace", &path))?;
            Ok(fresh)
        });
        let fresh = match made {
            Ok(fresh) => fresh,
            Err(fault) => {
                // If this fails too, the next rewrite or the next start removes the file.
                drop(disk.remove(&fresh_path));
                return Err(fault);
            }
        };
        self.shared.replace(fresh);
        disk.sync_dir(&self.shared.dir).map_err(DiskFault::at("sync", &self.shared.dir))
    }

    /// Removes a sealed segment, with everything in it, if others follow it.
    ///
    /// # Errors
    /// If a disk operation fails: then it is still there, or, if only the sync of the folder
    /// failed, it may be there again after a crash.
    pub fn remove_segment(&mut self, first: Position) -> Result<(), DiskFault> {
        let is_behind = self.segments().last().is_some_and(|last| last.first > first);
        let Some(segment) = self.find(first).filter(|segment| segment.sealed && is_behind) else {
            return Ok(());
        };
        let path = self.shared.dir.join(&segment.name);
        match self.shared.disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(DiskFault::at("remove", &path)(error));
            }
            Ok(()) | Err(_) => self.shared.forget(first),
        }
        self.shared.disk.sync_dir(&self.shared.dir).map_err(DiskFault::at("sync", &self.shared.dir))
    }

    fn find(&self, first: Position) -> Option<Segment> {
        self.shared.look(|segments, _| segments.iter().find(|known| known.first == first).cloned())
    }

    fn survey(&self, segment: Segment) -> Result<Surveyed, DiskFault> {
        let path = self.shared.dir.join(&segment.name);
        let opened = self.shared.disk.open(&path, Access::Read);
        let file = opened.map_err(DiskFault::at("open", &path))?;
        let len = segment.end;
        Ok(Surveyed { segment, header_damaged: false, torn_bytes: 0, len, file })
    }

    /// Copies the damaged bytes of a segment to quarantine.
    ///
    /// # Errors
    /// If its file cannot be read.
    pub fn set_damage_aside(&self, first: Position) -> Result<(), DiskFault> {
        match self.find(first) {
            Some(segment) => self.keep_damage(&segment),
            None => Ok(()),
        }
    }

    fn keep_damage(&self, segment: &Segment) -> Result<(), DiskFault> {
        let path = self.shared.dir.join(&segment.name);
        let surveyed = self.survey(segment.clone())?;
        let file = surveyed.file.as_ref();
        let scanned = scan(file, span(&surveyed), Position::ZERO, &mut Chunk::default())
            .map_err(DiskFault::at("read", &path))?;
        let (disk, dir) = (self.shared.disk.as_ref(), &self.shared.dir);
        for hole in &scanned.holes {
            quarantine::set_aside(disk, dir, file, &segment.name, hole);
        }
        Ok(())
    }

    /// Writes the new segment, durably, under another name.
    fn write_fresh(
        &self,
        segment: &Segment,
        edit: &mut dyn FnMut(&Stored) -> Option<Remainder>,
        path: &std::path::Path,
    ) -> Result<Segment, DiskFault> {
        remove_if_there(self.shared.disk.as_ref(), path)?;
        let created = self.shared.disk.create(path);
        let file = created.map_err(DiskFault::at("create", path))?;
        let mut fresh = EntryFileWriter::new(file, segment.first, segment.dialect);
        let failed = |error| DiskFault::at("write", path)(error);
        for stored in self.read_segment(segment.first)? {
            let stored = stored.map_err(|error| match error {
                super::SurveyError::Disk { fault } => fault,
                other @ super::SurveyError::Version { .. } => failed(io::Error::other(other)),
            })?;
            fresh.fill_up_to(stored.position).map_err(failed)?;
            let left = edit(&stored);
            let (payload, items) = match &left {
                Some(left) => (&left.payload, left.items),
                None => (&stored.payload, stored.items),
            };
            fresh.entry(payload, items).map_err(failed)?;
        }
        fresh.fill_up_to(segment.last.next()).map_err(failed)?;
        let (end, items) = fresh.close().map_err(failed)?;
        let charged = end + FOOTER_LEN;
        Ok(Segment { items, items_before: 0, end, charged, ..segment.clone() })
    }
}

/// Removes the files that a crash during a rewrite has left.
pub(super) fn clear_leftovers(disk: &dyn Disk, dir: &std::path::Path) -> Result<(), DiskFault> {
    let names = disk.files(dir).map_err(DiskFault::at("list", dir))?;
    for name in names.iter().filter(|name| name.ends_with(FRESH_SUFFIX)) {
        remove_if_there(disk, &dir.join(name))?;
    }
    Ok(())
}

pub(super) fn remove_if_there(disk: &dyn Disk, path: &std::path::Path) -> Result<(), DiskFault> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(DiskFault::at("remove", path)(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

impl From<&Segment> for SegmentFacts {
    fn from(segment: &Segment) -> Self {
        let Segment { first, last, items, charged, sealed, .. } = *segment;
        Self { first, last, items, bytes: charged, sealed }
    }
}
