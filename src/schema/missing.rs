//! Why a named schema is not available.

use crate::schema::{Problem, Sources, nearest};

/// Why a named schema is not available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// There is no such file: the error text for the place that names the file.
    File(String),
    /// The file has no such message or record: the error text for the place that names it.
    Message(String),
    /// The file exists and has errors: all errors in it and in the files that it needs.
    Broken(Vec<Problem>),
}

impl Missing {
    /// The error for a file that was not read; `ending` is the ending of its format.
    pub(super) fn file(sources: &Sources, file: &str, ending: &str) -> Self {
        if let Some(why) = sources.passed_over(file) {
            return Self::File(why);
        }
        if sources.find(file).is_some() {
            return Self::File(format!(
                "`{file}` is not of this format, whose files are *{ending}"
            ));
        }
        let known = sources.with_ending(ending).map(|source| source.path.as_str());
        Self::File(match nearest(file, known) {
            Some(near) => format!("there is no schema `{file}`; did you mean `{near}`?"),
            None => {
                let name = file.rsplit('/').next().unwrap_or(file);
                let mut elsewhere = sources.with_ending(ending).map(|source| source.path.as_str());
                match elsewhere.find(|path| path.rsplit('/').next() == Some(name)) {
                    Some(path) => format!("there is no schema `{file}`; did you mean `{path}`?"),
                    None => format!("there is no schema `{file}` below the schemas directory"),
                }
            }
        })
    }

    /// The error for a message or record that a file does not have.
    pub(super) fn message(file: &str, what: &str, name: &str, mut known: Vec<String>) -> Self {
        known.sort();
        let near = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
        // A name without its package, or with another one.
        let last = name.rsplit('.').next();
        let near = near.or_else(|| known.iter().find(|k| k.rsplit('.').next() == last).cloned());
        Self::Message(match near {
            Some(near) => format!("`{file}` has no {what} `{name}`; did you mean `{near}`?"),
            None if known.is_empty() => format!("`{file}` has no {what}; a payload is one"),
            None => format!("`{file}` has no {what} `{name}`; it has {}", known.join(", ")),
        })
    }
}
