//! What an operator may set.

use std::{path::PathBuf, time::Duration};

/// The bounds of downlink, and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The folder of its file.
    pub dir: PathBuf,
    /// Commands of one vehicle that have not ended.
    pub open_max: usize,
    /// Commands of all vehicles that have not ended.
    pub total_open_max: usize,
    /// Pushes that stand, each with a schedule.
    pub schedules_max: usize,
    /// Runs of a standing push that are remembered although they made no command.
    pub empty_runs_max: usize,
    /// Bytes of one command's payload.
    pub payload_bytes_max: usize,
    /// How long a command waits for its vehicle where nothing else is said.
    pub expires_in: Duration,
    /// How long commands are kept that have ended.
    pub keep: Duration,
    /// How long the audit is kept.
    pub audit_keep: Duration,
    /// How often a condition is asked again that nothing is known about.
    pub still_interval: Duration,
    /// Alarms that wait for their command.
    pub alarms_waiting_max: usize,
    /// Rows that a saved query may tell on its topic.
    pub topic_rows_max: usize,
    /// Bytes that they may have.
    pub topic_bytes_max: usize,
    /// Who is told of every change.
    pub webhook: Option<String>,
    /// How long it may take to answer.
    pub webhook_timeout: Duration,
}
