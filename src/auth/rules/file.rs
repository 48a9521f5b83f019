//! The rules file as the operator writes it: TOML, read strictly, every problem with its line.

use toml_edit::{Document, Item, Table, TableLike, Value};

use super::{
    decide::{Effect, Rule},
    pattern::Pattern,
};
use crate::{
    auth::{
        problem::{FileProblem, FileProblems},
        text::line_of,
    },
    model::NamePattern,
};

/// Reads the text of a file; `name` is what problems call it.
///
/// # Errors
/// Everything that is wrong in it. A file without a rule is wrong, too: it would let nobody do
/// anything, and is most likely one that is being written.
pub(super) fn read(name: &str, text: &str) -> Result<Vec<Rule>, FileProblems> {
    let mut file = File { name, text, problems: Vec::new() };
    let rules = match Document::parse(text) {
        Ok(document) => file.rules(document.as_table()),
        Err(error) => {
            let what = format!("not valid TOML: {}", error.message().trim().replace('\n', ", "));
            file.problem(error.span().map_or(0, |span| span.start), what);
            Vec::new()
        }
    };
    if file.problems.is_empty() { Ok(rules) } else { Err(FileProblems(file.problems)) }
}

struct File<'a> {
    name: &'a str,
    text: &'a str,
    problems: Vec<FileProblem>,
}

impl File<'_> {
    fn problem(&mut self, at: usize, what: impl Into<String>) {
        let line = line_of(self.text.as_bytes(), at);
        let problem =
            FileProblem { file: self.name.to_owned(), line: Some(line), what: what.into() };
        self.problems.push(problem);
    }

    fn rules(&mut self, table: &Table) -> Vec<Rule> {
        for (key, item) in table.iter().filter(|(key, _)| *key != "rule") {
            let what = format!("unknown key `{key}`; the file holds [[rule]] tables only");
            self.problem(start(table, key, item), what);
        }
        let tables: Vec<&Table> = match table.get("rule") {
            None => Vec::new(),
            Some(Item::ArrayOfTables(tables)) => tables.iter().collect(),
            Some(item) => {
                self.problem(start(table, "rule", item), "write each rule below a [[rule]]");
                return Vec::new();
            }
        };
        if tables.is_empty() && self.problems.is_empty() {
            let what = "no [[rule]] in it, so that nobody could do anything; write one, or leave \
                        auth.rules out";
            self.problem(0, what);
        }
        tables.into_iter().filter_map(|table| self.rule(table)).collect()
    }

    /// `None` if anything of it is wrong, which is noted.
    fn rule(&mut self, table: &Table) -> Option<Rule> {
        let before = self.problems.len();
        let at = table.span().map_or(0, |span| span.start);
        for (key, item) in table {
            if !["who", "allow", "deny", "topics"].contains(&key) {
                let what =
                    format!("unknown key `{key}`; a rule has who, allow or deny, and topics");
                self.problem(start(table, key, item), what);
            }
        }
        let who = table
            .contains_key("who")
            .then(|| self.texts(table, "who", |_, text| NamePattern::parse(text)));
        let topics = self.texts(table, "topics", |_, text| Pattern::parse(text));
        if !table.contains_key("topics") {
            self.problem(at, "a rule without topics; write topics = [\"…\"]");
        }
        let effect = match (table.contains_key("allow"), table.contains_key("deny")) {
            (true, false) => Some(("allow", Effect::Allow)),
            (false, true) => Some(("deny", Effect::Deny)),
            (true, true) => {
                self.problem(at, "allow and deny in one rule; write two");
                None
            }
            (false, false) => {
                let what = "a rule that neither allows nor denies; write allow = [\"publish\", \
                            \"subscribe\"], or deny";
                self.problem(at, what);
                None
            }
        };
        let (key, effect) = effect?;
        let actions = self.texts(table, key, |_, text| match text {
            "publish" => Ok(true),
            "subscribe" => Ok(false),
            _ => Err(format!("`{text}` is neither publish nor subscribe")),
        });
        (self.problems.len() == before).then(|| Rule {
            line: line_of(self.text.as_bytes(), at),
            who: who.map(Vec::into_boxed_slice),
            effect,
            publish: actions.contains(&true),
            subscribe: actions.contains(&false),
            topics: topics.into(),
        })
    }

    /// A list of texts, each parsed; an absent one is empty.
    fn texts<T>(
        &mut self,
        table: &Table,
        key: &str,
        parse: impl Fn(&Self, &str) -> Result<T, String>,
    ) -> Vec<T> {
        let Some(item) = table.get(key) else { return Vec::new() };
        let at = start(table, key, item);
        let Some(list) = item.as_array().filter(|list| !list.is_empty()) else {
            self.problem(at, format!("`{key}` is a list of texts, such as {key} = [\"…\"]"));
            return Vec::new();
        };
        let mut parsed = Vec::with_capacity(list.len());
        for value in list {
            let at = value.span().map_or(at, |span| span.start);
            match value {
                Value::String(text) => match parse(self, text.value()) {
                    Ok(value) => parsed.push(value),
                    Err(what) => self.problem(at, format!("{key}: {what}")),
                },
                _ => self.problem(at, format!("`{key}` is a list of texts")),
            }
        }
        parsed
    }
}

/// Where a key stands.
fn start(table: &dyn TableLike, key: &str, item: &Item) -> usize {
    let span = table.key(key).and_then(toml_edit::Key::span).or_else(|| item.span());
    span.map_or(0, |span| span.start)
}
