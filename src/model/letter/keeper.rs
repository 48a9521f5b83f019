//! Who can be asked for dead letters.

use std::{fmt, pin::Pin, str::FromStr};

use crate::model::{LetterFilter, LetterId, LetterKind};

/// How far a list has been read: the last letter given of each log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LetterMark {
    /// Of the messages.
    pub message: Option<LetterId>,
    /// Of the points.
    pub point: Option<LetterId>,
}

impl LetterMark {
    /// The last letter given of a log.
    #[must_use]
    pub const fn of(&self, kind: LetterKind) -> Option<LetterId> {
        match kind {
            LetterKind::Message => self.message,
            LetterKind::Point => self.point,
        }
    }

    /// This letter is given, too.
    pub const fn pass(&mut self, id: LetterId) {
        match id.kind {
            LetterKind::Message => self.message = Some(id),
            LetterKind::Point => self.point = Some(id),
        }
    }
}

/// The names with a comma between them; one that is not there is empty.
impl fmt::Display for LetterMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |id: Option<LetterId>| id.map(|id| id.to_string()).unwrap_or_default();
        write!(f, "{},{}", text(self.message), text(self.point))
    }
}

/// Text that is no mark.
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
    /// Each as one JSON object, in the contract's form.
    pub letters: Vec<String>,
    /// Where the next page begins, if there are more.
    pub after: Option<LetterMark>,
}

/// Why the dead-letter log did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LettersError {
    /// The log, or one letter that was asked for, cannot be read. The operator looks at the disk,
    /// or uses the version that wrote it.
    #[error("the dead letters cannot be read: {reason}")]
    Unreadable {
        /// With its causes.
        reason: String,
    },
    /// The disk refuses. What was removed before stays removed.
    #[error("the dead letters cannot be removed: {reason}")]
    Unremovable {
        /// With its causes.
        reason: String,
    },
    /// The log has halted, or the appliance is stopping.
    #[error("the dead-letter log takes nothing until a restart")]
    Halted,
}

/// An answer on its way. Boxed, so that the trait can be an object.
pub type LettersAnswer<'a, T> = Pin<Box<dyn Future<Output = Result<T, LettersError>> + Send + 'a>>;

/// Who keeps the dead letters.
pub trait DeadLetters: fmt::Debug + Send + Sync {
    /// At most `limit` of the letters that are meant, oldest first, behind a mark.
    fn page(
        &self,
        filter: LetterFilter,
        after: LetterMark,
        limit: usize,
    ) -> LettersAnswer<'_, LetterPage>;

    /// One letter as a JSON object; nothing if there is none of that name.
    fn find(&self, id: LetterId) -> LettersAnswer<'_, Option<String>>;

    /// How many of the letters that are meant there are, by cause and, of each cause, by at most so
    /// many vehicles; as a JSON object, in the contract's form.
    fn summary(&self, filter: LetterFilter, vehicles_max: usize) -> LettersAnswer<'_, String>;

    /// Removes the letters that are meant, durably, and says how many.
    fn remove(&self, filter: LetterFilter) -> LettersAnswer<'_, u64>;
}

/// What a replay came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Letters that have left the log: their points are in the spool, or a filter says not to store
    /// them.
    pub count: u64,
    /// Letters that stay, those that failed again under their new cause.
    pub failed: u64,
    /// Where to go on, if more letters are meant.
    pub after: Option<LetterMark>,
}

/// Who sends dead letters on their way again.
pub trait LetterReplay: fmt::Debug + Send + Sync {
    /// Replays at most `limit` of the letters that are meant, oldest first, behind a mark, through
    /// the schemas and mappings in force. Goes on to its end if nobody waits for it any more.
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
