//! The subscribers beside the fleet, and which of its messages they receive.
//!
//! A delivery is identified by its bytes: each message of a vehicle has a distinct time, so a hash
//! of the payload identifies the message, when it was published, whether it arrives in order, and,
//! at the end, which acknowledged messages were not delivered. Only the clock of this process is
//! needed, and no knowledge of the payload's format.
//!
//! A message is remembered until all its subscribers have received it, and at most
//! [`REMEMBERED_MAX`] messages of a vehicle: an older one that was not delivered counts as lost.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher as _, RandomState},
};

use super::{super::script::Part, Latencies};

/// The subscribers and their filters.
#[derive(Clone, Debug)]
pub(crate) struct AudienceOptions {
    pub(crate) subscribers: usize,
    /// `{vin}` is a vehicle, a different one for each subscriber.
    pub(crate) filter: String,
    /// The name of their common shared subscription.
    pub(crate) shared: Option<String>,
}

/// Messages of one vehicle that are remembered until all subscribers have received them.
const REMEMBERED_MAX: usize = 65_536;

/// Deliveries, and missing ones.
#[derive(Clone, Debug)]
pub(crate) struct Deliveries {
    /// Subscribers whose subscription was acknowledged.
    pub(crate) subscribed: u64,
    /// Connections of subscribers that broke.
    pub(crate) connections_lost: u64,
    /// Messages that were delivered, counted per subscriber.
    pub(crate) delivered: u64,
    /// Messages that were acknowledged (at QoS 0: published), but not delivered.
    pub(crate) lost: u64,
    /// Messages that were delivered after a later one of the same vehicle.
    pub(crate) disordered: u64,
    /// Duplicate messages, and messages of other clients.
    pub(crate) unexpected: u64,
    /// From the publish to the delivery.
    pub(crate) latencies: Latencies,
}

/// One published message.
#[derive(Clone, Copy, Debug)]
struct Published {
    hash: u64,
    at: u64,
    is_acknowledged: bool,
    seen: u32,
}

/// The messages of one vehicle that not all subscribers have received.
#[derive(Debug, Default)]
struct Stream {
    /// The number of the first message.
    first: u64,
    messages: VecDeque<Published>,
    /// How many subscribers receive each message.
    listeners: u32,
}

/// All subscribers.
#[derive(Debug)]
pub(super) struct Audience {
    options: AudienceOptions,
    hasher: RandomState,
    by_topic: HashMap<Box<str>, usize>,
    streams: Vec<Stream>,
    /// By subscriber: the latest message of each vehicle.
    latest: Vec<HashMap<usize, u64>>,
    is_subscribed: Vec<bool>,
    /// Without acknowledgements every published message should be delivered.
    is_unasked: bool,
    last_delivery: u64,
    pub(super) told: Deliveries,
}

impl Audience {
    pub(super) fn new(options: AudienceOptions, parts: &[Part], is_unasked: bool) -> Self {
        let count = options.subscribers;
        let mut audience = Self {
            hasher: RandomState::new(),
            by_topic: parts.iter().enumerate().map(|(at, it)| (it.topic.clone(), at)).collect(),
            streams: parts.iter().map(|_| Stream::default()).collect(),
            latest: vec![HashMap::new(); count],
            is_subscribed: vec![false; count],
            is_unasked,
            last_delivery: 0,
            told: Deliveries {
                subscribed: 0,
                connections_lost: 0,
                delivered: 0,
                lost: 0,
                disordered: 0,
                unexpected: 0,
                latencies: Latencies::new(),
            },
            options,
        };
        let filters: Vec<String> = (0..count).map(|at| audience.filter(parts, at)).collect();
        let is_one_each = filters.windows(2).any(|pair| pair[0] != pair[1]);
        for (part, stream) in parts.iter().zip(&mut audience.streams) {
            let wanted = if is_one_each { &filters[..] } else { &filters[..1.min(count)] };
            let matching = wanted.iter().filter(|filter| matches(filter, &part.topic)).count();
            let all = if is_one_each { matching } else { matching * count };
            let gets = if audience.options.shared.is_some() { all.min(1) } else { all };
            stream.listeners = u32::try_from(gets).unwrap_or(u32::MAX);
        }
        audience
    }

    pub(super) fn subscribers(&self) -> usize {
        self.options.subscribers
    }

    /// The filter of one subscriber, without the prefix of a shared subscription.
    fn filter(&self, parts: &[Part], subscriber: usize) -> String {
        let one = parts.get(subscriber % parts.len().max(1));
        self.options.filter.replace("{vin}", one.map_or("", |part| &part.vehicle))
    }

    /// The filter in the SUBSCRIBE packet.
    pub(super) fn subscription(&self, parts: &[Part], subscriber: usize) -> String {
        let filter = self.filter(parts, subscriber);
        match &self.options.shared {
            Some(name) => format!("$share/{name}/{filter}"),
            None => filter,
        }
    }

    /// A subscription was acknowledged; returns whether it is the subscriber's first.
    pub(super) fn subscribed(&mut self, subscriber: usize) -> bool {
        let is_first = !std::mem::replace(&mut self.is_subscribed[subscriber], true);
        self.told.subscribed += u64::from(is_first);
        is_first
    }

    /// The next message of a vehicle was written.
    pub(super) fn published(&mut self, vehicle: usize, payload: &[u8], at: u64) {
        let hash = self.hasher.hash_one(payload);
        let stream = &mut self.streams[vehicle];
        if stream.messages.len() >= REMEMBERED_MAX {
            self.told.lost += stream.forget(self.is_unasked);
        }
        stream.messages.push_back(Published { hash, at, is_acknowledged: false, seen: 0 });
        stream.pop_done();
    }

    /// A message was acknowledged, or refused: then no delivery is expected.
    pub(super) fn answered(&mut self, vehicle: usize, message: u64, is_accepted: bool) {
        let stream = &mut self.streams[vehicle];
        let listeners = stream.listeners;
        let place = message.checked_sub(stream.first).and_then(|at| usize::try_from(at).ok());
        if let Some(known) = place.and_then(|place| stream.messages.get_mut(place)) {
            known.is_acknowledged = is_accepted;
            if !is_accepted {
                known.seen = listeners;
            }
        }
        stream.pop_done();
    }

    /// A message was delivered.
    pub(super) fn heard(&mut self, subscriber: usize, topic: &str, payload: &[u8], now: u64) {
        self.last_delivery = now;
        let hash = self.hasher.hash_one(payload);
        let Some(&vehicle) = self.by_topic.get(topic) else {
            self.told.unexpected += 1;
            return;
        };
        let stream = &mut self.streams[vehicle];
        let latest = self.latest[subscriber].get(&vehicle).copied();
        let next = latest.map_or(0, |latest| latest + 1).saturating_sub(stream.first);
        let Some(place) = stream.find(hash, usize::try_from(next).unwrap_or(0)) else {
            self.told.unexpected += 1;
            return;
        };
        let message = stream.first + place as u64;
        let known = &mut stream.messages[place];
        if latest == Some(message) || known.seen >= stream.listeners {
            self.told.unexpected += 1;
            return;
        }
        known.seen += 1;
        self.told.latencies.record(now.saturating_sub(known.at));
        self.told.delivered += 1;
        if latest.is_some_and(|latest| message < latest) {
            self.told.disordered += 1;
        } else {
            self.latest[subscriber].insert(vehicle, message);
        }
        stream.pop_done();
    }

    /// Whether everything was delivered, or nothing for `patience`.
    pub(super) fn is_settled(&self, now: u64, patience: u64) -> bool {
        self.streams.iter().all(|stream| stream.messages.is_empty())
            || now.saturating_sub(self.last_delivery) > patience
    }

    /// Counts the missing deliveries.
    pub(super) fn finish(mut self) -> Deliveries {
        for stream in &mut self.streams {
            while !stream.messages.is_empty() {
                self.told.lost += stream.forget(self.is_unasked);
            }
        }
        self.told
    }
}

impl Stream {
    /// The position of a message: searched from `from` on, then before it.
    fn find(&self, hash: u64, from: usize) -> Option<usize> {
        let from = from.min(self.messages.len());
        let behind = (from..self.messages.len()).chain((0..from).rev());
        behind.into_iter().find(|place| self.messages[*place].hash == hash)
    }

    fn pop_done(&mut self) {
        while self.messages.front().is_some_and(|known| known.seen >= self.listeners) {
            self.messages.pop_front();
            self.first += 1;
        }
    }

    /// Removes the oldest message; returns how many deliveries of it are lost.
    fn forget(&mut self, is_unasked: bool) -> u64 {
        let Some(known) = self.messages.pop_front() else { return 0 };
        self.first += 1;
        let is_promised = known.is_acknowledged || is_unasked;
        if is_promised { u64::from(self.listeners.saturating_sub(known.seen)) } else { 0 }
    }
}

/// Whether a topic matches a filter.
fn matches(filter: &str, topic: &str) -> bool {
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audience(subscribers: usize, filter: &str, shared: Option<&str>) -> Audience {
        let part =
            |name: &str| Part { vehicle: name.to_owned(), topic: format!("v/{name}").into() };
        let options = AudienceOptions {
            subscribers,
            filter: filter.to_owned(),
            shared: shared.map(ToOwned::to_owned),
        };
        Audience::new(options, &[part("A"), part("B")], false)
    }

    #[test]
    fn what_was_acknowledged_and_did_not_come_is_lost() {
        let mut audience = audience(2, "v/+", None);
        for number in 0..3_u8 {
            audience.published(0, &[number], 10);
            audience.answered(0, number.into(), true);
        }
        audience.published(0, b"never acknowledged", 10);
        audience.published(1, b"refused", 10);
        audience.answered(1, 0, false);
        for number in 0..3 {
            audience.heard(0, "v/A", &[number], 20);
        }
        audience.heard(1, "v/A", &[1], 30);
        audience.heard(1, "v/A", &[0], 30);
        audience.heard(1, "v/A", &[0], 30);
        audience.heard(1, "x", b"?", 40);
        assert!(!audience.is_settled(50, 100) && audience.is_settled(200, 100));
        let told = audience.finish();
        assert_eq!((told.delivered, told.lost, told.disordered, told.unexpected), (5, 1, 1, 2));
        assert_eq!(told.latencies.recorded(), 5);
    }

    #[test]
    fn one_member_of_a_shared_subscription_gets_each_message() {
        let mut audience = audience(3, "#", Some("g"));
        let parts: [Part; 0] = [];
        assert_eq!(audience.subscription(&parts, 1), "$share/g/#");
        for number in 0..4_u8 {
            audience.published(1, &[number], 0);
            audience.answered(1, number.into(), true);
            audience.heard(usize::from(number) % 3, "v/B", &[number], 1);
        }
        audience.heard(2, "v/B", &[0], 1);
        let told = audience.finish();
        assert_eq!((told.delivered, told.lost, told.disordered, told.unexpected), (4, 0, 0, 1));
    }

    #[test]
    fn each_may_listen_to_a_vehicle_of_its_own() {
        let audience = audience(3, "v/{vin}", None);
        let listeners: Vec<u32> = audience.streams.iter().map(|stream| stream.listeners).collect();
        assert_eq!(listeners, [2, 1], "the third listens to the first vehicle again");
        for (filter, expect) in [("v/+", 2), ("v/B/#", 2), ("w/#", 0), ("v", 0), ("+/+/+", 0)] {
            let audience = super::tests::audience(2, filter, None);
            assert_eq!(audience.streams[1].listeners, expect, "{filter}");
        }
    }
}
