//! Inspects a spool from outside: without its lock, while the appliance may be running.
//!
//! Nothing is changed. The view ends at the last intact entry: an entry that is being written right
//! now is not damage, and a segment that is released meanwhile is skipped.

use std::{
    collections::VecDeque,
    io, mem,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    env::disk::Disk,
    model::{LineDialect, Position},
};

use super::{
    chunk::Chunk,
    fault::DiskFault,
    format::{ENTRY_HEADER_BYTES, EntryHeader, SEGMENT_HEADER_LEN},
    outcome::Place,
    scan::{Hole, Span, scan, scan_with},
    survey::{CursorState, Survey, SurveyError, Surveyed, survey},
};

/// What a spool holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Segment files.
    pub segments: u64,
    /// Their bytes, including reserved ones.
    pub bytes: u64,
    /// The first entry that is still there; one past `last` if there is none.
    pub first: Position,
    /// The last entry.
    pub last: Position,
    /// The durable cursor.
    pub confirmed: Position,
    /// What the cursor file is worth.
    pub cursor: CursorState,
    /// Items past the cursor.
    pub items: u64,
    /// Entries past the cursor that are known to be lost. Sealed segments are not read for this;
    /// [`verify`] reads them.
    pub damaged_entries: u64,
}

impl Status {
    /// Entries past the cursor.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.last.0.saturating_sub(self.confirmed.0)
    }
}

/// The progress of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub bytes_done: u64,
    /// Bytes to read.
    pub bytes_total: u64,
}

/// One stretch of damage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedStretch {
    /// The segment's file name; empty if the file with these positions is missing.
    pub segment: String,
    /// Its offset in the segment.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// The first position lost.
    pub first: Position,
    /// How many positions are lost; 0 if no entry is lost, for example if only the segment's header
    /// is damaged.
    pub entries: u64,
    /// Items lost with them, as far as headers and footers say.
    pub items: u64,
}

/// The result of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Segments read.
    pub segments: u64,
    /// Intact entries.
    pub entries: u64,
    /// Their items.
    pub items: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Bytes behind the last entry that the next start will cut.
    pub torn_bytes: u64,
    /// Files that are named like segments but are none, or that are there twice: the next start
    /// moves them to quarantine.
    pub foreign: Vec<String>,
    /// The damage, in the order of positions.
    pub damage: Vec<DamagedStretch>,
}

/// Reports what a spool holds, without its lock.
///
/// # Errors
/// If the folder cannot be read, or is of an unknown version.
pub fn status(disk: &dyn Disk, dir: &Path) -> Result<Status, SurveyError> {
    let survey = look(disk, dir)?;
    let last = Position(survey.next.0 - 1);
    let first = survey.segments.first().map_or(survey.next, |first| first.segment.first);
    Ok(Status {
        segments: (survey.segments.len() + survey.empty.len()) as u64,
        bytes: survey.segments.iter().map(|surveyed| surveyed.len).sum(),
        first,
        last,
        confirmed: survey.confirmed,
        cursor: survey.cursor,
        items: survey.items,
        damaged_entries: survey.lost_entries,
    })
}

/// Reads every entry of a spool and checks every checksum, without its lock.
///
/// # Errors
/// If the folder cannot be read, or is of an unknown version.
pub fn verify(
    disk: &dyn Disk,
    dir: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Verification, SurveyError> {
    let survey = look(disk, dir)?;
    let bytes_total = survey.segments.iter().map(|surveyed| surveyed.segment.end).sum();
    let mut found = Verification {
        torn_bytes: survey.torn_bytes,
        foreign: survey.foreign.clone(),
        ..Verification::default()
    };
    let mut chunk = Chunk::default();
    let mut next: Option<Position> = None;
    for surveyed in &survey.segments {
        let segment = &surveyed.segment;
        if let Some(missing) = next.filter(|next| *next < segment.first) {
            found.damage.push(DamagedStretch {
                segment: String::new(),
                offset: 0,
                bytes: 0,
                first: missing,
                entries: segment.first.0 - missing.0,
                items: 0,
            });
        }
        next = Some(segment.last.next());
        if surveyed.header_damaged {
            found.damage.push(DamagedStretch {
                segment: segment.name.clone(),
                offset: 0,
                bytes: SEGMENT_HEADER_LEN,
                first: segment.first,
                entries: 0,
                items: 0,
            });
        }
        let path = dir.join(&segment.name);
        let seen = scan(surveyed.file.as_ref(), span(surveyed), Position::ZERO, &mut chunk)
            .map_err(|error| SurveyError::Disk { fault: DiskFault::at("read", &path)(error) })?;
        found.segments += 1;
        found.entries += seen.entries;
        found.items += seen.items;
        found.bytes += segment.end;
        found.damage.extend(seen.holes.iter().map(|hole| stretch(&segment.name, hole)));
        progress(Progress { bytes_done: found.bytes, bytes_total });
    }
    Ok(found)
}

/// One entry as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its number.
    pub position: Position,
    /// Where its payload is.
    pub place: Place,
    /// The count that was stored with it.
    pub items: u32,
    /// The line dialect of its lines.
    pub dialect: LineDialect,
    /// What was appended.
    pub payload: Vec<u8>,
}

/// The intact entries of a spool from position `from` on, in order, without its lock. Damage is
/// skipped; [`verify`] reports it.
///
/// # Errors
/// If the folder cannot be read, or is of an unknown version.
pub fn entries(disk: Arc<dyn Disk>, dir: &Path, from: Position) -> Result<Entries, SurveyError> {
    let survey = look(disk.as_ref(), dir)?;
    Ok(Entries { from, ..Entries::of(dir, survey.segments.into()) })
}

/// The iterator that [`entries`] returns. It holds one chunk of a file at a time.
#[derive(Debug)]
pub struct Entries {
    dir: PathBuf,
    /// Segments that are not read to their end yet.
    segments: VecDeque<Surveyed>,
    /// The next position wanted.
    from: Position,
    /// The offset of the next entry in the first of `segments`; `None` until that segment was
    /// opened.
    place: Option<u64>,
    chunk: Chunk,
}

impl Iterator for Entries {
    type Item = Result<Stored, SurveyError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let surveyed = self.segments.front()?;
            let path = self.dir.join(&surveyed.segment.name);
            match self.read_on() {
                Ok(Some(stored)) => return Some(Ok(stored)),
                Ok(None) => {
                    self.segments.pop_front();
                    self.place = None;
                }
                Err(error) => {
                    self.segments.clear();
                    let fault = DiskFault::at("read", &path)(error);
                    return Some(Err(SurveyError::Disk { fault }));
                }
            }
        }
    }
}

impl Entries {
    /// The entries of these segments.
    pub(super) fn of(dir: &Path, segments: VecDeque<Surveyed>) -> Self {
        let (dir, from) = (dir.to_owned(), Position::ZERO);
        Self { dir, segments, from, place: None, chunk: Chunk::default() }
    }

    /// The next entry of the first segment; `None` at its end.
    fn read_on(&mut self) -> io::Result<Option<Stored>> {
        let Some(surveyed) = self.segments.front().filter(|s| s.segment.last >= self.from) else {
            return Ok(None);
        };
        let segment = &surveyed.segment;
        let file = surveyed.file.as_ref();
        let mut place = match self.place {
            Some(place) => place,
            None if self.from <= segment.first => SEGMENT_HEADER_LEN,
            None => scan(file, span(surveyed), self.from, &mut self.chunk)?.resume,
        };
        if self.place.is_none() {
            self.chunk.reset();
        }
        let mut tried = false;
        loop {
            let head = self.chunk.window(file, place, ENTRY_HEADER_BYTES, segment.end)?;
            let header = EntryHeader::decode(head)
                .filter(|header| header.position >= self.from && header.position <= segment.last);
            if let Some(header) = header {
                let bytes = self.chunk.window(file, place, header.entry_bytes(), segment.end)?;
                let payload = bytes.get(ENTRY_HEADER_BYTES..).unwrap_or(&[]);
                if bytes.len() == header.entry_bytes()
                    && crc32fast::hash(payload) == header.payload_crc
                {
                    self.place = Some(place + header.entry_bytes() as u64);
                    self.from = header.position.next();
                    let offset = place + ENTRY_HEADER_BYTES as u64;
                    return Ok(Some(Stored {
                        position: header.position,
                        place: Place { segment: segment.first, offset },
                        items: header.items,
                        dialect: segment.dialect,
                        payload: payload.to_vec(),
                    }));
                }
            }
            if mem::replace(&mut tried, true) {
                return Ok(None);
            }
            match next_whole(surveyed, self.from, &mut self.chunk)? {
                Some((position, at)) => (self.from, place) = (position, at),
                None => return Ok(None),
            }
            self.chunk.reset();
        }
    }
}

/// Surveys a folder that may be in use. A cursor past the data can mean that a segment was begun
/// and confirmed during the survey; so the survey is repeated before that is believed.
fn look(disk: &dyn Disk, dir: &Path) -> Result<Survey, SurveyError> {
    const LOOKS_MAX: usize = 5;
    let mut seen = survey(disk, dir)?;
    for _ in 1..LOOKS_MAX {
        match seen.cursor {
            CursorState::Ahead { .. } => seen = survey(disk, dir)?,
            CursorState::Missing | CursorState::Found | CursorState::Damaged => break,
        }
    }
    Ok(seen)
}

/// The first intact entry at or past a position, and its offset.
fn next_whole(
    surveyed: &Surveyed,
    from: Position,
    chunk: &mut Chunk,
) -> io::Result<Option<(Position, u64)>> {
    let mut first = None;
    scan_with(surveyed.file.as_ref(), span(surveyed), from, chunk, &mut |header, offset| {
        if header.position >= from && first.is_none() {
            first = Some((header.position, offset));
        }
    })?;
    Ok(first)
}

pub(super) fn span(surveyed: &Surveyed) -> Span {
    let segment = &surveyed.segment;
    Span {
        first: segment.first,
        before: segment.last.next(),
        limit: segment.end,
        last: Some(segment.last),
        items: Some(segment.items),
        items_before: None,
    }
}

fn stretch(segment: &str, hole: &Hole) -> DamagedStretch {
    DamagedStretch {
        segment: segment.to_owned(),
        offset: hole.offset,
        bytes: hole.bytes,
        first: hole.first,
        entries: hole.entries,
        items: hole.items,
    }
}
