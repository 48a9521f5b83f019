//! The metrics of one shard.

use std::time::Duration;

use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};

use crate::{
    model::ShardId,
    sink::state::ShardStatus,
    store::Verdict,
    telemetry::{Metrics, ShardLabel, VerdictLabel},
};

/// The shard's handles of the metrics.
#[derive(Debug)]
pub(super) struct Meters {
    accepted: Counter,
    partial: Counter,
    rejected: Counter,
    doubtful: Counter,
    unclear: Counter,
    too_large: Counter,
    unavailable: Counter,
    halted: Counter,
    retried: Counter,
    refused_batches: Counter,
    sent_bytes: Counter,
    in_flight: Gauge,
    seconds: Histogram,
    open_circuits: Gauge,
    stretches: Gauge,
    stalled: Gauge,
    kept_places: Counter,
    exceeded_probe_waits: Counter,
    waiting_entries: Gauge,
    waiting_seconds: Gauge,
}

impl Meters {
    pub(super) fn new(metrics: &Metrics, shard: ShardId) -> Self {
        let label = ShardLabel::from(shard);
        let answered = |verdict| {
            let label = VerdictLabel { shard: shard.0, verdict };
            metrics.sink_requests.get_or_create_owned(&label)
        };
        Self {
            accepted: answered("accepted"),
            partial: answered("partial"),
            rejected: answered("rejected"),
            doubtful: answered("doubtful"),
            unclear: answered("unclear"),
            too_large: answered("too-large"),
            unavailable: answered("unavailable"),
            halted: answered("halted"),
            retried: metrics.sink_retried_requests.get_or_create_owned(&label),
            refused_batches: metrics.sink_refused_batches.get_or_create_owned(&label),
            sent_bytes: metrics.sink_sent_bytes.get_or_create_owned(&label),
            in_flight: metrics.sink_in_flight_requests.get_or_create_owned(&label),
            seconds: metrics.sink_request_seconds.get_or_create_owned(&label),
            open_circuits: metrics.sink_open_circuits.get_or_create_owned(&label),
            stretches: metrics.sink_open_stretches.get_or_create_owned(&label),
            stalled: metrics.sink_stalled_batches.get_or_create_owned(&label),
            kept_places: metrics.sink_kept_places.get_or_create_owned(&label),
            exceeded_probe_waits: metrics.sink_exceeded_probe_waits.get_or_create_owned(&label),
            waiting_entries: metrics.sink_waiting_entries.get_or_create_owned(&label),
            waiting_seconds: metrics.sink_waiting_seconds.get_or_create_owned(&label),
        }
    }

    /// So many stretches of the spool are shipped side by side.
    pub(super) fn stretches(&self, count: usize) {
        self.stretches.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A request is in flight until the guard is dropped, even if a drain cuts it off.
    pub(super) fn sending(&self) -> Raised<'_> {
        Raised::new(&self.in_flight)
    }

    /// A batch is stalled until the guard is dropped.
    pub(super) fn stalling(&self) -> Raised<'_> {
        Raised::new(&self.stalled)
    }

    /// A stalled batch keeps its request slot, because too many others gave up theirs.
    pub(super) fn kept_place(&self) {
        self.kept_places.inc();
    }

    /// A probe stops waiting for another one.
    pub(super) fn exceeded_probe_wait(&self) {
        self.exceeded_probe_waits.inc();
    }

    /// A request of `bytes` was answered, or failed.
    pub(super) fn answered(&self, verdict: &Verdict, took: Duration, bytes: u64, again: bool) {
        match verdict {
            Verdict::Accepted => &self.accepted,
            Verdict::Partial { .. } => &self.partial,
            Verdict::Rejected { .. } | Verdict::MeasurementRejected { .. } => &self.rejected,
            Verdict::Doubtful { .. } => &self.doubtful,
            Verdict::Unclear { .. } => &self.unclear,
            Verdict::TooLarge { .. } => &self.too_large,
            Verdict::Unavailable { .. } => &self.unavailable,
            Verdict::Halted { .. } => &self.halted,
        }
        .inc();
        self.seconds.observe(took.as_secs_f64());
        self.sent_bytes.inc_by(bytes);
        self.retried.inc_by(u64::from(again));
    }

    /// The store refused every line of a batch.
    pub(super) fn refused_batch(&self) {
        self.refused_batches.inc();
    }

    /// Brings the gauges of what waits up to date, and whether the circuit of the shard's server is
    /// open.
    pub(super) fn measure(&self, status: &ShardStatus, is_open: bool) {
        self.open_circuits.set(i64::from(is_open));
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.waiting_entries.set(gauge(status.waiting_entries));
        self.waiting_seconds.set(gauge(status.waiting_time.as_secs()));
    }
}

/// Counts one in a gauge until it is dropped.
#[derive(Debug)]
pub(super) struct Raised<'a>(&'a Gauge);

impl<'a> Raised<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
