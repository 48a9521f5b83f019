//! Reads durable entries of a spool in batches, from a position onwards.

use std::{io, sync::Arc};

use crate::{
    env::disk::{Access, DiskFile},
    model::{Disposition, LineDialect, Position},
};

use super::{
    chunk::Chunk,
    fault::DiskFault,
    format::{ENTRY_HEADER_BYTES, EntryHeader, SEGMENT_HEADER_LEN},
    quarantine,
    scan::{Hole, Span, scan},
    shared::{Segment, Shared},
};

/// The maximum size of a batch. It holds at least one entry in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Bytes of payload.
    pub bytes_max: u64,
    /// Items, as the entries say.
    pub items_max: u64,
}

/// Entries lost to damage at rest that were found while reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Positions lost.
    pub entries: u64,
    /// Items lost with them, as far as headers and footers say. They were counted as recovered or
    /// spooled, and are not part of [`Batch::items`].
    pub items: u64,
    /// Bytes set aside.
    pub bytes: u64,
}

/// The result of one read: every position from `first` to `last` is in the payload or in `damaged`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The first position.
    pub first: Position,
    /// The last position: to be confirmed when the store has everything.
    pub last: Position,
    /// Items of the entries read.
    pub items: u64,
    /// Entries read. 0 if there was nothing but damage: then there is nothing to ship, and the
    /// batch only has to be confirmed.
    pub entries: u64,
    /// The dialect of the lines.
    pub dialect: LineDialect,
    /// What could not be read.
    pub damaged: Option<Damage>,
}

/// Why nothing could be read. The reader stays where it is.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A segment cannot be opened. If its file is missing, a restart reports its entries as lost
    /// and continues after them.
    #[error("cannot open a segment")]
    Open {
        /// What failed.
        #[source]
        fault: DiskFault,
    },
    /// The disk fails reads. Nothing is lost as long as the disk may recover.
    #[error("cannot read entry {}", position.0)]
    Read {
        /// The entry.
        position: Position,
        /// What failed.
        #[source]
        fault: DiskFault,
    },
    /// Two reads of the same bytes differ: the memory or the disk is failing.
    #[error("entry {} reads differently each time", position.0)]
    Unstable {
        /// The entry.
        position: Position,
    },
}

impl ReadError {
    /// What to do about it.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Open { fault } if fault.source.kind() == io::ErrorKind::NotFound => {
                Disposition::Halt
            }
            Self::Open { .. } | Self::Read { .. } | Self::Unstable { .. } => Disposition::Retry,
        }
    }
}

/// A position in a spool from which entries are read in order.
#[derive(Debug)]
pub struct Reading {
    shared: Arc<Shared>,
    /// The next position to read.
    next: Position,
    /// Where it begins, if that is inside a segment.
    begin: Option<Border>,
    /// Where it ends, because another reading continues there.
    end: Option<Border>,
    open: Option<OpenSegment>,
    chunk: Chunk,
}

/// How far a segment was durable at one moment: there one reading ends and another one begins. Each
/// sees its part as if it were a segment of its own, so that damage is counted only on its side.
#[derive(Clone, Copy, Debug)]
struct Border {
    /// The segment's first position.
    segment: Position,
    /// The last entry before the border.
    last: Position,
    /// Just past that entry.
    offset: u64,
    /// Items of the segment's entries before it.
    items: u64,
}

/// The segment that is being read.
#[derive(Debug)]
struct OpenSegment {
    first: Position,
    file: Box<dyn DiskFile>,
    /// The offset of the entry at `next`, or of the hole that contains it.
    offset: u64,
    /// The damage in it, once a scan was made.
    holes: Vec<Hole>,
    /// Items of the entries in it that were read or reported as lost.
    items_before: u64,
}

/// A batch while it grows.
#[derive(Debug, Default)]
struct Growing {
    entries: u64,
    items: u64,
    bytes: u64,
    dialect: Option<LineDialect>,
    damaged: Option<Damage>,
}

impl Growing {
    fn lose(&mut self, entries: u64, items: u64, bytes: u64) {
        let damaged = self.damaged.get_or_insert_default();
        damaged.entries += entries;
        damaged.items += items;
        damaged.bytes += bytes;
    }

    fn takes(&self, header: EntryHeader, limits: BatchLimits) -> bool {
        self.entries == 0
            || (self.bytes + u64::from(header.payload_bytes) <= limits.bytes_max
                && self.items + u64::from(header.items) <= limits.items_max)
    }
}

/// What is at the current position.
enum Next {
    Entry(EntryHeader),
    Damaged,
}

impl Reading {
    pub(super) fn new(shared: Arc<Shared>, next: Position) -> Self {
        let chunk = Chunk::default();
        Self { shared, next, begin: None, end: None, open: None, chunk }
    }

    /// Ends this reading at the last entry that is durable now, and returns a second one that
    /// continues after it; `None` if no durable entry is ahead.
    ///
    /// # Panics
    /// If it ends already.
    pub fn split(&mut self) -> Option<Self> {
        assert!(self.end.is_none(), "only the last of several readings is split");
        let border = self.shared.look(|segments, _| {
            segments.back().map(|segment| Border {
                segment: segment.first,
                last: segment.last,
                offset: segment.end,
                items: segment.items,
            })
        });
        let border = border.filter(|border| border.last >= self.next)?;
        self.end = Some(border);
        let mut behind = Self::new(Arc::clone(&self.shared), border.last.next());
        behind.begin = Some(border);
        Some(behind)
    }

    /// The last position that it will read, if another reading continues there.
    #[must_use]
    pub fn end(&self) -> Option<Position> {
        self.end.map(|border| border.last)
    }

    /// The next position that will be read.
    #[must_use]
    pub fn next(&self) -> Position {
        self.next
    }

    /// Continues at a later position.
    pub(super) fn skip_to(&mut self, next: Position) {
        if next > self.next {
            self.next = next;
            self.open = None;
        }
    }

    /// Appends the payloads of the next intact entries to `into` and returns which they are; `None`
    /// if no durable entry is ahead. Every checksum is verified. A batch has one dialect.
    ///
    /// # Errors
    /// Only if nothing was read before the failure: see [`ReadError`].
    pub fn read_batch(
        &mut self,
        into: &mut Vec<u8>,
        limits: BatchLimits,
    ) -> Result<Option<Batch>, ReadError> {
        let first = self.next;
        let mut batch = Growing::default();
        while let Some(segment) = self.segment() {
            if batch.dialect.is_some_and(|dialect| dialect != segment.dialect) {
                break;
            }
            match self.read_segment(&segment, into, limits, &mut batch) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if self.next == first => return Err(error),
                // What was read is good; the error will show again at the next call.
                Err(_) => break,
            }
        }
        Ok(batch.dialect.filter(|_| self.next > first).map(|dialect| Batch {
            first,
            last: Position(self.next.0 - 1),
            items: batch.items,
            entries: batch.entries,
            dialect,
            damaged: batch.damaged,
        }))
    }

    /// The segment of the next entry, limited to the part of this reading.
    fn segment(&self) -> Option<Segment> {
        if self.end.is_some_and(|end| end.last < self.next) {
            return None;
        }
        let mut segment = self.shared.segment_at(self.next)?;
        if let Some(end) = self.end.filter(|end| end.segment == segment.first) {
            (segment.last, segment.end, segment.items) = (end.last, end.offset, end.items);
        }
        Some(segment)
    }

    /// Reads entries of one segment; true when its end is reached.
    fn read_segment(
        &mut self,
        segment: &Segment,
        into: &mut Vec<u8>,
        limits: BatchLimits,
        batch: &mut Growing,
    ) -> Result<bool, ReadError> {
        if self.next < segment.first {
            let entries = segment.first.0 - self.next.0;
            tracing::error!(
                spool = %self.shared.dir.display(), first = self.next.0, entries,
                "entries are missing: the file that held them is gone or cut"
            );
            batch.dialect = Some(segment.dialect);
            batch.lose(entries, 0, 0);
            self.next = segment.first;
        }
        self.enter(segment)?;
        batch.dialect = Some(segment.dialect);
        while self.next <= segment.last {
            match self.look(segment)? {
                Next::Entry(header) if !batch.takes(header, limits) => return Ok(false),
                Next::Entry(header) if self.take(segment, header, into, batch)? => {}
                Next::Entry(_) | Next::Damaged => self.skip(segment, batch)?,
            }
        }
        Ok(true)
    }

    /// Opens a segment, unless it is open already, and finds the offset of the next entry.
    fn enter(&mut self, segment: &Segment) -> Result<(), ReadError> {
        if self.open.as_ref().is_some_and(|open| open.first == segment.first) {
            return Ok(());
        }
        let path = self.shared.dir.join(&segment.name);
        let file = self
            .shared
            .disk
            .open(&path, Access::Read)
            .map_err(|error| ReadError::Open { fault: DiskFault::at("open", &path)(error) })?;
        self.chunk.reset();
        let mut open = OpenSegment {
            first: segment.first,
            file,
            offset: SEGMENT_HEADER_LEN,
            holes: vec![],
            items_before: 0,
        };
        let begin = self.begin.filter(|begin| begin.last.next() == self.next);
        if let Some(begin) = begin.filter(|begin| begin.segment == segment.first) {
            open.offset = begin.offset;
            open.items_before = begin.items;
        } else if self.next > segment.first {
            // Needed only after a restart in the middle of a segment.
            let span = span(segment, segment.items_before);
            let seen = scan(open.file.as_ref(), span, self.next, &mut self.chunk)
                .map_err(|error| self.read_error(segment, error))?;
            open.offset = seen.resume;
            open.items_before = segment.items_before;
            open.holes = seen.holes;
        }
        self.open = Some(open);
        Ok(())
    }

    /// Looks at what is at the current offset of the open segment; the payload is not read yet.
    fn look(&mut self, segment: &Segment) -> Result<Next, ReadError> {
        let open = self.open.as_ref().expect("enter has opened it");
        let (file, offset) = (open.file.as_ref(), open.offset);
        let looked = self.chunk.window(file, offset, ENTRY_HEADER_BYTES, segment.end);
        let header = looked.map(EntryHeader::decode);
        let header = header.map_err(|error| self.read_error(segment, error))?;
        let is_here = |header: &EntryHeader| {
            let fits = header.entry_bytes() as u64 <= segment.end.saturating_sub(offset);
            header.position == self.next && fits
        };
        Ok(header.filter(is_here).map_or(Next::Damaged, Next::Entry))
    }

    /// Takes the entry whose header [`look`](Self::look) saw into the batch; false if its payload
    /// is damaged.
    fn take(
        &mut self,
        segment: &Segment,
        header: EntryHeader,
        into: &mut Vec<u8>,
        batch: &mut Growing,
    ) -> Result<bool, ReadError> {
        let open = self.open.as_mut().expect("enter has opened it");
        let (file, mark) = (open.file.as_ref(), into.len());
        let payload = open.offset + ENTRY_HEADER_BYTES as u64;
        let bytes = header.payload_bytes as usize;
        if let Err(error) = self.chunk.append(file, payload, bytes, segment.end, into) {
            return Err(self.read_error(segment, error));
        }
        let read = &into[mark..];
        if read.len() != bytes || crc32fast::hash(read) != header.payload_crc {
            into.truncate(mark);
            return Ok(false);
        }
        open.offset += header.entry_bytes() as u64;
        open.items_before += u64::from(header.items);
        self.next = header.position.next();
        batch.entries += 1;
        batch.items += u64::from(header.items);
        batch.bytes += u64::from(header.payload_bytes);
        Ok(true)
    }

    /// Skips the damage at the current offset: reports it, sets its bytes aside, and continues
    /// after it (SP-7).
    fn skip(&mut self, segment: &Segment, batch: &mut Growing) -> Result<(), ReadError> {
        let hole = match self.hole_here() {
            Some(hole) => hole,
            None => {
                let open = self.open.as_ref().expect("enter has opened it");
                let span = span(segment, open.items_before);
                let seen = scan(open.file.as_ref(), span, self.next, &mut self.chunk)
                    .map_err(|error| self.read_error(segment, error))?;
                self.open.as_mut().expect("enter has opened it").holes = seen.holes;
                let position = self.next;
                self.hole_here().ok_or(ReadError::Unstable { position })?
            }
        };
        let open = self.open.as_mut().expect("enter has opened it");
        let shared = &self.shared;
        let file = open.file.as_ref();
        quarantine::set_aside(shared.disk.as_ref(), &shared.dir, file, &segment.name, &hole);
        let end = hole.offset + hole.bytes;
        batch.lose(hole.next().0 - self.next.0, hole.items, end - open.offset);
        open.items_before += hole.items;
        open.offset = end;
        self.next = hole.next();
        Ok(())
    }

    /// The known hole at the current offset.
    fn hole_here(&self) -> Option<Hole> {
        let open = self.open.as_ref()?;
        let here = |hole: &&Hole| {
            let end = hole.offset + hole.bytes;
            (hole.offset..end).contains(&open.offset) && hole.next() >= self.next
        };
        let missing = |hole: &&Hole| hole.offset == open.offset && hole.next() > self.next;
        open.holes.iter().find(|hole| here(hole) || missing(hole)).copied()
    }

    fn read_error(&self, segment: &Segment, error: io::Error) -> ReadError {
        let path = self.shared.dir.join(&segment.name);
        ReadError::Read { position: self.next, fault: DiskFault::at("read", &path)(error) }
    }
}

/// A segment's bounds as the writer or recovery left them.
fn span(segment: &Segment, items_before: u64) -> Span {
    Span {
        first: segment.first,
        before: segment.last.next(),
        limit: segment.end,
        last: Some(segment.last),
        items: Some(segment.items),
        items_before: Some(items_before),
    }
}
