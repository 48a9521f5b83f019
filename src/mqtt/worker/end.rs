//! The end of a connection, and of its session.

use std::sync::{Arc, atomic::Ordering};

use super::{
    mailbox::Mail,
    slot::{Client, SlotKey},
    thread::Worker,
};
use crate::{model::ReceiptTicket, mqtt::close::Close};

impl Worker {
    /// A connection has ended. Its slot is freed once no lane owes it an answer any more.
    pub(in crate::mqtt) fn closed(&self, key: SlotKey, cause: &'static str) {
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = slots.get_mut(key) else { return };
        if slot.socket.take().is_none() {
            return; // It was closed before its task noticed.
        }
        self.shared.metrics.mqtt_open_sessions.dec();
        self.closing(cause);
        let Some(client) = slot.client.as_mut() else {
            slots.slab.remove(key);
            drop(slots);
            return self.left_open();
        };
        let session = self.session_id(key);
        let session_key = Arc::clone(client.identity.session_key());
        client.leave(session, &self.shared.presence);
        self.tell_disconnected(client, cause);
        self.speaks_no_more(key, client);
        if client.lasting.is_some() {
            self.shared.lasting.connected.fetch_sub(1, Ordering::Relaxed);
            self.suspend(client);
        } else {
            self.end_session(key, client);
        }
        client.keeps_open = client.will.is_some();
        if !client.keeps_open {
            self.left_open();
        }
        if !self.publish_will(key, client) {
            slots.hold(key);
        }
        self.remove_if_done(key, &mut slots);
        drop(slots);
        self.hand_over();
        // The next session with this identifier finds what this one left.
        self.shared.registry.release(&session_key, session);
    }

    /// Frees a slot whose connection has ended, once nothing is pending for it or from it.
    pub(super) fn remove_if_done(&self, key: SlotKey, slots: &mut super::thread::Slots) {
        let is_owed = |client: &Client| {
            let is_awaited = client.alarm.is_some() && !client.session.is_settled();
            client.will.is_some() || is_awaited || !client.session.is_answered()
        };
        let is_done = slots.get_mut(key).is_some_and(|slot| {
            slot.socket.is_none() && !slot.client.as_deref().is_some_and(is_owed)
        });
        if !is_done {
            return;
        }
        let client = slots.slab.remove(key).and_then(|slot| slot.client);
        let Some(client) = client else { return };
        if client.keeps_open {
            self.left_open();
        }
        if let Some(ReceiptTicket { session, seq }) = client.alarm {
            self.shared.workers.send(session, |key| Mail::Passed(vec![(key, seq)]));
        }
    }

    /// Ends the session's subscriptions; its unacknowledged messages of shared subscriptions go to
    /// other members.
    fn end_session(&self, key: SlotKey, client: &mut Client) {
        self.collect(client);
        self.release_all(client);
        let Some(mut outbound) = client.session.outbound.take() else { return };
        for filter in outbound.filters() {
            self.shared.router.unsubscribe(filter, self.session_id(key));
        }
        let queued = outbound.len() as u64;
        let handed_on = outbound.left_to_others();
        self.report(outbound.reports());
        self.weigh(&mut outbound);
        self.left(queued - handed_on.len() as u64);
        for delivery in handed_on {
            if let Some(group) = &delivery.group {
                self.hand_on(&delivery.message, group);
            }
        }
        // The counts are published at the end of the turn.
        self.dirty();
    }

    /// Publishes a client's will, if there is one; returns whether that is done, or must wait for
    /// memory.
    pub(super) fn publish_will(&self, key: SlotKey, client: &mut Client) -> bool {
        let Some(will) = client.will.take() else { return true };
        let publish = will.publish();
        let Ok(held) = self.take(key, client, &publish, client.will_id) else {
            client.will = Some(will);
            return false;
        };
        client.session.queue(&publish, held);
        self.dirty();
        true
    }

    /// Ends a connection at once; its task notices later. Messages that were received are made
    /// durable and counted all the same.
    pub(super) fn close(&self, key: SlotKey, close: &Close, cause: &'static str) {
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = slots.get_mut(key) else { return };
        let Some(socket) = slot.socket.as_ref() else { return };
        let terms = slot.client.as_ref().map(|client| client.session.terms());
        let words = close.packet(terms);
        self.write(socket, words.as_ref());
        socket.io.close();
        drop(slots);
        self.closed(key, cause);
    }
}
