//! Payloads of mappings with `identity = "required"`: the vehicle must be the session's.

use super::identity::add;
use crate::harness::{Appliance, PATIENCE, Setup, Vehicle, Version, until};

const SCHEMA: &str = r#"{"type": "object", "properties": {
    "vin": {"type": "string"}, "v": {"type": "integer"}}}"#;

/// A mapping whose vehicle is a capture, one whose vehicle is in the payload, and one without the
/// requirement.
const MAPPINGS: &str = r#"
[[mapping]]
name = "by-topic"
topic = "in/{car}/own"
format = "json"
schema = "m.schema.json"
measurement = "by_topic"
vehicle = "{car}"
tags = ["car"]
identity = "required"
[[mapping]]
name = "by-payload"
topic = "in/+/payload"
format = "json"
schema = "m.schema.json"
measurement = "by_payload"
vehicle = "vin"
tags = ["vin"]
identity = "required"
[[mapping]]
name = "beside"
topic = "in/{car}/payload"
format = "json"
schema = "m.schema.json"
measurement = "beside"
vehicle = "{car}"
tags = ["car"]
identity = "any"
"#;

const RULES: &str = "[[rule]]\nallow = [\"publish\", \"subscribe\"]\ntopics = [\"in/#\"]\n";

fn setup() -> Setup {
    let setup = Setup::new()
        .schema("m.schema.json", SCHEMA)
        .schema("m.toml", MAPPINGS)
        .set("auth.rules", "rules.toml");
    std::fs::write(setup.home().join("rules.toml"), RULES).unwrap();
    setup
}

#[track_caller]
fn reason(vehicle: &mut Vehicle, topic: &str, payload: &str, id: u16) -> u8 {
    vehicle.publish(topic, payload.as_bytes(), 1, id);
    let answer = vehicle.expect();
    assert_eq!(answer.id(), id);
    answer.reason()
}

fn settled(appliance: &Appliance, name: &str, count: u64) {
    let shown = || format!("{name}: {}", appliance.stats());
    until(&shown(), PATIENCE, || appliance.count(name) == count);
}

#[test]
fn a_payload_of_another_vehicle_is_refused_and_nothing_of_it_is_stored() {
    let setup = setup();
    add(&setup, "V1", "secret");
    let appliance = setup.set("auth.users", "users").start();
    let (mut vehicle, told) =
        Vehicle::enter(appliance.mqtt(), Version::V5, "c", Some("V1"), Some("secret"));
    assert_eq!(told, 0);
    let (mine, other) = (r#"{"vin": "V1", "v": 1}"#, r#"{"vin": "V2", "v": 2}"#);
    assert_eq!(reason(&mut vehicle, "in/V1/own", mine, 1), 0);
    assert_eq!(reason(&mut vehicle, "in/V2/own", mine, 2), 0x87);
    assert_eq!(reason(&mut vehicle, "in/x/payload", mine, 3), 0);
    // The points of the other mapping are discarded.
    assert_eq!(reason(&mut vehicle, "in/x/payload", other, 4), 0x87);
    settled(&appliance, "messages.refused", 2);
    settled(&appliance, "points.spooled", 3);
    // A capture is checked before the payload: no dead letter with another vehicle's name.
    assert_eq!(reason(&mut vehicle, "in/V2/own", "{broken", 5), 0x87);
    assert_eq!(reason(&mut vehicle, "in/V1/own", "{broken", 6), 0x99);
    settled(&appliance, "messages.refused", 3);
    settled(&appliance, "messages.dead_lettered", 1);
    // The vehicle of a payload that cannot be decoded is unknown: its letters name the sender, so
    // that a replay checks the sender.
    assert_eq!(reason(&mut vehicle, "in/V9/payload", "{broken", 7), 0x99);
    settled(&appliance, "messages.dead_lettered", 2);
    let (_, letters) = appliance.get("/api/v1/dead-letters");
    let letters: serde_json::Value = serde_json::from_str(&letters).unwrap();
    let of: Vec<_> =
        letters["dead_letters"].as_array().unwrap().iter().map(|it| &it["vehicle"]).collect();
    assert_eq!(of, ["V1", "V1", "V1"], "{letters}");
    let log = appliance.log();
    assert!(log.contains("the access rules refuse to publish for another"), "{log}");
    assert_eq!(appliance.count("messages.pending"), 0);
    // A dry run has no session.
    std::fs::write(appliance.setup().home().join("payload"), other).unwrap();
    let line = appliance.cli_ok(&["decode", "--topic", "in/V2/own", "payload"]);
    assert!(line.starts_with("by_topic,car=V2 "), "{line}");
}

#[test]
fn an_anonymous_client_has_no_verified_vehicle() {
    let appliance = setup().start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "V1");
    assert_eq!(reason(&mut vehicle, "in/V1/own", r#"{"vin": "V1", "v": 1}"#, 1), 0x87);
    let mut old = Vehicle::connect(appliance.mqtt(), Version::V3, "V1");
    assert_eq!(reason(&mut old, "in/V1/own", r#"{"vin": "V1", "v": 1}"#, 2), 0);
    settled(&appliance, "messages.refused", 2);
}
