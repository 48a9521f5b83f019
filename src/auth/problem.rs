//! What is wrong in an operator's file: all of it at once, each with its line.

use std::fmt;

use crate::model::Listed;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblem {
    /// As it was configured.
    pub file: String,
    /// From 1; `None` where the whole file is meant.
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

/// Everything that is wrong in the files of `[auth]`.
///
/// When: at start, in `check`, at a reload. The operator mends each line that it prints; at a
/// reload what was in force stays.
#[derive(Debug, Default, thiserror::Error)]
#[error("{}", Listed(.0))]
pub struct FileProblems(pub Vec<FileProblem>);
