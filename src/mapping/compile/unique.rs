//! Names that meet in one line must differ, also those that a payload completes.

use std::collections::BTreeMap;

use super::lay::LaidField;
use crate::{mapping::FieldForm, model::line};

/// The names of one line, and who has each.
#[derive(Default)]
pub(super) struct Names {
    exact: BTreeMap<String, String>,
    /// Starts of names that a payload completes: `name_`, who, and whether only digits follow.
    spread: Vec<(String, String, bool)>,
}

impl Names {
    /// Adds a name; answers what is wrong with it.
    pub(super) fn add(&mut self, name: &str, who: &str) -> Option<String> {
        if let Some(what) = unwritable(name, who) {
            return Some(what);
        }
        if let Some(other) = self.exact.get(name) {
            return Some(format!(
                "{who} and {other} both give the name `{name}`; rename one with `fields.rename` or \
                 exclude it"
            ));
        }
        let clash = self.spread.iter().find(|(start, _, digits)| completes(start, *digits, name));
        if let Some((_, other, _)) = clash {
            return Some(clash_told(who, other, name));
        }
        self.exact.insert(name.to_owned(), who.to_owned());
        None
    }

    /// Adds a field's name, or the names that its elements will have.
    pub(super) fn add_field(&mut self, field: &LaidField, who: &str) -> Option<String> {
        let digits = match field.form {
            FieldForm::SpreadList(_) => true,
            FieldForm::SpreadMap(..) => false,
            FieldForm::Scalar(_) | FieldForm::JsonList(_) | FieldForm::JsonMap(..) => {
                return self.add(&field.name, who);
            }
        };
        if let Some(what) = unwritable(&field.name, who) {
            return Some(what);
        }
        let start = format!("{}_", field.name);
        if let Some((name, other)) = self.exact.iter().find(|(n, _)| completes(&start, digits, n)) {
            return Some(clash_told(other, who, name));
        }
        let overlaps = |(other, _, _): &&(String, String, bool)| {
            other.starts_with(&start) || start.starts_with(other.as_str())
        };
        // Two lists clash only if their names are equal: digits never end in `_`.
        let found = self
            .spread
            .iter()
            .find(|spread| overlaps(spread) && (!(digits && spread.2) || spread.0 == start));
        if let Some((_, other, _)) = found {
            return Some(clash_told(who, other, &start));
        }
        self.spread.push((start, who.to_owned(), digits));
        None
    }
}

/// Two names that a payload could make equal.
fn clash_told(who: &str, other: &str, name: &str) -> String {
    format!(
        "{who} and an element of {other} could both be named `{name}`; rename one with \
         `fields.rename`, or write `repeated = \"json\"`"
    )
}

/// Whether a name could be the start and an element's index or key.
fn completes(start: &str, digits: bool, name: &str) -> bool {
    name.strip_prefix(start).is_some_and(|rest| {
        !digits || (!rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// What is wrong with a name by itself.
fn unwritable(name: &str, who: &str) -> Option<String> {
    if name == "time" {
        return Some(format!(
            "{who} is named `time`, which stores keep for the timestamp; rename it with \
             `fields.rename`, or name it in `time`"
        ));
    }
    if name.is_empty() || !line::is_plain(name.as_bytes()) {
        return Some(format!(
            "{who} has a name that cannot be written: empty, with a line break, TAB or NUL, or with a \
             backslash before a separator or at its end"
        ));
    }
    None
}
