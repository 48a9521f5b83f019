//! Which clients wait for a verification, and whose turn is next.
//!
//! Addresses take turns, and so do the users of one address: a flood of wrong passwords delays
//! other clients by one verification for each address, and for each user of the same address.
//! Unknown names come last within their address. An IPv6 /64 network counts as one address, because
//! one machine can use all of its addresses.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
};

/// Waiting verifications of one user and address: a vehicle that lost its connection tries again
/// before its last attempt is answered.
const PER_USER_MAX: usize = 8;

/// Waiting jobs, by address and user.
#[derive(Debug)]
pub(super) struct Turns<J> {
    waiting_max: usize,
    per_address_max: usize,
    count: usize,
    /// Waiting addresses, each once, in the order of their turns.
    order: VecDeque<IpAddr>,
    by_address: HashMap<IpAddr, Address<J>>,
}

/// Waiting jobs of one address.
#[derive(Debug)]
struct Address<J> {
    count: usize,
    known: ByUser<J>,
    unknown: ByUser<J>,
}

#[derive(Debug)]
struct ByUser<J> {
    order: VecDeque<Box<str>>,
    jobs: HashMap<Box<str>, VecDeque<J>>,
}

impl<J> Default for ByUser<J> {
    fn default() -> Self {
        Self { order: VecDeque::new(), jobs: HashMap::new() }
    }
}

impl<J> ByUser<J> {
    fn push(&mut self, user: &str, job: J) -> bool {
        if let Some(jobs) = self.jobs.get_mut(user) {
            if jobs.len() >= PER_USER_MAX {
                return false;
            }
            jobs.push_back(job);
            return true;
        }
        self.order.push_back(user.into());
        self.jobs.insert(user.into(), VecDeque::from([job]));
        true
    }

    fn pop(&mut self) -> Option<J> {
        let user = self.order.pop_front()?;
        let jobs = self.jobs.get_mut(&user)?;
        let job = jobs.pop_front()?;
        if jobs.is_empty() {
            self.jobs.remove(&user);
        } else {
            self.order.push_back(user);
        }
        Some(job)
    }

    /// Drops a job of the last user in the order.
    fn drop_last(&mut self) -> bool {
        let Some(user) = self.order.pop_back() else { return false };
        let Some(jobs) = self.jobs.get_mut(&user) else { return false };
        let dropped = jobs.pop_back().is_some();
        if jobs.is_empty() {
            self.jobs.remove(&user);
        } else {
            self.order.push_back(user);
        }
        dropped
    }
}

impl<J> Turns<J> {
    pub(super) fn new(waiting_max: usize, per_address_max: usize) -> Self {
        Self {
            waiting_max,
            per_address_max,
            count: 0,
            order: VecDeque::new(),
            by_address: HashMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Adds a job to the queue; false if too many wait. `is_known`: the user exists.
    pub(super) fn push(&mut self, address: IpAddr, user: &str, is_known: bool, job: J) -> bool {
        let address = network(address);
        let of_address = self.by_address.get_mut(&address);
        let is_full = self.count >= self.waiting_max
            || of_address.as_ref().is_some_and(|of| of.count >= self.per_address_max);
        if is_full {
            // For a known user, a job of an unknown name of the same address is removed, if there
            // is one.
            let made = of_address.filter(|_| is_known).is_some_and(|of| {
                let made = of.unknown.drop_last();
                of.count -= usize::from(made);
                made
            });
            if !made {
                return false;
            }
            self.count -= 1;
        }
        let order = &mut self.order;
        let of = self.by_address.entry(address).or_insert_with(|| {
            order.push_back(address);
            Address { count: 0, known: ByUser::default(), unknown: ByUser::default() }
        });
        let users = if is_known { &mut of.known } else { &mut of.unknown };
        let taken = users.push(user, job);
        of.count += usize::from(taken);
        self.count += usize::from(taken);
        taken
    }

    /// The next job of the next address and user.
    pub(super) fn pop(&mut self) -> Option<J> {
        let address = self.order.pop_front()?;
        let of = self.by_address.get_mut(&address)?;
        let job = of.known.pop().or_else(|| of.unknown.pop());
        of.count -= usize::from(job.is_some());
        self.count -= usize::from(job.is_some());
        if of.count == 0 {
            self.by_address.remove(&address);
        } else {
            self.order.push_back(address);
        }
        job
    }
}

/// The address, or the network whose addresses one machine can all use.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [127, 0, 0, last].into()
    }

    #[test]
    fn addresses_take_turns_and_the_users_of_one_do() {
        let mut turns = Turns::new(100, 50);
        for _ in 0..PER_USER_MAX {
            assert!(turns.push(address(1), "V1", true, "storm"));
        }
        assert!(!turns.push(address(1), "V1", true, "storm"), "its share is full");
        assert!(turns.push(address(1), "V2", true, "neighbour"));
        assert!(turns.push(address(2), "V1", true, "honest"));
        let order: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(order[..4], ["storm", "honest", "neighbour", "storm"]);
        assert_eq!(order.len(), PER_USER_MAX + 2);
        assert_eq!((turns.count, turns.by_address.len(), turns.order.len()), (0, 0, 0));
    }

    #[test]
    fn names_that_nobody_has_come_last_and_make_room() {
        let mut turns = Turns::new(10, 4);
        for guess in ["a", "b", "c", "d"] {
            assert!(turns.push(address(1), guess, false, guess));
        }
        assert!(!turns.push(address(1), "e", false, "e"), "the address has its share");
        assert!(turns.push(address(1), "V1", true, "V1"));
        assert_eq!(turns.len(), 4);
        let order: Vec<_> = std::iter::from_fn(|| turns.pop()).collect();
        assert_eq!(order, ["V1", "a", "b", "c"]);
        for last in 1..=10 {
            assert!(turns.push(address(last), "V1", true, "V1"));
        }
        assert!(!turns.push(address(11), "V1", true, "V1"), "too many in all");
    }

    #[test]
    fn a_network_of_64_bits_is_one_address() {
        let network = |text: &str| network(text.parse().expect("an address")).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:10.0.0.1"), "10.0.0.1");
    }
}
