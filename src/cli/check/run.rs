//! `check`: finds errors in configuration, schemas and mappings.

use std::{path::PathBuf, sync::Arc};

use serde_json::json;

use super::{online, rules};
use crate::{
    app,
    auth::{FileProblem, ServerTls, check_files},
    cli::{
        failure::{Failure, schema_problems},
        output::{Output, complain},
        trial::{self, Trial},
    },
    config::{self, Offline, Problem, Sources, TlsOptions},
    downlink::check_queries,
    env::{Clock, SystemClock},
    mapping::Plans,
    store::{self, Target},
    uplink::{Message, Sender},
};

/// Checks the configuration, the schemas and the mappings, and reports every error
///
/// Also checks an existing data directory: whether it was made for another number of shards, or by
/// another version.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  fleetline check --config config/fleetline.toml
  fleetline check --config config/fleetline.toml --online
  fleetline check --payload sample.bin --topic vehicles/VIN1/telemetry
  fleetline check --rules VIN1 subscribe 'vehicles/VIN1/#'")]
pub(in crate::cli) struct Arguments {
    /// Also checks the store: whether it is reachable, authorises us, has the database, and has the
    /// mappings' field types (not the embedded one); and whether descriptors and disk suffice for
    /// the configuration
    #[arg(long)]
    online: bool,
    /// Tries a payload file against the mappings (may repeat)
    #[arg(long, value_name = "FILE", requires = "topic")]
    payload: Vec<PathBuf>,
    /// The topic of the payloads
    #[arg(long, requires = "payload")]
    topic: Option<String>,
    /// The content type of an MQTT 5.0 message
    #[arg(long, value_name = "TYPE", requires = "payload")]
    content_type: Option<String>,
    /// Only prints which access rule decides what a user may do: a user name (`-`: anonymous),
    /// publish or subscribe, and a topic or filter; exit code 1 if it is refused
    #[arg(long, num_args = 3, value_names = ["USER", "ACTION", "TOPIC"],
          conflicts_with_all = ["online", "payload"], allow_hyphen_values = true)]
    rules: Option<Vec<String>>,
    /// The client identifier for --rules; default: the user name
    #[arg(long, value_name = "ID", requires = "rules")]
    client_id: Option<String>,
    /// One JSON object: the result, every problem and every warning
    #[arg(long)]
    json: bool,
}

/// Prints the errors on standard error, one problem a line, or that there are none. What is allowed
/// and most likely not intended is a `warning:` line there and no failure.
pub(in crate::cli) fn run(
    arguments: &Arguments,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    if let Some(question) = &arguments.rules {
        let client_id = arguments.client_id.as_deref();
        return rules::explain(question, client_id, sources, arguments.json, output);
    }
    let mut problems: Vec<String> = Vec::new();
    let mut warnings: Vec<String> = Vec::new();
    // Schemas are checked even if the appliance could not start, as long as their folder is known.
    let offline = match config::load(sources) {
        Ok(resolved) => {
            warnings.extend(no_token(&resolved.store.target));
            warnings.extend(idle_servers(&resolved.store));
            check_certificates(&resolved.tls, &mut problems, &mut warnings);
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
    let mut trials = Vec::new();
    if let Some(offline) = offline {
        warnings.extend(offline.unknown_variables.iter().map(|name| no_key(name)));
        let dir = &offline.mapping.dir;
        match Plans::load(&offline.mapping) {
            Ok(plans) => {
                mappings = plans.plans().len();
                warnings.extend(schema_problems(dir, plans.warnings()));
                let (wrong, doubtful) = check_queries(&plans);
                problems.extend(schema_problems(dir, &wrong));
                warnings.extend(schema_problems(dir, &doubtful));
                let unreached = plans.registry().problems_of_unreached();
                // Without a mapping it is unknown which schemas matter: all are checked.
                if mappings == 0 {
                    warnings.push(app::no_mappings(dir));
                    problems.extend(schema_problems(dir, &unreached));
                } else {
                    let told = schema_problems(dir, &unreached).into_iter();
                    warnings
                        .extend(told.map(|what| format!("{what} (no mapping needs this file)")));
                }
                trials = tried(arguments, &offline, &plans)?;
            }
            Err(errors) => problems.extend(schema_problems(dir, &errors.problems)),
        }
        for wrong in check_files(&offline.auth) {
            problems.push(wrong.to_string());
        }
        problems.extend(app::check_data_dir(&offline));
    }
    for (file, trial) in &trials {
        let told = |text: &String| format!("{file}: {text}");
        warnings.extend(trial.notes.iter().map(told));
    }
    let payloads_ok = trials.iter().all(|(_, trial)| trial.problems.is_empty());
    let told = Told { mappings, problems, warnings, trials, payloads_ok };
    told.tell(arguments, output)?;
    match (told.problems.is_empty(), payloads_ok) {
        (false, _) => Err(Failure::Reported(2)),
        (true, false) => Err(Failure::Reported(1)),
        (true, true) => Ok(()),
    }
}

/// Everything that is printed.
struct Told {
    mappings: usize,
    problems: Vec<String>,
    warnings: Vec<String>,
    trials: Vec<(String, Trial)>,
    payloads_ok: bool,
}

impl Told {
    fn tell(&self, arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
        let Self { mappings, problems, warnings, trials, payloads_ok } = self;
        if arguments.json {
            let payloads = trials.iter().map(|(file, trial)| {
                json!({ "file": file, "points": trial.points, "problems": trial.problems })
            });
            output.json(&json!({
                "ok": problems.is_empty() && *payloads_ok,
                "mappings": mappings,
                "problems": problems,
                "warnings": warnings,
                "payloads": payloads.collect::<Vec<_>>(),
            }))?;
            return Ok(());
        }
        warnings.iter().for_each(|warning| complain(format_args!("warning: {warning}")));
        if problems.is_empty() {
            output.line(format_args!("all is well: {mappings} mappings"))?;
            for (file, trial) in trials {
                let told = |problem: &String| complain(format_args!("{file}: {problem}"));
                trial.problems.iter().for_each(told);
                if trial.problems.is_empty() {
                    output.line(format_args!("{file}: {} points", trial.points))?;
                }
            }
        } else {
            problems.iter().for_each(complain);
        }
        Ok(())
    }
}

/// The payloads to try, each with its result.
fn tried(
    arguments: &Arguments,
    offline: &Offline,
    plans: &Plans,
) -> Result<Vec<(String, Trial)>, Failure> {
    let Some(topic) = &arguments.topic else { return Ok(Vec::new()) };
    let received_at = SystemClock::start().wall();
    let content_type = arguments.content_type.as_deref();
    let mut trials = Vec::new();
    for file in &arguments.payload {
        let payload = trial::read(file)?;
        let message = Message {
            topic,
            payload: &payload,
            content_type,
            sender: Sender::Unchecked,
            received_at,
        };
        trials.push((file.display().to_string(), trial::run(plans, &offline.limits, &message)));
    }
    Ok(trials)
}

/// Whether TLS works with the named files.
fn check_certificates(
    options: &TlsOptions,
    problems: &mut Vec<String>,
    warnings: &mut Vec<String>,
) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    for files in options.mqtt.iter().chain(&options.http) {
        match ServerTls::load(files, &clock) {
            Ok(tls) => warnings.extend(tls.warnings),
            Err(wrong) => problems.extend(wrong.0.iter().map(FileProblem::to_string)),
        }
    }
}

/// `InfluxDB` 2 requires a token.
fn no_token(target: &Target) -> Option<String> {
    let is_open = matches!(target, Target::InfluxDb2(options) if options.token.is_none());
    let text = "store.token: not set, and influxdb2 lets nobody write without one";
    is_open.then(|| text.to_owned())
}

/// More servers than shards: the further ones get no data.
fn idle_servers(store: &store::Options) -> Option<String> {
    let (n_urls, n_shards) = (store.urls.len(), store.shards.as_usize());
    let text = format!(
        "store.urls: {n_urls} addresses and spool.shards = {n_shards}: a shard goes to one of them, \
         so that {} get no points",
        n_urls.saturating_sub(n_shards)
    );
    (n_urls > n_shards).then_some(text)
}

/// The message about an environment variable with our prefix that is no key.
pub(in crate::cli) fn no_key(variable: &str) -> String {
    format!("environment variable {variable} is no key of the configuration and is ignored")
}
