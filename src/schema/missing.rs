//! Why a schema that is named cannot be had.

use crate::schema::{Problem, Sources, nearest};

/// Why a schema that is named cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// There is no such file: what to tell where the file is named.
    File(String),
    /// The file has no such message or record: what to tell where that is named.
    Message(String),
    /// The file is there and wrong: everything that is wrong with it, and with what it needs.
    Broken(Vec<Problem>),
}

impl Missing {
    /// What to tell of a file that was not read: `ending` is the one that its format has.
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

    /// What to tell of a message or record that a file does not have.
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
