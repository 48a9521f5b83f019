//! The status of the demo at one moment, and its totals: computed from monotonic counters.

use std::{collections::VecDeque, time::Duration};

use indicatif::HumanCount;
use serde::Serialize;

use super::{
    board::clock,
    fleet::Seen,
    push::{Heard, Pushed},
};
use crate::{
    app::Stopped,
    simulator::{CommandCounts, Latencies, Outcome, Phase, Stats},
};

/// Rates and latencies are those of this last period.
pub(super) const WINDOW: Duration = Duration::from_secs(10);
/// Rates that the board draws, one per look.
const TREND_LEN: usize = 24;

/// The status at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Status {
    /// Since the fleet's start.
    pub(super) seconds: f64,
    pub(super) doing: Doing,
    pub(super) vehicles: u64,
    pub(super) connected: u64,
    /// Messages with a successful PUBACK.
    pub(super) acknowledged: u64,
    pub(super) acknowledged_a_second: f64,
    /// Messages with a PUBACK that refuses them.
    pub(super) refused: u64,
    /// The commands to vehicles.
    pub(super) commands: CommandCounts,
    /// The push to vehicles that charge at too high a temperature, or why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) push: Option<Heard>,
    pub(super) stored: u64,
    pub(super) stored_a_second: f64,
    /// Durable points that the store has not confirmed yet.
    pub(super) in_spool: u64,
    /// Messages and points that were set aside.
    pub(super) dead_lettered: u64,
    pub(super) puback_p50_ms: Option<f64>,
    pub(super) puback_p99_ms: Option<f64>,
    /// Percent of one processor, without the fleet's thread.
    pub(super) cpu_percent: Option<f64>,
    /// Why the appliance's statistics are old ones, if they are.
    pub(super) trouble: Option<String>,
    /// Acknowledged messages a second, per look.
    #[serde(skip)]
    pub(super) trend: Vec<f64>,
}

/// What the fleet is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Doing {
    Connecting,
    /// Sending its history.
    CatchingUp,
    Driving,
    Stopping,
}

/// The readings of one look.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) at: Duration,
    pub(super) seen: Seen,
    pub(super) process_cpu: Duration,
    /// The appliance's statistics, or why there are none.
    pub(super) stats: Result<Stats, String>,
}

/// What is kept from a look.
#[derive(Debug)]
struct Mark {
    at: Duration,
    acknowledged: u64,
    stored: u64,
    latencies: Latencies,
    cpu: Duration,
}

/// Computes rates from looks.
#[derive(Debug)]
pub(super) struct Meter {
    vehicles: u64,
    backlog: u64,
    marks: VecDeque<Mark>,
    trend: VecDeque<f64>,
    stats: Stats,
    /// Latencies up to the moment when the whole history was acknowledged. Later ones are measured
    /// separately: a vehicle that catches up sends as fast as its window allows.
    before: Option<Latencies>,
}

impl Meter {
    /// For a fleet of `vehicles`, each with `backlog` messages of history.
    pub(super) fn new(vehicles: u64, backlog: u64) -> Self {
        let (marks, trend) = (VecDeque::new(), VecDeque::new());
        Self { vehicles, backlog, marks, trend, stats: Stats::default(), before: None }
    }

    /// Takes a look; times must not go back.
    pub(super) fn read(&mut self, look: Look) -> Status {
        let trouble = match look.stats {
            Ok(stats) => {
                self.stats = stats;
                None
            }
            Err(trouble) => Some(trouble),
        };
        let Seen { phase, counts, latencies, cpu } = look.seen;
        let doing = self.doing(phase, counts.acknowledged);
        if doing == Doing::Driving && self.before.is_none() {
            self.before = Some(latencies.clone());
            self.marks.clear();
        }
        let now = Mark {
            at: look.at,
            acknowledged: counts.acknowledged,
            stored: self.stats.points.stored,
            latencies,
            cpu: look.process_cpu.saturating_sub(cpu),
        };
        if let Some(last) = self.marks.back() {
            self.trend.push_back(rate(now.acknowledged - last.acknowledged, now.at - last.at));
            self.trend.drain(..self.trend.len().saturating_sub(TREND_LEN));
        }
        while self.marks.len() > 1 && now.at.saturating_sub(self.marks[1].at) >= WINDOW {
            self.marks.pop_front();
        }
        let then = self.marks.front().unwrap_or(&now);
        let span = now.at.saturating_sub(then.at);
        let recent = now.latencies.since(&then.latencies);
        let millis = |share| {
            let found = recent.recorded() > 0;
            found.then(|| recent.quantile(share).as_secs_f64() * 1000.0)
        };
        let used = now.cpu.saturating_sub(then.cpu).as_secs_f64();
        let status = Status {
            seconds: look.at.as_secs_f64(),
            doing,
            vehicles: self.vehicles,
            connected: counts.live,
            acknowledged: counts.acknowledged,
            acknowledged_a_second: rate(now.acknowledged - then.acknowledged, span),
            refused: counts.refused,
            commands: counts.commands,
            push: None,
            stored: now.stored,
            stored_a_second: rate(now.stored.saturating_sub(then.stored), span),
            in_spool: self.stats.points.in_spool,
            dead_lettered: self.stats.messages.dead_lettered + self.stats.points.dead_lettered,
            puback_p50_ms: millis(0.5),
            puback_p99_ms: millis(0.99),
            cpu_percent: (!span.is_zero()).then(|| used / span.as_secs_f64() * 100.0),
            trouble,
            trend: self.trend.iter().copied().collect(),
        };
        self.marks.push_back(now);
        status
    }

    /// The latencies of a whole run, without the catch-up if that was completed.
    pub(super) fn driving(&self, whole: &Latencies) -> Latencies {
        match &self.before {
            Some(before) => whole.since(before),
            None => whole.clone(),
        }
    }

    fn doing(&self, phase: Phase, acknowledged: u64) -> Doing {
        match phase {
            Phase::Connecting => Doing::Connecting,
            Phase::Publishing if acknowledged < self.vehicles.saturating_mul(self.backlog) => {
                Doing::CatchingUp
            }
            Phase::Publishing => Doing::Driving,
            Phase::Draining => Doing::Stopping,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn rate(count: u64, span: Duration) -> f64 {
    if span.is_zero() { 0.0 } else { count as f64 / span.as_secs_f64() }
}

/// Counts of the whole demo.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Summary {
    vehicles: u64,
    seconds: f64,
    published: u64,
    acknowledged: u64,
    refused: u64,
    commands: CommandCounts,
    #[serde(skip_serializing_if = "Option::is_none")]
    push: Option<Pushed>,
    stored: u64,
    dead_lettered: u64,
    /// Durable entries that the store had not accepted before the end.
    waiting_entries: u64,
    puback_p50_ms: f64,
    puback_p99_ms: f64,
    puback_max_ms: f64,
}

impl Summary {
    /// From the counts of the fleet, the appliance's statistics and its end; `latencies` are those
    /// of driving.
    pub(super) fn new(
        outcome: &Outcome,
        latencies: &Latencies,
        stats: &Stats,
        stopped: &Stopped,
        push: Option<Pushed>,
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
            commands: outcome.counts.commands,
            push,
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
        let CommandCounts { received, done, rejected } = self.commands;
        if received > 0 {
            lines.push(format!(
                "The vehicles were told {} commands: {} done, {} rejected.",
                HumanCount(received),
                HumanCount(done),
                HumanCount(rejected)
            ));
        }
        lines.extend(self.push.as_ref().map(Pushed::line));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::Counts;

    fn look(second: u64, acknowledged: u64, stored: u64, latencies: &Latencies) -> Look {
        let mut stats = Stats::default();
        stats.points.stored = stored;
        let counts = Counts { live: 2, acknowledged, ..Counts::default() };
        let cpu = Duration::from_millis(second * 10);
        let (phase, latencies) = (Phase::Publishing, latencies.clone());
        Look {
            at: Duration::from_secs(second),
            seen: Seen { phase, counts, latencies, cpu },
            process_cpu: Duration::from_millis(second * 60),
            stats: Ok(stats),
        }
    }

    #[test]
    fn rates_and_latencies_are_those_of_the_window() {
        let mut meter = Meter::new(2, 100);
        let mut latencies = Latencies::new();
        (0..200).for_each(|_| latencies.record(9_000_000));
        let status = meter.read(look(0, 0, 0, &latencies));
        assert_eq!(status.doing, Doing::CatchingUp);
        assert_eq!((status.acknowledged_a_second, status.cpu_percent), (0.0, None));
        assert_eq!(meter.driving(&latencies).recorded(), 200);
        assert_eq!(meter.read(look(1, 150, 0, &latencies)).acknowledged_a_second, 150.0);
        let status = meter.read(look(2, 204, 192, &latencies));
        assert_eq!((status.doing, status.puback_p50_ms), (Doing::Driving, None));
        for second in 3..=30 {
            latencies.record(1_000_000);
            let status = meter.read(look(second, 200 + second * 2, 190 + second, &latencies));
            assert_eq!(status.doing, Doing::Driving);
            if second == 30 {
                assert_eq!(status.acknowledged_a_second, 2.0);
                assert_eq!(status.stored_a_second, 1.0);
                let p99 = status.puback_p99_ms.expect("ten were recorded");
                assert!((1.0..1.02).contains(&p99), "the burst at the start is over: {p99}");
                let cpu = status.cpu_percent.expect("there was time");
                assert!((4.99..5.01).contains(&cpu), "{cpu}");
                assert_eq!(status.trend.len(), TREND_LEN);
                assert_eq!(status.trend.last(), Some(&2.0));
                assert_eq!(meter.driving(&latencies).recorded(), 28);
            }
        }
    }

    #[test]
    fn where_the_appliance_does_not_answer_its_last_account_stands_and_the_reason() {
        let mut meter = Meter::new(2, 0);
        meter.read(look(0, 5, 4, &Latencies::new()));
        let silent =
            Look { stats: Err("no answer".to_owned()), ..look(1, 6, 0, &Latencies::new()) };
        let status = meter.read(silent);
        assert_eq!((status.stored, status.acknowledged), (4, 6));
        assert_eq!(status.trouble.as_deref(), Some("no answer"));
    }
}
