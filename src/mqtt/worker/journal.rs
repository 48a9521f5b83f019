//! Records of the worker's sessions for the journal, and the actions once they are durable.

use std::{num::NonZeroU16, sync::Arc};

use super::{
    deliver::{Carried, StoredDelivery},
    mailbox::Mail,
    slot::{Client, Deferred, Later, Slot, SlotKey},
    thread::Worker,
};
use crate::{
    mqtt::{
        lasting::{Bringing, Moments, StoredReceiver, Ticket, kept_properties, stored, stored_id},
        router::{Filter, Message, OwnPublishes, Receiver, RetainedScan},
        session::Delivery,
        wire::{AckKind, write_ack},
    },
    sessions::{self, Answered, Change, Ended, Outcome, Published, QueueOverflow, record_of},
};

/// The changes of a publish besides the queues of its receivers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// Its number among the retained messages; 0: not retained.
    pub(super) retained_as: u64,
    /// The session that sent it at QoS 2, and its packet identifier.
    pub(super) received: Option<(u64, u16)>,
    /// The number of the will; 0: not a will.
    pub(super) will: u64,
}

impl Worker {
    /// Writes records, which are handed over to the journal at the end of the turn.
    pub(super) fn journal(&self, write: impl FnOnce(&mut Change<Ticket>)) {
        let new = || self.shared.lasting.sessions.change(&self.told);
        let mut change = self.change.take().unwrap_or_else(new);
        write(&mut change);
        self.change.set(Some(change));
        self.dirty();
    }

    /// Hands the written records over to the journal.
    pub(super) fn hand_over(&self) {
        if let Some(change) = self.change.take() {
            self.shared.lasting.offer(change);
        }
    }

    /// The time of both clocks, with the precision of a tick.
    pub(super) fn moments(&self) -> Moments {
        Moments { monotonic: self.monotonic(), wall: self.wall.get() }
    }

    /// Writes the persistent changes of a publish; it continues once they are durable, if a
    /// publisher or receiver waits for that.
    pub(super) fn store(&self, bringing: Bringing, marks: Marks) {
        let is_heard_of = bringing.publisher.is_some() || !bringing.receivers.is_empty();
        // The ticket owns the data that the record borrows, so it is written in two steps.
        self.with_record(&bringing, marks, |publish| {
            self.journal(|change| change.publish(publish, None));
        });
        if is_heard_of {
            let ticket = Ticket::Published(Box::new(bringing));
            self.journal(|change| change.wait_for_last(ticket));
        }
    }

    /// Writes a publish to the journal once its lanes have made it durable.
    pub(super) fn store_later(
        &self,
        client: &mut Client,
        seq: u64,
        bringing: Bringing,
        marks: Marks,
    ) {
        let record = self.with_record(&bringing, marks, record_of);
        let ticket = Ticket::Published(Box::new(bringing));
        client.deferred.push_back(Deferred { seq, later: Later::Record(record, ticket) });
    }

    /// Executes what waited for publishes whose lanes have answered.
    pub(super) fn do_deferred(&self, client: &mut Client) {
        let Client { deferred, session, .. } = client;
        let is_due = |first: &mut Deferred| session.is_spooled(first.seq);
        while let Some(Deferred { later, .. }) = deferred.pop_front_if(is_due) {
            match later {
                Later::Record(record, ticket) => {
                    self.journal(|change| change.publish_record(&record, Some(ticket)));
                }
                Later::Alarm(raised) => self.shared.tracker.alarm(*raised),
            }
        }
    }

    fn with_record<R>(
        &self,
        bringing: &Bringing,
        marks: Marks,
        write: impl FnOnce(&sessions::Publish<'_>) -> R,
    ) -> R {
        let message = bringing.message.as_deref();
        let properties = message.map(kept_properties).unwrap_or_default();
        let qos = |receiver: &Receiver| message.map_or(receiver.qos, |it| it.qos.min(receiver.qos));
        let retain = |receiver: &Receiver| {
            receiver.retain_as_published && message.is_some_and(|it| it.retain)
        };
        let deliveries =
            bringing.receivers.iter().map(|StoredReceiver { receiver, .. }| sessions::Delivery {
                session: receiver.session.number,
                qos: qos(receiver) as u8,
                retain: retain(receiver),
                may_wait: bringing.may_wait,
                is_command: message.is_some_and(|it| it.command.is_some()),
                ids: receiver.ids.as_slice(),
            });
        let deliveries: Vec<_> = deliveries.collect();
        write(&sessions::Publish {
            message: message.map(|message| stored(message, &properties, self.moments())),
            retained_as: marks.retained_as,
            received: marks.received,
            will: marks.will,
            deliveries: &deliveries,
        })
    }

    /// The results of records.
    pub(super) fn journaled(&self, answered: Answered<Ticket>) {
        if !answered.durable {
            return; // Nothing may depend on them.
        }
        for (ticket, outcome) in answered.tickets {
            match (ticket, outcome) {
                (Ticket::Opened(reply), Outcome::Opened(opened)) => drop(reply.send(*opened)),
                (Ticket::Published(bringing), Outcome::Published(published)) => {
                    self.bring(*bringing, &published);
                }
                (Ticket::Answer(key, packet), _) => self.say(key, &packet),
                (Ticket::Completed(key, id), _) => self.completed(key, id),
                (Ticket::Ended, Outcome::Ended(ended)) => self.session_ended(&ended),
                _ => {}
            }
        }
        self.delivery_ledger.publish(self.deliveries.counts.get());
        self.dirty();
    }

    /// A message is durable in the queues of its receivers: the connected ones get it.
    fn bring(&self, bringing: Bringing, published: &Published) {
        let Bringing { publisher, may_wait, message, receivers, scan_of, is_sole } = bringing;
        published.ended.iter().for_each(|ended| self.session_ended(ended));
        let mut brought = 0;
        let (mut queued, mut dropped) = (0_u64, 0_u64);
        for (placed, to) in published.deliveries.iter().zip(receivers) {
            let StoredReceiver { receiver, group } = to;
            let Some(number) = placed.number else {
                dropped += 1;
                if let Some(command) = message.as_deref().and_then(|message| message.command) {
                    self.had_no_room(placed.live, command);
                } else if let Some(live) = placed.live
                    && self.limits().queue_overflow == QueueOverflow::EndSession
                {
                    self.shared.workers.send(live, Mail::QueueFull);
                }
                continue;
            };
            queued += 1;
            let (Some(live), Some(message)) = (placed.live, &message) else {
                self.count_overtaken(u64::from(placed.overtaken.is_some()));
                continue;
            };
            brought += 1;
            let delivery = Delivery {
                message: Arc::clone(message),
                qos: message.qos.min(receiver.qos),
                retain: message.retain && receiver.retain_as_published,
                ids: receiver.ids,
                group,
            };
            let session = placed.session;
            let overtaken = placed.overtaken;
            let delivery = StoredDelivery { session, live, number, overtaken, delivery };
            let publisher = publisher.filter(|_| may_wait);
            self.carry(live.worker, Carried::stored(delivery, self.origin(publisher)));
        }
        let is_taken = queued > 0 || !is_sole;
        self.count(|counts| {
            counts.routed = counts.routed.wrapping_add(queued + dropped);
            counts.queued = counts.queued.wrapping_add(queued);
            counts.dropped += dropped;
        });
        self.dropped("queue-full", dropped);
        if let Some(key) = scan_of {
            self.scanned(key);
        }
        if let Some((key, seq)) = publisher {
            self.answer_publisher((key, seq), if may_wait { brought } else { 0 }, is_taken);
        }
    }

    /// A publish is durable, and on its way to `brought` workers that will answer.
    fn answer_publisher(&self, (key, seq): (SlotKey, u64), brought: u16, is_taken: bool) {
        if let Some(client) = self.slots.borrow_mut().get_mut(key).and_then(|it| it.client.as_mut())
        {
            client.session.brought(seq, brought);
            if !is_taken {
                client.session.not_taken(seq);
            }
        }
        self.passed(key, seq);
    }

    fn count_overtaken(&self, count: u64) {
        self.count(|counts| {
            counts.queued = counts.queued.wrapping_sub(count);
            counts.dropped += count;
        });
        self.dropped("drop-oldest", count);
    }

    /// Sends a client an answer that waited for the disk.
    fn say(&self, key: SlotKey, packet: &[u8]) {
        let mut slots = self.slots.borrow_mut();
        if let Some(Slot { client: Some(client), socket: Some(socket) }) = slots.get_mut(key) {
            if let Some(lasting) = client.lasting.as_mut()
                && matches!(packet.first(), Some(0x90 | 0xb0))
            {
                lasting.awaited = lasting.awaited.saturating_sub(1);
            }
            self.traffic(|traffic| traffic.packets_written += 1);
            self.write(socket, packet);
        }
    }

    /// The end of a QoS 2 exchange is durable.
    fn completed(&self, key: SlotKey, id: NonZeroU16) {
        let mut slots = self.slots.borrow_mut();
        if let Some(Slot { client: Some(client), socket: Some(socket) }) = slots.get_mut(key) {
            self.with_scratch(|out| {
                client.session.completed(id, out);
                self.write(socket, out);
            });
            self.traffic(|traffic| traffic.packets_written += 1);
        }
    }

    /// A session has ended, with its subscriptions and queue.
    pub(super) fn session_ended(&self, ended: &Ended) {
        self.shared.tracker.session_ended(ended.session);
        let session = stored_id(ended.session);
        for (text, _) in &ended.subscriptions {
            if let Ok(filter) = Filter::read(text) {
                self.shared.router.unsubscribe(filter, session);
            }
        }
        self.left(ended.left);
        self.dirty();
    }

    /// A QoS 2 exchange ends, once that is durable.
    pub(in crate::mqtt) fn complete(&self, key: SlotKey, client: &Client, id: NonZeroU16) {
        if let Some(lasting) = &client.lasting {
            let ticket = Ticket::Completed(key, id);
            self.journal(|change| change.completed(lasting.session, id.get(), ticket));
        }
    }

    /// Writes the progress of a session's messages to the journal.
    pub(super) fn tell_journal(&self, client: &mut Client) {
        let Client { lasting: Some(lasting), session, key, .. } = client else { return };
        let Some(outbound) = session.outbound.as_mut() else { return };
        let (finished, released) = outbound.take_finished();
        if finished.is_empty() && released.is_empty() {
            return;
        }
        let version = session.terms().version;
        self.journal(|change| {
            finished.iter().for_each(|number| change.done(lasting.session, *number));
            for (number, id) in released {
                let mut packet = Vec::new();
                write_ack(&mut packet, version, AckKind::Rel, id, 0);
                change.released(lasting.session, number, Ticket::Answer(*key, packet));
            }
        });
    }

    /// A retained message has expired, or was cleared.
    pub(super) fn forget_retained(&self, expired: &[Arc<Message>]) {
        for message in expired {
            self.journal(|change| change.forget(message.body.topic(), message.retained_as));
        }
    }

    /// Retained messages of a session are durable in its queue: it may need more.
    fn scanned(&self, key: SlotKey) {
        let mut slots = self.slots.borrow_mut();
        if let Some(Slot { client: Some(client), socket: Some(socket) }) = slots.get_mut(key) {
            if let Some(outbound) = client.session.outbound.as_mut() {
                outbound.set_storing(false);
            }
            self.touch(key, socket);
        }
    }

    /// A retained message goes to a session with a new subscription, through its queue.
    pub(super) fn store_retained(
        &self,
        key: SlotKey,
        session: u64,
        message: &Arc<Message>,
        scan: &RetainedScan,
    ) {
        let receiver = Receiver {
            session: stored_id(session),
            qos: scan.qos,
            own: OwnPublishes::Included,
            // [MQTT-3.3.1-8]: the message is a retained one.
            retain_as_published: true,
            is_asked: false,
            ids: scan.ids.clone(),
        };
        let bringing = Bringing {
            publisher: None,
            may_wait: false,
            message: Some(Arc::clone(message)),
            receivers: vec![receiver.into()],
            scan_of: Some(key),
            is_sole: false,
        };
        self.store(bringing, Marks::default());
    }

    /// Receivers with a queue in the journal get a message for which no publisher waits.
    pub(super) fn store_for(&self, message: &Arc<Message>, receivers: Vec<StoredReceiver>) {
        if receivers.is_empty() {
            return;
        }
        let message = Some(Arc::clone(message));
        let bringing = Bringing {
            publisher: None,
            may_wait: false,
            message,
            receivers,
            scan_of: None,
            is_sole: false,
        };
        self.store(bringing, Marks::default());
    }
}
