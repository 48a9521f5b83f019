//! Retained messages: one per topic, in the order of the topics.
//!
//! A subscription that matches many of them is served in pieces ([`Retained::scan`]): each examines
//! a bounded number of topics and continues where the last one ended, so that a client that
//! subscribes to everything does not stall a worker.

use std::{
    borrow::Borrow,
    collections::BTreeSet,
    ops::Bound,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{filter::Filter, message::Message, route::SubscriptionIds};
use crate::mqtt::wire::Qos;

/// The bounds of retained messages.
#[derive(Clone, Copy, Debug)]
pub(in crate::mqtt) struct RetainedLimits {
    pub(in crate::mqtt) count_max: usize,
    /// Bytes in memory.
    pub(in crate::mqtt) bytes_max: usize,
}

/// There is no room for one more retained message; the old one on its topic stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) struct RetainedFull;

/// The retained messages of all topics.
#[derive(Debug)]
pub(super) struct Retained {
    limits: RetainedLimits,
    numbers: AtomicU64,
    /// A mutex, taken for each change, and for each piece of a scan.
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    topics: BTreeSet<ByTopic>,
    bytes: usize,
    /// Where the last sweep for expired messages stopped.
    swept: Option<Arc<Message>>,
}

/// A message in the order of topics.
#[derive(Debug)]
struct ByTopic(Arc<Message>);

impl ByTopic {
    fn topic(&self) -> &str {
        self.0.body.topic()
    }
}

impl Borrow<str> for ByTopic {
    fn borrow(&self) -> &str {
        self.topic()
    }
}

impl PartialEq for ByTopic {
    fn eq(&self, other: &Self) -> bool {
        self.topic() == other.topic()
    }
}

impl Eq for ByTopic {}

impl PartialOrd for ByTopic {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByTopic {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.topic().cmp(other.topic())
    }
}

/// The retained messages that are still to be sent for a subscription.
#[derive(Debug)]
pub(in crate::mqtt) struct RetainedScan {
    /// The levels of its filter; a shared subscription gets no retained messages.
    levels: Box<str>,
    pub(in crate::mqtt) qos: Qos,
    pub(in crate::mqtt) ids: SubscriptionIds,
    /// Messages with this number or higher are delivered as usual, because the subscription existed
    /// before them.
    before: u64,
    /// The last message that was examined.
    after: Option<Arc<Message>>,
}

impl RetainedScan {
    pub(super) fn levels(&self) -> &str {
        &self.levels
    }
}

/// Bytes of one entry of the table, besides its message.
const ENTRY_BYTES: usize = 16;

impl Retained {
    pub(super) fn new(limits: RetainedLimits) -> Self {
        Self { limits, numbers: AtomicU64::new(1), table: Mutex::default() }
    }

    /// A number for a message that is about to be retained: later ones have higher numbers.
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Makes later numbers higher than that of a message from an earlier process.
    pub(super) fn number_behind(&self, number: u64) {
        self.numbers.fetch_max(number.saturating_add(1), Ordering::Relaxed);
    }

    /// Retains a message in place of the old one; an empty payload clears its topic
    /// ([MQTT-3.3.1-6]).
    pub(super) fn set(&self, message: &Arc<Message>) -> Result<(), RetainedFull> {
        let mut table = self.lock();
        let topic = message.body.topic();
        let old = table.topics.get(topic).map(|old| (memory(&old.0), old.0.retained_as));
        if old.is_some_and(|(_, number)| number > message.retained_as) {
            return Ok(()); // Two publishers at once: this one is the earlier.
        }
        let old_bytes = old.map_or(0, |(bytes, _)| bytes);
        if message.body.payload().is_empty() {
            table.topics.remove(topic);
            table.bytes -= old_bytes;
            return Ok(());
        }
        let bytes = table.bytes - old_bytes + memory(message);
        let count = table.topics.len() + usize::from(old.is_none());
        if count > self.limits.count_max || bytes > self.limits.bytes_max {
            return Err(RetainedFull);
        }
        table.topics.replace(ByTopic(Arc::clone(message)));
        table.bytes = bytes;
        Ok(())
    }

    /// Begins the scan for a new subscription.
    pub(super) fn begin(&self, filter: Filter<'_>, qos: Qos, ids: SubscriptionIds) -> RetainedScan {
        let before = self.numbers.load(Ordering::Relaxed);
        RetainedScan { levels: filter.levels.into(), qos, ids, before, after: None }
    }

    /// Examines up to `steps` topics; appends the messages of those that match. Returns whether
    /// that was the end.
    pub(super) fn scan(
        &self,
        scan: &mut RetainedScan,
        steps: usize,
        now: Duration,
        found: &mut Vec<Arc<Message>>,
    ) -> bool {
        let filter = Filter { group: None, levels: &scan.levels };
        let wanted =
            |message: &Message| message.retained_as < scan.before && !message.is_expired(now);
        let table = self.lock();
        if filter.is_exact() {
            let one = table.topics.get(filter.levels).map(|entry| &entry.0);
            found.extend(one.filter(|message| wanted(message)).cloned());
            return true;
        }
        let prefix = filter.prefix();
        let from = match &scan.after {
            Some(last) => Bound::Excluded(last.body.topic()),
            None => Bound::Included(prefix),
        };
        let mut last = None;
        let mut looked = 0;
        for ByTopic(message) in table.topics.range::<str, _>((from, Bound::Unbounded)) {
            if !message.body.topic().starts_with(prefix) {
                return true;
            }
            if filter.matches(message.body.topic()) && wanted(message) {
                found.push(Arc::clone(message));
            }
            looked += 1;
            if looked == steps {
                last = Some(Arc::clone(message));
                break;
            }
        }
        drop(table);
        let done = last.is_none();
        scan.after = last;
        done
    }

    /// Removes expired messages among the next `steps` topics.
    pub(super) fn sweep(&self, steps: usize, now: Duration) -> Vec<Arc<Message>> {
        let mut table = self.lock();
        let from = match &table.swept {
            Some(last) => Bound::Excluded(last.body.topic()),
            None => Bound::Unbounded,
        };
        let next = table.topics.range::<str, _>((from, Bound::Unbounded)).take(steps);
        let looked: Vec<Arc<Message>> = next.map(|entry| Arc::clone(&entry.0)).collect();
        let expired = looked.iter().filter(|message| message.is_expired(now));
        let expired: Vec<Arc<Message>> = expired.cloned().collect();
        for message in &expired {
            table.topics.remove(message.body.topic());
            table.bytes -= memory(message);
        }
        table.swept = (looked.len() == steps).then(|| looked.into_iter().next_back()).flatten();
        expired
    }

    /// The number of messages, and their bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        let table = self.lock();
        (table.topics.len(), table.bytes)
    }

    /// Poisoning is ignored: each change is one step.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn memory(message: &Message) -> usize {
    message.memory() + ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::{router::Expiry, wire::Body};

    const LIMITS: RetainedLimits = RetainedLimits { count_max: 1000, bytes_max: 1_000_000 };

    fn put(retained: &Retained, topic: &str, payload: &str) -> Result<(), RetainedFull> {
        put_until(retained, topic, payload, None)
    }

    fn put_until(
        retained: &Retained,
        topic: &str,
        payload: &str,
        expires: Option<u32>,
    ) -> Result<(), RetainedFull> {
        let message = Message {
            body: Body::new(topic, b"", payload.as_bytes()),
            qos: Qos::AtLeastOnce,
            retain: true,
            expires: expires.map(|seconds| Expiry::after(seconds, Duration::ZERO)),
            publisher: None,
            retained_as: retained.number(),
            command: None,
        };
        retained.set(&Arc::new(message))
    }

    fn scan(retained: &Retained, mut scan: RetainedScan, steps: usize) -> Vec<String> {
        let mut found = Vec::new();
        while !retained.scan(&mut scan, steps, Duration::ZERO, &mut found) {}
        found.iter().map(|message| message.body.topic().to_owned()).collect()
    }

    fn begin(retained: &Retained, filter: &str) -> RetainedScan {
        let filter = Filter::read(filter).expect("well formed");
        retained.begin(filter, Qos::AtMostOnce, SubscriptionIds::default())
    }

    #[test]
    fn a_subscription_gets_what_matches_in_pieces_of_any_size() {
        let retained = Retained::new(LIMITS);
        for vehicle in 0..10 {
            for topic in ["state", "online"] {
                put(&retained, &format!("v/{vehicle}/{topic}"), "x").expect("room");
            }
        }
        put(&retained, "$SYS/x", "x").expect("room");
        put(&retained, "v", "x").expect("room");
        put(&retained, "w/1/state", "x").expect("room");
        for steps in [1, 2, 3, 7, 100] {
            assert_eq!(scan(&retained, begin(&retained, "v/+/state"), steps).len(), 10);
            assert_eq!(scan(&retained, begin(&retained, "v/#"), steps).len(), 21);
            assert_eq!(scan(&retained, begin(&retained, "v/3/#"), steps).len(), 2);
            assert_eq!(scan(&retained, begin(&retained, "#"), steps).len(), 22);
            assert_eq!(scan(&retained, begin(&retained, "+/1/state"), steps).len(), 2);
            assert_eq!(scan(&retained, begin(&retained, "v/3/state"), steps), ["v/3/state"]);
            assert_eq!(scan(&retained, begin(&retained, "$SYS/#"), steps), ["$SYS/x"]);
        }
    }

    #[test]
    fn messages_after_the_subscription_are_not_part_of_the_scan() {
        let retained = Retained::new(LIMITS);
        put(&retained, "a/1", "x").expect("room");
        let began = begin(&retained, "a/+");
        put(&retained, "a/2", "x").expect("room");
        put(&retained, "a/1", "y").expect("room");
        assert!(scan(&retained, began, 10).is_empty());
        assert_eq!(scan(&retained, begin(&retained, "a/+"), 10), ["a/1", "a/2"]);
    }

    #[test]
    fn an_empty_message_clears_its_topic_and_bounds_are_enforced() {
        let retained = Retained::new(RetainedLimits { count_max: 2, bytes_max: 100_000 });
        put(&retained, "a", "x").expect("room");
        put(&retained, "b", "x").expect("room");
        assert_eq!(put(&retained, "c", "x"), Err(RetainedFull));
        put(&retained, "b", "y").expect("in place of the one before");
        put(&retained, "a", "").expect("a clear");
        put(&retained, "z", "").expect("a clear of nothing");
        put(&retained, "c", "x").expect("room again");
        put(&retained, "b", "").expect("a clear");
        put(&retained, "c", "").expect("a clear");
        assert_eq!(retained.size(), (0, 0), "RT-4");
        let big = "x".repeat(100_000);
        assert_eq!(put(&retained, "d", &big), Err(RetainedFull));
    }

    #[test]
    fn expired_messages_are_not_sent_and_are_swept() {
        let retained = Retained::new(LIMITS);
        for number in 0..25 {
            let expires = (number % 2 == 0).then_some(10);
            put_until(&retained, &format!("a/{number:02}"), "x", expires).expect("room");
        }
        let mut found = Vec::new();
        let late = Duration::from_secs(10);
        assert!(retained.scan(&mut begin(&retained, "a/#"), 100, late, &mut found));
        assert_eq!(found.len(), 12);
        for _ in 0..4 {
            retained.sweep(7, late);
        }
        assert_eq!(retained.size().0, 12);
    }
}
