//! Reads the log without its lock, up to the last whole entry, while another process writes it.

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    path::Path,
    sync::Arc,
};

use crate::{
    dead_letter::{
        letter::{self, LetterError},
        letter_spool::{self, lines},
    },
    env::disk::Disk,
    model::{DeadLetter, LetterFilter, LetterId, LetterKind, LetterMark, Position},
    spool::{self, Entries, Stored, SurveyError},
};

/// Why a letter, or the log, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The disk cannot be read, or the log has an unknown version: the list ends here.
    #[error("cannot read the dead-letter log")]
    Log {
        /// What failed.
        #[source]
        source: SurveyError,
    },
    /// One letter cannot be read, though its checksum is right; the others are still listed.
    #[error("cannot read dead letter {id}")]
    Letter {
        /// Which.
        id: LetterId,
        /// Why.
        #[source]
        source: LetterError,
    },
}

/// The matching letters behind a mark, oldest first. A missing folder has none. Damaged entries are
/// skipped: `spool verify` reports them.
///
/// # Errors
/// If the folder cannot be read, or is of an unknown version.
pub fn list(
    disk: Arc<dyn Disk>,
    dir: &Path,
    filter: LetterFilter,
    after: LetterMark,
) -> Result<Letters, ListError> {
    let filter = Arc::new(filter);
    let open = |kind| KindLetters::open(Arc::clone(&disk), dir, kind, &filter, after.of(kind));
    Ok(Letters { kinds: [open(LetterKind::Message)?, open(LetterKind::Point)?] })
}

/// The letter of an id; `None` if there is none.
///
/// # Errors
/// If the log or the letter cannot be read.
pub fn find(
    disk: Arc<dyn Disk>,
    dir: &Path,
    id: LetterId,
) -> Result<Option<DeadLetter>, ListError> {
    let filter = LetterFilter { ids: [id].into(), ..LetterFilter::default() };
    let mut letters = list(disk, dir, filter, LetterMark::default())?;
    letters.next().transpose().map(|found| found.map(|(_, letter)| letter))
}

type Found = Result<(LetterId, DeadLetter), ListError>;

/// The iterator of [`list()`]; holds one entry of each kind at a time.
#[derive(Debug)]
pub struct Letters {
    kinds: [KindLetters; 2],
}

impl Iterator for Letters {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        let [messages, points] = &mut self.kinds;
        let is_point_first = match (messages.head(), points.head()) {
            (Some(Ok((_, message))), Some(Ok((_, point)))) => point.time < message.time,
            (Some(Ok(_)), Some(Err(_))) | (None, _) => true,
            _ => false,
        };
        let first = if is_point_first { points } else { messages };
        first.read.pop_front()
    }
}

/// The letters of one kind.
#[derive(Debug)]
struct KindLetters {
    kind: LetterKind,
    /// `None` if there is no log, or no more of it matches or can be read.
    entries: Option<Entries>,
    filter: Arc<LetterFilter>,
    /// Letters up to this one were listed before.
    after: Option<LetterId>,
    /// No letter behind this entry matches.
    last: Option<Position>,
    /// The matching letters of one entry.
    read: VecDeque<Found>,
}

impl KindLetters {
    fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        kind: LetterKind,
        filter: &Arc<LetterFilter>,
        after: Option<LetterId>,
    ) -> Result<Self, ListError> {
        let named: BTreeSet<Position> =
            filter.ids.iter().filter(|id| id.kind == kind).map(|id| id.position).collect();
        let last = named.last().copied();
        let is_meant = filter.ids.is_empty() || last.is_some();
        let from = named.first().copied().max(after.map(|id| id.position));
        let entries = match is_meant {
            true => entries(disk, &letter_spool::dir(dir, kind), from.unwrap_or(Position::ZERO))?,
            false => None,
        };
        let filter = Arc::clone(filter);
        Ok(Self { kind, entries, filter, after, last, read: VecDeque::new() })
    }

    /// The next matching letter.
    fn head(&mut self) -> Option<&Found> {
        while self.read.is_empty() {
            match self.entries.as_mut()?.next() {
                Some(Ok(stored)) if self.last.is_none_or(|last| stored.position <= last) => {
                    self.read_entry(&stored);
                }
                Some(Err(source)) => {
                    self.entries = None;
                    self.read.push_back(Err(ListError::Log { source }));
                }
                Some(Ok(_)) | None => self.entries = None,
            }
        }
        self.read.front()
    }

    fn read_entry(&mut self, stored: &Stored) {
        for (id, line) in lines(self.kind, stored) {
            if !self.filter.matches_id(id) || self.after.is_some_and(|after| id <= after) {
                continue;
            }
            match letter::read(line) {
                Ok(letter) if self.filter.matches(id, &letter) => {
                    self.read.push_back(Ok((id, letter)));
                }
                Ok(_) => {}
                Err(source) => self.read.push_back(Err(ListError::Letter { id, source })),
            }
        }
    }
}

fn entries(disk: Arc<dyn Disk>, dir: &Path, from: Position) -> Result<Option<Entries>, ListError> {
    match spool::entries(disk, dir, from) {
        Ok(entries) => Ok(Some(entries)),
        Err(SurveyError::Disk { fault }) if fault.source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(source) => Err(ListError::Log { source }),
    }
}
