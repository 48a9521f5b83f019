//! Topic filters as a tree of levels.
//!
//! A node is a prefix of filters: it has the numbers of its `+` and `#` children, and other
//! children are in one table for the whole tree, by parent and text. The number of nodes that
//! matching visits depends only on the topic's levels and the `+` on their paths.
//!
//! Memory: 80 bytes per node, which also hold a short level's text and a single subscription, and 5
//! to 10 bytes in the table; one more filter like `v/+/x/123` is one more node.

use std::{
    collections::{BTreeMap, hash_map::RandomState},
    hash::{BuildHasher as _, Hash as _, Hasher as _},
    mem::take,
    sync::Arc,
};

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::{
    filter::Filter,
    group::{Group, Load},
    route::Subscriber,
};
use crate::model::SessionId;

/// The filters of all sessions.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// Levels that are not wildcards, by parent and text.
    table: HashTable<u32>,
    /// Seeded, so that nobody can choose levels that collide.
    hasher: RandomState,
}

/// The root's number; also means "none", because the root is never a child.
const ROOT: u32 = 0;

#[derive(Debug, Default)]
struct Node {
    parent: u32,
    /// The `+` child.
    plus: u32,
    /// The `#` child.
    hash: u32,
    /// The number of children in the table.
    children: u32,
    level: Level,
    subscribers: Subscribers,
    groups: Box<[Arc<Group>]>,
}

/// A level's text; a short one is inline in its node, which matching reads anyway.
#[derive(Debug)]
enum Level {
    Short { len: u8, bytes: [u8; LEVEL_SHORT] },
    Long(Box<str>),
}

/// Bytes of a level that fit inline, in place of the pointer to a long one.
const LEVEL_SHORT: usize = 22;

impl Level {
    fn new(text: &str) -> Self {
        match u8::try_from(text.len()) {
            Ok(len) if text.len() <= LEVEL_SHORT => {
                let mut bytes = [0; LEVEL_SHORT];
                bytes[..text.len()].copy_from_slice(text.as_bytes());
                Self::Short { len, bytes }
            }
            _ => Self::Long(text.into()),
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => &bytes[..usize::from(*len)],
            Self::Long(text) => text.as_bytes(),
        }
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::new("")
    }
}

/// The sessions at one node, each once: usually one, which is inline; a slice if they are few; a
/// tree for many, because a whole fleet may subscribe to one filter.
#[derive(Debug, Default)]
#[expect(
    clippy::box_collection,
    reason = "so that a node is no larger than one subscription needs"
)]
enum Subscribers {
    #[default]
    None,
    One(Subscriber),
    Few(Box<[Subscriber]>),
    Many(Box<BTreeMap<SessionId, Subscriber>>),
}

/// The maximum subscribers in a slice.
const FEW: usize = 16;

impl Subscribers {
    /// Returns whether the session is new.
    fn insert(&mut self, subscriber: Subscriber) -> bool {
        if let Self::Many(many) = self {
            return many.insert(subscriber.session, subscriber).is_none();
        }
        let few = self.few_mut();
        if let Some(known) = few.iter_mut().find(|known| known.session == subscriber.session) {
            *known = subscriber;
            return false;
        }
        let all = few.iter().copied().chain([subscriber]);
        *self = match few.len() {
            0 => Self::One(subscriber),
            FEW.. => Self::Many(Box::new(all.map(|known| (known.session, known)).collect())),
            _ => Self::Few(all.collect()),
        };
        true
    }

    /// Returns whether the session was there.
    fn remove(&mut self, session: SessionId) -> bool {
        let (removed, left): (bool, Vec<Subscriber>) = match self {
            Self::Many(many) => {
                let removed = many.remove(&session).is_some();
                if many.len() > FEW / 2 {
                    return removed;
                }
                (removed, many.values().copied().collect())
            }
            _ => {
                let few = self.few_mut();
                let left = few.iter().copied().filter(|known| known.session != session);
                let left: Vec<Subscriber> = left.collect();
                (left.len() < few.len(), left)
            }
        };
        *self = match *left.as_slice() {
            [] => Self::None,
            [one] => Self::One(one),
            _ => Self::Few(left.into()),
        };
        removed
    }

    /// The subscribers, if they are not a tree.
    fn few_mut(&mut self) -> &mut [Subscriber] {
        match self {
            Self::None | Self::Many(_) => &mut [],
            Self::One(one) => std::slice::from_mut(one),
            Self::Few(few) => few,
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    fn extend(&self, found: &mut Vec<Subscriber>) {
        match self {
            Self::None => {}
            Self::One(one) => found.push(*one),
            Self::Few(few) => found.extend_from_slice(few),
            Self::Many(many) => found.extend(many.values()),
        }
    }
}

impl Default for Tree {
    fn default() -> Self {
        let hasher = RandomState::new();
        Self { nodes: vec![Node::default()], free: Vec::new(), table: HashTable::new(), hasher }
    }
}

impl Tree {
    /// Adds or replaces a session's subscription; returns whether it is new.
    pub(super) fn insert(
        &mut self,
        filter: Filter<'_>,
        subscriber: Subscriber,
        load: &Arc<Load>,
    ) -> bool {
        let mut at = ROOT;
        for level in filter.levels.split('/') {
            at = self.child_or_new(at, level);
        }
        let node = &mut self.nodes[at as usize];
        match filter.group {
            None => node.subscribers.insert(subscriber),
            Some(name) => {
                let known = node.groups.iter().find(|group| group.name() == name);
                let group = known.cloned().unwrap_or_else(|| {
                    let new = Arc::new(Group::new(name));
                    let mut groups = take(&mut node.groups).into_vec();
                    groups.reserve_exact(1);
                    groups.push(Arc::clone(&new));
                    node.groups = groups.into();
                    new
                });
                group.join(subscriber, load)
            }
        }
    }

    /// Removes a session's subscription; returns whether there was one.
    pub(super) fn remove(&mut self, filter: Filter<'_>, session: SessionId) -> bool {
        let mut at = ROOT;
        for level in filter.levels.split('/') {
            match self.child(at, level) {
                Some(child) => at = child,
                None => return false,
            }
        }
        let node = &mut self.nodes[at as usize];
        let removed = match filter.group {
            None => node.subscribers.remove(session),
            Some(name) => {
                let place = node.groups.iter().position(|group| group.name() == name);
                place.is_some_and(|place| {
                    let removed = node.groups[place].leave(session);
                    if node.groups[place].is_empty() {
                        let mut groups = take(&mut node.groups).into_vec();
                        groups.swap_remove(place);
                        node.groups = groups.into();
                    }
                    removed
                })
            }
        };
        self.prune(at);
        removed
    }

    /// Appends the subscribers of a topic: a session once for each matching filter. Returns how
    /// many nodes had subscribers.
    pub(super) fn find(
        &self,
        topic: &str,
        subscribers: &mut Vec<Subscriber>,
        groups: &mut Vec<Arc<Group>>,
    ) -> usize {
        let mut found = 0;
        let mut add = |at: u32| {
            let node = &self.nodes[at as usize];
            if !node.subscribers.is_empty() {
                node.subscribers.extend(subscribers);
                found += 1;
            }
            groups.extend_from_slice(&node.groups);
        };
        // Nodes to visit, each with the rest of the topic.
        let mut open: SmallVec<[(u32, Option<&str>); 16]> = SmallVec::new();
        open.push((ROOT, Some(topic)));
        while let Some((at, rest)) = open.pop() {
            let node = &self.nodes[at as usize];
            let wild = at != ROOT || !topic.starts_with('$'); // RT-2
            if node.hash != ROOT && wild {
                add(node.hash);
            }
            let Some(rest) = rest else {
                add(at);
                continue;
            };
            let (level, after) = match rest.split_once('/') {
                Some((level, after)) => (level, Some(after)),
                None => (rest, None),
            };
            if node.plus != ROOT && wild {
                open.push((node.plus, after));
            }
            if node.children > 0
                && let Some(child) = self.literal(at, level)
            {
                open.push((child, after));
            }
        }
        found
    }

    fn hash(&self, parent: u32, level: &[u8]) -> u64 {
        hash(&self.hasher, parent, level)
    }

    fn literal(&self, parent: u32, level: &str) -> Option<u32> {
        let is_it = |&number: &u32| {
            let node = &self.nodes[number as usize];
            node.parent == parent && node.level.as_bytes() == level.as_bytes()
        };
        self.table.find(self.hash(parent, level.as_bytes()), is_it).copied()
    }

    fn child(&self, parent: u32, level: &str) -> Option<u32> {
        let node = &self.nodes[parent as usize];
        match level {
            "+" => Some(node.plus).filter(|child| *child != ROOT),
            "#" => Some(node.hash).filter(|child| *child != ROOT),
            _ => self.literal(parent, level),
        }
    }

    fn child_or_new(&mut self, parent: u32, level: &str) -> u32 {
        if let Some(child) = self.child(parent, level) {
            return child;
        }
        let node = Node { parent, level: Level::new(level), ..Node::default() };
        let number = match self.free.pop() {
            Some(number) => {
                self.nodes[number as usize] = node;
                number
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).expect("the bounds on filters are far below")
            }
        };
        let above = &mut self.nodes[parent as usize];
        match level {
            "+" => above.plus = number,
            "#" => above.hash = number,
            _ => {
                above.children += 1;
                let hashed = self.hash(parent, level.as_bytes());
                let (nodes, hasher) = (&self.nodes, &self.hasher);
                self.table.insert_unique(hashed, number, |&number| {
                    let node = &nodes[number as usize];
                    hash(hasher, node.parent, node.level.as_bytes())
                });
            }
        }
        number
    }

    /// Removes a node without subscriptions and children, and then such nodes above it (RT-3).
    fn prune(&mut self, mut at: u32) {
        while at != ROOT {
            let node = &self.nodes[at as usize];
            let used = node.children > 0
                || node.plus != ROOT
                || node.hash != ROOT
                || !node.groups.is_empty()
                || !node.subscribers.is_empty();
            if used {
                return;
            }
            let node = take(&mut self.nodes[at as usize]);
            let above = &mut self.nodes[node.parent as usize];
            if above.plus == at {
                above.plus = ROOT;
            } else if above.hash == at {
                above.hash = ROOT;
            } else {
                above.children -= 1;
                let hashed = hash(&self.hasher, node.parent, node.level.as_bytes());
                if let Ok(entry) = self.table.find_entry(hashed, |number| *number == at) {
                    entry.remove();
                }
            }
            self.free.push(at);
            at = node.parent;
        }
    }
}

fn hash(hasher: &RandomState, parent: u32, level: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    parent.hash(&mut state);
    state.write(level);
    state.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::wire::Qos;

    fn subscriber(number: u64) -> Subscriber {
        Subscriber {
            session: SessionId { worker: 0, number },
            qos: Qos::AtMostOnce,
            no_local: false,
            retain_as_published: false,
            is_asked: false,
            id: None,
        }
    }

    fn insert(tree: &mut Tree, filter: &str, number: u64) -> bool {
        let filter = Filter::read(filter).expect("well formed");
        tree.insert(filter, subscriber(number), &Arc::default())
    }

    fn remove(tree: &mut Tree, filter: &str, number: u64) -> bool {
        let filter = Filter::read(filter).expect("well formed");
        tree.remove(filter, SessionId { worker: 0, number })
    }

    fn found(tree: &Tree, topic: &str) -> (Vec<u64>, usize) {
        let (mut subscribers, mut groups) = (Vec::new(), Vec::new());
        tree.find(topic, &mut subscribers, &mut groups);
        let mut numbers: Vec<u64> = subscribers.iter().map(|found| found.session.number).collect();
        numbers.sort_unstable();
        (numbers, groups.len())
    }

    /// Compared with the definition, filter by filter, for all topics and filters of few short
    /// levels.
    #[test]
    fn the_tree_finds_the_subscribers_that_the_definition_says() {
        let levels = ["a", "b", "", "$x"];
        let wild = ["a", "b", "", "$x", "+", "#"];
        let two = |levels: &[&str]| {
            let mut all: Vec<String> = levels.iter().map(ToString::to_string).collect();
            for one in levels {
                all.extend(levels.iter().map(|other| format!("{one}/{other}")));
                for other in levels {
                    all.extend(levels.iter().map(|third| format!("{one}/{other}/{third}")));
                }
            }
            all
        };
        let filters: Vec<String> = two(&wild)
            .into_iter()
            .filter(|text| !text.is_empty() && Filter::read(text).is_ok())
            .collect();
        let topics: Vec<String> =
            two(&levels).into_iter().filter(|text| !text.is_empty()).collect();
        let mut tree = Tree::default();
        for (number, filter) in filters.iter().enumerate() {
            assert!(insert(&mut tree, filter, number as u64), "{filter}");
            assert!(!insert(&mut tree, filter, number as u64), "{filter} is there already");
        }
        let expect = |topic: &str, step: usize| -> Vec<u64> {
            let all = filters.iter().enumerate().step_by(step);
            let matching = all.filter(|(_, filter)| Filter::read(filter).unwrap().matches(topic));
            matching.map(|(number, _)| number as u64).collect()
        };
        for topic in &topics {
            assert_eq!(found(&tree, topic).0, expect(topic, 1), "{topic}");
        }
        for (number, filter) in filters.iter().enumerate().filter(|(number, _)| number % 3 != 0) {
            assert!(remove(&mut tree, filter, number as u64));
            assert!(!remove(&mut tree, filter, number as u64));
        }
        for topic in &topics {
            assert_eq!(found(&tree, topic).0, expect(topic, 3), "{topic}");
        }
        for (number, filter) in filters.iter().enumerate().step_by(3) {
            assert!(remove(&mut tree, filter, number as u64));
        }
        assert_eq!((tree.nodes.len() - tree.free.len(), tree.table.len()), (1, 0), "RT-3");
    }

    #[test]
    fn one_filter_may_have_a_whole_fleet_of_subscribers() {
        let mut tree = Tree::default();
        for number in 0..1000 {
            assert!(insert(&mut tree, "fleet/+", number));
            assert!(!insert(&mut tree, "fleet/+", number));
        }
        assert_eq!(found(&tree, "fleet/x").0.len(), 1000);
        for number in 0..1000 {
            assert!(remove(&mut tree, "fleet/+", number));
            assert!(!remove(&mut tree, "fleet/+", number));
        }
        assert_eq!(tree.nodes.len() - tree.free.len(), 1);
    }

    #[test]
    fn a_shared_subscription_is_found_once_for_any_number_of_members() {
        let mut tree = Tree::default();
        for (filter, number) in [("$share/g/a/+", 1), ("$share/g/a/+", 2), ("$share/h/a/+", 1)] {
            assert!(insert(&mut tree, filter, number));
        }
        assert!(!remove(&mut tree, "a/+", 1), "it has no such subscription");
        assert_eq!(found(&tree, "a/b"), (vec![], 2));
        assert!(remove(&mut tree, "$share/g/a/+", 1));
        assert_eq!(found(&tree, "a/b").1, 2);
        assert!(remove(&mut tree, "$share/g/a/+", 2) && remove(&mut tree, "$share/h/a/+", 1));
        assert_eq!(tree.nodes.len() - tree.free.len(), 1);
    }
}
