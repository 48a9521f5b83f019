//! Takes things out of the middle of a log: a sealed segment is written anew, or goes whole.
//!
//! For a log that is not read in a row and confirmed, such as that of the dead letters. What is
//! taken out of an entry leaves the entry's header, so that positions stay without gaps; a segment
//! without items goes whole where others stand before and behind it, and then its positions are a
//! gap, which [`entries`](super::entries()) passes over.
//!
//! A rewrite makes a file beside the segment, syncs it, and takes the segment's name with it: a
//! crash at any moment leaves the old segment or the new one, whole. The file beside it is not in
//! the budget: there is at most one, and it is smaller than the segment.

use std::{collections::VecDeque, io};

use crate::{
    env::disk::{Access, Disk},
    model::Position,
};

use super::{
    chunk::Chunk,
    fault::DiskFault,
    format::FOOTER_LEN,
    fresh::Fresh,
    inspect::{Entries, Stored, span},
    outcome::AppendError,
    quarantine,
    scan::scan,
    shared::Segment,
    survey::Surveyed,
    writer::Writer,
};

/// What a file is called until it takes a segment's place.
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
    /// Bytes that it takes of the budget.
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

    /// Closes the active segment, unless it is empty, so that it can be rewritten; what follows
    /// goes to a fresh one. All that was appended has to be synced.
    ///
    /// # Errors
    /// Any error is final, as of an append: the disk does not take what it must.
    pub fn retire(&mut self) -> Result<(), AppendError> {
        if self.is_active_empty() {
            return Ok(());
        }
        self.seal_active()?;
        self.publish();
        Ok(())
    }

    /// Every whole entry of one segment, as it is now.
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

    /// Writes a sealed segment anew: `edit` says what is left of an entry, `None` that all is. What
    /// is damaged is copied to quarantine first, and leaves empty entries.
    ///
    /// # Errors
    /// If the disk refuses. Then the segment is as it was, or, after a failed sync of the folder,
    /// perhaps as it should be.
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
                // If this fails too, the next rewrite or the next start removes it.
                drop(disk.remove(&fresh_path));
                return Err(fault);
            }
        };
        self.shared.replace(fresh);
        disk.sync_dir(&self.shared.dir).map_err(DiskFault::at("sync", &self.shared.dir))
    }

    /// Removes a sealed segment that stands before others, with all that is in it.
    ///
    /// # Errors
    /// If the disk refuses: then it is still there, or, after a failed sync of the folder, perhaps
    /// there again after a crash.
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

    /// Copies what is damaged in a segment to quarantine.
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

    /// The segment as it will be, durable under another name.
    fn write_fresh(
        &self,
        segment: &Segment,
        edit: &mut dyn FnMut(&Stored) -> Option<Remainder>,
        path: &std::path::Path,
    ) -> Result<Segment, DiskFault> {
        remove_if_there(self.shared.disk.as_ref(), path)?;
        let created = self.shared.disk.create(path);
        let file = created.map_err(DiskFault::at("create", path))?;
        let mut fresh = Fresh::new(file, segment.first, segment.dialect);
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

/// Removes what a crash in the middle of a rewrite left.
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
