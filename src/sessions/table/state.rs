//! The table of sessions, and the single steps that change it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
};

use super::{
    messages::Messages,
    session::{Connection, Session, after},
};
use crate::{
    model::{SessionId, UnixNanos},
    sessions::{Options, QueueOverflow, record::Terms},
};

/// The bounds of the table.
#[derive(Clone, Copy, Debug)]
pub(in crate::sessions) struct Limits {
    pub(in crate::sessions) count_max: usize,
    pub(in crate::sessions) per_identity_max: usize,
    pub(in crate::sessions) queue_messages_max: usize,
    pub(in crate::sessions) queue_bytes_max: u64,
    pub(in crate::sessions) overflow: QueueOverflow,
}

impl From<&Options> for Limits {
    fn from(options: &Options) -> Self {
        Self {
            count_max: options.count_max,
            per_identity_max: options.per_identity_max,
            queue_messages_max: options.queue_messages_max,
            queue_bytes_max: options.queue_bytes_max,
            overflow: options.overflow,
        }
    }
}

/// A retained message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retained {
    pub(super) message: u32,
    /// Its number; later messages have higher numbers.
    pub(super) number: u64,
}

/// A will that is not published yet.
#[derive(Clone, Debug)]
pub(super) struct Will {
    pub(super) message: u32,
    /// Seconds after the end of the connection.
    pub(super) delay: u32,
    /// `None` while its connection lasts, or while it is being published.
    pub(super) due: Option<UnixNanos>,
    /// Its key: identity and client identifier.
    pub(super) key: Arc<str>,
}

/// The state of all persistent sessions.
#[derive(Debug)]
pub(in crate::sessions) struct Table {
    pub(super) limits: Limits,
    /// Sorted, so that the sessions of one identity are adjacent.
    keys: BTreeMap<Arc<str>, u64>,
    pub(super) sessions: HashMap<u64, Session>,
    pub(in crate::sessions) messages: Messages,
    pub(super) retained: BTreeMap<Box<str>, Retained>,
    pub(super) wills: BTreeMap<u64, Will>,
    /// Due wills, by time.
    due: BTreeSet<(UnixNanos, u64)>,
    pub(super) next_session: u64,
    pub(super) next_will: u64,
    /// Messages queued or in flight.
    pub(super) queued: u64,
    /// There is no room on disk for messages that can be refused.
    pub(in crate::sessions) is_full: bool,
    /// Messages lost because their bytes are damaged.
    pub(in crate::sessions) damaged: u64,
}

/// The remains of an ended session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The session's id.
    pub session: u64,
    /// Its subscriptions.
    pub subscriptions: Vec<(Box<str>, Terms)>,
    /// The messages that were left in its queue.
    pub left: u64,
}

/// The facts about a session for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The session's id.
    pub session: u64,
    /// Its identity.
    pub identity: String,
    /// Its client identifier.
    pub client_id: String,
    /// Its live session, or when it was disconnected.
    pub live: Result<SessionId, UnixNanos>,
    /// Its session expiry interval in seconds.
    pub expiry: u32,
    /// The number of its subscriptions; [`Sessions::subscriptions`] lists them.
    ///
    /// [`Sessions::subscriptions`]: crate::sessions::Sessions::subscriptions
    pub subscriptions: usize,
    /// Messages queued for it or in flight.
    pub queued: u64,
    /// Their bytes on disk.
    pub queued_bytes: u64,
    /// Messages dropped for lack of room, since the process started.
    pub dropped: u64,
}

/// The key of a session. Neither part contains a NUL.
pub(super) fn key(identity: &str, client_id: &str) -> String {
    format!("{identity}\0{client_id}")
}

/// Both parts of a key.
pub(in crate::sessions) fn parts(key: &str) -> (&str, &str) {
    key.split_once('\0').unwrap_or(("", key))
}

impl Table {
    pub(in crate::sessions) fn new(limits: Limits) -> Self {
        Self {
            limits,
            keys: BTreeMap::new(),
            sessions: HashMap::new(),
            messages: Messages::default(),
            retained: BTreeMap::new(),
            wills: BTreeMap::new(),
            due: BTreeSet::new(),
            next_session: 1,
            next_will: 1,
            queued: 0,
            is_full: false,
            damaged: 0,
        }
    }

    /// The session of a client.
    pub(in crate::sessions) fn find(&self, identity: &str, client_id: &str) -> Option<u64> {
        self.keys.get(key(identity, client_id).as_str()).copied()
    }

    /// Sessions of one identity.
    pub(super) fn count_of(&self, identity: &str) -> usize {
        let prefix = format!("{identity}\0");
        let from = Bound::Included(prefix.as_str());
        let same = self.keys.range::<str, _>((from, Bound::Unbounded));
        same.take_while(|(key, _)| key.starts_with(&prefix))
            .take(self.limits.per_identity_max)
            .count()
    }

    /// The keys of all sessions, in their order.
    pub(super) fn keys_from(&self, from: Bound<&str>) -> impl Iterator<Item = (&Arc<str>, &u64)> {
        self.keys.range::<str, _>((from, Bound::Unbounded))
    }

    pub(super) fn insert(&mut self, id: u64, session: Session) {
        self.next_session = self.next_session.max(id.saturating_add(1));
        self.queued += session.waiting().0 as u64;
        self.keys.insert(Arc::clone(&session.key), id);
        self.sessions.insert(id, session);
    }

    /// A session ends; its will is due now.
    pub(super) fn end(&mut self, id: u64, at: UnixNanos) -> Option<Ended> {
        let session = self.sessions.remove(&id)?;
        if self.keys.get(&session.key) == Some(&id) {
            self.keys.remove(&session.key);
        }
        let left = session.waiting().0 as u64;
        self.queued -= left;
        for queued in session.queued(0) {
            if queued.is_wanted() {
                self.messages.release_reference(queued.message);
            }
        }
        if self.wills.get(&session.will).is_some_and(|will| will.due.is_none_or(|due| due > at)) {
            self.will_due(session.will, at);
        }
        Some(Ended { session: id, subscriptions: session.into_subscriptions(), left })
    }

    /// A will becomes due at this time.
    pub(super) fn will_due(&mut self, id: u64, at: UnixNanos) {
        let Some(will) = self.wills.get_mut(&id) else { return };
        if let Some(before) = will.due.replace(at) {
            self.due.remove(&(before, id));
        }
        self.due.insert((at, id));
    }

    /// A will must no longer be published.
    pub(super) fn forget_will(&mut self, id: u64) {
        let Some(will) = self.wills.remove(&id) else { return };
        if let Some(due) = will.due {
            self.due.remove(&(due, id));
        }
        self.messages.release_reference(will.message);
    }

    /// A connection has ended.
    pub(super) fn close(&mut self, id: u64, at: UnixNanos, expiry: u32, sent: u64) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.connection = Connection::Away(at);
        session.expiry = expiry;
        let (first, next) = (session.first(), session.next);
        if let Some(queue) = session.queue.as_mut() {
            queue.sent = sent.clamp(first, next);
        }
    }

    /// The will of a session becomes due after its delay, or when the session ends.
    pub(super) fn delay_will(&mut self, id: u64, at: UnixNanos) {
        let Some(session) = self.sessions.get(&id) else { return };
        let (will, expiry) = (session.will, session.expiry);
        if let Some(delay) = self.wills.get(&will).map(|will| will.delay) {
            self.will_due(will, after(at, delay.min(expiry)));
        }
    }

    /// Retains a message under its topic, or clears that.
    pub(super) fn retain(&mut self, topic: &str, message: Option<u32>, number: u64) {
        if self.retained.get(topic).is_some_and(|known| known.number > number) {
            return;
        }
        let old = match message {
            Some(message) => {
                self.messages.want(message);
                self.retained.insert(topic.into(), Retained { message, number })
            }
            None => self.retained.remove(topic),
        };
        if let Some(old) = old {
            self.messages.release_reference(old.message);
        }
    }

    /// A queued message is done.
    pub(super) fn done(&mut self, id: u64, number: u64) {
        let Self { sessions, messages, queued, .. } = self;
        let Some(session) = sessions.get_mut(&id) else { return };
        let before = session.waiting().0;
        if let Some(message) = session.done(number, |message| messages.block(message).len) {
            messages.release_reference(message);
        }
        *queued -= (before - session.waiting().0) as u64;
    }

    /// The PUBREC of a queued message came.
    pub(super) fn released(&mut self, id: u64, number: u64) {
        let Self { sessions, messages, .. } = self;
        let Some(session) = sessions.get_mut(&id) else { return };
        if let Some(message) = session.released(number, |message| messages.block(message).len) {
            messages.release_reference(message);
        }
    }

    /// Messages up to a number were handed out to be sent.
    pub(in crate::sessions) fn handed_out(&mut self, id: u64, upto: u64) {
        let queue = self.sessions.get_mut(&id).and_then(|session| session.queue.as_mut());
        if let Some(queue) = queue {
            queue.sent = queue.sent.max(upto);
        }
    }

    /// The live session of a session, if connected.
    pub(in crate::sessions) fn live(&self, id: u64) -> Option<SessionId> {
        match self.sessions.get(&id)?.connection {
            Connection::Here(live) => Some(live),
            Connection::Away(_) => None,
        }
    }

    /// Expired sessions, among at most `steps` after a key; and the last key checked, unless it was
    /// the last of all.
    pub(in crate::sessions) fn expired(
        &self,
        behind: Option<&Arc<str>>,
        steps: usize,
        now: UnixNanos,
    ) -> (Vec<u64>, Option<Arc<str>>) {
        self.sweep(behind, steps, |_, id, session| session.is_expired(now).then_some(id))
    }

    /// The same for disconnected sessions with a wanted client identifier.
    pub(in crate::sessions) fn absent(
        &self,
        behind: Option<&Arc<str>>,
        steps: usize,
        is_wanted: &mut dyn FnMut(&str) -> bool,
    ) -> (Vec<Facts>, Option<Arc<str>>) {
        self.sweep(behind, steps, |key, id, session| {
            let is_away = matches!(session.connection, Connection::Away(_));
            (is_away && is_wanted(parts(key).1)).then(|| self.facts(id)).flatten()
        })
    }

    fn sweep<T>(
        &self,
        behind: Option<&Arc<str>>,
        steps: usize,
        mut look: impl FnMut(&str, u64, &Session) -> Option<T>,
    ) -> (Vec<T>, Option<Arc<str>>) {
        let from = behind.map_or(Bound::Unbounded, |key| Bound::Excluded(&**key));
        let (mut looked, mut last, mut found) = (0, None, Vec::new());
        for (key, id) in self.keys.range::<str, _>((from, Bound::Unbounded)).take(steps) {
            looked += 1;
            last = Some(key);
            found.extend(self.sessions.get(id).and_then(|session| look(key, *id, session)));
        }
        (found, last.filter(|_| looked == steps).cloned())
    }

    /// Takes due wills: each is handed out once per process.
    pub(in crate::sessions) fn take_due(
        &mut self,
        now: UnixNanos,
        most: usize,
    ) -> Vec<(u64, u32, Arc<str>)> {
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some((due, id)) = self.due.first().copied().filter(|(due, _)| *due <= now)
        {
            self.due.remove(&(due, id));
            if let Some(will) = self.wills.get_mut(&id) {
                will.due = None;
                taken.push((id, will.message, Arc::clone(&will.key)));
            }
        }
        taken
    }

    /// Whether a will still has to be published.
    pub(in crate::sessions) fn has_will(&self, id: u64, message: u32) -> bool {
        self.wills.get(&id).is_some_and(|will| will.message == message)
    }

    /// Wills that were being published when the process ended are due again.
    pub(in crate::sessions) fn unpublished_wills_due(&mut self, now: UnixNanos) {
        let is_live = |id: &u64, will: &Will| {
            let session = self.keys.get(&will.key).and_then(|session| self.sessions.get(session));
            session.is_some_and(|session| {
                session.will == *id && matches!(session.connection, Connection::Here(_))
            })
        };
        let left = self.wills.iter().filter(|(id, will)| will.due.is_none() && !is_live(id, will));
        let left: Vec<u64> = left.map(|(id, _)| *id).collect();
        left.into_iter().for_each(|id| self.will_due(id, now));
    }

    pub(in crate::sessions) fn has_due(&self, now: UnixNanos) -> bool {
        self.due.first().is_some_and(|(due, _)| *due <= now)
    }

    /// The whole table, for comparison.
    #[cfg(test)]
    pub(in crate::sessions) fn each_session(
        &self,
    ) -> impl Iterator<Item = (u64, &super::session::Session)> {
        self.sessions.iter().map(|(id, session)| (*id, session))
    }

    /// Its wills: id, message, delay, due time, key.
    #[cfg(test)]
    pub(in crate::sessions) fn each_will(
        &self,
    ) -> impl Iterator<Item = (u64, u32, u32, Option<UnixNanos>, &str)> {
        let wills = self.wills.iter();
        wills.map(|(id, will)| (*id, will.message, will.delay, will.due, &*will.key))
    }

    /// The numbers of sessions, and of messages queued or in flight.
    pub(in crate::sessions) fn counts(&self) -> (usize, u64) {
        (self.sessions.len(), self.queued)
    }

    pub(in crate::sessions) fn facts(&self, id: u64) -> Option<Facts> {
        let session = self.sessions.get(&id)?;
        let (identity, client_id) = parts(&session.key);
        let (queued, queued_bytes) = session.waiting();
        Some(Facts {
            session: id,
            identity: identity.to_owned(),
            client_id: client_id.to_owned(),
            live: match session.connection {
                Connection::Here(live) => Ok(live),
                Connection::Away(since) => Err(since),
            },
            expiry: session.expiry,
            subscriptions: session.subscriptions().len(),
            queued: queued as u64,
            queued_bytes,
            dropped: session.dropped,
        })
    }

    /// The subscriptions of a session.
    pub(in crate::sessions) fn subscriptions(&self, id: u64) -> Vec<(Box<str>, Terms)> {
        self.sessions.get(&id).map_or_else(Vec::new, |session| session.subscriptions().to_vec())
    }

    /// The sessions after a key, at most `most`.
    pub(in crate::sessions) fn page(&self, behind: Option<&str>, most: usize) -> Vec<Facts> {
        let from = behind.map_or(Bound::Unbounded, Bound::Excluded);
        let page = self.keys.range::<str, _>((from, Bound::Unbounded)).take(most);
        page.filter_map(|(_, id)| self.facts(*id)).collect()
    }

    /// The connections of the previous process: sessions, epochs, expiries.
    pub(in crate::sessions) fn connected(&self) -> Vec<(u64, u64, u32, u64)> {
        let here = self
            .sessions
            .iter()
            .filter(|(_, session)| matches!(session.connection, Connection::Here(_)));
        here.map(|(id, session)| (*id, session.epoch, session.expiry, session.next)).collect()
    }

    /// Retained messages: topic, number, message.
    pub(in crate::sessions) fn retained(&self) -> impl Iterator<Item = (&str, u64, u32)> {
        self.retained.iter().map(|(topic, kept)| (&**topic, kept.number, kept.message))
    }

    pub(in crate::sessions) fn queued_from(
        &self,
        id: u64,
        from: u64,
    ) -> impl Iterator<Item = super::session::Queued> {
        self.sessions.get(&id).into_iter().flat_map(move |session| session.queued(from))
    }
}
