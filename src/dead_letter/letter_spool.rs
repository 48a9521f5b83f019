//! The letters of one kind on disk: a spool from which single letters can be removed.
//!
//! This spool is not read in order and confirmed. A removed letter leaves an empty line in its
//! entry, so that the ids of the other letters do not change; an entry without letters leaves its
//! header, and a segment without letters is deleted. The cursor passes deleted segments at the
//! front.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use crate::{
    dead_letter::{
        Options,
        letter::{self, LetterError},
        log::OpenError,
    },
    env::disk::Disk,
    model::{Cause, DeadLetter, LetterId, LetterKind, LineDialect, Position},
    spool::{
        self, Append, AppendError, Budget, CursorError, DiskFault, EntryBuffer, Reader, Remainder,
        SegmentFacts, Stored, SurveyError, SyncError, Writer,
    },
};

/// The folder of the points. It is in that of the messages, because earlier versions had one folder
/// for both.
const POINTS_DIR: &str = "points";

/// The folder of the letters of a kind.
pub(super) fn dir(log: &std::path::Path, kind: LetterKind) -> PathBuf {
    match kind {
        LetterKind::Message => log.to_path_buf(),
        LetterKind::Point => log.join(POINTS_DIR),
    }
}

/// The letters of one kind.
#[derive(Debug)]
pub(super) struct LetterSpool {
    kind: LetterKind,
    writer: Writer,
    reader: Reader,
    budget: Arc<Budget>,
    segment_bytes: u64,
}

/// What is counted of a letter.
#[derive(Debug)]
pub(super) struct LetterFacts {
    /// The vehicle whose share it counts for, or the topic if there is none.
    pub(super) owner: Option<String>,
    /// Its cause, if this version knows it.
    pub(super) cause: Option<Cause>,
    /// Its size on disk.
    pub(super) bytes: u64,
}

impl LetterFacts {
    pub(super) fn of(line: &[u8]) -> Self {
        let (owner, cause) = letter::about(line);
        Self { owner, cause, bytes: line.len() as u64 }
    }
}

/// Why letters cannot be removed.
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
    /// The last segment cannot be closed: the disk fails, and nothing may be written any more.
    #[error(transparent)]
    Fatal(#[from] AppendError),
}

/// What is done with a letter.
pub(super) enum Outcome {
    Keep,
    Remove,
    /// Another letter takes its place, under the same id.
    Replace(Box<DeadLetter>),
}

/// Decides what is done with a letter; a letter that cannot be read is given as an error.
pub(super) type Decide<'a> =
    &'a mut dyn FnMut(LetterId, Result<&DeadLetter, &LetterError>) -> Outcome;

/// The result of changing one segment.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// Letters that were removed or replaced.
    pub(super) removed: Vec<LetterFacts>,
    /// Letters that replaced others.
    pub(super) added: Vec<LetterFacts>,
}

impl LetterSpool {
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

    /// Whether the bound leaves no room for an entry in a new segment; otherwise it is the disk
    /// that is full.
    pub(super) fn is_over_bound(&self, entry_bytes: usize) -> bool {
        let wanted = self.segment_bytes.max(entry_bytes as u64);
        self.budget.used() + wanted > self.budget.bytes_max()
    }

    pub(super) fn sync(&mut self) -> Result<(), SyncError> {
        self.writer.sync().map(drop)
    }

    /// Reads a segment, entry by entry.
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

    /// Removes or replaces letters of one segment. The caller has synced everything that was
    /// appended.
    pub(super) fn change(
        &mut self,
        first: Position,
        decide: Decide<'_>,
    ) -> Result<Changed, RemoveError> {
        let mut changed = Changed::default();
        let mut lines_of: BTreeMap<Position, BTreeMap<usize, Vec<u8>>> = BTreeMap::new();
        let kind = self.kind;
        self.read(first, &mut |stored| {
            for (id, line) in lines(kind, stored) {
                let letter = letter::read(line);
                let mut new = Vec::new();
                match decide(id, letter.as_ref()) {
                    Outcome::Keep => continue,
                    Outcome::Remove => {}
                    Outcome::Replace(letter) => {
                        letter::write(&letter, &mut new);
                        changed.added.push(LetterFacts::of(&new));
                    }
                }
                changed.removed.push(LetterFacts::of(line));
                lines_of.entry(id.position).or_default().insert(id.index as usize, new);
            }
        })?;
        if changed.removed.is_empty() {
            return Ok(changed);
        }
        let facts = self.segments().into_iter().find(|segment| segment.first == first);
        let removed = changed.removed.len() - changed.added.len();
        let left = facts.map_or(0, |facts| facts.items).saturating_sub(removed as u64);
        if facts.is_some_and(|facts| !facts.sealed) {
            self.writer.retire()?;
        }
        if left > 0 || !self.drop_whole(first)? {
            self.writer.rewrite(first, &mut |stored| {
                lines_of.get(&stored.position).map(|changes| with(stored, changes))
            })?;
        }
        self.release_empty()?;
        Ok(changed)
    }

    /// Deletes the oldest segment and returns the letters that it held; `None` if there is no
    /// segment. The caller has synced everything that was appended.
    pub(super) fn drop_oldest(&mut self) -> Result<Option<Vec<LetterFacts>>, RemoveError> {
        let Some(oldest) = self.segments().first().copied() else { return Ok(None) };
        let (mut removed, kind) = (Vec::new(), self.kind);
        self.read(oldest.first, &mut |stored| {
            removed.extend(lines(kind, stored).map(|(_, line)| LetterFacts::of(line)));
        })?;
        if !oldest.sealed {
            self.writer.retire()?;
        }
        self.reader.pass(oldest.last);
        self.reader.flush_cursor()?;
        self.release_empty()?;
        Ok(Some(removed))
    }

    /// Deletes a segment whose letters were all removed, without rewriting it; false for the newest
    /// of several, which remembers the next position.
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

    /// Deletes all segments without letters.
    fn release_empty(&mut self) -> Result<(), RemoveError> {
        let is_empty = |segment: &&SegmentFacts| segment.items == 0 && segment.sealed;
        for empty in self.segments().iter().filter(is_empty) {
            self.drop_whole(empty.first)?;
        }
        Ok(())
    }
}

/// The letters of an entry as they are stored, each with its id, without the removed ones.
pub(super) fn lines(kind: LetterKind, stored: &Stored) -> impl Iterator<Item = (LetterId, &[u8])> {
    let position = stored.position;
    let lines = stored.payload.split_inclusive(|byte| *byte == b'\n');
    let named = lines.zip(0..).filter(|(line, _)| *line != b"\n");
    named.map(move |(line, index)| (LetterId { kind, position, index }, line))
}

/// The entry with some lines replaced; an empty line removes a letter. Empty lines before the last
/// letter stay, so that the indexes of the letters behind them do not change.
fn with(stored: &Stored, changes: &BTreeMap<usize, Vec<u8>>) -> Remainder {
    let mut left = Remainder::default();
    let mut end = 0;
    for (index, own) in stored.payload.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let line = changes.get(&index).map_or(own, Vec::as_slice);
        if line.is_empty() || line == b"\n" {
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
