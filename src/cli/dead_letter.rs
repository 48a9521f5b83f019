//! `dead-letter`: what was set aside, read without the lock.

use std::sync::Arc;

use clap::Subcommand;

use crate::{
    cli::{
        failure::Failure,
        moment,
        output::{Output, complain},
        present::visible,
    },
    config::{self, Sources},
    dead_letter::{self, Filter, Id, ListError},
    env::{Clock as _, SystemClock, disk::RealDisk},
    model::{Cause, DeadLetter},
    telemetry::Chain,
};

/// Bytes of a payload in a row of `show`.
const HEX_ROW: usize = 16;

/// What could not be decoded, mapped or accepted by the store
///
/// Reads the data directory without its lock, so an appliance may be running on it.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  fleetline dead-letter list --cause payload-truncated --since 1h
  fleetline dead-letter show 17-0 --json")]
pub(in crate::cli) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// All dead letters, oldest first, or those that match
    #[command(after_help = "Example:\n  fleetline dead-letter list --vehicle VIN1 --json")]
    List(Wanted),
    /// One dead letter whole, with its payload
    #[command(after_help = "Example:\n  fleetline dead-letter show 17-0")]
    Show {
        /// Its id, as `list` prints it
        id: Id,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args, Debug)]
struct Wanted {
    /// Only this cause
    #[arg(long)]
    cause: Option<Cause>,
    /// Only this vehicle
    #[arg(long)]
    vehicle: Option<String>,
    /// Only those set aside since: RFC 3339, or how long ago such as "1h"
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// There is no such letter; the operator lists them.
#[derive(Debug, thiserror::Error)]
#[error("there is no dead letter {id}; `fleetline dead-letter list` shows all")]
struct NoLetter {
    id: Id,
}

/// Lists or shows.
pub(in crate::cli) fn run(
    arguments: Arguments,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    let dir = config::load_offline(sources)?.dead_letter_dir();
    match arguments.what {
        What::List(wanted) => list(&dir, wanted, output),
        What::Show { id, json } => {
            let letter = dead_letter::find(Arc::new(RealDisk), &dir, id)
                .map_err(Failure::failed)?
                .ok_or_else(|| Failure::failed(NoLetter { id }))?;
            match json {
                true => output.line(dead_letter::to_json(id, &letter)),
                false => show(id, &letter, output),
            }
        }
    }
}

fn list(dir: &std::path::Path, wanted: Wanted, output: &mut Output) -> Result<(), Failure> {
    let now = SystemClock::start().wall();
    let since = wanted.since.map(|text| moment::parse(&text, now)).transpose()?;
    let Wanted { cause, vehicle, limit, json, .. } = wanted;
    let filter = Filter { cause, vehicle, since, until: None, limit };
    let letters = dead_letter::list(Arc::new(RealDisk), dir, filter).map_err(Failure::failed)?;
    let mut is_whole = true;
    for found in letters {
        match found {
            Ok((id, letter)) if json => output.line(dead_letter::to_json(id, &letter))?,
            Ok((id, letter)) => output.line(row(id, &letter))?,
            // The letters behind it still come.
            Err(error @ ListError::Letter { .. }) => {
                is_whole = false;
                complain(Chain(&error));
            }
            Err(error) => return Err(Failure::failed(error)),
        }
    }
    if is_whole { Ok(()) } else { Err(Failure::Told(1)) }
}

/// Id, time, cause, vehicle, where from, and what exactly; control characters made visible.
fn row(id: Id, letter: &DeadLetter) -> String {
    let from = letter.mapping.as_deref().or(letter.topic.as_deref()).unwrap_or("-");
    let vehicle = letter.vehicle.as_deref().unwrap_or("-");
    let time = letter.time.to_string();
    let text = format!("{id}  {time}  {}  {vehicle}  {from}  {}", letter.cause, letter.detail);
    visible(&text)
}

fn show(id: Id, letter: &DeadLetter, output: &mut Output) -> Result<(), Failure> {
    let mut field = |name: &str, value: Option<&str>| match value {
        Some(value) => output.line(format_args!("{name:<13}{}", visible(value))),
        None => Ok(()),
    };
    field("id", Some(&id.to_string()))?;
    field("time", Some(&letter.time.to_string()))?;
    field("vehicle", letter.vehicle.as_deref())?;
    field("topic", letter.topic.as_deref())?;
    field("content-type", letter.content_type.as_deref())?;
    field("mapping", letter.mapping.as_deref())?;
    field("cause", Some(letter.cause.as_str()))?;
    field("means", Some(letter.cause.explain()))?;
    field("detail", Some(&letter.detail))?;
    let line = letter.line.as_deref().map(String::from_utf8_lossy);
    field("line", line.as_deref())?;
    field("answer", letter.answer.as_deref())?;
    let Some(payload) = &letter.payload else { return Ok(()) };
    field("payload", Some(&format!("{} bytes", payload.len())))?;
    for (row, bytes) in payload.chunks(HEX_ROW).enumerate() {
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let text: String = bytes
            .iter()
            .map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' })
            .collect();
        let (offset, hex) = (row * HEX_ROW, hex.join(" "));
        output.line(format_args!("  {offset:08x}  {hex:<47}  {text}"))?;
    }
    Ok(())
}
