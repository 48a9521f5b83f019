//! Peers that have connected and not yet sent a whole CONNECT: bounded in all and per address.
//!
//! Past a bound the one that has been silent for the longest is closed, never the newcomer: who
//! attacks and who is honest may share an address, and an honest client says its CONNECT at once.
//! So a peer counts only from [`GRACE`] after it was accepted; one that is younger is still
//! connecting.
//!
//! Why a mutex: all workers meet here, each for one entry when a connection begins and when it has
//! said its CONNECT; never for a message.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::model::SessionId;

/// How long after it was accepted a peer counts as silent.
const GRACE: Duration = Duration::from_secs(1);

/// The silent peers of all workers.
#[derive(Debug)]
pub(in crate::mqtt) struct SilentPeers {
    max: usize,
    per_address_max: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    /// By arrival. Together they hold the connections without a CONNECT, which the descriptors
    /// bound.
    young: BTreeMap<u64, Peer>,
    old: BTreeMap<u64, Peer>,
    /// Of `old`, by address.
    by_address: HashMap<IpAddr, BTreeSet<u64>>,
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    session: SessionId,
    address: IpAddr,
    accepted: Duration,
}

/// One entry, to be taken out again.
#[derive(Debug)]
pub(in crate::mqtt) struct SilentTicket(u64);

impl SilentPeers {
    pub(in crate::mqtt) fn new(max: usize, per_address_max: usize) -> Self {
        Self { max, per_address_max, table: Mutex::default() }
    }

    /// A peer has connected.
    pub(in crate::mqtt) fn arrived(
        &self,
        session: SessionId,
        address: IpAddr,
        now: Duration,
    ) -> SilentTicket {
        let mut table = self.table();
        let number = table.next;
        table.next += 1;
        table.young.insert(number, Peer { session, address, accepted: now });
        SilentTicket(number)
    }

    /// A peer has sent its CONNECT, or has gone.
    pub(in crate::mqtt) fn left(&self, ticket: &SilentTicket) {
        self.table().remove(ticket.0);
    }

    /// Whom to close now. They are forgotten here.
    pub(in crate::mqtt) fn excess(&self, now: Duration) -> Vec<SessionId> {
        let mut table = self.table();
        let mut excess = Vec::new();
        while let Some((&number, &peer)) = table.young.first_key_value()
            && now.saturating_sub(peer.accepted) >= GRACE
        {
            table.young.remove(&number);
            table.old.insert(number, peer);
            let same = table.by_address.entry(peer.address).or_default();
            same.insert(number);
            let first = (same.len() > self.per_address_max).then(|| same.first().copied());
            if let Some(first) = first.flatten() {
                excess.extend(table.remove(first));
            }
        }
        while table.old.len() > self.max
            && let Some((&first, _)) = table.old.first_key_value()
        {
            excess.extend(table.remove(first));
        }
        excess
    }

    /// How many are silent now.
    pub(in crate::mqtt) fn count(&self) -> usize {
        self.table().old.len()
    }

    /// Each change leaves the table whole before anything can panic.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn remove(&mut self, number: u64) -> Option<SessionId> {
        if let Some(peer) = self.young.remove(&number) {
            return Some(peer.session);
        }
        let peer = self.old.remove(&number)?;
        if let Some(same) = self.by_address.get_mut(&peer.address) {
            same.remove(&number);
            if same.is_empty() {
                self.by_address.remove(&peer.address);
            }
        }
        Some(peer.session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: u64) -> SessionId {
        SessionId { worker: 0, number }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    #[test]
    fn past_a_bound_the_longest_silent_goes_and_never_the_newcomer() {
        let peers = SilentPeers::new(3, 2);
        let tickets: Vec<_> = (0..4).map(|it| peers.arrived(session(it), ONE, at(it))).collect();
        // The last two have only just come.
        assert_eq!(peers.excess(at(2)), []);
        assert_eq!(peers.excess(at(4)), [session(0), session(1)], "two of one address");
        peers.left(&tickets[3]);
        peers.arrived(session(4), OTHER, at(5));
        peers.arrived(session(5), OTHER, at(5));
        assert_eq!(peers.excess(at(6)), []);
        assert_eq!(peers.count(), 3);
        peers.arrived(session(6), ONE, at(7));
        assert_eq!(peers.excess(at(8)), [session(2)], "four in all");
    }

    #[test]
    fn whoever_has_said_its_connect_leaves_nothing_behind() {
        let peers = SilentPeers::new(10, 10);
        let tickets: Vec<_> = (0..6).map(|it| peers.arrived(session(it), ONE, at(it))).collect();
        assert_eq!(peers.excess(at(3)), []);
        tickets.iter().for_each(|ticket| peers.left(ticket));
        assert_eq!(peers.count(), 0);
        let table = peers.table();
        assert!(table.young.is_empty() && table.old.is_empty() && table.by_address.is_empty());
    }
}
