//! Handling of commands on a vehicle's connection: it subscribes to their topics, acknowledges
//! them, and sends receipts at QoS 1, with a packet identifier that its messages never use.

use std::{cmp::Reverse, num::NonZeroU16};

use super::{
    super::obey::{Moment, Receipt, Told},
    link::State,
    load::Load,
    session::MESSAGE_ID_MAX,
};
use crate::mqtt::wire::{
    self, Publish, PublishHead, Qos, Version, command_properties, correlation_data,
};

/// The packet identifier of a vehicle's only receipt in flight.
pub(super) const RECEIPT_ID: NonZeroU16 = NonZeroU16::new(MESSAGE_ID_MAX + 1).expect("not zero");
/// The packet identifier of a vehicle's only SUBSCRIBE.
const SUBSCRIBE_ID: NonZeroU16 = NonZeroU16::new(MESSAGE_ID_MAX + 2).expect("not zero");

impl Load<'_> {
    /// Appends the SUBSCRIBE of a connected vehicle, if there are command topics.
    pub(super) fn subscribe_to_commands(&mut self, vehicle: usize) {
        let Some(repertoire) = &self.options.commands else { return };
        let topics = repertoire.topics(&self.script.parts()[vehicle].vehicle);
        if !topics.is_empty() {
            let version = self.options.version;
            let qos = Qos::ExactlyOnce;
            wire::write_subscribe(&mut self.output, version, SUBSCRIBE_ID, &topics, qos);
        }
    }

    /// The SUBACK for a vehicle's command topics. Without subscriptions it drives on, but receives
    /// no commands.
    pub(super) fn on_commands_subscribed(&mut self, reasons: &[u8]) {
        if let Some(reason) = reasons.iter().find(|reason| **reason >= 0x80) {
            self.trouble = Some(format!("SUBACK with code {reason:#04x} for commands"));
        }
    }

    /// A vehicle received a message.
    pub(super) fn on_command(&mut self, vehicle: usize, publish: &Publish<'_>, now: u64) {
        let Some(repertoire) = &self.options.commands else { return };
        let moment = self.moment(now);
        let script = self.script;
        let told = Told {
            vehicle: &script.parts()[vehicle].vehicle,
            topic: publish.topic,
            payload: publish.payload,
            correlation: correlation_data(publish.properties),
        };
        let limit = |percent| script.limit_charge(vehicle, percent);
        let agenda = self.links[vehicle].agenda.get_or_insert_default();
        let counts = agenda.take(repertoire, told, moment, limit);
        let next_end = agenda.next_end();
        self.counts.commands += counts;
        self.errands.extend(next_end.map(|at| Reverse((at, vehicle))));
    }

    /// Completes the vehicles' commands that are due.
    pub(super) fn run_errands(&mut self, now: u64) {
        while let Some(&Reverse((at, vehicle))) = self.errands.peek() {
            if at > now {
                return;
            }
            self.errands.pop();
            let moment = self.moment(now);
            let Some(repertoire) = &self.options.commands else { return };
            let Some(agenda) = &mut self.links[vehicle].agenda else { continue };
            let name = &self.script.parts()[vehicle].vehicle;
            self.counts.commands.done += agenda.go_on(repertoire, name, moment);
            self.output.clear();
            self.answer_commands(vehicle);
            self.send_output(vehicle, now);
        }
    }

    /// Appends the next receipt of a vehicle, if one may be sent: it uses a place of the window,
    /// and precedes messages.
    pub(super) fn answer_commands(&mut self, vehicle: usize) {
        let link = &mut self.links[vehicle];
        if link.state != State::Live || !link.session.has_room(link.window) {
            return;
        }
        let Some((receipt, again)) = link.agenda.as_mut().and_then(|agenda| agenda.leave()) else {
            return;
        };
        write_receipt(&mut self.output, self.options.version, receipt, again);
    }

    /// A vehicle's receipt was acknowledged, or refused: it is not sent again.
    pub(super) fn on_receipt_acknowledged(&mut self, vehicle: usize, reason: u8) {
        if let Some(agenda) = &mut self.links[vehicle].agenda {
            agenda.acknowledged();
        }
        if reason >= 0x80 {
            self.trouble = Some(format!("PUBACK with code {reason:#04x} for a receipt"));
        }
    }

    fn moment(&self, nanos: u64) -> Moment {
        Moment { nanos, millis: self.clock.wall().0 / 1_000_000 }
    }
}

fn write_receipt(out: &mut Vec<u8>, version: Version, receipt: &Receipt, again: bool) {
    let correlation = receipt.correlation.as_deref();
    let properties = correlation.map(|correlation| command_properties(None, correlation));
    let head = PublishHead {
        qos: Qos::AtLeastOnce,
        duplicate: again,
        topic: &receipt.topic,
        packet_id: Some(RECEIPT_ID),
        properties: properties.as_deref().unwrap_or_default(),
        payload_len: receipt.payload.len(),
    };
    wire::write_publish(out, version, head);
    out.extend_from_slice(&receipt.payload);
}
