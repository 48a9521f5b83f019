//! `push`: pushes, over the running appliance.

use std::{fs, io::Read as _, path::PathBuf, time::Duration};

use clap::Subcommand;
use serde_json::{Value as Json, json};

use crate::{
    cli::{
        appliance::{Appliance, Patience, Reach},
        failure::Failure,
        listing::{Listing, draw, read},
        moment,
        output::{Output, complain},
        present::visible,
    },
    config::Sources,
    model::{Column, Row, Value, ValueType},
};

/// The interval of progress checks.
const LOOK: Duration = Duration::from_millis(500);
/// The maximum bytes of a request.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Sends commands to the vehicles that a query finds
///
/// FILE is the JSON of `POST /api/v1/pushes` (`-`: standard input): a query, the column that names
/// the vehicle, and the command with its fields, in which `{column}` stands for the row's value.
/// Prints the report: the number of rows, why some made no command, and the states of the
/// commands. A push with a `schedule` runs at each of its times until it is aborted or deleted.
#[derive(clap::Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:
  fleetline push cool-down.json --dry-run
  fleetline push cool-down.json --follow
  fleetline push abort 01a20548-f1c4-7fff-bfff-ffffffffffff"
)]
pub(in crate::cli) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// The request, as JSON
    #[arg(required = true)]
    file: Option<PathBuf>,
    /// Prints each command as its vehicle would get it, and sends nothing
    #[arg(long)]
    dry_run: bool,
    /// Shows progress until the last command has ended
    #[arg(long, conflicts_with = "dry_run")]
    follow: bool,
    #[command(flatten)]
    reach: Reach,
    /// How long each answer may take
    #[arg(long, global = true, value_name = "DURATION", default_value = "60s", value_parser = moment::duration)]
    timeout: Duration,
    /// JSON: one object a push
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists pushes, the newest first
    #[command(after_help = "Example:\n  fleetline push list --json")]
    List(List),
    /// One push with its report
    #[command(after_help = "Example:\n  fleetline push show 01a20548-f1c4-7fff-bfff-ffffffffffff")]
    Show(One),
    /// Sends no more commands of a push until it is resumed
    #[command(after_help = "Example:\n  fleetline push pause 01a20548-f1c4-7fff-bfff-ffffffffffff")]
    Pause(One),
    /// Resumes a paused push
    #[command(
        after_help = "Example:\n  fleetline push resume 01a20548-f1c4-7fff-bfff-ffffffffffff"
    )]
    Resume(One),
    /// Stops a push and cancels its undelivered commands
    #[command(after_help = "Example:\n  fleetline push abort 01a20548-f1c4-7fff-bfff-ffffffffffff")]
    Abort(One),
    /// Lists the runs of a push with a schedule, the newest first: made, failed, or missed
    #[command(after_help = "Example:\n  fleetline push runs 01a20548-f1c4-7fff-bfff-ffffffffffff")]
    Runs(Runs),
    /// Deletes an ended push, or ends and deletes one with a schedule; its commands stay
    #[command(
        after_help = "Example:\n  fleetline push delete 01a20548-f1c4-7fff-bfff-ffffffffffff"
    )]
    Delete(One),
}

#[derive(clap::Args, Debug)]
struct List {
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
}

#[derive(clap::Args, Debug)]
struct Runs {
    /// Its id, as sending and `list` print it
    id: String,
    #[command(flatten)]
    list: List,
}

#[derive(clap::Args, Debug)]
struct One {
    /// Its id, as sending and `list` print it
    id: String,
}

/// Sends, lists, shows or controls.
pub(in crate::cli) fn run(
    arguments: Arguments,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    let Arguments { what, file, dry_run, follow, reach, timeout, json } = arguments;
    let patience = Patience::Whole(timeout.max(Duration::from_millis(1)));
    let appliance = reach.appliance(sources, patience)?;
    let steer =
        |id: &str, how: &str| read(appliance.post(&["api", "v1", "pushes", id, how], &json!({})));
    match what {
        None => {
            send(&appliance, &request(&file.unwrap_or_default(), dry_run)?, follow, json, output)
        }
        Some(What::List(wanted)) => {
            let columns = ["id", "created", "name", "state", "next", "targeted", "open", "cause"];
            list(&appliance, &["api", "v1", "pushes"], &columns, wanted.limit, json, output)
        }
        Some(What::Runs(Runs { id, list: List { limit } })) => {
            let columns = ["at", "state", "targeted", "open", "ended", "cause"];
            let path = ["api", "v1", "pushes", &id, "runs"];
            list(&appliance, &path, &columns, limit, json, output)
        }
        Some(What::Delete(One { id })) => {
            let path = ["api", "v1", "pushes", &id];
            present(&read(appliance.delete(&path, &[]))?, json, output)
        }
        Some(What::Show(One { id })) => present(&one(&appliance, &id)?, json, output),
        Some(What::Pause(One { id })) => present(&steer(&id, "pause")?, json, output),
        Some(What::Resume(One { id })) => present(&steer(&id, "resume")?, json, output),
        Some(What::Abort(One { id })) => present(&steer(&id, "abort")?, json, output),
    }
}

/// Reads the request from a file.
fn request(file: &PathBuf, dry_run: bool) -> Result<Json, Failure> {
    let told = |error: String| Failure::Usage(format!("`{}`: {error}", file.display()));
    let mut text = String::new();
    let is_read = if file.as_os_str() == "-" {
        std::io::stdin().take(FILE_BYTES_MAX).read_to_string(&mut text)
    } else {
        open(file).and_then(|it| it.take(FILE_BYTES_MAX).read_to_string(&mut text))
    };
    is_read.map_err(|error| told(error.to_string()))?;
    let mut body: Json = serde_json::from_str(&text).map_err(|error| told(error.to_string()))?;
    if !body.is_object() {
        return Err(told("it is no JSON object".to_owned()));
    }
    if dry_run {
        body["dry-run"] = json!(true);
    }
    Ok(body)
}

#[expect(clippy::disallowed_methods, reason = "a file that the operator names, read once")]
fn open(file: &PathBuf) -> std::io::Result<fs::File> {
    fs::File::open(file)
}

fn one(appliance: &Appliance, id: &str) -> Result<Json, Failure> {
    read(appliance.get(&["api", "v1", "pushes", id], &[]))
}

fn send(
    appliance: &Appliance,
    body: &Json,
    follow: bool,
    is_json: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    let answer = read(appliance.post(&["api", "v1", "pushes"], body))?;
    if answer["rows"].is_array() {
        return trial(&answer, is_json, output);
    }
    if !follow {
        return present(&answer, is_json, output);
    }
    let id = answer["id"].as_str().unwrap_or_default().to_owned();
    if !is_json {
        output.line(format_args!("{}", visible(&id)))?;
    }
    let (mut push, mut told) = (answer, String::new());
    loop {
        let line = progress(&push);
        if line != told {
            complain(&line);
            told = line;
        }
        if has_ended(&push) {
            break;
        }
        std::thread::park_timeout(LOOK);
        push = one(appliance, &id)?;
    }
    present(&push, is_json, output)?;
    match push["state"].as_str() {
        Some("done") => Ok(()),
        state => Err(Failure::failed(Ended { state: state.unwrap_or_default().to_owned() })),
    }
}

/// The push that we followed has ended, but was not done.
#[derive(Debug, thiserror::Error)]
#[error("the push is {state}")]
struct Ended {
    state: String,
}

/// Whether its state is final.
fn has_ended(push: &Json) -> bool {
    let is_over = matches!(push["state"].as_str(), Some("done" | "aborted" | "failed"));
    is_over && push["open"] == 0
}

/// One line: its state, and the number of commands per state.
fn progress(push: &Json) -> String {
    let report = &push["report"];
    let counts: Vec<String> = report["states"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, count)| **count != 0)
        .map(|(state, count)| format!("{count} {}", visible(state)))
        .collect();
    let state = visible(push["state"].as_str().unwrap_or_default());
    format!("{state}: {} targeted; {}", report["targeted"], counts.join(", "))
}

/// A push, with its report as lines.
fn present(push: &Json, is_json: bool, output: &mut Output) -> Result<(), Failure> {
    if is_json {
        return output.json(push);
    }
    for name in ["id", "name", "state", "cause", "created", "by", "run", "next", "ended"] {
        if let Some(text) = push[name].as_str() {
            output.line(format_args!("{name:<14}{}", visible(text)))?;
        }
    }
    present_report(&push["report"], output)
}

fn present_report(report: &Json, output: &mut Output) -> Result<(), Failure> {
    let mut line = |name: &str, count: &Json| output.line(format_args!("{name:<14}{count}"));
    line("rows", &report["rows"])?;
    for (name, count) in report["left-out"].as_object().into_iter().flatten() {
        if *count != 0 {
            line(&visible(name), count)?;
        }
    }
    if report["unknown"] != 0 {
        line("unknown", &report["unknown"])?;
    }
    line("targeted", &report["targeted"])?;
    for (name, count) in report["states"].as_object().into_iter().flatten() {
        if *count != 0 {
            line(&format!("  {}", visible(name)), count)?;
        }
    }
    for (name, count) in report["verified"].as_object().into_iter().flatten() {
        if *count != 0 {
            line(&format!("verified {}", visible(name)), count)?;
        }
    }
    Ok(())
}

/// The result of a dry run: each vehicle with its command, then the report.
fn trial(answer: &Json, is_json: bool, output: &mut Output) -> Result<(), Failure> {
    if is_json {
        return output.json(answer);
    }
    let names = ["vehicle", "fields", "payload", "online", "known", "left-out", "error"];
    let rows = answer["rows"].as_array().into_iter().flatten();
    let rows: Vec<Row> = rows.map(|one| row(one, &names)).collect();
    draw(&texts(&names), &rows, output)?;
    if answer["more"] != 0 {
        complain(format_args!("{} vehicles more are not shown", answer["more"]));
    }
    for time in answer["next"].as_array().into_iter().flatten() {
        output.line(format_args!(
            "{:<14}{}",
            "next",
            visible(time.as_str().unwrap_or_default())
        ))?;
    }
    present_report(&answer["report"], output)
}

/// Pushes, or runs of one push: the last part of the path names which.
fn list(
    appliance: &Appliance,
    path: &[&str],
    columns: &[&str],
    limit: usize,
    is_json: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut listing = Listing::read(appliance, path, &[], limit)?;
    if !is_json {
        for one in &mut listing.found {
            one["targeted"] = one["report"]["targeted"].take();
        }
    }
    listing.present(&texts(columns), |one| row(one, columns), is_json, output)
}

/// Members of objects as string columns of the table.
fn texts(names: &[&str]) -> Vec<Column> {
    names.iter().map(|name| Column::new(*name, ValueType::String)).collect()
}

fn row(object: &Json, names: &[&str]) -> Row {
    let text = |name: &&str| match &object[*name] {
        Json::Null => Value::Null,
        Json::String(text) => Value::String(text.clone()),
        other => Value::String(other.to_string()),
    };
    names.iter().map(text).collect()
}
