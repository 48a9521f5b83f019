//! The first and last packets of a connection: imposed values, refusals, reason strings, and that
//! the last packet arrives.

use std::time::{Duration, Instant};

use super::client::{MINUTE, start, subscribe};
use crate::harness::{
    until,
    vehicle::{Packet, Vehicle, Version, connect_packet, packet, publish_packet, text},
};

/// The reason string of an acknowledgement, CONNACK or DISCONNECT.
fn words(packet: &Packet) -> Option<String> {
    let Packet::Whole(first, body) = packet else { panic!("{packet:02x?}") };
    // After the reason code, with or without an identifier; in a SUBACK the reason codes are at the
    // end.
    let block = match first >> 4 {
        4..=7 => body.get(3..)?,
        9 => &body[2..],
        14 => body.get(1..)?,
        _ => panic!("{packet:02x?}"),
    };
    let (len, block) = block.split_first()?;
    let block = &block[..usize::from(*len)];
    (block.first() == Some(&0x1f)).then(|| String::from_utf8(block[3..].to_vec()).unwrap())
}

/// A client that still sends when its connection ends has time to read the reason. Without a
/// lingering close the second write fails, because unread bytes of the first are in a closed
/// socket.
#[test]
fn a_client_that_still_sends_reads_why_its_connection_ends() {
    let (_store, appliance) = start(|setup| setup.set("mqtt.max-packet-size", "16KiB"));
    for round in 0..20 {
        let mut client = Vehicle::connect(appliance.mqtt(), Version::V5, &format!("still-{round}"));
        let mut bytes = vec![0xf0, 0];
        bytes.extend(publish_packet(Version::V5, "a/b", &[7; 4096], 1, 1, &[]).repeat(50));
        client.send(&bytes);
        // It continues sending, like a client on a slow link.
        let begun = Instant::now();
        until("a moment to pass", MINUTE, || begun.elapsed() > Duration::from_millis(20));
        client.send(&bytes);
        let said = client.expect_close();
        assert_eq!(said.iter().map(Packet::reason).collect::<Vec<_>>(), [0x82], "{said:02x?}");
    }
    // Nothing of them is left behind.
    let mut last = Vehicle::connect(appliance.mqtt(), Version::V5, "last");
    last.ping();
    until("their descriptors are given back", MINUTE, || appliance.descriptors() < 60);
}

#[test]
fn reason_strings_are_sent_if_requested_and_if_they_fit() {
    let rules = "[[rule]]\nallow = [\"publish\", \"subscribe\"]\ntopics = [\"a/#\"]\n";
    let (_store, appliance) = start(|setup| {
        std::fs::write(setup.home().join("rules.toml"), rules).unwrap();
        setup.set("auth.rules", "rules.toml").set("mqtt.sessions.subscriptions-max", "1")
    });
    // Request problem information: 1, 0, absent, and with a maximum packet size of 8.
    let asks: [(&[u8], bool); 4] = [
        (&[0x17, 1], true),
        (&[0x17, 0], false),
        (&[], false),
        (&[0x27, 0, 0, 0, 100, 0x17, 1], true),
    ];
    for (asks, is_told) in asks {
        let mut client = Vehicle::dial(appliance.mqtt(), Version::V5).unwrap();
        let connack = client.greet(&connect_packet(Version::V5, "c", 60, asks));
        assert!(matches!(&connack, Packet::Whole(0x20, body) if body[..2] == [0, 0]));
        let told = |what: &str| is_told.then(|| what.to_owned());
        client.publish("b", b"x", 1, 1);
        let puback = client.expect();
        assert_eq!((puback.reason(), words(&puback)), (0x87, told("not authorized")));
        client.publish("b", b"x", 2, 2);
        let pubrec = client.expect();
        assert_eq!((pubrec.reason(), words(&pubrec)), (0x87, told("not authorized")));
        client.send(&[0x62, 2, 0, 9]);
        let pubcomp = client.expect();
        let expect = told("no exchange has this packet identifier");
        assert_eq!((pubcomp.reason(), words(&pubcomp)), (0x92, expect));
        client.send(&packet(0x82, &[&[0, 7, 0][..], &text("a"), &[0], &text("b"), &[0]].concat()));
        let suback = client.expect();
        assert_eq!(words(&suback), told("not authorized"));
        let Packet::Whole(0x90, body) = &suback else { panic!("{suback:02x?}") };
        assert_eq!(body[body.len() - 2..], [0, 0x87]);
        client.publish("a/b", b"x", 1, 3);
        assert_eq!(client.expect(), Packet::Whole(0x40, vec![0, 3, 0x10]), "no problem, no words");
        client.send(&[0xf0, 0]);
        let last = client.expect_close();
        let expect = told("the packet breaks the protocol");
        assert_eq!(
            last.iter().map(|it| (it.reason(), words(it))).collect::<Vec<_>>(),
            [(0x82, expect)]
        );
    }
    // Reason strings that do not fit into the client's maximum packet size are omitted.
    let mut client = Vehicle::dial(appliance.mqtt(), Version::V5).unwrap();
    let asks = [0x27, 0, 0, 0, 22, 0x17, 1];
    assert!(matches!(
        client.greet(&connect_packet(Version::V5, "c", 60, &asks)),
        Packet::Whole(0x20, _)
    ));
    client.publish("b", b"x", 1, 1);
    assert_eq!(client.expect(), Packet::Whole(0x40, vec![0, 1, 0x87]));
}

#[test]
fn a_keep_alive_is_imposed_on_5_0_clients_and_enforced() {
    let (_store, appliance) = start(|setup| setup.set("mqtt.keep-alive-max", "1s"));
    for asked in [0, 60] {
        let mut client = Vehicle::dial(appliance.mqtt(), Version::V5).unwrap();
        let Packet::Whole(0x20, body) = client.greet(&connect_packet(Version::V5, "c", asked, &[]))
        else {
            panic!("no CONNACK")
        };
        assert!(body.windows(3).any(|part| part == [0x13, 0, 1]), "server keep alive: {body:02x?}");
        let said = client.expect_close();
        assert_eq!(said.iter().map(Packet::reason).collect::<Vec<_>>(), [0x8d]);
    }
    // Its own value is not repeated.
    let mut client = Vehicle::dial(appliance.mqtt(), Version::V5).unwrap();
    let Packet::Whole(0x20, body) = client.greet(&connect_packet(Version::V5, "c", 1, &[])) else {
        panic!("no CONNACK")
    };
    assert!(!body.windows(3).any(|part| part == [0x13, 0, 1]), "{body:02x?}");
}

#[test]
fn enhanced_authentication_is_refused_with_a_code() {
    let (_store, appliance) = start(|setup| setup);
    // CONNECT with an authentication method: 0x8C, bad authentication method.
    let mut client = Vehicle::dial(appliance.mqtt(), Version::V5).unwrap();
    let method = [&[0x15][..], &text("SCRAM-SHA-1")].concat();
    let connack = client.greet(&connect_packet(Version::V5, "c", 60, &method));
    assert!(
        matches!(&connack, Packet::Whole(0x20, body) if body[..2] == [0, 0x8c]),
        "{connack:02x?}"
    );
    assert_eq!(client.expect_close(), []);
    // Data without a method breaks the protocol.
    let mut client = Vehicle::dial(appliance.mqtt(), Version::V5).unwrap();
    let connack = client.greet(&connect_packet(Version::V5, "c", 60, &[0x16, 0, 1, 7]));
    assert!(
        matches!(&connack, Packet::Whole(0x20, body) if body[..2] == [0, 0x82]),
        "{connack:02x?}"
    );
    // AUTH without enhanced authentication.
    for auth in [&[0xf0, 0][..], &[0xf0, 2, 0x18, 0], &[0xf0, 2, 0x19, 0]] {
        let mut client = Vehicle::connect(appliance.mqtt(), Version::V5, "c");
        client.send(auth);
        let said = client.expect_close();
        let reasons: Vec<u8> = said.iter().map(Packet::reason).collect();
        assert!(matches!(reasons[..], [0x81 | 0x82]), "{auth:02x?}: {said:02x?}");
    }
    // 3.1.1 has no such packet.
    let mut client = Vehicle::connect(appliance.mqtt(), Version::V3, "c");
    client.send(&[0xf0, 0]);
    assert_eq!(client.expect_close(), []);
}

#[test]
fn an_assigned_identifier_is_announced_unique_and_usable_to_reconnect() {
    let (_store, appliance) = start(|setup| setup);
    let assigned = |client: &mut Vehicle, id: &str| {
        let Packet::Whole(0x20, body) = client.greet(&connect_packet(Version::V5, id, 60, &[]))
        else {
            panic!("no CONNACK")
        };
        let at = body.windows(2).position(|part| part == [0x12, 0]);
        at.map(|at| {
            let len = usize::from(body[at + 2]);
            String::from_utf8(body[at + 3..at + 3 + len].to_vec()).unwrap()
        })
    };
    let mut first = Vehicle::dial(appliance.mqtt(), Version::V5).unwrap();
    let mut second = Vehicle::dial(appliance.mqtt(), Version::V5).unwrap();
    let id = assigned(&mut first, "").expect("an identifier");
    assert_ne!(assigned(&mut second, "").expect("an identifier"), id);
    let mut again = Vehicle::dial(appliance.mqtt(), Version::V5).unwrap();
    assert_eq!(assigned(&mut again, &id), None, "it brought one");
    let said = first.expect_close();
    assert_eq!(said.iter().map(Packet::reason).collect::<Vec<_>>(), [0x8e]);
    assert_eq!(subscribe(&mut again, Version::V5, "a", 0), 0);
    second.ping();
}
