//! When a will is published, with and without a persistent session.

use std::time::{Duration, Instant};

use super::{
    client::{MINUTE, MOMENT, start, subscribe},
    lasting::{came, come, connect5},
};
use crate::harness::{
    Appliance, until,
    vehicle::{Packet, Vehicle, Version, publish_packet, text},
};

/// Flags of a will at QoS 0, and of one that is retained.
const WILL: u8 = 0x04;
const RETAINED: u8 = 0x20;
const CLEAN: u8 = 0x02;

/// A will of 5.0 with a delay.
fn will(topic: &str, payload: &str, delay: u32) -> Vec<u8> {
    let mut bytes = vec![5, 0x18];
    bytes.extend(delay.to_be_bytes());
    bytes.extend(text(topic));
    bytes.extend(text(payload));
    bytes
}

fn watcher(appliance: &Appliance, filter: &str) -> Vehicle {
    let mut watcher = Vehicle::connect(appliance.mqtt(), Version::V3, "watcher");
    assert_eq!(subscribe(&mut watcher, Version::V3, filter, 0), 0);
    watcher
}

/// `f03-wills`, A, with a delay of 2 s: reconnect in time: no will; reconnect with clean start: at
/// once; disconnected for longer: after the delay, and retained.
#[test]
fn a_will_with_a_delay_waits_for_its_vehicle() {
    let (_store, appliance) = start(|setup| setup);
    let mut watcher = watcher(&appliance, "status/#");
    let connect = |flags| connect5("V1", flags | WILL | RETAINED, 60, &will("status/V1", "off", 2));
    let (vehicle, ..) = come(&appliance, Version::V5, &connect(0));
    drop(vehicle);
    let (vehicle, is_present, _) = come(&appliance, Version::V5, &connect(0));
    assert!(is_present);
    assert_eq!(watcher.receive(Duration::from_secs(4)), Packet::Nothing, "it was back in time");

    drop(vehicle);
    until("it is away", MINUTE, || appliance.metric("fleetline_mqtt_open_sessions") == Some(1.0));
    let (mut vehicle, is_present, _) = come(&appliance, Version::V5, &connect(CLEAN));
    assert!(!is_present);
    // G of the same: its latest will counts.
    let mut online = publish_packet(Version::V5, "status/V1", b"on", 1, 1, &[]);
    online[0] |= 1;
    vehicle.send(&online);
    assert_eq!(
        (came(&mut watcher).payload, came(&mut watcher).payload),
        ("off".into(), "on".into())
    );
    assert!(matches!(vehicle.expect(), Packet::Whole(0x40, _)));

    let begun = Instant::now();
    drop(vehicle);
    assert_eq!(came(&mut watcher).payload, "off");
    assert!(begun.elapsed() > Duration::from_millis(1400), "after {:?}", begun.elapsed());
    let mut late = Vehicle::connect(appliance.mqtt(), Version::V3, "late");
    assert_eq!(subscribe(&mut late, Version::V3, "status/V1", 0), 0);
    let kept = came(&mut late);
    assert_eq!((kept.payload.as_str(), kept.retain), ("off", true));
}

/// `f03-wills`, C: without a persistent session the will is due at the end of the connection.
#[test]
fn a_delay_ends_with_the_session() {
    let (_store, appliance) = start(|setup| setup);
    let mut watcher = watcher(&appliance, "status/#");
    let connect = connect5("V3", CLEAN | WILL, 0, &will("status/V3", "off", 600));
    let (vehicle, ..) = come(&appliance, Version::V5, &connect);
    drop(vehicle);
    assert_eq!(came(&mut watcher).payload, "off");
    // The same if the session ends before the delay.
    let connect = connect5("V4", WILL, 1, &will("status/V4", "off", 600));
    let (vehicle, ..) = come(&appliance, Version::V5, &connect);
    drop(vehicle);
    assert_eq!(came(&mut watcher).payload, "off");
}

/// `f03-wills`, B: a client that takes a session over ends the old connection, whose will is
/// published.
#[test]
fn a_take_over_publishes_the_will_of_the_first() {
    let (_store, appliance) = start(|setup| setup);
    let mut watcher = watcher(&appliance, "status/#");
    let connect = |payload| connect5("V2", WILL, 60, &will("status/V2", payload, 0));
    let (mut first, ..) = come(&appliance, Version::V5, &connect("first"));
    let (_second, is_present, _) = come(&appliance, Version::V5, &connect("second"));
    assert!(is_present);
    assert_eq!(came(&mut watcher).payload, "first");
    assert_eq!(first.expect_close().iter().map(Packet::reason).collect::<Vec<_>>(), [0x8e]);
    assert_eq!(watcher.receive(MOMENT), Packet::Nothing);
}

/// `f03-wills`, E: kill -9 of the server and a restart: after the delay, unless the vehicle has
/// reconnected.
#[test]
fn wills_outlive_the_server() {
    let (_store, mut appliance) = start(|setup| setup);
    let connect = |name: &str| {
        let topic = format!("status/{name}");
        connect5(name, WILL, 60, &will(&topic, name, 8))
    };
    let (_gone, ..) = come(&appliance, Version::V5, &connect("gone"));
    let (_returns, ..) = come(&appliance, Version::V5, &connect("returns"));
    appliance.kill_9();
    appliance.start_again();
    let mut watcher = watcher(&appliance, "status/#");
    let (_returned, is_present, _) = come(&appliance, Version::V5, &connect("returns"));
    assert!(is_present);
    assert_eq!(came(&mut watcher).payload, "gone");
    assert_eq!(watcher.receive(Duration::from_secs(3)), Packet::Nothing);
    // It was published once, also after another restart.
    appliance.kill_9();
    appliance.start_again();
    let mut watcher = self::watcher(&appliance, "status/gone");
    assert_eq!(watcher.receive(Duration::from_secs(3)), Packet::Nothing);
}
