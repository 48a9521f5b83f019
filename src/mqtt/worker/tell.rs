//! What a worker reports: counters once a tick, and, by the first worker for all, `$SYS/broker/…`
//! and `$query/…`.

use std::sync::{Arc, atomic::Ordering};

use super::thread::{Shared, Worker};
use crate::{
    mqtt::{
        lasting::Lasting,
        sys::Snapshot,
        vehicles::NotKept,
        wire::{JSON_PROPERTIES, Qos},
    },
    telemetry::ReasonLabel,
};

/// Packets, and the payloads of publishes.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::mqtt) struct Traffic {
    pub(in crate::mqtt) packets_read: u64,
    pub(in crate::mqtt) packets_written: u64,
    pub(in crate::mqtt) publishes_written: u64,
    pub(in crate::mqtt) payload_read: u64,
    pub(in crate::mqtt) payload_written: u64,
}

impl Worker {
    /// Counts packets and payloads.
    pub(in crate::mqtt) fn traffic(&self, change: impl FnOnce(&mut Traffic)) {
        let mut traffic = self.traffic.get();
        change(&mut traffic);
        self.traffic.set(traffic);
    }

    /// Adds what happened since the last tick to the counts of all workers.
    pub(super) fn tell(&self) {
        let metrics = &self.shared.metrics;
        metrics.mqtt_silent_connections.set(i64::try_from(self.shared.silent.count()).unwrap_or(0));
        metrics.mqtt_read_bytes.inc_by(self.read.take());
        metrics.mqtt_written_bytes.inc_by(self.written.take());
        let traffic = self.traffic.take();
        metrics.mqtt_read_packets.inc_by(traffic.packets_read);
        metrics.mqtt_written_packets.inc_by(traffic.packets_written);
        metrics.mqtt_read_payload_bytes.inc_by(traffic.payload_read);
        metrics.mqtt_written_publishes.inc_by(traffic.publishes_written);
        metrics.mqtt_written_payload_bytes.inc_by(traffic.payload_written);
        for (count, why) in self.not_kept.take().into_iter().zip(NotKept::ALL) {
            if count > 0 {
                let label = ReasonLabel { reason: why.as_str() };
                metrics.mqtt_dropped_last_lines.get_or_create_owned(&label).inc_by(count);
            }
        }
        if self.number() == 0 {
            self.tell_of_router();
            self.tell_sys();
        }
    }

    /// Counts the state that all workers share.
    fn tell_of_router(&self) {
        let Shared { router, metrics, .. } = &*self.shared;
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let (count, bytes) = router.retained_size();
        metrics.mqtt_subscriptions.set(gauge(router.subscriptions()));
        metrics.mqtt_retained_messages.set(gauge(count));
        metrics.mqtt_retained_bytes.set(gauge(bytes));
        metrics.mqtt_queued_bytes.set(gauge(self.shared.queued_bytes.load(Ordering::Relaxed)));
    }

    /// Publishes the changes of `$SYS/broker/…`, if it is time.
    fn tell_sys(&self) {
        let mut sys = self.sys.borrow_mut();
        if !sys.is_due(self.uptime()) {
            return;
        }
        for (topic, text) in sys.changed(self.snapshot()) {
            self.tell_topic(&topic, &[], &text, Qos::AtMostOnce);
        }
    }

    /// Retains and publishes JSON on one of the server's own topics, at QoS 1.
    pub(super) fn tell_json(&self, topic: &str, text: &str) {
        self.tell_topic(topic, JSON_PROPERTIES, text, Qos::AtLeastOnce);
    }

    /// Retains and publishes a message on one of the server's own topics.
    fn tell_topic(&self, topic: &str, properties: &[u8], text: &str, qos: Qos) {
        let message = self.shared.router.retain_system(topic, properties, text, qos);
        let (route, _) = self.shared.router.route(topic);
        if !route.is_empty() {
            let mut stored = Vec::new();
            self.publish(&message, &Arc::new(route), None, false, &mut stored);
            self.store_for(&message, stored);
        }
    }

    fn uptime(&self) -> std::time::Duration {
        self.monotonic().saturating_sub(self.shared.started)
    }

    /// Persistent sessions that are not connected.
    fn away(&self) -> u64 {
        let Lasting { sessions, connected, .. } = &self.shared.lasting;
        sessions.counts().0.saturating_sub(connected.load(Ordering::Relaxed)) as u64
    }

    fn snapshot(&self) -> Snapshot {
        let Shared { router, metrics, .. } = &*self.shared;
        let deliveries = metrics.ledgers().deliveries();
        let (retained, retained_bytes) = router.retained_size();
        let queued_bytes = self.shared.queued_bytes.load(Ordering::Relaxed);
        let shared_subscriptions = router.shared_subscriptions();
        Snapshot {
            uptime: self.uptime(),
            connected: metrics.mqtt_open_sessions.get().unsigned_abs(),
            away: self.away(),
            expired: 0,
            subscriptions: router.subscriptions().saturating_sub(shared_subscriptions) as u64,
            shared_subscriptions: shared_subscriptions as u64,
            retained: retained as u64,
            stored: retained as u64 + deliveries.queued,
            stored_bytes: (retained_bytes + queued_bytes) as u64,
            packets_read: metrics.mqtt_read_packets.get(),
            packets_written: metrics.mqtt_written_packets.get(),
            bytes_read: metrics.mqtt_read_bytes.get(),
            bytes_written: metrics.mqtt_written_bytes.get(),
            publishes_read: metrics.ledgers().messages().received,
            publishes_written: metrics.mqtt_written_publishes.get(),
            payload_read: metrics.mqtt_read_payload_bytes.get(),
            payload_written: metrics.mqtt_written_payload_bytes.get(),
            dropped: deliveries.dropped,
            sockets: metrics.mqtt_accepted_connections.get(),
            connects: metrics.mqtt_begun_sessions.get(),
        }
    }
}
