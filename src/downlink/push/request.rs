//! The request for a push.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::downlink::prepare::Still;

/// The request for a push, also in its stored form.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PushRequest {
    /// Its name for operators and for `once-per`. Default: the command's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The query: portable, or with `language` and `text` in one of the store's languages.
    pub query: Value,
    /// The column that names the vehicle. Default for a portable query: its vehicle tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vehicle: Option<String>,
    /// The name of a declared command.
    pub command: String,
    /// Its fields; `{column}` in a text stands for the row's value.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
    /// How long each command waits for its vehicle after its release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
    /// How long the receipt may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execute_within: Option<String>,
    /// Leaves out a vehicle that got a command of this push within this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub once_per: Option<String>,
    /// Of commands with the same key only the newest counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supersede: Option<String>,
    /// The condition that must still hold when a command is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub still: Option<Still>,
    /// The condition on the vehicle's points after the delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<VerifyRequest>,
    /// The maximum number of vehicles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
    /// The waves in which commands are released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waves: Option<WavesRequest>,
    /// The number of commands released per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// When it runs, as a cron expression: then it runs again and again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The time zone of the schedule. Default: UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// What to do about missed times: `skip`, or `once` for one run for all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<String>,
    /// The same key with the same content makes no second push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Only shows what it would do.
    #[serde(default, skip_serializing)]
    pub dry_run: bool,
}

/// The condition on the vehicle's points after a command was delivered.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VerifyRequest {
    /// The measurement of the points.
    pub measurement: String,
    /// The condition that one of them must fulfil.
    pub when: String,
    /// The time after the delivery.
    pub within: String,
}

/// The maximum number of vehicles of a run.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Guard {
    /// At most this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vehicles_max: Option<u64>,
    /// At most this share of the known vehicles: connected, remembered, or with a point of the last
    /// 7 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_max: Option<f64>,
}

/// Waves: a few vehicles first, then more.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WavesRequest {
    /// Vehicles of the first wave.
    pub first: u64,
    /// Each wave is this factor larger than the one before.
    #[serde(default = "one")]
    pub factor: f64,
    /// The time from the beginning of one wave to the next.
    pub every: String,
    /// The push stops when more than this share of the ended commands failed, were rejected, have
    /// expired or timed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_above: Option<f64>,
}

fn one() -> f64 {
    1.0
}
