//! The users file: one `NAME:HASH` a line; empty lines and lines that begin with `#` are skipped.

use std::{collections::HashMap, path::Path, sync::Arc};

use super::hash::PasswordHash;
use crate::auth::{
    identity::is_name,
    problem::{FileProblem, FileProblems},
    text,
};

/// Whether a line is valid in a users file.
///
/// # Errors
/// The message for the operator; never any part of the hash.
pub fn check_user_line(line: &str) -> Result<(), String> {
    match Users::parse("", line) {
        Ok(_) => Ok(()),
        Err(problems) => {
            let first = problems.0.into_iter().next().map(|problem| problem.what);
            Err(first.unwrap_or_default())
        }
    }
}

/// All users, by name.
#[derive(Clone, Debug, Default)]
pub(in crate::auth) struct Users {
    by_name: HashMap<Box<str>, Arc<PasswordHash>>,
    /// The most expensive hash, for unknown names: their check takes as long as that of others.
    decoy: Option<Arc<PasswordHash>>,
}

impl Users {
    /// Reads a file.
    ///
    /// # Errors
    /// All errors in it; also a file without a user, which is most likely being written (AU-2).
    pub(in crate::auth) fn load(path: &Path, bytes_max: u64) -> Result<Self, FileProblems> {
        let text = text::read(path, bytes_max);
        let text = text.map_err(|problem| FileProblems(vec![problem]))?;
        Self::parse(&path.display().to_string(), &text)
    }

    pub(super) fn parse(file: &str, text: &str) -> Result<Self, FileProblems> {
        let mut users = HashMap::new();
        let mut problems = Vec::new();
        let mut problem = |line, what: String| {
            problems.push(FileProblem { file: file.to_owned(), line, what });
        };
        for (index, line) in text.lines().enumerate() {
            let (line, number) = (line.trim_end(), Some(index + 1));
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, hash)) = line.split_once(':') else {
                problem(number, "a line is NAME:HASH".to_owned());
                continue;
            };
            if !is_name(name) {
                let what = "the name is empty or holds a slash, a wildcard or NUL, so that it fills \
                            no level of a topic";
                problem(number, what.to_owned());
            }
            match PasswordHash::parse(hash) {
                Ok(hash) => {
                    if users.insert(name.into(), Arc::new(hash)).is_some() {
                        let name = name.escape_debug();
                        problem(number, format!("the user `{name}` stands here twice"));
                    }
                }
                Err(what) => problem(number, what.to_owned()),
            }
        }
        if users.is_empty() && problems.is_empty() {
            let what =
                "no user in it, so that nobody could come in; add one with fleetline user add";
            problems.push(FileProblem { file: file.to_owned(), line: None, what: what.to_owned() });
        }
        if !problems.is_empty() {
            return Err(FileProblems(problems));
        }
        let decoy = users.values().max_by_key(|hash: &&Arc<PasswordHash>| hash.cost()).cloned();
        Ok(Self { by_name: users, decoy })
    }

    /// The hash of a user.
    pub(super) fn hash(&self, name: &str) -> Option<&Arc<PasswordHash>> {
        self.by_name.get(name)
    }

    /// A hash for unknown names.
    pub(super) fn decoy(&self) -> Option<&Arc<PasswordHash>> {
        self.decoy.as_ref()
    }

    /// Whether there is such a user.
    pub(in crate::auth) fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_in_a_file_is_told_with_its_line_and_without_its_hashes() {
        let hash = "$6$c2FsdA$c2FsdA";
        let good = format!("# ours\n\nV1:{hash}\nMy Truck 7:{hash}\r\n");
        let users = Users::parse("users", &good).expect("good");
        assert!(users.contains("V1") && users.contains("My Truck 7") && !users.contains("v1"));
        for (text, told) in [
            (String::new(), "users: no user in it".to_owned()),
            ("V1".to_owned(), "users:1: a line is NAME:HASH".to_owned()),
            ("V1:secret".to_owned(), "users:1: the hash is of no kind".to_owned()),
            (format!("\nV1/x:{hash}"), "users:2: the name is empty".to_owned()),
            (
                format!("V1:{hash}\nV1:{hash}"),
                "users:2: the user `V1` stands here twice".to_owned(),
            ),
        ] {
            let problems = Users::parse("users", &text).expect_err("wrong").to_string();
            assert!(problems.starts_with(&told), "{problems}");
            assert!(!problems.contains("secret"), "{problems}");
        }
    }
}
