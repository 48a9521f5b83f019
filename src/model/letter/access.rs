//! The traits with which dead letters are listed, removed and replayed.

use std::{fmt, pin::Pin, str::FromStr};

use crate::model::{LetterFilter, LetterId, LetterKind};

/// How far a list has been read: the last returned letter of each log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LetterMark {
    /// Of the messages.
    pub message: Option<LetterId>,
    /// Of the points.
    pub point: Option<LetterId>,
}

impl LetterMark {
    /// The last returned letter of a log.
    #[must_use]
    pub const fn of(&self, kind: LetterKind) -> Option<LetterId> {
        match kind {
            LetterKind::Message => self.message,
            LetterKind::Point => self.point,
        }
    }

    /// Moves the mark to this letter, which has been returned.
    pub const fn pass(&mut self, id: LetterId) {
        match id.kind {
            LetterKind::Message => self.message = Some(id),
            LetterKind::Point => self.point = Some(id),
        }
    }
}

/// Both ids, separated by a comma; a missing one is empty.
impl fmt::Display for LetterMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |id: Option<LetterId>| id.map(|id| id.to_string()).unwrap_or_default();
        write!(f, "{},{}", text(self.message), text(self.point))
    }
}

/// Text that is not a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a mark in the dead-letter log")]
pub struct LetterMarkError;

impl FromStr for LetterMark {
    type Err = LetterMarkError;

    fn from_str(text: &str) -> Result<Self, LetterMarkError> {
        let read = |text: &str, kind| match text {
            "" => Ok(None),
            text => text
                .parse()
                .ok()
                .filter(|id: &LetterId| id.kind == kind)
                .map(Some)
                .ok_or(LetterMarkError),
        };
        let (message, point) = text.split_once(',').ok_or(LetterMarkError)?;
        let (message, point) =
            (read(message, LetterKind::Message)?, read(point, LetterKind::Point)?);
        Ok(Self { message, point })
    }
}

/// Some letters, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetterPage {
    /// Each as one JSON object, in the form of the API.
    pub letters: Vec<String>,
    /// Where the next page begins, if there are more.
    pub after: Option<LetterMark>,
}

/// Why a request to the dead-letter log failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LettersError {
    /// The log, or one requested letter, cannot be read. Check the disk, or use the version that
    /// wrote it.
    #[error("the dead letters cannot be read: {reason}")]
    Unreadable {
        /// The error with its causes.
        reason: String,
    },
    /// A disk operation failed. Letters that were removed before stay removed.
    #[error("the dead letters cannot be removed: {reason}")]
    Unremovable {
        /// The error with its causes.
        reason: String,
    },
    /// The log has halted, or the appliance is stopping.
    #[error("the dead-letter log takes nothing until a restart")]
    Halted,
}

/// A future answer. Boxed, so that the trait can be an object.
pub type LettersAnswer<'a, T> = Pin<Box<dyn Future<Output = Result<T, LettersError>> + Send + 'a>>;

/// The store of the dead letters.
pub trait DeadLetters: fmt::Debug + Send + Sync {
    /// At most `limit` of the matching letters, oldest first, after a mark.
    fn page(
        &self,
        filter: LetterFilter,
        after: LetterMark,
        limit: usize,
    ) -> LettersAnswer<'_, LetterPage>;

    /// One letter as a JSON object; `None` if there is none with that id.
    fn find(&self, id: LetterId) -> LettersAnswer<'_, Option<String>>;

    /// The numbers of matching letters by cause and, within each cause, by at most `vehicles_max`
    /// vehicles; as a JSON object, in the form of the API.
    fn summary(&self, filter: LetterFilter, vehicles_max: usize) -> LettersAnswer<'_, String>;

    /// Removes the matching letters durably; returns how many.
    fn remove(&self, filter: LetterFilter) -> LettersAnswer<'_, u64>;
}

/// The result of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Letters that were removed from the log: their points are in the spool, or a mapping's filter
    /// excludes them.
    pub count: u64,
    /// Letters that stay; those that failed again have their new cause.
    pub failed: u64,
    /// Where to continue, if more letters match.
    pub after: Option<LetterMark>,
}

/// Decodes and maps dead letters again.
pub trait LetterReplay: fmt::Debug + Send + Sync {
    /// Replays at most `limit` of the matching letters, oldest first, after a mark, with the
    /// current schemas and mappings. Runs to its end even if the caller stops waiting.
    fn replay(
        &self,
        filter: LetterFilter,
        after: LetterMark,
        limit: usize,
    ) -> LettersAnswer<'_, Replayed>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Position;

    #[test]
    fn a_mark_is_read_back_as_printed_and_nothing_else_is_read() {
        let id = |kind| LetterId { kind, position: Position(17), index: 3 };
        let message = Some(id(LetterKind::Message));
        let point = Some(id(LetterKind::Point));
        for mark in [
            LetterMark::default(),
            LetterMark { message, point: None },
            LetterMark { message: None, point },
            LetterMark { message, point },
        ] {
            assert_eq!(mark.to_string().parse(), Ok(mark));
        }
        for wrong in ["", "17-3", "p17-3,", ",17-3", "17-3,p17-3,"] {
            assert_eq!(wrong.parse::<LetterMark>(), Err(LetterMarkError), "{wrong}");
        }
    }
}
