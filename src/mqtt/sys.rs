//! `$SYS/broker/…`: the server's counters, under the names that dashboards know from mosquitto.
//!
//! Counters count from the start of the process. `load` topics are moving averages per minute over
//! one, five and fifteen minutes, computed like mosquitto's: exponentially, once per interval. A
//! topic is published again only when its text has changed; the last text is retained, separately
//! from the retained messages of clients and outside their bounds. Only the server publishes here.

use std::time::Duration;

/// The counters at one moment. All except `connected`, `away`, `subscriptions`,
/// `shared_subscriptions`, `retained`, `stored` and `stored_bytes` only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) uptime: Duration,
    /// Clients with a connection.
    pub(super) connected: u64,
    /// Sessions without one.
    pub(super) away: u64,
    /// Sessions that expired.
    pub(super) expired: u64,
    /// Without the shared ones.
    pub(super) subscriptions: u64,
    pub(super) shared_subscriptions: u64,
    pub(super) retained: u64,
    /// Messages retained or queued.
    pub(super) stored: u64,
    pub(super) stored_bytes: u64,
    /// Packets of any kind.
    pub(super) packets_read: u64,
    pub(super) packets_written: u64,
    pub(super) bytes_read: u64,
    pub(super) bytes_written: u64,
    /// PUBLISH packets, and their payloads.
    pub(super) publishes_read: u64,
    pub(super) publishes_written: u64,
    pub(super) payload_read: u64,
    pub(super) payload_written: u64,
    /// Deliveries that did not reach their subscriber.
    pub(super) dropped: u64,
    /// Sockets accepted.
    pub(super) sockets: u64,
    /// CONNECT packets accepted.
    pub(super) connects: u64,
}

/// Averages over one, five and fifteen minutes.
type Load = [f64; 3];

/// One of the counts.
type Count = fn(&Snapshot) -> u64;

/// The counters of `load`, by the name in the topic.
const LOADS: [(&str, Count); 9] = [
    ("messages/received", |now| now.packets_read),
    ("messages/sent", |now| now.packets_written),
    ("publish/received", |now| now.publishes_read),
    ("publish/sent", |now| now.publishes_written),
    ("publish/dropped", |now| now.dropped),
    ("bytes/received", |now| now.bytes_read),
    ("bytes/sent", |now| now.bytes_written),
    ("sockets", |now| now.sockets),
    ("connections", |now| now.connects),
];

/// The published texts of the topics.
#[derive(Debug)]
pub(super) struct SysTopics {
    interval: Duration,
    /// The counters at the last publish.
    last: Option<Snapshot>,
    loads: [Load; LOADS.len()],
    /// The most clients connected at any publish.
    most: u64,
    told: Vec<(String, String)>,
}

impl SysTopics {
    /// With an interval of zero nothing is published.
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, last: None, loads: Default::default(), most: 0, told: Vec::new() }
    }

    /// Whether the next publish is due.
    pub(super) fn is_due(&self, uptime: Duration) -> bool {
        let last = self.last.map(|last| last.uptime);
        !self.interval.is_zero() && last.is_none_or(|last| uptime >= last + self.interval)
    }

    /// The topics whose text has changed, with their texts.
    pub(super) fn changed(&mut self, now: Snapshot) -> Vec<(String, String)> {
        self.most = self.most.max(now.connected);
        let elapsed = self.last.map(|last| now.uptime.saturating_sub(last.uptime));
        if let (Some(last), Some(elapsed)) = (self.last, elapsed.filter(|it| !it.is_zero())) {
            for (load, (_, count)) in self.loads.iter_mut().zip(LOADS) {
                average(load, count(&now).saturating_sub(count(&last)), elapsed);
            }
        }
        self.last = Some(now);
        let mut changed = Vec::new();
        for (name, text) in self.texts(&now) {
            let topic = format!("$SYS/broker/{name}");
            match self.told.iter_mut().find(|(known, _)| *known == topic) {
                Some((_, known)) if *known == text => continue,
                Some((_, known)) => known.clone_from(&text),
                None => self.told.push((topic.clone(), text.clone())),
            }
            changed.push((topic, text));
        }
        changed
    }

    fn texts(&self, now: &Snapshot) -> Vec<(String, String)> {
        let Snapshot { connected, away, .. } = *now;
        let counts = [
            ("clients/total", connected + away),
            ("clients/connected", connected),
            ("clients/active", connected),
            ("clients/disconnected", away),
            ("clients/inactive", away),
            ("clients/expired", now.expired),
            ("clients/maximum", self.most),
            ("messages/received", now.packets_read),
            ("messages/sent", now.packets_written),
            ("messages/stored", now.stored),
            ("store/messages/count", now.stored),
            ("store/messages/bytes", now.stored_bytes),
            ("publish/messages/received", now.publishes_read),
            ("publish/messages/sent", now.publishes_written),
            ("publish/messages/dropped", now.dropped),
            ("publish/bytes/received", now.payload_read),
            ("publish/bytes/sent", now.payload_written),
            ("bytes/received", now.bytes_read),
            ("bytes/sent", now.bytes_written),
            ("retained messages/count", now.retained),
            ("subscriptions/count", now.subscriptions),
            ("shared_subscriptions/count", now.shared_subscriptions),
        ];
        let mut texts = vec![
            ("version".to_owned(), format!("fleetline version {}", env!("CARGO_PKG_VERSION"))),
            ("uptime".to_owned(), format!("{} seconds", now.uptime.as_secs())),
        ];
        texts.extend(counts.map(|(name, count)| (name.to_owned(), count.to_string())));
        for (load, (name, _)) in self.loads.iter().zip(LOADS) {
            for (average, minutes) in load.iter().zip([1, 5, 15]) {
                texts.push((format!("load/{name}/{minutes}min"), format!("{average:.2}")));
            }
        }
        texts
    }
}

/// Updates the averages with the counts of an interval.
#[expect(clippy::cast_precision_loss, reason = "an average, told with two decimals")]
fn average(load: &mut Load, count: u64, elapsed: Duration) {
    let rate = count as f64 * 60.0 / elapsed.as_secs_f64();
    for (average, minutes) in load.iter_mut().zip([1.0, 5.0, 15.0]) {
        let kept = (-elapsed.as_secs_f64() / (60.0 * minutes)).exp();
        *average = rate + kept * (*average - rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, packets_read: u64, connected: u64) -> Snapshot {
        let uptime = Duration::from_secs(seconds);
        Snapshot { uptime, packets_read, connected, ..Snapshot::default() }
    }

    #[test]
    fn a_topic_is_published_when_its_text_has_changed_at_an_interval() {
        let mut topics = SysTopics::new(Duration::from_secs(10));
        assert!(topics.is_due(Duration::ZERO));
        let first = topics.changed(at(0, 0, 3));
        let told = |all: &[(String, String)], name: &str| {
            let topic = format!("$SYS/broker/{name}");
            all.iter().find(|(known, _)| *known == topic).map(|(_, text)| text.clone())
        };
        assert_eq!(first.len(), 2 + 22 + 27);
        assert_eq!(told(&first, "clients/connected").as_deref(), Some("3"));
        assert_eq!(told(&first, "retained messages/count").as_deref(), Some("0"));
        assert_eq!(told(&first, "uptime").as_deref(), Some("0 seconds"));
        assert!(told(&first, "version").is_some_and(|text| text.starts_with("fleetline version ")));
        assert!(!topics.is_due(Duration::from_secs(9)) && topics.is_due(Duration::from_secs(10)));
        let next = topics.changed(at(10, 100, 1));
        assert_eq!(told(&next, "uptime").as_deref(), Some("10 seconds"));
        assert_eq!(told(&next, "messages/received").as_deref(), Some("100"));
        assert_eq!(told(&next, "clients/connected").as_deref(), Some("1"));
        assert_eq!(told(&next, "clients/maximum"), None, "the most were three, as told");
        assert_eq!(told(&next, "version"), None);
        // 600 a minute for ten seconds: 600 * (1 - e^(-1/6)).
        assert_eq!(told(&next, "load/messages/received/1min").as_deref(), Some("92.11"));
        assert_eq!(told(&next, "load/messages/sent/1min"), None);
        assert!(!SysTopics::new(Duration::ZERO).is_due(Duration::from_hours(1)), "it is off");
    }
}
