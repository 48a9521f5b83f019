//! The outbound side of a session, one situation per test.

use std::{num::NonZeroU16, sync::Arc, time::Duration};

use super::{
    super::{delivery::*, outbound::*, rules::SessionLimits},
    rules::LIMITS,
};
use crate::mqtt::{
    router::{Expiry, Message, SubscriptionIds},
    wire::{Body, Frame, Kind, Publish, Qos, Version, Violation, peek, read_publish},
};

const TAKES: ClientLimits =
    ClientLimits { receive_maximum: 9, packet_bytes_max: 50, topic_alias_max: 9 };
const ROOM: usize = 1_000_000;

fn outbound(version: Version) -> Outbound {
    Outbound::new(version, TAKES, Arc::new(LIMITS))
}

fn delivery(qos: Qos, payload: &str, expires: Option<u32>) -> Delivery {
    let message = Message {
        body: Body::new("a/b", b"", payload.as_bytes()),
        qos,
        retain: false,
        expires: expires.map(|seconds| Expiry::after(seconds, Duration::ZERO)),
        publisher: None,
        retained_as: 0,
        command: None,
    };
    Delivery {
        message: Arc::new(message),
        qos,
        retain: false,
        ids: SubscriptionIds::None,
        group: None,
    }
}

/// The publishes of a write: identifier and payload.
fn sent(outbound: &mut Outbound, version: Version, now: u64) -> Vec<(u16, String)> {
    let mut out = Vec::new();
    outbound.fill(&mut out, ROOM, Duration::from_secs(now));
    let mut rest = &out[..];
    let mut found = Vec::new();
    while let Some(Frame { kind, header, len }) = peek(rest, usize::MAX).expect("packets") {
        let Kind::Publish(flags) = kind else { panic!("a PUBLISH") };
        let read = read_publish(version, flags, &rest[header..len]).expect("well formed");
        let Publish { packet_id, payload, .. } = read;
        let payload = String::from_utf8(payload.to_vec()).expect("a text");
        found.push((packet_id.map_or(0, NonZeroU16::get), payload));
        rest = &rest[len..];
    }
    found
}

fn id(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("not zero")
}

#[test]
fn messages_in_flight_are_bounded_and_acknowledgements_make_room() {
    let mut outbound = outbound(Version::V3);
    for number in 0..5 {
        assert!(outbound.has_room(false));
        outbound.push(delivery(Qos::AtLeastOnce, &number.to_string(), None));
    }
    assert!(!outbound.has_room(false), "as many as may wait");
    let first: Vec<u16> = sent(&mut outbound, Version::V3, 0).iter().map(|(id, _)| *id).collect();
    assert_eq!(first, [1, 2, 3]);
    for number in [2, 2, 9] {
        assert_eq!(outbound.on_puback(id(number), 0), Ok(()));
    }
    assert_eq!(sent(&mut outbound, Version::V3, 0), [(4, "3".to_owned())]);
    for number in [1, 3, 4] {
        assert_eq!(outbound.on_puback(id(number), 0), Ok(()));
    }
    assert_eq!(sent(&mut outbound, Version::V3, 0), [(5, "4".to_owned())]);
    assert_eq!(outbound.on_puback(id(5), 0x87), Ok(()));
    assert_eq!((outbound.len(), outbound.bytes()), (0, 0));
    let outcomes = outbound.outcomes();
    assert_eq!((outcomes.delivered, outcomes.refused), (4, 1));
}

#[test]
fn identifiers_wrap_around_and_one_in_use_is_not_given_again() {
    let queue = QueueLimits { messages_max: usize::MAX, bytes_max: usize::MAX, ..LIMITS.queue };
    let limits = Arc::new(SessionLimits { queue, ..LIMITS });
    let mut outbound = Outbound::new(Version::V3, TAKES, limits);
    outbound.push(delivery(Qos::AtLeastOnce, "held", None));
    assert_eq!(sent(&mut outbound, Version::V3, 0), [(1, "held".to_owned())]);
    for number in 0..70_000_u32 {
        outbound.push(delivery(Qos::AtLeastOnce, "x", None));
        let sent = sent(&mut outbound, Version::V3, 0);
        if let Some((given, _)) = sent.first() {
            assert_ne!(*given, 1, "after {number}");
            assert_eq!(outbound.on_puback(id(*given), 0), Ok(()));
        }
    }
    assert!(outbound.len() > 4000, "they wait for the one that is held (OU-2)");
    assert_eq!(outbound.on_puback(id(1), 0), Ok(()));
    assert_eq!(sent(&mut outbound, Version::V3, 0).len(), 3);
}

#[test]
fn qos_2_goes_through_its_exchange_once() {
    let mut outbound = outbound(Version::V5);
    outbound.push(delivery(Qos::ExactlyOnce, "x", None));
    assert_eq!(sent(&mut outbound, Version::V5, 0).len(), 1);
    let mut out = Vec::new();
    assert_eq!(outbound.on_puback(id(1), 0), Err(Violation::Protocol));
    assert_eq!(outbound.on_pubcomp(id(1)), Err(Violation::Protocol));
    assert_eq!(outbound.on_pubrec(id(1), 0, &mut out), Ok(()));
    assert_eq!(outbound.on_pubrec(id(1), 0, &mut out), Ok(()));
    assert_eq!(out, [0x62, 2, 0, 1, 0x62, 2, 0, 1]);
    assert_eq!(outbound.bytes(), 0, "the message is the receiver's");
    assert_eq!(outbound.on_puback(id(1), 0), Err(Violation::Protocol));
    assert_eq!(outbound.on_pubcomp(id(1)), Ok(()));
    assert_eq!((outbound.len(), outbound.outcomes().delivered), (0, 1));
    out.clear();
    assert_eq!(outbound.on_pubrec(id(1), 0, &mut out), Ok(()));
    assert_eq!(out, [0x62, 2, 0, 1]);
    outbound.push(delivery(Qos::ExactlyOnce, "y", None));
    assert_eq!(sent(&mut outbound, Version::V5, 0).len(), 1);
    out.clear();
    assert_eq!(outbound.on_pubrec(id(2), 0x97, &mut out), Ok(()));
    assert_eq!((out.len(), outbound.len(), outbound.outcomes().refused), (0, 0, 1));
    outbound.push(delivery(Qos::AtLeastOnce, "z", None));
    assert_eq!(sent(&mut outbound, Version::V5, 0).len(), 1);
    assert_eq!(outbound.on_pubrec(id(3), 0, &mut out), Err(Violation::Protocol));
}

#[test]
fn expired_or_too_large_messages_are_counted_and_not_sent() {
    let mut outbound = outbound(Version::V5);
    outbound.push(delivery(Qos::AtLeastOnce, "old", Some(10)));
    outbound.push(delivery(Qos::AtMostOnce, "old", Some(10)));
    outbound.push(delivery(Qos::AtLeastOnce, &"x".repeat(60), None));
    outbound.push(delivery(Qos::AtLeastOnce, "good", Some(11)));
    assert_eq!(sent(&mut outbound, Version::V5, 10), [(3, "good".to_owned())]);
    let outcomes = outbound.outcomes();
    assert_eq!((outcomes.expired, outcomes.too_large, outcomes.delivered), (2, 1, 0));
    assert_eq!(outbound.on_puback(id(3), 0), Ok(()));
    assert_eq!((outbound.len(), outbound.bytes()), (0, 0));
}

#[test]
fn the_oldest_message_is_dropped_for_a_newer_one_if_that_is_configured() {
    let mut outbound = outbound(Version::V3);
    for number in 0..5 {
        outbound.push(delivery(Qos::AtLeastOnce, &number.to_string(), None));
    }
    sent(&mut outbound, Version::V3, 0);
    assert!(outbound.drop_oldest());
    outbound.push(delivery(Qos::AtLeastOnce, "5", None));
    for number in 1..=3 {
        assert_eq!(outbound.on_puback(id(number), 0), Ok(()));
    }
    let left: Vec<String> =
        sent(&mut outbound, Version::V3, 0).into_iter().map(|(_, text)| text).collect();
    assert_eq!(left, ["4", "5"]);
    assert!(!outbound.drop_oldest(), "all are under way");
    assert_eq!(outbound.outcomes().overtaken, 1);
}

#[test]
fn an_alias_stands_for_a_topic_that_the_client_has_seen() {
    let mut outbound = outbound(Version::V5);
    let mut out = Vec::new();
    for _ in 0..2 {
        outbound.push(delivery(Qos::AtMostOnce, "x", None));
        outbound.fill(&mut out, ROOM, Duration::ZERO);
    }
    let expect: &[u8] = b"\x30\x0a\0\x03a/b\x03\x23\0\x01x\x30\x07\0\0\x03\x23\0\x01x";
    assert_eq!(out, expect);
}
