//! The members of a shared subscription, and the choice between them.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use super::route::{OwnPublishes, Receiver, Subscriber, SubscriptionIds};
use crate::model::SessionId;

/// How many messages wait for a session, as other workers see it. An atomic, because it is one
/// number, and a slightly outdated value does not matter for the choice.
#[derive(Debug, Default)]
pub(in crate::mqtt) struct Load(AtomicU32);

impl Load {
    /// The session is disconnected or stalled: it is not chosen while there is another.
    const AWAY: u32 = u32::MAX;

    /// Sets the number of messages that wait for it.
    pub(in crate::mqtt) fn set(&self, waiting: usize) {
        self.0.store(u32::try_from(waiting).unwrap_or(Self::AWAY - 1), Ordering::Relaxed);
    }

    /// Marks it as not to be chosen.
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
    /// A mutex, taken for each choice, and held while the members are compared.
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    members: Vec<Member>,
    /// The index of the member whose turn is next.
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

    /// A session joins, or changes its options; returns whether it is new.
    pub(super) fn join(&self, subscriber: Subscriber, load: &Arc<Load>) -> bool {
        let members = &mut self.lock().members;
        match members.iter_mut().find(|member| member.subscriber.session == subscriber.session) {
            Some(member) => {
                // It may have a new connection.
                (member.subscriber, member.load) = (subscriber, Arc::clone(load));
                false
            }
            None => {
                members.push(Member { subscriber, load: Arc::clone(load) });
                true
            }
        }
    }

    /// A session leaves; returns whether it was a member.
    pub(super) fn leave(&self, session: SessionId) -> bool {
        let members = &mut self.lock().members;
        let place = members.iter().position(|member| member.subscriber.session == session);
        place.map(|place| members.remove(place)).is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().members.is_empty()
    }

    /// Whether a member is connected.
    pub(in crate::mqtt) fn is_anybody_there(&self) -> bool {
        self.lock().members.iter().any(|member| member.load.get() != Load::AWAY)
    }

    /// Chooses who gets the next message: in turn, the first member without waiting messages;
    /// otherwise the one with the fewest. A member that is disconnected or full is chosen only if
    /// all are. `None` if there are no members.
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
            own: OwnPublishes::Included,
            retain_as_published: subscriber.retain_as_published,
            is_asked: subscriber.is_asked,
            ids: SubscriptionIds::of(subscriber.id),
        })
    }

    /// Poisoning is ignored: each change is one step.
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
    fn members_take_turns_and_full_or_absent_ones_are_skipped() {
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
