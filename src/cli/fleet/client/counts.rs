//! What happened, counted.

use std::time::Duration;

use super::Latencies;

/// Counts of a run so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Counts {
    /// Vehicles with a live connection now.
    pub(in crate::cli) live: u64,
    /// Vehicles that were connected at least once.
    pub(in crate::cli) connected: u64,
    /// Attempts to connect that failed or were refused.
    pub(in crate::cli) connect_failures: u64,
    /// Live connections that broke.
    pub(in crate::cli) lost: u64,
    /// Connections that were opened again after one broke.
    pub(in crate::cli) reconnects: u64,
    /// Messages written to a connection for the first time.
    pub(in crate::cli) published: u64,
    /// Publishes written again after a reconnect.
    pub(in crate::cli) resent: u64,
    /// Messages that a PUBACK or PUBREC said yes to.
    pub(in crate::cli) acknowledged: u64,
    /// Messages that a PUBACK or PUBREC said no to.
    pub(in crate::cli) refused: u64,
    /// Messages that wait for their answer.
    pub(in crate::cli) open: u64,
}

/// A run that has ended.
#[derive(Debug)]
pub(in crate::cli) struct Outcome {
    pub(in crate::cli) counts: Counts,
    pub(in crate::cli) latencies: Latencies,
    /// From the first attempt to connect until publishing began.
    pub(in crate::cli) connecting: Duration,
    /// While messages were begun.
    pub(in crate::cli) publishing: Duration,
    /// While the last answers were waited for.
    pub(in crate::cli) draining: Duration,
    /// Acknowledged by the end of `publishing`.
    pub(in crate::cli) acknowledged_in_time: u64,
    /// The longest that a due message had to wait for its vehicle.
    pub(in crate::cli) late_max: Duration,
    /// The most messages that any vehicle began.
    pub(in crate::cli) messages_max: u64,
    /// It was stopped before its time.
    pub(in crate::cli) stopped: bool,
    /// The last thing that went wrong with a connection.
    pub(in crate::cli) last_trouble: Option<String>,
}
