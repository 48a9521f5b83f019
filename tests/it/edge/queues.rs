//! Messages for subscribers that do not read them: each rule of `mqtt.sessions.queue-overflow`, and
//! short memory for all queues.

use super::client::{MINUTE, MOMENT, start, subscribe};
use crate::harness::{
    Appliance, Sample, until,
    vehicle::{Packet, Vehicle, Version, connect_packet, publish_packet},
};

/// A 5.0 subscriber with a receive maximum of 1 that does not acknowledge by itself.
fn one_at_a_time(appliance: &Appliance, id: &str, filter: &str) -> Vehicle {
    let mut client = Vehicle::dial(appliance.mqtt(), Version::V5).unwrap();
    let connack = client.greet(&connect_packet(Version::V5, id, 60, &[0x21, 0, 1]));
    assert!(matches!(&connack, Packet::Whole(0x20, body) if body[..2] == [0, 0]), "{connack:02x?}");
    assert_eq!(subscribe(&mut client, Version::V5, filter, 1), 1);
    client
}

/// Publishes ten samples of a mapped topic: the vehicle waits for no subscriber.
fn ten_samples(appliance: &Appliance) {
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "vehicle");
    for seq in 1..=10 {
        let id = u16::try_from(seq).unwrap();
        let payload = Sample { seq }.payload();
        assert_eq!(vehicle.publish_acked(&Sample::topic("V1"), &payload, id).reason(), 0);
    }
}

/// Checks that all deliveries are accounted for, and how many were dropped.
fn check_dropped(appliance: &Appliance, dropped: u64) {
    until("the books balance", MINUTE, || {
        let count = |name: &str| appliance.count(&format!("deliveries.{name}"));
        count("dropped") == dropped
            && count("routed")
                == count("delivered") + count("queued") + count("dropped") + count("expired")
    });
}

/// Receives and acknowledges payloads until there are no more.
fn drain(client: &mut Vehicle) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    while let Packet::Whole(first, body) = client.receive(4 * MOMENT) {
        assert_eq!(first >> 4, 3, "{first:02x}");
        let len = usize::from(u16::from_be_bytes([body[0], body[1]]));
        client.send(&[0x40, 2, body[2 + len], body[3 + len]]);
        payloads.push(body[5 + len..].to_vec());
    }
    payloads
}

fn sample(seq: u64) -> Vec<u8> {
    Sample { seq }.payload()
}

#[test]
fn a_full_queue_refuses_the_newest() {
    let (_store, appliance) = start(|setup| setup.set("mqtt.sessions.queue-messages-max", "3"));
    let mut client = one_at_a_time(&appliance, "slow", "vehicles/#");
    ten_samples(&appliance);
    check_dropped(&appliance, 7);
    assert_eq!(drain(&mut client), [1, 2, 3].map(sample));
}

#[test]
fn or_drops_the_oldest_that_was_not_sent() {
    let (_store, appliance) = start(|setup| {
        setup
            .set("mqtt.sessions.queue-messages-max", "3")
            .set("mqtt.sessions.queue-overflow", "drop-oldest")
    });
    let mut client = one_at_a_time(&appliance, "slow", "vehicles/#");
    ten_samples(&appliance);
    check_dropped(&appliance, 7);
    // The first was in flight; of the others the newest two are left.
    assert_eq!(drain(&mut client), [1, 9, 10].map(sample));
}

#[test]
fn or_ends_the_session_and_says_so() {
    let (_store, appliance) = start(|setup| {
        setup
            .set("mqtt.sessions.queue-messages-max", "3")
            .set("mqtt.sessions.queue-overflow", "end-session")
    });
    let mut client = one_at_a_time(&appliance, "slow", "vehicles/#");
    let mut other = one_at_a_time(&appliance, "other", "elsewhere");
    ten_samples(&appliance);
    let said = client.expect_close();
    assert_eq!(said.last().map(Packet::reason), Some(0x97), "{said:02x?}");
    until("all of its are given up", MINUTE, || {
        appliance.count("deliveries.queued") == 0 && appliance.count("deliveries.dropped") >= 4
    });
    let name = "fleetline_mqtt_closed_connections_total{reason=\"queue-stalled\"}";
    assert_eq!(appliance.metric(name), Some(1.0));
    assert_eq!(appliance.get("/api/v1/sessions/slow").0, 404);
    other.ping();
}

/// Memory for all queues is short: a subscriber that reads still gets its messages; for others the
/// publisher waits, or at QoS 0 the message is dropped and counted.
#[test]
fn with_short_memory_subscribers_that_read_are_served_and_others_cost_no_more() {
    let (_store, appliance) = start(|setup| setup.set("mqtt.sessions.memory-max", "64KiB"));
    let mut slow = one_at_a_time(&appliance, "slow", "flood/#");
    let mut flood = Vehicle::connect(appliance.mqtt(), Version::V3, "flood");
    let bytes: Vec<u8> = (1..=200)
        .flat_map(|id| publish_packet(Version::V3, "flood/a", &[7; 1000], 1, id, &[]))
        .collect();
    flood.send(&bytes);
    let mut acked = 0;
    while let Packet::Whole(0x40, _) = flood.receive(4 * MOMENT) {
        acked += 1;
    }
    assert!((20..200).contains(&acked), "{acked} of some 60 that fit");
    assert_eq!(appliance.metric("fleetline_mqtt_full_queues"), Some(1.0));
    // Others are served meanwhile.
    let mut quick = Vehicle::connect(appliance.mqtt(), Version::V3, "quick");
    assert_eq!(subscribe(&mut quick, Version::V3, "news", 1), 1);
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V5, "publisher");
    for id in 1..=20_u16 {
        assert_eq!(publisher.publish_acked("news", b"x", id).reason(), 0);
        let Packet::Whole(0x32, body) = quick.expect() else { panic!("nothing came") };
        quick.send(&[0x40, 2, body[6], body[7]]);
    }
    // At QoS 0 nobody waits.
    let before = appliance.count("deliveries.dropped");
    publisher.publish("flood/a", b"x", 0, 0);
    publisher.ping();
    until("it is dropped and counted", MINUTE, || {
        appliance.count("deliveries.dropped") == before + 1
    });
    // It reads again: everything is delivered, and every publish is acknowledged.
    let come = drain(&mut slow);
    assert_eq!(come.len(), 200);
    while let Packet::Whole(0x40, _) = flood.receive(4 * MOMENT) {
        acked += 1;
    }
    assert_eq!(acked, 200);
    check_dropped(&appliance, before + 1);
}
