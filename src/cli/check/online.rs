//! What `check --online` checks on the store and on the machine.

use std::{path::Path, sync::Arc, time::Duration};

use rustix::{
    fs::{Access, access},
    process::{Resource, getrlimit},
};

use super::types;
use crate::{
    config::Resolved,
    env::{Clock, Supervisor, SystemClock, disk::RealDisk},
    store::{Kind, Store, Verdict},
    telemetry::{Chain, HealthBoard, Metrics},
};

/// How long a store may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// File descriptors for everything except connections of vehicles.
const OTHER_DESCRIPTORS: u64 = 256;

/// The possible answers of a store to a request without any line, after successful authentication
/// and if the database exists: besides a success, these texts.
const EMPTY_WORDS: [&str; 4] =
    ["requires points", "incoming write was empty", "lines is null", "line num is invalid"];

/// The findings.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) problems: Vec<String>,
    pub(super) warnings: Vec<String>,
}

/// Checks the store, and compares the machine with the configuration.
pub(super) fn look(resolved: &Resolved) -> Found {
    let mut found = Found::default();
    store(resolved, &mut found);
    let dir = &resolved.offline.data_dir;
    writable(dir, &mut found);
    room(resolved, dir, &mut found);
    descriptors(resolved, &mut found);
    found
}

/// Whether each server is reachable, authorises us and has the database: a write without lines.
fn store(resolved: &Resolved, found: &mut Found) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return found.problems.push(format!("cannot ask the store: {error}")),
    };
    if resolved.store.target.kind() == Kind::Embedded {
        // It is in the data directory, and may be open.
        return runtime.block_on(types::look_into_files(resolved, found));
    }
    let mut options = resolved.store.clone();
    options.request_timeout = options.request_timeout.min(ANSWER_MAX);
    options.connect_timeout = options.connect_timeout.min(ANSWER_MAX);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let metrics = Arc::new(Metrics::new(HealthBoard::default()));
    let store = match Store::new(&options, clock, metrics, &Supervisor::default()) {
        Ok(store) => Arc::new(store),
        Err(error) => return found.problems.push(Chain(&error).to_string()),
    };
    let before = found.problems.len();
    for (endpoint, url) in options.urls.iter().enumerate() {
        let reason = match runtime.block_on(store.write_empty(endpoint)) {
            Verdict::Accepted | Verdict::Partial { .. } => continue,
            Verdict::Rejected { answer, .. }
            | Verdict::Doubtful { answer }
            | Verdict::MeasurementRejected { answer } => answer,
            Verdict::Halted { reason }
            | Verdict::Unclear { reason, .. }
            | Verdict::Unavailable { reason, .. }
            | Verdict::TooLarge { reason } => reason,
        };
        if !EMPTY_WORDS.iter().any(|words| reason.contains(words)) {
            found.problems.push(format!("store.urls: `{url}` does not take points: {reason}"));
        }
    }
    #[cfg(feature = "influxdb2")]
    for (endpoint, url) in options.urls.iter().enumerate() {
        let looked = runtime.block_on(store.look(endpoint));
        administered(url, looked, resolved.offline.limits.time_past, found);
    }
    // A store that refuses writes is not checked further.
    if found.problems.len() == before {
        runtime.block_on(types::look(resolved, store, found));
    }
}

/// What a server reports about its health and about its retention period.
#[cfg(feature = "influxdb2")]
fn administered(
    url: &str,
    looked: Result<Option<crate::store::ServerReport>, String>,
    time_past: Duration,
    found: &mut Found,
) {
    let looked = match looked {
        Ok(Some(looked)) => looked,
        Ok(None) => return,
        // A token with only the write permission cannot read this.
        Err(why) => return found.warnings.push(format!("store.urls: `{url}`: {why}")),
    };
    if let Some(fault) = looked.fault {
        found.problems.push(format!("store.urls: `{url}` says that it is not well: {fault}"));
    }
    if let Some(kept) = looked.retention.filter(|kept| *kept < time_past) {
        found.warnings.push(format!(
            "store.bucket: it keeps points for {} h and refuses older ones, and \
             uplink.time-bounds.past takes them from {} h ago on",
            kept.as_secs() / 3_600,
            time_past.as_secs() / 3_600
        ));
    }
}

/// Whether the data directory, or the directory in which it will be created, is writable.
fn writable(dir: &Path, found: &mut Found) {
    let existing = existing(dir);
    if let Err(error) = access(existing, Access::WRITE_OK | Access::EXEC_OK) {
        found.problems.push(format!(
            "data-dir: `{}` cannot be written to: {error}; check its owner and its file system",
            existing.display()
        ));
    }
}

/// Whether the disk has the space that the configuration may use.
fn room(resolved: &Resolved, dir: &Path, found: &mut Found) {
    let Ok(free) = RealDisk.free_bytes(existing(dir)) else { return };
    let may_take = resolved.spool.bytes_max.saturating_add(resolved.dead_letter.bytes_max);
    if free < may_take {
        found.warnings.push(format!(
            "data-dir: {} MiB are free on its disk, and spool.max-size and dead-letter.max-size \
             may take {} MiB: on a full disk publishes wait earlier",
            free >> 20,
            may_take >> 20
        ));
    }
}

/// Whether the configured number of connections can be open.
fn descriptors(resolved: &Resolved, found: &mut Found) {
    let Some(most) = getrlimit(Resource::Nofile).maximum else { return };
    let connections = most.saturating_sub(OTHER_DESCRIPTORS);
    let wanted = resolved.mqtt.connections_max as u64;
    if connections < wanted {
        found.warnings.push(format!(
            "mqtt.connections-max = {wanted}: the limit of descriptors, {most}, allows for about \
             {connections} connections; raise it (ulimit -Hn, LimitNOFILE) if more are expected"
        ));
    }
}

/// The directory, or the nearest parent that exists.
fn existing(dir: &Path) -> &Path {
    let there = dir.ancestors().find(|path| path.try_exists().unwrap_or(false));
    there.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
