//! A push as it is asked for.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::downlink::prepare::Still;

/// A push as it is asked for, and kept.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PushRequest {
    /// What operators call it, and what `once-per` goes by. Default: the command's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The question: portable, or with `language` and `text` in one of the store's own.
    pub query: Value,
    /// The column that names the vehicle. Default of a portable question: its vehicle tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vehicle: Option<String>,
    /// A declared command.
    pub command: String,
    /// Its fields; `{column}` in a text stands for the row's value.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
    /// How long each command waits for its vehicle once it is let go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
    /// How long the receipt may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execute_within: Option<String>,
    /// A vehicle that was told so lately is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub once_per: Option<String>,
    /// Of commands with the same key only the newest counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supersede: Option<String>,
    /// What must still hold when a command leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub still: Option<Still>,
    /// What the vehicle's points must say afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<VerifyRequest>,
    /// How many vehicles it may reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
    /// A few first, then more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waves: Option<WavesRequest>,
    /// Commands a second that are let go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// When it runs, as a cron expression: it stands then, and runs again and again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Whose clock the schedule means. Default: UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// What becomes of times that were missed: `skip`, or one run for all of them, `once`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<String>,
    /// The same key with the same content makes no second push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Says what it would do, and does nothing.
    #[serde(default, skip_serializing)]
    pub dry_run: bool,
}

/// What the vehicle's points must say after a command was delivered.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VerifyRequest {
    /// Where the points are.
    pub measurement: String,
    /// What one of them must say.
    pub when: String,
    /// How long after the delivery.
    pub within: String,
}

/// How many vehicles a run may reach.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Guard {
    /// At most so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vehicles_max: Option<u64>,
    /// At most this share of the vehicles that are known: connected, remembered, or with a point
    /// of the last 7 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_max: Option<f64>,
}

/// A few vehicles first, then more.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WavesRequest {
    /// Vehicles of the first wave.
    pub first: u64,
    /// Each wave is so many times the one before.
    #[serde(default = "one")]
    pub factor: f64,
    /// From the beginning of one to that of the next.
    pub every: String,
    /// The push stops when more than this share of those that have ended failed, were rejected,
    /// expired or timed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort_above: Option<f64>,
}

fn one() -> f64 {
    1.0
}
