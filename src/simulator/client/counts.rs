//! What happened, counted.

use std::time::Duration;

use super::Latencies;

/// Counts of a run so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Vehicles with a live connection now.
    pub(crate) live: u64,
    /// Vehicles that were connected at least once.
    pub(crate) connected: u64,
    /// Attempts to connect that failed or were refused.
    pub(crate) connect_failures: u64,
    /// Live connections that broke.
    pub(crate) lost: u64,
    /// Connections that were opened again after one broke.
    pub(crate) reconnects: u64,
    /// Messages written to a connection for the first time.
    pub(crate) published: u64,
    /// Publishes written again after a reconnect.
    pub(crate) resent: u64,
    /// Messages that a PUBACK or PUBREC said yes to.
    pub(crate) acknowledged: u64,
    /// Messages that a PUBACK or PUBREC said no to.
    pub(crate) refused: u64,
    /// Messages that wait for their answer.
    pub(crate) open: u64,
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) latencies: Latencies,
    /// From the first attempt to connect until publishing began.
    pub(crate) connecting: Duration,
    /// While messages were begun.
    pub(crate) publishing: Duration,
    /// While the last answers were waited for.
    pub(crate) draining: Duration,
    /// Acknowledged by the end of `publishing`.
    pub(crate) acknowledged_in_time: u64,
    /// The longest that a due message had to wait for its vehicle.
    pub(crate) late_max: Duration,
    /// The most messages that any vehicle began.
    pub(crate) messages_max: u64,
    /// It was stopped before its time.
    pub(crate) stopped: bool,
    /// The last thing that went wrong with a connection.
    pub(crate) last_trouble: Option<String>,
}
