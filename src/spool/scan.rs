//! Reads one whole segment, record by record, and finds the damage in it.
//!
//! It only reads: it changes nothing and decides nothing. Recovery, the reader (when a checksum
//! fails), `status` and `verify` all use it, so they agree on which entries are lost and with how
//! many items.

use std::io;

use crate::{env::disk::DiskFile, model::Position};

use super::{
    chunk::Chunk,
    format::{
        ENTRY_HEADER_BYTES, ENTRY_MAGIC, EntryHeader, FOOTER_BYTES, FOOTER_MAGIC, Footer,
        PAYLOAD_BYTES_MAX, SEGMENT_HEADER_LEN,
    },
};

/// What is known of a segment before it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// The position of its first entry.
    pub first: Position,
    /// The first position that cannot be in it.
    pub before: Position,
    /// Records end at or before this offset.
    pub limit: u64,
    /// The last position that was in it, if known (from footer, next segment or memory).
    pub last: Option<Position>,
    /// The items that were in it, if known.
    pub items: Option<u64>,
    /// Items before the position `from` that were already read or reported as lost, if the caller
    /// has counted them: then only later items are counted as lost.
    pub items_before: Option<u64>,
}

/// A range of a segment without an intact entry, between intact ones or before a known end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hole {
    /// The first position lost.
    pub first: Position,
    /// How many positions are lost; 0 if only bytes are.
    pub entries: u64,
    /// Items lost with them, as far as headers and totals say.
    pub items: u64,
    /// The offset where it begins.
    pub offset: u64,
    /// Its length.
    pub bytes: u64,
}

impl Hole {
    /// The first position after those lost.
    pub(super) fn next(&self) -> Position {
        Position(self.first.0 + self.entries)
    }
}

/// The result of a scan.
#[derive(Debug)]
pub(super) struct Scanned {
    /// Intact entries.
    pub entries: u64,
    /// Their items.
    pub items: u64,
    /// The last intact entry.
    pub last: Option<Position>,
    /// The offset after the last intact entry; after the header if there is none.
    pub end: u64,
    /// The damage, in order.
    pub holes: Vec<Hole>,
    /// A footer found among the records, before the limit.
    pub footer: Option<Footer>,
    /// Where the records end: at that footer, or at the limit.
    pub records_end: u64,
    /// Bytes past `end` up to the last that is not zero, if nothing shows that they were ever
    /// complete.
    pub torn_bytes: u64,
    /// The offset of the entry at `from`, or of the hole that contains it.
    pub resume: u64,
    /// Items of entries at or past `from`, including lost ones.
    pub past_items: u64,
}

impl Scanned {
    /// Items of intact and damaged entries: the count of the segment.
    pub(super) fn items_with_damage(&self) -> u64 {
        self.items + self.holes.iter().map(|hole| hole.items).sum::<u64>()
    }
}

/// Scans a segment; `from` is the position that the caller wants to continue at.
pub(super) fn scan(
    file: &dyn DiskFile,
    span: Span,
    from: Position,
    chunk: &mut Chunk,
) -> io::Result<Scanned> {
    scan_with(file, span, from, chunk, &mut |_, _| {})
}

/// Scans a segment and passes the header and the offset of every intact entry to a visitor.
pub(super) fn scan_with(
    file: &dyn DiskFile,
    span: Span,
    from: Position,
    chunk: &mut Chunk,
    visit: &mut dyn FnMut(EntryHeader, u64),
) -> io::Result<Scanned> {
    chunk.reset();
    let mut scanner = Scanner {
        file,
        span,
        from,
        chunk,
        offset: SEGMENT_HEADER_LEN,
        expected: span.first,
        open: None,
        unknown: None,
        straddling: None,
        tail_end: SEGMENT_HEADER_LEN,
        seen: Scanned {
            entries: 0,
            items: 0,
            last: None,
            end: SEGMENT_HEADER_LEN,
            holes: Vec::new(),
            footer: None,
            records_end: span.limit,
            torn_bytes: 0,
            resume: SEGMENT_HEADER_LEN,
            past_items: 0,
        },
    };
    while scanner.step(visit)? {}
    Ok(scanner.finish())
}

/// Damaged bytes since the last intact entry.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    offset: u64,
    /// Entries in it with an intact header and a damaged payload, and their items.
    credible_entries: u64,
    credible_items: u64,
}

struct Scanner<'a> {
    file: &'a dyn DiskFile,
    span: Span,
    from: Position,
    chunk: &'a mut Chunk,
    offset: u64,
    /// The position of the next entry if nothing is lost.
    expected: Position,
    /// Set while the records since the last intact entry are damaged.
    open: Option<Stretch>,
    /// The first hole that lost an entry of unknown items.
    unknown: Option<usize>,
    /// The hole that contains the position `from`, if `items_before` is given: the rest of the
    /// total is assigned to it if no other hole can have it.
    straddling: Option<usize>,
    /// The offset after the last byte that is not zero, as far as was searched.
    tail_end: u64,
    seen: Scanned,
}

impl Scanner<'_> {
    /// Reads one record; false when there are no more.
    fn step(&mut self, visit: &mut dyn FnMut(EntryHeader, u64)) -> io::Result<bool> {
        if self.offset >= self.span.limit {
            return Ok(false);
        }
        if let Some(header) = self.entry_header_at(self.offset)? {
            let bytes = header.entry_bytes();
            let entry = self.chunk.window(self.file, self.offset, bytes, self.span.limit)?;
            let payload = entry.get(ENTRY_HEADER_BYTES..).unwrap_or(&[]);
            let whole = entry.len() == bytes && crc32fast::hash(payload) == header.payload_crc;
            if whole {
                visit(header, self.offset);
                self.whole(header);
            } else {
                self.damaged(header);
            }
            self.offset += bytes as u64;
            self.tail_end = self.offset;
            if whole {
                self.seen.end = self.offset;
            }
            return Ok(true);
        }
        if let Some(footer) = self.footer_at(self.offset)? {
            self.seen.footer = Some(footer);
            self.seen.records_end = self.offset;
            return Ok(false);
        }
        self.open_stretch();
        match self.search(self.offset)? {
            Some(next) => {
                self.offset = next;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// Counts an intact entry, and closes the damaged range before it.
    fn whole(&mut self, header: EntryHeader) {
        self.close_stretch(header.position, self.offset);
        self.expected = header.position.next();
        let items = u64::from(header.items);
        self.seen.entries += 1;
        self.seen.items += items;
        self.seen.last = Some(header.position);
        if header.position >= self.from {
            self.seen.past_items += items;
        } else {
            self.seen.resume = self.offset + header.entry_bytes() as u64;
        }
    }

    /// Notes an entry with an intact header and a damaged payload.
    fn damaged(&mut self, header: EntryHeader) {
        let is_before = self.span.items_before.is_some() && header.position < self.from;
        let stretch = self.open_stretch();
        if is_before {
            return;
        }
        stretch.credible_entries += 1;
        stretch.credible_items += u64::from(header.items);
    }

    fn open_stretch(&mut self) -> &mut Stretch {
        self.open.get_or_insert(Stretch {
            offset: self.offset,
            credible_entries: 0,
            credible_items: 0,
        })
    }

    /// Everything between the last intact entry and `position` at `offset` is lost.
    fn close_stretch(&mut self, position: Position, offset: u64) {
        let stretch = self.open.take();
        let entries = position.0.saturating_sub(self.expected.0);
        if stretch.is_none() && entries == 0 {
            return;
        }
        let stretch = stretch.unwrap_or(Stretch { offset, credible_entries: 0, credible_items: 0 });
        if position <= self.from {
            self.seen.resume = offset;
        }
        let ahead = match self.span.items_before {
            Some(_) => position.0.saturating_sub(self.expected.0.max(self.from.0)),
            None => entries,
        };
        if self.unknown.is_none() && ahead > stretch.credible_entries {
            self.unknown = Some(self.seen.holes.len());
        }
        if entries > ahead && ahead > 0 {
            self.straddling = Some(self.seen.holes.len());
        }
        self.seen.holes.push(Hole {
            first: self.expected,
            entries,
            items: stretch.credible_items,
            offset: stretch.offset,
            bytes: offset - stretch.offset,
        });
    }

    /// Decides about the bytes after the last intact entry, and the items of unreadable entries.
    fn finish(mut self) -> Scanned {
        let last = self.seen.footer.map(|footer| footer.last).or(self.span.last);
        let items = self.seen.footer.map(|footer| footer.items).or(self.span.items);
        match last {
            Some(last) => {
                if self.expected <= last {
                    self.open.get_or_insert(Stretch {
                        offset: self.seen.end,
                        credible_entries: 0,
                        credible_items: 0,
                    });
                }
                self.close_stretch(last.next(), self.seen.records_end);
            }
            None => self.seen.torn_bytes = self.tail_end.saturating_sub(self.seen.end),
        }
        if let (Some(hole), Some(items)) = (self.unknown.or(self.straddling), items) {
            let known = match self.span.items_before {
                Some(items_before) => items_before + self.seen.past_items + self.items_lost_ahead(),
                None => self.seen.items_with_damage(),
            };
            self.seen.holes[hole].items += items.saturating_sub(known);
        }
        self.seen.past_items += self.items_lost_ahead();
        self.seen
    }

    /// Items of the holes that reach past `from`.
    fn items_lost_ahead(&self) -> u64 {
        let ahead = self.seen.holes.iter().filter(|hole| hole.next() > self.from);
        ahead.map(|hole| hole.items).sum()
    }

    /// The header of an entry at an offset, if it can be trusted: its checksum matches, its
    /// position is plausible, and its end is within bounds.
    fn entry_header_at(&mut self, offset: u64) -> io::Result<Option<EntryHeader>> {
        let limit = self.span.limit;
        let bytes = self.chunk.window(self.file, offset, ENTRY_HEADER_BYTES, limit)?;
        Ok(EntryHeader::decode(bytes).filter(|header| {
            (self.expected..self.span.before).contains(&header.position)
                && header.payload_bytes as usize <= PAYLOAD_BYTES_MAX
                && header.entry_bytes() as u64 <= limit - offset
        }))
    }

    /// The footer at an offset, if it belongs to this segment.
    fn footer_at(&mut self, offset: u64) -> io::Result<Option<Footer>> {
        let limit = self.span.limit;
        let bytes = self.chunk.window(self.file, offset, FOOTER_BYTES, limit)?;
        Ok(Footer::decode(bytes).filter(|footer| {
            footer.first == self.span.first
                && footer.last < self.span.before
                && footer.last.next() >= self.expected
        }))
    }

    /// Finds the next record that can be trusted, after an offset without one.
    fn search(&mut self, mut offset: u64) -> io::Result<Option<u64>> {
        while offset < self.span.limit {
            let Some(candidate) = self.search_magic(offset)? else {
                return Ok(None);
            };
            if self.entry_header_at(candidate)?.is_some() || self.footer_at(candidate)?.is_some() {
                return Ok(Some(candidate));
            }
            offset = candidate + 1;
        }
        Ok(None)
    }

    /// Finds the next four bytes that are a magic, at or after an offset.
    fn search_magic(&mut self, mut offset: u64) -> io::Result<Option<u64>> {
        const LOOK_BYTES: usize = 64 << 10;
        const MAGIC_BYTES: usize = ENTRY_MAGIC.len();
        loop {
            let bytes = self.chunk.window(self.file, offset, LOOK_BYTES, self.span.limit)?;
            // A preallocated tail is long and all zeros; the fold compiles to wide instructions.
            if bytes.iter().fold(0, |any, byte| any | byte) != 0 {
                let found = bytes
                    .windows(MAGIC_BYTES)
                    .position(|four| four == ENTRY_MAGIC || four == FOOTER_MAGIC);
                if let Some(at) = found {
                    return Ok(Some(offset + at as u64));
                }
                let trailing_zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
                let end = offset + (bytes.len() - trailing_zeros) as u64;
                self.tail_end = self.tail_end.max(end);
            }
            if bytes.len() < LOOK_BYTES {
                return Ok(None);
            }
            // The magic may cross the border between two windows.
            offset += (LOOK_BYTES - (MAGIC_BYTES - 1)) as u64;
        }
    }
}
