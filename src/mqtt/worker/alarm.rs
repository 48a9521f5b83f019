//! Alarms from messages of the worker's sessions, and publishes by alarms.
//!
//! A message that raises an alarm is first made durable; then the downlink gets the alarm, and
//! makes the command durable or returns the publication; then the message is acknowledged. After a
//! crash in between, the message is unacknowledged: its vehicle sends it again, which raises the
//! alarm again.

use super::{
    slot::{Client, Deferred, Later, SlotKey},
    thread::Worker,
};
use crate::{
    auth::Identity,
    model::{Publication, RaisedAlarm, ReceiptTicket},
    mqtt::{
        will::Will,
        wire::{JSON_PROPERTIES, Publish},
    },
    sessions::StoredMessage,
    telemetry::AlarmLabel,
    uplink::Raised,
};

impl Worker {
    /// Alarms of a publish wait until it is durable; returns for how many the publish itself waits.
    #[cold]
    pub(super) fn raise(
        &self,
        key: SlotKey,
        client: &mut Client,
        publish: &Publish<'_>,
        raised: Vec<Raised>,
    ) -> u16 {
        let seq = client.session.next_seq();
        let ticket = ReceiptTicket { session: self.session_id(key), seq };
        let hash = key_of(client.session.topic(publish), publish.payload);
        let mut count = 0;
        for Raised { alarm, vehicle, time, has_time, refusal, values } in raised {
            let admitted = match refusal {
                Some(refusal) => Err(refusal.as_str()),
                None => {
                    let admitted = self.shared.tracker.admit_alarm(&alarm, &vehicle);
                    admitted.map_err(|refusal| refusal.as_str())
                }
            };
            match admitted {
                Ok(permit) => {
                    let raised = RaisedAlarm {
                        ticket,
                        alarm,
                        vehicle,
                        time,
                        key: hash,
                        has_time,
                        values,
                        permit,
                    };
                    let later = Later::Alarm(Box::new(raised));
                    client.deferred.push_back(Deferred { seq, later });
                    count += 1;
                }
                Err(outcome) => {
                    let label = AlarmLabel { alarm, outcome };
                    self.shared.metrics.downlink_alarms.get_or_create_owned(&label).inc();
                }
            }
        }
        count
    }

    /// Publishes the message of an alarm like a will: it is stored if a mapping has its topic, and
    /// delivered to subscribers.
    pub(super) fn publish_alarm(&self, publication: Publication) {
        let Publication { ticket, topic, qos, payload } = publication;
        let message = StoredMessage {
            qos,
            retain: false,
            expires: None,
            topic: &topic,
            properties: JSON_PROPERTIES,
            payload: &payload,
        };
        let Some(will) = Will::of_stored(&message) else { return };
        self.publish_apart((0, Some(ticket)), Identity::anonymous("".into()), will);
    }
}

/// Identifies a message.
fn key_of(topic: &str, payload: &[u8]) -> [u8; 16] {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    digest.update(topic.as_bytes());
    // A separator that no topic contains.
    digest.update(&[0]);
    digest.update(payload);
    let mut half = [0; 16];
    half.copy_from_slice(&digest.finish().as_ref()[..16]);
    half
}
