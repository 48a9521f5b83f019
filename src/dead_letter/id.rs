//! The name of one letter.

use std::{fmt, str::FromStr};

use crate::model::Position;

/// Where a letter stands: its entry's position and its index in it. Stable for as long as the
/// letter exists, and ordered by when it was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// The entry's position in the log.
    pub position: Position,
    /// The letter's index in its entry, from 0.
    pub index: u32,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.position.0, self.index)
    }
}

/// Text that is no letter's id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of a dead letter, which looks like `17-0`")]
pub struct IdError(pub String);

impl FromStr for Id {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let parse = || {
            let (position, index) = text.split_once('-')?;
            Some(Self { position: Position(number(position)?), index: number(index)? })
        };
        parse().ok_or_else(|| IdError(text.to_owned()))
    }
}

/// Digits only: one letter has one name.
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
        let id = Id { position: Position(17), index: 3 };
        assert_eq!(id.to_string(), "17-3");
        assert_eq!("17-3".parse(), Ok(id));
        for wrong in ["", "17", "17-", "-3", "17-3-1", "+17-3", "017-3", "a-b", "17 -3"] {
            assert_eq!(wrong.parse::<Id>(), Err(IdError(wrong.to_owned())));
        }
    }
}
