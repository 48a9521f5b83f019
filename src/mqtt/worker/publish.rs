//! A publish: into the spool if a mapping matches, to the subscribers, and into the retained
//! messages if its retain flag is set.

use std::sync::Arc;

use super::{
    journal::Marks,
    slot::{Client, SlotKey},
    thread::Worker,
};
use crate::{
    mqtt::{
        lasting::Bringing,
        router::{Expiry, Message, Route},
        session::{Held, QUOTA_EXCEEDED},
        wire::{Body, Publish, Qos, Version},
    },
    telemetry::ReasonLabel,
    uplink::{Incoming, MessageOutcome, NoRoom, Sender},
};

/// No matching subscribers.
const NO_SUBSCRIBERS: u8 = 0x10;

impl Worker {
    /// Accepts a publish of a session.
    ///
    /// # Errors
    /// [`NoRoom`] if there is no memory for it: it has had no effect.
    pub(in crate::mqtt) fn take(
        &self,
        key: SlotKey,
        client: &mut Client,
        publish: &Publish<'_>,
        will: u64,
    ) -> Result<Held, NoRoom> {
        let Client { session, memo, identity, .. } = client;
        let topic = session.topic(publish);
        let facts = memo.more(topic);
        // An alarm's topic is defined by its mapping file; and its publish raises no other alarm.
        let is_own = client.alarm.is_some();
        if !is_own && !facts.may_publish(&self.shared.access, identity, topic) {
            self.refused_operation("publish", identity, topic);
            let taken = self.intake.borrow_mut().pass(MessageOutcome::Refused);
            self.read_payload(publish);
            self.forget_will(will);
            return Ok(Held::of(taken));
        }
        let is_receipt = facts.is_receipt(&*self.shared.tracker, topic);
        let route = facts.route(&self.shared.router, topic);
        let mut intake = self.intake.borrow_mut();
        let taken = if publish.retain && publish.payload.is_empty() {
            // A publish that clears a retained message is not a measurement.
            intake.clear(topic, memo)
        } else if intake.has_room() {
            let Publish { payload, content_type, .. } = *publish;
            // An anonymous client has no verified vehicle.
            let own = identity.vehicle().filter(|_| !identity.is_anonymous());
            let sender = if is_own { Sender::Unchecked } else { Sender::Session(own) };
            let incoming = Incoming { topic, payload, content_type, sender };
            intake.take(&incoming, memo, key, session.next_seq())?
        } else {
            return Err(NoRoom);
        };
        let raised = intake.take_raised();
        drop(intake);
        self.read_payload(publish);
        let mut held = Held::of(taken);
        if taken.outcome == MessageOutcome::Refused {
            self.refused_operation("publish-for-another", identity, topic);
            self.forget_will(will);
            return Ok(held);
        }
        if publish.qos == Qos::ExactlyOnce && held.reason == NO_SUBSCRIBERS {
            // Its exchange has only begun: there may be subscribers before it ends (5.0, 3.5.2.1:
            // 0x10 is optional).
            held.reason = 0;
        }
        if is_receipt {
            self.bring_receipt(key, identity, session.next_seq(), topic, publish);
            held.passes = 1;
            if held.reason == NO_SUBSCRIBERS {
                held.reason = 0;
            }
        }
        if !raised.is_empty() && !is_own {
            held.passes += self.raise(key, client, publish, raised);
        }
        let keeps_id = publish.qos == Qos::ExactlyOnce && client.lasting.is_some();
        if route.is_none() && !publish.retain && !keeps_id && will == 0 {
            return Ok(held);
        }
        let is_mapped = taken.outcome != MessageOutcome::Unmapped;
        let marks = Marks { will, ..Marks::default() };
        Ok(self.pass_on(key, client, publish, route.as_ref(), (held, is_mapped), marks))
    }

    /// Passes a publish to subscribers, the retained messages and the journal.
    fn pass_on(
        &self,
        key: SlotKey,
        client: &mut Client,
        publish: &Publish<'_>,
        route: Option<&Arc<Route>>,
        (mut held, is_mapped): (Held, bool),
        mut marks: Marks,
    ) -> Held {
        let seq = client.session.next_seq();
        let message = (route.is_some() || publish.retain)
            .then(|| Arc::new(self.message(key, client, publish)));
        if let Some(message) = message.as_ref().filter(|_| publish.retain)
            && self.retain(message)
        {
            marks.retained_as = message.retained_as;
        }
        let may_wait = !is_mapped && publish.qos > Qos::AtMostOnce;
        let mut receivers = Vec::new();
        if let (Some(route), Some(message)) = (route, &message) {
            held.passes += self.publish(message, route, Some((key, seq)), may_wait, &mut receivers);
        }
        let is_taken = is_mapped || marks.retained_as != 0 || held.passes > 0;
        if held.reason == NO_SUBSCRIBERS && (held.passes > 0 || !receivers.is_empty()) {
            held.reason = 0;
        } else if !is_taken && receivers.is_empty() && message.is_some() {
            held.reason = QUOTA_EXCEEDED;
        }
        marks.received = received(client, publish, held.reason);
        let is_sole = !is_taken && !receivers.is_empty();
        let bringing = Bringing {
            // At QoS 0 too, so that a session holds no more than its limit while the disk has no
            // room.
            publisher: Some((key, seq)),
            may_wait,
            message,
            receivers,
            scan_of: None,
            is_sole,
        };
        self.keep(client, held, bringing, marks)
    }

    /// Writes the persistent changes of a publish, if there are any; its acknowledgement waits for
    /// them.
    fn keep(&self, client: &mut Client, mut held: Held, bringing: Bringing, marks: Marks) -> Held {
        if bringing.receivers.is_empty() && marks == Marks::default() {
            return held;
        }
        held.passes += u16::from(bringing.publisher.is_some());
        if (marks.received.is_some() || marks.will != 0) && held.waits > 0 {
            let seq = client.session.next_seq();
            self.store_later(client, seq, bringing, marks);
        } else {
            self.store(bringing, marks);
        }
        held
    }

    /// Counts the payload of a publish that was accepted; one without room is tried again.
    fn read_payload(&self, publish: &Publish<'_>) {
        self.traffic(|traffic| traffic.payload_read += publish.payload.len() as u64);
    }

    fn message(&self, key: SlotKey, client: &Client, publish: &Publish<'_>) -> Message {
        let topic = client.session.topic(publish);
        let now = self.monotonic();
        let retained_as = publish.retain.then(|| self.shared.router.retained_number());
        Message {
            body: Body::new(topic, publish.properties, publish.payload),
            qos: publish.qos,
            retain: publish.retain,
            expires: publish.message_expiry.map(|seconds| Expiry::after(seconds, now)),
            publisher: Some(client.routed(self.session_id(key))),
            retained_as: retained_as.unwrap_or(0),
            command: None,
        }
    }

    /// Retains a message, or counts that there is no room for it, in memory or on disk.
    fn retain(&self, message: &Arc<Message>) -> bool {
        let is_clear = message.body.payload().is_empty();
        let has_room = is_clear || !self.shared.lasting.sessions.is_full();
        let is_retained = has_room && self.shared.router.retain(message).is_ok();
        if !is_retained {
            self.shared.metrics.mqtt_refused_retained_messages.inc();
            let now = self.shared.clock.monotonic();
            if let Some(suppressed) = self.retained_full.borrow_mut().admit(now) {
                let topic = message.body.topic();
                tracing::warn!(topic, suppressed, "no room for one more retained message");
            }
        }
        is_retained
    }

    /// Counts dropped deliveries.
    pub(super) fn dropped(&self, reason: &'static str, count: u64) {
        if count > 0 {
            let label = ReasonLabel { reason };
            self.shared.metrics.mqtt_dropped_deliveries.get_or_create_owned(&label).inc_by(count);
        }
    }
}

/// The exchange of a QoS 2 publish of a persistent session; `None` if it ends at once.
fn received(client: &Client, publish: &Publish<'_>, reason: u8) -> Option<(u64, u16)> {
    let ends = reason >= 0x80 && client.session.terms().version == Version::V5;
    let begins = publish.qos == Qos::ExactlyOnce && !ends;
    let lasting = client.lasting.as_ref().filter(|_| begins)?;
    Some((lasting.session, publish.packet_id?.get()))
}
