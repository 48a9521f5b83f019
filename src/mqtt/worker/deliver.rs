//! Delivers messages to the sessions that subscribe to them.
//!
//! The publishes of a turn go into the worker's outbox, grouped by the worker of each receiver; at
//! the end of the turn the worker's own part is queued for its sessions, and each other part is
//! sent as one letter to its worker. Every session that got a delivery is then written to once.
//!
//! A message may have no publisher: those of `$SYS` have none, and neither would deliveries from
//! another node; they go to [`Worker::publish`] of any worker, which delivers them to all.
//!
//! # What a publisher waits for
//! A publish is acknowledged once each worker with a receiver has queued it: so the mailboxes are
//! bounded by the unacknowledged publishes. If the queue of a connected receiver is full, the
//! worker holds its answer back until there is room ([`Pass`]), except on a mapped topic, at QoS 0,
//! or for a receiver whose own reading is paused, which is never waited for: in these cases the
//! receiver's overflow rule decides at once. A receiver that stays full for too long loses its
//! connection.

use std::{
    cell::{Cell, RefCell},
    mem::take,
    rc::Rc,
    sync::Arc,
};

use super::{
    mailbox::Mail,
    slot::{Client, Hold, Slot, SlotKey, Socket},
    thread::Worker,
};
use crate::{
    model::{CommandReport, SessionId},
    mqtt::{
        lasting::{STORED, StoredReceiver},
        router::{Group, Message, OwnPublishes, Receiver, Route},
        session::Delivery,
        wire::Qos,
    },
    sessions::QueueOverflow,
    telemetry::DeliveryCounts,
};

/// A message on its way to a worker.
#[derive(Clone, Debug)]
pub(in crate::mqtt) struct Carried {
    message: Arc<Message>,
    to: To,
    /// The publish, if it is not answered yet.
    origin: Option<Origin>,
    /// Whether its publisher waits for full receivers.
    may_wait: bool,
    /// It was queued for another member, and is counted again for this one.
    is_handed_on: bool,
}

/// The receivers.
#[derive(Clone, Debug)]
enum To {
    /// The worker's receivers in this route.
    All(Arc<Route>),
    /// A member of a shared subscription.
    Member(Receiver, Arc<Group>),
    /// A persistent session, at QoS 0.
    Unasked(Receiver),
    /// A persistent session, which has the message in its queue.
    Stored(Box<StoredDelivery>),
}

/// A message that is durable in the queue of a connected session.
#[derive(Clone, Debug)]
pub(super) struct StoredDelivery {
    /// The session's number in the journal.
    pub(super) session: u64,
    pub(super) live: SessionId,
    pub(super) number: u64,
    /// The number of the message that was dropped for it.
    pub(super) overtaken: Option<u64>,
    pub(super) delivery: Delivery,
}

impl Carried {
    pub(super) fn stored(stored: StoredDelivery, origin: Option<Origin>) -> Self {
        Self {
            message: Arc::clone(&stored.delivery.message),
            to: To::Stored(Box::new(stored)),
            origin,
            may_wait: origin.is_some(),
            is_handed_on: false,
        }
    }
}

/// A publish: its session, and its number in that session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) struct Origin {
    worker: u16,
    key: SlotKey,
    seq: u64,
}

/// The answer to a publisher, held back as long as a full receiver keeps this value.
#[derive(Debug)]
pub(in crate::mqtt) struct Pass {
    origin: Origin,
    passed: Rc<Passed>,
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.passed.push(self.origin);
    }
}

/// Publishes that no longer wait, since the last end of a turn.
#[derive(Debug, Default)]
pub(super) struct Passed(RefCell<Vec<Origin>>);

impl Passed {
    fn push(&self, origin: Origin) {
        self.0.borrow_mut().push(origin);
    }
}

/// Deliveries, writes and answers of the worker that are pending.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    /// By the worker's number.
    outbox: RefCell<Vec<Vec<Carried>>>,
    /// Sessions that got a delivery, or can send, in this turn.
    pub(super) touched: RefCell<Vec<SlotKey>>,
    /// Sessions that continue in the next turn.
    pub(super) later: RefCell<Vec<SlotKey>>,
    passed: Rc<Passed>,
    pub(super) counts: Cell<DeliveryCounts>,
    /// Bytes by which queues have grown since the last count for all workers.
    pub(super) grown: Cell<isize>,
}

impl Worker {
    /// Publishes a message to its subscribers; returns the number of workers that will answer.
    /// Receivers with a queue in the journal are added to `stored`.
    pub(in crate::mqtt) fn publish(
        &self,
        message: &Arc<Message>,
        route: &Arc<Route>,
        publisher: Option<(SlotKey, u64)>,
        may_wait: bool,
        stored: &mut Vec<StoredReceiver>,
    ) -> u16 {
        let origin = self.origin(publisher);
        let carried = |to| {
            let message = Arc::clone(message);
            Carried { message, to, origin, may_wait, is_handed_on: false }
        };
        let mut count = 0;
        for same in
            route.receivers.chunk_by(|one, other| one.session.worker == other.session.worker)
        {
            if same[0].session.worker == STORED {
                for receiver in same {
                    self.to_stored(message, receiver.clone().into(), stored);
                }
                continue;
            }
            self.carry(same[0].session.worker, carried(To::All(Arc::clone(route))));
            count += 1;
        }
        for group in &route.groups {
            if let Some(member) = group.choose() {
                if member.session.worker == STORED {
                    let group = Some(Arc::clone(group));
                    let member = StoredReceiver { receiver: member, group };
                    self.to_stored(message, member, stored);
                    continue;
                }
                let worker = member.session.worker;
                self.carry(worker, carried(To::Member(member, Arc::clone(group))));
                count += 1;
            }
        }
        count
    }

    /// The publish, as other workers identify it.
    pub(super) fn origin(&self, publisher: Option<(SlotKey, u64)>) -> Option<Origin> {
        publisher.map(|(key, seq)| Origin { worker: self.number(), key, seq })
    }

    /// A receiver with a persistent session: above QoS 0 the message goes into its queue first, at
    /// QoS 0 it is delivered if the session is connected.
    fn to_stored(
        &self,
        message: &Arc<Message>,
        to: StoredReceiver,
        stored: &mut Vec<StoredReceiver>,
    ) {
        let receiver = &to.receiver;
        if receiver.own.leaves_out(|| message.publisher == Some(receiver.session)) {
            return;
        }
        if message.qos.min(receiver.qos) > Qos::AtMostOnce {
            return stored.push(to);
        }
        if let Some(session) = self.shared.lasting.sessions.live(receiver.session.number) {
            let worker = session.worker;
            let to = To::Unasked(Receiver { session, own: OwnPublishes::Included, ..to.receiver });
            let message = Arc::clone(message);
            let (origin, may_wait, is_handed_on) = (None, false, false);
            self.carry(worker, Carried { message, to, origin, may_wait, is_handed_on });
        }
    }

    pub(super) fn carry(&self, worker: u16, carried: Carried) {
        let mut outbox = self.deliveries.outbox.borrow_mut();
        let worker = usize::from(worker);
        if outbox.len() <= worker {
            outbox.resize_with(worker + 1, Vec::new);
        }
        outbox[worker].push(carried);
        self.dirty();
    }

    pub(super) fn send_outbox(&self) {
        let own = usize::from(self.number());
        let mut outbox = self.deliveries.outbox.borrow_mut();
        let mut mine = Vec::new();
        for (worker, carried) in outbox.iter_mut().enumerate().filter(|(_, all)| !all.is_empty()) {
            if worker == own {
                mine = take(carried);
            } else {
                let worker = u16::try_from(worker).expect("it was one");
                self.shared.workers.send_to(worker, Mail::Carried(take(carried)));
            }
        }
        drop(outbox);
        self.take_in(&mut mine);
        mine.clear();
        let mut outbox = self.deliveries.outbox.borrow_mut();
        if let Some(place) = outbox.get_mut(own).filter(|place| place.is_empty()) {
            *place = mine; // Its memory is reused.
        }
    }

    /// Queues incoming deliveries for the sessions.
    pub(super) fn take_in(&self, all: &mut Vec<Carried>) {
        for carried in all.drain(..) {
            let Carried { message, to, origin, may_wait, is_handed_on } = carried;
            let mut waiting = Waiting { origin: origin.filter(|_| may_wait), pass: None };
            match &to {
                To::All(route) => {
                    for receiver in route.of_worker(self.number()) {
                        self.queue(&message, receiver, None, &mut waiting);
                    }
                }
                To::Unasked(receiver) => {
                    self.queue(&message, receiver, None, &mut waiting);
                }
                To::Stored(stored) => self.queue_stored(stored, &mut waiting),
                To::Member(receiver, group) => {
                    if !self.queue(&message, receiver, Some(group), &mut waiting) {
                        // It has just disconnected: another member takes its place.
                        self.choose_another(&message, group, is_handed_on);
                    }
                }
            }
            if waiting.pass.is_none()
                && let Some(origin) = origin
            {
                self.deliveries.passed.push(origin);
            }
        }
    }

    /// Queues a message for one session; returns whether the session exists.
    fn queue(
        &self,
        message: &Arc<Message>,
        receiver: &Receiver,
        group: Option<&Arc<Group>>,
        waiting: &mut Waiting,
    ) -> bool {
        if receiver.own.leaves_out(|| message.publisher == Some(receiver.session)) {
            return true;
        }
        let key = SlotKey::of(receiver.session.number);
        let mut slots = self.slots.borrow_mut();
        let Some(Slot { client: Some(client), socket: Some(socket) }) = slots.get_mut(key) else {
            return false;
        };
        if receiver.is_asked
            && !self.shared.access.rules().may_receive(&client.identity, message.body.topic())
        {
            return true;
        }
        let delivery = Delivery {
            message: Arc::clone(message),
            qos: message.qos.min(receiver.qos),
            retain: message.retain && receiver.retain_as_published,
            ids: receiver.ids.clone(),
            group: group.cloned(),
        };
        self.count(|counts| counts.routed = counts.routed.wrapping_add(1));
        self.push(client, socket, delivery, waiting);
        self.touch(key, socket);
        true
    }

    /// A message is durable in the queue of a persistent session: it is sent after the earlier
    /// ones.
    fn queue_stored(&self, stored: &StoredDelivery, waiting: &mut Waiting) {
        let StoredDelivery { session, live, number, overtaken, delivery } = stored;
        let key = SlotKey::of(live.number);
        let is_short = self.is_short();
        let mut slots = self.slots.borrow_mut();
        match slots.get_mut(key) {
            Some(Slot { client: None, socket: Some(socket) }) => {
                socket.stored_upto = socket.stored_upto.max(number + 1);
            }
            Some(Slot { client: Some(client), socket: Some(socket) })
                if client.lasting.as_ref().is_some_and(|it| it.session == *session) =>
            {
                let topic = delivery.message.body.topic();
                let is_asked = client.lasting.as_ref().is_some_and(|lasting| lasting.is_asked);
                let is_forbidden =
                    is_asked && !self.shared.access.rules().may_receive(&client.identity, topic);
                if let (Some(command), Some(lasting)) =
                    (delivery.message.command, client.lasting.as_mut())
                {
                    let is_it = |report: &CommandReport| report.command == command.id;
                    lasting.commands.retain(|report| !is_it(report));
                }
                let outbound = client.session.outbound_or_new();
                if let Some(overtaken) = overtaken {
                    outbound.overtaken(*overtaken);
                }
                if waiting.origin.is_some()
                    && socket.hold == Hold::Nothing
                    && !outbound.has_room(is_short)
                {
                    client.passes.extend(waiting.pass(&self.deliveries.passed));
                    client.full_since.get_or_insert(self.now.get());
                }
                let outbound = client.session.outbound_or_new();
                outbound.push_stored(*number, delivery.clone(), is_short, is_forbidden);
                self.collect(client);
                self.touch(key, socket);
            }
            // The session is disconnected: the message stays in its queue.
            _ => {}
        }
    }

    /// Puts a delivery into a session's queue, or applies the overflow rule if the queue is full.
    fn push(
        &self,
        client: &mut Client,
        socket: &mut Socket,
        delivery: Delivery,
        waiting: &mut Waiting,
    ) {
        let is_short = self.is_short();
        let outbound = client.session.outbound_or_new();
        if !outbound.has_room(is_short) {
            if delivery.qos == Qos::AtMostOnce {
                return self.drop_one(client, "queue-full");
            }
            if socket.hold == Hold::Nothing && waiting.origin.is_some() {
                client.passes.extend(waiting.pass(&self.deliveries.passed));
                client.full_since.get_or_insert(self.now.get());
            } else {
                match self.limits().queue_overflow {
                    QueueOverflow::Refuse => return self.drop_one(client, "queue-full"),
                    QueueOverflow::DropOldest if outbound.drop_oldest() => {}
                    QueueOverflow::DropOldest => return self.drop_one(client, "queue-full"),
                    QueueOverflow::EndSession => {
                        self.drop_one(client, "queue-full");
                        // In a separate turn, because the slots are borrowed here.
                        let mail = Mail::QueueFull(client.key);
                        return self.mail.send(mail).unwrap_or_default();
                    }
                }
            }
        }
        let outbound = client.session.outbound_or_new();
        outbound.push(delivery);
        self.count(|counts| counts.queued = counts.queued.wrapping_add(1));
        self.collect(client);
    }

    /// Counts a delivery that was dropped before it was queued.
    fn drop_one(&self, client: &mut Client, reason: &'static str) {
        client.dropped += 1;
        self.count(|counts| counts.dropped += 1);
        self.dropped(reason, 1);
    }

    /// Gives a message from the queue of a member that has ended to another member.
    pub(super) fn hand_on(&self, message: &Arc<Message>, group: &Arc<Group>) {
        // It leaves this queue, and is routed again.
        self.count(|counts| {
            counts.queued = counts.queued.wrapping_sub(1);
            counts.routed = counts.routed.wrapping_sub(1);
        });
        self.choose_another(message, group, true);
    }

    fn choose_another(&self, message: &Arc<Message>, group: &Arc<Group>, is_handed_on: bool) {
        if let Some(member) = group.choose() {
            let worker = member.session.worker;
            if worker == STORED {
                let mut stored = Vec::new();
                let group = Some(Arc::clone(group));
                let member = StoredReceiver { receiver: member, group };
                self.to_stored(message, member, &mut stored);
                return self.store_for(message, stored);
            }
            let (message, to) = (Arc::clone(message), To::Member(member, Arc::clone(group)));
            let carried = Carried { message, to, origin: None, may_wait: false, is_handed_on };
            self.carry(worker, carried);
        } else if is_handed_on {
            self.count(|counts| {
                counts.routed = counts.routed.wrapping_add(1);
                counts.dropped += 1;
            });
            self.dropped("session-ended", 1);
        }
    }

    /// Notifies publishers that their publishes are queued for all receivers.
    pub(super) fn answer_passed(&self) {
        let passed = take(&mut *self.deliveries.passed.0.borrow_mut());
        let mut others: Vec<(u16, Vec<(SlotKey, u64)>)> = Vec::new();
        for Origin { worker, key, seq } in passed {
            if worker == self.number() {
                self.passed(key, seq);
                continue;
            }
            match others.iter_mut().find(|(known, _)| *known == worker) {
                Some((_, all)) => all.push((key, seq)),
                None => others.push((worker, vec![(key, seq)])),
            }
        }
        for (worker, all) in others {
            self.shared.workers.send_to(worker, Mail::Passed(all));
        }
    }

    /// A publish of one of the worker's sessions is queued for its receivers.
    pub(super) fn passed(&self, key: SlotKey, seq: u64) {
        let mut slots = self.slots.borrow_mut();
        // A session that is gone needs no answer.
        match slots.get_mut(key) {
            Some(Slot { client: Some(client), socket: Some(socket) }) => {
                client.session.passed(seq);
                self.touch(key, socket);
            }
            // The publish of an alarm waits without a socket.
            Some(Slot { client: Some(client), socket: None }) if client.alarm.is_some() => {
                client.session.passed(seq);
                self.remove_if_done(key, &mut slots);
            }
            _ => {}
        }
    }
}

/// The answer that a message's receivers may hold back, created by the first one that does.
struct Waiting {
    /// `None`: no publisher waits.
    origin: Option<Origin>,
    pass: Option<Rc<Pass>>,
}

impl Waiting {
    fn pass(&mut self, passed: &Rc<Passed>) -> Option<Rc<Pass>> {
        let origin = self.origin?;
        let new = || Rc::new(Pass { origin, passed: Rc::clone(passed) });
        Some(Rc::clone(self.pass.get_or_insert_with(new)))
    }
}
