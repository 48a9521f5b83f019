//! What is converted, what is not, and how it is written.

use std::fmt::Write as _;

use crate::auth::Rules;

/// One line that could not be converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) what: String,
    /// Without it the other rules allow more than before.
    pub(super) is_deny: bool,
}

/// One access rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rule {
    /// Empty: all clients.
    pub(super) who: Vec<String>,
    pub(super) denies: bool,
    pub(super) publish: bool,
    pub(super) subscribe: bool,
    pub(super) topics: Vec<String>,
}

/// The result of some files.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// Lines of a users file.
    pub(super) users: Vec<String>,
    pub(super) rules: Vec<Rule>,
    pub(super) listeners: Vec<String>,
    /// Keys of the configuration, each with its value as TOML.
    pub(super) keys: Vec<(&'static str, String)>,
    pub(super) left: Vec<Left>,
}

impl Carried {
    /// Reports a line that is not converted.
    pub(super) fn leave(&mut self, file: &str, line: usize, what: impl Into<String>) {
        self.left.push(Left { file: file.to_owned(), line, what: what.into(), is_deny: false });
    }

    /// Takes a rule, unless one of its topics cannot be expressed.
    pub(super) fn rule(&mut self, file: &str, line: usize, rule: Rule) {
        let wrong = rule.topics.iter().find_map(|topic| Rules::check_topic(topic).err());
        match wrong {
            None => self.rules.push(rule),
            Some(what) => {
                let is_deny = rule.denies;
                self.left.push(Left { file: file.to_owned(), line, what, is_deny });
            }
        }
    }

    /// The rules as a file.
    pub(super) fn rules_text(&self) -> String {
        let mut text = String::new();
        for rule in &self.rules {
            text.push_str("[[rule]]\n");
            if !rule.who.is_empty() {
                line(&mut text, "who", &list(&rule.who));
            }
            let actions = [(rule.publish, "publish"), (rule.subscribe, "subscribe")];
            let actions = actions.iter().filter(|(does, _)| *does);
            let actions: Vec<String> = actions.map(|(_, name)| (*name).to_owned()).collect();
            line(&mut text, if rule.denies { "deny" } else { "allow" }, &list(&actions));
            line(&mut text, "topics", &list(&rule.topics));
            text.push('\n');
        }
        text
    }

    /// The configuration that goes with the files.
    pub(super) fn configuration(&self, users: Option<&str>, rules: Option<&str>) -> String {
        let mut text = String::new();
        if !self.listeners.is_empty() {
            line(&mut text, "mqtt.listen", &list(&self.listeners));
        }
        for (key, file) in [("auth.users", users), ("auth.rules", rules)] {
            if let Some(file) = file {
                line(&mut text, key, &quoted(file));
            }
        }
        for (key, value) in &self.keys {
            line(&mut text, key, value);
        }
        text
    }
}

fn line(text: &mut String, key: &str, value: &str) {
    writeln!(text, "{key} = {value}").expect("writing to a string does not fail");
}

fn list(values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
    format!("[{}]", values.join(", "))
}

/// As a TOML string.
pub(super) fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}
