//! The bounds of a connection; and pings are answered while publishes wait for the disk or the
//! store.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

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
    // A packet just within the bound is accepted.
    let mut fits = Vehicle::connect(appliance.mqtt(), Version::V3, "fits");
    fits.publish_acked(&topic, &[0; 8_000], 1);
}

#[test]
fn a_full_spool_makes_publishes_wait_and_pings_not() {
    // The store is down and the spool small, so that it fills; then the store works again.
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
    // The waiting publishes.
    for _ in acked..sent {
        assert!(matches!(vehicle.receive(MINUTE), Packet::Whole(0x40, _)));
    }
    until("an empty spool", MINUTE, || appliance.count("points.in_spool") == 0);
    assert_eq!(store.lines().len() as u64, sent);
    until("readiness", MINUTE, || appliance.get("/readyz").0 == 200);
}

#[test]
fn a_dead_store_is_reported_and_does_not_affect_readiness() {
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
fn a_wrong_token_holds_everything_and_is_reported() {
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

#[test]
fn silent_sockets_do_not_block_a_vehicle_and_the_longest_silent_is_closed() {
    let store = StandIn::start(Answer::Accept);
    let appliance = Setup::new()
        .store2(&store.url(), "token")
        .set("mqtt.admission.silent-per-address-max", "50")
        .set("mqtt.connect-timeout", "10m")
        .start();
    let silent = || {
        let mut peer = TcpStream::connect(appliance.mqtt()).unwrap();
        peer.write_all(&[0x10]).unwrap();
        peer
    };
    let _others: Vec<TcpStream> = (0..399).map(|_| silent()).collect();
    // A busy worker may notice a peer later than another worker notices the next one: the order is
    // certain only when all others have been noticed.
    until("they have been seen", MINUTE, || {
        appliance.metric("fleetline_mqtt_accepted_connections_total") >= Some(399.0)
    });
    let mut newest = silent();
    let closed = || {
        let name = "fleetline_mqtt_closed_connections_total{reason=\"silent-max\"}";
        appliance.metric(name).unwrap_or_default()
    };
    until("all but fifty are closed", MINUTE, || closed() >= 350.0);
    Vehicle::connect(appliance.mqtt(), Version::V3, "honest").ping();
    // The newest silent peer is still connected, and can send its CONNECT.
    newest.write_all(b"\x0d\x00\x04MQTT\x04\x02\x00\x0a\x00\x01p").unwrap();
    let mut connack = [0; 4];
    newest.read_exact(&mut connack).unwrap();
    assert_eq!(connack, [0x20, 2, 0, 0]);
}

/// `m8-first-packet`: a probe is closed at its first bytes and not held until `connect-timeout`.
#[test]
fn bytes_that_cannot_become_a_connect_are_closed_at_once() {
    let store = StandIn::start(Answer::Accept);
    let appliance =
        Setup::new().store2(&store.url(), "token").set("mqtt.connect-timeout", "10m").start();
    for probe in [
        &b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"[..],
        b"POST / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00",
        b"\x82\x7f",
        b"\x10\x0d\x00\x04MQTX",
    ] {
        let mut peer = TcpStream::connect(appliance.mqtt()).unwrap();
        peer.set_read_timeout(Some(MINUTE)).unwrap();
        peer.write_all(probe).unwrap();
        let read = peer.read(&mut [0; 8]);
        // A reset also counts as closed: there were unread bytes.
        let is_closed = match read {
            Ok(len) => len == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        };
        assert!(is_closed, "{probe:02x?}");
    }
    let name = "fleetline_mqtt_closed_connections_total{reason=\"not-mqtt\"}";
    until("all are counted", MINUTE, || appliance.metric(name) == Some(6.0));
    assert!(appliance.log().contains("a peer gets no session"), "told, with a rate limit");
}

#[test]
fn under_a_full_spool_memory_stays_within_its_budget_for_payloads_that_expand() {
    // Compact points: about two bytes of payload become a line of about eighty. Sixteen workers and
    // eight shards, a store that is down, and a spool that fills at once.
    let store = StandIn::start(Answer::Refuse(503, "away"));
    let appliance = Setup::new()
        .store2(&store.url(), "token")
        .schema(
            "c.schema.json",
            r#"{"type":"object","properties":{"s":{"type":"array","items":
                {"type":"object","properties":{"v":{"type":"integer"}}}}}}"#,
        )
        .schema(
            "c.toml",
            "[[mapping]]\nname = \"compact\"\ntopic = \"c/{vin}\"\nformat = \"json\"\n\
             schema = \"c.schema.json\"\nmeasurement = \"a_measurement_with_a_long_name\"\n\
             vehicle = \"{vin}\"\ntags = [\"vin\"]\npoints = \"s\"\n",
        )
        .set("mqtt.workers", "16")
        .set("spool.shards", "8")
        .set("spool.segment-size", "1MiB")
        .set("spool.max-size", "16MiB")
        .set("uplink.memory-max", "64MiB")
        .start();
    let elements = vec!["{\"v\":1}"; 2000].join(",");
    let payload = format!("{{\"s\":[{elements}]}}");
    let before = appliance.rss_kib();
    let vehicles: Vec<Vehicle> = (0..100)
        .map(|number| {
            let mut vehicle =
                Vehicle::connect(appliance.mqtt(), Version::V5, &format!("v{number}"));
            for id in 1..=8 {
                vehicle.publish(&format!("c/{number}"), payload.as_bytes(), 1, id);
            }
            vehicle
        })
        .collect();
    let used = || appliance.metric("fleetline_uplink_memory_bytes").unwrap_or_default();
    until("the budget is used up to where taking in stops", MINUTE, || {
        used() >= 0.7 * f64::from(64 << 20)
    });
    let grown = appliance.rss_kib().saturating_sub(before);
    // The budget of lines, a chunk per shard, and at most a megabyte of read bytes per connection.
    assert!(used() <= f64::from(64 << 20), "{}", used());
    assert!(grown < (64 + 8 + 48) * 1024, "{grown} KiB more");
    drop(vehicles);
}
