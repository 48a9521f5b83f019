//! Surveys a spool's folder without changing it: what is there, what is damaged, what is past the
//! cursor. Recovery acts on the result; `status` and `verify` only report it.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    env::disk::{Access, Disk, DiskFile},
    model::{LineDialect, Position},
};

use super::{
    chunk::Chunk,
    cursor::{self, CURSOR_NAME, CursorRead, read_up_to},
    fault::DiskFault,
    format::{
        FOOTER_BYTES, FOOTER_LEN, Footer, HeaderFault, SEGMENT_HEADER_BYTES, SEGMENT_HEADER_LEN,
        SegmentHeader, parse_segment_name,
    },
    scan::{Scanned, Span, scan},
    shared::Segment,
};

/// The state of the cursor file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorState {
    /// There is none: nothing was ever confirmed, or it was lost. What is there is sent (again).
    Missing,
    /// It was read.
    Found,
    /// No slot is intact. What is there is sent again.
    Damaged,
    /// It is past the last entry, so it belongs to other data. To believe it would skip entries:
    /// what is there is sent again.
    Ahead {
        /// The position in it.
        claimed: Position,
    },
}

/// Why a folder cannot be surveyed.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// A file has a format version that this build does not know. Use a build that knows it.
    #[error("{} has format version {version}, which this build does not know", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u16,
    },
    /// The disk refused an operation.
    #[error("cannot look at the spool")]
    Disk {
        /// What failed.
        #[source]
        fault: DiskFault,
    },
}

/// One segment file as found.
#[derive(Debug)]
pub(super) struct Found {
    pub name: String,
    pub first: Position,
    pub dialect: LineDialect,
    /// The header is damaged: `first` is from the name, `dialect` is the one with `u`.
    pub header_damaged: bool,
    pub len: u64,
    pub footer: Option<Footer>,
    pub file: Box<dyn DiskFile>,
}

/// One segment and its state.
#[derive(Debug)]
pub(super) struct Surveyed {
    pub segment: Segment,
    /// Its header is damaged; its position is taken from its name.
    pub header_damaged: bool,
    /// Bytes after the last entry that are cut at start.
    pub torn_bytes: u64,
    pub len: u64,
    pub file: Box<dyn DiskFile>,
}

/// A spool's folder and its state.
#[derive(Debug)]
pub(super) struct Survey {
    /// In the order of positions.
    pub segments: Vec<Surveyed>,
    /// Files of the last rotation that hold no entry, and torn ones.
    pub empty: Vec<String>,
    /// Files that are named like segments but are none, or that are there twice.
    pub foreign: Vec<String>,
    pub cursor: CursorState,
    /// Of the newest slot.
    pub sequence: u64,
    /// Where reading continues.
    pub confirmed: Position,
    /// The position of the next entry.
    pub next: Position,
    /// Items past the cursor, including damaged ones as far as known.
    pub items: u64,
    /// The entries past the cursor that are known to be lost, and their items.
    pub lost_entries: u64,
    pub lost_items: u64,
    pub torn_bytes: u64,
}

/// Surveys a folder. A file that disappears meanwhile was released, and is skipped.
pub(super) fn survey(disk: &dyn Disk, dir: &Path) -> Result<Survey, SurveyError> {
    // In this order: what was released before the listing is covered by the cursor read after it.
    let (found, foreign) = list(disk, dir)?;
    let read = read_cursor(disk, dir)?;
    let begin = found.first().map(|first| Position(first.first.0 - 1));
    let claimed = read.newest.map(|slot| slot.confirmed);
    let confirmed = claimed.or(begin).unwrap_or(Position::ZERO);
    let mut cursor = match (claimed, read.damaged) {
        (Some(_), _) => CursorState::Found,
        (None, true) => CursorState::Damaged,
        (None, false) => CursorState::Missing,
    };
    let mut seen = understand(dir, &found, confirmed)?;
    if let (Some(last), Some(begin)) = (seen.last, begin)
        && last < confirmed
    {
        cursor = CursorState::Ahead { claimed: confirmed };
        seen = understand(dir, &found, begin)?;
    }
    let next = match (seen.last, found.last()) {
        (Some(last), _) => last.next(),
        // There are only files without an entry: the last of them has the next position as its
        // name.
        (None, Some(empty)) => empty.first.max(seen.confirmed.next()),
        (None, None) => seen.confirmed.next(),
    };
    let mut survey = Survey {
        segments: Vec::new(),
        empty: Vec::new(),
        foreign,
        cursor,
        sequence: read.newest.map_or(0, |slot| slot.sequence),
        // The reader reports entries before the first file as lost; it does not wait for them.
        confirmed: seen.confirmed,
        next,
        items: seen.items,
        lost_entries: seen.lost_entries,
        lost_items: seen.lost_items,
        torn_bytes: 0,
    };
    for (found, understood) in found.into_iter().zip(seen.segments) {
        match understood {
            Some((segment, torn_bytes)) => {
                survey.torn_bytes += torn_bytes;
                let Found { header_damaged, len, file, .. } = found;
                let surveyed = Surveyed { segment, header_damaged, torn_bytes, len, file };
                survey.segments.push(surveyed);
            }
            None if found.header_damaged && found.len > SEGMENT_HEADER_LEN => {
                survey.foreign.push(found.name);
            }
            None => survey.empty.push(found.name),
        }
    }
    Ok(survey)
}

/// What the segments hold, relative to a cursor.
#[derive(Debug, Default)]
struct Understood {
    /// One per file; `None` for files after the last entry.
    segments: Vec<Option<(Segment, u64)>>,
    confirmed: Position,
    last: Option<Position>,
    items: u64,
    lost_entries: u64,
    lost_items: u64,
}

/// Goes through the files from the last to the first, because the end of one is known from the
/// next.
fn understand(dir: &Path, found: &[Found], confirmed: Position) -> Result<Understood, SurveyError> {
    let mut seen = Understood { confirmed, ..Understood::default() };
    let mut chunk = Chunk::default();
    let mut next_first: Option<Position> = None;
    for file in found.iter().rev() {
        let understood = one(dir, file, next_first, confirmed, &mut chunk, &mut seen)?;
        if let Some((segment, _)) = &understood {
            let after = next_first.unwrap_or(segment.last.next());
            let gap = segment.last.next().max(confirmed.next());
            seen.lost_entries += after.0.saturating_sub(gap.0);
            seen.last = seen.last.or(Some(segment.last));
            next_first = Some(segment.first);
        }
        seen.segments.push(understood);
    }
    // Between the cursor and the first file.
    if let Some(first) = next_first {
        seen.lost_entries += first.0.saturating_sub(confirmed.next().0);
    }
    seen.segments.reverse();
    Ok(seen)
}

/// Determines the content of one file: from its footer if that is enough, else by a scan.
fn one(
    dir: &Path,
    found: &Found,
    next_first: Option<Position>,
    confirmed: Position,
    chunk: &mut Chunk,
    seen: &mut Understood,
) -> Result<Option<(Segment, u64)>, SurveyError> {
    let before = next_first.unwrap_or(Position(u64::MAX));
    let footer = found.footer.filter(|footer| {
        footer.first == found.first && footer.last >= found.first && footer.last < before
    });
    let limit = found.len.saturating_sub(if footer.is_some() { FOOTER_LEN } else { 0 });
    let limit = limit.max(SEGMENT_HEADER_LEN);
    let mut segment = Segment {
        first: found.first,
        name: found.name.clone(),
        dialect: found.dialect,
        last: footer.map_or(Position(before.0 - 1), |footer| footer.last),
        items: footer.map_or(0, |footer| footer.items),
        items_before: 0,
        end: limit,
        sealed: footer.is_some() || next_first.is_some(),
        charged: found.len,
    };
    if let Some(footer) = footer
        && (footer.last <= confirmed || footer.first > confirmed)
    {
        if footer.first > confirmed {
            seen.items += footer.items;
        }
        return Ok(Some((segment, 0)));
    }
    let span = Span {
        first: found.first,
        before: footer.map_or(before, |footer| footer.last.next()),
        limit,
        last: (footer.is_some() || next_first.is_some()).then_some(segment.last),
        items: footer.map(|footer| footer.items),
        items_before: None,
    };
    let path = dir.join(&found.name);
    let scanned = scan(found.file.as_ref(), span, confirmed.next(), chunk)
        .map_err(|error| SurveyError::Disk { fault: DiskFault::at("read", &path)(error) })?;
    if span.last.is_none() && !set_end(&mut segment, &scanned) {
        return Ok(None);
    }
    segment.items = footer.map_or(scanned.items_with_damage(), |footer| footer.items);
    segment.end = if segment.sealed { scanned.records_end } else { scanned.end };
    segment.items_before = segment.items.saturating_sub(scanned.past_items);
    seen.items += scanned.past_items;
    for hole in scanned.holes.iter().filter(|hole| hole.next() > confirmed.next()) {
        seen.lost_entries += hole.next().0 - hole.first.0.max(confirmed.next().0);
        seen.lost_items += hole.items;
    }
    Ok(Some((segment, scanned.torn_bytes)))
}

/// Sets the last entry of the last file, from the result of a scan; false if there is none.
fn set_end(segment: &mut Segment, scanned: &Scanned) -> bool {
    segment.sealed = scanned.footer.is_some();
    match scanned.footer.map(|footer| footer.last).or(scanned.last) {
        Some(last) => segment.last = last,
        None => return false,
    }
    true
}

/// Reads the cursor; an error if its version is unknown.
fn read_cursor(disk: &dyn Disk, dir: &Path) -> Result<CursorRead, SurveyError> {
    let path = dir.join(CURSOR_NAME);
    match cursor::read(disk, &path) {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(version)) => Err(SurveyError::Version { path, version }),
        Err(error) => Err(SurveyError::Disk { fault: DiskFault::at("read", &path)(error) }),
    }
}

/// The segment files in the order of their first positions, and the names of files that only look
/// like segments.
fn list(disk: &dyn Disk, dir: &Path) -> Result<(Vec<Found>, Vec<String>), SurveyError> {
    let names = disk
        .files(dir)
        .map_err(|error| SurveyError::Disk { fault: DiskFault::at("list", dir)(error) })?;
    let mut found: Vec<Found> = Vec::new();
    let mut foreign = Vec::new();
    for name in names {
        let Some(named) = parse_segment_name(&name) else {
            continue;
        };
        let path = dir.join(&name);
        match examine(disk, &path, name, named) {
            Ok(Ok(file)) => found.push(file),
            Ok(Err(version)) => return Err(SurveyError::Version { path, version }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(SurveyError::Disk { fault: DiskFault::at("read", &path)(error) });
            }
        }
    }
    // Of two that say they are the same, the one with the right name is kept.
    found.sort_by_key(|file| (file.first, parse_segment_name(&file.name) != Some(file.first)));
    let mut kept: Vec<Found> = Vec::new();
    for file in found {
        match kept.last() {
            Some(last) if last.first == file.first => foreign.push(file.name),
            _ => kept.push(file),
        }
    }
    Ok((kept, foreign))
}

/// Surveys one file of entries that is not a segment of a spool, and returns how many entries were
/// written if that is known; `None` if there is no such file.
pub(super) fn survey_file(
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
) -> Result<Option<(Surveyed, Option<u64>)>, SurveyError> {
    let path = dir.join(name);
    let found = match examine(disk, &path, name.to_owned(), Position(1)) {
        Ok(Ok(found)) => found,
        Ok(Err(version)) => return Err(SurveyError::Version { path, version }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SurveyError::Disk { fault: DiskFault::at("read", &path)(error) }),
    };
    let Found { name, first, dialect, header_damaged, len, footer, file } = found;
    let count = footer.map(|footer| footer.last.next().0.saturating_sub(first.0));
    let segment = Segment {
        first,
        name,
        dialect,
        last: footer.map_or(Position(u64::MAX - 1), |footer| footer.last),
        items: footer.map_or(0, |footer| footer.items),
        items_before: 0,
        end: len.saturating_sub(if footer.is_some() { FOOTER_LEN } else { 0 }),
        sealed: true,
        charged: 0,
    };
    Ok(Some((Surveyed { segment, header_damaged, torn_bytes: 0, len, file }, count)))
}

/// Reads header and footer of one file; the inner error is an unknown version.
fn examine(
    disk: &dyn Disk,
    path: &Path,
    name: String,
    named: Position,
) -> io::Result<Result<Found, u16>> {
    let file = disk.open(path, Access::Read)?;
    let len = file.len()?;
    let mut head = [0; SEGMENT_HEADER_BYTES];
    let n = read_up_to(file.as_ref(), &mut head, 0)?;
    let (first, dialect, header_damaged) = match SegmentHeader::decode(&head[..n]) {
        Ok(header) if header.first > Position::ZERO => (header.first, header.dialect, false),
        // Lines that may hold `u` can be shipped to any store: for a store without it they are
        // rewritten.
        Ok(_) | Err(HeaderFault::Damaged) => (named, LineDialect::Unsigned, true),
        Err(HeaderFault::Version(version)) => return Ok(Err(version)),
    };
    let mut foot = [0; FOOTER_BYTES];
    let footer = match len.checked_sub(FOOTER_LEN) {
        Some(at) if at >= SEGMENT_HEADER_LEN => {
            let n = read_up_to(file.as_ref(), &mut foot, at)?;
            Footer::decode(&foot[..n])
        }
        Some(_) | None => None,
    };
    Ok(Ok(Found { name, first, dialect, header_damaged, len, footer, file }))
}
