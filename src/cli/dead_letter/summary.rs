//! Counts letters, read without the lock.

use super::{arguments::Summary as Arguments, show::read};
use crate::{
    cli::{failure::Failure, output::Output, present::visible},
    config::Sources,
    dead_letter::{CauseSummary, Remedy, Summary, summarize},
};

/// Prints how many letters there are by cause and vehicle, and what to do.
pub(super) fn run(
    arguments: Arguments,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    let Arguments { wanted, vehicles, json } = arguments;
    let summary = summarize(read(wanted, sources)?, vehicles).map_err(Failure::failed)?;
    if json {
        return output.json(&summary);
    }
    let Summary { letters, unread, causes } = summary;
    output.line(format_args!("{letters} dead letters"))?;
    for cause in &causes {
        tell(cause, output)?;
    }
    if unread > 0 {
        output.line(format_args!("{unread} more were written by a newer version"))?;
    }
    match letters {
        0 => Ok(()),
        _ => output.line("those past mending: fleetline dead-letter delete --cause CAUSE"),
    }
}

fn tell(cause: &CauseSummary, output: &mut Output) -> Result<(), Failure> {
    let CauseSummary { cause: name, means, letters, first, last, .. } = cause;
    output.line(format_args!("\n{name}: {letters}, from {first} to {last}"))?;
    let Remedy { mend, show, heal } = &cause.remedy;
    for (label, text) in [
        ("means", *means),
        ("vehicles", &vehicles(cause)),
        ("mend", mend),
        ("show", show),
        ("heal", heal),
    ] {
        output.line(format_args!("  {label:<10}{}", visible(text)))?;
    }
    Ok(())
}

/// Each vehicle with the number of its letters, and all others together.
fn vehicles(cause: &CauseSummary) -> String {
    let CauseSummary { vehicles, other_vehicles, without_vehicle, .. } = cause;
    let named = vehicles.iter().map(|of| format!("{} {}", of.vehicle, of.letters));
    let rest = [("others", other_vehicles), ("without a vehicle", without_vehicle)];
    let rest = rest.into_iter().filter(|(_, letters)| **letters > 0);
    let rest = rest.map(|(whose, letters)| format!("{whose} {letters}"));
    named.chain(rest).collect::<Vec<_>>().join(", ")
}
