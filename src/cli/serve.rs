//! `serve`: runs the appliance until it is asked to stop.

use std::{path::PathBuf, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::{
    app::{self, Ready, RunError, Stopped, Until},
    cli::{
        check,
        failure::Failure,
        moment,
        output::{Output, complain},
    },
    config::{self, Sources},
    env::{Clock as _, SystemClock},
    mqtt::Transport,
    telemetry::{Chain, LogFormat, log},
};

/// Runs the appliance: vehicles in, lines out
///
/// Prints one line to standard output when every listener is up; the log goes to standard error.
/// SIGTERM or SIGINT drains and ends it, a second one ends it at once; SIGHUP reloads schemas,
/// mappings, certificates and the files of `[auth]`.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  fleetline serve --config config/fleetline.toml
  fleetline serve --set store.kind=influxdb1 --set store.urls=http://127.0.0.1:8086 \\
      --set store.database=telemetry --drain 30s")]
pub(in crate::cli) struct Arguments {
    /// How long a stop may take to ship what waits for the store
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = moment::duration)]
    drain: Duration,
}

/// A thread of ours ended by itself. A restart recovers; the log says what happened.
#[derive(Debug, thiserror::Error)]
#[error("the thread `{name}` ended by itself; what was acknowledged is in the spool")]
struct ThreadDied {
    name: String,
}

/// Exit code 0 after a requested stop, 1 if it could not start or halted, 2 if the configuration or
/// a file is wrong.
pub(in crate::cli) fn run(
    arguments: &Arguments,
    sources: &Sources,
    output: &mut Output,
) -> Result<(), Failure> {
    let ended = serve(arguments, sources, output);
    ended.map_err(|failure| match config::log_format(sources) {
        LogFormat::Text => failure,
        LogFormat::Json => logged(&failure),
    })
}

fn serve(arguments: &Arguments, sources: &Sources, output: &mut Output) -> Result<(), Failure> {
    let resolved = config::load(sources)?;
    log::start(&resolved.offline.log).map_err(Failure::failed)?;
    for variable in &resolved.offline.unknown_variables {
        tracing::warn!("{}", check::no_key(variable));
    }
    raise_descriptor_limit();
    let on_ready = |ready: &Ready| {
        if let Err(failure) = announce(ready, output) {
            tracing::warn!(%failure, "nobody hears that we are ready");
        }
    };
    let ended = app::run(&resolved, arguments.drain, Until::Signals, on_ready);
    outcome(ended, resolved.offline.mapping.dir).map(drop)
}

/// A failure as JSON log lines, even if there is no log yet: a log collector reads nothing else.
/// One line a problem, in the usual format.
fn logged(failure: &Failure) -> Failure {
    let micros = SystemClock::start().wall().0 / 1000;
    let timestamp = jiff::Timestamp::from_microsecond(micros).unwrap_or_default().to_string();
    for message in failure.message().iter().flat_map(|text| text.lines()) {
        let (level, target) = ("ERROR", module_path!());
        complain(json!({
            "timestamp": timestamp, "level": level, "message": message, "target": target,
        }));
    }
    Failure::Reported(failure.exit_code())
}

/// Converts the end of an appliance into the command's result; `schemas` is the folder of schemas.
pub(in crate::cli) fn outcome(
    ended: Result<Stopped, RunError>,
    schemas: PathBuf,
) -> Result<Stopped, Failure> {
    match ended {
        Ok(Stopped::ThreadDied { name }) => Err(Failure::failed(ThreadDied { name })),
        Ok(asked @ Stopped::Asked { .. }) => Ok(asked),
        Err(RunError::Schemas(errors)) => Err(Failure::Schemas(schemas, errors)),
        Err(RunError::Auth(problems)) => Err(Failure::Files(problems)),
        Err(error) => Err(Failure::failed(error)),
    }
}

fn announce(ready: &Ready, output: &mut Output) -> Result<(), Failure> {
    let mut line = "fleetline ready".to_owned();
    for transport in Transport::ALL {
        let addresses: Vec<String> = ready.addresses(transport).map(|a| a.to_string()).collect();
        if !addresses.is_empty() {
            line.push_str(&format!(" {}={}", transport.scheme(), addresses.join(",")));
        }
    }
    output.line(format_args!("{line} http={}", ready.http))?;
    output.flush()
}

/// Every vehicle needs a file descriptor, and the usual soft limit of 1,024 exists for programs
/// that use `select`.
pub(in crate::cli) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        Ok(()) => tracing::debug!(limit = ?limit.maximum, "raised the limit of descriptors"),
        Err(error) => {
            tracing::warn!(error = %Chain(&error), "cannot raise the limit of descriptors");
        }
    }
}
