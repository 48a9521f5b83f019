//! All names in one line must differ, including names that a payload completes.

use std::collections::BTreeMap;

use super::lay::LaidField;
use crate::{mapping::FieldForm, model::line};

/// The names of one line, and what has each.
#[derive(Default)]
pub(super) struct Names {
    exact: BTreeMap<String, String>,
    spread: Vec<Spread>,
}

/// The start of names that a payload completes.
struct Spread {
    /// `name_`.
    start: String,
    who: String,
    /// Whether only the index of an element follows, as of a list.
    is_list: bool,
    /// The elements that have a name of their own; the list never writes them.
    picked: Vec<u32>,
}

impl Spread {
    /// Whether a name could be the start and an element's index or key.
    fn completes(&self, name: &str) -> bool {
        name.strip_prefix(&self.start).is_some_and(|rest| {
            let is_index = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
            let is_picked = || rest.parse().is_ok_and(|index| self.picked.contains(&index));
            !self.is_list || (is_index && !is_picked())
        })
    }
}

impl Names {
    /// Adds a name; returns what is wrong with it.
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
        if let Some(spread) = self.spread.iter().find(|spread| spread.completes(name)) {
            return Some(clash_told(who, &spread.who, name));
        }
        self.exact.insert(name.to_owned(), who.to_owned());
        None
    }

    /// Adds a field's name, or the names that its elements will have.
    pub(super) fn add_field(&mut self, field: &LaidField, who: &str) -> Option<String> {
        let is_list = match field.form {
            FieldForm::SpreadList(_) => true,
            FieldForm::SpreadMap(..) => false,
            FieldForm::Scalar(_) | FieldForm::JsonList(_) | FieldForm::JsonMap(..) => {
                return self.add(&field.name, who);
            }
        };
        if let Some(what) = unwritable(&field.name, who) {
            return Some(what);
        }
        let spread = Spread {
            start: format!("{}_", field.name),
            who: who.to_owned(),
            is_list,
            picked: field.picked.clone(),
        };
        if let Some((name, other)) = self.exact.iter().find(|(name, _)| spread.completes(name)) {
            return Some(clash_told(other, who, name));
        }
        let overlaps = |other: &&Spread| {
            other.start.starts_with(&spread.start) || spread.start.starts_with(&other.start)
        };
        // Two lists clash only if their names are equal: digits never end in `_`.
        let both_lists = |other: &&Spread| is_list && other.is_list;
        let found = self.spread.iter().filter(overlaps);
        let mut found = found.filter(|other| !both_lists(other) || other.start == spread.start);
        if let Some(other) = found.next() {
            return Some(clash_told(who, &other.who, &spread.start));
        }
        self.spread.push(spread);
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
