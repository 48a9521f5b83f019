//! Which vehicles are there, and the way to their sessions: between the two edges.

use std::sync::Arc;

use crate::{model::Presence, mqtt::Workers, telemetry::Metrics};

/// What the vehicle edge fills and the operator edge reads.
#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) presence: Arc<Presence>,
    pub(super) workers: Arc<Workers>,
    /// Forgotten vehicles that the metrics have counted already.
    counted: u64,
}

impl Fleet {
    pub(super) fn new(away_max: usize) -> Self {
        let (presence, workers) = (Arc::new(Presence::new(away_max)), Arc::default());
        Self { presence, workers, counted: 0 }
    }

    /// Brings the metrics up to what has been counted.
    pub(super) fn measure(&mut self, metrics: &Metrics) {
        let counts = self.presence.counts();
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        metrics.presence_connected_vehicles.set(gauge(counts.connected));
        metrics.presence_away_vehicles.set(gauge(counts.away));
        metrics.presence_forgotten_vehicles.inc_by(counts.forgotten - self.counted);
        self.counted = counts.forgotten;
    }
}
