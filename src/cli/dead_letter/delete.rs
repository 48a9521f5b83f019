//! Asks the running appliance to remove letters.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::arguments::Change;
use crate::{
    cli::{
        appliance::{Answer, Patience},
        failure::Failure,
        output::Output,
    },
    config::Sources,
    model::LetterFilter,
};

/// What the API answers.
#[derive(Deserialize)]
struct Removed {
    count: u64,
}

/// Removes, and prints how many.
pub(super) fn run(
    arguments: Change,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    let Change { wanted, all, reach, timeout, json } = arguments;
    let filter = Change::filter(wanted, all)?;
    let parameters = match all {
        true => vec![("all", "true".to_owned())],
        false => parameters(&filter),
    };
    let patience = Patience::Whole(timeout.max(Duration::from_millis(1)));
    let appliance = reach.appliance(sources, patience)?;
    let answer = appliance.delete(&["api", "v1", "dead-letters"], &parameters);
    let answer = answer.and_then(Answer::wanted).map_err(Failure::failed)?;
    let foreign = answer.foreign();
    let Ok(Removed { count }) = serde_json::from_reader(answer) else {
        return Err(Failure::failed(foreign));
    };
    match json {
        true => output.json(&json!({ "count": count })),
        false => output.line(format_args!("{count} dead letters deleted")),
    }
}

/// The filter as parameters of the API.
pub(super) fn parameters(filter: &LetterFilter) -> Vec<(&'static str, String)> {
    let mut parameters = Vec::new();
    parameters.extend(filter.causes.iter().map(|cause| ("cause", cause.to_string())));
    parameters.extend(filter.vehicles.iter().map(|vehicle| ("vehicle", vehicle.clone())));
    parameters.extend(filter.mappings.iter().map(|mapping| ("mapping", mapping.clone())));
    parameters.extend(filter.from.map(|from| ("from", from.0.to_string())));
    parameters.extend(filter.to.map(|to| ("to", to.0.to_string())));
    parameters.extend(filter.ids.iter().map(|id| ("id", id.to_string())));
    parameters
}
