//! `check`: is everything that was written right?

use serde_json::json;

use super::online;
use crate::{
    app,
    cli::{
        failure::{Failure, schema_problems},
        output::{Output, complain},
    },
    config::{self, Problem, Sources},
    mapping::Plans,
    store::Target,
};

/// Checks the configuration, the schemas and the mappings, and tells everything that is wrong
///
/// Looks into the data directory, too, if there is one: whether it was made for another number of
/// shards, or by another version.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  fleetline check --config config/fleetline.toml
  fleetline check --config config/fleetline.toml --online")]
pub(in crate::cli) struct Arguments {
    /// Asks the store, too: reachable, authorised, database there; and holds descriptors and disk
    /// against the configuration
    #[arg(long)]
    online: bool,
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
    let mut warnings: Vec<String> = Vec::new();
    // Schemas are looked at even if the appliance could not start, as long as it is known where
    // they are.
    let offline = match config::load(sources) {
        Ok(resolved) => {
            warnings.extend(no_token(&resolved.store.target));
            if arguments.online {
                let found = online::look(&resolved);
                problems.extend(found.problems);
                warnings.extend(found.warnings);
            }
            Some(resolved.offline)
        }
        Err(errors) => {
            problems.extend(errors.problems().iter().map(Problem::to_string));
            config::load_offline(sources).ok()
        }
    };
    let mut mappings = 0;
    if let Some(offline) = offline {
        warnings.extend(offline.unknown_variables.iter().map(|name| no_key(name)));
        let dir = &offline.mapping.dir;
        match Plans::load(&offline.mapping) {
            Ok(plans) => {
                mappings = plans.plans().len();
                warnings.extend(schema_problems(dir, plans.warnings()));
                let unreached = plans.registry().problems_of_unreached();
                // While there is no mapping, nothing says which schemas matter: all are looked at.
                if mappings == 0 {
                    warnings.push(app::no_mappings(dir));
                    problems.extend(schema_problems(dir, &unreached));
                } else {
                    let told = schema_problems(dir, &unreached).into_iter();
                    warnings
                        .extend(told.map(|what| format!("{what} (no mapping needs this file)")));
                }
            }
            Err(errors) => problems.extend(schema_problems(dir, &errors.problems)),
        }
        problems.extend(app::look_into(&offline));
    }
    if arguments.json {
        let ok = problems.is_empty();
        output.json(
            &json!({ "ok": ok, "mappings": mappings, "problems": problems, "warnings": warnings }),
        )?;
    } else if problems.is_empty() {
        warnings.iter().for_each(|warning| complain(format_args!("warning: {warning}")));
        output.line(format_args!("all is well: {mappings} mappings"))?;
    } else {
        problems.iter().for_each(complain);
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure::Reported(2)) }
}

/// `InfluxDB` 2 asks everybody for a token.
fn no_token(target: &Target) -> Option<String> {
    let is_open = matches!(target, Target::InfluxDb2(options) if options.token.is_none());
    let text = "store.token: not set, and influxdb2 lets nobody write without one";
    is_open.then(|| text.to_owned())
}

/// What is said about an environment variable with our prefix that is no key.
pub(in crate::cli) fn no_key(variable: &str) -> String {
    format!("environment variable {variable} is no key of the configuration and is ignored")
}
