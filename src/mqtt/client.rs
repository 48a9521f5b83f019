//! Who is at the other end of a connection, and which vehicles it speaks for.

use std::{net::SocketAddr, sync::Arc};

use super::{
    carried::{Carried, CarriedLimits, Unkept},
    wire::Version,
};
use crate::{
    model::{Presence, Protocol, SessionFacts, SessionId, SessionQuestion, Told, UnixNanos},
    uplink::LastLine,
};

/// The other end, from an accepted CONNECT to the end of the connection.
#[derive(Debug)]
pub(super) struct Client {
    /// Shared with the table of holders.
    id: Arc<str>,
    version: Version,
    /// Seconds; 0: none.
    keep_alive: u16,
    connected_at: UnixNanos,
    /// Nothing until something of it is durable: a session that only listens costs nothing here.
    carried: Option<Box<Carried>>,
}

/// Where and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    pub(super) session: SessionId,
    pub(super) now: UnixNanos,
    pub(super) presence: &'a Presence,
}

impl Client {
    pub(super) fn new(
        id: Arc<str>,
        version: Version,
        keep_alive: u16,
        connected_at: UnixNanos,
    ) -> Self {
        Self { id, version, keep_alive, connected_at, carried: None }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Keeps a line that is durable, and makes its vehicle present if it was not.
    ///
    /// # Errors
    /// The bound that it is over.
    pub(super) fn keep(
        &mut self,
        last: LastLine<'_>,
        limits: &CarriedLimits,
        moment: Moment<'_>,
    ) -> Result<(), Unkept> {
        let Moment { session, now, presence } = moment;
        let carried = self.carried.get_or_insert_default();
        carried.keep(last, now, limits, |vehicle| presence.enter(vehicle, session, now))
    }

    /// Answers a question; nothing if it does not speak for the vehicle.
    pub(super) fn tell(
        &self,
        question: &SessionQuestion,
        address: Option<SocketAddr>,
        last_packet_at: UnixNanos,
    ) -> Option<Told> {
        let (last_seen, lines) = self.carried.as_ref()?.lines(&question.vehicle)?;
        let lines = lines.filter(|_| question.with_lines).map(<[u8]>::to_vec).collect();
        let facts = SessionFacts {
            client_id: self.id.to_string(),
            protocol: match self.version {
                Version::V3 => Protocol::V3,
                Version::V5 => Protocol::V5,
            },
            address,
            connected_at: self.connected_at,
            last_packet_at,
            keep_alive_seconds: self.keep_alive.into(),
        };
        Some(Told { facts, last_seen, lines })
    }

    /// The connection has ended: its vehicles have one session less (PR-1).
    pub(super) fn left(self, session: SessionId, presence: &Presence) {
        for vehicle in self.carried.iter().flat_map(|carried| carried.vehicles()) {
            presence.leave(&vehicle.name, session, vehicle.seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: CarriedLimits =
        CarriedLimits { vehicles_max: 2, line_bytes_max: 100, bytes_max: 1000 };

    #[test]
    fn a_vehicle_is_present_from_its_first_durable_line_to_the_end_of_the_connection() {
        let presence = Presence::new(10);
        let session = SessionId { worker: 3, number: 4 };
        let mut client = Client::new("c".into(), Version::V5, 60, UnixNanos(1));
        let moment = |now| Moment { session, now: UnixNanos(now), presence: &presence };
        let last = |vehicle| LastLine { run: 0, plan: 0, vehicle, line: b"m x=1i 1\n" };
        let question = |with_lines| SessionQuestion { session, vehicle: "A".into(), with_lines };
        assert_eq!(client.tell(&question(true), None, UnixNanos(2)), None);
        for (vehicle, now) in [(b"A", 5), (b"B", 6), (b"A", 7)] {
            assert_eq!(client.keep(last(vehicle), &LIMITS, moment(now)), Ok(()));
        }
        assert_eq!(client.keep(last(b"C"), &LIMITS, moment(8)), Err(Unkept::Vehicles));
        let told = client.tell(&question(true), None, UnixNanos(9)).expect("it is carried");
        assert_eq!((told.last_seen, told.lines), (UnixNanos(7), vec![b"m x=1i 1\n".to_vec()]));
        assert_eq!(told.facts.client_id, "c");
        let told = client.tell(&question(false), None, UnixNanos(9)).expect("it is carried");
        assert!(told.lines.is_empty(), "they were not asked for");
        assert_eq!(presence.counts().connected, 2);
        client.left(session, &presence);
        let away = presence.find("A").expect("it is remembered");
        assert_eq!((away.sessions.len(), away.last_seen), (0, UnixNanos(7)));
        assert_eq!(presence.counts().connected, 0);
    }
}
