//! Saved queries: run at an interval, with their rows published on a topic. The query itself is
//! interpreted by the room that runs it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;

use crate::{mapping::file::QueryText, schema::Problem};

/// One `[[query]]`.
#[derive(Clone, Debug)]
pub struct SavedQuery {
    /// Its topic is `$query/` and this.
    pub name: Arc<str>,
    /// Time from one run to the next.
    pub interval: Duration,
    /// The question, as that of a push.
    pub question: Value,
    file: String,
    line: u32,
}

impl SavedQuery {
    /// A problem of this query, at its line.
    #[must_use]
    pub fn problem(&self, what: String) -> Problem {
        Problem { file: self.file.clone(), line: Some(self.line), what }
    }

    /// Whether the other one has the same name, interval and query, regardless of its line.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.name, self.interval, &self.question)
            == (&other.name, other.interval, &other.question)
    }
}

/// Compiles all of them; a name that is used twice is added to `problems`.
pub(super) fn compile(texts: Vec<QueryText>, problems: &mut Vec<Problem>) -> Arc<[SavedQuery]> {
    let mut names: BTreeMap<Arc<str>, String> = BTreeMap::new();
    let mut saved = Vec::new();
    for QueryText { file, name, interval, question } in texts {
        let line = name.line;
        let name: Arc<str> = name.value.into();
        let query =
            SavedQuery { name: Arc::clone(&name), interval, question: question.into(), file, line };
        let place = format!("{}:{line}", query.file);
        match names.get(&name) {
            Some(first) => {
                problems.push(query.problem(format!("the name `{name}` is taken by {first}")));
            }
            None => {
                names.insert(name, place);
                saved.push(query);
            }
        }
    }
    saved.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        mapping::{Options, Plans},
        model::LineDialect,
        schema::Sources,
    };

    fn load(text: &str) -> Result<Plans, String> {
        let sources = Sources::from_texts([("q.toml".to_owned(), text.to_owned())]);
        let plans = Plans::from_sources(&sources, &Options::new("".into(), LineDialect::Signed));
        plans.map_err(|errors| errors.to_string())
    }

    #[test]
    fn a_query_is_read_as_that_of_a_push_with_its_name_and_interval() {
        let text = r#"
            [[query]]
            name = "hot"
            interval = "30s"
            measurement = "telemetry"
            fields = ["battery_temp"]
            tags = { model = ["A", "B"] }
            from = "-5m"
            fn = "max"
            having = "battery_temp > 55"

            [[query]]
            name = "two words"
            interval = "1s"
            language = "sql"
            text = "SELECT ?"
            params = { one = 1, half = 0.5, yes = true }
        "#;
        let plans = load(text).expect("they are well");
        let [first, second] = &plans.queries()[..] else { panic!("two") };
        assert_eq!((&*first.name, first.interval), ("hot", Duration::from_secs(30)));
        let question = json!({ "measurement": "telemetry", "fields": ["battery_temp"],
            "tags": { "model": ["A", "B"] }, "from": "-5m", "fn": "max",
            "having": "battery_temp > 55" });
        assert_eq!(first.question, question);
        let params = json!({ "one": 1, "half": 0.5, "yes": true });
        assert_eq!(second.question["params"], params);
        assert_eq!(second.problem("x".to_owned()).to_string(), "q.toml:13: x");
    }

    #[test]
    fn what_is_wrong_with_a_query_is_told_with_its_line() {
        let check = |text: &str, expect: &str| {
            let told = load(&format!("[[query]]\n{text}\n")).expect_err(text);
            assert!(told.contains(expect), "{told}");
        };
        let rest = "interval = \"30s\"\nmeasurement = \"m\"";
        check(rest, "q.toml:1: this query has no `name`; add it");
        check("name = \"n\"\nmeasurement = \"m\"", "this query has no `interval`; add it");
        check("name = \"n\"\ninterval = \"1m\"", "this query has no `measurement`; add it");
        for name in ["a/b", "a+", "#"] {
            check(
                &format!("name = \"{name}\"\n{rest}"),
                &format!("q.toml:2: `name` cannot be `{name}`; write a level of a topic"),
            );
        }
        for interval in ["10ms", "2d", "soon"] {
            check(
                &format!("name = \"n\"\ninterval = \"{interval}\"\nmeasurement = \"m\""),
                &format!("q.toml:3: `interval` cannot be `{interval}`; write a duration from 1s"),
            );
        }
        check(
            &format!("name = \"n\"\n{rest}\nhavin = \"x > 1\""),
            "q.toml:5: unknown key `havin`; did you mean `having`?",
        );
        let dated = "from = 2026-11-28T12:00:00Z";
        check(
            &format!("name = \"n\"\n{rest}\n{dated}"),
            "q.toml:5: `from` is of type datetime; it must be a text",
        );
        let again = format!("name = \"n\"\n{rest}\n[[query]]\nname = \"n\"\n{rest}");
        check(&again, "q.toml:6: the name `n` is taken by q.toml:2");
    }
}
