//! Handling of subscriptions and deliveries on a connection, mainly for subscribers.

use std::num::NonZeroU16;

use super::load::{Load, Phase};
use crate::mqtt::wire::{self, AckKind, Publish, Qos};

/// The packet identifier of a subscriber's only SUBSCRIBE.
const SUBSCRIBE_ID: NonZeroU16 = NonZeroU16::MIN;

impl Load<'_> {
    /// The subscriber of a connection, if it is not a vehicle's.
    pub(super) fn subscriber(&self, link: usize) -> Option<usize> {
        link.checked_sub(self.script.parts().len())
    }

    pub(super) fn client_id(&self, link: usize) -> String {
        match self.script.parts().get(link) {
            Some(part) => part.vehicle.clone(),
            // Unique for this process, so that several sources do not take over each other's
            // sessions.
            None => {
                let (process, number) = (std::process::id(), link - self.script.parts().len());
                format!("subscriber-{process}-{number}")
            }
        }
    }

    /// Appends the SUBSCRIBE of a connected subscriber.
    pub(super) fn subscribe(&mut self, subscriber: usize) {
        let Some(audience) = &self.audience else { return };
        let filter = audience.subscription(self.script.parts(), subscriber);
        let (version, qos) = (self.options.version, self.options.qos);
        wire::write_subscribe(&mut self.output, version, SUBSCRIBE_ID, &[filter], qos);
    }

    /// The SUBACK for a subscriber's filter, or for a vehicle's command topics, was received.
    pub(super) fn on_subscribed(&mut self, link: usize, reasons: &[u8], now: u64) {
        let (Some(subscriber), Some(audience)) = (self.subscriber(link), &mut self.audience) else {
            return self.on_commands_subscribed(reasons);
        };
        let reason = reasons.first().copied().unwrap_or(0x80);
        if reason >= 0x80 {
            let trouble = format!("SUBACK with code {reason:#04x}");
            return self.lose(link, &trouble, now);
        }
        let is_first = audience.subscribed(subscriber);
        let link = &mut self.links[link];
        link.was_live = true;
        self.tried += usize::from(is_first && self.phase == Phase::Connecting);
    }

    /// A message was received: appends its acknowledgement.
    pub(super) fn on_delivery(&mut self, link: usize, publish: &Publish<'_>, now: u64) {
        match (self.subscriber(link), &mut self.audience) {
            (Some(subscriber), Some(audience)) => {
                audience.heard(subscriber, publish.topic, publish.payload, now);
            }
            _ => self.on_command(link, publish, now),
        }
        let kind = match publish.qos {
            Qos::AtMostOnce | Qos::AtLeastOnce => AckKind::Ack,
            Qos::ExactlyOnce => AckKind::Rec,
        };
        if let Some(id) = publish.packet_id {
            wire::write_ack(&mut self.output, self.options.version, kind, id, 0);
        }
    }
}
