//! The session's rules, one situation per test.

use std::{num::NonZeroU16, sync::Arc};

use super::super::*;
use crate::{
    mqtt::{
        clock::Tick,
        close::Close,
        wire::{Publish, Qos, Version, Violation, peek},
    },
    uplink::{MessageOutcome, Taken},
};

pub(super) const LIMITS: SessionLimits = SessionLimits {
    receive_maximum: 3,
    session_bytes_max: 1000,
    topic_alias_max: 2,
    topic_bytes_max: 40,
    topic_levels_max: 4,
    user_properties_max: 1,
    packet_ticks: 120,
    idle_ticks: 0,
    queue: QueueLimits {
        messages_max: 5,
        bytes_max: 10_000,
        in_flight_max: 3,
        subscriptions_max: 2,
        topic_alias_max: 1,
    },
};

const TAKES: ClientLimits =
    ClientLimits { receive_maximum: u16::MAX, packet_bytes_max: usize::MAX, topic_alias_max: 0 };

const TERMS: Terms = Terms {
    version: Version::V5,
    keep_alive: 10,
    wants_persistence: false,
    wants_reasons: false,
    takes: TAKES,
};

fn fresh(version: Version) -> Session {
    session_of(Terms { version, ..TERMS })
}

fn session_of(terms: Terms) -> Session {
    Session::new(terms, Arc::new(LIMITS), Tick(0))
}

fn publish(qos: Qos, id: u16) -> Publish<'static> {
    Publish {
        qos,
        retain: false,
        topic: "a/b",
        packet_id: NonZeroU16::new(id),
        topic_alias: None,
        content_type: None,
        message_expiry: None,
        user_properties: 0,
        properties: b"",
        payload: b"payload",
    }
}

fn id(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("not zero")
}

/// Queues a publish as the worker does; it waits for one lane.
fn take(session: &mut Session, publish: &Publish<'_>) -> u64 {
    assert_eq!(session.admit(*publish), Ok(Action::Take(*publish)));
    let seq = session.next_seq();
    session.queue(publish, held(1, MessageOutcome::Spooled));
    seq
}

fn held(waits: u8, outcome: MessageOutcome) -> Held {
    Held::of(Taken { waits, outcome })
}

fn acknowledged(session: &mut Session) -> Vec<u8> {
    let mut out = Vec::new();
    session.acknowledge(&mut out);
    out
}

#[test]
fn nothing_is_acknowledged_before_it_is_durable_and_then_in_order() {
    // UP-1 and MQ-1: the second publish is durable first and waits for the first.
    let mut session = fresh(Version::V3);
    let first = take(&mut session, &publish(Qos::AtLeastOnce, 7));
    let second = take(&mut session, &publish(Qos::AtLeastOnce, 8));
    assert_eq!(acknowledged(&mut session), Vec::<u8>::new());
    session.durable(second, 1, |_| ());
    assert_eq!(acknowledged(&mut session), Vec::<u8>::new());
    session.durable(first, 1, |_| ());
    assert_eq!(acknowledged(&mut session), [0x40, 2, 0, 7, 0x40, 2, 0, 8]);
    assert!(session.is_idle());
}

#[test]
fn a_message_with_points_and_a_dead_letter_waits_for_both() {
    let mut session = fresh(Version::V5);
    let mut finished = Vec::new();
    assert_eq!(
        session.admit(publish(Qos::AtLeastOnce, 7)),
        Ok(Action::Take(publish(Qos::AtLeastOnce, 7)))
    );
    session.queue(&publish(Qos::AtLeastOnce, 7), held(2, MessageOutcome::DeadLettered));
    session.durable(0, 1, |outcome| finished.push(outcome));
    assert_eq!((acknowledged(&mut session), finished.len()), (vec![], 0));
    session.durable(0, 1, |outcome| finished.push(outcome));
    assert_eq!(acknowledged(&mut session), [0x40, 3, 0, 7, 0x99]);
    assert_eq!(finished, [MessageOutcome::DeadLettered]);
}

#[test]
fn a_repeated_publish_of_qos_2_is_taken_once() {
    let mut session = fresh(Version::V3);
    let seq = take(&mut session, &publish(Qos::ExactlyOnce, 7));
    assert_eq!(session.admit(publish(Qos::ExactlyOnce, 7)), Ok(Action::Nothing));
    session.durable(seq, 1, |_| ());
    assert_eq!(acknowledged(&mut session), [0x50, 2, 0, 7]);
    assert_eq!(session.admit(publish(Qos::ExactlyOnce, 7)), Ok(Action::Nothing));
    assert_eq!(acknowledged(&mut session), [0x50, 2, 0, 7]);
    let mut out = Vec::new();
    assert!(!session.release(id(7), false, &mut out));
    assert_eq!(out, [0x70, 2, 0, 7]);
    assert_eq!(
        session.admit(publish(Qos::ExactlyOnce, 7)),
        Ok(Action::Take(publish(Qos::ExactlyOnce, 7)))
    );
}

#[test]
fn a_repeated_pubrel_has_one_pubcomp_and_only_after_the_disk() {
    let mut session = fresh(Version::V3);
    session.lasts(Resume { session: 1, first: 1, sent: 1, next: 1, memory_max: 100 }, &[7]);
    let mut out = Vec::new();
    assert!(session.release(id(7), true, &mut out), "the journal is to be told");
    assert!(!session.release(id(7), true, &mut out), "once");
    assert_eq!(out, Vec::<u8>::new());
    session.completed(id(7), &mut out);
    assert_eq!(out, [0x70, 2, 0, 7]);
    // The PUBCOMP was lost.
    out.clear();
    assert!(!session.release(id(7), true, &mut out));
    assert_eq!(out, [0x70, 2, 0, 7]);
    // An identifier that is used again before its PUBCOMP was sent begins another exchange.
    session.lasts(Resume { session: 1, first: 1, sent: 1, next: 1, memory_max: 100 }, &[8]);
    assert!(session.release(id(8), true, &mut out));
    take(&mut session, &publish(Qos::ExactlyOnce, 8));
    session.completed(id(8), &mut out);
    assert_eq!(session.admit(publish(Qos::ExactlyOnce, 8)), Ok(Action::Nothing));
}

#[test]
fn a_refused_exchange_of_qos_2_frees_its_id_if_the_version_has_reason_codes() {
    for (version, free) in [(Version::V5, true), (Version::V3, false)] {
        let mut session = fresh(version);
        assert_eq!(
            session.admit(publish(Qos::ExactlyOnce, 7)),
            Ok(Action::Take(publish(Qos::ExactlyOnce, 7)))
        );
        session.queue(&publish(Qos::ExactlyOnce, 7), held(0, MessageOutcome::DeadLettered));
        acknowledged(&mut session);
        let again = session.admit(publish(Qos::ExactlyOnce, 7));
        assert_eq!(
            again,
            Ok(if free { Action::Take(publish(Qos::ExactlyOnce, 7)) } else { Action::Nothing })
        );
    }
}

#[test]
fn one_publish_over_the_receive_maximum_ends_a_5_0_session() {
    let mut session = fresh(Version::V5);
    take(&mut session, &publish(Qos::AtLeastOnce, 1));
    take(&mut session, &publish(Qos::ExactlyOnce, 2));
    take(&mut session, &publish(Qos::AtLeastOnce, 3));
    assert!(!session.is_full(), "its pings are still read");
    assert_eq!(
        session.admit(publish(Qos::AtMostOnce, 0)),
        Ok(Action::Take(publish(Qos::AtMostOnce, 0)))
    );
    assert_eq!(session.admit(publish(Qos::AtLeastOnce, 4)), Err(Violation::ReceiveMaximumExceeded));
}

#[test]
fn a_3_1_1_session_is_read_until_its_bounds() {
    let mut session = fresh(Version::V3);
    for id in 1..=3 {
        assert!(!session.is_full());
        take(
            &mut session,
            &publish(
                if id == 2 { Qos::AtMostOnce } else { Qos::AtLeastOnce },
                if id == 2 { 0 } else { id },
            ),
        );
    }
    assert!(session.is_full());
    let mut session = fresh(Version::V3);
    let payload = [0; 1000];
    take(&mut session, &Publish { payload: &payload, ..publish(Qos::AtMostOnce, 0) });
    assert!(session.is_full());
    session.durable(0, 1, |_| ());
    acknowledged(&mut session);
    assert!(!session.is_full());
}

#[test]
fn an_alias_stands_for_the_topic_it_came_with() {
    let mut session = fresh(Version::V5);
    let named = Publish { topic_alias: Some(2), ..publish(Qos::AtMostOnce, 0) };
    let unnamed = Publish { topic: "", ..named };
    assert_eq!(session.admit(unnamed), Err(Violation::Protocol));
    assert_eq!(session.admit(named), Ok(Action::Take(named)));
    assert_eq!(session.admit(unnamed), Ok(Action::Take(unnamed)));
    assert_eq!(session.topic(&unnamed), "a/b");
    let over = Publish { topic_alias: Some(3), ..publish(Qos::AtMostOnce, 0) };
    assert_eq!(session.admit(over), Err(Violation::TopicAliasInvalid));
}

#[test]
fn bounds_on_topics_and_properties_are_enforced() {
    let mut session = fresh(Version::V5);
    let deep = Publish { topic: "a/b/c/d/e", ..publish(Qos::AtMostOnce, 0) };
    assert_eq!(session.admit(deep), Err(Violation::TopicNameInvalid));
    let many = Publish { user_properties: 2, ..publish(Qos::AtMostOnce, 0) };
    assert_eq!(session.admit(many), Err(Violation::QuotaExceeded));
    let ours = Publish { topic: "$SYS/x", ..publish(Qos::AtLeastOnce, 1) };
    assert_eq!(session.admit(ours), Ok(Action::Refuse(ours)));
}

#[test]
fn at_most_one_more_pubrec_waits_if_a_qos_2_publish_is_repeated_often() {
    for version in [Version::V3, Version::V5] {
        let mut session = fresh(version);
        let seq = take(&mut session, &publish(Qos::ExactlyOnce, 7));
        session.durable(seq, 1, |_| ());
        acknowledged(&mut session);
        for _ in 0..10_000 {
            assert_eq!(session.admit(publish(Qos::ExactlyOnce, 7)), Ok(Action::Nothing));
        }
        assert_eq!(session.next_seq(), 2, "one stand-in");
        assert_eq!(acknowledged(&mut session), [0x50, 2, 0, 7]);
        assert_eq!(session.admit(publish(Qos::ExactlyOnce, 7)), Ok(Action::Nothing));
        assert_eq!(acknowledged(&mut session), [0x50, 2, 0, 7]);
    }
}

/// `m4-pubcomp-of-nothing`: 5.0 has a reason code for an unknown identifier.
#[test]
fn a_pubrel_of_an_unknown_id_is_answered_with_the_code_of_the_version() {
    let answer = |version, packet: &[u8]| {
        let mut out = Vec::new();
        let mut session = fresh(version);
        let action = on_packet(&mut session, packet, &mut out).expect("no rule is broken");
        assert_eq!(action, Action::Nothing);
        out
    };
    assert_eq!(answer(Version::V5, b"\x62\x02\x00\x07"), [0x70, 3, 0, 7, 0x92]);
    assert_eq!(answer(Version::V3, b"\x62\x02\x00\x07"), [0x70, 2, 0, 7]);
    assert_eq!(answer(Version::V5, b"\x50\x02\x00\x07"), [0x62, 2, 0, 7]);
    assert_eq!(answer(Version::V3, b"\x50\x02\x00\x07"), [0x62, 2, 0, 7]);
}

/// A publish waits for its subscribers' workers as it waits for the disk.
#[test]
fn a_publish_waits_until_every_worker_has_delivered_it_to_its_subscribers() {
    let mut session = fresh(Version::V5);
    let seq = session.next_seq();
    let taken = Taken { waits: 1, outcome: MessageOutcome::Spooled };
    session.queue(&publish(Qos::AtLeastOnce, 7), Held { passes: 2, ..Held::of(taken) });
    session.durable(seq, 1, |_| ());
    session.passed(seq);
    assert_eq!(acknowledged(&mut session), Vec::<u8>::new());
    session.passed(seq);
    assert_eq!(acknowledged(&mut session), [0x40, 2, 0, 7]);
    // No mapping takes it, and nobody subscribes.
    session.queue(&publish(Qos::AtLeastOnce, 8), held(0, MessageOutcome::Unmapped));
    assert_eq!(acknowledged(&mut session), [0x40, 3, 0, 8, 0x10]);
}

/// `m6-disconnect-expiry`: the value in the CONNECT counts.
#[test]
fn a_disconnect_may_raise_an_expiry_that_was_not_zero() {
    let goodbye = b"\xe0\x07\x00\x05\x11\x00\x00\x00\x3c";
    let ends = |wants_persistence, packet: &[u8]| {
        let terms = Terms { keep_alive: 0, wants_persistence, ..TERMS };
        on_packet(&mut session_of(terms), packet, &mut Vec::new()).map(|_| ())
    };
    assert!(matches!(ends(true, goodbye), Err(Close::Goodbye { with_will: false, .. })));
    assert!(matches!(ends(false, goodbye), Err(Close::Reason(0x82))));
    let zero = b"\xe0\x07\x00\x05\x11\x00\x00\x00\x00";
    assert!(matches!(ends(false, zero), Err(Close::Goodbye { with_will: false, .. })));
}

/// `m5-keep-alive-in-a-packet`: received bytes are a sign of life, as long as a packet may take.
#[test]
fn the_keep_alive_counts_between_packets_and_not_in_one() {
    let cause = |session: &Session, tick| session.overdue(Tick(tick)).map(|overdue| overdue.cause);
    let mut session = fresh(Version::V3);
    assert_eq!(cause(&session, 30), None);
    assert_eq!(cause(&session, 31), Some("keep-alive-timeout"), "15 s");
    // A part of a packet arrives at 10 s, and more of it later.
    session.read(false, true, Tick(20));
    session.read(false, true, Tick(100));
    assert_eq!(cause(&session, 140), None);
    assert_eq!(cause(&session, 141), Some("packet-timeout"), "60 s after its first byte");
    session.read(true, false, Tick(130));
    assert_eq!(cause(&session, 160), None);
    assert_eq!(cause(&session, 161), Some("keep-alive-timeout"));
    session.resumed(Tick(200));
    assert_eq!(cause(&session, 230), None, "a pause of ours is no silence of its");
}

/// `mqtt.idle-max` bounds a keep alive that is longer, or none, and no shorter one.
#[test]
fn idle_max_bounds_a_longer_keep_alive_or_none() {
    let limits = SessionLimits { idle_ticks: 20, ..LIMITS };
    for (keep_alive, last, cause) in [
        (0, 20, "idle-max"),
        (60, 20, "idle-max"),
        (7, 20, "idle-max"),
        (6, 18, "keep-alive-timeout"),
    ] {
        let session = Session::new(Terms { keep_alive, ..TERMS }, Arc::new(limits), Tick(0));
        assert!(session.overdue(Tick(last)).is_none(), "{keep_alive}");
        let overdue = session.overdue(Tick(last + 1)).expect("overdue");
        assert_eq!(overdue.cause, cause, "{keep_alive}");
    }
}

fn on_packet<'a>(
    session: &mut Session,
    packet: &'a [u8],
    out: &mut Vec<u8>,
) -> Result<Action<'a>, Close> {
    let frame = peek(packet, 1000).expect("a packet").expect("whole");
    session.on_packet(frame, packet, out)
}
