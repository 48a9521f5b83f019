//! `check`: is everything that was written right?

use serde_json::json;

use crate::{
    cli::{
        failure::{Failure, schema_problems},
        output::{Output, complain},
    },
    config::{self, Problem, Sources},
    mapping::Plans,
};

/// Checks the configuration, the schemas and the mappings, and tells everything that is wrong
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  fleetline check --config config/fleetline.toml")]
pub(in crate::cli) struct Arguments {
    /// One JSON object: whether all is well, every problem and every warning
    #[arg(long)]
    json: bool,
}

/// Says what is wrong on standard error, one problem a line, or that nothing is. What is allowed
/// and most likely not meant is a `warning:` line there and no failure.
pub(in crate::cli) fn run(
    arguments: &Arguments,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut problems: Vec<String> = Vec::new();
    // Schemas are looked at even if the appliance could not start, as long as it is known where
    // they are.
    let offline = match config::load(sources) {
        Ok(resolved) => Some(resolved.offline),
        Err(errors) => {
            problems.extend(errors.problems().iter().map(Problem::to_string));
            config::load_offline(sources).ok()
        }
    };
    let mut mappings = 0;
    let mut warnings: Vec<String> = Vec::new();
    if let Some(offline) = offline {
        match Plans::load(&offline.mapping) {
            Ok(plans) => {
                mappings = plans.plans().len();
                warnings = schema_problems(&offline.mapping.dir, plans.warnings());
            }
            Err(errors) => problems.extend(schema_problems(&offline.mapping.dir, &errors.problems)),
        }
    }
    if !arguments.json {
        warnings.iter().for_each(|warning| complain(format_args!("warning: {warning}")));
    }
    if arguments.json {
        let ok = problems.is_empty();
        output.json(
            &json!({ "ok": ok, "mappings": mappings, "problems": problems, "warnings": warnings }),
        )?;
    } else if problems.is_empty() {
        output.line(format_args!("all is well: {mappings} mappings"))?;
    } else {
        problems.iter().for_each(complain);
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure::Told(2)) }
}
