//! Where everything is, said first.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::app::Ready;

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
        let mqtt: Vec<String> = ready.mqtt.iter().map(|at| format!("mqtt://{at}")).collect();
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
