//! The letters of one kind on disk: a spool out of which they are taken one by one.
//!
//! Nothing is read in a row and confirmed here. A letter that is removed leaves an empty line in
//! its entry, so that the names of its neighbours stay; an entry without letters leaves its header,
//! a segment without letters goes. The cursor passes what is gone from the front.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use crate::{
    dead_letter::{
        Options,
        letter::{self, LetterError},
        log::OpenError,
    },
    env::disk::Disk,
    model::{DeadLetter, LetterId, LetterKind, LineDialect, Position},
    spool::{
        self, Append, AppendError, Budget, CursorError, DiskFault, EntryBuffer, Reader, Remainder,
        SegmentFacts, Stored, SurveyError, SyncError, Writer,
    },
};

/// The folder of the points, in that of the messages: the log had one folder for both once.
const POINTS_DIR: &str = "points";

/// Where the letters of a kind lie.
pub(super) fn dir(log: &std::path::Path, kind: LetterKind) -> PathBuf {
    match kind {
        LetterKind::Message => log.to_path_buf(),
        LetterKind::Point => log.join(POINTS_DIR),
    }
}

/// The letters of one kind.
#[derive(Debug)]
pub(super) struct Shelf {
    kind: LetterKind,
    writer: Writer,
    reader: Reader,
    budget: Arc<Budget>,
    segment_bytes: u64,
}

/// A letter that was taken out.
#[derive(Debug)]
pub(super) struct Gone {
    /// Whose it was, for its share.
    pub(super) owner: Option<String>,
    /// What it took.
    pub(super) bytes: u64,
}

/// Why letters cannot be taken out.
#[derive(Debug, thiserror::Error)]
pub(super) enum RemoveError {
    /// A segment cannot be read.
    #[error(transparent)]
    Read(#[from] SurveyError),
    /// The disk refuses.
    #[error(transparent)]
    Disk(#[from] DiskFault),
    /// The cursor cannot be written.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The last segment cannot be closed: the disk fails, and nothing more may be written.
    #[error(transparent)]
    Fatal(#[from] AppendError),
}

/// Whether a letter is to be taken out; one that cannot be read comes as an error.
pub(super) type Wanted<'a> = &'a mut dyn FnMut(LetterId, Result<&DeadLetter, &LetterError>) -> bool;

impl Shelf {
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        options: &Options,
        kind: LetterKind,
    ) -> Result<Self, OpenError> {
        let budget = Arc::new(Budget::new(options.part_bytes(kind)));
        let spool = spool::Options {
            dir: dir(&options.dir, kind),
            // Letters are JSON; the header needs a dialect, and this one is understood everywhere.
            dialect: LineDialect::Signed,
            segment_bytes_max: options.segment_bytes(kind),
            budget: Arc::clone(&budget),
        };
        let opened = spool::open(disk, spool)
            .map_err(|source| OpenError::Spool { source: Box::new(source) })?;
        let segment_bytes = options.segment_bytes(kind);
        Ok(Self { kind, writer: opened.writer, reader: opened.reader, budget, segment_bytes })
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.budget.used()
    }

    /// Letters that are durable.
    pub(super) fn letters(&self) -> u64 {
        self.writer.segments().iter().map(|segment| segment.items).sum()
    }

    pub(super) fn segments(&self) -> Vec<SegmentFacts> {
        self.writer.segments()
    }

    pub(super) fn append(&mut self, entry: &mut EntryBuffer) -> Result<Append, AppendError> {
        self.writer.append_unsynced(entry)
    }

    /// Whether it is the bound that leaves no room for an entry in another segment, and not the
    /// disk.
    pub(super) fn is_over_bound(&self, entry_bytes: usize) -> bool {
        let wanted = self.segment_bytes.max(entry_bytes as u64);
        self.budget.used() + wanted > self.budget.bytes_max()
    }

    pub(super) fn sync(&mut self) -> Result<(), SyncError> {
        self.writer.sync().map(drop)
    }

    /// What a segment holds, entry by entry.
    pub(super) fn read(
        &self,
        first: Position,
        each: &mut dyn FnMut(&Stored),
    ) -> Result<(), RemoveError> {
        for stored in self.writer.read_segment(first)? {
            each(&stored?);
        }
        Ok(())
    }

    /// Takes letters out of one segment. All that was appended has to be synced.
    pub(super) fn remove(
        &mut self,
        first: Position,
        wanted: Wanted<'_>,
    ) -> Result<Vec<Gone>, RemoveError> {
        let mut gone = Vec::new();
        let mut indices: BTreeMap<Position, Vec<usize>> = BTreeMap::new();
        let kind = self.kind;
        self.read(first, &mut |stored| {
            for (id, line) in lines(kind, stored) {
                let letter = letter::read(line);
                if wanted(id, letter.as_ref()) {
                    gone.push(Gone { owner: letter::owner(line), bytes: line.len() as u64 });
                    indices.entry(id.position).or_default().push(id.index as usize);
                }
            }
        })?;
        if gone.is_empty() {
            return Ok(gone);
        }
        let facts = self.segments().into_iter().find(|segment| segment.first == first);
        let left = facts.map_or(0, |facts| facts.items).saturating_sub(gone.len() as u64);
        if facts.is_some_and(|facts| !facts.sealed) {
            self.writer.retire()?;
        }
        if left > 0 || !self.drop_whole(first)? {
            self.writer.rewrite(first, &mut |stored| {
                indices.get(&stored.position).map(|indices| without(stored, indices))
            })?;
        }
        self.release_empty()?;
        Ok(gone)
    }

    /// Lets the oldest segment go with all that is in it; the letters that it held, or nothing if
    /// there is none. All that was appended has to be synced.
    pub(super) fn drop_oldest(&mut self) -> Result<Option<Vec<Gone>>, RemoveError> {
        let Some(oldest) = self.segments().first().copied() else { return Ok(None) };
        let (mut gone, kind) = (Vec::new(), self.kind);
        self.read(oldest.first, &mut |stored| {
            gone.extend(
                lines(kind, stored)
                    .map(|(_, line)| Gone { owner: letter::owner(line), bytes: line.len() as u64 }),
            );
        })?;
        if !oldest.sealed {
            self.writer.retire()?;
        }
        self.reader.pass(oldest.last);
        self.reader.flush_cursor()?;
        self.release_empty()?;
        Ok(Some(gone))
    }

    /// Removes the file of a segment of which no letter is wanted any more, without writing it
    /// anew; false for the newest of several, which remembers the next position.
    fn drop_whole(&mut self, first: Position) -> Result<bool, RemoveError> {
        let segments = self.segments();
        if let Some(oldest) = segments.first().filter(|oldest| oldest.first == first) {
            self.reader.pass(oldest.last);
            self.reader.flush_cursor()?;
            return Ok(true);
        }
        let is_newest = segments.last().is_none_or(|newest| newest.first == first);
        if !is_newest {
            self.writer.remove_segment(first)?;
        }
        Ok(!is_newest)
    }

    /// Gives back what segments without letters take, from the front and in between.
    fn release_empty(&mut self) -> Result<(), RemoveError> {
        let is_empty = |segment: &&SegmentFacts| segment.items == 0 && segment.sealed;
        for empty in self.segments().iter().filter(is_empty) {
            self.drop_whole(empty.first)?;
        }
        Ok(())
    }
}

/// The letters of an entry as they are stored, each with its name; not those that were removed.
pub(super) fn lines(kind: LetterKind, stored: &Stored) -> impl Iterator<Item = (LetterId, &[u8])> {
    let position = stored.position;
    let lines = stored.payload.split_inclusive(|byte| *byte == b'\n');
    let named = lines.zip(0..).filter(|(line, _)| *line != b"\n");
    named.map(move |(line, index)| (LetterId { kind, position, index }, line))
}

/// The entry without these letters: empty lines keep the places of those before others.
fn without(stored: &Stored, indices: &[usize]) -> Remainder {
    let mut left = Remainder::default();
    let mut end = 0;
    for (index, line) in stored.payload.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if line == b"\n" || indices.binary_search(&index).is_ok() {
            left.payload.push(b'\n');
            continue;
        }
        left.payload.extend_from_slice(line);
        left.items += 1;
        end = left.payload.len();
    }
    left.payload.truncate(end);
    left
}
