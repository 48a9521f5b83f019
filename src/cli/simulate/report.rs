//! What a run has to say at its end.

use std::{
    io::{self, Write},
    time::Duration,
};

use serde::Serialize;

use crate::simulator::{Outcome, RowCounts, Verification};

/// The report; as JSON its fields are the keys.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) vehicles: usize,
    pub(super) connected: u64,
    pub(super) connect_failures: u64,
    pub(super) connections_lost: u64,
    pub(super) reconnects: u64,
    pub(super) connect_seconds: f64,
    pub(super) seconds: f64,
    /// Waited for the last answers.
    pub(super) drain_seconds: f64,
    pub(super) payload_bytes: usize,
    /// Begun, each once.
    pub(super) published: u64,
    /// Written again after a reconnect.
    pub(super) resent: u64,
    /// Absent at QoS 0, where nothing is.
    pub(super) acknowledged: Option<u64>,
    pub(super) refused: u64,
    pub(super) unacknowledged: u64,
    /// Acknowledged (at QoS 0: published) a second, while messages were begun.
    pub(super) messages_per_second: f64,
    /// The longest that a message of a fixed rate was begun after it was due.
    pub(super) late_max_ms: f64,
    pub(super) latency_ms: Option<LatencyMillis>,
    pub(super) replay: Option<ReplayReport>,
    pub(super) stopped: bool,
    pub(super) last_trouble: Option<String>,
    pub(super) verification: Option<Verification>,
}

/// From a publish to its acknowledgement.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct LatencyMillis {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

/// What a recording held.
#[derive(Debug, Serialize)]
pub(super) struct ReplayReport {
    #[serde(flatten)]
    pub(super) rows: RowCounts,
    pub(super) unused_columns: Vec<String>,
}

impl Report {
    pub(super) fn new(vehicles: usize, payload_bytes: usize, is_qos0: bool, run: Outcome) -> Self {
        let counts = run.counts;
        let done = if is_qos0 { counts.published } else { run.acknowledged_in_time };
        let seconds = run.publishing.as_secs_f64();
        let latencies = &run.latencies;
        Self {
            vehicles,
            connected: counts.connected,
            connect_failures: counts.connect_failures,
            connections_lost: counts.lost,
            reconnects: counts.reconnects,
            connect_seconds: run.connecting.as_secs_f64(),
            seconds,
            drain_seconds: run.draining.as_secs_f64(),
            payload_bytes,
            published: counts.published,
            resent: counts.resent,
            acknowledged: (!is_qos0).then_some(counts.acknowledged),
            refused: counts.refused,
            unacknowledged: counts.open,
            messages_per_second: if seconds > 0.0 { count(done) / seconds } else { 0.0 },
            late_max_ms: millis(run.late_max),
            latency_ms: (latencies.recorded() > 0).then(|| LatencyMillis {
                p50: millis(latencies.quantile(0.5)),
                p99: millis(latencies.quantile(0.99)),
                p999: millis(latencies.quantile(0.999)),
                max: millis(latencies.longest()),
            }),
            replay: None,
            stopped: run.stopped,
            last_trouble: run.last_trouble,
            verification: None,
        }
    }

    pub(super) fn write_table(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut rows = Vec::new();
        if let Some(replay) = &self.replay {
            let rows_read = replay.rows;
            let text = format!(
                "{} read, {} taken, {} skipped without a valid time, {} cells left out",
                rows_read.read, rows_read.taken, rows_read.skipped, rows_read.cells_skipped
            );
            rows.push(("rows", text));
            if !replay.unused_columns.is_empty() {
                rows.push(("columns unused", replay.unused_columns.join(", ")));
            }
        }
        let away = format!(
            "{} of {} in {:.1} s; {} failed, {} lost, {} came back",
            self.connected,
            self.vehicles,
            self.connect_seconds,
            self.connect_failures,
            self.connections_lost,
            self.reconnects
        );
        rows.push(("connected", away));
        let size = format!(
            "{} of {} bytes, {} sent again",
            self.published, self.payload_bytes, self.resent
        );
        rows.push(("published", size));
        if let Some(acknowledged) = self.acknowledged {
            let (refused, open) = (self.refused, self.unacknowledged);
            rows.push(("acknowledged", format!("{acknowledged}; {refused} refused, {open} open")));
        }
        let late = format!("the latest {:.1} ms after it was due", self.late_max_ms);
        let rate =
            format!("{:.0} a second over {:.1} s; {late}", self.messages_per_second, self.seconds);
        rows.push(("rate", rate));
        if let Some(LatencyMillis { p50, p99, p999, max }) = self.latency_ms {
            let text =
                format!("p50 {p50:.2} ms, p99 {p99:.2} ms, p99.9 {p999:.2} ms, max {max:.2} ms");
            rows.push(("latency", text));
        }
        if let Some(trouble) = &self.last_trouble {
            rows.push(("last trouble", trouble.clone()));
        }
        for (name, text) in rows {
            writeln!(out, "{name:<15} {text}")?;
        }
        if let Some(verification) = &self.verification {
            verification.write_table(out)?;
        }
        Ok(())
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn count(count: u64) -> f64 {
    count as f64
}
