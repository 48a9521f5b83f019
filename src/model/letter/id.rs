//! The identifier of one dead letter.

use std::{fmt, str::FromStr};

use crate::model::Position;

/// What a dead letter holds. Each kind has a log of its own, so that neither can displace the
/// other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LetterKind {
    /// A message that could not be decoded or mapped. (Also a point, if an early version wrote it
    /// that had one log for both.)
    Message,
    /// A point that the store refuses.
    Point,
}

impl LetterKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Message, Self::Point];

    /// The stable name, for labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Point => "point",
        }
    }
}

/// The place of a letter: its log, the position of its entry there, and its index in the entry. An
/// id is stable as long as the letter exists, and is never reused. Within a log, ids are ordered by
/// the time at which letters were set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterId {
    /// Which log.
    pub kind: LetterKind,
    /// The entry's position in it.
    pub position: Position,
    /// The letter's index in its entry, from 0.
    pub index: u32,
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.kind {
            LetterKind::Message => "",
            LetterKind::Point => "p",
        };
        write!(f, "{prefix}{}-{}", self.position.0, self.index)
    }
}

/// Text that is not the id of a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of a dead letter, which looks like `17-0` or `p17-0`")]
pub struct LetterIdError(pub String);

impl FromStr for LetterId {
    type Err = LetterIdError;

    fn from_str(text: &str) -> Result<Self, LetterIdError> {
        let (kind, numbers) = match text.strip_prefix('p') {
            Some(numbers) => (LetterKind::Point, numbers),
            None => (LetterKind::Message, text),
        };
        let parse = || {
            let (position, index) = numbers.split_once('-')?;
            Some(Self { kind, position: Position(number(position)?), index: number(index)? })
        };
        parse().ok_or_else(|| LetterIdError(text.to_owned()))
    }
}

/// Digits only, so that a letter has only one spelling of its id.
fn number<N: FromStr>(text: &str) -> Option<N> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.len() == 1 || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_as_printed_and_nothing_else_is_read() {
        for (kind, text) in [(LetterKind::Message, "17-3"), (LetterKind::Point, "p17-3")] {
            let id = LetterId { kind, position: Position(17), index: 3 };
            assert_eq!(id.to_string(), text);
            assert_eq!(text.parse(), Ok(id));
        }
        for wrong in
            ["", "17", "17-", "-3", "17-3-1", "+17-3", "017-3", "a-b", "17 -3", "P17-3", "pp1-0"]
        {
            assert_eq!(wrong.parse::<LetterId>(), Err(LetterIdError(wrong.to_owned())));
        }
    }
}
