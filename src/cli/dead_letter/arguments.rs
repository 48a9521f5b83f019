//! The arguments of `dead-letter`.

use std::{path::PathBuf, time::Duration};

use clap::Subcommand;

use super::{delete, replay, show, summary};
use crate::{
    cli::{appliance::Reach, failure::Failure, moment, output::Output},
    config::Sources,
    env::{Clock as _, SystemClock},
    model::{Cause, LetterFilter, LetterId, UnixNanos},
};

/// Messages and points that could not be decoded, mapped or accepted by the store
///
/// `list`, `summary`, `show` and `export` read the data directory without its lock, so an appliance
/// may be running on it; `replay` and `delete` need the running appliance.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  fleetline dead-letter summary
  fleetline dead-letter list --cause payload-truncated --from 1h
  fleetline dead-letter show 17-0 --json
  fleetline dead-letter replay --mapping telemetry
  fleetline dead-letter delete --vehicle VIN1")]
pub(in crate::cli) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// All dead letters, oldest first, or those that match
    ///
    /// One a line: id, time, cause, vehicle, mapping, topic, detail, and the store's own words.
    #[command(after_help = "Example:\n  fleetline dead-letter list --vehicle VIN1 --json")]
    List(List),
    /// How many there are by cause and vehicle, and what to do about each cause
    #[command(after_help = "Examples:
  fleetline dead-letter summary
  fleetline dead-letter summary --from 1d --vehicles 100 --json")]
    Summary(Summary),
    /// One dead letter in full, with its payload
    #[command(after_help = "Example:\n  fleetline dead-letter show 17-0")]
    Show {
        /// Its id, as `list` prints it
        id: LetterId,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Exports matching dead letters as JSON lines, for other programs
    #[command(after_help = "Example:
  fleetline dead-letter export --cause time-invalid --output letters.jsonl")]
    Export {
        #[command(flatten)]
        wanted: Wanted,
        /// Writes to this new file, which must not exist, instead of standard output
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Replays matching dead letters through the schemas and mappings now in force
    ///
    /// For use after a schema or mapping was corrected. Messages keep their time of receipt; points
    /// that the store refused are sent unchanged. A letter that succeeds leaves the log once it is
    /// durable; one that fails again stays, with its new cause. Prints how many.
    #[command(after_help = "Examples:
  fleetline dead-letter replay --mapping telemetry --from 1d
  fleetline dead-letter replay --id 17-0
  fleetline dead-letter replay --all")]
    Replay(Change),
    /// Deletes matching dead letters from the running appliance for good, and frees their room
    ///
    /// Prints how many. Look at them with `list` and the same options first.
    #[command(after_help = "Examples:
  fleetline dead-letter delete --cause payload-truncated --to 7d
  fleetline dead-letter delete --id 17-0 --id p3-2
  fleetline dead-letter delete --all")]
    Delete(Change),
}

/// Which letters; an option that is given several times means any of its values.
#[derive(clap::Args, Debug)]
pub(super) struct Wanted {
    /// Only this cause (may repeat)
    #[arg(long)]
    cause: Vec<Cause>,
    /// Only this vehicle (may repeat)
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    vehicle: Vec<String>,
    /// Only this mapping (may repeat)
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    mapping: Vec<String>,
    /// Only letters set aside at or after: RFC 3339, or how long ago such as "1h"
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// Only letters set aside before
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<String>,
    /// Only the letter with this id (may repeat)
    #[arg(long)]
    id: Vec<LetterId>,
}

#[derive(clap::Args, Debug)]
pub(super) struct List {
    #[command(flatten)]
    pub(super) wanted: Wanted,
    /// At most this many
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<usize>,
    /// One JSON object a line
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(clap::Args, Debug)]
pub(super) struct Summary {
    #[command(flatten)]
    pub(super) wanted: Wanted,
    /// How many vehicles to name for each cause, those with the most letters first
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(super) vehicles: usize,
    /// One JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(clap::Args, Debug)]
pub(super) struct Change {
    #[command(flatten)]
    pub(super) wanted: Wanted,
    /// All of them; required without another filter
    #[arg(long)]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) reach: Reach,
    /// How long the answer may take
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = moment::duration)]
    pub(super) timeout: Duration,
    /// One JSON object
    #[arg(long)]
    pub(super) json: bool,
}

impl Wanted {
    /// As a filter of the dead-letter log.
    pub(super) fn filter(self, now: UnixNanos) -> Result<LetterFilter, Failure> {
        let moment = |text: Option<String>| text.map(|text| moment::parse(&text, now)).transpose();
        let filter = LetterFilter {
            causes: self.cause,
            vehicles: self.vehicle,
            mappings: self.mapping,
            from: moment(self.from)?,
            to: moment(self.to)?,
            ids: self.id.into_iter().collect(),
        };
        match (filter.from, filter.to) {
            (Some(from), Some(to)) if from >= to => {
                Err(Failure::Usage("--from is not before --to".to_owned()))
            }
            _ => Ok(filter),
        }
    }
}

impl Change {
    /// As a filter of the dead-letter log; all letters only with `--all`.
    pub(super) fn filter(wanted: Wanted, all: bool) -> Result<LetterFilter, Failure> {
        let filter = wanted.filter(SystemClock::start().wall())?;
        let text = match (filter.is_all(), all) {
            (true, false) => "nothing says which dead letters; --all means all of them",
            (false, true) => "--all does not go with an option that says which",
            _ => return Ok(filter),
        };
        Err(Failure::Usage(text.to_owned()))
    }
}

/// Runs the subcommand.
pub(in crate::cli) fn run(
    arguments: Arguments,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    match arguments.what {
        What::List(list) => show::list(list, sources, output),
        What::Summary(summary) => summary::run(summary, sources, output),
        What::Show { id, json } => show::one(id, json, sources, output),
        What::Export { wanted, output: file } => show::export(wanted, file, sources, output),
        What::Replay(replay) => replay::run(replay, sources, output),
        What::Delete(delete) => delete::run(delete, sources, output),
    }
}
