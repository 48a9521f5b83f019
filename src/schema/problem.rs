//! One error in a schema or mapping file, with what is needed to correct it.

use std::fmt;

/// An error in a file below the schemas directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, relative to the schemas directory, with forward slashes.
    pub file: String,
    /// The line, from 1, if known.
    pub line: Option<u32>,
    /// What is wrong and what to do about it: lowercase, no full stop, no line break.
    pub what: String,
}

impl Problem {
    /// A problem of a whole file.
    #[must_use]
    pub fn of_file(file: &str, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, what: what.into() }
    }

    /// JSON that does not parse.
    pub(crate) fn of_json(file: &str, error: &serde_json::Error) -> Self {
        let told = error.to_string();
        let what = told.split(" at line ").next().unwrap_or(&told);
        let line = u32::try_from(error.line()).ok().filter(|line| *line > 0);
        Self { file: file.to_owned(), line, what: format!("not the JSON expected here: {what}") }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

/// The known word that is most similar to an unknown one, if it is similar enough to be a likely
/// intention.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.len().max(word.len()))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
