//! The layers of a configuration: file, environment, `--set`. Each is read into [`Settings`], and
//! all problems are collected.

use std::path::Path;

use toml_edit::{Document, Item, TableLike, Value as Toml};

use crate::config::{
    key::{Key, Kind, VARIABLE_PREFIX},
    keys,
    problem::{Fault, Place, Problem},
    settings::Settings,
    token, value,
};

/// Reads the file layer.
pub(super) fn read_file(path: &Path, settings: &mut Settings, problems: &mut Vec<Problem>) {
    let shown = path.display().to_string();
    match read_text(path) {
        Ok(text) => read_toml(&shown, &text, settings, problems),
        Err(source) => {
            let fault = Fault::Unreadable { what: "the configuration file", path: shown, source };
            problems.push(whole(Place::Default, fault));
        }
    }
}

/// A file of the configuration as text.
#[expect(
    clippy::disallowed_methods,
    reason = "configuration is read once, before any stage, and nothing of it must survive a crash"
)]
pub(super) fn read_text(path: &Path) -> std::io::Result<String> {
    std::fs::read_to_string(path)
}

/// Reads the text of a file.
pub(super) fn read_toml(
    path: &str,
    text: &str,
    settings: &mut Settings,
    problems: &mut Vec<Problem>,
) {
    let place = |at: usize| Place::File { path: path.to_owned(), line: line_of(text, at) };
    match Document::parse(text) {
        Ok(document) => {
            let mut file = File { text, place: &place, settings, problems };
            file.table("", document.as_table());
        }
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            let message = error.message().trim().replace('\n', ", ");
            problems.push(whole(place(at), Fault::Syntax(message)));
        }
    }
}

fn whole(place: Place, fault: Fault) -> Problem {
    Problem { place, key: String::new(), value: None, fault }
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

struct File<'a> {
    text: &'a str,
    place: &'a dyn Fn(usize) -> Place,
    settings: &'a mut Settings,
    problems: &'a mut Vec<Problem>,
}

impl File<'_> {
    fn table(&mut self, prefix: &str, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
            let at = table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
            let at = at.map_or(0, |span| span.start);
            self.item(&path, item, at);
        }
    }

    fn item(&mut self, path: &str, item: &Item, at: usize) {
        let place = (self.place)(at);
        let inner = item.as_table_like();
        match (keys::lookup(path), item.as_value(), inner) {
            (_, _, Some(inner)) if keys::is_table(path) => self.table(path, inner),
            (Some(key), Some(value), None) => {
                let printed = self.printed(value);
                let given = value::from_toml(key.kind, value);
                self.problems.extend(self.settings.write(key, given, &printed, place));
            }
            (Some(_), _, _) => self.refuse(path, place, Fault::NotATable),
            (None, _, _) if keys::is_table(path) => self.refuse(path, place, Fault::NotATable),
            (None, _, _) => {
                self.refuse(path, place, Fault::Unknown { near: keys::nearest(path) });
            }
        }
    }

    fn refuse(&mut self, path: &str, place: Place, fault: Fault) {
        self.problems.push(Problem { place, key: path.to_owned(), value: None, fault });
    }

    /// A value as written by the operator.
    fn printed(&self, value: &Toml) -> String {
        let span = value.span().unwrap_or(0..0);
        self.text.get(span).unwrap_or_default().to_owned()
    }
}

/// Reads the environment layer: every variable with our prefix that contains two underscores or
/// names a key of the root. Other variables are no error, because orchestrators inject variables
/// such as `FLEETLINE_SERVICE_HOST` for a service with our name; but `check` and `serve` report
/// them.
pub(super) fn read_variables(
    variables: impl Iterator<Item = (String, String)>,
    settings: &mut Settings,
    problems: &mut Vec<Problem>,
) {
    for (name, text) in variables {
        let Some(rest) = name.strip_prefix(VARIABLE_PREFIX) else { continue };
        let path = rest.replace("__", ".").replace('_', "-").to_ascii_lowercase();
        let place = Place::Variable(name.clone());
        match keys::lookup(&path) {
            Some(key) => write_text(key, &text, place, settings, problems),
            None => {
                let near = meant_variable(rest, &path);
                if rest.contains("__") || near.is_some() {
                    let fault = Fault::Unknown { near };
                    problems.push(Problem { place, key: path, value: None, fault });
                } else if name != token::VARIABLE {
                    settings.leave_variable(name);
                }
            }
        }
    }
}

/// The variable that was intended: with one more underscore, or with a similar name.
fn meant_variable(rest: &str, path: &str) -> Option<String> {
    let key = match rest.contains("__") {
        true => keys::lookup(&keys::nearest(path)?),
        false => {
            let path = rest.replacen('_', ".", 1).replace('_', "-").to_ascii_lowercase();
            keys::lookup(&path)
        }
    };
    key.map(Key::variable)
}

/// Reads the `--set` layer.
pub(super) fn read_arguments(
    arguments: &[String],
    settings: &mut Settings,
    problems: &mut Vec<Problem>,
) {
    for argument in arguments {
        let Some((path, text)) = argument.split_once('=') else {
            let fault = Fault::NoEquals { argument: argument.clone() };
            problems.push(whole(Place::Argument, fault));
            continue;
        };
        let path = path.trim();
        let place = Place::Argument;
        match keys::lookup(path) {
            Some(key) => write_text(key, text.trim(), place, settings, problems),
            None => {
                let fault = Fault::Unknown { near: keys::nearest(path) };
                problems.push(Problem { place, key: path.to_owned(), value: None, fault });
            }
        }
    }
}

fn write_text(
    key: &'static Key,
    text: &str,
    place: Place,
    settings: &mut Settings,
    problems: &mut Vec<Problem>,
) {
    let given = value::from_argument(key.kind, text);
    let printed = match key.kind {
        Kind::Bool | Kind::Count | Kind::Share => text.to_owned(),
        _ => toml_edit::Value::from(text).to_string(),
    };
    problems.extend(settings.write(key, given, &printed, place));
}
