//! Persistent sessions: what a vehicle finds when it reconnects, after all kinds of events.

use super::client::{MINUTE, MOMENT, start, subscribe};
use crate::harness::{
    Appliance, until,
    vehicle::{Packet, Vehicle, Version, connect_packet, packet, publish_packet, text},
};

/// A CONNECT of 5.0 with flags, session expiry and the fields after the client identifier.
pub(super) fn connect5(client: &str, flags: u8, expiry: u32, will: &[u8]) -> Vec<u8> {
    let mut body = text("MQTT");
    body.extend([5, flags, 0, 60, 5, 0x11]);
    body.extend(expiry.to_be_bytes());
    body.extend(text(client));
    body.extend(will);
    packet(0x10, &body)
}

/// A CONNECT of 3.1.1 with flags.
pub(super) fn connect3(client: &str, flags: u8) -> Vec<u8> {
    let mut body = text("MQTT");
    body.extend([4, flags, 0, 60]);
    body.extend(text(client));
    packet(0x10, &body)
}

/// Connects; returns whether the session was present, and the CONNACK.
#[track_caller]
pub(super) fn come(
    appliance: &Appliance,
    version: Version,
    connect: &[u8],
) -> (Vehicle, bool, Vec<u8>) {
    let mut vehicle = Vehicle::dial(appliance.mqtt(), version).unwrap();
    let Packet::Whole(0x20, body) = vehicle.greet(connect) else { panic!("no CONNACK") };
    assert_eq!(body[1], 0, "{body:02x?}");
    (vehicle, body[0] == 1, body)
}

/// A vehicle of 3.1.1 with a persistent session.
pub(super) fn back(appliance: &Appliance, client: &str) -> (Vehicle, bool) {
    let (vehicle, is_present, _) = come(appliance, Version::V3, &connect3(client, 0));
    (vehicle, is_present)
}

/// A received PUBLISH: DUP, QoS, packet identifier, payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Came {
    pub(super) dup: bool,
    pub(super) retain: bool,
    pub(super) qos: u8,
    pub(super) id: u16,
    pub(super) payload: String,
}

#[track_caller]
pub(super) fn came(vehicle: &mut Vehicle) -> Came {
    read(&vehicle.expect())
}

#[track_caller]
pub(super) fn read(packet: &Packet) -> Came {
    let Packet::Whole(first, body) = packet else { panic!("{packet:?}") };
    assert_eq!(first >> 4, 3, "{packet:02x?}");
    let len = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let qos = (first >> 1) & 3;
    let at = 2 + len;
    let id = if qos > 0 { u16::from_be_bytes([body[at], body[at + 1]]) } else { 0 };
    let payload = &body[at + if qos > 0 { 2 } else { 0 }..];
    Came {
        dup: first & 8 != 0,
        retain: first & 1 != 0,
        qos,
        id,
        payload: String::from_utf8(payload.to_vec()).unwrap(),
    }
}

pub(super) fn ack(vehicle: &mut Vehicle, first: u8, id: u16) {
    let [high, low] = id.to_be_bytes();
    vehicle.send(&[first, 2, high, low]);
}

fn publisher(appliance: &Appliance) -> Vehicle {
    Vehicle::connect(appliance.mqtt(), Version::V3, "publisher")
}

const GOODBYE: [u8; 2] = [0xe0, 0];

fn away(appliance: &Appliance) {
    let log = || appliance.cli_ok(&["session", "list", "--connected"]);
    until("it is away", MINUTE, || !log().contains("subscriber"));
}

#[test]
fn messages_published_meanwhile_wait_in_order_through_kill_9() {
    let (_store, mut appliance) = start(|setup| setup);
    let (mut subscriber, is_present) = back(&appliance, "subscriber");
    assert!(!is_present);
    assert_eq!(subscribe(&mut subscriber, Version::V3, "a/+", 1), 1);
    subscriber.send(&GOODBYE);
    subscriber.expect_close();
    let mut publisher = publisher(&appliance);
    for number in 0..300_u16 {
        publisher.publish_acked("a/b", number.to_string().as_bytes(), number + 1);
    }
    appliance.kill_9();
    appliance.start_again();
    let stats = appliance.stats();
    assert_eq!(stats["deliveries"]["recovered"], 300, "{stats}");

    let (mut subscriber, is_present) = back(&appliance, "subscriber");
    assert!(is_present);
    let mut ids = Vec::new();
    for number in 0..300 {
        let came = came(&mut subscriber);
        assert_eq!((came.payload.as_str(), came.qos), (number.to_string().as_str(), 1));
        ids.push(came.id);
        // The first hundred are acknowledged.
        if number < 100 {
            ack(&mut subscriber, 0x40, came.id);
        }
    }
    let unique: std::collections::BTreeSet<u16> = ids.iter().copied().collect();
    assert_eq!(unique.len(), 300);
    // Unacknowledged messages are sent again, with the same identifiers, in the same order.
    until("the acknowledgements to arrive", MINUTE, || appliance.count("deliveries.queued") == 200);
    drop(subscriber);
    let (mut subscriber, is_present) = back(&appliance, "subscriber");
    assert!(is_present);
    for (number, id) in ids.iter().enumerate().skip(100) {
        let came = came(&mut subscriber);
        assert_eq!((came.payload, came.dup, came.id), (number.to_string(), true, *id));
        ack(&mut subscriber, 0x40, came.id);
    }
    // Messages that are published while it is connected come after them.
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V3, "publisher");
    publisher.publish_acked("a/c", b"live", 1);
    let live = came(&mut subscriber);
    assert_eq!((live.payload.as_str(), live.dup), ("live", false));
    ack(&mut subscriber, 0x40, live.id);
    until("nothing waits", MINUTE, || appliance.count("deliveries.queued") == 0);
    appliance.stats();
}

#[test]
fn subscriptions_survive_a_restart_and_ended_ones_do_not() {
    let (_store, mut appliance) = start(|setup| setup);
    let (mut subscriber, _) = back(&appliance, "subscriber");
    for filter in ["a", "b"] {
        assert_eq!(subscribe(&mut subscriber, Version::V3, filter, 1), 1);
    }
    subscriber.send(&packet(0xa2, &[&[0, 3][..], &text("a")].concat()));
    assert_eq!(subscriber.expect(), Packet::Whole(0xb0, vec![0, 3]));
    appliance.kill_9();
    appliance.start_again();
    let mut publisher = publisher(&appliance);
    for (topic, id) in [("a", 1), ("b", 2)] {
        publisher.publish_acked(topic, topic.as_bytes(), id);
    }
    let (mut subscriber, is_present) = back(&appliance, "subscriber");
    assert!(is_present);
    assert_eq!(came(&mut subscriber).payload, "b");
    assert_eq!(subscriber.receive(MOMENT), Packet::Nothing);
}

/// `f01-session-expiry`: between CONNECT, CONNACK and DISCONNECT.
#[test]
fn session_expiry_is_granted_shortened_and_never_raised_from_zero() {
    let (_store, appliance) = start(|setup| setup.set("mqtt.sessions.expiry-max", "2h"));
    let (mut v1, is_present, connack) =
        come(&appliance, Version::V5, &connect5("V1", 0, u32::MAX, &[]));
    assert!(!is_present);
    // 7200 s, which is in the CONNACK because it differs from the requested value.
    assert!(connack.windows(5).any(|five| five == [0x11, 0, 0, 0x1c, 0x20]), "{connack:02x?}");
    assert_eq!(subscribe(&mut v1, Version::V5, "vehicles/V1/commands/#", 1), 1);
    v1.send(&[0xe0, 7, 0, 5, 0x11, 0, 0, 0, 60]);
    v1.expect_close();
    let mut other = publisher(&appliance);
    other.publish_acked("vehicles/V1/commands/x", b"go", 1);
    let (mut v1, is_present, connack) = come(&appliance, Version::V5, &connect5("V1", 0, 60, &[]));
    assert!(is_present);
    assert!(!connack.windows(5).any(|five| five == [0x11, 0, 0, 0, 60]), "as it asked");
    assert!(matches!(v1.expect(), Packet::Whole(0x32, _)), "what waited for it");

    // It cannot be raised from zero: the session ends with 0x82.
    let mut v2 = Vehicle::connect(appliance.mqtt(), Version::V5, "V2");
    v2.send(&[0xe0, 7, 0, 5, 0x11, 0, 0, 0x0e, 0x10]);
    assert_eq!(v2.expect_close().iter().map(Packet::reason).collect::<Vec<_>>(), [0x82]);
    let (_, is_present, _) = come(&appliance, Version::V5, &connect5("V2", 0, 60, &[]));
    assert!(!is_present);

    // 3.1.1: clean 0, 1, 0: nothing is left.
    for (flags, _step) in [(0, "made"), (2, "removed"), (0, "made anew")] {
        let (mut v3, is_present, _) = come(&appliance, Version::V3, &connect3("V3", flags));
        assert!(!is_present);
        v3.send(&GOODBYE);
        v3.expect_close();
    }
    let (_, is_present) = back(&appliance, "V3");
    assert!(is_present);
    let mut nameless = Vehicle::dial(appliance.mqtt(), Version::V3).unwrap();
    assert_eq!(nameless.greet(&connect3("", 0)), Packet::Whole(0x20, vec![0, 2]));
    assert_eq!(nameless.receive(MINUTE), Packet::Closed);
}

#[test]
fn a_session_ends_when_its_client_does_not_reconnect_in_time() {
    let (_store, appliance) = start(|setup| setup.set("mqtt.sessions.expiry-max", "2s"));
    let (mut subscriber, _, _) =
        come(&appliance, Version::V5, &connect5("subscriber", 0, 3600, &[]));
    assert_eq!(subscribe(&mut subscriber, Version::V5, "a", 1), 1);
    drop(subscriber);
    away(&appliance);
    publisher(&appliance).publish_acked("a", b"x", 1);
    until("it is gone", MINUTE, || appliance.count("deliveries.dropped") == 1);
    until("its subscription is, too", MINUTE, || {
        appliance.metric("fleetline_mqtt_subscriptions") == Some(0.0)
    });
    let (_, is_present, _) = come(&appliance, Version::V5, &connect5("subscriber", 0, 3600, &[]));
    assert!(!is_present);
    appliance.stats();
}

#[test]
fn a_qos_2_exchange_continues_where_it_was_cut_in_both_directions() {
    let (_store, mut appliance) = start(|setup| setup);
    let (mut subscriber, _) = back(&appliance, "subscriber");
    assert_eq!(subscribe(&mut subscriber, Version::V3, "a", 2), 2);
    let (mut sender, _) = back(&appliance, "sender");
    sender.publish("a", b"1", 2, 7);
    // Its PUBREC was sent, so it is known after the crash.
    let mut answers = vec![sender.expect()];
    assert_eq!(answers.remove(0), Packet::Whole(0x50, vec![0, 7]));
    let first = came(&mut subscriber);
    assert_eq!((first.payload.as_str(), first.qos, first.dup), ("1", 2, false));
    appliance.kill_9();
    appliance.start_again();
    let (mut subscriber, _) = back(&appliance, "subscriber");
    let (mut sender, is_present) = back(&appliance, "sender");
    assert!(is_present);
    sender.send(&publish_packet(Version::V3, "a", b"1", 2, 7, &[]));
    assert_eq!(sender.expect(), Packet::Whole(0x50, vec![0, 7]), "it is known");
    let again = came(&mut subscriber);
    assert_eq!(again, Came { dup: true, ..first.clone() });
    ack(&mut subscriber, 0x50, again.id);
    assert_eq!(subscriber.expect(), Packet::Whole(0x62, again.id.to_be_bytes().to_vec()));
    appliance.kill_9();
    appliance.start_again();
    let (mut subscriber, _) = back(&appliance, "subscriber");
    let released = subscriber.expect();
    assert_eq!(released, Packet::Whole(0x62, again.id.to_be_bytes().to_vec()), "PUBREL again");
    ack(&mut subscriber, 0x70, again.id);
    let (mut sender, _) = back(&appliance, "sender");
    ack(&mut sender, 0x62, 7);
    assert_eq!(sender.expect(), Packet::Whole(0x70, vec![0, 7]));
    // The identifier is free: another message with it is a new message.
    sender.publish("a", b"2", 2, 7);
    assert_eq!(sender.expect(), Packet::Whole(0x50, vec![0, 7]));
    let second = came(&mut subscriber);
    assert_eq!((second.payload.as_str(), second.dup), ("2", false));
    assert_ne!(second.id, first.id);
    until("one waits", MINUTE, || appliance.count("deliveries.queued") == 1);
}

#[test]
fn retained_messages_survive_a_crash_and_are_sent_through_the_queue() {
    let (_store, mut appliance) = start(|setup| setup);
    let retained = |topic: &str, payload: &[u8], id: u16| {
        let mut packet = publish_packet(Version::V3, topic, payload, 1, id, &[]);
        packet[0] |= 1;
        packet
    };
    let mut sender = publisher(&appliance);
    for (topic, payload, id) in
        [("a/1", "old", 1), ("a/1", "new", 2), ("a/2", "x", 3), ("a/2", "", 4), ("a/3", "y", 5)]
    {
        sender.send(&retained(topic, payload.as_bytes(), id));
        assert!(matches!(sender.expect(), Packet::Whole(0x40, _)));
    }
    appliance.kill_9();
    appliance.start_again();
    until("two are there", MINUTE, || {
        appliance.metric("fleetline_mqtt_retained_messages") == Some(2.0)
    });
    let (mut subscriber, _) = back(&appliance, "subscriber");
    assert_eq!(subscribe(&mut subscriber, Version::V3, "a/#", 1), 1);
    let first = came(&mut subscriber);
    let second = came(&mut subscriber);
    assert_eq!((first.payload.as_str(), first.retain, first.qos), ("new", true, 1));
    assert_eq!((second.payload.as_str(), second.retain), ("y", true));
    // Later ones replace them, also after the restart.
    let mut sender = publisher(&appliance);
    sender.send(&retained("a/1", b"newest", 1));
    assert!(matches!(sender.expect(), Packet::Whole(0x40, _)));
    assert_eq!(came(&mut subscriber).payload, "newest");
    drop(subscriber);
    let mut clean = Vehicle::connect(appliance.mqtt(), Version::V3, "clean");
    assert_eq!(subscribe(&mut clean, Version::V3, "a/1", 0), 0);
    assert_eq!(came(&mut clean).payload, "newest");
}

#[test]
fn a_disconnect_followed_by_a_reconnect_publishes_no_will() {
    let (_store, appliance) = start(|setup| setup);
    let mut watcher = Vehicle::connect(appliance.mqtt(), Version::V3, "watcher");
    assert_eq!(subscribe(&mut watcher, Version::V3, "will", 0), 0);
    let mut connect = text("MQTT");
    connect.extend([4, 0x06, 0, 60]);
    connect.extend([&text("v")[..], &text("will"), &text("gone")].concat());
    let connect = packet(0x10, &connect);
    for _ in 0..50 {
        let (mut vehicle, _, _) = come(&appliance, Version::V3, &connect);
        vehicle.send(&GOODBYE);
        drop(vehicle);
    }
    let (mut vehicle, _, _) = come(&appliance, Version::V3, &connect);
    vehicle.send(&GOODBYE);
    vehicle.expect_close();
    assert_eq!(watcher.receive(MOMENT), Packet::Nothing);
}

#[test]
fn a_clean_session_is_not_stored() {
    let (_store, appliance) = start(|setup| setup.set("mqtt.sessions.expiry-max", "0s"));
    let (_, is_present, connack) = come(&appliance, Version::V5, &connect5("v", 0, 3600, &[]));
    assert!(!is_present);
    assert!(connack.windows(5).any(|five| five == [0x11, 0, 0, 0, 0]), "told that none is kept");
    let connect = connect_packet(Version::V3, "v", 60, &[]);
    let (_, is_present, _) = come(&appliance, Version::V3, &connect);
    assert!(!is_present);
    until("nothing is stored", MINUTE, || {
        appliance.metric("fleetline_sessions_stored_sessions") == Some(0.0)
    });
}

#[test]
fn disconnected_sessions_are_listed_shown_and_ended() {
    let (_store, appliance) = start(|setup| setup.set("mqtt.sessions.queue-messages-max", "3"));
    let (mut subscriber, _) = back(&appliance, "subscriber");
    assert_eq!(subscribe(&mut subscriber, Version::V3, "a/+", 1), 1);
    subscriber.send(&GOODBYE);
    subscriber.expect_close();
    let mut publisher = publisher(&appliance);
    for number in 0..5 {
        publisher.publish_acked("a/b", b"x", number + 1);
    }
    let list = |arguments: &[&str]| {
        let arguments = [&["session", "list", "--json"][..], arguments].concat();
        appliance.cli_ok(&arguments)
    };
    let one = |text: String| -> serde_json::Value { serde_json::from_str(text.trim()).unwrap() };
    let seen = one(list(&["--away"]));
    assert_eq!((&seen["client_id"], &seen["connected"]), (&"subscriber".into(), &false.into()));
    assert_eq!((&seen["queued"], &seen["dropped"]), (&3.into(), &2.into()), "{seen}");
    assert_eq!(seen["expiry_seconds"], 7 * 24 * 60 * 60);
    assert!(seen["away_since"].is_string() && seen["queued_bytes"].as_u64() > Some(20), "{seen}");
    assert_eq!(one(list(&["--backlog", "3"])), seen);
    assert_eq!(list(&["--backlog", "4"]), "");
    let whole = one(appliance.cli_ok(&["session", "show", "subscriber", "--json"]));
    assert_eq!(whole["filters"][0]["filter"], "a/+");
    appliance.cli_ok(&["session", "kick", "subscriber"]);
    until("it is gone", MINUTE, || list(&["--away"]).is_empty());
    until("what it left is dropped", MINUTE, || appliance.count("deliveries.dropped") == 5);
    let (_, is_present) = back(&appliance, "subscriber");
    assert!(!is_present);
    appliance.stats();
}
