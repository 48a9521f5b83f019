//! The end of a turn: every session that got a delivery is written to once, and the results of
//! deliveries are counted.

use std::{collections::VecDeque, mem::take, sync::atomic::Ordering, time::Duration};

use super::{
    slot::{Client, Slot, SlotKey, Socket},
    thread::Worker,
};
use crate::{
    mqtt::{
        clock::Tick,
        close::{Close, QUEUE_STALLED},
        session::{Delivery, Outbound, Outcomes},
        wire::Qos,
    },
    telemetry::DeliveryCounts,
};

/// The fill level of a socket's write buffer; more is written when it is empty.
const WRITE_BUFFER: usize = 64 * 1024;
/// Topics that one turn examines for the retained messages of one subscription.
const RETAINED_STEPS: usize = 1000;

/// How a connection ends that does not read what it is sent.
pub(super) const STALLED: (Close, &str) = (Close::Reason(QUEUE_STALLED), "queue-stalled");

impl Worker {
    /// A session has something to send, or may have.
    pub(in crate::mqtt) fn touch(&self, key: SlotKey, socket: &mut Socket) {
        if !std::mem::replace(&mut socket.is_touched, true) {
            self.deliveries.touched.borrow_mut().push(key);
            self.dirty();
        }
    }

    /// The end of a turn: delivers publishes, writes, answers.
    pub(super) fn deliver(&self) {
        self.send_outbox();
        // A write may make room, and so cause acknowledgements, and so a further write.
        loop {
            self.answer_passed();
            let touched = take(&mut *self.deliveries.touched.borrow_mut());
            if touched.is_empty() {
                break;
            }
            touched.into_iter().for_each(|key| self.write_session(key));
        }
        let later = take(&mut *self.deliveries.later.borrow_mut());
        if !later.is_empty() {
            self.deliveries.touched.borrow_mut().extend(later);
            self.dirty();
        }
        self.count_queues();
    }

    /// Counts deliveries of a session that has ended, which are lost.
    pub(super) fn left(&self, count: u64) {
        self.count(|counts| {
            counts.queued = counts.queued.wrapping_sub(count);
            counts.dropped += count;
        });
        self.dropped("session-ended", count);
    }

    /// Writes one session's acknowledgements and deliveries, in one piece.
    fn write_session(&self, key: SlotKey) {
        let mut slots = self.slots.borrow_mut();
        let Some(Slot { client: Some(client), socket: Some(socket) }) = slots.get_mut(key) else {
            return;
        };
        socket.is_touched = false;
        self.with_scratch(|out| {
            self.respond(client, socket, out);
            self.write(socket, out);
        });
        self.after_acknowledging(client, socket);
    }

    /// Appends a session's acknowledgements and deliveries. A client that receives its own publish
    /// gets it before the PUBACK, and after the PUBREC: the former ends the exchange, the latter
    /// begins it.
    pub(in crate::mqtt) fn respond(
        &self,
        client: &mut Client,
        socket: &mut Socket,
        out: &mut Vec<u8>,
    ) {
        if client.session.is_receipt_due() {
            self.acknowledge_into(client, out);
            self.fill(client, socket, out);
        } else {
            self.fill(client, socket, out);
            self.acknowledge_into(client, out);
        }
    }

    /// Appends what may be sent to a session, as far as its socket has room.
    fn fill(&self, client: &mut Client, socket: &mut Socket, out: &mut Vec<u8>) {
        let is_idle = client.session.outbound.as_ref().is_none_or(|outbound| outbound.is_idle());
        if is_idle || socket.is_stuffed {
            return;
        }
        let key = client.key;
        let written = socket.io.with_write_buf(|buffer| buffer.len()).unwrap_or(0);
        let room = WRITE_BUFFER.saturating_sub(written);
        self.bring_retained(client);
        let Some(outbound) = client.session.outbound.as_mut() else { return };
        outbound.fill(out, room, self.monotonic());
        if outbound.can_send() {
            socket.is_stuffed = true;
            socket.io.notify_dispatcher();
        } else if outbound.wants_retained(self.is_short()) {
            self.deliveries.later.borrow_mut().push(key);
        }
        self.fetch(client);
        self.collect(client);
        self.release(client);
    }

    /// Queues a piece of the retained messages of new subscriptions.
    fn bring_retained(&self, client: &mut Client) {
        let is_short = self.is_short();
        let Some(outbound) = client.session.outbound.as_mut() else { return };
        if !outbound.wants_retained(is_short) {
            return;
        }
        let Some(mut scan) = outbound.scans.pop_front() else { return };
        let mut found = Vec::new();
        let now = self.monotonic();
        let router = &self.shared.router;
        let done = router.scan_retained(&mut scan, RETAINED_STEPS, now, &mut found);
        let mut count = 0;
        for message in found {
            let (qos, ids) = (message.qos.min(scan.qos), scan.ids.clone());
            match &client.lasting {
                Some(lasting) if qos > Qos::AtMostOnce => {
                    // They go to disk first.
                    outbound.set_storing(true);
                    self.store_retained(client.key, lasting.session, &message, &scan);
                }
                _ => {
                    count += 1;
                    // [MQTT-3.3.1-8]: the message is a retained one.
                    outbound.push(Delivery { message, qos, retain: true, ids, group: None });
                }
            }
        }
        self.count(|counts| {
            counts.routed = counts.routed.wrapping_add(count);
            counts.queued = counts.queued.wrapping_add(count);
        });
        if !done {
            outbound.scans.push_front(scan);
        } else if outbound.scans.is_empty() {
            outbound.scans = VecDeque::new(); // Most sessions subscribe once.
        }
    }

    /// Answers publishers that waited for this session, if it has room again.
    pub(in crate::mqtt) fn release(&self, client: &mut Client) {
        if client.passes.is_empty() {
            return;
        }
        let is_short = self.is_short();
        let outbound = client.session.outbound.as_ref();
        if outbound.is_none_or(|outbound| outbound.has_room(is_short)) {
            self.release_all(client);
        }
    }

    /// Answers them in any case: they need not wait for this session any more.
    pub(in crate::mqtt) fn release_all(&self, client: &mut Client) {
        client.full_since = None;
        if !client.passes.is_empty() {
            client.passes = Vec::new();
            self.dirty();
        }
    }

    /// Its socket's buffer is empty: more may be written.
    pub(in crate::mqtt) fn unstuffed(&self, key: SlotKey) {
        let mut slots = self.slots.borrow_mut();
        if let Some(socket) = slots.get_mut(key).and_then(|slot| slot.socket.as_mut()) {
            socket.is_stuffed = false;
            self.touch(key, socket);
        }
    }

    /// Whether a receiver that is full since `since` has kept publishers waiting for too long.
    pub(super) fn is_stalled(&self, since: Tick) -> bool {
        self.now.get().since(since) > self.limits().queue_stall_ticks
    }

    /// Ends a receiver's connection because it does not read what it is sent.
    pub(super) fn close_stalled(&self, key: SlotKey) {
        let (close, cause) = STALLED;
        self.close(key, &close, cause);
    }

    /// Whether memory for all queues is short.
    pub(super) fn is_short(&self) -> bool {
        // Includes what this turn has added: one letter may contain more than there is room for.
        let counted = self.shared.queued_bytes.load(Ordering::Relaxed);
        let queued = counted.saturating_add_signed(self.deliveries.grown.get());
        queued >= self.limits().queue_memory_max
    }

    /// Adds the growth of a queue to the total of all queues.
    pub(super) fn weigh(&self, outbound: &mut Outbound) {
        self.deliveries.grown.set(self.deliveries.grown.get() + outbound.grown());
    }

    fn count_queues(&self) {
        let grown = self.deliveries.grown.take();
        if grown > 0 {
            self.shared.queued_bytes.fetch_add(grown.unsigned_abs(), Ordering::Relaxed);
        } else if grown < 0 {
            self.shared.queued_bytes.fetch_sub(grown.unsigned_abs(), Ordering::Relaxed);
        }
        self.delivery_ledger.publish(self.deliveries.counts.get());
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut DeliveryCounts)) {
        let mut counts = self.deliveries.counts.get();
        change(&mut counts);
        self.deliveries.counts.set(counts);
    }

    /// Counts the growth of a session's queue, and the results of its deliveries, since the last
    /// call.
    pub(in crate::mqtt) fn collect(&self, client: &mut Client) {
        let Some(outbound) = client.session.outbound.as_mut() else { return };
        self.weigh(outbound);
        self.report(outbound.reports());
        self.tell_journal(client);
        let Some(outbound) = client.session.outbound.as_mut() else { return };
        let outcomes = outbound.outcomes();
        if outcomes == Outcomes::default() {
            return;
        }
        // The counts are published at the end of the turn.
        self.dirty();
        let Outcomes { delivered, sent, sent_bytes, expired, too_large, refused, .. } = outcomes;
        let Outcomes { overtaken, forbidden, .. } = outcomes;
        self.traffic(|traffic| {
            traffic.packets_written += sent;
            traffic.publishes_written += sent;
            traffic.payload_written += sent_bytes;
        });
        let dropped = too_large + refused + overtaken + forbidden;
        client.dropped += dropped;
        self.count(|counts| {
            counts.delivered += delivered;
            counts.expired += expired;
            counts.dropped += dropped;
            counts.queued = counts.queued.wrapping_sub(delivered + expired + dropped);
        });
        if dropped > 0 {
            self.dropped("packet-too-large", too_large);
            self.dropped("refused", refused);
            self.dropped("drop-oldest", overtaken);
            self.dropped("not-authorized", forbidden);
        }
    }

    /// The monotonic clock, with the precision of a tick.
    pub(in crate::mqtt) fn monotonic(&self) -> Duration {
        self.monotonic.get()
    }
}
