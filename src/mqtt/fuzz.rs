//! The checks of the fuzz targets: arbitrary bytes go through the codec, the rules of a session and
//! the topic tree, and each must keep its invariants. Public for `tests/fuzz` and for the replay of
//! its finds; the product itself does not use it.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::{NonZeroU16, NonZeroU32},
    sync::Arc,
    time::Duration,
};

use super::{
    clock::Tick,
    connect::{Announced, Granted, accept},
    router::{Filter, Message, RetainedLimits, Router, Subscriber, SubscriptionIds},
    session::{
        Action, ClientLimits, Delivery, Held, QueueLimits, Session, SessionLimits, Subscription,
        Terms,
    },
    wire::{
        AckKind, Body, Kind, Outgoing, Publish, Qos, ServerKind, Version, peek, peek_server,
        read_ack, read_connack, read_disconnect, read_publish, read_suback, read_subscribe,
        read_unsubscribe,
    },
};
use crate::{
    model::SessionId,
    uplink::{MessageOutcome, Taken},
};

/// Packets are read up to this size.
const PACKET_MAX: usize = 1 << 20;

/// Bytes of a client and of a server, in both versions: each packet is read or refused, and a
/// PUBLISH that was read is written again unchanged.
pub fn codec(data: &[u8]) {
    for version in [Version::V3, Version::V5] {
        let mut rest = data;
        while let Ok(Some(frame)) = peek(rest, PACKET_MAX) {
            let (packet, after) = rest.split_at(frame.len);
            of_client(version, frame.kind, packet, frame.header);
            rest = after;
        }
        let mut rest = data;
        while let Ok(Some(frame)) = peek_server(rest, PACKET_MAX) {
            let (packet, after) = rest.split_at(frame.len);
            let body = &packet[frame.header..];
            match frame.kind {
                ServerKind::ConnAck => tried(read_connack(version, body)),
                ServerKind::SubAck => tried(read_suback(version, body)),
                ServerKind::Publish(flags) => tried(read_publish(version, flags, body)),
                _ => tried(read_ack(version, AckKind::Ack, body)),
            }
            rest = after;
        }
    }
}

/// It was read or refused: both are correct.
fn tried<T, E>(_: Result<T, E>) {}

fn of_client(version: Version, kind: Kind, packet: &[u8], header: usize) {
    let body = &packet[header..];
    match kind {
        Kind::Connect => {
            let announced = Announced {
                receive_maximum: NonZeroU16::MAX,
                packet_bytes_max: u32::MAX,
                topic_alias_max: 10,
                keep_alive_max: 60,
            };
            if let Ok(accepted) =
                accept(packet, header, announced, || "assigned".to_owned(), |_will| Ok(()))
            {
                let mut connack = Vec::new();
                if accepted.write_connack(announced, Granted::default(), &mut connack) {
                    let frame = peek_server(&connack, PACKET_MAX).expect("our own");
                    let frame = frame.expect("it is whole");
                    let read = read_connack(accepted.version(), &connack[frame.header..]);
                    assert_eq!(read.expect("our own").reason, 0);
                }
            }
        }
        Kind::Publish(flags) => {
            if let Ok(publish) = read_publish(version, flags, body) {
                is_written_unchanged(version, &publish);
            }
        }
        Kind::PubAck => tried(read_ack(version, AckKind::Ack, body)),
        Kind::PubRec => tried(read_ack(version, AckKind::Rec, body)),
        Kind::PubRel => tried(read_ack(version, AckKind::Rel, body)),
        Kind::PubComp => tried(read_ack(version, AckKind::Comp, body)),
        Kind::Subscribe => {
            for (filter, _) in read_subscribe(version, body).into_iter().flat_map(|it| it.filters) {
                tried(Filter::read(filter));
            }
        }
        Kind::Unsubscribe => tried(read_unsubscribe(version, body).map(|it| it.filters.len())),
        Kind::Disconnect => tried(read_disconnect(version, body)),
        Kind::PingReq | Kind::Auth => {}
    }
}

fn is_written_unchanged(version: Version, publish: &Publish<'_>) {
    if publish.topic.is_empty() {
        return; // An alias stands for it.
    }
    let body = Body::new(publish.topic, publish.properties, publish.payload);
    let outgoing = Outgoing {
        version,
        qos: publish.qos,
        retain: publish.retain,
        duplicate: false,
        packet_id: publish.packet_id,
        message_expiry: publish.message_expiry,
        subscription_ids: &[],
        alias: None,
        body: &body,
    };
    let mut out = Vec::new();
    outgoing.write(&mut out);
    assert!(out.len() <= outgoing.len_max(), "longer than it said");
    let frame = peek(&out, usize::MAX).expect("our own").expect("it is whole");
    let Kind::Publish(flags) = frame.kind else { panic!("no PUBLISH") };
    let read = read_publish(version, flags, &out[frame.header..]).expect("our own");
    assert_eq!((read.topic, read.payload), (publish.topic, publish.payload));
    assert_eq!(
        (read.qos, read.retain, read.packet_id),
        (publish.qos, publish.retain, publish.packet_id)
    );
    if version == Version::V5 {
        assert_eq!(read.content_type, publish.content_type);
        assert_eq!(read.user_properties, publish.user_properties);
        assert_eq!(read.message_expiry, publish.message_expiry);
    }
}

/// Small bounds, so that they are reached.
const LIMITS: SessionLimits = SessionLimits {
    receive_maximum: 4,
    session_bytes_max: 10_000,
    topic_alias_max: 3,
    topic_bytes_max: 100,
    topic_levels_max: 8,
    user_properties_max: 4,
    packet_ticks: 10,
    idle_ticks: 0,
    queue: QueueLimits {
        messages_max: 8,
        bytes_max: 10_000,
        in_flight_max: 4,
        subscriptions_max: 4,
        topic_alias_max: 2,
    },
};

/// The packets of one client; the first byte says how it connected. The session stays within its
/// bounds (MQ-3), and all its answers are well formed.
pub fn session(data: &[u8]) {
    let Some((&how, mut rest)) = data.split_first() else { return };
    let version = if how & 1 == 0 { Version::V3 } else { Version::V5 };
    let takes = ClientLimits {
        receive_maximum: u16::from(how >> 4) + 1,
        packet_bytes_max: if how & 2 == 0 { PACKET_MAX } else { 64 },
        topic_alias_max: u16::from(how >> 2 & 3),
    };
    let is_v5 = version == Version::V5;
    let wants_reasons = is_v5 && how & 8 != 0;
    let terms = Terms { version, keep_alive: 10, wants_persistence: false, wants_reasons, takes };
    let mut session = Session::new(terms, Arc::new(LIMITS), Tick(0));
    let mut out = Vec::new();
    let mut waiting = None;
    while !session.is_full()
        && let Ok(Some(frame)) = peek(rest, PACKET_MAX)
    {
        let (packet, after) = rest.split_at(frame.len);
        rest = after;
        let Ok(action) = session.on_packet(frame, packet, &mut out) else { break };
        act(&mut session, action, &mut waiting);
        if let Some(outbound) = session.outbound.as_mut() {
            outbound.fill(&mut out, 1 << 16, Duration::ZERO);
            assert!(outbound.in_flight() <= usize::from(takes.receive_maximum));
            let told = outbound.outcomes();
            assert!(told.delivered <= told.sent + outbound.len() as u64 + 8);
        }
        session.acknowledge(&mut out);
        let most = usize::from(LIMITS.receive_maximum);
        assert!(!is_v5 || session.unacknowledged() <= 2 * most + 1, "MQ-3");
    }
    let mut said = out.as_slice();
    while !said.is_empty() {
        let frame = peek_server(said, PACKET_MAX).expect("our own").expect("it is whole");
        said = &said[frame.len..];
    }
}

/// Acts like the worker: a publish with an odd length waits for a lane until the next one arrives;
/// matching subscriptions get the publish.
fn act(session: &mut Session, action: Action<'_>, waiting: &mut Option<u64>) {
    if let Some(seq) = waiting.take() {
        session.durable(seq, 1, |_| {});
    }
    match action {
        // `Complete` is only for persistent sessions, which are not used here.
        Action::Nothing | Action::Complete(_) => {}
        Action::Take(publish) | Action::Refuse(publish) => {
            let topic = session.topic(&publish).to_owned();
            let seq = session.next_seq();
            let waits = u8::from(publish.payload.len() % 2 == 1);
            let taken = Taken { waits, outcome: MessageOutcome::Spooled };
            session.queue(&publish, Held::of(taken));
            *waiting = (waits == 1).then_some(seq);
            let Some(outbound) = session.outbound.as_mut() else { return };
            if outbound.has_room(false) {
                let message = Message {
                    body: Body::new(&topic, publish.properties, publish.payload),
                    qos: publish.qos,
                    retain: publish.retain,
                    expires: None,
                    publisher: None,
                    retained_as: 0,
                    command: None,
                };
                let (qos, ids) = (publish.qos, SubscriptionIds::default());
                let message = Arc::new(message);
                outbound.push(Delivery { message, qos, retain: false, ids, group: None });
            }
        }
        Action::Subscribe(asked) => {
            for (filter, options) in &asked.filters {
                let outbound = session.outbound_or_new();
                if outbound.may_subscribe(filter) {
                    let id = asked.id.and_then(NonZeroU32::new);
                    outbound.subscribed(filter, Subscription { options: *options, id });
                }
            }
        }
        Action::Unsubscribe(asked) => {
            for filter in &asked.filters {
                session.outbound_or_new().unsubscribed(filter);
            }
        }
    }
}

/// Eight sessions subscribe and unsubscribe: the receivers of a topic must be those that a linear
/// search finds. Each step is a byte (the highest bit unsubscribes, three bits are the session, two
/// the QoS), a length, and a filter; each filter is also used as a topic.
pub fn tree(data: &[u8]) {
    let router = Router::new(RetainedLimits { count_max: 1, bytes_max: 1 });
    let load = Arc::default();
    let mut known: BTreeMap<(u64, &str), Qos> = BTreeMap::new();
    let mut topics = BTreeSet::from(["a", "a/b", "$a/b", "/"]);
    let mut rest = data;
    while let [step, len, after @ ..] = rest {
        let (text, after) = after.split_at((*len as usize).min(after.len()));
        rest = after;
        let Ok(text) = std::str::from_utf8(text) else { continue };
        let Ok(filter) = Filter::read(text) else { continue };
        if text.is_empty() {
            continue;
        }
        topics.extend((filter.is_exact() && filter.group.is_none()).then_some(text));
        let number = u64::from(step & 7);
        let session = SessionId { worker: 0, number };
        let qos = Qos::of(step >> 3 & 3).unwrap_or(Qos::AtMostOnce);
        if step & 0x80 == 0 {
            let is_new = known.insert((number, text), qos).is_none();
            let subscriber = Subscriber {
                session,
                qos,
                no_local: false,
                retain_as_published: false,
                is_asked: false,
                id: None,
            };
            assert_eq!(router.subscribe(filter, subscriber, &load), is_new, "{text}");
        } else {
            let was = known.remove(&(number, text)).is_some();
            assert_eq!(router.unsubscribe(filter, session), was, "{text}");
        }
        assert_eq!(router.subscriptions(), known.len());
    }
    for topic in topics {
        let mut receivers: BTreeMap<u64, Qos> = BTreeMap::new();
        let mut groups = BTreeSet::new();
        for ((number, text), qos) in &known {
            let Ok(filter) = Filter::read(text) else { continue };
            match filter.group {
                _ if !filter.matches(topic) => {}
                Some(name) => {
                    groups.insert((name, filter.levels));
                }
                None => {
                    let highest = receivers.entry(*number).or_insert(*qos);
                    *highest = (*highest).max(*qos);
                }
            }
        }
        let (route, _) = router.route(topic);
        let found = route.receivers.iter().map(|one| (one.session.number, one.qos)).collect();
        assert_eq!(receivers, found, "{topic}");
        assert_eq!(route.groups.len(), groups.len(), "{topic}");
    }
}
