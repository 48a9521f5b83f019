//! The outbound side of a persistent session: its queue above QoS 0 is in the journal, its front in
//! memory, too.
//!
//! A number of the queue is in memory (`first..tail`), on disk only (`tail..upto`), or not durable
//! yet. A message reported as durable is taken into memory if it is the next one and there is room;
//! messages on disk only are fetched in pieces when their turn comes.
//!
//! # Why messages on disk only are not handed on
//! When a member of a shared subscription disconnects, another member gets its messages in memory
//! (5.0, 4.8.2, also allows them to wait). Messages on disk only wait for their member: passing
//! them to others would read and write them again for each connection that ends, in the worst case
//! for a whole fleet at once; and a member with such a long queue gets no new messages anyway.

use std::{num::NonZeroU16, sync::Arc};

use super::{
    delivery::Delivery,
    outbound::{Entry, Outbound, WINDOW_MAX},
};
use crate::{
    model::QueuePlace,
    mqtt::{
        router::{CommandTag, Group, Load, Message, SubscriptionIds},
        wire::{AckKind, Qos, write_ack},
    },
};

/// The state of a resumed session's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) struct Resume {
    /// Its number in the journal.
    pub(in crate::mqtt) session: u64,
    /// The number of its oldest message.
    pub(in crate::mqtt) first: u64,
    /// Messages with lower numbers may have been sent.
    pub(in crate::mqtt) sent: u64,
    /// The number of the next message.
    pub(in crate::mqtt) next: u64,
    /// Bytes of its queue in memory; the rest is on disk only.
    pub(in crate::mqtt) memory_max: usize,
}

/// The state of the queue in the journal, as the outbound side knows it.
#[derive(Debug)]
pub(in crate::mqtt) struct Stored {
    session: u64,
    /// Numbers below are durable.
    upto: u64,
    /// Numbers below may have been sent on an earlier connection.
    maybe_sent: u64,
    memory_max: usize,
    /// A piece is being fetched from disk.
    is_fetching: bool,
    /// Retained messages are being written to the journal.
    is_storing: bool,
    /// Messages finished since the last `take_finished`.
    finished: Vec<u64>,
    /// Messages whose PUBREC arrived since the last `take_finished`.
    released: Vec<(u64, NonZeroU16)>,
}

/// A fetched message of the queue.
#[derive(Debug)]
pub(in crate::mqtt) struct Found {
    pub(in crate::mqtt) number: u64,
    pub(in crate::mqtt) qos: Qos,
    pub(in crate::mqtt) retain: bool,
    pub(in crate::mqtt) ids: SubscriptionIds,
    pub(in crate::mqtt) what: What,
}

/// The state of a fetched message.
#[derive(Debug)]
pub(in crate::mqtt) enum What {
    Message(Arc<Message>),
    /// Its PUBREC arrived.
    Released(Option<CommandTag>),
    /// It is unreadable.
    Lost,
    /// The access rules no longer let the session receive it.
    Forbidden,
}

impl Outbound {
    /// Resumes the queue at its state in the journal.
    pub(in crate::mqtt) fn resume(&mut self, resume: Resume) {
        let Resume { session, first, sent, next, memory_max } = resume;
        self.first = first;
        self.stored = Some(Box::new(Stored {
            session,
            upto: next,
            maybe_sent: sent,
            memory_max,
            is_fetching: false,
            is_storing: false,
            finished: Vec::new(),
            released: Vec::new(),
        }));
        self.weigh();
    }

    /// The number after the last one in memory.
    fn tail(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// The number of messages on disk only.
    pub(super) fn on_disk(&self) -> usize {
        let upto = self.stored.as_ref().map_or(0, |stored| stored.upto);
        usize::try_from(upto.saturating_sub(self.tail())).unwrap_or(usize::MAX)
    }

    pub(super) fn is_storing(&self) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.is_storing)
    }

    /// Retained messages are being written to the journal, or no longer are.
    pub(in crate::mqtt) fn set_storing(&mut self, is_storing: bool) {
        if let Some(stored) = self.stored.as_mut() {
            stored.is_storing = is_storing;
        }
    }

    /// Messages with lower numbers are durable.
    pub(in crate::mqtt) fn durable_upto(&mut self, upto: u64) {
        if let Some(stored) = self.stored.as_mut() {
            stored.upto = stored.upto.max(upto);
        }
        self.weigh();
    }

    /// A message is durable under its number. It is kept in memory if it is the next one and there
    /// is room.
    pub(in crate::mqtt) fn push_stored(
        &mut self,
        number: u64,
        delivery: Delivery,
        is_short: bool,
        is_forbidden: bool,
    ) {
        let (tail, bytes) = (self.tail(), self.bytes);
        let Some(stored) = self.stored.as_mut() else { return };
        stored.upto = stored.upto.max(number + 1);
        if is_forbidden && number == tail && !stored.is_fetching {
            self.entries.push_back(Entry::Done);
            self.finished(self.entries.len() - 1);
            self.outcomes.forbidden += 1;
        } else if number == tail && !stored.is_fetching && !is_short && bytes < stored.memory_max {
            self.bytes += delivery.memory();
            self.entries.push_back(Entry::Waiting(delivery));
            self.open += 1;
        }
        self.weigh();
    }

    /// The journal dropped a message for a newer one.
    pub(in crate::mqtt) fn overtaken(&mut self, number: u64) {
        let place = number.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        let Some(place) = place else { return };
        if place < self.entries.len() {
            if matches!(self.entries[place], Entry::Waiting(_)) {
                self.done(place);
                self.outcomes.overtaken += 1;
                self.weigh();
            }
        } else {
            // It is missing when its turn comes.
            self.outcomes.overtaken += 1;
        }
    }

    /// The piece to fetch next: the first number, the one after the last, and the bytes.
    pub(in crate::mqtt) fn wants_fetch(&mut self, is_short: bool) -> Option<(u64, u64, usize)> {
        let (tail, bytes, waits) = (self.tail(), self.bytes, self.entries.len() > self.sent);
        // Messages too far behind the first could not be sent now.
        let end = self.first + WINDOW_MAX as u64;
        let stored = self.stored.as_mut()?;
        let end = end.min(stored.upto);
        let has_room = bytes < stored.memory_max.div_ceil(2) && (!is_short || !waits);
        if stored.is_fetching || tail >= end || !has_room {
            return None;
        }
        stored.is_fetching = true;
        let most = if is_short { 1 } else { stored.memory_max - bytes };
        Some((tail, end, most))
    }

    /// A piece was fetched: numbers between its messages are done. Returns how many are lost.
    pub(in crate::mqtt) fn fetched(&mut self, found: Vec<Found>, next: u64) -> u64 {
        let mut lost = 0;
        for Found { number, qos, retain, ids, what } in found {
            if number < self.tail() {
                continue;
            }
            self.skip_to(number);
            match what {
                What::Message(message) => {
                    let delivery = Delivery { message, qos, retain, ids, group: None };
                    self.bytes += delivery.memory();
                    self.entries.push_back(Entry::Waiting(delivery));
                    self.open += 1;
                }
                What::Released(command) => {
                    self.entries.push_back(Entry::Released(command));
                    self.open += 1;
                }
                What::Lost | What::Forbidden => {
                    self.entries.push_back(Entry::Done);
                    self.finished(self.entries.len() - 1);
                    match what {
                        What::Forbidden => self.outcomes.forbidden += 1,
                        _ => lost += 1,
                    }
                }
            }
        }
        self.skip_to(next);
        if let Some(stored) = self.stored.as_mut() {
            stored.is_fetching = false;
        }
        self.weigh();
        lost
    }

    /// Numbers up to this one are done.
    fn skip_to(&mut self, number: u64) {
        if self.entries.is_empty() {
            self.first = self.first.max(number);
            self.sent = 0;
        }
        while self.tail() < number {
            self.entries.push_back(Entry::Done);
        }
    }

    /// Whether a message may have been sent on an earlier connection.
    pub(super) fn may_have_been_sent(&self, place: usize) -> bool {
        let number = self.first + place as u64;
        self.stored.as_ref().is_some_and(|stored| number < stored.maybe_sent)
    }

    /// Sends the PUBREL of the next entry again.
    pub(super) fn release_again(&mut self, out: &mut Vec<u8>) {
        write_ack(out, self.version, AckKind::Rel, self.id(self.sent), 0);
        self.sent += 1;
        self.in_flight += 1;
    }

    /// The journal's place of the message at a place.
    pub(super) fn queue_place(&self, place: usize) -> Option<QueuePlace> {
        let session = self.stored.as_ref()?.session;
        Some(QueuePlace { session, number: self.first + place as u64 })
    }

    /// Whether every message with a lower number has been fetched or is done.
    pub(in crate::mqtt) fn has_fetched(&self, upto: u64) -> bool {
        self.tail() >= upto
    }

    /// A message is done, and the journal has to record it; a command's entry only once its new
    /// state is durable.
    pub(super) fn finished(&mut self, place: usize) {
        let number = self.first + place as u64;
        let told = self.reports.last().and_then(|report| report.place);
        if told.is_some_and(|told| told.number == number) {
            return;
        }
        if let Some(stored) = self.stored.as_mut() {
            stored.finished.push(number);
        }
    }

    /// Whether the PUBREL of a message waits until its PUBREC is in the journal.
    pub(super) fn releases_later(&mut self, place: usize) -> bool {
        let (number, id) = (self.first + place as u64, self.id(place));
        let Some(stored) = self.stored.as_mut() else { return false };
        stored.released.push((number, id));
        true
    }

    /// What the journal has to record: finished messages, and those whose PUBREC arrived.
    pub(in crate::mqtt) fn take_finished(&mut self) -> (Vec<u64>, Vec<(u64, NonZeroU16)>) {
        let Some(stored) = self.stored.as_mut() else { return Default::default() };
        (std::mem::take(&mut stored.finished), std::mem::take(&mut stored.released))
    }

    /// The connection has ended, its session has not: sending starts again. Returns the number of
    /// the first message that was not sent, and how many of QoS 0 are lost.
    pub(in crate::mqtt) fn suspend(&mut self) -> (u64, u64) {
        self.load.away();
        let qos0 = self.qos0.len() as u64;
        self.bytes = 0;
        (self.first + self.sent as u64, qos0)
    }

    /// The connection has ended: its messages of shared subscriptions that another member can get.
    /// A QoS 2 message that was sent must not go to another ([MQTT-4.8.2-5]).
    pub(in crate::mqtt) fn leave_to_others(&mut self) -> Vec<(Arc<Message>, Arc<Group>)> {
        self.load.away();
        let mut left = Vec::new();
        for place in 0..self.entries.len() {
            let delivery = match &self.entries[place] {
                Entry::Waiting(delivery) => delivery,
                Entry::Sent(delivery) if delivery.qos == Qos::AtLeastOnce => delivery,
                Entry::Sent(_) | Entry::Released(_) | Entry::Done => continue,
            };
            let group = delivery.group.as_ref().filter(|group| group.is_anybody_there());
            if let Some(group) = group.map(Arc::clone) {
                left.push((Arc::clone(&delivery.message), group));
                self.done(place);
            }
        }
        left
    }

    /// The load that the groups see of a disconnected member.
    pub(in crate::mqtt) fn absent_load() -> Arc<Load> {
        let load = Arc::<Load>::default();
        load.away();
        load
    }
}
