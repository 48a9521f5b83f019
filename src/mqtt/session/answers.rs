//! Handles the client's acknowledgements of deliveries, and the end of its session.

use std::num::NonZeroU16;

use super::{
    delivery::{Delivery, report},
    outbound::{Entry, Outbound},
};
use crate::{
    model::CommandOutcome,
    mqtt::{
        router::CommandTag,
        wire::{AckKind, Qos, Violation, write_ack},
    },
};

impl Outbound {
    /// Handles a PUBACK.
    ///
    /// # Errors
    /// If it is for a message of QoS 2 ([MQTT-4.3.3-1]).
    pub(super) fn on_puback(&mut self, id: NonZeroU16, reason: u8) -> Result<(), Violation> {
        let Some(place) = self.place(id) else { return Ok(()) };
        match &self.entries[place] {
            Entry::Sent(delivery) if delivery.qos == Qos::AtLeastOnce => {
                let command = delivery.message.command;
                self.answered(place, reason, command);
                Ok(())
            }
            Entry::Sent(_) | Entry::Released(_) => Err(Violation::Protocol),
            Entry::Waiting(_) | Entry::Done => Ok(()),
        }
    }

    /// Handles a PUBREC: appends the PUBREL, except in a persistent session, where the journal is
    /// written first.
    ///
    /// # Errors
    /// If it is for a message of QoS 1 ([MQTT-4.3.2-1]).
    pub(super) fn on_pubrec(
        &mut self,
        id: NonZeroU16,
        reason: u8,
        out: &mut Vec<u8>,
    ) -> Result<(), Violation> {
        if let Some(place) = self.place(id) {
            match &self.entries[place] {
                Entry::Sent(delivery) if delivery.qos == Qos::ExactlyOnce => {
                    let command = delivery.message.command;
                    if reason >= 0x80 {
                        // [MQTT-4.3.3-10]: the exchange is over.
                        self.answered(place, reason, command);
                        return Ok(());
                    }
                    self.bytes -= delivery.memory();
                    self.entries[place] = Entry::Released(command);
                }
                Entry::Sent(_) => return Err(Violation::Protocol),
                Entry::Waiting(_) | Entry::Released(_) | Entry::Done => {}
            }
            let is_released = matches!(self.entries[place], Entry::Released(_));
            if reason < 0x80 && is_released && self.releases_later(place) {
                return Ok(());
            }
        }
        // An unknown identifier is also released, so that a client that remembers it from another
        // session can end the exchange.
        if reason < 0x80 {
            write_ack(out, self.version, AckKind::Rel, id, 0);
        }
        Ok(())
    }

    /// Handles a PUBCOMP.
    ///
    /// # Errors
    /// If it is for a message that was not released.
    pub(super) fn on_pubcomp(&mut self, id: NonZeroU16) -> Result<(), Violation> {
        let Some(place) = self.place(id) else { return Ok(()) };
        match self.entries[place] {
            Entry::Released(command) => {
                self.answered(place, 0, command);
                Ok(())
            }
            Entry::Sent(_) => Err(Violation::Protocol),
            Entry::Waiting(_) | Entry::Done => Ok(()),
        }
    }

    /// A sent message is done.
    fn answered(&mut self, place: usize, reason: u8, command: Option<CommandTag>) {
        let outcome = match reason {
            0x80.. => CommandOutcome::Refused(reason),
            _ => CommandOutcome::Acknowledged,
        };
        self.report(command, outcome, place);
        if reason >= 0x80 {
            self.outcomes.refused += 1;
        } else {
            self.outcomes.delivered += 1;
        }
        self.in_flight -= 1;
        self.done(place);
        self.forget_done();
        self.weigh();
    }

    /// The session has ended: returns the remaining messages of its shared subscriptions, for other
    /// members. A message of QoS 2 that was sent must not go to another ([MQTT-4.8.2-5]).
    pub(in crate::mqtt) fn left_to_others(&mut self) -> Vec<Delivery> {
        self.load.away();
        let entries = std::mem::take(&mut self.entries);
        let commands = entries.iter().filter_map(|entry| match entry {
            Entry::Waiting(delivery) | Entry::Sent(delivery) => delivery.message.command,
            Entry::Released(command) => *command,
            Entry::Done => None,
        });
        let left = commands.flat_map(|command| report(Some(command), CommandOutcome::Left, None));
        self.reports.extend(left);
        let entries = entries.into_iter();
        let queued = entries.filter_map(|entry| match entry {
            Entry::Waiting(delivery) => Some(delivery),
            Entry::Sent(delivery) if delivery.qos == Qos::AtLeastOnce => Some(delivery),
            Entry::Sent(_) | Entry::Released(_) | Entry::Done => None,
        });
        let qos0 = std::mem::take(&mut self.qos0);
        self.bytes = 0;
        queued.chain(qos0).filter(|delivery| delivery.group.is_some()).collect()
    }
}
