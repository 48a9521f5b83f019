//! Reads the log without its lock, up to the last whole entry, while another process writes it.

use std::{collections::VecDeque, io, path::Path, sync::Arc};

use crate::{
    dead_letter::{
        Id,
        letter::{self, LetterError},
    },
    env::disk::Disk,
    model::{Cause, DeadLetter, Position, UnixNanos},
    spool::{self, Entries, Stored, SurveyError},
};

/// Which letters are wanted; all that is `None` is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this cause.
    pub cause: Option<Cause>,
    /// Only this vehicle.
    pub vehicle: Option<String>,
    /// Only those set aside at or after this time.
    pub since: Option<UnixNanos>,
    /// Only those set aside before this time.
    pub until: Option<UnixNanos>,
    /// At most so many, the oldest first.
    pub limit: Option<usize>,
}

impl Filter {
    /// Whether a letter is one of those that are wanted; the limit apart.
    #[must_use]
    pub fn matches(&self, letter: &DeadLetter) -> bool {
        self.cause.is_none_or(|cause| letter.cause == cause)
            && (self.vehicle.is_none() || letter.vehicle == self.vehicle)
            && self.since.is_none_or(|since| since <= letter.time)
            && self.until.is_none_or(|until| letter.time < until)
    }
}

/// Why a letter, or the log, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The disk refuses to be read, or the log is of an unknown version: nothing more comes.
    #[error("cannot read the dead-letter log")]
    Log {
        /// What failed.
        #[source]
        source: SurveyError,
    },
    /// One letter cannot be read, though its checksum holds; those behind it still come.
    #[error("cannot read dead letter {id}")]
    Letter {
        /// Which.
        id: Id,
        /// Why.
        #[source]
        source: LetterError,
    },
}

/// The letters that match, oldest first. A folder that is not there holds none. Damage at rest is
/// passed over: verifying the folder as a spool tells it.
///
/// # Errors
/// If the folder cannot be read, or is of an unknown version.
pub fn list(disk: Arc<dyn Disk>, dir: &Path, filter: Filter) -> Result<Letters, ListError> {
    letters_from(disk, dir, filter, Position::ZERO)
}

/// The letter of an id; `None` if there is none.
///
/// # Errors
/// If the log or the letter cannot be read.
pub fn find(disk: Arc<dyn Disk>, dir: &Path, id: Id) -> Result<Option<DeadLetter>, ListError> {
    let letters = letters_from(disk, dir, Filter::default(), id.position)?;
    for letter in letters {
        match letter {
            Ok((other, letter)) if other == id => return Ok(Some(letter)),
            Ok((other, _)) if other > id => break,
            Ok(_) => {}
            Err(ListError::Letter { id: other, .. }) if other != id => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn letters_from(
    disk: Arc<dyn Disk>,
    dir: &Path,
    filter: Filter,
    from: Position,
) -> Result<Letters, ListError> {
    let entries = match spool::entries(disk, dir, from) {
        Ok(entries) => Some(entries),
        Err(SurveyError::Disk { fault }) if fault.source.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(ListError::Log { source }),
    };
    let left = filter.limit.unwrap_or(usize::MAX);
    Ok(Letters { entries, filter, left, read: VecDeque::new() })
}

/// The iterator of [`list()`]; holds one entry at a time.
#[derive(Debug)]
pub struct Letters {
    /// `None` if there is no log, or nothing more of it can be read.
    entries: Option<Entries>,
    filter: Filter,
    /// How many letters may still come.
    left: usize,
    /// Read from one entry, those that match only.
    read: VecDeque<Result<(Id, DeadLetter), ListError>>,
}

impl Letters {
    fn read_entry(&mut self, stored: &Stored) {
        let position = stored.position;
        let lines = stored.payload.split_inclusive(|byte| *byte == b'\n');
        for (line, index) in lines.zip(0..) {
            let id = Id { position, index };
            match letter::read(line) {
                Ok(letter) if self.filter.matches(&letter) => self.read.push_back(Ok((id, letter))),
                Ok(_) => {}
                Err(source) => self.read.push_back(Err(ListError::Letter { id, source })),
            }
        }
    }
}

impl Iterator for Letters {
    type Item = Result<(Id, DeadLetter), ListError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.left > 0 {
            if let Some(letter) = self.read.pop_front() {
                self.left -= usize::from(letter.is_ok());
                return Some(letter);
            }
            match self.entries.as_mut()?.next()? {
                Ok(stored) => self.read_entry(&stored),
                Err(source) => {
                    self.entries = None;
                    return Some(Err(ListError::Log { source }));
                }
            }
        }
        None
    }
}
