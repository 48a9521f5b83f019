//! One session, and what waits for it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use crate::{
    model::{SessionId, UnixNanos},
    sessions::record::{DELIVERY_QOS, DELIVERY_RETAIN, Terms},
};

/// Whether a session has a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sessions) enum Connection {
    /// It has, and is reached there.
    Here(SessionId),
    /// It has had none since then.
    Away(UnixNanos),
}

/// A session that lasts.
#[derive(Debug)]
pub(in crate::sessions) struct Session {
    /// Identity and client identifier, NUL between them.
    pub(in crate::sessions) key: Arc<str>,
    /// Counts its connections.
    pub(in crate::sessions) epoch: u64,
    /// Seconds that it lasts without a connection.
    pub(in crate::sessions) expiry: u32,
    pub(in crate::sessions) connection: Connection,
    /// In the order of the filters.
    subscriptions: Vec<(Box<str>, Terms)>,
    /// There while something waits.
    pub(in crate::sessions) queue: Option<Box<Queue>>,
    /// Packet identifiers of QoS 2 that it sent and has not released.
    received: BTreeSet<u16>,
    /// 0 for none.
    pub(in crate::sessions) will: u64,
    /// The number of the next message for it.
    pub(in crate::sessions) next: u64,
    /// Messages that it did not get for want of room, in this life of the process.
    pub(in crate::sessions) dropped: u64,
}

/// Messages that wait for a session or are under way to it.
#[derive(Debug, Default)]
pub(in crate::sessions) struct Queue {
    entries: VecDeque<Entry>,
    /// Of those, how many are not done.
    pub(in crate::sessions) open: usize,
    /// Bytes on disk of those whose message is wanted.
    pub(in crate::sessions) bytes: u64,
    /// Messages with lower numbers may have been sent.
    pub(in crate::sessions) sent: u64,
    /// Of messages that bear several.
    many_ids: BTreeMap<u64, Box<[u32]>>,
}

/// How far a queued message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sessions) enum EntryState {
    /// It waits, or was sent.
    Open,
    /// Its PUBREC came.
    Released,
    /// Done with, and behind one that is not.
    Done,
}

#[derive(Clone, Copy, Debug)]
pub(in crate::sessions) struct Entry {
    /// Among all messages; meaningless unless it is open.
    message: u32,
    /// Its subscription identifier, 0 for none; of several, their number.
    id: u32,
    /// As in its delivery record.
    flags: u8,
    state: EntryState,
    has_many_ids: bool,
}

/// A queued message, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sessions) struct Queued {
    pub(in crate::sessions) number: u64,
    pub(in crate::sessions) message: u32,
    pub(in crate::sessions) state: EntryState,
    pub(in crate::sessions) flags: u8,
    pub(in crate::sessions) ids: Vec<u32>,
}

impl Session {
    pub(in crate::sessions) fn new(key: Arc<str>, connection: Connection) -> Self {
        Self {
            key,
            epoch: 0,
            expiry: 0,
            connection,
            subscriptions: Vec::new(),
            queue: None,
            received: BTreeSet::new(),
            will: 0,
            next: 1,
            dropped: 0,
        }
    }

    /// Whether it has outlived its last connection by more than it may.
    pub(in crate::sessions) fn is_expired(&self, now: UnixNanos) -> bool {
        match self.connection {
            Connection::Here(_) => false,
            Connection::Away(since) => after(since, self.expiry) <= now,
        }
    }

    pub(in crate::sessions) fn subscriptions(&self) -> &[(Box<str>, Terms)] {
        &self.subscriptions
    }

    pub(in crate::sessions) fn into_subscriptions(self) -> Vec<(Box<str>, Terms)> {
        self.subscriptions
    }

    pub(in crate::sessions) fn subscribe(&mut self, filter: &str, terms: Terms) {
        match self.subscriptions.binary_search_by(|(known, _)| (**known).cmp(filter)) {
            Ok(place) => self.subscriptions[place].1 = terms,
            Err(place) => {
                if self.subscriptions.is_empty() {
                    self.subscriptions.reserve_exact(1); // Most have one.
                }
                self.subscriptions.insert(place, (filter.into(), terms));
            }
        }
    }

    pub(in crate::sessions) fn unsubscribe(&mut self, filter: &str) {
        if let Ok(place) = self.subscriptions.binary_search_by(|(known, _)| (**known).cmp(filter)) {
            self.subscriptions.remove(place);
        }
    }

    pub(in crate::sessions) fn received(&self) -> impl Iterator<Item = u16> {
        self.received.iter().copied()
    }

    pub(in crate::sessions) fn receive(&mut self, packet_id: u16) {
        self.received.insert(packet_id);
    }

    pub(in crate::sessions) fn complete(&mut self, packet_id: u16) {
        self.received.remove(&packet_id);
    }

    /// The number of the oldest message in the queue.
    pub(in crate::sessions) fn first(&self) -> u64 {
        let len = self.queue.as_ref().map_or(0, |queue| queue.entries.len());
        self.next - len as u64
    }

    pub(in crate::sessions) fn sent(&self) -> u64 {
        self.queue.as_ref().map_or(self.next, |queue| queue.sent.max(self.first()))
    }

    /// Messages that wait or are under way, and their bytes.
    pub(in crate::sessions) fn waiting(&self) -> (usize, u64) {
        self.queue.as_ref().map_or((0, 0), |queue| (queue.open, queue.bytes))
    }

    /// Whether a number can be that of the next message: those between may have been lost.
    pub(in crate::sessions) fn can_be_next(&self, number: u64) -> bool {
        // No loss is so large, and what is damaged is not believed.
        const MISSING_MAX: u64 = 1 << 20;
        (self.next..self.next.saturating_add(MISSING_MAX)).contains(&number)
    }

    /// Queues a message under a number that [can be the next](Self::can_be_next).
    pub(in crate::sessions) fn push(
        &mut self,
        number: u64,
        message: u32,
        len: u32,
        flags: u8,
        ids: &[u32],
    ) {
        let next = self.next;
        let queue =
            self.queue.get_or_insert_with(|| Box::new(Queue { sent: next, ..Queue::default() }));
        let missing = number.saturating_sub(next);
        if !queue.entries.is_empty() {
            (0..missing).for_each(|_| queue.entries.push_back(Entry::DONE));
        }
        let (id, has_many_ids) = match *ids {
            [] => (0, false),
            [one] => (one, false),
            _ => {
                queue.many_ids.insert(number, ids.into());
                (0, true)
            }
        };
        let flags = flags & (DELIVERY_QOS | DELIVERY_RETAIN);
        let state = EntryState::Open;
        queue.entries.push_back(Entry { message, id, flags, state, has_many_ids });
        queue.open += 1;
        queue.bytes += u64::from(len);
        self.next = number + 1;
    }

    /// A message whose PUBREC came, as a snapshot tells it.
    pub(in crate::sessions) fn push_released(&mut self, number: u64, flags: u8) {
        self.push(number, 0, 0, flags, &[]);
        if let Some(entry) = self.queue.as_mut().and_then(|queue| queue.entries.back_mut()) {
            entry.state = EntryState::Released;
        }
    }

    /// What a snapshot says beside the queue: the next number, with which those between the last
    /// one and it are done, and what may have been sent.
    pub(in crate::sessions) fn end_at(&mut self, next: u64, sent: u64) {
        if let Some(queue) = self.queue.as_mut() {
            let missing = next.saturating_sub(self.next);
            (0..missing.min(1 << 20)).for_each(|_| queue.entries.push_back(Entry::DONE));
            queue.sent = sent;
        }
        self.next = self.next.max(next);
    }

    fn entry(&mut self, number: u64) -> Option<(&mut Queue, usize)> {
        let place = usize::try_from(number.checked_sub(self.first())?).ok()?;
        let queue = self.queue.as_deref_mut()?;
        (place < queue.entries.len()).then_some((queue, place))
    }

    /// A message is done with; gives the message that it wants no more, if that is so.
    pub(in crate::sessions) fn done(
        &mut self,
        number: u64,
        len_of: impl Fn(u32) -> u32,
    ) -> Option<u32> {
        let (queue, place) = self.entry(number)?;
        let entry = &mut queue.entries[place];
        let before = std::mem::replace(&mut entry.state, EntryState::Done);
        let message = entry.message;
        if before == EntryState::Done {
            return None;
        }
        queue.open -= 1;
        queue.many_ids.remove(&number);
        let was_open = before == EntryState::Open;
        if was_open {
            queue.bytes -= u64::from(len_of(message));
        }
        while queue.entries.front().is_some_and(|entry| entry.state == EntryState::Done) {
            queue.entries.pop_front();
        }
        if queue.entries.is_empty() {
            self.queue = None;
        } else if queue.entries.capacity() > 4 * queue.entries.len() + 64 {
            queue.entries.shrink_to_fit();
        }
        was_open.then_some(message)
    }

    /// The PUBREC of a message came; gives the message, whose bytes nobody needs any more.
    pub(in crate::sessions) fn released(
        &mut self,
        number: u64,
        len_of: impl Fn(u32) -> u32,
    ) -> Option<u32> {
        let (queue, place) = self.entry(number)?;
        let entry = &mut queue.entries[place];
        if entry.state != EntryState::Open {
            return None;
        }
        entry.state = EntryState::Released;
        let message = entry.message;
        queue.bytes -= u64::from(len_of(message));
        Some(message)
    }

    /// The oldest message that was not sent.
    pub(in crate::sessions) fn oldest_waiting(&self) -> Option<u64> {
        // What was sent to who is there is not known here: more than this is never under way.
        const UNDER_WAY_MAX: u64 = 1024;
        let sent = match self.connection {
            Connection::Away(_) => self.sent(),
            Connection::Here(_) => self.sent().max(self.first() + UNDER_WAY_MAX),
        };
        self.queued(sent).find(|queued| queued.state == EntryState::Open).map(|found| found.number)
    }

    /// What is queued from a number on and not done.
    pub(in crate::sessions) fn queued(&self, from: u64) -> impl Iterator<Item = Queued> {
        let first = self.first();
        let skip = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        let queue = self.queue.as_deref();
        let entries = queue.into_iter().flat_map(move |queue| {
            let skip = skip.min(queue.entries.len());
            queue.entries.range(skip..).zip(first + skip as u64..).map(move |pair| (queue, pair))
        });
        entries.filter(|(_, (entry, _))| entry.state != EntryState::Done).map(
            |(queue, (entry, number))| Queued {
                number,
                message: entry.message,
                state: entry.state,
                flags: entry.flags,
                ids: match entry.id {
                    _ if entry.has_many_ids => {
                        queue.many_ids.get(&number).map(|ids| ids.to_vec()).unwrap_or_default()
                    }
                    0 => Vec::new(),
                    id => vec![id],
                },
            },
        )
    }
}

impl Entry {
    const DONE: Self =
        Self { message: 0, id: 0, flags: 0, state: EntryState::Done, has_many_ids: false };
}

/// The moment so many seconds later.
pub(in crate::sessions) fn after(at: UnixNanos, seconds: u32) -> UnixNanos {
    at.saturating_add(i64::from(seconds).saturating_mul(1_000_000_000))
}
