//! All problems of a configuration at once, each with place, value, reason and remedy.

use std::fmt;

use crate::{config::value::Misfit, model::Listed};

/// Where a value was written. Later ones win over earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Nowhere: the documented default.
    Default,
    /// In the configuration file.
    File {
        /// As given on the command line.
        path: String,
        /// From 1.
        line: usize,
    },
    /// In an environment variable.
    Variable(String),
    /// In a `--set` argument.
    Argument,
}

impl Place {
    /// Whether `self` and `other` were written in the same layer, where none overrides the other.
    pub(super) fn same_layer(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Argument => f.write_str("--set"),
        }
    }
}

/// One error.
#[derive(Debug)]
pub struct Problem {
    pub(super) place: Place,
    /// The dotted key; empty for the whole file.
    pub(super) key: String,
    /// The value as it was parsed; absent for a secret.
    pub(super) value: Option<String>,
    pub(super) fault: Fault,
}

/// The kind of error.
#[derive(Debug)]
pub(super) enum Fault {
    /// The file is not TOML; the parser's message.
    Syntax(String),
    /// A file cannot be read.
    Unreadable { what: &'static str, path: String, source: std::io::Error },
    /// A secret, or the file that should hold it, is empty.
    EmptySecret,
    /// No such key or table.
    Unknown { near: Option<String> },
    /// A table instead of a value, or the reverse.
    NotATable,
    /// A `--set` without `=`.
    NoEquals { argument: String },
    /// A value of another kind.
    Misfit { misfit: Misfit, expected: String },
    /// Below the minimum.
    Below { min: &'static str, why: &'static str },
    /// Above the maximum.
    Above { max: &'static str, why: &'static str },
    /// Belongs to another store.
    OtherStore { belongs: String, chosen: String },
    /// Required, but not written.
    Missing { remedy: String },
    /// Contradicts another setting.
    Conflict { reason: String, remedy: String },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place != Place::Default {
            write!(f, "{}: ", self.place)?;
        }
        if !self.key.is_empty() {
            f.write_str(&self.key)?;
            if let Some(value) = &self.value {
                write!(f, " = {value}")?;
            }
            f.write_str(": ")?;
        }
        self.fault.fmt(f)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(message) => write!(f, "not valid TOML: {message}"),
            Self::Unreadable { what, path, source } => {
                write!(f, "cannot read {what} `{path}`: {source}")
            }
            Self::EmptySecret => f.write_str("the secret is empty; write it there"),
            Self::Unknown { near: Some(near) } => write!(f, "unknown key; did you mean {near}?"),
            Self::Unknown { near: None } => {
                f.write_str("unknown key; config/reference.md lists all of them")
            }
            Self::NotATable => f.write_str("a table where a single value belongs, or the reverse"),
            Self::NoEquals { argument } => {
                write!(f, "`{argument}` has no value; write it as --set key=value")
            }
            Self::Misfit { misfit, expected } => fmt_misfit(f, misfit, expected),
            Self::Below { min, why } => write!(f, "below the minimum of {min}: {why}"),
            Self::Above { max, why } => write!(f, "above the maximum of {max}: {why}"),
            Self::OtherStore { belongs, chosen } => write!(
                f,
                "a setting of {belongs}, and store.kind is {chosen}; remove it or change the kind"
            ),
            Self::Missing { remedy } => write!(f, "missing; {remedy}"),
            Self::Conflict { reason, remedy } => write!(f, "{reason}; {remedy}"),
        }
    }
}

fn fmt_misfit(f: &mut fmt::Formatter<'_>, misfit: &Misfit, expected: &str) -> fmt::Result {
    match misfit {
        Misfit::Shape => write!(f, "expected {expected}"),
        Misfit::Unit(Some(instead)) => {
            write!(f, "expected {expected}; did you mean \"{instead}\"?")
        }
        Misfit::Unit(None) => write!(f, "unknown unit; expected {expected}"),
        Misfit::Huge => write!(f, "does not fit 64 bits; expected {expected}"),
        Misfit::Word(Some(near)) => write!(f, "expected {expected}; did you mean \"{near}\"?"),
        Misfit::Word(None) => write!(f, "expected {expected}"),
        Misfit::Empty => write!(f, "empty; expected {expected}"),
    }
}

/// All errors of a configuration, in the order in which they were found.
///
/// At start and in `check`. The operator corrects each printed line; exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{}", Listed(.0))]
pub struct ResolveErrors(pub(super) Vec<Problem>);

impl ResolveErrors {
    /// Each problem; prints as one line.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}
