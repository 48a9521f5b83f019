//! The appliance beside the fleet: its temporary folder, `serve` on a thread, its stop, its
//! addresses, and the errors of a demo.

use std::{
    io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde::Serialize;
use tempfile::TempDir;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::{
    app::{self, Ready, RunError, Stopped, Until},
    cli::{failure::Failure, serve},
    config::{Resolved, Sources},
    env::disk::{Disk, RealDisk},
    mapping::LoadErrors,
    schema::SHIPPED,
    simulator::{LoadError, ShapeError, read_text},
};

const PREFIX: &str = "fleetline-demo-";
/// Lines of the log that are shown at the end.
const LOG_LINES_MAX: usize = 20;
/// An appliance that is stopped at once may still create files during the removal.
const REMOVE_TRIES: usize = 5;
/// The maximum time for its stop; the store is a local file.
const DRAIN: Duration = Duration::from_secs(10);

/// A folder of its own, removed on drop.
#[derive(Debug)]
pub(super) struct Folder(TempDir);

impl Folder {
    /// Creates it and writes the shipped schemas, which the appliance loads as usual.
    pub(super) fn make() -> Result<Self, DemoError> {
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir();
        let folder = Self(made.map_err(DemoError::Folder)?);
        let schemas = folder.schemas();
        let failed = |path: &Path| {
            let path = path.to_owned();
            |source| DemoError::Write { path, source }
        };
        RealDisk.create_dirs(&schemas).map_err(failed(&schemas))?;
        for (name, text) in SHIPPED {
            let path = schemas.join(name);
            let written =
                RealDisk.create(&path).and_then(|file| file.write_all_at(text.as_bytes(), 0));
            written.map_err(failed(&path))?;
        }
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The log file.
    pub(super) fn log(&self) -> PathBuf {
        self.path().join("demo.log")
    }

    fn schemas(&self) -> PathBuf {
        self.path().join("schemas")
    }

    /// The demo's own configuration; settings of the command line override it.
    pub(super) fn sources(&self, sources: &Sources) -> Sources {
        let own = [
            format!("data-dir={}", self.path().join("data").display()),
            format!("schemas.dir={}", self.schemas().display()),
            "store.kind=embedded".to_owned(),
            "mqtt.listen=[\"127.0.0.1:0\"]".to_owned(),
            "http.listen=127.0.0.1:0".to_owned(),
            // Enough for a demo, and uses little of a small /tmp.
            "spool.segment-size=4MiB".to_owned(),
            "telemetry.log=warn".to_owned(),
        ];
        Sources { file: None, set: own.into_iter().chain(sources.set.iter().cloned()).collect() }
    }

    /// The last lines of the log, if there are any.
    pub(super) fn log_tail(&self) -> Vec<String> {
        let text = read_text(&RealDisk, &self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(LOG_LINES_MAX)..];
        last.iter().map(|line| (*line).to_owned()).collect()
    }

    /// Removes it with its contents.
    pub(super) fn remove(self) -> io::Result<()> {
        let path = self.path().to_owned();
        let mut removed = self.0.close();
        for _ in 1..REMOVE_TRIES {
            if removed.is_ok() || !path.try_exists()? {
                return Ok(());
            }
            removed = std::fs::remove_dir_all(&path);
        }
        removed
    }
}

/// A running appliance.
#[derive(Debug)]
pub(super) struct Appliance {
    pub(super) ready: Ready,
    stop: Option<oneshot::Sender<()>>,
    ended: oneshot::Receiver<Result<Stopped, RunError>>,
    schemas: PathBuf,
}

impl Appliance {
    /// Starts it, and waits until it accepts messages and queries.
    pub(super) async fn start(resolved: Resolved) -> Result<Self, Failure> {
        let schemas = resolved.offline.mapping.dir.clone();
        let (stop, asked) = oneshot::channel();
        let (is_ready, ready) = oneshot::channel();
        let (has_ended, mut ended) = oneshot::channel();
        let run = move || {
            let on_ready = |ready: &Ready| drop(is_ready.send(ready.clone()));
            let outcome = app::run(&resolved, DRAIN, Until::Asked(asked), on_ready);
            // There is no receiver after an immediate stop.
            drop(has_ended.send(outcome));
        };
        let spawned = thread::Builder::new().name("appliance".to_owned()).spawn(run);
        spawned.map_err(|source| DemoError::Start { what: "thread", source })?;
        match ready.await {
            Ok(ready) => Ok(Self { ready, stop: Some(stop), ended, schemas }),
            // It ended before it was ready; its error says why.
            Err(_) => Err(Self::why(&mut ended, schemas).await),
        }
    }

    /// Waits until it ends unexpectedly; may be dropped and called again.
    pub(super) async fn lost(&mut self) -> Failure {
        Self::why(&mut self.ended, self.schemas.clone()).await
    }

    /// Tells it to stop, and waits until all stages have.
    pub(super) async fn stop(mut self) -> Result<Stopped, Failure> {
        drop(self.stop.take());
        match self.ended.await {
            Ok(ended) => serve::outcome(ended, self.schemas),
            Err(_) => Err(DemoError::Gone { what: "appliance" }.into()),
        }
    }

    async fn why(
        ended: &mut oneshot::Receiver<Result<Stopped, RunError>>,
        schemas: PathBuf,
    ) -> Failure {
        let outcome = ended.await.map(|ended| serve::outcome(ended, schemas));
        match outcome {
            Ok(Err(failure)) => failure,
            Ok(Ok(_)) | Err(_) => DemoError::Gone { what: "appliance" }.into(),
        }
    }
}

/// The addresses, the folder, and the formats of the vehicles.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Places {
    /// The root of the API.
    pub(super) api: String,
    pub(super) mqtt: String,
    /// Holds the schemas, the log, and the data unless it is kept elsewhere; removed at the end.
    pub(super) folder: PathBuf,
    pub(super) data: PathBuf,
    /// Vehicles that send protobuf, and those that send Avro.
    pub(super) protobuf: usize,
    pub(super) avro: usize,
}

impl Places {
    pub(super) fn new(ready: &Ready, folder: &Path, data: PathBuf) -> Self {
        let mqtt: Vec<String> = ready.mqtt.iter().map(ToString::to_string).collect();
        Self {
            api: format!("http://{}", ready.http),
            mqtt: mqtt.join(" "),
            folder: folder.to_owned(),
            data,
            protobuf: 0,
            avro: 0,
        }
    }

    /// The same in short, for a full board.
    pub(super) fn short(&self) -> [String; 3] {
        let Self { api, mqtt, folder, .. } = self;
        [
            format!("  API           {api}/api/v1/stats, also /metrics and /readyz"),
            format!("  MQTT          {mqtt}"),
            format!("  folder        {} (removed at the end)", folder.display()),
        ]
    }

    /// For people, narrow enough for 80 columns.
    pub(super) fn lines(&self) -> Vec<String> {
        let Self { api, mqtt, folder, data, .. } = self;
        let mut lines = vec![
            format!("  API           {api}/api/v1/stats"),
            format!("                {api}/api/v1/telemetry/telemetry?fn=last&from=-1m"),
            format!("                {api}/metrics"),
            format!("  MQTT          {mqtt}"),
            "  command       fleetline command send FLSIM000000000001 identify \\".to_owned(),
            format!("                    --wait 15s --url {api}"),
            format!("  folder        {} (removed at the end)", folder.display()),
        ];
        if !data.starts_with(folder) {
            lines.push(format!("  data          {} (kept)", data.display()));
        }
        lines
    }
}

/// A demo could not start, or could not continue.
#[derive(Debug, Error)]
pub(super) enum DemoError {
    /// No temporary folder can be created. Set TMPDIR to a writable one.
    #[error("cannot make a temporary folder")]
    Folder(#[source] io::Error),
    /// A schema cannot be written into the folder.
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The system gave no thread, or no signal handler.
    #[error("cannot start a {what}")]
    Start {
        what: &'static str,
        #[source]
        source: io::Error,
    },
    /// A thread of ours ended by a panic, which is printed on standard error.
    #[error("the {what} ended by itself")]
    Gone { what: &'static str },
    /// The fleet's messages cannot be built.
    #[error("cannot encode what the fleet says")]
    Shape(#[source] ShapeError),
    /// The commands of the shipped files cannot be read.
    #[error("cannot tell what the fleet obeys")]
    Commands(#[source] LoadErrors),
    /// The fleet could not publish.
    #[error("the fleet cannot publish")]
    Load(#[source] LoadError),
    /// The client for the appliance's own API cannot be built.
    #[error("cannot ask the appliance")]
    Client(#[source] reqwest::Error),
}

impl From<DemoError> for Failure {
    fn from(error: DemoError) -> Self {
        Self::failed(error)
    }
}
