//! The slots of one worker: sessions, and their sockets while they have one.

use std::{collections::VecDeque, net::SocketAddr, rc::Rc, sync::Arc};

use ntex::task::LocalWaker;
use ntex_io::IoRef;

use super::deliver::Pass;
use crate::{
    auth::Identity,
    model::{
        CommandId, CommandReport, CommandTracker, Presence, Protocol, RaisedAlarm, ReceiptTicket,
        SessionAnswer, SessionFacts, SessionId, SessionQuestion, UnixNanos,
    },
    mqtt::{
        clock::Tick,
        lasting::{Ticket, stored_id},
        rate::{Rate, RateLimits},
        session::Session,
        topic::TopicFacts,
        vehicles::{NotKept, VehicleLimits, Vehicles},
        will::Will,
    },
    uplink::{LastLine, TopicMemo},
};

/// Identifies a slot of one worker for as long as the slot lives; a number is never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) struct SlotKey {
    index: u32,
    generation: u32,
}

impl SlotKey {
    /// Its form for others: see [`SessionId`].
    pub(in crate::mqtt) fn number(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// The key from a number of [`Self::number`].
    pub(in crate::mqtt) fn of(number: u64) -> Self {
        let [index, generation] = [number & u64::from(u32::MAX), number >> 32]
            .map(|half| u32::try_from(half).expect("32 bits each"));
        Self { index, generation }
    }
}

/// The slots of one worker.
#[derive(Debug, Default)]
pub(super) struct Slab {
    /// Bounded by the concurrent connections, and by closed ones with pending work in the lanes.
    entries: Vec<Entry>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Entry {
    generation: u32,
    slot: Option<Slot>,
}

impl Slab {
    pub(super) fn insert(&mut self, slot: Slot) -> SlotKey {
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry { generation: 0, slot: None });
            u32::try_from(self.entries.len() - 1).expect("fewer slots than descriptors")
        });
        let entry = &mut self.entries[index as usize];
        entry.slot = Some(slot);
        SlotKey { index, generation: entry.generation }
    }

    pub(super) fn get_mut(&mut self, key: SlotKey) -> Option<&mut Slot> {
        let entry = self.entries.get_mut(key.index as usize)?;
        entry.slot.as_mut().filter(|_| entry.generation == key.generation)
    }

    pub(super) fn remove(&mut self, key: SlotKey) -> Option<Slot> {
        self.get_mut(key)?;
        let entry = &mut self.entries[key.index as usize];
        // The number repeats after four thousand million slots, which is harmless: references to
        // the first one are long gone.
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(key.index);
        entry.slot.take()
    }

    /// The slots at the `count` positions from `from` on; `None` after the last position.
    pub(super) fn piece(
        &self,
        from: usize,
        count: usize,
    ) -> Option<impl Iterator<Item = (SlotKey, &Slot)>> {
        let piece = self.entries.get(from..).filter(|rest| !rest.is_empty())?;
        Some((from..).zip(piece.iter().take(count)).filter_map(|(index, entry)| {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let key = SlotKey { index, generation: entry.generation };
            Some((key, entry.slot.as_ref()?))
        }))
    }

    /// The same, mutable.
    pub(super) fn piece_mut(
        &mut self,
        from: usize,
        count: usize,
    ) -> Option<impl Iterator<Item = (SlotKey, &mut Slot)>> {
        let piece = self.entries.get_mut(from..).filter(|rest| !rest.is_empty())?;
        Some((from..).zip(piece.iter_mut().take(count)).filter_map(|(index, entry)| {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let key = SlotKey { index, generation: entry.generation };
            Some((key, entry.slot.as_mut()?))
        }))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (SlotKey, &mut Slot)> {
        self.piece_mut(0, usize::MAX).into_iter().flatten()
    }
}

/// One client of a worker.
#[derive(Debug)]
pub(in crate::mqtt) struct Slot {
    /// `None` once the connection has ended.
    pub(in crate::mqtt) socket: Option<Socket>,
    /// `None` until a CONNECT was accepted.
    pub(in crate::mqtt) client: Option<Box<Client>>,
}

/// The socket's side of a slot.
#[derive(Debug)]
pub(in crate::mqtt) struct Socket {
    pub(in crate::mqtt) io: IoRef,
    pub(in crate::mqtt) accepted: Tick,
    /// Its complete CONNECT was received: the CONNECT timeout no longer runs.
    pub(super) has_said_connect: bool,
    /// Why it is not read, if it is not; the keep-alive timeout does not run meanwhile.
    pub(in crate::mqtt) hold: Hold,
    /// Wakes the task that reads the socket.
    pub(in crate::mqtt) resume: LocalWaker,
    /// It will be written to at the end of the turn.
    pub(super) is_touched: bool,
    /// Its write buffer is full: nothing is delivered until it is empty.
    pub(in crate::mqtt) is_stuffed: bool,
    /// While its session is opened: messages with lower numbers are durable.
    pub(super) stored_upto: u64,
}

/// Why a socket is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) enum Hold {
    /// It is read.
    Nothing,
    /// Its session holds its maximum.
    Full,
    /// There is no memory for its next message.
    NoRoom,
    /// It has reached its publish rate limit.
    Rate,
}

impl Socket {
    pub(super) fn new(io: IoRef, accepted: Tick) -> Self {
        Self {
            io,
            accepted,
            has_said_connect: false,
            hold: Hold::Nothing,
            resume: LocalWaker::new(),
            is_touched: false,
            is_stuffed: false,
            stored_upto: 0,
        }
    }

    /// Wakes the task that reads the socket, for any reason.
    pub(super) fn wake(&self) {
        self.resume.wake();
        self.io.notify_dispatcher();
    }
}

/// The client, from its accepted CONNECT on.
#[derive(Debug)]
pub(in crate::mqtt) struct Client {
    /// Its client identifier.
    pub(in crate::mqtt) id: Arc<str>,
    /// Its identity; `Shared::access` decides what it may do.
    pub(in crate::mqtt) identity: Identity,
    pub(in crate::mqtt) protocol: Protocol,
    pub(in crate::mqtt) session: Session,
    pub(in crate::mqtt) memo: TopicMemo<TopicFacts>,
    /// Its slot.
    pub(super) key: SlotKey,
    pub(in crate::mqtt) will: Option<Box<Will>>,
    /// Present if its session is persistent.
    pub(in crate::mqtt) lasting: Option<Box<LastingClient>>,
    /// Publishes that wait for their lanes, in their order.
    pub(super) deferred: VecDeque<Deferred>,
    /// The number of the will that it will publish in the journal; 0 if it is not there.
    pub(super) will_id: u64,
    /// Not a client but the publisher of an alarm, which is its will: the message that waits for
    /// it.
    pub(super) alarm: Option<ReceiptTicket>,
    /// Its connection has ended, but counts as open until its will is durable.
    pub(super) keeps_open: bool,
    /// Publishers that wait for its queue, and since when the queue is full.
    pub(super) passes: Vec<Rc<Pass>>,
    pub(super) full_since: Option<Tick>,
    /// Deliveries that were dropped.
    pub(super) dropped: u64,
    /// Its remaining publish rate.
    pub(in crate::mqtt) rate: Rate,
    pub(super) connected_at: UnixNanos,
    /// `None` until a message of it is durable: a client that only subscribes costs nothing here.
    pub(super) vehicles: Option<Box<Vehicles>>,
}

/// The state of a persistent session for a connection.
#[derive(Debug)]
pub(in crate::mqtt) struct LastingClient {
    /// The session's number in the journal.
    pub(in crate::mqtt) session: u64,
    /// The number of this connection.
    pub(in crate::mqtt) epoch: u64,
    /// The session expiry interval, in seconds.
    pub(in crate::mqtt) expiry: u32,
    /// Its deliveries are checked against the access rules.
    pub(in crate::mqtt) is_asked: bool,
    /// The number of the first message that is queued during this connection.
    pub(super) since: u64,
    /// SUBACKs and UNSUBACKs that wait for the disk.
    pub(super) awaited: usize,
    /// Commands that are on their way into its queue; bounded by what a vehicle may have open.
    pub(super) commands: Vec<CommandReport>,
    /// Commands that were in its queue when it was resumed, as far as fetched; `None` once
    /// reported.
    pub(super) found: Option<Vec<CommandId>>,
}

/// An action that waits until a publish is spooled.
#[derive(Debug)]
pub(super) struct Deferred {
    pub(super) seq: u64,
    pub(super) later: Later,
}

#[derive(Debug)]
pub(super) enum Later {
    /// A record: otherwise, after a crash, a repeated publish would count as a duplicate, and a
    /// will would be finished without being stored.
    Record(Vec<u8>, Ticket),
    /// An alarm: no vehicle may get a command because of an unacknowledged message.
    Alarm(Box<RaisedAlarm>),
}

/// The session and the time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    pub(super) session: SessionId,
    pub(super) now: UnixNanos,
    pub(super) presence: &'a Presence,
    /// Notified that a vehicle is reachable, if the session takes commands for the vehicles of its
    /// messages.
    pub(super) tracker: Option<&'a dyn CommandTracker>,
}

impl Client {
    pub(in crate::mqtt) fn new(
        key: SlotKey,
        identity: Identity,
        protocol: Protocol,
        session: Session,
        connected_at: UnixNanos,
    ) -> Self {
        Self {
            id: Arc::clone(identity.client_id()),
            identity,
            protocol,
            session,
            memo: TopicMemo::default(),
            key,
            will: None,
            lasting: None,
            deferred: VecDeque::new(),
            will_id: 0,
            alarm: None,
            keeps_open: false,
            passes: Vec::new(),
            full_since: None,
            dropped: 0,
            rate: Rate::new(RateLimits::default()),
            connected_at,
            vehicles: None,
        }
    }

    /// A DISCONNECT was received, with or without the will, and with the session expiry interval.
    pub(in crate::mqtt) fn said_goodbye(&mut self, with_will: bool, expiry: Option<u32>) {
        if !with_will {
            self.will = None;
        }
        if let (Some(lasting), Some(expiry)) = (self.lasting.as_mut(), expiry) {
            lasting.expiry = expiry;
        }
    }

    /// The session's identifier in the router.
    pub(super) fn routed(&self, session: SessionId) -> SessionId {
        self.lasting.as_ref().map_or(session, |lasting| stored_id(lasting.session))
    }

    /// Keeps a durable line, and makes its vehicle present if it was not.
    ///
    /// # Errors
    /// The limit that it exceeds.
    pub(super) fn keep(
        &mut self,
        last: LastLine<'_>,
        limits: &VehicleLimits,
        moment: Moment<'_>,
    ) -> Result<(), NotKept> {
        let Moment { session, now, presence, tracker } = moment;
        let vehicles = self.vehicles.get_or_insert_default();
        vehicles.keep(last, now, limits, |vehicle| {
            let name = presence.enter(vehicle, session, now);
            if let Some(tracker) = tracker {
                tracker.vehicle_reachable(vehicle);
            }
            name
        })
    }

    /// Answers an operator's query; `None` if it has no messages of the vehicle.
    pub(super) fn answer(
        &self,
        question: &SessionQuestion,
        address: Option<SocketAddr>,
        last_packet_at: UnixNanos,
    ) -> Option<SessionAnswer> {
        let (last_seen, lines) = self.vehicles.as_ref()?.lines(&question.vehicle)?;
        let lines = lines.filter(|_| question.with_lines).map(<[u8]>::to_vec).collect();
        let facts = SessionFacts {
            client_id: self.id.to_string(),
            protocol: self.protocol,
            address,
            connected_at: self.connected_at,
            last_packet_at,
            keep_alive_seconds: self.session.terms().keep_alive.into(),
        };
        Some(SessionAnswer { facts, last_seen, lines })
    }

    /// The connection has ended: its vehicles lose one session (PR-1).
    pub(super) fn leave(&mut self, session: SessionId, presence: &Presence) {
        let vehicles = self.vehicles.take();
        for vehicle in vehicles.iter().flat_map(|vehicles| vehicles.known()) {
            presence.leave(&vehicle.name, session, vehicle.seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::MappingKey,
        mqtt::{
            session::{ClientLimits, QueueLimits, SessionLimits, Terms},
            wire::Version,
        },
    };

    const LIMITS: VehicleLimits =
        VehicleLimits { vehicles_max: 2, line_bytes_max: 100, bytes_max: 1000 };

    fn client() -> Client {
        let takes = ClientLimits { receive_maximum: 1, packet_bytes_max: 1, topic_alias_max: 0 };
        let terms = Terms {
            version: Version::V5,
            keep_alive: 60,
            wants_persistence: false,
            wants_reasons: false,
            takes,
        };
        let limits = SessionLimits {
            receive_maximum: 1,
            session_bytes_max: 1,
            topic_alias_max: 0,
            topic_bytes_max: 1,
            topic_levels_max: 1,
            user_properties_max: 0,
            packet_ticks: 1,
            idle_ticks: 0,
            queue: QueueLimits {
                messages_max: 1,
                bytes_max: 1,
                in_flight_max: 1,
                subscriptions_max: 1,
                topic_alias_max: 0,
            },
        };
        let session = Session::new(terms, Arc::new(limits), Tick(0));
        let key = SlotKey { index: 0, generation: 0 };
        Client::new(key, Identity::anonymous("c".into()), Protocol::V5, session, UnixNanos(1))
    }

    #[test]
    fn a_vehicle_is_present_from_its_first_durable_line_to_the_end_of_the_connection() {
        let presence = Presence::new(10);
        let session = SessionId { worker: 3, number: 4 };
        let mut client = client();
        let moment =
            |now| Moment { session, now: UnixNanos(now), presence: &presence, tracker: None };
        let mapping = MappingKey::of("m");
        let last = |vehicle| LastLine { run: 0, mapping, vehicle, line: b"m x=1i 1\n" };
        let question = |with_lines| SessionQuestion { session, vehicle: "A".into(), with_lines };
        assert_eq!(client.answer(&question(true), None, UnixNanos(2)), None);
        for (vehicle, now) in [(b"A", 5), (b"B", 6), (b"A", 7)] {
            assert_eq!(client.keep(last(vehicle), &LIMITS, moment(now)), Ok(()));
        }
        assert_eq!(client.keep(last(b"C"), &LIMITS, moment(8)), Err(NotKept::Vehicles));
        let answer = client.answer(&question(true), None, UnixNanos(9)).expect("it is carried");
        let lines = vec![b"m x=1i 1\n".to_vec()];
        assert_eq!((answer.last_seen, answer.lines), (UnixNanos(7), lines));
        assert_eq!(answer.facts.client_id, "c");
        let answer = client.answer(&question(false), None, UnixNanos(9)).expect("it is carried");
        assert!(answer.lines.is_empty(), "they were not asked for");
        assert_eq!(presence.counts().connected, 2);
        client.leave(session, &presence);
        let away = presence.find("A").expect("it is remembered");
        assert_eq!((away.sessions.len(), away.last_seen), (0, UnixNanos(7)));
        assert_eq!(presence.counts().connected, 0);
    }

    #[test]
    fn a_key_names_one_slot_and_no_later_one_in_its_place() {
        let mut slab = Slab::default();
        let slot = || Slot { socket: None, client: None };
        let first = slab.insert(slot());
        assert_eq!(SlotKey::of(first.number()), first);
        assert!(slab.remove(first).is_some());
        let second = slab.insert(slot());
        assert_ne!(first, second);
        assert!(slab.get_mut(first).is_none() && slab.remove(first).is_none());
        assert!(slab.get_mut(second).is_some());
        assert_eq!(slab.iter_mut().map(|(key, _)| key).collect::<Vec<_>>(), [second]);
    }
}
