//! The options of downlink.

use std::{path::PathBuf, time::Duration};

/// The folder and bounds of downlink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The folder of its file.
    pub dir: PathBuf,
    /// Open commands of one vehicle.
    pub open_max: usize,
    /// Open commands of all vehicles.
    pub total_open_max: usize,
    /// Active pushes with a schedule.
    pub schedules_max: usize,
    /// Runs without a command that a push with a schedule lists.
    pub empty_runs_max: usize,
    /// Bytes of one command's payload.
    pub payload_bytes_max: usize,
    /// How long a command waits for its vehicle by default.
    pub expires_in: Duration,
    /// How long ended commands are kept.
    pub keep: Duration,
    /// How long the audit is kept.
    pub audit_keep: Duration,
    /// How often a condition without a fresh value is checked again.
    pub still_interval: Duration,
    /// Alarms that wait for their command.
    pub alarms_waiting_max: usize,
    /// Rows that a saved query may publish on its topic.
    pub topic_rows_max: usize,
    /// Bytes of these rows.
    pub topic_bytes_max: usize,
    /// The URL that gets every change.
    pub webhook: Option<String>,
    /// How long the webhook may take to answer.
    pub webhook_timeout: Duration,
}
