//! The errors in an operator's file: all at once, each with its line.

use std::fmt;

use crate::model::Listed;

/// One error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblem {
    /// As it was configured.
    pub file: String,
    /// From 1; `None` for the whole file.
    pub line: Option<usize>,
    /// What is wrong, and what to write instead.
    pub what: String,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

/// All errors in the files of `[auth]`.
///
/// When: at start, in `check`, at a reload. The operator corrects each printed line; at a reload
/// the old files stay in force.
#[derive(Debug, Default, thiserror::Error)]
#[error("{}", Listed(.0))]
pub struct FileProblems(pub Vec<FileProblem>);
