//! The budget of new names in payloads: the case `o15-field-budget` with the real binary.

use std::{fmt::Write as _, time::Duration};

use crate::harness::{Appliance, Setup, Vehicle, Version, until};

const MINUTE: Duration = Duration::from_mins(1);

const SCHEMA: &str = r#"{"type": "object", "properties": {"can": {"type": "object",
    "additionalProperties": {"type": "number"}}}}"#;

const MAPPING: &str = r#"
[[mapping]]
name        = "can"
topic       = "can/{bus}"
format      = "json"
schema      = "m.schema.json"
measurement = "can"
vehicle     = "{bus}"
tags        = ["bus"]
"#;

fn payload(from: usize, to: usize) -> String {
    let mut members = String::new();
    for n in from..to {
        write!(members, "{}\"id{n}\":{n}", if n == from { "" } else { "," }).unwrap();
    }
    format!("{{\"can\":{{{members}}}}}")
}

/// Publishes, waits until it is stored or set aside, and returns the reason code.
fn publish(appliance: &Appliance, payload: &str) -> u8 {
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "B1");
    let reason = vehicle.publish_acked("can/B1", payload.as_bytes(), 1).reason();
    until("an empty spool", MINUTE, || appliance.count("points.in_spool") == 0);
    reason
}

#[test]
fn one_message_of_1000_keys_is_set_aside_and_others_are_stored_also_after_a_restart() {
    let setup = Setup::new().schema("m.schema.json", SCHEMA).schema("can.toml", MAPPING);
    let mut appliance = setup.start();
    assert_eq!(publish(&appliance, &payload(0, 1000)), 0x99);
    let letters = appliance.get("/api/v1/dead-letters").1;
    assert!(letters.contains("\"too-many-new-names\""), "{letters}");
    let told = "1000 fields, `can_id0` first, are new to measurement `can`, which may get 250 a \
                day (uplink.new-names.fields-per-day)";
    assert!(letters.contains(told), "{letters}");
    // Names within the budget are accepted, and known from then on.
    assert_eq!(publish(&appliance, &payload(0, 250)), 0);
    assert_eq!(publish(&appliance, &payload(249, 251)), 0x99);
    until("the names are written", MINUTE, || {
        std::fs::metadata(appliance.setup().data().join("names"))
            .is_ok_and(|file| file.len() > 250 * 20)
    });
    appliance.kill_9();
    appliance.start_again();
    assert_eq!(publish(&appliance, &payload(0, 250)), 0, "known names are not new");
    assert_eq!(publish(&appliance, &payload(250, 251)), 0x99, "the day's budget is used up");
    assert_eq!(appliance.count("points.dead_lettered"), 0);
}

#[test]
fn names_in_the_store_are_not_new_to_an_appliance_without_data() {
    let setup = Setup::new().schema("m.schema.json", SCHEMA).schema("can.toml", MAPPING);
    let mut appliance = setup.start();
    assert_eq!(publish(&appliance, &payload(0, 250)), 0);
    appliance.terminate(MINUTE);
    std::fs::remove_file(appliance.setup().data().join("names")).unwrap();
    appliance.start_again();
    until("the store is read", MINUTE, || {
        appliance.metric("fleetline_uplink_known_names").is_some_and(|known| known > 250.0)
    });
    assert_eq!(publish(&appliance, &payload(0, 250)), 0);
    assert_eq!(publish(&appliance, &payload(250, 500)), 0, "the old ones are not of today");
}
