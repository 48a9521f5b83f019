//! Counts that are not part of the balance equations: failures by mapping and cause, and what was
//! left out by reason. The latter are summed here and added to the metrics once per turn, because
//! each labelled metric costs a lookup.

use std::sync::Arc;

use crate::{
    telemetry::{CauseName, FailureLabel, Metrics, ReasonLabel},
    uplink::{Failure, Transcoded},
};

/// One worker's sums since the last turn.
#[derive(Debug)]
pub(super) struct Tally {
    metrics: Arc<Metrics>,
    left_out: [u64; REASONS.len()],
}

/// In the order of [`Tally::left_out`].
const REASONS: [&str; 6] = [
    "filtered-point",
    "empty-point",
    "no-points",
    "not-a-number",
    "time-out-of-range",
    "unknown-property",
];

impl Tally {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, left_out: [0; REASONS.len()] }
    }

    /// Adds what one message left out.
    pub(super) fn left_out(&mut self, done: &Transcoded) {
        let of_message = [
            done.points_filtered,
            done.points_empty,
            u32::from(done.no_points.is_some()),
            done.values_dropped,
            done.times_dropped,
            done.properties_unknown,
        ];
        for (sum, count) in self.left_out.iter_mut().zip(of_message) {
            *sum += u64::from(count);
        }
    }

    /// Counts one failed mapping, which becomes one dead letter; the log counts that, once it is
    /// durable.
    pub(super) fn failed(&self, failure: &Failure) {
        let cause = CauseName(failure.cause);
        let label = FailureLabel { mapping: Arc::clone(&failure.mapping), cause };
        self.metrics.uplink_failures.get_or_create_owned(&label).inc();
    }

    /// Adds the sums of a turn to the metrics.
    pub(super) fn publish(&mut self) {
        for (sum, reason) in self.left_out.iter_mut().zip(REASONS) {
            if *sum > 0 {
                let label = ReasonLabel { reason };
                let counter = self.metrics.uplink_left_out_values.get_or_create_owned(&label);
                counter.inc_by(std::mem::take(sum));
            }
        }
    }
}
