//! The members of a shared subscription, and whose turn it is.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use super::route::{Own, Receiver, Subscriber, SubscriptionIds};
use crate::model::SessionId;

/// How much waits for a session, as others see it. An atomic, because it is one number, and a
/// choice between members that is a moment old is as good.
#[derive(Debug, Default)]
pub(in crate::mqtt) struct Load(AtomicU32);

impl Load {
    /// The session is not there, or not waited for: nobody chooses it while another can be.
    const AWAY: u32 = u32::MAX;

    /// So many messages wait for it.
    pub(in crate::mqtt) fn set(&self, waiting: usize) {
        self.0.store(u32::try_from(waiting).unwrap_or(Self::AWAY - 1), Ordering::Relaxed);
    }

    /// Nothing should be given to it.
    pub(in crate::mqtt) fn away(&self) {
        self.0.store(Self::AWAY, Ordering::Relaxed);
    }

    fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One shared subscription: a name and a filter.
#[derive(Debug)]
pub(in crate::mqtt) struct Group {
    name: Box<str>,
    /// A lock for each choice; it is held for as long as it takes to look at the members.
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    members: Vec<Member>,
    /// Whose turn is next.
    next: usize,
}

#[derive(Debug)]
struct Member {
    subscriber: Subscriber,
    load: Arc<Load>,
}

impl Group {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.into(), members: Mutex::default() }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// A session joins, or changes how it takes part; tells whether it is new.
    pub(super) fn join(&self, subscriber: Subscriber, load: &Arc<Load>) -> bool {
        let members = &mut self.lock().members;
        match members.iter_mut().find(|member| member.subscriber.session == subscriber.session) {
            Some(member) => {
                // It may have come back with another connection.
                (member.subscriber, member.load) = (subscriber, Arc::clone(load));
                false
            }
            None => {
                members.push(Member { subscriber, load: Arc::clone(load) });
                true
            }
        }
    }

    /// A session leaves; tells whether it was a member.
    pub(super) fn leave(&self, session: SessionId) -> bool {
        let members = &mut self.lock().members;
        let place = members.iter().position(|member| member.subscriber.session == session);
        place.map(|place| members.remove(place)).is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().members.is_empty()
    }

    /// Whether a member is there.
    pub(in crate::mqtt) fn is_anybody_there(&self) -> bool {
        self.lock().members.iter().any(|member| member.load.get() != Load::AWAY)
    }

    /// Who gets the next message: in turn, the first for whom nothing waits; else the one for whom
    /// the least waits. A member that is away, or full, gets one only if all are. `None` if nobody
    /// is left.
    pub(in crate::mqtt) fn choose(&self) -> Option<Receiver> {
        let mut members = self.lock();
        let count = members.members.len();
        let start = members.next;
        let order = (0..count).map(|step| (start + step) % count);
        let mut best: Option<(usize, u32)> = None;
        for place in order {
            let load = members.members[place].load.get();
            if best.is_none_or(|(_, least)| load < least) {
                best = Some((place, load));
            }
            if load == 0 {
                break;
            }
        }
        let (place, _) = best?;
        members.next = place + 1;
        let subscriber = members.members[place].subscriber;
        Some(Receiver {
            session: subscriber.session,
            qos: subscriber.qos,
            own: Own::Too,
            retain_as_published: subscriber.retain_as_published,
            is_asked: subscriber.is_asked,
            ids: SubscriptionIds::of(subscriber.id),
        })
    }

    /// Each change leaves the members whole.
    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::wire::Qos;

    fn subscriber(number: u64) -> Subscriber {
        Subscriber {
            session: SessionId { worker: 0, number },
            qos: Qos::AtLeastOnce,
            no_local: false,
            retain_as_published: false,
            is_asked: false,
            id: None,
        }
    }

    #[test]
    fn members_take_turns_and_the_full_and_the_absent_are_passed_over() {
        let group = Group::new("g");
        assert_eq!(group.choose().map(|_| ()), None);
        let loads: Vec<Arc<Load>> = (0..3).map(|_| Arc::default()).collect();
        for (number, load) in loads.iter().enumerate() {
            assert!(group.join(subscriber(number as u64), load));
        }
        assert!(!group.join(subscriber(1), &loads[1]), "it is a member already");
        let chosen = || group.choose().expect("somebody").session.number;
        assert_eq!([chosen(), chosen(), chosen(), chosen()], [0, 1, 2, 0]);
        loads[1].set(5);
        assert_eq!([chosen(), chosen(), chosen()], [2, 0, 2]);
        loads[0].away();
        loads[2].set(9);
        assert_eq!([chosen(), chosen()], [1, 1], "the least loaded of those that are there");
        loads[1].away();
        loads[2].away();
        assert!(group.choose().is_some(), "all are away: it waits for one of them");
        assert!(group.leave(SessionId { worker: 0, number: 1 }));
        assert!(!group.leave(SessionId { worker: 0, number: 1 }));
        assert!(!group.is_empty());
    }
}
