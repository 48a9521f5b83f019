//! `command`: commands to vehicles, over the running appliance.

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Map, Value as Json, json};

use crate::{
    cli::{
        appliance::{Appliance, Patience, Reach},
        failure::Failure,
        listing::{Listing, read},
        moment,
        output::{Output, complain},
        present::visible,
    },
    config::Sources,
    model::{Column, Value, ValueType},
};

/// The maximum wait of one request.
const WAIT_MAX: Duration = Duration::from_secs(25);

/// Commands to vehicles: send, list, follow, cancel
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  fleetline command send VIN1 limit-charge limit_percent=60 --wait 10s
  fleetline command list --vehicle VIN1 --state queued
  fleetline command show 01a20548-f1c4-7fff-bfff-ffffffffffff")]
pub(in crate::cli) struct Arguments {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    reach: Reach,
    /// How long each answer may take, in addition to `--wait`
    #[arg(long, global = true, value_name = "DURATION", default_value = "10s", value_parser = moment::duration)]
    timeout: Duration,
    /// JSON: one object a command
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Sends a declared command to a vehicle, online or not
    ///
    /// A VALUE is JSON if it parses as such (60, true, `[1,2]`), else a text; FIELD may be a path
    /// (inner.step=3). Prints the command's state: only `delivered` and `done` say that the
    /// vehicle has it. With --wait the exit code is 1 if it ended otherwise.
    #[command(after_help = "Examples:
  fleetline command send VIN1 limit-charge limit_percent=60 --wait 10s
  fleetline command send VIN1 identify seconds=5 --expires-in 1m --key k-17")]
    Send(Send),
    /// Lists commands, the newest first
    #[command(after_help = "Example:\n  fleetline command list --state expired --json")]
    List(List),
    /// One command with its history
    #[command(
        after_help = "Example:\n  fleetline command show 01a20548-f1c4-7fff-bfff-ffffffffffff"
    )]
    Show(One),
    /// Cancels a command, unless the vehicle has it already
    #[command(
        after_help = "Example:\n  fleetline command cancel 01a20548-f1c4-7fff-bfff-ffffffffffff"
    )]
    Cancel(One),
}

#[derive(clap::Args, Debug)]
struct Send {
    /// The vehicle
    vin: String,
    /// The command, as a `[[command]]` declares it
    name: String,
    /// Its fields
    #[arg(value_name = "FIELD=VALUE")]
    fields: Vec<String>,
    /// Waits this long for delivery, or for the receipt if one is declared
    #[arg(long, value_name = "DURATION", value_parser = moment::duration)]
    wait: Option<Duration>,
    /// How long the command waits for the vehicle, such as 1h
    #[arg(long, value_name = "DURATION")]
    expires_in: Option<String>,
    /// The longest time from delivery to receipt, such as 30s
    #[arg(long, value_name = "DURATION")]
    execute_within: Option<String>,
    /// Idempotency key: the same key makes no second command
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Replaces undelivered commands with the same word
    #[arg(long, value_name = "WORD")]
    supersede: Option<String>,
}

#[derive(clap::Args, Debug)]
struct List {
    /// Only commands to this vehicle (may repeat)
    #[arg(long)]
    vehicle: Vec<String>,
    /// Only commands in this state (may repeat)
    #[arg(long)]
    state: Vec<String>,
    /// Only commands of this name (may repeat)
    #[arg(long)]
    name: Vec<String>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
}

#[derive(clap::Args, Debug)]
struct One {
    /// The command's id, as `send` and `list` print it
    id: String,
}

/// Sends, lists, shows or cancels.
pub(in crate::cli) fn run(
    arguments: Arguments,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    let Arguments { what, reach, timeout, json } = arguments;
    let patience = Patience::Whole(timeout.max(Duration::from_millis(1)) + WAIT_MAX);
    let appliance = reach.appliance(sources, patience)?;
    match what {
        What::Send(send) => send.run(&appliance, json, output),
        What::List(wanted) => list(&appliance, &wanted, json, output),
        What::Show(One { id }) => {
            let command = read(appliance.get(&["api", "v1", "commands", &id], &[]))?;
            present(&command, json, output)
        }
        What::Cancel(One { id }) => {
            let command = read(appliance.delete(&["api", "v1", "commands", &id], &[]))?;
            if command["state"] != "cancelled" {
                complain("it is on its way: its acknowledgement decides");
            }
            present_short(&command, json, output)
        }
    }
}

impl Send {
    fn run(self, appliance: &Appliance, is_json: bool, output: &mut Output) -> Result<(), Failure> {
        let body = self.body()?;
        let mut left = self.wait.unwrap_or_default();
        let first = left.min(WAIT_MAX);
        let parameters: Vec<(&str, String)> =
            self.wait.iter().map(|_| ("wait", format!("{}ms", first.as_millis()))).collect();
        let path = ["api", "v1", "vehicles", &self.vin, "commands"];
        let mut command = read(appliance.post_with(&path, &parameters, &body))?;
        left = left.saturating_sub(first);
        // A request with the same key waits for the command that the first one created.
        while !left.is_zero() && !has_ended(&command) {
            let some = left.min(Duration::from_millis(500));
            std::thread::park_timeout(some);
            left -= some;
            let id = command["id"].as_str().unwrap_or_default().to_owned();
            command = read(appliance.get(&["api", "v1", "commands", &id], &[]))?;
        }
        present_short(&command, is_json, output)?;
        let is_well = matches!(command["state"].as_str(), Some("delivered" | "done"));
        match self.wait {
            Some(_) if has_ended(&command) && !is_well => {
                let state = command["state"].as_str().unwrap_or_default().to_owned();
                Err(Failure::failed(Ended { state }))
            }
            _ => Ok(()),
        }
    }

    fn body(&self) -> Result<Json, Failure> {
        let mut fields = Map::new();
        for text in &self.fields {
            let (path, value) = text
                .split_once('=')
                .ok_or_else(|| Failure::Usage(format!("`{text}` is no FIELD=VALUE")))?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| Json::from(value));
            put(&mut fields, path, value);
        }
        let mut body = json!({ "command": self.name, "fields": fields });
        for (member, value) in [
            ("expires-in", &self.expires_in),
            ("execute-within", &self.execute_within),
            ("idempotency-key", &self.key),
            ("supersede", &self.supersede),
        ] {
            if let Some(value) = value {
                body[member] = json!(value);
            }
        }
        Ok(body)
    }
}

/// The command that we waited for has ended, but was not done.
#[derive(Debug, thiserror::Error)]
#[error("the command is {state}")]
struct Ended {
    state: String,
}

/// Sets a value at a path with dots.
fn put(into: &mut Map<String, Json>, path: &str, value: Json) {
    match path.split_once('.') {
        Some((first, rest)) if !rest.is_empty() => {
            let inner = into.entry(first).or_insert_with(|| json!({}));
            if let Json::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
        _ => {
            into.insert(path.to_owned(), value);
        }
    }
}

/// Whether its state is final.
fn has_ended(command: &Json) -> bool {
    match command["state"].as_str() {
        Some("queued" | "sent") => false,
        Some("delivered") => command["execute-within"].is_null(),
        _ => true,
    }
}

fn list(
    appliance: &Appliance,
    wanted: &List,
    is_json: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    let all = |name: &'static str, values: &[String]| {
        values.iter().map(|value| (name, value.clone())).collect::<Vec<_>>()
    };
    let parameters =
        [all("vehicle", &wanted.vehicle), all("state", &wanted.state), all("name", &wanted.name)]
            .concat();
    let listing = Listing::read(appliance, &["api", "v1", "commands"], &parameters, wanted.limit)?;
    let columns = COLUMNS.map(|name| Column::new(name, ValueType::String));
    let text = |command: &Json, name: &str| match &command[name] {
        Json::String(text) => Value::String(text.clone()),
        Json::Object(_) => Value::String(command[name].to_string()),
        _ => Value::Null,
    };
    let row = |command: &Json| COLUMNS.iter().map(|name| text(command, name)).collect();
    listing.present(&columns, row, is_json, output)
}

/// The table's columns, which are members of the answer.
const COLUMNS: [&str; 7] = ["id", "created", "vehicle", "command", "fields", "state", "cause"];

/// One line: its id and its state.
fn present_short(command: &Json, is_json: bool, output: &mut Output) -> Result<(), Failure> {
    if is_json {
        return output.json(command);
    }
    let text = |name: &str| visible(command[name].as_str().unwrap_or_default()).to_string();
    let cause = match text("cause") {
        cause if cause.is_empty() => cause,
        cause => format!(" ({cause})"),
    };
    output.line(format_args!("{} {}{cause}", text("id"), text("state")))
}

fn present(command: &Json, is_json: bool, output: &mut Output) -> Result<(), Failure> {
    if is_json {
        return output.json(command);
    }
    let Json::Object(members) = command else { return Ok(()) };
    for (name, value) in members {
        let text = match value {
            Json::Null | Json::Array(_) | Json::Bool(false) => continue,
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        output.line(format_args!("{name:<18}{}", visible(&text)))?;
    }
    for change in command["history"].as_array().into_iter().flatten() {
        let text = |name: &str| visible(change[name].as_str().unwrap_or_default()).to_string();
        let what = if change["state"].is_null() { text("note") } else { text("state") };
        let line = format!("  {}  {what:<11} {} {}", text("at"), text("cause"), text("detail"));
        output.line(format_args!("{}", line.trim_end()))?;
    }
    Ok(())
}
