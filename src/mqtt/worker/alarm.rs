//! Alarms that messages of its sessions raise, and what alarms publish.
//!
//! A message that raises one is made durable first; then downlink is told, and makes the command
//! durable or gives the publish back; then the message is acknowledged. A crash in between leaves a
//! message that nobody acknowledged: its vehicle sends it again, and it raises its alarm then.

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
    /// Alarms that a publish raises wait until it is durable; gives how many it waits for itself.
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

    /// Publishes what an alarm says, as if somebody had left it as a will: it is stored where a
    /// mapping has its topic, and brought to whoever subscribes.
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

/// What tells a message from others.
fn key_of(topic: &str, payload: &[u8]) -> [u8; 16] {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    digest.update(topic.as_bytes());
    // No topic holds it.
    digest.update(&[0]);
    digest.update(payload);
    let mut half = [0; 16];
    half.copy_from_slice(&digest.finish().as_ref()[..16]);
    half
}
