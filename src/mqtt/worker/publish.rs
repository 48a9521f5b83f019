//! A publish: into the spool if a mapping wants it, to whoever subscribes, and into the retained
//! messages if it says so.

use std::sync::Arc;

use super::{
    slot::{Client, SlotKey},
    thread::Worker,
};
use crate::{
    mqtt::{
        router::{Expiry, Message},
        session::Held,
        wire::{Body, Publish, Qos},
    },
    telemetry::ReasonLabel,
    uplink::{Incoming, MessageOutcome, NoRoom},
};

/// Quota exceeded: a message that nothing and nobody took.
const QUOTA_EXCEEDED: u8 = 0x97;
/// No matching subscribers.
const NO_SUBSCRIBERS: u8 = 0x10;

impl Worker {
    /// Takes a publish of a session in.
    ///
    /// # Errors
    /// [`NoRoom`] if there is no memory for it: nothing has been done with it.
    pub(in crate::mqtt) fn take(
        &self,
        key: SlotKey,
        client: &mut Client,
        publish: &Publish<'_>,
    ) -> Result<Held, NoRoom> {
        self.traffic(|traffic| traffic.payload_read += publish.payload.len() as u64);
        let Client { session, memo, identity, .. } = client;
        let topic = session.topic(publish);
        let facts = memo.more(topic);
        if !facts.may_publish(&self.shared.access, identity, topic) {
            self.refused_operation("publish", identity, topic);
            let taken = self.intake.borrow_mut().pass(MessageOutcome::Refused);
            return Ok(Held::of(taken));
        }
        let is_receipt = facts.is_receipt(&*self.shared.desk, topic);
        let route = facts.route(&self.shared.router, topic);
        let mut intake = self.intake.borrow_mut();
        let taken = if publish.retain && publish.payload.is_empty() {
            // The clear of a retained message is no measurement.
            intake.clear(topic, memo)
        } else if intake.has_room() {
            let Publish { payload, content_type, .. } = *publish;
            let incoming = Incoming { topic, payload, content_type };
            intake.take(&incoming, memo, key, session.next_seq())?
        } else {
            return Err(NoRoom);
        };
        drop(intake);
        let mut held = Held::of(taken);
        if publish.qos == Qos::ExactlyOnce && held.reason == NO_SUBSCRIBERS {
            // Its exchange only begins: who subscribes until it ends is not known (5.0, 3.5.2.1:
            // 0x10 may be said).
            held.reason = 0;
        }
        if is_receipt {
            self.bring_receipt(key, identity, session.next_seq(), topic, publish);
            held.passes = 1;
            if held.reason == NO_SUBSCRIBERS {
                held.reason = 0;
            }
        }
        if route.is_none() && !publish.retain {
            return Ok(held);
        }
        let message = Arc::new(self.message(key, topic, publish));
        let is_mapped = taken.outcome != MessageOutcome::Unmapped;
        let mut is_taken = is_mapped;
        if publish.retain {
            is_taken |= self.retain(&message);
        }
        if let Some(route) = route {
            let may_wait = !is_mapped && publish.qos > Qos::AtMostOnce;
            let publisher = (key, session.next_seq());
            let passes = self.publish(&message, &route, Some(publisher), may_wait);
            held.passes += passes;
            is_taken |= held.passes > 0;
        }
        if held.reason == NO_SUBSCRIBERS && held.passes > 0 {
            held.reason = 0;
        } else if !is_taken {
            held.reason = QUOTA_EXCEEDED;
        }
        Ok(held)
    }

    fn message(&self, key: SlotKey, topic: &str, publish: &Publish<'_>) -> Message {
        let now = self.monotonic();
        let retained_as = publish.retain.then(|| self.shared.router.retained_number());
        Message {
            body: Body::new(topic, publish.properties, publish.payload),
            qos: publish.qos,
            retain: publish.retain,
            expires: publish.message_expiry.map(|seconds| Expiry::after(seconds, now)),
            publisher: Some(self.session_id(key)),
            retained_as: retained_as.unwrap_or(0),
            command: None,
        }
    }

    /// Retains a message, or counts that there is no room for it.
    fn retain(&self, message: &Arc<Message>) -> bool {
        let retained = self.shared.router.retain(message);
        if retained.is_err() {
            self.shared.metrics.mqtt_refused_retained_messages.inc();
            let now = self.shared.clock.monotonic();
            if let Some(suppressed) = self.retained_full.borrow_mut().admit(now) {
                let topic = message.body.topic();
                tracing::warn!(topic, suppressed, "no room for one more retained message");
            }
        }
        retained.is_ok()
    }

    /// Counts deliveries that were given up.
    pub(super) fn dropped(&self, reason: &'static str, count: u64) {
        if count > 0 {
            let label = ReasonLabel { reason };
            self.shared.metrics.mqtt_dropped_deliveries.get_or_create_owned(&label).inc_by(count);
        }
    }
}
