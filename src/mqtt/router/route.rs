//! The subscriptions and retained messages of all workers, and the receivers of a topic.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    filter::Filter,
    group::{Group, Load},
    message::Message,
    retained::{Retained, RetainedFull, RetainedLimits, RetainedScan},
    tree::Tree,
};
use crate::{
    model::SessionId,
    mqtt::wire::{Body, Qos},
};

/// A session's subscription in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) struct Subscriber {
    pub(in crate::mqtt) session: SessionId,
    /// Its maximum QoS.
    pub(in crate::mqtt) qos: Qos,
    /// No Local: not its own publishes.
    pub(in crate::mqtt) no_local: bool,
    pub(in crate::mqtt) retain_as_published: bool,
    /// The access rules allow the filter, but not every topic that it matches: they are checked for
    /// each message.
    pub(in crate::mqtt) is_asked: bool,
    /// Its subscription identifier.
    pub(in crate::mqtt) id: Option<NonZeroU32>,
}

/// The subscription identifiers of a delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::mqtt) enum SubscriptionIds {
    #[default]
    None,
    One([u32; 1]),
    Many(Arc<[u32]>),
}

impl SubscriptionIds {
    pub(in crate::mqtt) fn of(id: Option<NonZeroU32>) -> Self {
        id.map_or(Self::None, |id| Self::One([id.get()]))
    }

    pub(in crate::mqtt) fn as_slice(&self) -> &[u32] {
        match self {
            Self::None => &[],
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }
}

/// Whether a receiver gets the session's own publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) enum OwnPublishes {
    /// All publishes, also its own.
    Included,
    /// All except its own: the matching subscriptions have No Local, or its own are covered by
    /// another entry.
    Excluded,
    /// Only its own, through the subscriptions without No Local.
    Only,
}

impl OwnPublishes {
    /// Whether a message is excluded; `is_own` says whether the session published it.
    pub(in crate::mqtt) fn leaves_out(self, is_own: impl FnOnce() -> bool) -> bool {
        match self {
            Self::Included => false,
            Self::Excluded => is_own(),
            Self::Only => !is_own(),
        }
    }
}

/// A session that gets a message, with the options of the delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mqtt) struct Receiver {
    pub(in crate::mqtt) session: SessionId,
    pub(in crate::mqtt) qos: Qos,
    pub(in crate::mqtt) own: OwnPublishes,
    pub(in crate::mqtt) retain_as_published: bool,
    /// The access rules are checked for each message.
    pub(in crate::mqtt) is_asked: bool,
    pub(in crate::mqtt) ids: SubscriptionIds,
}

/// The receivers of one topic.
#[derive(Debug, Default)]
pub(in crate::mqtt) struct Route {
    /// Each session once, sorted, so that those of one worker are adjacent.
    pub(in crate::mqtt) receivers: Vec<Receiver>,
    /// One member of each gets it.
    pub(in crate::mqtt) groups: Vec<Arc<Group>>,
}

impl Route {
    pub(in crate::mqtt) fn is_empty(&self) -> bool {
        self.receivers.is_empty() && self.groups.is_empty()
    }

    /// The receivers of one worker.
    pub(in crate::mqtt) fn of_worker(&self, worker: u16) -> &[Receiver] {
        let begin = self.receivers.partition_point(|one| one.session.worker < worker);
        let rest = &self.receivers[begin..];
        &rest[..rest.partition_point(|one| one.session.worker == worker)]
    }
}

/// Subscriptions and retained messages, for all workers.
#[derive(Debug)]
pub(in crate::mqtt) struct Router {
    /// A read-write lock, because every worker reads it, once per topic, and changes are rare.
    tree: RwLock<Tree>,
    /// Counts the changes of the tree: older answers must be looked up again.
    generation: AtomicU64,
    subscriptions: AtomicUsize,
    /// The members of shared subscriptions among them.
    shared: AtomicUsize,
    retained: Retained,
    /// The server's own topics, outside the bounds for clients.
    system: Retained,
}

impl Router {
    pub(in crate::mqtt) fn new(retained: RetainedLimits) -> Self {
        Self {
            tree: RwLock::default(),
            generation: AtomicU64::new(1),
            subscriptions: AtomicUsize::new(0),
            shared: AtomicUsize::new(0),
            retained: Retained::new(retained),
            system: Retained::new(SYSTEM),
        }
    }

    /// Changes whenever a subscription does; never 0.
    pub(in crate::mqtt) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The number of subscriptions.
    pub(in crate::mqtt) fn subscriptions(&self) -> usize {
        self.subscriptions.load(Ordering::Relaxed)
    }

    /// The number of members of shared subscriptions among them.
    pub(in crate::mqtt) fn shared_subscriptions(&self) -> usize {
        self.shared.load(Ordering::Relaxed)
    }

    /// A session subscribes, or changes a subscription; returns whether it is new.
    pub(in crate::mqtt) fn subscribe(
        &self,
        filter: Filter<'_>,
        subscriber: Subscriber,
        load: &Arc<Load>,
    ) -> bool {
        let mut tree = self.tree.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = tree.insert(filter, subscriber, load);
        // While the tree is locked: a reader that sees the number also sees the change.
        self.generation.fetch_add(1, Ordering::Release);
        if is_new {
            self.subscriptions.fetch_add(1, Ordering::Relaxed);
            self.shared.fetch_add(usize::from(filter.group.is_some()), Ordering::Relaxed);
        }
        is_new
    }

    /// A session unsubscribes; returns whether it had that subscription.
    pub(in crate::mqtt) fn unsubscribe(&self, filter: Filter<'_>, session: SessionId) -> bool {
        let mut tree = self.tree.write().unwrap_or_else(PoisonError::into_inner);
        let removed = tree.remove(filter, session);
        if removed {
            self.generation.fetch_add(1, Ordering::Release);
            self.subscriptions.fetch_sub(1, Ordering::Relaxed);
            self.shared.fetch_sub(usize::from(filter.group.is_some()), Ordering::Relaxed);
        }
        removed
    }

    /// The receivers of a topic, and the generation for which that holds.
    pub(in crate::mqtt) fn route(&self, topic: &str) -> (Route, u64) {
        let mut route = Route::default();
        let mut found = Vec::new();
        let tree = self.tree.read().unwrap_or_else(PoisonError::into_inner);
        let generation = self.generation();
        tree.find(topic, &mut found, &mut route.groups);
        drop(tree);
        route.receivers = merge(found);
        (route, generation)
    }

    /// A number for a message that is about to be retained.
    pub(in crate::mqtt) fn retained_number(&self) -> u64 {
        self.retained.number()
    }

    /// Retains a message from an earlier process.
    pub(in crate::mqtt) fn restore_retained(
        &self,
        message: &Arc<Message>,
    ) -> Result<(), RetainedFull> {
        self.retained.number_behind(message.retained_as);
        self.retained.set(message)
    }

    /// Retains a message, or clears its topic.
    pub(in crate::mqtt) fn retain(&self, message: &Arc<Message>) -> Result<(), RetainedFull> {
        self.retained.set(message)
    }

    /// Retains a message of the server on one of its own topics.
    pub(in crate::mqtt) fn retain_system(
        &self,
        topic: &str,
        properties: &[u8],
        text: &str,
        qos: Qos,
    ) -> Arc<Message> {
        let message = Arc::new(Message {
            body: Body::new(topic, properties, text.as_bytes()),
            qos,
            retain: true,
            expires: None,
            publisher: None,
            retained_as: self.system.number(),
            command: None,
        });
        let retained = self.system.set(&message);
        debug_assert!(retained.is_ok(), "what the server tells is bounded where it is made");
        message
    }

    /// Begins the scan of retained messages for a new subscription.
    pub(in crate::mqtt) fn retained_for(
        &self,
        filter: Filter<'_>,
        qos: Qos,
        ids: SubscriptionIds,
    ) -> RetainedScan {
        self.retained_below(filter.levels).begin(filter, qos, ids)
    }

    /// One piece of a scan; returns whether it was the last.
    pub(in crate::mqtt) fn scan_retained(
        &self,
        scan: &mut RetainedScan,
        steps: usize,
        now: Duration,
        found: &mut Vec<Arc<Message>>,
    ) -> bool {
        self.retained_below(scan.levels()).scan(scan, steps, now, found)
    }

    /// The table for a filter: one that begins with a wildcard matches none of the server's topics.
    fn retained_below(&self, levels: &str) -> &Retained {
        let is_servers = levels.starts_with("$SYS/") || levels.starts_with("$query/");
        if is_servers { &self.system } else { &self.retained }
    }

    /// Removes expired retained messages, one piece at a time; returns them.
    pub(in crate::mqtt) fn sweep_retained(&self, steps: usize, now: Duration) -> Vec<Arc<Message>> {
        self.retained.sweep(steps, now)
    }

    /// The number of retained messages, and their bytes.
    pub(in crate::mqtt) fn retained_size(&self) -> (usize, usize) {
        self.retained.size()
    }
}

/// The server's own messages need no bound here: a closed list of short texts below `$SYS`, and
/// below `$query` one bounded answer per query of the operator.
const SYSTEM: RetainedLimits = RetainedLimits { count_max: usize::MAX, bytes_max: usize::MAX };

/// One receiver per session (RT-1), sorted; two if only some of its subscriptions have No Local:
/// then its own publishes are delivered only through the others ([MQTT-3.8.3-3]).
fn merge(mut found: Vec<Subscriber>) -> Vec<Receiver> {
    found.sort_unstable_by_key(|one| one.session);
    let mut receivers: Vec<Receiver> = Vec::with_capacity(found.len());
    for same in found.chunk_by(|one, other| one.session == other.session) {
        if same.iter().any(|one| one.no_local) {
            receivers.push(receiver(same.iter(), OwnPublishes::Excluded));
            let others = || same.iter().filter(|one| !one.no_local);
            if others().next().is_some() {
                receivers.push(receiver(others(), OwnPublishes::Only));
            }
        } else {
            receivers.push(receiver(same.iter(), OwnPublishes::Included));
        }
    }
    receivers
}

/// Merges subscriptions of one session.
fn receiver<'a>(same: impl Iterator<Item = &'a Subscriber> + Clone, own: OwnPublishes) -> Receiver {
    let ids: Vec<u32> = same.clone().filter_map(|one| Some(one.id?.get())).collect();
    let ids = match *ids.as_slice() {
        [] => SubscriptionIds::None,
        [one] => SubscriptionIds::One([one]),
        _ => SubscriptionIds::Many(ids.into()),
    };
    let first = same.clone().next().expect("a receiver has a subscription");
    Receiver {
        session: first.session,
        qos: same.clone().map(|one| one.qos).max().unwrap_or(Qos::AtMostOnce),
        own,
        retain_as_published: same.clone().any(|one| one.retain_as_published),
        is_asked: same.clone().all(|one| one.is_asked),
        ids,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RetainedLimits = RetainedLimits { count_max: 10, bytes_max: 10_000 };

    fn subscribe(router: &Router, filter: &str, worker: u16, number: u64, qos: Qos, id: u32) {
        let subscriber = Subscriber {
            session: SessionId { worker, number },
            qos,
            no_local: id == 1,
            retain_as_published: id == 2,
            is_asked: false,
            id: NonZeroU32::new(id),
        };
        router.subscribe(Filter::read(filter).expect("well formed"), subscriber, &Arc::default());
    }

    #[test]
    fn overlapping_subscriptions_give_one_delivery_with_all_that_they_say() {
        let router = Router::new(LIMITS);
        subscribe(&router, "a/+", 1, 5, Qos::AtMostOnce, 1);
        subscribe(&router, "a/#", 1, 5, Qos::ExactlyOnce, 2);
        subscribe(&router, "#", 1, 5, Qos::AtLeastOnce, 0);
        subscribe(&router, "a/b", 0, 7, Qos::AtLeastOnce, 0);
        subscribe(&router, "$share/g/a/b", 1, 5, Qos::AtLeastOnce, 0);
        let (route, generation) = router.route("a/b");
        assert_eq!((route.receivers.len(), route.groups.len()), (3, 1));
        assert_eq!(generation, router.generation());
        let one = &route.of_worker(1)[0];
        assert_eq!(
            (one.qos, one.own, one.retain_as_published),
            (Qos::ExactlyOnce, OwnPublishes::Excluded, true)
        );
        // Its own publishes are delivered through the two without No Local.
        let own = &route.of_worker(1)[1];
        assert_eq!(
            (own.qos, own.own, own.ids.as_slice()),
            (Qos::ExactlyOnce, OwnPublishes::Only, &[2][..])
        );
        let mut ids = one.ids.as_slice().to_vec();
        ids.sort_unstable();
        assert_eq!(ids, [1, 2]);
        assert_eq!(
            (route.of_worker(0).len(), route.of_worker(0)[0].own),
            (1, OwnPublishes::Included)
        );
        assert!(route.of_worker(2).is_empty());
        assert_eq!(router.subscriptions(), 5);
        let session = SessionId { worker: 1, number: 5 };
        assert!(router.unsubscribe(Filter::read("#").expect("well formed"), session));
        assert!(!router.unsubscribe(Filter::read("#").expect("well formed"), session));
        assert_ne!(router.generation(), generation);
        assert!(router.route("b").0.is_empty());
    }
}
