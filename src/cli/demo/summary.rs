//! What a demo came to.

use std::time::Duration;

use indicatif::HumanCount;
use serde::Serialize;

use super::board::clock;
use crate::{
    app::Stopped,
    simulator::{Latencies, Outcome, Stats},
};

/// Counts of the whole demo.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Summary {
    vehicles: u64,
    seconds: f64,
    published: u64,
    acknowledged: u64,
    refused: u64,
    stored: u64,
    dead_lettered: u64,
    /// Durable entries that the store did not take before the end.
    waiting_entries: u64,
    puback_p50_ms: f64,
    puback_p99_ms: f64,
    puback_max_ms: f64,
}

impl Summary {
    /// From what the fleet, the appliance's account and its end say; `latencies` are those of
    /// driving.
    pub(super) fn new(
        outcome: &Outcome,
        latencies: &Latencies,
        stats: &Stats,
        stopped: &Stopped,
    ) -> Self {
        let millis = |duration: Duration| duration.as_secs_f64() * 1000.0;
        let waiting_entries = match stopped {
            Stopped::Asked { waiting_entries, .. } => *waiting_entries,
            Stopped::ThreadDied { .. } => 0,
        };
        Self {
            vehicles: outcome.counts.connected,
            seconds: outcome.publishing.as_secs_f64(),
            published: outcome.counts.published,
            acknowledged: outcome.counts.acknowledged,
            refused: outcome.counts.refused,
            stored: stats.points.stored,
            dead_lettered: stats.messages.dead_lettered + stats.points.dead_lettered,
            waiting_entries,
            puback_p50_ms: millis(latencies.quantile(0.5)),
            puback_p99_ms: millis(latencies.quantile(0.99)),
            puback_max_ms: millis(latencies.longest()),
        }
    }

    /// For people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!(
                "{} vehicles drove for {} and published {} messages: {} acknowledged, {} stored, \
                 {} dead letters.",
                HumanCount(self.vehicles),
                clock(self.seconds),
                HumanCount(self.published),
                HumanCount(self.acknowledged),
                HumanCount(self.stored),
                HumanCount(self.dead_lettered),
            ),
            format!(
                "PUBACK, each after its message was durable: p50 {:.1} ms, p99 {:.1} ms, max {:.1} \
                 ms.",
                self.puback_p50_ms, self.puback_p99_ms, self.puback_max_ms
            ),
        ];
        if self.refused > 0 {
            lines.push(format!("{} messages were refused.", HumanCount(self.refused)));
        }
        if self.waiting_entries > 0 {
            let waiting = HumanCount(self.waiting_entries);
            lines.push(format!("{waiting} entries were durable and not stored yet."));
        }
        lines
    }
}
