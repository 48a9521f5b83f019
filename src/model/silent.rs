//! Peers that have connected but have not sent a complete CONNECT or request yet. Their number is
//! bounded in total and per address.
//!
//! Past a bound the peer that has been silent for the longest time is closed, never the newcomer:
//! attackers and honest peers may share an address, and an honest peer speaks at once. So a peer
//! counts only when [`GRACE`] has passed since it was accepted; before that it is still connecting.
//!
//! Why a mutex: all threads of an edge share the table. Each takes it when a connection begins and
//! when its first packet is complete, never for a message.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long after it was accepted a peer counts as silent.
const GRACE: Duration = Duration::from_secs(1);

/// The silent peers of one edge (MQTT or HTTP); `K` identifies a connection there.
#[derive(Debug)]
pub struct SilentPeers<K> {
    max: usize,
    per_address_max: usize,
    table: Mutex<Table<K>>,
}

#[derive(Debug)]
struct Table<K> {
    next: u64,
    /// By arrival. Both maps together hold the connections without a CONNECT, whose number is
    /// bounded by the descriptors.
    young: BTreeMap<u64, Peer<K>>,
    old: BTreeMap<u64, Peer<K>>,
    /// The entries of `old`, by address.
    by_address: HashMap<IpAddr, BTreeSet<u64>>,
}

#[derive(Clone, Copy, Debug)]
struct Peer<K> {
    connection: K,
    address: IpAddr,
    accepted: Duration,
}

/// One entry, with which it is removed again.
#[derive(Clone, Copy, Debug)]
pub struct SilentTicket(u64);

impl<K: Copy> SilentPeers<K> {
    /// An empty table with its bounds: `max` in total and `per_address_max` per address.
    #[must_use]
    pub fn new(max: usize, per_address_max: usize) -> Self {
        let table = Table {
            next: 0,
            young: BTreeMap::new(),
            old: BTreeMap::new(),
            by_address: HashMap::new(),
        };
        Self { max, per_address_max, table: Mutex::new(table) }
    }

    /// A peer has connected.
    pub fn arrived(&self, connection: K, address: IpAddr, now: Duration) -> SilentTicket {
        let mut table = self.table();
        let number = table.next;
        table.next += 1;
        table.young.insert(number, Peer { connection, address, accepted: now });
        SilentTicket(number)
    }

    /// A peer has sent its first packet, or has disconnected.
    pub fn left(&self, ticket: SilentTicket) {
        self.table().remove(ticket.0);
    }

    /// Removes and returns the connections to close now.
    pub fn excess(&self, now: Duration) -> Vec<K> {
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

    /// Removes and returns the connection that has been silent for the longest time, even if it is
    /// within `GRACE`. For an edge that has no room left for a newcomer.
    pub fn longest(&self) -> Option<K> {
        let mut table = self.table();
        let first = table.old.first_key_value().or_else(|| table.young.first_key_value());
        let number = first.map(|(&number, _)| number)?;
        table.remove(number)
    }

    /// How many are silent now.
    pub fn count(&self) -> usize {
        self.table().old.len()
    }

    /// Poisoning is ignored: each change is complete before anything can panic.
    fn table(&self) -> MutexGuard<'_, Table<K>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Table<K> {
    fn remove(&mut self, number: u64) -> Option<K> {
        if let Some(peer) = self.young.remove(&number) {
            return Some(peer.connection);
        }
        let peer = self.old.remove(&number)?;
        if let Some(same) = self.by_address.get_mut(&peer.address) {
            same.remove(&number);
            if same.is_empty() {
                self.by_address.remove(&peer.address);
            }
        }
        Some(peer.connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    #[test]
    fn past_a_bound_the_longest_silent_peer_is_closed_and_never_the_newcomer() {
        let peers = SilentPeers::new(3, 2);
        let tickets: Vec<_> = (0..4).map(|it| peers.arrived(it, ONE, at(it))).collect();
        // The last two have only just connected.
        assert!(peers.excess(at(2)).is_empty());
        assert_eq!(peers.excess(at(4)), [0, 1], "two of one address");
        peers.left(tickets[3]);
        peers.arrived(4, OTHER, at(5));
        peers.arrived(5, OTHER, at(5));
        assert!(peers.excess(at(6)).is_empty());
        assert_eq!(peers.count(), 3);
        peers.arrived(6, ONE, at(7));
        assert_eq!(peers.excess(at(8)), [2], "four in all");
        assert_eq!((peers.longest(), peers.longest()), (Some(4), Some(5)));
    }

    #[test]
    fn a_peer_that_has_sent_its_connect_leaves_no_entry() {
        let peers = SilentPeers::new(10, 10);
        let tickets: Vec<_> = (0..6).map(|it| peers.arrived(it, ONE, at(it))).collect();
        assert!(peers.excess(at(3)).is_empty());
        tickets.iter().for_each(|ticket| peers.left(*ticket));
        assert_eq!(peers.count(), 0);
        let table = peers.table();
        assert!(table.young.is_empty() && table.old.is_empty() && table.by_address.is_empty());
    }
}
