//! A name, or the beginning of some: `VIN7`, `VIN*`.

use std::fmt;

/// Which names are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// This one.
    Whole(Box<str>),
    /// All that begin so.
    Beginning(Box<str>),
}

impl NamePattern {
    /// Reads one.
    ///
    /// # Errors
    /// What to tell the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, is_beginning) = match text.strip_suffix('*') {
            Some(beginning) => (beginning, true),
            None => (text, false),
        };
        if name.contains('*') {
            return Err(format!("`{text}`: a * may only stand at the end of a name"));
        }
        match is_beginning {
            true => Ok(Self::Beginning(name.into())),
            false if name.is_empty() => Err("an empty name".to_owned()),
            false => Ok(Self::Whole(name.into())),
        }
    }

    /// Whether a name is meant.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Whole(whole) => **whole == *name,
            Self::Beginning(beginning) => name.starts_with(&**beginning),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(name) => f.write_str(name),
            Self::Beginning(beginning) => write!(f, "{beginning}*"),
        }
    }
}
