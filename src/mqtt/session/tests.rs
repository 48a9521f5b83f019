//! The session's rules, one situation a test.

use std::num::NonZeroU16;

use super::*;
use crate::{
    mqtt::wire::{Publish, Qos, Version, Violation},
    uplink::Settlement,
};

const LIMITS: SessionLimits = SessionLimits {
    receive_maximum: 3,
    session_bytes_max: 1000,
    topic_alias_max: 2,
    topic_bytes_max: 40,
    topic_levels_max: 4,
    user_properties_max: 1,
};

fn publish(qos: Qos, id: u16) -> Publish<'static> {
    Publish {
        qos,
        retain: false,
        topic: "a/b",
        packet_id: NonZeroU16::new(id),
        topic_alias: None,
        content_type: None,
        user_properties: 0,
        payload: b"payload",
    }
}

/// Takes a publish in as the shell does; it waits for one lane.
fn take(session: &mut Session, publish: &Publish<'_>) -> u64 {
    assert_eq!(session.admit(publish), Ok(Admit::Take));
    let seq = session.next_seq();
    session.queue(publish, 1, Settlement::Spooled);
    seq
}

fn acknowledged(session: &mut Session) -> Vec<u8> {
    let mut out = Vec::new();
    session.acknowledge(&mut out);
    out
}

#[test]
fn nothing_is_acknowledged_before_it_is_durable_and_then_in_order() {
    // UP-1 and MQ-1: the second publish is durable first and waits for the first.
    let mut session = Session::new(Version::V3, LIMITS);
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
    let mut session = Session::new(Version::V5, LIMITS);
    let mut settled = Vec::new();
    assert_eq!(session.admit(&publish(Qos::AtLeastOnce, 7)), Ok(Admit::Take));
    session.queue(&publish(Qos::AtLeastOnce, 7), 2, Settlement::DeadLettered);
    session.durable(0, 1, |settlement| settled.push(settlement));
    assert_eq!((acknowledged(&mut session), settled.len()), (vec![], 0));
    session.durable(0, 1, |settlement| settled.push(settlement));
    assert_eq!(acknowledged(&mut session), [0x40, 3, 0, 7, 0x99]);
    assert_eq!(settled, [Settlement::DeadLettered]);
}

#[test]
fn a_repeated_publish_of_qos_2_is_taken_once() {
    let mut session = Session::new(Version::V3, LIMITS);
    let seq = take(&mut session, &publish(Qos::ExactlyOnce, 7));
    assert_eq!(session.admit(&publish(Qos::ExactlyOnce, 7)), Ok(Admit::Again));
    session.durable(seq, 1, |_| ());
    assert_eq!(acknowledged(&mut session), [0x50, 2, 0, 7]);
    assert_eq!(session.admit(&publish(Qos::ExactlyOnce, 7)), Ok(Admit::Again));
    assert_eq!(acknowledged(&mut session), [0x50, 2, 0, 7]);
    let mut out = Vec::new();
    session.release(NonZeroU16::new(7).expect("not zero"), &mut out);
    assert_eq!(out, [0x70, 2, 0, 7]);
    assert_eq!(session.admit(&publish(Qos::ExactlyOnce, 7)), Ok(Admit::Take));
}

#[test]
fn a_refused_exchange_of_qos_2_frees_its_id_where_the_client_can_know() {
    for (version, free) in [(Version::V5, true), (Version::V3, false)] {
        let mut session = Session::new(version, LIMITS);
        assert_eq!(session.admit(&publish(Qos::ExactlyOnce, 7)), Ok(Admit::Take));
        session.queue(&publish(Qos::ExactlyOnce, 7), 0, Settlement::DeadLettered);
        acknowledged(&mut session);
        let again = session.admit(&publish(Qos::ExactlyOnce, 7));
        assert_eq!(again, Ok(if free { Admit::Take } else { Admit::Again }));
    }
}

#[test]
fn one_publish_over_the_receive_maximum_ends_a_5_0_session() {
    let mut session = Session::new(Version::V5, LIMITS);
    take(&mut session, &publish(Qos::AtLeastOnce, 1));
    take(&mut session, &publish(Qos::ExactlyOnce, 2));
    take(&mut session, &publish(Qos::AtLeastOnce, 3));
    assert!(!session.is_full(), "its pings are still read");
    assert_eq!(session.admit(&publish(Qos::AtMostOnce, 0)), Ok(Admit::Take));
    assert_eq!(
        session.admit(&publish(Qos::AtLeastOnce, 4)),
        Err(Violation::ReceiveMaximumExceeded)
    );
}

#[test]
fn a_3_1_1_session_is_read_until_its_bounds() {
    let mut session = Session::new(Version::V3, LIMITS);
    for id in 1..=3 {
        assert!(!session.is_full());
        let (qos, id) = if id == 2 { (Qos::AtMostOnce, 0) } else { (Qos::AtLeastOnce, id) };
        take(&mut session, &publish(qos, id));
    }
    assert!(session.is_full());
    let mut session = Session::new(Version::V3, LIMITS);
    let payload = [0; 1000];
    take(&mut session, &Publish { payload: &payload, ..publish(Qos::AtMostOnce, 0) });
    assert!(session.is_full());
    session.durable(0, 1, |_| ());
    acknowledged(&mut session);
    assert!(!session.is_full());
}

#[test]
fn an_alias_stands_for_the_topic_it_came_with() {
    let mut session = Session::new(Version::V5, LIMITS);
    let named = Publish { topic_alias: Some(2), ..publish(Qos::AtMostOnce, 0) };
    let unnamed = Publish { topic: "", ..named };
    assert_eq!(session.admit(&unnamed), Err(Violation::Protocol));
    assert_eq!(session.admit(&named), Ok(Admit::Take));
    assert_eq!(session.admit(&unnamed), Ok(Admit::Take));
    assert_eq!(session.topic(&unnamed), "a/b");
    let over = Publish { topic_alias: Some(3), ..publish(Qos::AtMostOnce, 0) };
    assert_eq!(session.admit(&over), Err(Violation::TopicAliasInvalid));
}

#[test]
fn bounds_on_topics_and_properties_are_held() {
    let mut session = Session::new(Version::V5, LIMITS);
    let deep = Publish { topic: "a/b/c/d/e", ..publish(Qos::AtMostOnce, 0) };
    assert_eq!(session.admit(&deep), Err(Violation::TopicNameInvalid));
    let many = Publish { user_properties: 2, ..publish(Qos::AtMostOnce, 0) };
    assert_eq!(session.admit(&many), Err(Violation::QuotaExceeded));
    let ours = Publish { topic: "$SYS/x", ..publish(Qos::AtLeastOnce, 1) };
    assert_eq!(session.admit(&ours), Ok(Admit::Refuse));
}
