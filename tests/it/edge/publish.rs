//! Received PUBLISH packets: every QoS, both protocols on one port, aliases, order, and
//! acknowledgements.

use std::time::Duration;

use crate::harness::{
    Answer, Appliance, Packet, Sample, Setup, StandIn, Vehicle, Version, until,
    vehicle::publish_packet,
};

fn start() -> (StandIn, Appliance) {
    let store = StandIn::start(Answer::Accept);
    let appliance = Setup::new().store2(&store.url(), "token").start();
    (store, appliance)
}

/// The line that a sample of `VIN` becomes.
fn line(seq: u64) -> String {
    let sample = Sample { seq };
    format!("sample,vin=VIN seq={seq}i,value={} {}", sample.value(), sample.at_nanos())
}

#[track_caller]
fn check_stored(store: &StandIn, seqs: impl Iterator<Item = u64>) {
    let mut expected: Vec<_> = seqs.map(line).collect();
    expected.sort();
    until("the lines in the store", Duration::from_mins(1), || {
        store.lines().len() >= expected.len()
    });
    assert_eq!(store.lines(), expected);
}

#[test]
fn every_qos_is_stored_on_both_protocols() {
    let (store, appliance) = start();
    let topic = Sample::topic("VIN");
    let payload = |seq| Sample { seq }.payload();
    for (version, base) in [(Version::V3, 0), (Version::V5, 3)] {
        let mut vehicle = Vehicle::connect(appliance.mqtt(), version, &format!("v{base}"));
        vehicle.publish(&topic, &payload(base), 0, 0);
        assert_eq!(vehicle.publish_acked(&topic, &payload(base + 1), 1).reason(), 0);
        vehicle.publish(&topic, &payload(base + 2), 2, 2);
        let received = vehicle.expect();
        assert!(matches!(received, Packet::Whole(0x50, _)), "no PUBREC: {received:02x?}");
        assert_eq!((received.id(), received.reason()), (2, 0));
        vehicle.send(&[0x62, 2, 0, 2]);
        let completed = vehicle.expect();
        assert!(matches!(completed, Packet::Whole(0x70, _)), "no PUBCOMP: {completed:02x?}");
        assert_eq!((completed.id(), completed.reason()), (2, 0));
    }
    check_stored(&store, 0..6);
    let stats = appliance.stats();
    assert_eq!(stats["messages"]["received"], 6, "{stats}");
    assert_eq!(stats["messages"]["spooled"], 6, "{stats}");
}

#[test]
fn a_repeated_qos_2_publish_is_one_message() {
    let (store, appliance) = start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    let topic = Sample::topic("VIN");
    for _ in 0..2 {
        vehicle.publish(&topic, &Sample { seq: 1 }.payload(), 2, 9);
        assert_eq!(vehicle.expect(), Packet::Whole(0x50, vec![0, 9]));
    }
    vehicle.send(&[0x62, 2, 0, 9]);
    assert_eq!(vehicle.expect(), Packet::Whole(0x70, vec![0, 9]));
    // A second PUBREL is answered, because the answer to the first may have been lost: with the
    // code for an unknown identifier (`m4-pubcomp-of-nothing`).
    vehicle.send(&[0x62, 2, 0, 9]);
    assert_eq!(vehicle.expect(), Packet::Whole(0x70, vec![0, 9, 0x92]));
    check_stored(&store, 1..2);
    assert_eq!(appliance.count("messages.spooled"), 1);
}

#[test]
fn a_topic_without_a_mapping_is_acknowledged_and_counted() {
    let (_store, appliance) = start();
    let mut new = Vehicle::connect(appliance.mqtt(), Version::V5, "new");
    assert_eq!(new.publish_acked("nobody/knows", b"x", 1).reason(), 0x10);
    new.publish("nobody/knows", b"x", 2, 2);
    assert_eq!(new.expect().reason(), 0, "the exchange only begins");
    let mut old = Vehicle::connect(appliance.mqtt(), Version::V3, "old");
    assert_eq!(old.publish_acked("nobody/knows", b"x", 1), Packet::Whole(0x40, vec![0, 1]));
    until("three unmapped messages", Duration::from_secs(20), || {
        appliance.count("messages.unmapped") == 3
    });
}

#[test]
fn a_topic_alias_stands_for_its_topic() {
    let (store, appliance) = start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    let topic = Sample::topic("VIN");
    for (seq, topic) in [(1, topic.as_str()), (2, ""), (3, "")] {
        let payload = Sample { seq }.payload();
        let id = u16::try_from(seq).unwrap();
        vehicle.send(&publish_packet(Version::V5, topic, &payload, 1, id, &[0x23, 0, 1]));
        assert_eq!(vehicle.expect().reason(), 0);
    }
    check_stored(&store, 1..4);
    // An alias that was never set, and one above the maximum.
    for (alias, topic, reason) in [(2, "", 0x82), (999, topic.as_str(), 0x94)] {
        let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "w");
        let [high, low] = u16::to_be_bytes(alias);
        vehicle.send(&publish_packet(Version::V5, topic, b"", 1, 1, &[0x23, high, low]));
        let said = vehicle.expect_close();
        assert_eq!(said.iter().map(Packet::reason).collect::<Vec<_>>(), [reason], "{said:02x?}");
    }
}

#[test]
fn acknowledgements_are_sent_in_the_order_of_the_publishes() {
    // In turn: points on both shards, dead letters, and messages that are not stored. Each becomes
    // durable at its own time.
    let (_store, appliance) = start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    let mut burst = Vec::new();
    for id in 1..=400_u16 {
        let sample = Sample { seq: u64::from(id) }.payload();
        let (topic, payload) = match id % 4 {
            0 => ("nobody/knows".to_owned(), sample),
            1 => (Sample::topic("VIN"), vec![0x08]),
            _ => (Sample::topic(&format!("VIN{id}")), sample),
        };
        burst.extend(publish_packet(Version::V5, &topic, &payload, 1, id, &[]));
    }
    vehicle.send(&burst);
    for id in 1..=400_u16 {
        let answer = vehicle.expect();
        let reason = [0x10, 0x99, 0, 0][usize::from(id % 4)];
        assert_eq!((answer.id(), answer.reason()), (id, reason), "{answer:02x?}");
    }
}

#[test]
fn retained_messages_are_stored_as_any_other() {
    let (store, appliance) = start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V3, "v");
    let payload = Sample { seq: 5 }.payload();
    let mut retained = publish_packet(Version::V3, &Sample::topic("VIN"), &payload, 1, 1, &[]);
    retained[0] |= 1;
    vehicle.send(&retained);
    assert_eq!(vehicle.expect(), Packet::Whole(0x40, vec![0, 1]));
    check_stored(&store, 5..6);
}

#[test]
fn a_malformed_publish_ends_the_connection_and_harms_nobody_else() {
    let (_store, appliance) = start();
    let mut other = Vehicle::connect(appliance.mqtt(), Version::V5, "other");
    let cases: [(&[u8], u8); 4] = [
        // QoS 3.
        (b"\x36\x06\0\x01a\0\x01\0", 0x81),
        // A topic with a wildcard.
        (b"\x30\x04\0\x01#\0", 0x82),
        // Packet id 0.
        (b"\x32\x06\0\x01a\0\0\0", 0x82),
        // A topic longer than the packet.
        (b"\x30\x03\0\x09a", 0x81),
    ];
    for (bytes, reason) in cases {
        let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
        vehicle.send(bytes);
        let said = vehicle.expect_close();
        let reasons: Vec<_> = said.iter().map(Packet::reason).collect();
        assert!(
            matches!(reasons[..], [told] if told == reason || matches!(told, 0x81 | 0x82 | 0x90)),
            "{bytes:02x?} was answered with {said:02x?}"
        );
        other.ping();
    }
}

/// `m2-empty-payload`: clearing a retained message makes no point in any format, and subscribers
/// get it; an empty payload that is not retained is decoded as its schema says.
#[test]
fn clearing_a_retained_message_makes_no_point() {
    let store = StandIn::start(Answer::Accept);
    let mut setup = Setup::new().store2(&store.url(), "token");
    for name in ["bus.proto", "bus.schema.json", "bus.toml"] {
        let text = std::fs::read_to_string(format!("tests/data/m2-empty-payload/{name}")).unwrap();
        setup = setup.schema(name, &text);
    }
    let appliance = setup.start();
    let mut reader = Vehicle::connect(appliance.mqtt(), Version::V3, "reader");
    reader.send(&[&[0x82, 12, 0, 1, 0, 7][..], b"depot/#", &[0]].concat());
    assert_eq!(reader.expect(), Packet::Whole(0x90, vec![0, 1, 0]));
    for (version, name) in [(Version::V3, "old"), (Version::V5, "new")] {
        let mut bus = Vehicle::connect(appliance.mqtt(), version, name);
        for (topic, retain, id) in
            [("depot/7/state", 1, 1), ("depot/7/json", 1, 2), ("depot/7/state", 0, 3)]
        {
            let mut packet = publish_packet(version, topic, b"", 1, id, &[]);
            packet[0] |= retain;
            bus.send(&packet);
            let answer = bus.expect();
            assert_eq!((answer.id(), answer.reason()), (id, 0), "{topic}");
            assert!(matches!(reader.expect(), Packet::Whole(0x30, _)), "{topic}");
        }
    }
    until("the points of zeros", Duration::from_mins(1), || store.lines().len() >= 2);
    let lines = store.lines();
    assert!(lines.iter().all(|line| line.contains("kmh=0")), "{lines:?}");
    assert_eq!(lines.len(), 2, "{lines:?}");
    let stats = appliance.stats();
    assert_eq!(stats["messages"]["filtered"], 4, "{stats}");
    assert_eq!(stats["messages"]["dead_lettered"], 0, "{stats}");
}
