//! One session and its queue.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use crate::{
    model::{SessionId, UnixNanos},
    sessions::record::{DELIVERY_IS_COMMAND, DELIVERY_QOS, DELIVERY_RETAIN, Terms},
};

/// Whether a session has a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sessions) enum Connection {
    /// It is connected, as this live session.
    Here(SessionId),
    /// It has been disconnected since then.
    Away(UnixNanos),
}

/// A persistent session.
#[derive(Debug)]
pub(in crate::sessions) struct Session {
    /// Identity and client identifier, separated by NUL.
    pub(in crate::sessions) key: Arc<str>,
    /// Counts its connections.
    pub(in crate::sessions) epoch: u64,
    /// Its session expiry interval in seconds.
    pub(in crate::sessions) expiry: u32,
    pub(in crate::sessions) connection: Connection,
    /// In the order of the filters.
    subscriptions: Vec<(Box<str>, Terms)>,
    /// `None` while the queue is empty.
    pub(in crate::sessions) queue: Option<Box<Queue>>,
    /// Packet identifiers of QoS 2 that it sent and has not released.
    received: BTreeSet<u16>,
    /// 0 for none.
    pub(in crate::sessions) will: u64,
    /// The number of the next message for it.
    pub(in crate::sessions) next: u64,
    /// Messages that it did not get for lack of room, since the process started.
    pub(in crate::sessions) dropped: u64,
}

/// Messages queued for a session or in flight.
#[derive(Debug, Default)]
pub(in crate::sessions) struct Queue {
    /// In the order of their numbers, which may have gaps. The first is not done.
    entries: VecDeque<Entry>,
    /// The number of entries that are not done.
    pub(in crate::sessions) open: usize,
    /// Bytes on disk of the entries whose message is needed.
    pub(in crate::sessions) bytes: u64,
    /// Messages with lower numbers may have been sent.
    pub(in crate::sessions) sent: u64,
    /// The subscription identifiers of entries that have several.
    many_ids: BTreeMap<u64, Box<[u32]>>,
}

/// The state of a queued message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sessions) enum EntryState {
    /// It is queued or was sent.
    Open,
    /// Its PUBREC arrived.
    Released,
    /// Done, and not removed yet.
    Done,
}

#[derive(Clone, Copy, Debug)]
pub(in crate::sessions) struct Entry {
    number: u64,
    /// The number of its message; meaningless unless that is needed.
    message: u32,
    /// Its subscription identifier, 0 for none; the count, if it has several.
    id: u32,
    /// The flags of its delivery record.
    flags: u8,
    state: EntryState,
    has_many_ids: bool,
}

/// A queued message, for the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sessions) struct Queued {
    pub(in crate::sessions) number: u64,
    pub(in crate::sessions) message: u32,
    pub(in crate::sessions) state: EntryState,
    pub(in crate::sessions) flags: u8,
    pub(in crate::sessions) ids: Vec<u32>,
}

/// Whether the message of an entry is still needed.
fn is_wanted(state: EntryState, flags: u8) -> bool {
    match state {
        EntryState::Open => true,
        EntryState::Released => flags & DELIVERY_IS_COMMAND != 0,
        EntryState::Done => false,
    }
}

impl Queued {
    /// Whether its message is still needed.
    pub(in crate::sessions) fn is_wanted(&self) -> bool {
        is_wanted(self.state, self.flags)
    }
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

    /// Whether it has expired.
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
        let oldest = self.queue.as_ref().and_then(|queue| queue.entries.front());
        oldest.map_or(self.next, |entry| entry.number)
    }

    pub(in crate::sessions) fn sent(&self) -> u64 {
        self.queue.as_ref().map_or(self.next, |queue| queue.sent.max(self.first()))
    }

    /// Messages queued or in flight, and their bytes.
    pub(in crate::sessions) fn waiting(&self) -> (usize, u64) {
        self.queue.as_ref().map_or((0, 0), |queue| (queue.open, queue.bytes))
    }

    /// Whether a number can be that of the next message: those between may have been lost or
    /// dropped.
    pub(in crate::sessions) fn can_be_next(&self, number: u64) -> bool {
        // Such a high number cannot be reached, so it comes from damage.
        const NUMBERS_MAX: u64 = 1 << 62;
        (self.next..NUMBERS_MAX).contains(&number)
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
        let (id, has_many_ids) = match *ids {
            [] => (0, false),
            [one] => (one, false),
            _ => {
                queue.many_ids.insert(number, ids.into());
                (0, true)
            }
        };
        let flags = flags & (DELIVERY_QOS | DELIVERY_RETAIN | DELIVERY_IS_COMMAND);
        let state = EntryState::Open;
        queue.entries.push_back(Entry { number, message, id, flags, state, has_many_ids });
        queue.open += 1;
        queue.bytes += u64::from(len);
        self.next = number + 1;
    }

    /// Adds a message whose PUBREC arrived, from a snapshot; with its message and the message's
    /// length, if it is kept.
    pub(in crate::sessions) fn push_released(
        &mut self,
        number: u64,
        kept: Option<(u32, u32)>,
        flags: u8,
    ) {
        let (message, len) = kept.unwrap_or_default();
        self.push(number, message, len, flags, &[]);
        if let Some(entry) = self.queue.as_mut().and_then(|queue| queue.entries.back_mut()) {
            entry.state = EntryState::Released;
        }
    }

    /// Sets the next number, and what may have been sent, from a snapshot.
    pub(in crate::sessions) fn end_at(&mut self, next: u64, sent: u64) {
        if let Some(queue) = self.queue.as_mut() {
            queue.sent = sent;
        }
        self.next = self.next.max(next);
    }

    fn entry(&mut self, number: u64) -> Option<(&mut Queue, usize)> {
        let queue = self.queue.as_deref_mut()?;
        let place = queue.place(number)?;
        Some((queue, place))
    }

    /// A message is done; returns the message that the entry does not need any more, if any.
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
        let was_wanted = is_wanted(before, entry.flags);
        if was_wanted {
            queue.bytes -= u64::from(len_of(message));
        }
        queue.forget(place);
        if queue.entries.is_empty() {
            self.queue = None;
        }
        was_wanted.then_some(message)
    }

    /// The PUBREC of a message arrived; returns the message, unless it is kept.
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
        if is_wanted(entry.state, entry.flags) {
            return None;
        }
        let message = entry.message;
        queue.bytes -= u64::from(len_of(message));
        Some(message)
    }

    /// The oldest message that was not sent and is not a command.
    pub(in crate::sessions) fn oldest_waiting(&self) -> Option<u64> {
        // It is not known here what was sent on the current connection: more than this number is
        // never in flight.
        const UNDER_WAY_MAX: u64 = 1024;
        let sent = match self.connection {
            Connection::Away(_) => self.sent(),
            Connection::Here(_) => self.sent().max(self.first() + UNDER_WAY_MAX),
        };
        let may_go = |queued: &Queued| {
            queued.state == EntryState::Open && queued.flags & DELIVERY_IS_COMMAND == 0
        };
        self.queued(sent).find(may_go).map(|found| found.number)
    }

    /// The entries from a number on that are not done.
    pub(in crate::sessions) fn queued(&self, from: u64) -> impl Iterator<Item = Queued> {
        let queue = self.queue.as_deref();
        let entries = queue.into_iter().flat_map(move |queue| {
            let skip = queue.entries.partition_point(|entry| entry.number < from);
            queue.entries.range(skip..).map(move |entry| (queue, entry))
        });
        entries.filter(|(_, entry)| entry.state != EntryState::Done).map(|(queue, entry)| Queued {
            number: entry.number,
            message: entry.message,
            state: entry.state,
            flags: entry.flags,
            ids: match entry.id {
                _ if entry.has_many_ids => {
                    queue.many_ids.get(&entry.number).map(|ids| ids.to_vec()).unwrap_or_default()
                }
                0 => Vec::new(),
                id => vec![id],
            },
        })
    }
}

impl Queue {
    /// The maximum number of entries that are moved to remove one between them; otherwise the
    /// removal waits.
    const MOVED_MAX: usize = 1024;

    /// The index of the entry with a number, if it exists.
    fn place(&self, number: u64) -> Option<usize> {
        let first = self.entries.front()?.number;
        // Its index without gaps; with gaps it is before that.
        let place = usize::try_from(number.checked_sub(first)?).ok()?;
        if self.entries.get(place).is_some_and(|entry| entry.number == number) {
            return Some(place);
        }
        self.entries.binary_search_by_key(&number, |entry| entry.number).ok()
    }

    /// Removes a done entry, at once or when half of the entries are done.
    fn forget(&mut self, place: usize) {
        if place.min(self.entries.len() - place) <= Self::MOVED_MAX {
            self.entries.remove(place);
        } else if self.entries.len() > 2 * self.open {
            self.entries.retain(|entry| entry.state != EntryState::Done);
        }
        while self.entries.front().is_some_and(|entry| entry.state == EntryState::Done) {
            self.entries.pop_front();
        }
        if self.entries.capacity() > 4 * self.entries.len() + 64 {
            self.entries.shrink_to_fit();
        }
    }
}

/// The time `seconds` later.
pub(in crate::sessions) fn after(at: UnixNanos, seconds: u32) -> UnixNanos {
    at.saturating_add(i64::from(seconds).saturating_mul(1_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message that may have been sent stays at the front while millions after it are queued and
    /// dropped.
    #[test]
    fn a_queue_holds_open_messages_and_not_dropped_ones() {
        let mut session = Session::new("a".into(), Connection::Away(UnixNanos(0)));
        for number in 1..3_000_000 {
            assert!(session.can_be_next(number));
            session.push(number, 7, 10, 1, &[]);
            if number > 100 {
                assert_eq!(session.done(number - 90, |_| 10), Some(7));
            }
        }
        let queue = session.queue.as_ref().unwrap();
        assert!(queue.entries.capacity() < 2000, "{}", queue.entries.capacity());
        assert_eq!(session.waiting(), (10 + 90, 1000));
        assert_eq!((session.first(), session.next), (1, 3_000_000));
        assert_eq!(session.queued(11).next().map(|queued| queued.number), Some(2_999_910));
        for number in 1..=10 {
            assert_eq!(session.done(number, |_| 10), Some(7));
            assert_eq!(session.done(number, |_| 10), None, "once");
        }
        assert_eq!(session.first(), 2_999_910);
    }

    /// In whatever order messages become done, at most twice as many entries are kept as are not
    /// done.
    #[test]
    fn a_queue_removes_done_messages_from_its_middle() {
        let mut session = Session::new("a".into(), Connection::Away(UnixNanos(0)));
        (1..=100_000).for_each(|number| session.push(number, 7, 10, 1, &[]));
        for number in (1..=100_000).filter(|number| number % 100 != 1) {
            session.done(number, |_| 10);
        }
        let queue = session.queue.as_ref().unwrap();
        assert_eq!(queue.open, 1000);
        assert!(queue.entries.len() <= 2 * queue.open + 1, "{}", queue.entries.len());
        let numbers: Vec<u64> = session.queued(0).map(|queued| queued.number).collect();
        assert_eq!(numbers, (0..1000).map(|at| 100 * at + 1).collect::<Vec<_>>());
    }
}
