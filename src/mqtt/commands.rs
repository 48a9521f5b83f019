//! The sessions that may receive a command, and the implementation of [`CommandEdge`].

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use smallvec::SmallVec;

use super::{
    lasting::STORED,
    router::Router,
    wire::Qos,
    worker::{Mail, Workers},
};
use crate::model::{
    CommandEdge, OutgoingCommand, Presence, Publication, QueuePlace, Reach, ReceiptTicket,
    SessionId,
};

/// Pieces of the table, so that the growth of one blocks few sessions.
const PIECES: usize = 16;

/// A connected session, and its id in the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnectedSession {
    pub(super) session: SessionId,
    pub(super) routed: SessionId,
}

/// The connected sessions of a vehicle, the latest last. Inline for one, which nearly every vehicle
/// has.
type Piece = HashMap<Arc<str>, SmallVec<[ConnectedSession; 1]>>;

/// The sessions of all vehicles; about 90 bytes per connected vehicle. A session is in it from its
/// CONNECT until its connection ends.
///
/// Mutexes are enough: they are taken only at a CONNECT, at the end of a connection, and to send a
/// command.
#[derive(Debug, Default)]
pub(super) struct VehicleSessions {
    /// Seeded, so that no client can choose names that are all in one piece.
    hasher: RandomState,
    pieces: [Mutex<Piece>; PIECES],
    /// Gateways: sessions that may receive commands for all vehicles that they publish for.
    gateways: Mutex<HashMap<SessionId, SessionId>>,
}

impl VehicleSessions {
    /// A session of a vehicle has connected.
    pub(super) fn enter(&self, vehicle: &str, session: ConnectedSession) {
        let mut piece = self.piece(vehicle);
        match piece.get_mut(vehicle) {
            Some(sessions) => sessions.push(session),
            None => {
                piece.insert(vehicle.into(), SmallVec::from_buf([session]));
            }
        }
    }

    /// A session of a vehicle has disconnected.
    pub(super) fn leave(&self, vehicle: &str, session: SessionId) {
        let mut piece = self.piece(vehicle);
        let Some(sessions) = piece.get_mut(vehicle) else { return };
        sessions.retain(|other| other.session != session);
        if sessions.is_empty() {
            piece.remove(vehicle);
        }
    }

    /// A gateway has connected.
    pub(super) fn enter_gateway(&self, speaker: ConnectedSession) {
        let mut gateways = self.gateways.lock().unwrap_or_else(PoisonError::into_inner);
        gateways.insert(speaker.session, speaker.routed);
    }

    /// A session that may be a gateway has disconnected.
    pub(super) fn leave_gateway(&self, session: SessionId) {
        self.gateways.lock().unwrap_or_else(PoisonError::into_inner).remove(&session);
    }

    /// The gateways that publish for a vehicle, the latest last.
    fn gateways_of(&self, vehicle: &str, presence: &Presence) -> SmallVec<[ConnectedSession; 1]> {
        let gateways = self.gateways.lock().unwrap_or_else(PoisonError::into_inner);
        let carrying = match gateways.is_empty() {
            true => None,
            false => presence.find(vehicle),
        };
        let sessions = carrying.into_iter().flat_map(|sighting| sighting.sessions);
        let speaker =
            |session| Some(ConnectedSession { session, routed: *gateways.get(&session)? });
        sessions.filter_map(speaker).collect()
    }

    fn of(&self, vehicle: &str) -> SmallVec<[ConnectedSession; 1]> {
        self.piece(vehicle).get(vehicle).cloned().unwrap_or_default()
    }

    /// Poisoning is ignored: each change is complete before anything can panic.
    fn piece(&self, vehicle: &str) -> MutexGuard<'_, Piece> {
        let hash = self.hasher.hash_one(vehicle);
        let at = usize::from(hash.to_le_bytes()[0]) % PIECES;
        self.pieces[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tables for finding the session of a command.
#[derive(Debug)]
pub(super) struct CommandRoutes {
    pub(super) router: Arc<Router>,
    pub(super) vehicles: Arc<VehicleSessions>,
    pub(super) presence: Arc<Presence>,
}

impl CommandRoutes {
    fn reach(&self, vehicle: &str, topic: &str, qos: u8) -> Reach {
        // The vehicle's own sessions come before those of gateways.
        let mut sessions = self.vehicles.gateways_of(vehicle, &self.presence);
        sessions.extend(self.vehicles.of(vehicle));
        if sessions.is_empty() {
            return Reach::Away;
        }
        let (route, _) = self.router.route(topic);
        let mut reach = Reach::NotSubscribed;
        for speaker in sessions.iter().rev() {
            let found = route.receivers.binary_search_by_key(&speaker.routed, |one| one.session);
            let Ok(place) = found else { continue };
            if Qos::of(qos).is_some_and(|wanted| route.receivers[place].qos >= wanted) {
                return match speaker.routed.worker {
                    STORED => Reach::Lasting(speaker.session, speaker.routed.number),
                    _ => Reach::Session(speaker.session),
                };
            }
            reach = Reach::SubscriptionQos;
        }
        reach
    }
}

impl CommandEdge for Workers {
    fn reach(&self, vehicle: &str, topic: &str, qos: u8) -> Reach {
        self.command_routes().map_or(Reach::Away, |routes| routes.reach(vehicle, topic, qos))
    }

    fn is_here(&self, lasting: u64) -> bool {
        self.is_connected(lasting)
    }

    fn dequeue(&self, places: Vec<QueuePlace>) {
        self.send_to(0, Mail::Forget(places));
    }

    fn send(&self, session: SessionId, outgoing: OutgoingCommand) {
        Self::send(self, session, |key| Mail::Command(key, Box::new(outgoing)));
    }

    fn publish(&self, publication: Publication) {
        let session = publication.ticket.session;
        Self::send(self, session, |_| Mail::Alarm(Box::new(publication)));
    }

    fn publish_retained(&self, topic: &str, text: &str) -> bool {
        self.send_to(0, Mail::Tell(topic.into(), text.into()))
    }

    fn acknowledge(&self, receipts: Vec<ReceiptTicket>) {
        for ReceiptTicket { session, seq } in receipts {
            Self::send(self, session, |key| Mail::Passed(vec![(key, seq)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::router::{Filter, RetainedLimits, Subscriber};

    #[test]
    fn a_command_goes_to_the_latest_session_of_its_vehicle_that_takes_it() {
        let router = Arc::new(Router::new(RetainedLimits { count_max: 1, bytes_max: 1 }));
        let vehicles = Arc::new(VehicleSessions::default());
        let presence = Arc::new(Presence::new(1));
        let routes = CommandRoutes {
            router: Arc::clone(&router),
            vehicles: Arc::clone(&vehicles),
            presence: Arc::clone(&presence),
        };
        let session = |number| SessionId { worker: 1, number };
        let speaker =
            |number| ConnectedSession { session: session(number), routed: session(number) };
        let subscribe = |number, filter: &str, qos| {
            let subscriber = Subscriber {
                session: session(number),
                qos,
                no_local: false,
                retain_as_published: false,
                is_asked: false,
                id: None,
            };
            let filter = Filter::read(filter).expect("well formed");
            router.subscribe(filter, subscriber, &Arc::default());
        };
        let reach = |qos| routes.reach("A", "vehicles/A/commands/x", qos);
        assert_eq!(reach(1), Reach::Away);
        // Another subscriber is not the vehicle.
        subscribe(9, "#", Qos::ExactlyOnce);
        assert_eq!(reach(1), Reach::Away);
        vehicles.enter("A", speaker(3));
        assert_eq!(reach(1), Reach::NotSubscribed);
        subscribe(3, "vehicles/A/#", Qos::AtMostOnce);
        assert_eq!(reach(1), Reach::SubscriptionQos);
        subscribe(3, "vehicles/+/commands/x", Qos::AtLeastOnce);
        assert_eq!((reach(1), reach(2)), (Reach::Session(session(3)), Reach::SubscriptionQos));
        vehicles.enter("A", speaker(1));
        assert_eq!(reach(1), Reach::Session(session(3)), "the later one does not subscribe");
        // A shared subscription may give a message to any of its members, so it cannot reach one
        // vehicle.
        subscribe(1, "$share/g/vehicles/A/commands/x", Qos::ExactlyOnce);
        assert_eq!(reach(1), Reach::Session(session(3)));
        subscribe(1, "vehicles/A/commands/+", Qos::ExactlyOnce);
        assert_eq!(reach(2), Reach::Session(session(1)));
        vehicles.leave("A", session(1));
        vehicles.leave("A", session(3));
        assert_eq!(reach(1), Reach::Away);
        // Session 9 subscribes to everything: once it is a gateway, it gets the commands of the
        // vehicles that it publishes for.
        presence.enter("A", session(9), crate::model::UnixNanos(0));
        assert_eq!(reach(1), Reach::Away);
        vehicles.enter_gateway(speaker(9));
        assert_eq!(reach(1), Reach::Session(session(9)));
        vehicles.leave_gateway(session(9));
        assert_eq!(reach(1), Reach::Away);
    }
}
