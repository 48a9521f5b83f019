//! User names and passwords of connections.

use std::{collections::HashMap, io, path::Path};

use thiserror::Error;

use super::{script::Part, shape::read_text};
use crate::env::disk::Disk;

/// User names and passwords of a fleet and of its subscribers.
#[derive(Clone, Default)]
pub(crate) struct Logins {
    /// For all connections without their own.
    all: Option<(String, String)>,
    /// By vehicle, which is also the user name.
    each: HashMap<String, String>,
}

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logins").field("each", &self.each.len()).finish_non_exhaustive()
    }
}

/// The password file does not fit this fleet.
#[derive(Debug, Error)]
pub(crate) enum LoginsError {
    /// It cannot be read.
    #[error("cannot be read")]
    Read(#[source] io::Error),
    /// A line is invalid. Write NAME:PASSWORD.
    #[error("line {line} is not NAME:PASSWORD")]
    Line { line: usize },
    /// Some vehicles have no line; their names follow from `--first-vehicle` and `--vehicles`.
    #[error("{count} vehicles have no line in it, the first is {first}")]
    Missing { first: String, count: usize },
}

impl Logins {
    /// One user name and password for all, if any.
    pub(crate) fn of_all(login: Option<(String, String)>) -> Self {
        Self { all: login, each: HashMap::new() }
    }

    /// Each vehicle with its own password, from a file with a line `NAME:PASSWORD` each; a password
    /// may be a token. A subscriber uses the common login.
    ///
    /// # Errors
    /// The file cannot be read, or a vehicle is missing in it.
    pub(crate) fn read(
        self,
        disk: &dyn Disk,
        path: &Path,
        parts: &[Part],
    ) -> Result<Self, LoginsError> {
        let text = read_text(disk, path).map_err(LoginsError::Read)?;
        let each = parse(&text)?;
        let mut missing = parts.iter().filter(|part| !each.contains_key(&part.vehicle));
        if let Some(first) = missing.next() {
            let first = first.vehicle.clone();
            return Err(LoginsError::Missing { first, count: missing.count() + 1 });
        }
        Ok(Self { each, ..self })
    }

    /// The login of a vehicle; `None` is a subscriber.
    pub(super) fn of(&self, vehicle: Option<&str>) -> Option<(&str, &str)> {
        let own = vehicle.and_then(|vehicle| self.each.get_key_value(vehicle));
        own.or(self.all.as_ref().map(|(user, password)| (user, password)))
            .map(|(user, password)| (user.as_str(), password.as_str()))
    }
}

fn parse(text: &str) -> Result<HashMap<String, String>, LoginsError> {
    let mut each = HashMap::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let line_number = index + 1;
        match line.split_once(':') {
            Some((name, password)) if !name.is_empty() && !password.is_empty() => {
                each.insert(name.to_owned(), password.to_owned());
            }
            _ => return Err(LoginsError::Line { line: line_number }),
        }
    }
    Ok(each)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vehicle_has_its_own_password_and_others_that_of_all() {
        let all = Some(("all".to_owned(), "p".to_owned()));
        let each = parse("# of the fleet\n\nV1:a:b\n").expect("in order");
        let logins = Logins { all, each };
        assert_eq!(logins.of(Some("V1")), Some(("V1", "a:b")));
        assert_eq!(logins.of(Some("V2")), Some(("all", "p")));
        assert_eq!(logins.of(None), Some(("all", "p")));
        assert!(Logins::default().of(None).is_none());
        assert!(!format!("{logins:?}").contains("a:b"));
        for wrong in ["V1", ":x", "V1:"] {
            let told = parse(&format!("V0:x\n{wrong}\n")).expect_err(wrong).to_string();
            assert_eq!(told, "line 2 is not NAME:PASSWORD");
        }
    }
}
