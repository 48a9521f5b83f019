//! CONNECT: announced values, refusals, and when a silent connection is closed.

use std::time::Duration;

use crate::harness::{
    Answer, Appliance, Packet, Setup, StandIn, Vehicle, Version, until,
    vehicle::{connect_packet, packet, text},
};

fn start(configure: impl FnOnce(Setup) -> Setup) -> (StandIn, Appliance) {
    let store = StandIn::start(Answer::Accept);
    let appliance = configure(Setup::new().store2(&store.url(), "token")).start();
    (store, appliance)
}

/// A number among the properties of a 5.0 CONNACK.
fn property(connack: &Packet, wanted: u8) -> Option<u32> {
    let Packet::Whole(0x20, body) = connack else { panic!("no CONNACK: {connack:02x?}") };
    let mut rest = &body[3..];
    while let [id, after @ ..] = rest {
        let width = match id {
            0x24 | 0x25 | 0x28 | 0x29 | 0x2a => 1,
            0x13 | 0x21 | 0x22 => 2,
            0x11 | 0x27 => 4,
            0x12 | 0x1a | 0x1c | 0x1f => 2 + usize::from(after[0]) * 256 + usize::from(after[1]),
            other => panic!("property {other:#04x} in {connack:02x?}"),
        };
        if *id == wanted {
            let bytes = &after[..width];
            return Some(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)));
        }
        rest = &after[width..];
    }
    None
}

#[test]
fn a_connack_announces_the_bounds_and_the_values_that_differ_from_the_connect() {
    let (_store, appliance) =
        start(|setup| setup.set("mqtt.receive-maximum", "77").set("mqtt.max-packet-size", "9KiB"));
    let mut vehicle = Vehicle::dial(appliance.mqtt(), Version::V5).unwrap();
    // Requests a session expiry of eight days and gets seven.
    let asks = [0x11, 0, 0x0a, 0x8c, 0];
    let connack = vehicle.greet(&connect_packet(Version::V5, "v", 60, &asks));
    assert!(matches!(&connack, Packet::Whole(0x20, body) if body[..2] == [0, 0]), "{connack:02x?}");
    assert_eq!(property(&connack, 0x21), Some(77), "receive maximum");
    assert_eq!(property(&connack, 0x27), Some(9 * 1024), "maximum packet size");
    assert_eq!(property(&connack, 0x11), Some(7 * 24 * 60 * 60), "session expiry");
    for served in [0x28, 0x29, 0x2a] {
        assert_eq!(property(&connack, served), None, "subscriptions of every kind are served");
    }
}

#[test]
fn a_session_is_present_after_it_was_created() {
    let (_store, appliance) = start(|setup| setup);
    for is_present in [0, 1] {
        let mut vehicle = Vehicle::dial(appliance.mqtt(), Version::V3).unwrap();
        let mut connect = connect_packet(Version::V3, "v", 60, &[]);
        // Not a clean session.
        connect[9] = 0;
        assert_eq!(vehicle.greet(&connect), Packet::Whole(0x20, vec![is_present, 0]));
        vehicle.send(&[0xe0, 0]);
        assert_eq!(vehicle.expect_close(), []);
    }
}

#[test]
fn an_empty_client_id_is_assigned_one() {
    let (_store, appliance) = start(|setup| setup);
    let mut vehicle = Vehicle::dial(appliance.mqtt(), Version::V5).unwrap();
    let connack = vehicle.greet(&connect_packet(Version::V5, "", 60, &[]));
    assert!(property(&connack, 0x12).is_some(), "no assigned client id: {connack:02x?}");
    Vehicle::connect(appliance.mqtt(), Version::V3, "").ping();
}

#[test]
fn a_will_a_user_and_a_password_are_accepted() {
    let (_store, appliance) = start(|setup| setup);
    let mut body = text("MQTT");
    // Level 4; user, password, retained will at QoS 1, clean session; keep alive 60 s.
    body.extend([4, 0b1110_1110, 0, 60]);
    for part in ["v", "lost/v", "gone", "user", "password"] {
        body.extend(text(part));
    }
    let mut vehicle = Vehicle::dial(appliance.mqtt(), Version::V3).unwrap();
    assert_eq!(vehicle.greet(&packet(0x10, &body)), Packet::Whole(0x20, vec![0, 0]));
    vehicle.ping();
}

#[test]
fn an_unknown_protocol_level_is_refused_with_a_code() {
    let (_store, appliance) = start(|setup| setup);
    let mut vehicle = Vehicle::dial(appliance.mqtt(), Version::V3).unwrap();
    let mut connect = connect_packet(Version::V3, "v", 60, &[]);
    connect[8] = 9;
    vehicle.send(&connect);
    let said = vehicle.expect_close();
    assert!(
        matches!(&said[..], [Packet::Whole(0x20, body)] if matches!(body[1], 1 | 0x84)),
        "{said:02x?}"
    );
}

#[test]
fn a_connection_without_connect_is_closed_without_an_answer() {
    let (_store, appliance) = start(|setup| setup);
    let firsts: [&[u8]; 5] = [
        &[0xc0, 0],
        b"\x30\x07\0\x01ahello",
        b"GET / HTTP/1.1\r\n\r\n",
        // A PUBLISH with a length of 256 MB: its type is checked before its length.
        &[0x30, 0xff, 0xff, 0xff, 0x7f],
        &[0x10, 0xff, 0xff, 0xff, 0xff, 0x7f],
    ];
    for first in firsts {
        let mut vehicle = Vehicle::dial(appliance.mqtt(), Version::V3).unwrap();
        vehicle.send(first);
        assert_eq!(vehicle.expect_close(), [], "{first:02x?}");
    }
    Vehicle::connect(appliance.mqtt(), Version::V3, "v").ping();
}

#[test]
fn a_connect_over_its_bound_is_closed() {
    let (_store, appliance) = start(|setup| setup);
    let mut vehicle = Vehicle::dial(appliance.mqtt(), Version::V3).unwrap();
    let connect = connect_packet(Version::V3, &"v".repeat(60_000), 60, &[]);
    // It may be closed while we still write.
    drop(vehicle.try_send(&connect));
    let said = vehicle.expect_close();
    assert!(
        !said.iter().any(|packet| matches!(packet, Packet::Whole(0x20, body) if body[1] == 0)),
        "{said:02x?}"
    );
}

#[test]
fn a_connection_without_a_whole_connect_is_closed_even_while_bytes_arrive() {
    let (_store, appliance) = start(|setup| setup.set("mqtt.connect-timeout", "1s"));
    let mut silent = Vehicle::dial(appliance.mqtt(), Version::V3).unwrap();
    let mut dripping = Vehicle::dial(appliance.mqtt(), Version::V3).unwrap();
    let connect = connect_packet(Version::V3, &"v".repeat(500), 60, &[]);
    let mut bytes = connect.iter();
    until("the end of the dripping line", Duration::from_secs(20), || {
        let byte = bytes.next().expect("cut long before all of it has dripped");
        dripping.try_send(&[*byte]).is_err()
            || dripping.receive(Duration::from_millis(100)) == Packet::Closed
    });
    assert_eq!(silent.expect_close(), []);
}

#[test]
fn a_silent_vehicle_is_disconnected_after_its_keep_alive_and_a_pinging_one_is_not() {
    let (_store, appliance) = start(|setup| setup);
    let dial = |version, keep_alive, id: &str| {
        let mut vehicle = Vehicle::dial(appliance.mqtt(), version).unwrap();
        let connack = vehicle.greet(&connect_packet(version, id, keep_alive, &[]));
        assert!(matches!(&connack, Packet::Whole(0x20, body) if body[1] == 0), "{connack:02x?}");
        vehicle
    };
    let mut forever = dial(Version::V3, 0, "forever");
    let mut pinging = dial(Version::V3, 1, "pinging");
    let mut silent_3 = dial(Version::V3, 1, "silent-3");
    let mut silent_5 = dial(Version::V5, 1, "silent-5");
    // Pings for four times the keep alive, at intervals of a third of it.
    for _ in 0..12 {
        pinging.ping();
        assert_eq!(pinging.receive(Duration::from_millis(330)), Packet::Nothing);
    }
    assert_eq!(silent_3.expect_close(), []);
    let said = silent_5.expect_close();
    assert_eq!(said.iter().map(Packet::reason).collect::<Vec<_>>(), [0x8d], "{said:02x?}");
    pinging.ping();
    forever.ping();
}

#[test]
fn a_second_connect_ends_the_connection() {
    let (_store, appliance) = start(|setup| setup);
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    vehicle.send(&connect_packet(Version::V5, "v", 60, &[]));
    let said = vehicle.expect_close();
    assert_eq!(said.iter().map(Packet::reason).collect::<Vec<_>>(), [0x82], "{said:02x?}");
}
