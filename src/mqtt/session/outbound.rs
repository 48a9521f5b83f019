//! The outbound side of one session: its subscriptions, its queue, and its unacknowledged messages.
//!
//! Messages above QoS 0 have numbers, in order of arrival; a packet identifier is its message's
//! number modulo 65,535, plus 1. So an identifier needs no table, a redelivery has the same one,
//! and an identifier in use is never given to another message, because at most 65,535 numbers are
//! in flight at once (OU-2).

use std::{
    collections::{BTreeMap, VecDeque},
    num::NonZeroU16,
    sync::Arc,
    time::Duration,
};

use super::{
    delivery::{ClientLimits, Delivery, Outcomes, Subscription, report},
    rules::SessionLimits,
    stored::Stored,
};
use crate::{
    model::{CommandOutcome, CommandReport},
    mqtt::{
        router::{CommandTag, Filter, Load, Message, RetainedScan},
        wire::{Outgoing, Qos, Version},
    },
};

/// The state of a message above QoS 0.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// Not sent yet.
    Waiting(Delivery),
    /// Sent, and not acknowledged.
    Sent(Delivery),
    /// Its PUBREC arrived and its PUBREL was sent.
    Released(Option<CommandTag>),
    /// Done, but after one that is not.
    Done,
}

/// The outbound side of one session; created by its first subscription.
#[derive(Debug)]
pub(in crate::mqtt) struct Outbound {
    pub(super) version: Version,
    takes: ClientLimits,
    limits: Arc<SessionLimits>,
    /// Bounded by [`QueueLimits`](super::QueueLimits).
    subscriptions: BTreeMap<Box<str>, Subscription>,
    /// Messages above QoS 0, in order of arrival.
    pub(super) entries: VecDeque<Entry>,
    /// The number of `entries[0]`.
    pub(super) first: u64,
    /// How many of `entries`, from the first on, have been sent.
    pub(super) sent: usize,
    /// How many of those are in flight.
    pub(super) in_flight: usize,
    /// Entries that are not done.
    pub(super) open: usize,
    /// Messages at QoS 0, until the end of the turn or until the socket has room.
    pub(super) qos0: VecDeque<Delivery>,
    /// Memory of the queued messages.
    pub(super) bytes: usize,
    /// The part of it that [`Self::grown`] has reported.
    bytes_reported: usize,
    /// Retained messages that subscriptions still have to deliver.
    pub(in crate::mqtt) scans: VecDeque<RetainedScan>,
    /// Topics that have an alias towards the client, in the aliases' order.
    aliases: Vec<Box<str>>,
    /// Shared with the groups that it is a member of.
    pub(super) load: Arc<Load>,
    pub(super) outcomes: Outcomes,
    /// Only for a persistent session.
    pub(super) stored: Option<Box<Stored>>,
    /// Results of commands since the last [`Self::reports`].
    pub(super) reports: Vec<CommandReport>,
}

/// Numbers in flight at once: one less than there are identifiers.
pub(super) const WINDOW_MAX: usize = 65_534;

impl Outbound {
    pub(in crate::mqtt) fn new(
        version: Version,
        takes: ClientLimits,
        limits: Arc<SessionLimits>,
    ) -> Self {
        Self {
            version,
            takes,
            limits,
            subscriptions: BTreeMap::new(),
            entries: VecDeque::new(),
            first: 0,
            sent: 0,
            in_flight: 0,
            open: 0,
            qos0: VecDeque::new(),
            bytes: 0,
            bytes_reported: 0,
            scans: VecDeque::new(),
            aliases: Vec::new(),
            load: Arc::default(),
            outcomes: Outcomes::default(),
            stored: None,
            reports: Vec::new(),
        }
    }

    /// Whether one more subscription, or the replacement of this one, is within the bound.
    pub(in crate::mqtt) fn may_subscribe(&self, filter: &str) -> bool {
        self.subscriptions.len() < self.limits.queue.subscriptions_max
            || self.subscriptions.contains_key(filter)
    }

    /// Keeps a subscription; returns the one that it replaces.
    pub(in crate::mqtt) fn subscribed(
        &mut self,
        filter: &str,
        subscription: Subscription,
    ) -> Option<Subscription> {
        if let Some(known) = self.subscriptions.get_mut(filter) {
            return Some(std::mem::replace(known, subscription));
        }
        self.subscriptions.insert(filter.into(), subscription)
    }

    /// Removes a subscription; returns whether there was one.
    pub(in crate::mqtt) fn unsubscribed(&mut self, filter: &str) -> bool {
        self.subscriptions.remove(filter).is_some()
    }

    pub(in crate::mqtt) fn subscriptions(
        &self,
    ) -> impl ExactSizeIterator<Item = (&str, &Subscription)> {
        self.subscriptions.iter().map(|(filter, subscription)| (&**filter, subscription))
    }

    pub(in crate::mqtt) fn load(&self) -> &Arc<Load> {
        &self.load
    }

    /// Messages queued or in flight.
    pub(in crate::mqtt) fn len(&self) -> usize {
        self.open + self.qos0.len() + self.on_disk()
    }

    /// Messages above QoS 0 in flight.
    pub(in crate::mqtt) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Bytes of the queued messages.
    pub(in crate::mqtt) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes by which its queue has grown since the last call.
    pub(in crate::mqtt) fn grown(&mut self) -> isize {
        let before = std::mem::replace(&mut self.bytes_reported, self.bytes);
        self.bytes.cast_signed() - before.cast_signed()
    }

    /// Whether there is room for one more message, given whether memory for all sessions is short.
    pub(in crate::mqtt) fn has_room(&self, is_short: bool) -> bool {
        let waits = self.len() - self.in_flight;
        self.len() < self.limits.queue.messages_max
            && self.bytes < self.limits.queue.bytes_max
            && (!is_short || waits == 0)
    }

    /// Queues a message; the caller checks the bounds.
    pub(in crate::mqtt) fn push(&mut self, delivery: Delivery) {
        self.bytes += delivery.memory();
        if delivery.qos == Qos::AtMostOnce {
            self.qos0.push_back(delivery);
        } else {
            self.entries.push_back(Entry::Waiting(delivery));
            self.open += 1;
        }
        self.weigh();
    }

    /// Drops unsent messages on topics that the session may no longer receive.
    pub(in crate::mqtt) fn retain(&mut self, may_have: impl Fn(&str) -> bool) {
        for place in self.sent..self.entries.len() {
            if let Entry::Waiting(delivery) = &self.entries[place]
                && !may_have(delivery.message.body.topic())
            {
                self.report(delivery.message.command, CommandOutcome::Forbidden, place);
                self.done(place);
                self.outcomes.forbidden += 1;
            }
        }
        for delivery in std::mem::take(&mut self.qos0) {
            if may_have(delivery.message.body.topic()) {
                self.qos0.push_back(delivery);
            } else {
                self.bytes -= delivery.memory();
                self.outcomes.forbidden += 1;
            }
        }
        self.weigh();
    }

    /// Drops the oldest unsent message; returns whether there was one.
    pub(in crate::mqtt) fn drop_oldest(&mut self) -> bool {
        // A command must not be dropped here: downlink decides about its end.
        let is_message = |place: &usize| match &self.entries[*place] {
            Entry::Waiting(delivery) => delivery.message.command.is_none(),
            _ => false,
        };
        let waiting = (self.sent..self.entries.len()).find(is_message);
        let Some(place) = waiting else { return false };
        self.done(place);
        self.outcomes.overtaken += 1;
        true
    }

    /// Appends the messages that may be sent now, until `out` has `room` bytes or more.
    pub(in crate::mqtt) fn fill(&mut self, out: &mut Vec<u8>, room: usize, now: Duration) {
        while out.len() < room
            && let Some(delivery) = self.qos0.pop_front()
        {
            self.bytes -= delivery.memory();
            if self.write(&delivery, None, false, out, now) {
                self.outcomes.delivered += 1;
            }
        }
        let window = self.window();
        while out.len() < room && self.in_flight < window && self.sent < WINDOW_MAX {
            let Some(entry) = self.entries.get_mut(self.sent) else { break };
            if let Entry::Released(_) = entry {
                self.release_again(out);
                continue;
            }
            let Entry::Waiting(delivery) = std::mem::replace(entry, Entry::Done) else {
                self.sent += 1; // Given up while it waited.
                continue;
            };
            let (id, is_repeat) = (self.id(self.sent), self.may_have_been_sent(self.sent));
            if self.write(&delivery, Some(id), is_repeat, out, now) {
                self.entries[self.sent] = Entry::Sent(delivery);
                self.in_flight += 1;
            } else {
                self.bytes -= delivery.memory();
                self.open -= 1;
                self.finished(self.sent);
            }
            self.sent += 1;
        }
        self.forget_done();
        self.weigh();
    }

    /// Whether there is nothing to send, and nothing for [`Self::outcomes`] to report.
    pub(in crate::mqtt) fn is_idle(&self) -> bool {
        self.len() == 0 && self.scans.is_empty() && self.outcomes == Outcomes::default()
    }

    /// Whether to fetch the next piece of its retained messages: queued messages are sent first,
    /// and their acknowledgements fetch more.
    pub(in crate::mqtt) fn wants_retained(&self, is_short: bool) -> bool {
        !self.scans.is_empty()
            && self.len() == self.in_flight
            && !self.is_storing()
            && self.has_room(is_short)
    }

    /// Whether an unsent message could be sent.
    pub(in crate::mqtt) fn can_send(&self) -> bool {
        !self.qos0.is_empty()
            || (self.sent < self.entries.len()
                && self.in_flight < self.window()
                && self.sent < WINDOW_MAX)
    }

    fn window(&self) -> usize {
        self.takes.receive_maximum.min(self.limits.queue.in_flight_max).into()
    }

    /// Writes one PUBLISH (above QoS 0, of the next entry), unless it has expired or exceeds the
    /// client's maximum packet size.
    fn write(
        &mut self,
        delivery: &Delivery,
        id: Option<NonZeroU16>,
        is_repeat: bool,
        out: &mut Vec<u8>,
        now: Duration,
    ) -> bool {
        let message = &delivery.message;
        if message.is_expired(now) {
            self.report(message.command, CommandOutcome::Expired, self.sent);
            self.outcomes.expired += 1;
            return false;
        }
        let mut outgoing = Outgoing {
            version: self.version,
            qos: delivery.qos,
            retain: delivery.retain,
            duplicate: is_repeat || message.command.is_some_and(|command| command.is_repeat),
            packet_id: id,
            message_expiry: message.seconds_left(now),
            subscription_ids: delivery.ids.as_slice(),
            alias: None,
            body: &message.body,
        };
        if outgoing.len_max() > self.takes.packet_bytes_max {
            // Nearly too large: measured exactly, and without an alias, so that the size does not
            // depend on it.
            let begin = out.len();
            outgoing.write(out);
            if out.len() - begin <= self.takes.packet_bytes_max {
                self.count_sent(message);
                return true;
            }
            out.truncate(begin);
            self.report(message.command, CommandOutcome::TooLarge, self.sent);
            self.outcomes.too_large += 1;
            return false; // [MQTT-3.1.2-25]
        }
        outgoing.alias = self.alias(message.body.topic());
        outgoing.write(out);
        self.count_sent(message);
        true
    }

    /// Reports the outcome of the message at a place, if it is a command.
    pub(super) fn report(
        &mut self,
        command: Option<CommandTag>,
        outcome: CommandOutcome,
        place: usize,
    ) {
        self.reports.extend(report(command, outcome, self.queue_place(place)));
    }

    fn count_sent(&mut self, message: &Message) {
        self.outcomes.sent += 1;
        self.outcomes.sent_bytes += message.body.payload().len() as u64;
    }

    /// The alias of a topic towards this client, and whether the client knows it already. The first
    /// topics get the aliases; later topics are sent in full.
    fn alias(&mut self, topic: &str) -> Option<(u16, bool)> {
        let most = self.takes.topic_alias_max.min(self.limits.queue.topic_alias_max);
        if most == 0 || self.version == Version::V3 {
            return None;
        }
        let known = self.aliases.iter().position(|known| **known == *topic);
        let number = |place: usize| u16::try_from(place + 1).expect("at most the maximum");
        match known {
            Some(place) => Some((number(place), true)),
            None if self.aliases.len() < most.into() => {
                self.aliases.push(topic.into());
                Some((number(self.aliases.len() - 1), false))
            }
            None => None,
        }
    }

    pub(super) fn done(&mut self, place: usize) {
        self.finished(place);
        if let Entry::Waiting(delivery) | Entry::Sent(delivery) =
            std::mem::replace(&mut self.entries[place], Entry::Done)
        {
            self.bytes -= delivery.memory();
        }
        self.open -= 1;
    }

    pub(super) fn forget_done(&mut self) {
        while self.sent > 0 && matches!(self.entries.front(), Some(Entry::Done)) {
            self.entries.pop_front();
            self.first += 1;
            self.sent -= 1;
        }
        // The memory of a burst is released after it.
        if self.entries.is_empty() && self.entries.capacity() > KEPT {
            self.entries = VecDeque::new();
        }
        if self.qos0.is_empty() && self.qos0.capacity() > KEPT {
            self.qos0 = VecDeque::new();
        }
    }

    pub(super) fn weigh(&self) {
        self.load.set(self.len() - self.in_flight);
    }

    /// The identifier of the message at a place.
    pub(super) fn id(&self, place: usize) -> NonZeroU16 {
        let number = (self.first + place as u64) % IDS;
        let id = u16::try_from(number + 1).expect("at most 65,535");
        NonZeroU16::new(id).expect("at least 1")
    }

    /// Where the message with an identifier is, among those that were sent.
    pub(super) fn place(&self, id: NonZeroU16) -> Option<usize> {
        let number = u64::from(id.get()) - 1;
        let ahead = (number + IDS - self.first % IDS) % IDS;
        usize::try_from(ahead).ok().filter(|place| *place < self.sent)
    }

    /// The results of deliveries since the last call.
    pub(in crate::mqtt) fn outcomes(&mut self) -> Outcomes {
        std::mem::take(&mut self.outcomes)
    }

    /// The outcomes of commands since the last call.
    pub(in crate::mqtt) fn reports(&mut self) -> Vec<CommandReport> {
        std::mem::take(&mut self.reports)
    }

    /// This session's filters in the router.
    pub(in crate::mqtt) fn filters(&self) -> impl Iterator<Item = Filter<'_>> {
        self.subscriptions.keys().filter_map(|filter| Filter::read(filter).ok())
    }
}

/// Places of a queue that stay allocated when it is empty.
const KEPT: usize = 64;

/// Packet identifiers: 1 to 65,535.
const IDS: u64 = 65_535;
