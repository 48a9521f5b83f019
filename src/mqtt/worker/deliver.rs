//! Bringing messages to the sessions that subscribe to them.
//!
//! What a turn publishes goes into the worker's outbox, by the worker of each receiver; at the end
//! of the turn its own part is queued with the sessions, and the rest leaves as one letter a
//! worker. Every session that got something is then written to once.
//!
//! A message may have no publisher: so come those of `$SYS`, and so would come the deliveries of
//! another node, to [`Worker::publish`] of any worker, which brings them to all.
//!
//! # What a publisher waits for
//! A publish is acknowledged once each worker with a receiver has queued it: so what lies in the
//! mailboxes is bounded by what publishers may leave unacknowledged. Where the queue of a connected
//! receiver is full, the worker holds its answer back until there is room ([`Pass`]), but on a
//! mapped topic, at QoS 0, or for a receiver whose own reading is paused, which is never waited
//! for: there the receiver's overflow rule decides at once. A receiver that stays full for too long
//! loses its connection.

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
    /// Whose publish it is, if that is still to be answered.
    origin: Option<Origin>,
    /// Whether its publisher waits for receivers that are full.
    may_wait: bool,
    /// It was another member's, and is counted again with this one.
    is_handed_on: bool,
}

/// Who gets it.
#[derive(Clone, Debug)]
enum To {
    /// Those of the worker's among these.
    All(Arc<Route>),
    /// A member of a shared subscription.
    Member(Receiver, Arc<Group>),
    /// A session that lasts, at QoS 0.
    Unasked(Receiver),
    /// A session that lasts, which has it in its queue.
    Stored(Box<StoredDelivery>),
}

/// A message that is durable in the queue of a session that is there.
#[derive(Clone, Debug)]
pub(super) struct StoredDelivery {
    /// As the journal knows it.
    pub(super) session: u64,
    pub(super) live: SessionId,
    pub(super) number: u64,
    /// The number of the one that was given up for it.
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

/// A publish, by its session and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) struct Origin {
    worker: u16,
    key: SlotKey,
    seq: u64,
}

/// The answer to a publisher, held back for as long as a full receiver holds on to it.
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

/// Publishes that need not wait any longer, since the last end of a turn.
#[derive(Debug, Default)]
pub(super) struct Passed(RefCell<Vec<Origin>>);

impl Passed {
    fn push(&self, origin: Origin) {
        self.0.borrow_mut().push(origin);
    }
}

/// What a worker has to bring, to whom it has to write, and whom it has to answer.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    /// By the worker's number.
    outbox: RefCell<Vec<Vec<Carried>>>,
    /// Sessions that got something, or may send something, in this turn.
    pub(super) touched: RefCell<Vec<SlotKey>>,
    /// Those that go on in the next turn.
    pub(super) later: RefCell<Vec<SlotKey>>,
    passed: Rc<Passed>,
    pub(super) counts: Cell<DeliveryCounts>,
    /// Bytes that queues have grown by since they were last counted for all workers.
    pub(super) grown: Cell<isize>,
}

impl Worker {
    /// Publishes a message to whoever subscribes; gives the number of workers that answer for it.
    /// Those whose queues lie in the journal are added to `stored`.
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

    /// Whose publish it is, as other workers know it.
    pub(super) fn origin(&self, publisher: Option<(SlotKey, u64)>) -> Option<Origin> {
        publisher.map(|(key, seq)| Origin { worker: self.number(), key, seq })
    }

    /// A receiver whose session lasts: above QoS 0 its queue comes first, at QoS 0 it gets the
    /// message if it is there.
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
            *place = mine; // Its memory is used again.
        }
    }

    /// Queues what has been brought with the sessions.
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
                        // It has just gone: another member takes its place.
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

    /// Queues a message with one session; tells whether the session is there.
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

    /// A message is durable in the queue of a session that lasts: it is sent when its turn comes.
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
            // It has gone: the message waits for it.
            _ => {}
        }
    }

    /// Puts a delivery into a session's queue, or says what becomes of it where that is full.
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
                        // Within its own turn, because the slots are in use here.
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

    /// Counts one delivery that is not even queued.
    fn drop_one(&self, client: &mut Client, reason: &'static str) {
        client.dropped += 1;
        self.count(|counts| counts.dropped += 1);
        self.dropped(reason, 1);
    }

    /// Gives a message that was queued with a member that has ended to another one.
    pub(super) fn hand_on(&self, message: &Arc<Message>, group: &Arc<Group>) {
        // It leaves this queue, and is routed anew.
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

    /// Tells publishers that their publishes are with their receivers.
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

    /// A publish of one of its sessions is with its receivers.
    pub(super) fn passed(&self, key: SlotKey, seq: u64) {
        let mut slots = self.slots.borrow_mut();
        // One that has gone needs no answer.
        match slots.get_mut(key) {
            Some(Slot { client: Some(client), socket: Some(socket) }) => {
                client.session.passed(seq);
                self.touch(key, socket);
            }
            // What an alarm publishes is waited for without a socket.
            Some(Slot { client: Some(client), socket: None }) if client.alarm.is_some() => {
                client.session.passed(seq);
                self.remove_if_done(key, &mut slots);
            }
            _ => {}
        }
    }
}

/// The answer that a message's receivers may hold back, made for the first of them that does.
struct Waiting {
    /// `None`: nobody waits.
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
