//! `health`: is the running appliance ready?

use std::{io::Read as _, time::Duration};

use serde::Deserialize;

use crate::{
    cli::{
        appliance::{Patience, Reach},
        failure::Failure,
        moment,
        output::{Output, complain},
        present::visible,
    },
    config::Sources,
};

/// Bytes of an answer; the answer for a hundred shards takes a tenth of it.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Asks the running appliance whether it is ready; exit code 0 if it is, 1 if not
///
/// Prints one line a component, with the reason if it is not ready. The address comes from the
/// `lock` file of the configured data directory, so that a check in a container needs no --url.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  fleetline health
  fleetline health --set data-dir=/var/lib/fleetline --timeout 2s
  fleetline health --url http://10.0.0.7:8080 --json")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    reach: Reach,
    /// How long the answer may take
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = moment::duration)]
    timeout: Duration,
    /// One JSON object, as /readyz answers it
    #[arg(long)]
    json: bool,
}

/// What `/readyz` answers.
#[derive(Deserialize)]
struct Readiness {
    ready: bool,
    components: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    name: String,
    critical: bool,
    state: String,
    reason: Option<String>,
}

/// Sends one request.
pub(in crate::cli) fn run(
    arguments: &Arguments,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    let appliance = arguments.reach.appliance(sources, Patience::Whole(arguments.timeout))?;
    let mut answer = appliance.get(&["readyz"], &[]).map_err(Failure::failed)?;
    let foreign = answer.foreign();
    let mut text = String::new();
    let read = answer.by_ref().take(ANSWER_BYTES_MAX).read_to_string(&mut text);
    let Some(readiness) = read.ok().and_then(|_| serde_json::from_str::<Readiness>(&text).ok())
    else {
        return Err(Failure::failed(foreign));
    };
    match arguments.json {
        true => output.line(text.trim_end())?,
        false => {
            readiness.components.iter().try_for_each(|part| output.line(line(part, &readiness)))?
        }
    }
    let away = |part: &&Part| part.critical && part.state != "ready";
    let parts: Vec<String> =
        readiness.components.iter().filter(away).map(|part| visible(&part.name)).collect();
    match readiness.ready && answer.status().is_success() {
        true => Ok(()),
        false => {
            complain(format_args!("not ready: {}", parts.join(", ")));
            Err(Failure::Reported(1))
        }
    }
}

/// Name, state, and reason.
fn line(part: &Part, among: &Readiness) -> String {
    let widest = among.components.iter().map(|part| part.name.len()).max().unwrap_or(0);
    let reason = match (&part.reason, part.critical) {
        (None, _) => String::new(),
        (Some(reason), true) => visible(reason),
        (Some(reason), false) => format!("{} (ready without it)", visible(reason)),
    };
    let (name, state) = (visible(&part.name), visible(&part.state));
    format!("{name:<widest$}  {state:<7}  {reason}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_which_part_is_in_which_state_and_why() {
        let text = r#"{"ready":false,"components":[
            {"name":"spool-0","critical":true,"state":"failed","reason":"fsync: I/O error"},
            {"name":"store","critical":false,"state":"waiting","reason":"away"},
            {"name":"mqtt","critical":true,"state":"ready","reason":null}]}"#;
        let readiness: Readiness = serde_json::from_str(text).expect("an answer");
        let lines: Vec<String> =
            readiness.components.iter().map(|part| line(part, &readiness)).collect();
        assert_eq!(
            lines,
            [
                "spool-0  failed   fsync: I/O error",
                "store    waiting  away (ready without it)",
                "mqtt     ready",
            ]
        );
    }
}
