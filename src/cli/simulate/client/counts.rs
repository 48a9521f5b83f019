//! What happened, counted.

use std::time::Duration;

use super::Latencies;

/// Counts of a run so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::simulate) struct Counts {
    /// Vehicles with a live connection now.
    pub(in crate::cli::simulate) live: u64,
    /// Vehicles that were connected at least once.
    pub(in crate::cli::simulate) connected: u64,
    /// Attempts to connect that failed or were refused.
    pub(in crate::cli::simulate) connect_failures: u64,
    /// Live connections that broke.
    pub(in crate::cli::simulate) lost: u64,
    /// Connections that were opened again after one broke.
    pub(in crate::cli::simulate) reconnects: u64,
    /// Messages written to a connection for the first time.
    pub(in crate::cli::simulate) published: u64,
    /// Publishes written again after a reconnect.
    pub(in crate::cli::simulate) resent: u64,
    /// Messages that a PUBACK or PUBREC said yes to.
    pub(in crate::cli::simulate) acknowledged: u64,
    /// Messages that a PUBACK or PUBREC said no to.
    pub(in crate::cli::simulate) refused: u64,
    /// Messages that wait for their answer.
    pub(in crate::cli::simulate) open: u64,
}

/// A run that has ended.
#[derive(Debug)]
pub(in crate::cli::simulate) struct Outcome {
    pub(in crate::cli::simulate) counts: Counts,
    pub(in crate::cli::simulate) latencies: Latencies,
    /// From the first attempt to connect until publishing began.
    pub(in crate::cli::simulate) connecting: Duration,
    /// While messages were begun.
    pub(in crate::cli::simulate) publishing: Duration,
    /// While the last answers were waited for.
    pub(in crate::cli::simulate) draining: Duration,
    /// Acknowledged by the end of `publishing`.
    pub(in crate::cli::simulate) acknowledged_in_time: u64,
    /// The longest that a due message had to wait for its vehicle.
    pub(in crate::cli::simulate) late_max: Duration,
    /// The most messages that any vehicle began.
    pub(in crate::cli::simulate) messages_max: u64,
    /// It was stopped before its time.
    pub(in crate::cli::simulate) stopped: bool,
    /// The last thing that went wrong with a connection.
    pub(in crate::cli::simulate) last_trouble: Option<String>,
}
