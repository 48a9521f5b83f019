//! The identifier of one command.

use std::{fmt, str::FromStr};

use crate::model::UnixNanos;

/// A UUID of version 7: it begins with the millisecond of its creation, so that later commands
/// have larger ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub [u8; 16]);

impl CommandId {
    /// An id for a time; `rest` distinguishes it from others of the same millisecond.
    #[must_use]
    pub fn new(now: UnixNanos, rest: [u8; 10]) -> Self {
        let millis = u64::try_from(now.0 / 1_000_000).unwrap_or(0);
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&rest);
        bytes[6] = 0x70 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Self(bytes)
    }

    /// A new random id, which nobody can guess.
    #[must_use]
    pub fn random(now: UnixNanos) -> Self {
        Self::new(now, rand::random())
    }
}

/// As a UUID: lowercase, with hyphens.
impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandId({self})")
    }
}

/// Text that is not the id of a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of a command, which is a UUID")]
pub struct CommandIdError(pub String);

impl FromStr for CommandId {
    type Err = CommandIdError;

    fn from_str(text: &str) -> Result<Self, CommandIdError> {
        let wrong = || CommandIdError(text.to_owned());
        let places = |place: usize| matches!(place, 8 | 13 | 18 | 23);
        let is_laid_out = text.len() == 36
            && text.bytes().enumerate().all(|(place, byte)| places(place) == (byte == b'-'));
        if !is_laid_out {
            return Err(wrong());
        }
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let digit = |place: usize| char::from(pair[place]).to_digit(16);
            let (Some(high), Some(low)) = (digit(0), digit(1)) else { return Err(wrong()) };
            *byte = u8::try_from(high * 16 + low).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_of_version_7_and_is_read_back() {
        let id = CommandId::new(UnixNanos(1_795_382_378_500_000_000), [0xff; 10]);
        assert_eq!(id.to_string(), "01a20521-0004-7fff-bfff-ffffffffffff");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        let later = CommandId::new(UnixNanos(1_795_382_378_501_000_000), [0; 10]);
        assert!(later > id);
        for wrong in
            ["", "x", "01a205210004 7fffbfffffffffffffff", "01a20521-0004-7fff-bfff-fffffffffffg"]
        {
            assert_eq!(wrong.parse::<CommandId>(), Err(CommandIdError(wrong.to_owned())));
        }
    }
}
