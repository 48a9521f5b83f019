//! The bounds of persistent sessions, and their end when their users are removed.

use std::fs;

use super::{
    client::{MINUTE, MOMENT, start, subscribe},
    lasting::{ack, back, came, come, connect5},
};
use crate::harness::{
    Appliance, until,
    vehicle::{Packet, Vehicle, Version, connect_as, publish_packet},
};

/// A disconnected session with a subscription to `a` and room for three messages, after five were
/// published.
fn overflown(overflow: &str) -> (Appliance, Vec<u8>) {
    let (_store, appliance) = start(|setup| {
        setup
            .set("mqtt.sessions.queue-messages-max", "3")
            .set("mqtt.sessions.queue-overflow", overflow)
    });
    let (mut subscriber, _) = back(&appliance, "subscriber");
    assert_eq!(subscribe(&mut subscriber, Version::V3, "a", 1), 1);
    subscriber.send(&[0xe0, 0]);
    subscriber.expect_close();
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V5, "publisher");
    let reasons = (1..=5).map(|number: u16| {
        publisher.publish_acked("a", number.to_string().as_bytes(), number).reason()
    });
    (appliance, reasons.collect())
}

fn payloads(appliance: &Appliance) -> (bool, Vec<String>) {
    let (mut subscriber, is_present) = back(appliance, "subscriber");
    let mut payloads = Vec::new();
    loop {
        match subscriber.receive(MOMENT) {
            Packet::Nothing => return (is_present, payloads),
            packet => {
                let came = super::lasting::read(&packet);
                ack(&mut subscriber, 0x40, came.id);
                payloads.push(came.payload);
            }
        }
    }
}

#[test]
fn a_full_queue_refuses_and_a_publisher_without_other_receivers_is_told() {
    let (appliance, reasons) = overflown("refuse");
    assert_eq!(reasons, [0, 0, 0, 0x97, 0x97]);
    assert_eq!(payloads(&appliance), (true, vec!["1".into(), "2".into(), "3".into()]));
    assert_eq!(appliance.count("deliveries.dropped"), 2);
    appliance.stats();
}

#[test]
fn a_full_queue_drops_its_oldest_message() {
    let (appliance, reasons) = overflown("drop-oldest");
    assert_eq!(reasons, [0; 5]);
    assert_eq!(payloads(&appliance), (true, vec!["3".into(), "4".into(), "5".into()]));
    assert_eq!(appliance.count("deliveries.dropped"), 2);
    appliance.stats();
}

#[test]
fn a_full_queue_ends_its_session() {
    let (appliance, reasons) = overflown("end-session");
    assert_eq!(reasons, [0, 0, 0, 0x97, 0x10], "the fourth ends it, then nobody subscribes");
    assert_eq!(payloads(&appliance), (false, Vec::new()));
    assert_eq!(appliance.count("deliveries.dropped"), 4);
    appliance.stats();
}

#[test]
fn one_session_too_many_is_not_persistent_and_is_told_so() {
    let (_store, appliance) = start(|setup| setup.set("mqtt.sessions.count-max", "1"));
    let (_first, _) = back(&appliance, "first");
    let (_, is_present, connack) = come(&appliance, Version::V5, &connect5("second", 0, 3600, &[]));
    assert!(!is_present);
    assert!(connack.windows(5).any(|five| five == [0x11, 0, 0, 0, 0]), "{connack:02x?}");
    let (_, is_present) = back(&appliance, "first");
    assert!(is_present);
}

#[test]
fn a_full_journal_refuses_what_is_new_and_empties_by_itself() {
    let (_store, appliance) = start(|setup| setup.set("mqtt.sessions.max-size", "1MiB"));
    let (mut subscriber, _) = back(&appliance, "subscriber");
    assert_eq!(subscribe(&mut subscriber, Version::V3, "a", 1), 1);
    subscriber.send(&[0xe0, 0]);
    subscriber.expect_close();
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V5, "publisher");
    let mut taken = 0;
    let payload = "x".repeat(4000);
    for number in 1..=1000 {
        if publisher.publish_acked("a", payload.as_bytes(), number).reason() == 0x97 {
            break;
        }
        taken += 1;
    }
    assert!((100..400).contains(&taken), "{taken} of 4,000 bytes in 1 MiB");
    let (mut other, _) = back(&appliance, "other");
    assert_eq!(subscribe(&mut other, Version::V3, "b", 1), 0x80, "nothing new");
    assert_eq!(publisher.publish_acked("c", b"x", 1).reason(), 0x10, "others go on");
    // The queued messages are delivered, and there is room again.
    let (mut subscriber, is_present) = back(&appliance, "subscriber");
    assert!(is_present);
    for _ in 0..taken {
        let came = came(&mut subscriber);
        assert_eq!(came.payload, payload);
        ack(&mut subscriber, 0x40, came.id);
    }
    until("room for a subscription", MINUTE, || subscribe(&mut other, Version::V3, "b", 1) == 1);
    until("room for a message", MINUTE, || publisher.publish_acked("b", b"y", 1).reason() == 0);
    assert_eq!(came(&mut other).payload, "y");
    appliance.stats();
}

#[test]
fn messages_of_a_former_member_go_to_another_one_or_wait() {
    let (_store, appliance) = start(|setup| setup);
    let (mut first, _) = back(&appliance, "first");
    let (mut second, _) = back(&appliance, "second");
    for member in [&mut first, &mut second] {
        assert_eq!(subscribe(member, Version::V3, "$share/g/a", 1), 1);
    }
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V3, "publisher");
    for number in 1..=2 {
        publisher.publish_acked("a", number.to_string().as_bytes(), number);
    }
    let mut got = came(&mut first).payload;
    let other = came(&mut second);
    ack(&mut second, 0x40, other.id);
    // It disconnects without an acknowledgement: the other one gets the message.
    drop(first);
    let handed_on = came(&mut second);
    assert_eq!(handed_on.payload, got);
    got = handed_on.payload;
    assert_ne!(other.payload, got);
    ack(&mut second, 0x40, handed_on.id);
    // A disconnected member is skipped, unless all are disconnected.
    for number in 3..=6 {
        publisher.publish_acked("a", number.to_string().as_bytes(), number);
        let came = came(&mut second);
        ack(&mut second, 0x40, came.id);
    }
    drop(second);
    until("both are away", MINUTE, || {
        appliance.metric("fleetline_mqtt_open_sessions") == Some(1.0)
    });
    publisher.publish_acked("a", b"7", 7);
    until("it waits", MINUTE, || appliance.count("deliveries.queued") == 1);
    let (mut first, _) = back(&appliance, "first");
    let (mut second, _) = back(&appliance, "second");
    let came = [first.receive(MOMENT), second.receive(MOMENT)];
    let count = came.iter().filter(|packet| matches!(packet, Packet::Whole(0x32, _))).count();
    assert_eq!(count, 1, "{came:02x?}");
    appliance.stats();
}

#[test]
fn the_session_of_a_removed_user_ends() {
    let (_store, appliance) = start(|setup| {
        fs::write(setup.home().join("password"), "secret\n").unwrap();
        for name in ["anna", "bert"] {
            let user = ["user", "add", name, "--password-file", "password", "--file", "users"];
            assert!(setup.command(&user).output().unwrap().status.success());
        }
        setup.set("auth.users", "users")
    });
    let mut connect = connect_as(Version::V3, "anna-1", Some("anna"), Some("secret"));
    connect[9] &= !2; // Not clean.
    let mut anna = Vehicle::dial(appliance.mqtt(), Version::V3).unwrap();
    assert_eq!(anna.greet(&connect), Packet::Whole(0x20, vec![0, 0]));
    drop(anna);
    let stored = || appliance.metric("fleetline_sessions_stored_sessions");
    until("her session is stored", MINUTE, || stored() == Some(1.0));
    appliance.cli_ok(&["user", "remove", "anna"]);
    appliance.signal("HUP");
    until("it is gone", MINUTE, || stored() == Some(0.0));
}

/// A CONNECT of 5.0 of a user with a persistent session.
fn connect_as_user(client: &str, user: &str) -> Vec<u8> {
    let mut rest = crate::harness::vehicle::text(user);
    rest.extend(crate::harness::vehicle::text("secret"));
    connect5(client, 0xc0, 3600, &rest)
}

#[test]
fn the_persistent_sessions_of_one_identity_are_bounded() {
    let (_store, appliance) = start(|setup| {
        fs::write(setup.home().join("password"), "secret\n").unwrap();
        for name in ["anna", "bert"] {
            let user = ["user", "add", name, "--password-file", "password", "--file", "users"];
            assert!(setup.command(&user).output().unwrap().status.success());
        }
        setup.set("auth.users", "users").set("mqtt.sessions.per-identity-max", "2")
    });
    let expires_at_once =
        |connack: &[u8]| connack.windows(5).any(|five| five == [0x11, 0, 0, 0, 0]);
    let comes = |client: &str, user: &str| {
        let (mut vehicle, is_present, connack) =
            come(&appliance, Version::V5, &connect_as_user(client, user));
        vehicle.send(&[0xe0, 0]);
        vehicle.expect_close();
        (is_present, expires_at_once(&connack))
    };
    assert_eq!(comes("a-1", "anna"), (false, false));
    assert_eq!(comes("a-2", "anna"), (false, false));
    assert_eq!(comes("a-3", "anna"), (false, true), "it is told that it does not last");
    assert_eq!(comes("b-1", "bert"), (false, false), "others are not concerned");
    assert_eq!(comes("a-1", "anna"), (true, false), "who is there already stays");
    assert_eq!(comes("a-3", "anna"), (false, true));
    // An ended session makes room.
    appliance.cli_ok(&["session", "kick", "a-2"]);
    until("there is room", MINUTE, || !comes("a-3", "anna").1);
    appliance.stats();
}

#[test]
fn retained_messages_do_not_prevent_a_full_journal_from_emptying() {
    let (_store, appliance) = start(|setup| setup.set("mqtt.sessions.max-size", "1MiB"));
    let (mut subscriber, _) = back(&appliance, "subscriber");
    assert_eq!(subscribe(&mut subscriber, Version::V3, "a", 1), 1);
    subscriber.send(&[0xe0, 0]);
    subscriber.expect_close();
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V5, "publisher");
    for number in 1..=10 {
        assert_eq!(publisher.publish_acked("a", b"x", number).reason(), 0);
    }
    let retain = |publisher: &mut Vehicle, topic: &str, payload: &[u8]| {
        let mut packet = publish_packet(Version::V5, topic, payload, 1, 1, &[]);
        packet[0] |= 1;
        publisher.send(&packet);
        publisher.expect().reason()
    };
    let payload = [b'r'; 4000];
    let refused =
        (0..1000).find(|number| retain(&mut publisher, &format!("r/{number}"), &payload) == 0x97);
    let refused = refused.expect("the journal is full at some time");
    assert!((100..400).contains(&refused), "{refused} of 4,000 bytes in 1 MiB");
    assert_eq!(retain(&mut publisher, "r/0", b"new"), 0x97, "what was retained there is still");
    assert_eq!(publisher.publish_acked("a", b"x", 1).reason(), 0x97, "nothing is queued, too");
    // Queued messages can be delivered.
    let (mut subscriber, is_present) = back(&appliance, "subscriber");
    assert!(is_present);
    for _ in 0..10 {
        let came = came(&mut subscriber);
        ack(&mut subscriber, 0x40, came.id);
    }
    until("nothing waits", MINUTE, || appliance.count("deliveries.queued") == 0);
    let mut late = Vehicle::connect(appliance.mqtt(), Version::V3, "late");
    assert_eq!(subscribe(&mut late, Version::V3, "r/0", 1), 1);
    assert_eq!(came(&mut late).payload.len(), 4000);
    // Cleared retained messages make room.
    for number in 0..50 {
        assert_ne!(retain(&mut publisher, &format!("r/{number}"), b""), 0x97);
    }
    until("room for one more", MINUTE, || retain(&mut publisher, "r/0", b"new") != 0x97);
    appliance.stats();
}

/// `f03-wills`, F: a will on a mapped topic becomes a point, also after its delay; a will on a
/// topic on which its sender may not publish is counted and not published.
#[test]
fn a_delayed_will_is_a_publish_like_any_other() {
    let (store, appliance) = start(|setup| setup);
    let sample = crate::harness::Sample { seq: 1 };
    let topic = crate::harness::Sample::topic("VIN1");
    let mut will = vec![5, 0x18, 0, 0, 0, 1];
    will.extend(crate::harness::vehicle::text(&topic));
    let payload = sample.payload();
    will.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    will.extend(&payload);
    let (vehicle, ..) = come(&appliance, Version::V5, &connect5("v", 0x0c, 60, &will));
    drop(vehicle);
    until("its point is in the store", MINUTE, || store.lines().len() == 1);
    appliance.stats();
}
