//! `session`: the MQTT sessions of the running appliance.

use std::time::Duration;

use clap::Subcommand;
use serde_json::{Value as Json, json};

use crate::{
    cli::{
        appliance::{Appliance, Patience, Reach},
        failure::Failure,
        listing::{Listing, read},
        moment,
        output::Output,
        present::visible,
    },
    config::Sources,
    model::{Column, Row, Value, ValueType},
};

/// MQTT sessions of the running appliance: client, address, queued and dropped messages
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  fleetline session list --backlog
  fleetline session show VIN1 --json
  fleetline session kick VIN1")]
pub(in crate::cli) struct Arguments {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    reach: Reach,
    /// How long each answer may take
    #[arg(long, global = true, value_name = "DURATION", default_value = "10s", value_parser = moment::duration)]
    timeout: Duration,
    /// JSON: one object a session
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// All sessions by client identifier, or those that match
    #[command(after_help = "Examples:
  fleetline session list --search 10.1.2.
  fleetline session list --backlog 1000 --json
  fleetline session list --drops")]
    List(List),
    /// One session in full, with its subscriptions
    #[command(after_help = "Example:\n  fleetline session show VIN1")]
    Show(One),
    /// Ends and deletes a session: its connection, subscriptions and queue
    ///
    /// A 5.0 client gets 0x98, administrative action. Its will is published. The client may
    /// connect again: users and rules are what keeps it out.
    #[command(after_help = "Example:\n  fleetline session kick VIN1 --user depot7")]
    Kick(One),
}

#[derive(clap::Args, Debug)]
struct List {
    /// Only sessions with at least N queued messages (without N: 1)
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1")]
    backlog: Option<u64>,
    /// Only sessions with at least N dropped deliveries (without N: 1)
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1")]
    drops: Option<u64>,
    /// Only sessions with this in client identifier, user, vehicle or address
    #[arg(long, value_name = "S")]
    search: Option<String>,
    /// Only sessions that publish for this vehicle
    #[arg(long)]
    vehicle: Option<String>,
    /// Only sessions of this user
    #[arg(long)]
    user: Option<String>,
    /// Only sessions with a connection
    #[arg(long, conflicts_with = "away")]
    connected: bool,
    /// Only sessions without a connection
    #[arg(long)]
    away: bool,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    limit: usize,
}

#[derive(clap::Args, Debug)]
struct One {
    /// The client identifier, as `list` prints it
    client_id: String,
    /// The user, if several users have a session with this client identifier
    #[arg(long)]
    user: Option<String>,
}

/// Lists, shows or ends sessions.
pub(in crate::cli) fn run(
    arguments: Arguments,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    let Arguments { what, reach, timeout, json } = arguments;
    let patience = Patience::Whole(timeout.max(Duration::from_millis(1)));
    let appliance = reach.appliance(sources, patience)?;
    match what {
        What::List(wanted) => list(&appliance, wanted, json, output),
        What::Show(one) => show(&appliance, one, json, output),
        What::Kick(one) => kick(&appliance, one, json, output),
    }
}

fn list(
    appliance: &Appliance,
    wanted: List,
    is_json: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    let limit = wanted.limit;
    let path = ["api", "v1", "sessions"];
    let listing = Listing::read(appliance, &path, &wanted.parameters(), limit)?;
    listing.present(&columns(), row, is_json, output)
}

impl List {
    /// As parameters of the API.
    fn parameters(self) -> Vec<(&'static str, String)> {
        let Self { backlog, drops, search, vehicle, user, connected, away, limit: _ } = self;
        let mut parameters = Vec::new();
        parameters.extend(backlog.map(|least| ("backlog", least.to_string())));
        parameters.extend(drops.map(|least| ("drops", least.to_string())));
        parameters.extend(search.map(|search| ("search", search)));
        parameters.extend(vehicle.map(|vehicle| ("vehicle", vehicle)));
        parameters.extend(user.map(|user| ("user", user)));
        parameters.extend((connected || away).then(|| ("connected", connected.to_string())));
        parameters
    }
}

/// Names of the table's columns, which are members of the answer.
const TEXTS: [&str; 5] = ["client_id", "user", "vehicle", "address", "since"];
const NUMBERS: [&str; 4] = ["subscriptions", "queued", "in_flight", "dropped"];

fn columns() -> Vec<Column> {
    let texts = TEXTS.iter().map(|name| Column::new(*name, ValueType::String));
    texts.chain(NUMBERS.iter().map(|name| Column::new(*name, ValueType::Integer))).collect()
}

fn row(session: &Json) -> Row {
    let text = |name: &str| match (name, session["connected"] == true) {
        // When it connected, or disconnected.
        ("since", true) => session["connected_at"].as_str(),
        ("since", false) => session["away_since"].as_str(),
        ("address", false) => Some("away"),
        _ => session[name].as_str(),
    };
    let texts =
        TEXTS.iter().map(|name| text(name).map_or(Value::Null, |it| Value::String(it.into())));
    let number = |name: &&str| session[*name].as_i64().map_or(Value::Null, Value::Integer);
    texts.chain(NUMBERS.iter().map(number)).collect()
}

fn show(
    appliance: &Appliance,
    one: One,
    is_json: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    let (path, parameters) = one.place();
    let answer = appliance.get(&path.each_ref().map(String::as_str), &parameters);
    let session = read(answer)?;
    if is_json {
        return output.json(&session);
    }
    let Json::Object(members) = &session else { return Ok(()) };
    for (name, value) in members {
        let text = match value {
            Json::Null => continue,
            Json::Array(items) if name == "vehicles" && !items.is_empty() => {
                items.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(" ")
            }
            Json::Array(_) => continue,
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        output.line(format_args!("{name:<20}{}", visible(&text)))?;
    }
    for filter in session["filters"].as_array().into_iter().flatten() {
        let flag = |name: &str, text: &'static str| if filter[name] == true { text } else { "" };
        let id = filter["id"].as_i64().map(|id| format!(" id {id}")).unwrap_or_default();
        output.line(format_args!(
            "  {}  qos {}{}{}{id}",
            visible(filter["filter"].as_str().unwrap_or_default()),
            filter["qos"],
            flag("no_local", " no-local"),
            flag("retain_as_published", " retain-as-published"),
        ))?;
    }
    Ok(())
}

fn kick(
    appliance: &Appliance,
    one: One,
    is_json: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    let (path, parameters) = one.place();
    let answer = appliance.delete(&path.each_ref().map(String::as_str), &parameters);
    let ended = read(answer)?;
    match is_json {
        true => output.json(&json!({ "count": ended["count"] })),
        false => output.line(format_args!("{} session ended", ended["count"])),
    }
}

impl One {
    fn place(self) -> ([String; 4], Vec<(&'static str, String)>) {
        let path = ["api", "v1", "sessions"].map(ToOwned::to_owned);
        let [api, v1, sessions] = path;
        let parameters = self.user.map(|user| ("user", user)).into_iter().collect();
        ([api, v1, sessions, self.client_id], parameters)
    }
}
