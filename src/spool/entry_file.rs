//! A file of entries that is written at once from beginning to end: a rewritten segment, or a table
//! in a file of its own.

use std::{io, path::Path};

use crate::{
    env::disk::{Disk, DiskFile},
    model::{LineDialect, Position},
};

use super::{
    entry::EntryBuffer,
    fault::DiskFault,
    format::{Footer, SEGMENT_HEADER_LEN, SegmentHeader},
    inspect::Entries,
    rewrite::{FRESH_SUFFIX, remove_if_there},
    survey::{SurveyError, survey_file},
};

/// Bytes gathered for one write.
const WRITE_BYTES: usize = 1 << 20;

/// Writes a file of entries beside the segments of a folder and replaces the file of that name. The
/// new file is durable on return; until then the old one stays. `fill` fills in the next entry, or
/// returns false if there is none. Returns the file's length in bytes.
///
/// # Errors
/// If a disk operation fails; then the old file is still there.
pub fn write_file(
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
    fill: &mut dyn FnMut(&mut EntryBuffer) -> bool,
) -> Result<u64, DiskFault> {
    let path = dir.join(name);
    let fresh_path = dir.join(format!("{name}{FRESH_SUFFIX}"));
    remove_if_there(disk, &fresh_path)?;
    let file = disk.create(&fresh_path).map_err(DiskFault::at("create", &fresh_path))?;
    let mut fresh = EntryFileWriter::new(file, Position(1), LineDialect::Signed);
    let mut entry = EntryBuffer::new();
    let mut written = Ok(());
    while written.is_ok() {
        entry.clear();
        if !fill(&mut entry) {
            break;
        }
        written = fresh.entry(entry.payload(), entry.items);
    }
    let closed = written.and_then(|()| fresh.close());
    let made = closed.map_err(DiskFault::at("write", &fresh_path)).and_then(|(end, _)| {
        disk.rename(&fresh_path, &path).map_err(DiskFault::at("replace", &path))?;
        Ok(end)
    });
    if made.is_err() {
        // If this fails too, the next write or the next start removes it.
        drop(disk.remove(&fresh_path));
    }
    let end = made?;
    disk.sync_dir(dir).map_err(DiskFault::at("sync", dir))?;
    Ok(end)
}

/// The intact entries of a file that [`write_file`] wrote, and how many entries were written;
/// `None` if there is no such file. Damaged entries are skipped; if the footer is damaged, the
/// number is unknown.
///
/// # Errors
/// If the file cannot be read, or is of an unknown version.
pub fn read_file(
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
) -> Result<Option<(Entries, Option<u64>)>, SurveyError> {
    Ok(survey_file(disk, dir, name)?
        .map(|(surveyed, count)| (Entries::of(dir, [surveyed].into()), count)))
}

/// Writes a file of entries from beginning to end.
pub(super) struct EntryFileWriter {
    file: Box<dyn DiskFile>,
    first: Position,
    /// Buffered, not written yet.
    pending: Vec<u8>,
    /// Bytes written.
    end: u64,
    /// The position of the next entry.
    next: Position,
    items: u64,
}

impl EntryFileWriter {
    /// Begins a file whose first entry has the position `first`.
    pub(super) fn new(file: Box<dyn DiskFile>, first: Position, dialect: LineDialect) -> Self {
        let pending = SegmentHeader { first, dialect }.encode().to_vec();
        Self { file, first, pending, end: 0, next: first, items: 0 }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Appends an entry.
    pub(super) fn entry(&mut self, payload: &[u8], items: u32) -> io::Result<()> {
        let mut entry = EntryBuffer::new();
        entry.bytes_mut().extend_from_slice(payload);
        entry.items = items;
        let sealed = entry.seal(self.next).expect("what was stored is within the format's bound");
        self.pending.extend_from_slice(sealed);
        self.items += u64::from(items);
        self.next = self.next.next();
        if self.pending.len() >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    /// Appends empty entries in place of damaged ones, up to `position`.
    pub(super) fn fill_up_to(&mut self, position: Position) -> io::Result<()> {
        while self.next < position {
            self.entry(&[], 0)?;
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.pending, self.end)?;
        self.end += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Writes the footer and syncs the file. Returns the offset where the entries end, and the sum
    /// of their items.
    pub(super) fn close(mut self) -> io::Result<(u64, u64)> {
        let end = self.end + self.pending.len() as u64;
        debug_assert!(end >= SEGMENT_HEADER_LEN, "the header was pushed first");
        let last = Position(self.next.0 - 1);
        let footer = Footer { first: self.first, last, items: self.items };
        self.push(&footer.encode());
        self.write()?;
        self.file.sync_data()?;
        Ok((end, self.items))
    }
}
