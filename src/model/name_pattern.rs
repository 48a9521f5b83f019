//! A name or a prefix: `VIN7`, `VIN*`.

use std::fmt;

/// A pattern of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// Exactly this name.
    Exact(Box<str>),
    /// All names with this prefix.
    Prefix(Box<str>),
}

impl NamePattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// A message for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, is_beginning) = match text.strip_suffix('*') {
            Some(beginning) => (beginning, true),
            None => (text, false),
        };
        if name.contains('*') {
            return Err(format!("`{text}`: a * may only stand at the end of a name"));
        }
        match is_beginning {
            true => Ok(Self::Prefix(name.into())),
            false if name.is_empty() => Err("an empty name".to_owned()),
            false => Ok(Self::Exact(name.into())),
        }
    }

    /// Whether a name matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(whole) => **whole == *name,
            Self::Prefix(beginning) => name.starts_with(&**beginning),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Prefix(beginning) => write!(f, "{beginning}*"),
        }
    }
}
