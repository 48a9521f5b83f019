//! What is shown while a run goes on: a bar on a terminal, one line a phase elsewhere.

use std::{
    io::{IsTerminal, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::simulator::{Counts, Latencies, Phase, Watch};

/// Shows progress on standard error.
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

    /// Takes the bar away, so that the report stands alone.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(text: &str) {
        // Whoever does not read standard error misses nothing but this.
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
