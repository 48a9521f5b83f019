//! Settings → the options of every stage.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{
    auth,
    config::{
        check::{self, Findings, Scope},
        lower::{self, lower, lower_offline},
        problem::{Problem, ResolveErrors},
        settings::Settings,
        source,
    },
    dead_letter, downlink, http, mapping,
    model::{LineDialect, ShardCount, ShardId},
    mqtt, query, sessions, sink, spool, store,
    telemetry::{LogFormat, LogOptions},
    uplink,
};

/// The options of every stage of an appliance that will run.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The options that commands need which only read files.
    pub offline: Offline,
    /// The edge for vehicles (MQTT).
    pub mqtt: mqtt::Options,
    /// The TLS files.
    pub tls: TlsOptions,
    /// Between the listeners for vehicles and the disk: decoding and mapping.
    pub uplink: uplink::Options,
    /// The edge for operators (HTTP).
    pub http: http::Options,
    /// MQTT sessions and retained messages.
    pub sessions: sessions::Options,
    /// The limits of queries.
    pub query: query::Options,
    /// The spools.
    pub spool: SpoolOptions,
    /// The store.
    pub store: store::Options,
    /// Shipping of points to the store.
    pub sink: sink::Options,
    /// The dead letters.
    pub dead_letter: dead_letter::Options,
    /// Commands to vehicles.
    pub downlink: downlink::Options,
}

/// The TLS files of both edges; `None` without a TLS listener.
#[derive(Clone, Debug)]
pub struct TlsOptions {
    /// For vehicles.
    pub mqtt: Option<auth::TlsFiles>,
    /// For operators.
    pub http: Option<auth::TlsFiles>,
}

/// The options of all spools together.
#[derive(Clone, Debug)]
pub struct SpoolOptions {
    /// Their folder, with one subfolder a shard.
    pub dir: PathBuf,
    /// The dialect of new entries.
    pub dialect: LineDialect,
    /// Bytes of a segment file.
    pub segment_bytes_max: u64,
    /// Bytes on disk over all shards, for [`spool::Budget::new`].
    pub bytes_max: u64,
    /// How long confirmed segments are held, for [`spool::Budget::holding`].
    pub hold: Duration,
    /// The options of each shard's commit thread.
    pub commit: spool::CommitOptions,
}

impl SpoolOptions {
    /// The options to open one shard's spool.
    #[must_use]
    pub fn shard(&self, shard: ShardId, budget: Arc<spool::Budget>) -> spool::Options {
        spool::Options {
            dir: shard_dir(&self.dir, shard),
            dialect: self.dialect,
            segment_bytes_max: self.segment_bytes_max,
            budget,
        }
    }
}

/// The folder of one shard's spool.
#[must_use]
pub fn shard_dir(spools: &Path, shard: ShardId) -> PathBuf {
    spools.join(shard.0.to_string())
}

/// The options of a command that reads files but runs no appliance; they need no store.
#[derive(Clone, Debug)]
pub struct Offline {
    /// The folder for all data that must survive a restart.
    pub data_dir: PathBuf,
    /// Environment variables with our prefix that are no keys: allowed, and most likely not
    /// intended.
    pub unknown_variables: Vec<String>,
    /// The number of spools in the data directory.
    pub shards: ShardCount,
    /// The dialect of lines: that of the store, or the one that every store accepts if none is
    /// configured.
    pub dialect: LineDialect,
    /// The folder of schemas and mappings.
    pub mapping: mapping::Options,
    /// Authentication and access rules.
    pub auth: auth::Options,
    /// The limits of one message.
    pub limits: uplink::Limits,
    /// The log of this process.
    pub log: LogOptions,
}

impl Offline {
    /// The folder of the spools, with one subfolder a shard.
    #[must_use]
    pub fn spool_dir(&self) -> PathBuf {
        self.data_dir.join("spool")
    }

    /// The folder of the dead letters.
    #[must_use]
    pub fn dead_letter_dir(&self) -> PathBuf {
        self.data_dir.join("dead-letter")
    }

    /// The folder of the commands.
    #[must_use]
    pub fn downlink_dir(&self) -> PathBuf {
        self.data_dir.join("downlink")
    }
}

/// The sources of a configuration, besides the environment.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// `--set` arguments, each `key=value`.
    pub set: Vec<String>,
}

/// Reads the configuration of an appliance.
///
/// # Errors
/// All problems at once; the operator corrects each line (exit code 2).
pub fn load(sources: &Sources) -> Result<Resolved, ResolveErrors> {
    let (settings, findings) = read(sources, Scope::Appliance)?;
    Ok(lower(&settings, &findings))
}

/// Reads the configuration for a command that only reads files.
///
/// # Errors
/// As [`load`], but a store is not required and listeners are not checked.
pub fn load_offline(sources: &Sources) -> Result<Offline, ResolveErrors> {
    let (settings, _) = read(sources, Scope::Offline)?;
    Ok(lower_offline(&settings))
}

/// The requested format of the log, as far as a configuration with errors contains it.
#[must_use]
pub fn log_format(sources: &Sources) -> LogFormat {
    let (mut settings, mut problems) = (Settings::default(), Vec::new());
    write_layers(sources, &mut settings, &mut problems);
    lower::log_format(&settings)
}

fn read(sources: &Sources, scope: Scope) -> Result<(Settings, Findings), ResolveErrors> {
    let (mut settings, mut problems) = (Settings::default(), Vec::new());
    write_layers(sources, &mut settings, &mut problems);
    finish(settings, problems, scope)
}

/// File, then environment, then arguments.
fn write_layers(sources: &Sources, settings: &mut Settings, problems: &mut Vec<Problem>) {
    if let Some(path) = &sources.file {
        source::read_file(path, settings, problems);
    }
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    source::read_variables(variables, settings, problems);
    source::read_arguments(&sources.set, settings, problems);
}

/// The same for a text in memory; `name` replaces the file's path in problems.
#[cfg(test)]
pub(super) fn read_text(
    name: &str,
    text: &str,
    variables: &[(&str, &str)],
    set: &[&str],
) -> Result<Resolved, ResolveErrors> {
    let mut settings = Settings::default();
    let mut problems = Vec::new();
    source::read_toml(name, text, &mut settings, &mut problems);
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let set: Vec<String> = set.iter().map(|&argument| argument.to_owned()).collect();
    source::read_variables(variables, &mut settings, &mut problems);
    source::read_arguments(&set, &mut settings, &mut problems);
    let (settings, findings) = finish(settings, problems, Scope::Appliance)?;
    Ok(lower(&settings, &findings))
}

/// Checks that need all layers.
fn finish(
    settings: Settings,
    mut problems: Vec<Problem>,
    scope: Scope,
) -> Result<(Settings, Findings), ResolveErrors> {
    let findings = check::check(&settings, scope, &mut problems);
    if problems.is_empty() { Ok((settings, findings)) } else { Err(ResolveErrors(problems)) }
}
