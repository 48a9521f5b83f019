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
    model::{Cause, DeadLetter, LetterId, LetterKind, LineDialect, Position},
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

/// What a letter takes of its vehicle's share.
#[derive(Debug)]
pub(super) struct Share {
    /// Whose it is.
    pub(super) owner: Option<String>,
    /// Why it was set aside, if this version knows that.
    pub(super) cause: Option<Cause>,
    /// What it takes.
    pub(super) bytes: u64,
}

impl Share {
    pub(super) fn of(line: &[u8]) -> Self {
        let (owner, cause) = letter::about(line);
        Self { owner, cause, bytes: line.len() as u64 }
    }
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

/// What becomes of a letter.
pub(super) enum Fate {
    Stays,
    Goes,
    /// It becomes another one, under the same name.
    Becomes(Box<DeadLetter>),
}

/// Says what becomes of a letter; one that cannot be read comes as an error.
pub(super) type Judge<'a> = &'a mut dyn FnMut(LetterId, Result<&DeadLetter, &LetterError>) -> Fate;

/// What a change of one segment came to.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// Letters that were taken out, or were what they are no more.
    pub(super) gone: Vec<Share>,
    /// What letters have become.
    pub(super) come: Vec<Share>,
}

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

    /// Takes letters out of one segment, or changes them. All that was appended has to be synced.
    pub(super) fn change(
        &mut self,
        first: Position,
        judge: Judge<'_>,
    ) -> Result<Changed, RemoveError> {
        let mut changed = Changed::default();
        let mut lines_of: BTreeMap<Position, BTreeMap<usize, Vec<u8>>> = BTreeMap::new();
        let kind = self.kind;
        self.read(first, &mut |stored| {
            for (id, line) in lines(kind, stored) {
                let letter = letter::read(line);
                let mut new = Vec::new();
                match judge(id, letter.as_ref()) {
                    Fate::Stays => continue,
                    Fate::Goes => {}
                    Fate::Becomes(letter) => {
                        letter::write(&letter, &mut new);
                        changed.come.push(Share::of(&new));
                    }
                }
                changed.gone.push(Share::of(line));
                lines_of.entry(id.position).or_default().insert(id.index as usize, new);
            }
        })?;
        if changed.gone.is_empty() {
            return Ok(changed);
        }
        let facts = self.segments().into_iter().find(|segment| segment.first == first);
        let removed = changed.gone.len() - changed.come.len();
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

    /// Lets the oldest segment go with all that is in it; the letters that it held, or nothing if
    /// there is none. All that was appended has to be synced.
    pub(super) fn drop_oldest(&mut self) -> Result<Option<Vec<Share>>, RemoveError> {
        let Some(oldest) = self.segments().first().copied() else { return Ok(None) };
        let (mut gone, kind) = (Vec::new(), self.kind);
        self.read(oldest.first, &mut |stored| {
            gone.extend(lines(kind, stored).map(|(_, line)| Share::of(line)));
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

/// The entry with these lines instead of its own: an empty one takes a letter out. Empty lines keep
/// the places of those before others.
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
