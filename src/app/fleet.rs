//! The presence of vehicles and the access to their sessions, shared by the MQTT and HTTP servers.

use std::sync::Arc;

use crate::{model::Presence, mqtt::Workers, telemetry::Metrics};

/// Filled by the MQTT server, read by the HTTP server.
#[derive(Debug)]
pub(super) struct Fleet {
    pub(super) presence: Arc<Presence>,
    pub(super) workers: Arc<Workers>,
    /// Forgotten vehicles that are already counted in the metrics.
    counted: u64,
}

impl Fleet {
    pub(super) fn new(away_max: usize) -> Self {
        let (presence, workers) = (Arc::new(Presence::new(away_max)), Arc::default());
        Self { presence, workers, counted: 0 }
    }

    /// Updates the metrics from the counters.
    pub(super) fn measure(&mut self, metrics: &Metrics) {
        let counts = self.presence.counts();
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        metrics.presence_connected_vehicles.set(gauge(counts.connected));
        metrics.presence_away_vehicles.set(gauge(counts.away));
        metrics.presence_forgotten_vehicles.inc_by(counts.forgotten - self.counted);
        self.counted = counts.forgotten;
    }
}
