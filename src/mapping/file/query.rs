//! The keys of a `[[query]]`.

use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::{Placed, table::Table};
use crate::model::parse_duration;

/// One `[[query]]`.
#[derive(Clone, Debug)]
pub(crate) struct QueryText {
    /// Relative to the schemas directory.
    pub(crate) file: String,
    pub(crate) name: Placed<String>,
    pub(crate) interval: Duration,
    /// The query, in the form of a push's.
    pub(crate) question: Map<String, Json>,
}

pub(super) const QUERY_KEYS: &[&str] = &[
    "name",
    "interval",
    "measurement",
    "vehicles",
    "tags",
    "fields",
    "from",
    "to",
    "every",
    "fn",
    "order",
    "having",
    "language",
    "text",
    "params",
];

/// Bytes of a name: it is a level of a topic.
const NAME_MAX: usize = 100;
const A_NAME: &str = "a level of a topic: at most 100 bytes, and none of / + # in it";
const INTERVAL_MIN: Duration = Duration::from_secs(1);
const INTERVAL_MAX: Duration = Duration::from_hours(24);

/// Reads one query's keys.
pub(super) fn read_query(table: &mut Table<'_, '_>) -> Option<QueryText> {
    let name = table.required_text("name").and_then(|_| {
        table.text_as("name", A_NAME, |text| {
            let is_level = text.len() <= NAME_MAX && !text.contains(['/', '+', '#', '\0']);
            is_level.then(|| text.to_owned())
        })
    });
    let interval = table.required_text("interval").and_then(|_| {
        table.text_as("interval", "a duration from 1s to 24h, such as 30s", |text| {
            let read = parse_duration(text)?;
            (INTERVAL_MIN..=INTERVAL_MAX).contains(&read).then_some(read)
        })
    });
    if !table.has("language") {
        table.required_text("measurement");
    }
    let keys = QUERY_KEYS.iter().filter(|key| !matches!(**key, "name" | "interval"));
    let question = keys.filter_map(|key| Some(((*key).to_owned(), table.json(key)?))).collect();
    Some(QueryText {
        file: table.source.path.clone(),
        name: name?,
        interval: interval?.value,
        question,
    })
}
