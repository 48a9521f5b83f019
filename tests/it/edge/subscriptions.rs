//! Subscriptions, retained messages, wills and shared subscriptions, packet by packet.

use super::client::{MINUTE, MOMENT, message, start, subscribe, subscribe_as};
use crate::harness::{
    until,
    vehicle::{Packet, Vehicle, Version, connect_packet, packet, publish_packet, text},
};

#[test]
fn a_subscriber_gets_what_its_filters_match_once() {
    let (_store, appliance) = start(|setup| setup);
    let mut sub = Vehicle::connect(appliance.mqtt(), Version::V3, "sub");
    for filter in ["a/+", "a/#", "a/b"] {
        assert_eq!(subscribe(&mut sub, Version::V3, filter, 0), 0);
    }
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V5, "pub");
    assert_eq!(publisher.publish_acked("a/b", b"one", 1).reason(), 0);
    assert_eq!(publisher.publish_acked("b/b", b"two", 2).reason(), 0x10, "nobody subscribes");
    assert_eq!(publisher.publish_acked("a/c/d", b"three", 3).reason(), 0);
    assert_eq!(message(&mut sub), (0, "a/b".to_owned(), "one".to_owned()));
    assert_eq!(message(&mut sub), (0, "a/c/d".to_owned(), "three".to_owned()));
    assert_eq!(sub.receive(MOMENT), Packet::Nothing);
    sub.send(&packet(0xa2, &[&[0, 7][..], &text("a/#"), &text("a/+")].concat()));
    assert_eq!(sub.expect(), Packet::Whole(0xb0, vec![0, 7]));
    assert_eq!(publisher.publish_acked("a/c", b"four", 4).reason(), 0x10);
    until("the books balance", MINUTE, || {
        let count = |name: &str| appliance.count(&format!("deliveries.{name}"));
        count("routed") == 2 && count("delivered") == 2 && count("queued") == 0
    });
}

#[test]
fn a_5_0_client_gets_expiry_identifiers_and_properties() {
    let (_store, appliance) = start(|setup| setup);
    let mut sub = Vehicle::connect(appliance.mqtt(), Version::V5, "sub");
    assert_eq!(subscribe_as(&mut sub, Version::V5, "a/+", 1, &[0x0b, 5]), 1);
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V5, "pub");
    // Expires in a minute; content type "j"; a user property; response topic "r".
    let properties = b"\x02\0\0\0\x3c\x03\0\x01j\x26\0\x01k\0\x01v\x08\0\x01r";
    publisher.send(&publish_packet(Version::V5, "a/b", b"x", 1, 7, properties));
    let Packet::Whole(first, body) = sub.expect() else { panic!("nothing came") };
    assert_eq!(first, 0x32);
    let expiry = u32::from_be_bytes(body[9..13].try_into().unwrap());
    assert!((58..=60).contains(&expiry), "{expiry}");
    let rest = b"\x0b\x05\x03\0\x01j\x26\0\x01k\0\x01v\x08\0\x01rx";
    assert_eq!((&body[..9], &body[13..]), (&b"\0\x03a/b\0\x01\x16\x02"[..], &rest[..]));
    assert_eq!(publisher.expect().reason(), 0);
    sub.send(&[0x40, 2, 0, 1]);
    until("it is delivered", MINUTE, || appliance.count("deliveries.delivered") == 1);
}

#[test]
fn invalid_filters_are_refused_with_the_code_of_the_version() {
    let (_store, appliance) = start(|setup| {
        setup.set("mqtt.sessions.subscriptions-max", "2").set("mqtt.topic-levels-max", "3")
    });
    for (version, over, invalid) in [(Version::V3, 0x80, 0x80), (Version::V5, 0x97, 0x8f)] {
        let mut sub = Vehicle::connect(appliance.mqtt(), version, "sub");
        assert_eq!(subscribe(&mut sub, version, "a", 2), 2);
        assert_eq!(subscribe(&mut sub, version, "b", 1), 1);
        assert_eq!(subscribe(&mut sub, version, "c", 0), over);
        assert_eq!(subscribe(&mut sub, version, "b", 0), 0, "it is not one more");
        assert_eq!(subscribe(&mut sub, version, "a/b/c/d", 0), invalid);
        // `f05-shared-subscriptions`
        for filter in ["$share//a", "$share/g", "$share/g+/a"] {
            assert_eq!(subscribe(&mut sub, version, filter, 1), invalid, "{filter}");
        }
        sub.ping();
    }
    let mut sub = Vehicle::connect(appliance.mqtt(), Version::V5, "sub");
    sub.send(&packet(0x82, &[&[0, 9, 0][..], &text("$share/g/a"), &[5]].concat()));
    let said = sub.expect_close();
    assert_eq!(said.iter().map(Packet::reason).collect::<Vec<_>>(), [0x82], "{said:02x?}");
}

#[test]
fn retained_messages_are_sent_for_a_subscription_until_they_are_cleared() {
    let (_store, appliance) = start(|setup| setup);
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V3, "pub");
    let mut retain = |topic: &str, payload: &[u8], id: u16| {
        let mut packet = publish_packet(Version::V3, topic, payload, 1, id, &[]);
        packet[0] |= 1;
        publisher.send(&packet);
        assert_eq!(publisher.expect().id(), id);
    };
    retain("v/1/state", b"on", 1);
    retain("v/2/state", b"off", 2);
    retain("v/2/state", b"on", 3);
    let mut sub = Vehicle::connect(appliance.mqtt(), Version::V5, "sub");
    assert_eq!(subscribe(&mut sub, Version::V5, "v/+/state", 0), 0);
    for vehicle in [1, 2] {
        let Packet::Whole(first, body) = sub.expect() else { panic!("nothing came") };
        let topic = format!("v/{vehicle}/state");
        assert_eq!((first, &body[2..11]), (0x31, topic.as_bytes()), "it is a retained one");
        assert_eq!(&body[12..], b"on");
    }
    // Handling 1: only where the subscription is new; 2: never.
    assert_eq!(subscribe(&mut sub, Version::V5, "v/+/state", 0x10), 0);
    assert_eq!(subscribe(&mut sub, Version::V5, "v/#", 0x20), 0);
    assert_eq!(sub.receive(MOMENT), Packet::Nothing);
    retain("v/1/state", b"", 4);
    assert!(matches!(sub.expect(), Packet::Whole(0x30, _)), "an empty one, with no retain flag");
    let mut late = Vehicle::connect(appliance.mqtt(), Version::V3, "late");
    assert_eq!(subscribe(&mut late, Version::V3, "#", 1), 1);
    assert_eq!(message(&mut late), (3, "v/2/state".to_owned(), "on".to_owned()));
    assert_eq!(late.receive(MOMENT), Packet::Nothing);
}

/// A CONNECT of 3.1.1 with a will at QoS 0.
fn with_will(client_id: &str, topic: &str, payload: &str, retain: bool) -> Vec<u8> {
    let mut body = text("MQTT");
    body.extend([4, 0x06 | if retain { 0x20 } else { 0 }, 0, 60]);
    for part in [client_id, topic, payload] {
        body.extend(text(part));
    }
    packet(0x10, &body)
}

/// `f03-wills`: cases B, D, E and G.
#[test]
fn a_will_is_published_unless_its_client_sends_disconnect() {
    let (_store, appliance) = start(|setup| setup);
    let mut sub = Vehicle::connect(appliance.mqtt(), Version::V3, "sub");
    assert_eq!(subscribe(&mut sub, Version::V3, "v/+/status", 0), 0);
    let join = |name: &str, retain| {
        let mut vehicle = Vehicle::dial(appliance.mqtt(), Version::V3).unwrap();
        let connect = with_will(name, &format!("v/{name}/status"), "offline", retain);
        assert_eq!(vehicle.greet(&connect), Packet::Whole(0x20, vec![0, 0]));
        vehicle
    };
    // A DISCONNECT, a cut connection, a malformed packet.
    let mut polite = join("1", false);
    polite.send(&[0xe0, 0]);
    assert_eq!(polite.expect_close(), []);
    drop(join("2", false));
    assert_eq!(message(&mut sub).1, "v/2/status");
    let mut broken = join("3", false);
    broken.send(&[0x00, 0x00]);
    assert_eq!(message(&mut sub).1, "v/3/status");
    assert_eq!(sub.receive(MOMENT), Packet::Nothing);
    // A session that is taken over: first its will, and then the messages of the new connection.
    let _old = join("4", true);
    let mut new = join("4", true);
    let mut online = publish_packet(Version::V3, "v/4/status", b"online", 1, 1, &[]);
    online[0] |= 1;
    new.send(&online);
    assert_eq!(new.expect().id(), 1);
    assert_eq!(message(&mut sub).2, "offline");
    assert_eq!(message(&mut sub).2, "online");
    let mut late = Vehicle::connect(appliance.mqtt(), Version::V3, "late");
    assert_eq!(subscribe(&mut late, Version::V3, "v/4/status", 0), 0);
    assert_eq!(message(&mut late).2, "online");
}

/// `f05-shared-subscriptions`: what a member leaves unacknowledged goes to another, with its topic.
#[test]
fn unacknowledged_messages_of_a_shared_subscription_go_to_another_member() {
    let (_store, appliance) = start(|setup| setup);
    let filter = "$share/g/vehicles/+/state";
    let mut first = Vehicle::connect(appliance.mqtt(), Version::V5, "first");
    assert_eq!(subscribe(&mut first, Version::V5, filter, 1), 1);
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V3, "pub");
    for id in 1..=16 {
        publisher.publish_acked("vehicles/V/state", id.to_string().as_bytes(), id);
    }
    for _ in 1..=16 {
        assert!(matches!(first.expect(), Packet::Whole(0x32, _)));
    }
    let mut second = Vehicle::connect(appliance.mqtt(), Version::V3, "second");
    assert_eq!(subscribe(&mut second, Version::V3, filter, 1), 1);
    drop(first);
    let mut left: Vec<u16> = (1..=16)
        .map(|_| {
            let (flags, topic, payload) = message(&mut second);
            assert_eq!((flags, topic.as_str()), (2, "vehicles/V/state"));
            payload.parse::<u16>().unwrap()
        })
        .collect();
    left.sort_unstable();
    assert_eq!(left, (1..=16).collect::<Vec<_>>());
    // Two members share the messages; without members: 0x10.
    let mut third = Vehicle::connect(appliance.mqtt(), Version::V5, "third");
    assert_eq!(subscribe(&mut third, Version::V5, filter, 0), 0);
    for id in [17, 19] {
        publisher.publish_acked("vehicles/V/state", b"x", id);
        assert!(matches!(third.expect(), Packet::Whole(0x30, _)));
        // Each message is received before the next one is published, because a member with a
        // waiting message is not chosen.
        publisher.publish_acked("vehicles/V/state", b"x", id + 1);
        assert_eq!(message(&mut second).0, 2);
    }
    // Not a subscription of that name, and one that is.
    third.send(&packet(0xa2, &[&[0, 7, 0][..], &text("vehicles/+/state"), &text(filter)].concat()));
    assert_eq!(third.expect(), Packet::Whole(0xb0, vec![0, 7, 0, 0x11, 0]));
    drop(second);
    until("nobody is left", MINUTE, || {
        let mut asker = Vehicle::connect(appliance.mqtt(), Version::V5, "asker");
        asker.publish_acked("vehicles/V/state", b"x", 1).reason() == 0x10
    });
    until("the books balance", MINUTE, || appliance.count("deliveries.queued") == 0);
}

#[test]
fn a_client_may_have_its_own_publishes_or_not() {
    let (_store, appliance) = start(|setup| setup);
    let mut client = Vehicle::connect(appliance.mqtt(), Version::V5, "client");
    assert_eq!(subscribe(&mut client, Version::V5, "own", 0), 0);
    assert_eq!(subscribe(&mut client, Version::V5, "others", 4), 0);
    client.publish("own", b"x", 0, 0);
    client.publish("others", b"x", 0, 0);
    assert_eq!(client.expect(), Packet::Whole(0x30, b"\0\x03own\0x".to_vec()));
    assert_eq!(client.receive(MOMENT), Packet::Nothing);
}

#[test]
fn a_subscriber_that_does_not_read_delays_publishers_and_is_then_disconnected() {
    let (_store, appliance) = start(|setup| {
        setup
            .set("mqtt.sessions.queue-messages-max", "50")
            .set("mqtt.sessions.queue-stall-max", "2s")
    });
    let mut idle = Vehicle::dial(appliance.mqtt(), Version::V5).unwrap();
    // It has a receive maximum of 1, and never acknowledges.
    let connack = idle.greet(&connect_packet(Version::V5, "idle", 60, &[0x21, 0, 1]));
    assert!(matches!(connack, Packet::Whole(0x20, _)));
    assert_eq!(subscribe(&mut idle, Version::V5, "a", 1), 1);
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V5, "pub");
    for id in 1..=60 {
        publisher.publish("a", b"x", 1, id);
    }
    // All are acknowledged in the end: those past the bound when the subscriber was disconnected.
    for id in 1..=60 {
        assert_eq!(publisher.expect().id(), id);
    }
    assert!(matches!(idle.expect(), Packet::Whole(0x32, _)));
    let said = idle.expect_close();
    assert_eq!(said.iter().map(Packet::reason).collect::<Vec<_>>(), [0x97], "{said:02x?}");
    until("what it left is counted", MINUTE, || appliance.count("deliveries.dropped") == 60);
    let cause = "fleetline_mqtt_closed_connections_total{reason=\"queue-stalled\"}";
    assert_eq!(appliance.metric(cause), Some(1.0));
}

#[test]
fn acknowledged_messages_do_not_count_towards_the_queue() {
    let (_store, appliance) = start(|setup| setup.set("mqtt.sessions.memory-max", "64KiB"));
    let mut client = Vehicle::connect(appliance.mqtt(), Version::V5, "client");
    assert_eq!(subscribe(&mut client, Version::V5, "a", 2), 2);
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V5, "pub");
    let payload = [b'x'; 1000];
    // More than the bound, one after another, with every way in which an exchange ends.
    for id in 1..=200_u16 {
        let qos = if id % 2 == 0 { 1 } else { 2 };
        publisher.publish("a", &payload, qos, id);
        let came = client.expect();
        let Packet::Whole(first, body) = came else { panic!("{came:02x?}") };
        assert_eq!((first >> 1) & 3, qos, "{first:02x}");
        let sent = u16::from_be_bytes([body[3], body[4]]); // Behind the topic.
        let reason: &[u8] = if id % 5 == 0 { &[0x80] } else { &[] };
        let ack = |kind: u8, id: u16, reason: &[u8]| {
            packet(kind, &[&id.to_be_bytes()[..], reason].concat())
        };
        match qos {
            1 => client.send(&ack(0x40, sent, reason)),
            _ if reason.is_empty() => {
                client.send(&ack(0x50, sent, reason));
                assert!(matches!(client.expect(), Packet::Whole(0x62, _)));
                client.send(&ack(0x70, sent, &[]));
            }
            _ => client.send(&ack(0x50, sent, reason)),
        }
        let answer = publisher.expect();
        assert_eq!(answer.id(), id);
        if qos == 2 {
            publisher.send(&ack(0x62, id, &[]));
            assert_eq!(publisher.expect().id(), id);
        }
    }
    until("nothing waits", MINUTE, || appliance.metric("fleetline_mqtt_queued_bytes") == Some(0.0));
    assert_eq!(appliance.count("deliveries.dropped"), 20 + 20);
}

/// `f11-rules-that-change`, as far as rules and subscriptions go.
#[test]
fn rules_decide_about_subscriptions_and_end_them_when_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.toml");
    let write = |topics: &str| {
        let text = format!("[[rule]]\nallow = [\"publish\", \"subscribe\"]\ntopics = [{topics}]\n");
        std::fs::write(&rules, text).unwrap();
    };
    write("\"a/#\", \"b\"");
    let (_store, appliance) = start(|setup| setup.set("auth.rules", &rules.display().to_string()));
    let mut sub = Vehicle::connect(appliance.mqtt(), Version::V5, "sub");
    assert_eq!(subscribe(&mut sub, Version::V5, "a/+", 0), 0);
    assert_eq!(subscribe(&mut sub, Version::V5, "b", 0), 0);
    assert_eq!(subscribe(&mut sub, Version::V5, "#", 0), 0x87, "wider than the rule");
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V5, "pub");
    assert_eq!(publisher.publish_acked("c", b"x", 1).reason(), 0x87);
    assert_eq!(publisher.publish_acked("a/b", b"x", 2).reason(), 0);
    assert!(matches!(sub.expect(), Packet::Whole(0x30, _)));
    write("\"b\"");
    appliance.signal("HUP");
    until("the right is gone", MINUTE, || publisher.publish_acked("a/b", b"x", 3).reason() == 0x87);
    write("\"a/#\", \"b\"");
    appliance.signal("HUP");
    until("the right is back", MINUTE, || publisher.publish_acked("a/b", b"x", 4).reason() != 0x87);
    publisher.publish_acked("b", b"last", 5);
    let mut got = Vec::new();
    while let Packet::Whole(_, body) = sub.receive(MOMENT) {
        got.push(body);
    }
    let topics: Vec<&[u8]> = got.iter().map(|body| &body[..3]).collect();
    assert!(topics.ends_with(&[b"\0\x01b"]), "{got:02x?}");
}

/// More than fits into a write buffer, and more retained messages than one piece of a scan.
#[test]
fn messages_that_do_not_fit_into_a_socket_are_sent_when_it_is_read() {
    let (_store, appliance) = start(|setup| setup);
    let payload = vec![b'x'; 50_000];
    let mut slow = Vehicle::connect(appliance.mqtt(), Version::V3, "slow");
    assert_eq!(subscribe(&mut slow, Version::V3, "big/#", 1), 1);
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V3, "pub");
    for id in 1..=300 {
        publisher.publish_acked("big/one", &payload, id);
    }
    for id in 1..=300_u16 {
        let Packet::Whole(0x32, body) = slow.expect() else { panic!("message {id} is missing") };
        assert_eq!(body.len(), 2 + 7 + 2 + payload.len());
        slow.send(&[&[0x40, 2][..], &id.to_be_bytes()].concat());
    }
    let mut retain = |topic: &str| {
        let mut packet = publish_packet(Version::V3, topic, b"x", 0, 0, &[]);
        packet[0] |= 1;
        publisher.send(&packet);
    };
    for number in 0..2500 {
        retain(&format!("many/{number:04}"));
    }
    publisher.ping();
    slow.send(&packet(0x82, &[&[0, 9][..], &text("many/+"), &[0], &text("many/#"), &[1]].concat()));
    assert_eq!(slow.expect(), Packet::Whole(0x90, vec![0, 9, 0, 1]));
    for number in 0..5000 {
        let (flags, topic, _) = message(&mut slow);
        assert_eq!((flags & 1, topic), (1, format!("many/{:04}", number % 2500)));
    }
    slow.ping();
    until("the books balance", MINUTE, || {
        let count = |name: &str| appliance.count(&format!("deliveries.{name}"));
        count("routed") == 5300 && count("delivered") == 5300 && count("queued") == 0
    });
}
