//! Applies a frame of records: a new one, whose decisions are made and filled in, or one that is
//! read again.

use std::sync::Arc;

use super::{
    session::{Connection, Session},
    state::{Ended, Table, Will, key},
};
use crate::{
    model::{SessionId, UnixNanos},
    sessions::{
        bytes::Reader,
        record::{
            CLOSE, COMPLETED, DONE, END, FORGET, HAS_WILL, IS_ANONYMOUS, IS_CLEAN, MOVED, OPEN,
            PUBLISH, RELEASED, SUBSCRIBE, Terms, UNSUBSCRIBE, VERSION, read_block,
        },
    },
    spool::Place,
};

/// The outcome of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Applied as written.
    Done,
    /// Of a CONNECT.
    Opened(Box<Opened>),
    /// Of a publish.
    Published(Published),
    /// A session has ended.
    Ended(Box<Ended>),
}

/// The result of a CONNECT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// The session's id; 0 if there are too many sessions, and it was not created.
    pub session: u64,
    /// The epoch of this connection.
    pub epoch: u64,
    /// Whether the session existed before.
    pub is_present: bool,
    /// The will of this connection; 0 for none.
    pub will: u64,
    /// An older session that it replaced.
    pub ended: Option<Ended>,
    /// Its subscriptions.
    pub subscriptions: Vec<(Box<str>, Terms)>,
    /// Packet identifiers of QoS 2 that it sent and has not released.
    pub received: Vec<u16>,
    /// The number of its oldest message that is queued or in flight.
    pub first: u64,
    /// Messages with lower numbers may have been sent.
    pub sent: u64,
    /// The number of the next message for it.
    pub next: u64,
}

/// The outcome of a publish.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// In the order of its deliveries.
    pub deliveries: Vec<Placed>,
    /// Sessions that ended because their queues were full.
    pub ended: Vec<Ended>,
}

/// The outcome of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The session.
    pub session: u64,
    /// The message's number in its queue; `None` if there was no room, or no session.
    pub number: Option<u64>,
    /// The number of the oldest queued message, if it was dropped for this one.
    pub overtaken: Option<u64>,
    /// The live session, if connected.
    pub live: Option<SessionId>,
}

/// Whether a frame is new or read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Live,
    Again,
}

/// The result of applying a frame.
#[derive(Debug, Default)]
pub(in crate::sessions) struct Applied {
    /// One per record.
    pub(in crate::sessions) outcomes: Vec<Outcome>,
    /// Messages of the frame, whose place is known when it is appended.
    fresh: Vec<u32>,
    /// Values to be filled in, with their offsets.
    pub(super) patches: Vec<(usize, u64)>,
}

/// A frame that this build cannot read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sessions) enum Broken {
    /// It has another version.
    Version(u8),
    /// It is damaged.
    Damaged,
}

impl Table {
    /// Applies a new frame: makes its decisions, and fills them in.
    pub(in crate::sessions) fn apply(&mut self, frame: &mut [u8]) -> Applied {
        let mut applied = Applied::default();
        let read = self.read(frame, Mode::Live, &mut applied);
        debug_assert_eq!(read, Ok(()), "a frame of our own");
        for (at, value) in applied.patches.drain(..) {
            frame[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        applied
    }

    /// Reads a frame again after a restart.
    ///
    /// # Errors
    /// How it is broken. The records before that are applied.
    pub(in crate::sessions) fn apply_again(
        &mut self,
        frame: &[u8],
        place: Place,
    ) -> Result<(), Broken> {
        let mut applied = Applied::default();
        let read = self.read(frame, Mode::Again, &mut applied);
        self.place(&applied, place);
        read
    }

    /// The frame was appended.
    pub(in crate::sessions) fn place(&mut self, applied: &Applied, place: Place) {
        for message in &applied.fresh {
            self.messages.place(*message, place);
        }
    }

    fn read(&mut self, frame: &[u8], mode: Mode, applied: &mut Applied) -> Result<(), Broken> {
        let mut reader = Reader::new(frame);
        match reader.u8() {
            Some(VERSION) => {}
            Some(version) => return Err(Broken::Version(version)),
            None => return Ok(()),
        }
        while !reader.is_at_end() {
            let outcome = self.record(&mut reader, mode, applied).ok_or(Broken::Damaged)?;
            applied.outcomes.push(outcome);
        }
        Ok(())
    }

    fn record(
        &mut self,
        reader: &mut Reader<'_>,
        mode: Mode,
        applied: &mut Applied,
    ) -> Option<Outcome> {
        match reader.u8()? {
            OPEN => self.open(reader, mode, applied),
            CLOSE => self.read_close(reader),
            END => {
                let (id, at) = (reader.u64()?, UnixNanos(reader.i64()?));
                Some(ended(self.end(id, at)))
            }
            SUBSCRIBE => {
                let id = reader.u64()?;
                let terms = Terms { options: reader.u8()?, id: reader.u32()? };
                let filter = reader.text()?;
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.subscribe(filter, terms);
                }
                Some(Outcome::Done)
            }
            UNSUBSCRIBE => {
                let (id, filter) = (reader.u64()?, reader.text()?);
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.unsubscribe(filter);
                }
                Some(Outcome::Done)
            }
            PUBLISH => self.publish(reader, mode, applied),
            DONE => {
                let (id, number) = (reader.u64()?, reader.u64()?);
                self.done(id, number);
                Some(Outcome::Done)
            }
            RELEASED => {
                let (id, number) = (reader.u64()?, reader.u64()?);
                self.released(id, number);
                Some(Outcome::Done)
            }
            COMPLETED => {
                let (id, packet_id) = (reader.u64()?, reader.u16()?);
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.complete(packet_id);
                }
                Some(Outcome::Done)
            }
            FORGET => {
                let number = reader.u64()?;
                self.retain(reader.text()?, None, number);
                Some(Outcome::Done)
            }
            MOVED => read_block(reader).map(|_| Outcome::Done),
            _ => None,
        }
    }

    fn open(
        &mut self,
        reader: &mut Reader<'_>,
        mode: Mode,
        applied: &mut Applied,
    ) -> Option<Outcome> {
        let patched = reader.at();
        let (id, epoch) = (reader.u64()?, reader.u64()?);
        let (ended, will_id) = (reader.u64()?, reader.u64()?);
        let flags = reader.u8()?;
        let (expiry, at) = (reader.u32()?, UnixNanos(reader.i64()?));
        let live = SessionId { worker: reader.u16()?, number: reader.u64()? };
        let (identity, client_id) = (reader.text()?, reader.text()?);
        let will = match flags & HAS_WILL {
            0 => None,
            _ => Some((reader.u32()?, read_block(reader)?)),
        };
        let known = self.find(identity, client_id);
        let mut opened = Opened::default();
        let (id, epoch, will_id) = match mode {
            Mode::Live => {
                let is_stale = |session: &Session| flags & IS_CLEAN != 0 || session.is_expired(at);
                let old = known.filter(|id| self.sessions.get(id).is_some_and(is_stale));
                opened.ended = old.and_then(|id| self.end(id, at));
                let kept = known.filter(|id| self.sessions.contains_key(id));
                let is_anonymous = flags & IS_ANONYMOUS != 0;
                let has_room = self.sessions.len() < self.limits.count_max
                    && (is_anonymous || self.count_of(identity) < self.limits.per_identity_max);
                let id = match kept {
                    Some(id) => id,
                    None if has_room => self.next_session,
                    None => 0,
                };
                let epoch = self.sessions.get(&id).map_or(1, |session| session.epoch + 1);
                let will_id = if id != 0 && will.is_some() { self.next_will } else { 0 };
                let ended = opened.ended.as_ref().map_or(0, |ended| ended.session);
                for (place, value) in [id, epoch, ended, will_id].into_iter().enumerate() {
                    applied.patches.push((patched + 8 * place, value));
                }
                (id, epoch, will_id)
            }
            Mode::Again => {
                // Also one with the same key that remained because of damage.
                for old in [Some(ended), known.filter(|known| *known != id)].into_iter().flatten() {
                    self.end(old, at);
                }
                (id, epoch, will_id)
            }
        };
        if id == 0 {
            return Some(Outcome::Opened(Box::new(opened)));
        }
        self.resume(id, &key(identity, client_id), (live, at), &mut opened);
        if let Some((delay, (offset, block))) = will.filter(|_| will_id != 0) {
            let message = self.fresh(offset, block, applied);
            self.messages.want(message);
            self.next_will = self.next_will.max(will_id.saturating_add(1));
            let key = Arc::clone(&self.sessions.get(&id)?.key);
            self.wills.insert(will_id, Will { message, delay, due: None, key });
        }
        let session = self.sessions.get_mut(&id)?;
        session.epoch = epoch;
        session.expiry = expiry;
        session.will = will_id;
        opened.epoch = epoch;
        opened.will = will_id;
        Some(Outcome::Opened(Box::new(opened)))
    }

    /// Opens a session, which is created if missing, and returns its state.
    fn resume(
        &mut self,
        id: u64,
        key: &str,
        (live, at): (SessionId, UnixNanos),
        opened: &mut Opened,
    ) {
        opened.is_present = self.sessions.contains_key(&id);
        if !opened.is_present {
            self.insert(id, Session::new(key.into(), Connection::Here(live)));
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.connection = Connection::Here(live);
        opened.session = id;
        opened.subscriptions = session.subscriptions().to_vec();
        opened.received = session.received().collect();
        opened.first = session.first();
        opened.sent = session.sent();
        opened.next = session.next;
        // It has reconnected before its will was due ([MQTT-3.1.3-9]).
        let will = session.will;
        if self.wills.get(&will).is_some_and(|will| will.due.is_some_and(|due| due > at)) {
            self.forget_will(will);
        }
    }

    fn read_close(&mut self, reader: &mut Reader<'_>) -> Option<Outcome> {
        let (id, epoch) = (reader.u64()?, reader.u64()?);
        let (at, expiry) = (UnixNanos(reader.i64()?), reader.u32()?);
        let (with_will, sent) = (reader.u8()?, reader.u64()?);
        let Some(session) = self.sessions.get(&id).filter(|session| session.epoch == epoch) else {
            return Some(Outcome::Done);
        };
        let will = session.will;
        self.close(id, at, expiry, sent);
        match with_will {
            0 => self.forget_will(will),
            1 => self.delay_will(id, at),
            _ => {}
        }
        Some(if expiry == 0 {
            ended(self.end_without_will(id, at, with_will))
        } else {
            Outcome::Done
        })
    }

    /// Ends a session, except for a will that is about to be published.
    fn end_without_will(&mut self, id: u64, at: UnixNanos, with_will: u8) -> Option<Ended> {
        if with_will > 1
            && let Some(session) = self.sessions.get_mut(&id)
        {
            session.will = 0;
        }
        self.end(id, at)
    }

    /// The message whose block is at this offset in the frame.
    pub(super) fn fresh(&mut self, offset: usize, block: &[u8], applied: &mut Applied) -> u32 {
        let [offset, len] = [offset, block.len()]
            .map(|number| u32::try_from(number).expect("a frame has at most 1 GiB"));
        let message = self.messages.add(offset, len);
        applied.fresh.push(message);
        message
    }
}

fn ended(ended: Option<Ended>) -> Outcome {
    ended.map_or(Outcome::Done, |ended| Outcome::Ended(Box::new(ended)))
}
