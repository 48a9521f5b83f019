//! `check`: is everything that was written right?

use serde_json::json;

use crate::{
    cli::{
        failure::Failure,
        output::{Output, complain},
    },
    config::{self, Problem, Sources},
};

/// Checks the configuration, the schemas and the mappings, and tells everything that is wrong
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  fleetline check --config config/fleetline.toml")]
pub(in crate::cli) struct Arguments {
    /// One JSON object: whether all is well, and every problem
    #[arg(long)]
    json: bool,
}

/// Says what is wrong on standard error, one problem a line, or that nothing is.
pub(in crate::cli) fn run(
    arguments: &Arguments,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    let problems: Vec<String> = match config::load(sources) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.problems().iter().map(Problem::to_string).collect(),
    };
    if arguments.json {
        output.json(&json!({ "ok": problems.is_empty(), "problems": problems }))?;
    } else if problems.is_empty() {
        output.line("the configuration is right")?;
    } else {
        problems.iter().for_each(complain);
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure::Told(2)) }
}
