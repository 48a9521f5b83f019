//! The appliance beside the fleet: `serve` on a thread, stopped by a word; and where it is found.

use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde::Serialize;
use tokio::sync::oneshot;

use super::error::DemoError;
use crate::{
    app::{self, Ready, RunError, Stopped, Until},
    cli::{failure::Failure, serve},
    config::Resolved,
};

/// How long its stop may take; the store is a local file.
const DRAIN: Duration = Duration::from_secs(10);

/// A running appliance.
#[derive(Debug)]
pub(super) struct Appliance {
    pub(super) ready: Ready,
    stop: Option<oneshot::Sender<()>>,
    ended: oneshot::Receiver<Result<Stopped, RunError>>,
    schemas: PathBuf,
}

impl Appliance {
    /// Starts it, and waits until it takes messages and questions.
    pub(super) async fn start(resolved: Resolved) -> Result<Self, Failure> {
        let schemas = resolved.offline.mapping.dir.clone();
        let (stop, told) = oneshot::channel();
        let (is_ready, ready) = oneshot::channel();
        let (has_ended, mut ended) = oneshot::channel();
        let run = move || {
            let on_ready = |ready: &Ready| drop(is_ready.send(ready.clone()));
            let outcome = app::run(&resolved, DRAIN, Until::Told(told), on_ready);
            // Nobody listens after a stop at once.
            drop(has_ended.send(outcome));
        };
        let spawned = thread::Builder::new().name("appliance".to_owned()).spawn(run);
        spawned.map_err(|source| DemoError::Start { what: "thread", source })?;
        match ready.await {
            Ok(ready) => Ok(Self { ready, stop: Some(stop), ended, schemas }),
            // It has ended before it was ready, and says why.
            Err(_) => Err(Self::why(&mut ended, schemas).await),
        }
    }

    /// Waits until it ends by itself, which it should not; may be dropped and called again.
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

/// Addresses, the folder, and who speaks what.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Places {
    /// The root of the API.
    pub(super) api: String,
    pub(super) mqtt: String,
    /// With the schemas, the log, and the data unless it is kept elsewhere; removed at the end.
    pub(super) folder: PathBuf,
    pub(super) data: PathBuf,
    /// Vehicles that speak protobuf, and those that speak Avro.
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

    /// The same in short, for a board that has more to show.
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
            format!("  folder        {} (removed at the end)", folder.display()),
        ];
        if !data.starts_with(folder) {
            lines.push(format!("  data          {} (kept)", data.display()));
        }
        lines
    }
}
