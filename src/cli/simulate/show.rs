//! The output: progress during a run, a report at its end.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::simulator::{
    CommandCounts, Counts, Deliveries, Latencies, Outcome, Phase, Plan, ReplayedRows, Verification,
    Watch,
};

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
    /// The wait for the last acknowledgements.
    pub(super) drain_seconds: f64,
    pub(super) payload_bytes: usize,
    /// Messages whose publishing began, each counted once.
    pub(super) published: u64,
    /// Messages that were sent again after a reconnect.
    pub(super) resent: u64,
    /// Absent at QoS 0, which has no acknowledgements.
    pub(super) acknowledged: Option<u64>,
    pub(super) refused: u64,
    pub(super) unacknowledged: u64,
    /// Acknowledged (at QoS 0: published) messages a second, during publishing.
    pub(super) messages_per_second: f64,
    /// The longest delay between the due time and the sending of a message at a fixed rate.
    pub(super) late_max_ms: f64,
    pub(super) latency_ms: Option<LatencyMillis>,
    /// The commands to vehicles.
    pub(super) commands: CommandCounts,
    /// Deliveries to subscribers, if there were any subscribers.
    pub(super) deliveries: Option<Delivered>,
    pub(super) replay: Option<ReplayedRows>,
    pub(super) stopped: bool,
    pub(super) last_trouble: Option<String>,
    pub(super) verification: Option<Verification>,
}

/// Deliveries to subscribers.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Delivered {
    subscribers: u32,
    /// Subscribers whose subscription was acknowledged.
    subscribed: u64,
    connections_lost: u64,
    delivered: u64,
    /// Messages that were acknowledged (at QoS 0: published), but not delivered.
    lost: u64,
    /// Deliveries after a later message of the same vehicle.
    disordered: u64,
    /// Deliveries that are duplicates, or not from the fleet.
    unexpected: u64,
    per_second: f64,
    latency_ms: Option<LatencyMillis>,
}

/// From a publish to its acknowledgement, or its delivery.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct LatencyMillis {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

impl LatencyMillis {
    fn of(latencies: &Latencies) -> Option<Self> {
        (latencies.recorded() > 0).then(|| Self {
            p50: millis(latencies.quantile(0.5)),
            p99: millis(latencies.quantile(0.99)),
            p999: millis(latencies.quantile(0.999)),
            max: millis(latencies.longest()),
        })
    }

    fn text(self) -> String {
        let Self { p50, p99, p999, max } = self;
        format!("p50 {p50:.2} ms, p99 {p99:.2} ms, p99.9 {p999:.2} ms, max {max:.2} ms")
    }
}

impl Delivered {
    fn new(subscribers: u32, deliveries: &Deliveries, seconds: f64) -> Self {
        let Deliveries { subscribed, connections_lost, delivered, lost, .. } = *deliveries;
        Self {
            subscribers,
            subscribed,
            connections_lost,
            delivered,
            lost,
            disordered: deliveries.disordered,
            unexpected: deliveries.unexpected,
            per_second: if seconds > 0.0 { count(delivered) / seconds } else { 0.0 },
            latency_ms: LatencyMillis::of(&deliveries.latencies),
        }
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let Self { subscribers, subscribed, connections_lost, delivered, .. } = *self;
        let Self { lost, disordered, unexpected, per_second, .. } = *self;
        let mut rows = vec![
            ("subscribed", format!("{subscribed} of {subscribers}; {connections_lost} lost")),
            (
                "delivered",
                format!(
                    "{delivered}, {per_second:.0} a second; {lost} lost, {disordered} out of \
                     order, {unexpected} unexpected"
                ),
            ),
        ];
        rows.extend(self.latency_ms.map(|latency| ("until delivered", latency.text())));
        rows
    }
}

impl Report {
    pub(super) fn new(
        plan: &Plan,
        subscribers: u32,
        is_qos0: bool,
        run: Outcome,
        verification: Option<Verification>,
    ) -> Self {
        let counts = run.counts;
        let done = if is_qos0 { counts.published } else { run.acknowledged_in_time };
        let seconds = run.publishing.as_secs_f64();
        Self {
            vehicles: plan.script.parts().len(),
            connected: counts.connected,
            connect_failures: counts.connect_failures,
            connections_lost: counts.lost,
            reconnects: counts.reconnects,
            connect_seconds: run.connecting.as_secs_f64(),
            seconds,
            drain_seconds: run.draining.as_secs_f64(),
            payload_bytes: plan.script.payload_bytes().0,
            published: counts.published,
            resent: counts.resent,
            acknowledged: (!is_qos0).then_some(counts.acknowledged),
            refused: counts.refused,
            unacknowledged: counts.open,
            messages_per_second: if seconds > 0.0 { count(done) / seconds } else { 0.0 },
            late_max_ms: millis(run.late_max),
            latency_ms: LatencyMillis::of(&run.latencies),
            commands: counts.commands,
            deliveries: run
                .deliveries
                .as_ref()
                .map(|all| Delivered::new(subscribers, all, seconds + run.draining.as_secs_f64())),
            replay: plan.replayed.clone(),
            stopped: run.stopped,
            last_trouble: run.last_trouble,
            verification,
        }
    }

    /// Missing deliveries, if any.
    pub(super) fn lost(&self) -> Option<u64> {
        self.deliveries.map(|deliveries| deliveries.lost).filter(|lost| *lost > 0)
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
        rows.extend(self.latency_ms.map(|latency| ("latency", latency.text())));
        let CommandCounts { received, done, rejected } = self.commands;
        if received > 0 {
            let text = format!("{received} received; {done} done, {rejected} rejected");
            rows.push(("commands", text));
        }
        rows.extend(self.deliveries.iter().flat_map(Delivered::rows));
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

/// Progress on standard error: a bar on a terminal, one line a phase elsewhere.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    vehicles: u64,
    total: Option<u64>,
    duration: Option<Duration>,
}

impl Progress {
    pub(super) fn new(vehicles: usize, total: Option<u64>, duration: Option<Duration>) -> Self {
        let vehicles = u64::try_from(vehicles).unwrap_or(u64::MAX);
        let is_terminal = std::io::stderr().is_terminal();
        Self { bar: is_terminal.then(|| ProgressBar::new(0)), vehicles, total, duration }
    }

    /// Removes the bar, so that only the report remains.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(text: &str) {
        // If standard error has no reader, only this text is lost.
        let _written = writeln!(std::io::stderr(), "{text}");
    }

    fn style(&self, template: &str) {
        if let (Some(bar), Ok(style)) = (&self.bar, ProgressStyle::with_template(template)) {
            bar.set_style(style);
        }
    }
}

impl Watch for Progress {
    fn phase(&mut self, phase: Phase, counts: &Counts) {
        let Some(bar) = &self.bar else {
            Self::line(&match phase {
                Phase::Connecting => format!("connecting {} vehicles", self.vehicles),
                Phase::Publishing => format!("publishing, {} vehicles connected", counts.connected),
                Phase::Draining => format!("waiting for {} acknowledgements", counts.open),
            });
            return;
        };
        bar.reset();
        match phase {
            Phase::Connecting => {
                bar.set_length(self.vehicles);
                self.style("connecting {wide_bar} {pos}/{len} vehicles");
            }
            Phase::Publishing => {
                let millis = |duration: Duration| u64::try_from(duration.as_millis()).ok();
                bar.set_length(self.total.or(self.duration.and_then(millis)).unwrap_or(0));
                self.style("publishing {wide_bar} {elapsed} {msg}");
            }
            Phase::Draining => self.style("draining {wide_bar} {msg}"),
        }
    }

    fn tick(&mut self, counts: &Counts, _latencies: &Latencies) {
        let Some(bar) = &self.bar else { return };
        if counts.published == 0 {
            bar.set_position(counts.connected);
            return;
        }
        let elapsed = u64::try_from(bar.elapsed().as_millis()).unwrap_or(u64::MAX);
        bar.set_position(if self.total.is_some() { counts.acknowledged } else { elapsed });
        bar.set_message(format!("{} acknowledged, {} live", counts.acknowledged, counts.live));
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn count(count: u64) -> f64 {
    count as f64
}
