//! Asks the running appliance to process letters again.

use std::{
    io::{IsTerminal as _, stderr},
    time::Duration,
};

use indicatif::ProgressBar;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{arguments::Change, delete::parameters};
use crate::{
    cli::{
        appliance::{Answer, Patience},
        failure::Failure,
        output::Output,
    },
    config::Sources,
};

/// Letters of one request: small enough for a quick answer and for progress output.
const LETTERS_A_REQUEST: usize = 1000;

/// What the API answers.
#[derive(Deserialize)]
struct Replayed {
    count: u64,
    failed: u64,
    after: Option<String>,
}

/// Replays, and prints how many.
pub(super) fn run(
    arguments: Change,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    let Change { wanted, all, reach, timeout, json } = arguments;
    let filter = Change::filter(wanted, all)?;
    let mut members = Map::new();
    members.insert("limit".to_owned(), json!(LETTERS_A_REQUEST));
    if all {
        members.insert("all".to_owned(), json!(true));
    }
    for (name, value) in parameters(&filter) {
        let values = members.entry(name).or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(json!(value));
        }
    }
    let patience = Patience::Whole(timeout.max(Duration::from_millis(1)));
    let appliance = reach.appliance(sources, patience)?;
    let bar = stderr().is_terminal().then(ProgressBar::new_spinner);
    let (mut count, mut failed) = (0, 0);
    loop {
        let path = ["api", "v1", "dead-letters", "replay"];
        let answer = appliance.post(&path, &Value::Object(members.clone()));
        let answer = answer.and_then(Answer::wanted).map_err(Failure::failed)?;
        let foreign = answer.foreign();
        let Ok(replayed) = serde_json::from_reader::<_, Replayed>(answer) else {
            return Err(Failure::failed(foreign));
        };
        count += replayed.count;
        failed += replayed.failed;
        if let Some(bar) = &bar {
            bar.set_message(format!("{count} dead letters replayed, {failed} failed again"));
            bar.tick();
        }
        let Some(after) = replayed.after else { break };
        members.insert("after".to_owned(), json!(after));
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    match json {
        true => output.json(&json!({ "count": count, "failed": failed })),
        false => output.line(format_args!(
            "{count} dead letters replayed, {failed} stay because they failed again"
        )),
    }
}
