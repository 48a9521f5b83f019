//! Every key's value and its place, after the layers were merged.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use crate::{
    config::{
        key::{Key, Kind},
        keys,
        problem::{Fault, Place, Problem},
        value::{self, Misfit, Value},
    },
    model::Secret,
    store,
};

/// The written values, each checked against its key, and the defaults.
#[derive(Debug, Default)]
pub(super) struct Settings {
    written: BTreeMap<&'static str, (Value, Place)>,
    /// Keys that were written and refused: their intended value is unknown.
    refused: BTreeSet<&'static str>,
    /// Variables with our prefix that are no keys.
    unknown_variables: Vec<String>,
}

impl Settings {
    /// Sets one written value, or returns why its key does not allow it.
    pub(super) fn write(
        &mut self,
        key: &'static Key,
        given: Result<Value, Misfit>,
        printed: &str,
        place: Place,
    ) -> Option<Problem> {
        let value = (key.kind != Kind::Secret).then(|| printed.to_owned());
        let refuse =
            |fault| Problem { place: place.clone(), key: key.path.to_owned(), value, fault };
        let fault = match given {
            Ok(given) => match outside(key, &given) {
                None => {
                    self.written.insert(key.path, (given, place));
                    return None;
                }
                Some(fault) => fault,
            },
            Err(misfit) => Fault::Misfit { misfit, expected: key.kind.expected() },
        };
        self.refused.insert(key.path);
        Some(refuse(fault))
    }

    /// Stores the name of a variable with our prefix that is no key and not similar to one.
    pub(super) fn leave_variable(&mut self, name: String) {
        self.unknown_variables.push(name);
    }

    pub(super) fn unknown_variables(&self) -> &[String] {
        &self.unknown_variables
    }

    /// Whether none of these keys was refused, so that they can be checked against others.
    pub(super) fn are_usable(&self, paths: &[&str]) -> bool {
        paths.iter().all(|path| !self.refused.contains(path))
    }

    /// Where a key was written; [`Place::Default`] if it was not.
    pub(super) fn place(&self, path: &str) -> Place {
        self.written.get(path).map_or(Place::Default, |(_, place)| place.clone())
    }

    /// Whether a key was written at all.
    pub(super) fn is_written(&self, path: &str) -> bool {
        self.written.contains_key(path)
    }

    /// The paths of all keys that were written.
    pub(super) fn written(&self) -> impl Iterator<Item = &'static str> {
        self.written.keys().copied()
    }

    /// A problem of a key with its current value.
    pub(super) fn problem(&self, path: &str, fault: Fault) -> Problem {
        Problem { place: self.place(path), key: path.to_owned(), value: self.shown(path), fault }
    }

    /// A problem between keys; its place is that of a written one of them, first the key itself.
    pub(super) fn problem_of(&self, path: &str, others: &[&str], fault: Fault) -> Problem {
        let mut problem = self.problem(path, fault);
        if problem.place == Place::Default {
            problem.place =
                others.iter().map(|other| self.place(other)).max().unwrap_or(Place::Default);
        }
        problem
    }

    /// A key's value as written in the file; `None` for a secret or no value.
    pub(super) fn shown(&self, path: &str) -> Option<String> {
        self.value(path).and_then(|value| print(keys::find(path), &value))
    }

    /// A key's value: as written, else its default, if there is one.
    fn value(&self, path: &str) -> Option<Value> {
        let key = keys::find(path);
        match self.written.get(path) {
            Some((value, _)) => Some(value.clone()),
            None => key.default.map(|default| {
                value::from_argument(key.kind, default).expect("a test reads every default")
            }),
        }
    }

    pub(super) fn number(&self, path: &str) -> u64 {
        match self.value(path) {
            Some(Value::Number(number)) => number,
            other => mismatch(path, other.as_ref()),
        }
    }

    /// A number whose key's maximum fits 32 bits.
    pub(super) fn number_u32(&self, path: &str) -> u32 {
        u32::try_from(self.number(path)).expect("the key's maximum fits 32 bits")
    }

    /// A number whose key's maximum fits 16 bits.
    pub(super) fn number_u16(&self, path: &str) -> u16 {
        u16::try_from(self.number(path)).expect("the key's maximum fits 16 bits")
    }

    /// A number as a count or size in memory; on 64 bits every one fits.
    pub(super) fn number_usize(&self, path: &str) -> usize {
        usize::try_from(self.number(path)).unwrap_or(usize::MAX)
    }

    pub(super) fn duration(&self, path: &str) -> Duration {
        match self.value(path) {
            Some(Value::Duration(duration)) => duration,
            other => mismatch(path, other.as_ref()),
        }
    }

    pub(super) fn flag(&self, path: &str) -> bool {
        match self.value(path) {
            Some(Value::Bool(flag)) => flag,
            other => mismatch(path, other.as_ref()),
        }
    }

    pub(super) fn text(&self, path: &str) -> String {
        self.text_if_any(path).unwrap_or_else(|| mismatch(path, None))
    }

    pub(super) fn text_if_any(&self, path: &str) -> Option<String> {
        match self.value(path) {
            None => None,
            Some(Value::Text(text)) => Some(text),
            other => mismatch(path, other.as_ref()),
        }
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(self.text(path))
    }

    pub(super) fn texts(&self, path: &str) -> Vec<String> {
        match self.value(path) {
            None => Vec::new(),
            Some(Value::Texts(texts)) => texts,
            other => mismatch(path, other.as_ref()),
        }
    }

    pub(super) fn secret_if_any(&self, path: &str) -> Option<Secret> {
        match self.value(path) {
            None => None,
            Some(Value::Secret(secret)) => Some(secret),
            other => mismatch(path, other.as_ref()),
        }
    }
}

/// A caller contradicts the table of keys; the test that resolves the defaults finds every such
/// case.
fn mismatch(path: &str, found: Option<&Value>) -> ! {
    panic!("the key `{path}` is asked for as a kind that it is not, or has no default: {found:?}")
}

fn outside(key: &Key, given: &Value) -> Option<Fault> {
    if let Some(min) = key.min
        && magnitude(given) < bound(key, min.value)
    {
        return Some(Fault::Below { min: min.value, why: min.why });
    }
    if let Some(max) = key.max
        && magnitude(given) > bound(key, max.value)
    {
        return Some(Fault::Above { max: max.value, why: max.why });
    }
    None
}

fn bound(key: &Key, text: &str) -> u128 {
    magnitude(&value::from_argument(key.kind, text).expect("a test reads every bound"))
}

/// The value that is compared with bounds: a number, nanoseconds, or a count.
fn magnitude(value: &Value) -> u128 {
    match value {
        Value::Number(number) => u128::from(*number),
        Value::Duration(duration) => duration.as_nanos(),
        Value::Bool(flag) => u128::from(*flag),
        Value::Text(text) => text.len() as u128,
        Value::Secret(secret) => secret.expose().len() as u128,
        Value::Texts(texts) => texts.len() as u128,
    }
}

/// A value as written in the file; `None` for a secret.
pub(super) fn print(key: &Key, value: &Value) -> Option<String> {
    let quoted = |text: &str| toml_edit::Value::from(text).to_string();
    match value {
        Value::Number(number) if key.kind == Kind::Size => {
            Some(quoted(&value::print_size(*number)))
        }
        Value::Number(number) if key.kind == Kind::Share => Some(value::print_share(*number)),
        Value::Number(number) => Some(number.to_string()),
        Value::Duration(duration) => Some(quoted(&value::print_duration(*duration))),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Text(text) => Some(quoted(text)),
        Value::Texts(texts) => {
            let shown = |text: &String| match key.kind {
                Kind::Urls => quoted(&store::without_secrets(text)),
                _ => quoted(text),
            };
            let quoted: Vec<String> = texts.iter().map(shown).collect();
            Some(format!("[{}]", quoted.join(", ")))
        }
        Value::Secret(_) => None,
    }
}
