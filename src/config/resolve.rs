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

/// The options of every stage of an appliance that is to run.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// What commands that only read files need, too.
    pub offline: Offline,
    /// The vehicle edge.
    pub mqtt: mqtt::Options,
    /// What TLS works with.
    pub tls: TlsOptions,
    /// What lies between vehicles and disk.
    pub uplink: uplink::Options,
    /// The operator edge.
    pub http: http::Options,
    /// What outlives connections.
    pub sessions: sessions::Options,
    /// The bounds of questions.
    pub query: query::Options,
    /// The spools.
    pub spool: SpoolOptions,
    /// The database.
    pub store: store::Options,
    /// What brings points to it.
    pub sink: sink::Options,
    /// What is set aside.
    pub dead_letter: dead_letter::Options,
    /// Commands to vehicles.
    pub downlink: downlink::Options,
}

/// The files of TLS of both edges; `None` where no listener speaks it.
#[derive(Clone, Debug)]
pub struct TlsOptions {
    /// For vehicles.
    pub mqtt: Option<auth::TlsFiles>,
    /// For operators.
    pub http: Option<auth::TlsFiles>,
}

/// What all spools share.
#[derive(Clone, Debug)]
pub struct SpoolOptions {
    /// Where they lie, one folder a shard.
    pub dir: PathBuf,
    /// The dialect of new entries.
    pub dialect: LineDialect,
    /// Bytes of a segment file.
    pub segment_bytes_max: u64,
    /// Bytes on disk over all shards, for [`spool::Budget::new`].
    pub bytes_max: u64,
    /// How long confirmed segments are held, for [`spool::Budget::holding`].
    pub hold: Duration,
    /// How each shard's commit thread works.
    pub commit: spool::CommitOptions,
}

impl SpoolOptions {
    /// What one shard's spool is opened with.
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

/// What a command needs that reads files but runs no appliance; it does not ask for a store.
#[derive(Clone, Debug)]
pub struct Offline {
    /// Where everything lies that must survive a restart.
    pub data_dir: PathBuf,
    /// Environment variables with our prefix that are no keys: allowed, and most likely not meant.
    pub unknown_variables: Vec<String>,
    /// How many spools the data directory has.
    pub shards: ShardCount,
    /// The dialect that lines are written in: the store's, or the one that every store reads if
    /// none is configured.
    pub dialect: LineDialect,
    /// Where schemas and mappings are.
    pub mapping: mapping::Options,
    /// Who may come in.
    pub auth: auth::Options,
    /// The bounds of one message.
    pub limits: uplink::Limits,
    /// The log of this process.
    pub log: LogOptions,
}

impl Offline {
    /// Where the spools lie, one folder a shard.
    #[must_use]
    pub fn spool_dir(&self) -> PathBuf {
        self.data_dir.join("spool")
    }

    /// Where the dead letters lie.
    #[must_use]
    pub fn dead_letter_dir(&self) -> PathBuf {
        self.data_dir.join("dead-letter")
    }

    /// Where the commands lie.
    #[must_use]
    pub fn downlink_dir(&self) -> PathBuf {
        self.data_dir.join("downlink")
    }
}

/// Where a configuration is written, besides the environment.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file, if one is named.
    pub file: Option<PathBuf>,
    /// `--set` arguments, each `key=value`.
    pub set: Vec<String>,
}

/// Reads the configuration of an appliance.
///
/// # Errors
/// Everything that is wrong with it, at once; the operator mends each line (exit code 2).
pub fn load(sources: &Sources) -> Result<Resolved, ResolveErrors> {
    let (settings, findings) = read(sources, Scope::Appliance)?;
    Ok(lower(&settings, &findings))
}

/// Reads the configuration for a command that only reads files.
///
/// # Errors
/// As [`load`], without asking for a store or looking at listeners.
pub fn load_offline(sources: &Sources) -> Result<Offline, ResolveErrors> {
    let (settings, _) = read(sources, Scope::Offline)?;
    Ok(lower_offline(&settings))
}

/// The shape in which a log was asked for, as far as a configuration that may be wrong says it.
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

/// The same for a text at hand; `name` stands for the file's path in problems.
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

/// What no layer can tell by itself.
fn finish(
    settings: Settings,
    mut problems: Vec<Problem>,
    scope: Scope,
) -> Result<(Settings, Findings), ResolveErrors> {
    let findings = check::check(&settings, scope, &mut problems);
    if problems.is_empty() { Ok((settings, findings)) } else { Err(ResolveErrors(problems)) }
}
