//! The bounds of a connection, and that waiting for the disk or the store never costs a ping.

use std::time::Duration;

use crate::harness::{Answer, Packet, Sample, Setup, StandIn, Vehicle, Version, until};

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn more_unfinished_exchanges_than_announced_end_the_connection() {
    let store = StandIn::start(Answer::Accept);
    let appliance =
        Setup::new().store2(&store.url(), "token").set("mqtt.receive-maximum", "4").start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    // A QoS 2 exchange counts until its PUBCOMP, which is not asked for here.
    for id in 1..=5_u16 {
        let sample = Sample { seq: u64::from(id) };
        vehicle.publish(&Sample::topic("VIN"), &sample.payload(), 2, id);
    }
    let said = vehicle.expect_close();
    assert_eq!(said.last().map(Packet::reason), Some(0x93), "{said:02x?}");
}

#[test]
fn a_packet_over_the_bound_ends_the_connection() {
    let store = StandIn::start(Answer::Accept);
    let appliance =
        Setup::new().store2(&store.url(), "token").set("mqtt.max-packet-size", "8KiB").start();
    let topic = Sample::topic("VIN");
    let mut new = Vehicle::connect(appliance.mqtt(), Version::V5, "new");
    new.publish(&topic, &[0; 9_000], 1, 1);
    let said = new.expect_close();
    assert_eq!(said.iter().map(Packet::reason).collect::<Vec<_>>(), [0x95], "{said:02x?}");
    let mut old = Vehicle::connect(appliance.mqtt(), Version::V3, "old");
    old.publish(&topic, &[0; 9_000], 1, 1);
    assert_eq!(old.expect_close(), []);
    // One just within is none.
    let mut fits = Vehicle::connect(appliance.mqtt(), Version::V3, "fits");
    fits.publish_acked(&topic, &[0; 8_000], 1);
}

#[test]
fn a_full_spool_makes_publishes_wait_and_pings_not() {
    // The store is away and the spool small, so that it fills; then the store comes back.
    let store = StandIn::start(Answer::Refuse(503, "away"));
    let appliance = Setup::new()
        .store2(&store.url(), "token")
        .set("spool.shards", "1")
        .set("spool.segment-size", "1MiB")
        .set("spool.max-size", "2MiB")
        .start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    let (sent, acked) = vehicle.publish_until_stuck("VIN");
    assert!(acked > 100, "only {acked} were acknowledged before the spool was full");
    for _ in 0..5 {
        vehicle.ping();
    }
    let (status, body) = appliance.get("/readyz");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("no room"), "{body}");
    assert_eq!(appliance.count("messages.pending"), sent - acked);

    store.answers(Answer::Accept);
    // Those that waited.
    for _ in acked..sent {
        assert!(matches!(vehicle.receive(MINUTE), Packet::Whole(0x40, _)));
    }
    until("an empty spool", MINUTE, || appliance.count("points.in_spool") == 0);
    assert_eq!(store.lines().len() as u64, sent);
    until("readiness", MINUTE, || appliance.get("/readyz").0 == 200);
}

#[test]
fn a_dead_store_is_told_and_costs_no_readiness() {
    let store = StandIn::start(Answer::HangUp);
    let appliance = Setup::new().store2(&store.url(), "token").start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V3, "v");
    vehicle.publish_acked(&Sample::topic("VIN"), &Sample { seq: 1 }.payload(), 1);
    vehicle.ping();
    assert_eq!(appliance.get("/healthz").0, 200);
    until("the store's state", MINUTE, || {
        let (status, body) = appliance.get("/readyz");
        status == 200 && body.contains("waiting")
    });
    assert_eq!(appliance.count("points.in_spool"), 1);
}

#[test]
fn a_wrong_token_holds_everything_and_is_told() {
    let store = StandIn::start(Answer::Refuse(401, r#"{"code":"unauthorized"}"#));
    let appliance = Setup::new().store2(&store.url(), "token").start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V3, "v");
    vehicle.publish_acked(&Sample::topic("VIN"), &Sample { seq: 1 }.payload(), 1);
    until("the alarm", MINUTE, || appliance.get("/readyz").1.contains("failed"));
    assert_eq!(appliance.count("points.dead_lettered"), 0);
    assert_eq!(appliance.count("points.in_spool"), 1);
    store.answers(Answer::Accept);
    until("an empty spool", 2 * MINUTE, || appliance.count("points.in_spool") == 0);
    assert_eq!(store.lines().len(), 1);
}
