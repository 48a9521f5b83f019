//! Commands to sessions, and receipts from them.

use std::sync::Arc;

use super::{
    slot::{Client, Slot, SlotKey},
    thread::Worker,
};
use crate::{
    auth::Identity,
    model::{
        CommandOutcome, CommandReport, IncomingReceipt, OutgoingCommand, QueuePlace, ReceiptTicket,
        SessionId,
    },
    mqtt::{
        commands::ConnectedSession,
        lasting::stored_id,
        router::{CommandTag, Expiry, Message, Receiver},
        session::Delivery,
        wire::{Body, Publish, Qos, command_properties, correlation_data},
    },
};

impl Worker {
    /// A client is connected: commands for its vehicle, or for the vehicles of its messages, can be
    /// sent.
    pub(super) fn speaks_for(&self, key: SlotKey, client: &Client) {
        let session = self.session_id(key);
        let speaker = ConnectedSession { session, routed: client.routed(session) };
        if self.shared.access.is_gateway(&client.identity) {
            self.shared.vehicles.enter_gateway(speaker);
        }
        if let Some(vehicle) = client.identity.vehicle() {
            self.shared.vehicles.enter(vehicle, speaker);
            self.shared.tracker.vehicle_reachable(vehicle);
        }
    }

    /// Its connection has ended.
    pub(super) fn speaks_no_more(&self, key: SlotKey, client: &Client) {
        let session = self.session_id(key);
        self.shared.vehicles.leave_gateway(session);
        if let Some(vehicle) = client.identity.vehicle() {
            self.shared.vehicles.leave(vehicle, session);
            if client.lasting.is_some() {
                // Commands in its queue may be sent to another connected session.
                self.shared.tracker.vehicle_reachable(vehicle);
            }
        }
    }

    /// Queues a command for its session, or reports at once why not. The limit is that of a
    /// vehicle's open commands, not the queue's.
    pub(super) fn send_command(&self, key: SlotKey, outgoing: OutgoingCommand) {
        let OutgoingCommand { command, attempt, .. } = outgoing;
        if let Err(outcome) = self.queue_command(key, outgoing) {
            self.report(vec![CommandReport { command, attempt, outcome, place: None }]);
        }
    }

    fn queue_command(&self, key: SlotKey, outgoing: OutgoingCommand) -> Result<(), CommandOutcome> {
        let mut slots = self.slots.borrow_mut();
        let Some(Slot { client: Some(client), socket: Some(socket) }) = slots.get_mut(key) else {
            return Err(CommandOutcome::Left);
        };
        let session = client.routed(self.session_id(key));
        let (route, _) = self.shared.router.route(&outgoing.topic);
        let found = route.receivers.iter().find(|one| one.session == session);
        // `None`: it has just unsubscribed.
        let receiver = found.ok_or(CommandOutcome::Left)?;
        if receiver.is_asked
            && !self.shared.access.rules().may_receive(&client.identity, &outgoing.topic)
        {
            return Err(CommandOutcome::Forbidden);
        }
        let qos = Qos::of(outgoing.qos).unwrap_or(Qos::AtLeastOnce);
        let message = Arc::new(self.command_message(&outgoing, qos));
        if let Some(lasting) = &mut client.lasting {
            let OutgoingCommand { command, attempt, .. } = outgoing;
            let outcome = CommandOutcome::Left;
            lasting.commands.push(CommandReport { command, attempt, outcome, place: None });
            // It gets the next number of the session's queue.
            let receiver = Receiver { qos, retain_as_published: false, ..receiver.clone() };
            debug_assert_eq!(receiver.session, stored_id(lasting.session));
            self.store_for(&message, vec![receiver.into()]);
            return Ok(());
        }
        let ids = receiver.ids.clone();
        let outbound = client.session.outbound_or_new();
        outbound.push(Delivery { message, qos, retain: false, ids, group: None });
        self.count(|counts| {
            counts.routed = counts.routed.wrapping_add(1);
            counts.queued = counts.queued.wrapping_add(1);
        });
        self.collect(client);
        self.touch(key, socket);
        Ok(())
    }

    fn command_message(&self, outgoing: &OutgoingCommand, qos: Qos) -> Message {
        let correlation = outgoing.command.to_string();
        let properties =
            command_properties(outgoing.response_topic.as_deref(), correlation.as_bytes());
        Message {
            body: Body::new(&outgoing.topic, &properties, &outgoing.payload),
            qos,
            retain: false,
            expires: Some(Expiry::within(outgoing.expires_in, self.monotonic())),
            publisher: None,
            retained_as: 0,
            command: Some(CommandTag {
                id: outgoing.command,
                attempt: outgoing.attempt,
                is_repeat: outgoing.is_repeat,
            }),
        }
    }

    /// The disk had no room for a command in the queue of its session.
    pub(super) fn had_no_room(&self, live: Option<SessionId>, tag: CommandTag) {
        let is_it =
            |report: &CommandReport| (report.command, report.attempt) == (tag.id, tag.attempt);
        let mut slots = self.slots.borrow_mut();
        let mine = |live: SessionId| {
            let key = SlotKey::of(live.number);
            (self.session_id(key) == live).then_some(key)
        };
        let slot = live.and_then(mine).and_then(|key| slots.get_mut(key));
        if let Some(lasting) = slot.and_then(|it| it.client.as_mut()?.lasting.as_mut()) {
            lasting.commands.retain(|report| !is_it(report));
        }
        let outcome = CommandOutcome::NoRoom;
        self.report(vec![CommandReport {
            command: tag.id,
            attempt: tag.attempt,
            outcome,
            place: None,
        }]);
    }

    /// Reports the outcomes of commands.
    pub(super) fn report(&self, reports: Vec<CommandReport>) {
        if !reports.is_empty() {
            self.shared.tracker.report_outcomes(reports);
        }
    }

    /// The outcomes of commands are durable: the commands are removed from their queues.
    pub(super) fn forget_commands(&self, places: &[QueuePlace]) {
        self.journal(|change| {
            places.iter().for_each(|place| change.done(place.session, place.number));
        });
    }

    /// Passes a receipt to the downlink; its publish is acknowledged when the receipt is durable.
    pub(super) fn bring_receipt(
        &self,
        key: SlotKey,
        identity: &Identity,
        seq: u64,
        topic: &str,
        publish: &Publish<'_>,
    ) {
        self.shared.tracker.receipt(IncomingReceipt {
            ticket: ReceiptTicket { session: self.session_id(key), seq },
            vehicle: identity.vehicle().map(Arc::from),
            is_gateway: self.shared.access.is_gateway(identity),
            topic: topic.into(),
            correlation: correlation_data(publish.properties).map(Into::into),
            payload: publish.payload.into(),
        });
    }
}
