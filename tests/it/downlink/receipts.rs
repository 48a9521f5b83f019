//! Receipts: their sender, their command, and their order.

use serde_json::json;

use super::fleet::{Car, MINUTE, command, history, send, sent, setup, state};
use crate::harness::{
    until,
    vehicle::{Vehicle, Version, publish_packet},
};

#[test]
fn a_receipt_counts_only_from_the_vehicle_of_its_command() {
    let appliance = setup().start();
    let mut car = Car::ready(appliance.mqtt(), Version::V5, "V1");
    let id = sent(&appliance, "V1", "limit-charge");
    let taken = car.take();
    let mut forger = Car::connect(appliance.mqtt(), Version::V5, "V2");
    assert_eq!(forger.receipt_on("vehicles/V1/receipts", &id, "DONE"), 0);
    assert_eq!(forger.receipt(&id, "DONE"), 0);
    // Nor does the vehicle's own receipt count on another vehicle's topic.
    assert_eq!(car.receipt_on("vehicles/V2/receipts", &id, "DONE"), 0);
    assert_eq!(state(&appliance, &id), "sent");
    assert_eq!(appliance.metric("fleetline_downlink_receipts_total"), Some(3.0));
    car.acknowledge(taken.id, 0);
    until("it is delivered", MINUTE, || state(&appliance, &id) == "delivered");
    let unknown = "01a20548-f1c4-7fff-bfff-ffffffffffff";
    for (id, status) in [(unknown, "DONE"), ("x", "DONE"), (&*id, "PERHAPS")] {
        assert_eq!(car.receipt(id, status), 0);
    }
    assert_eq!(state(&appliance, &id), "delivered");
    assert_eq!(appliance.metric("fleetline_downlink_receipts_total"), Some(6.0));
}

#[test]
fn a_receipt_is_matched_by_its_correlation_data_where_its_payload_has_no_id() {
    let appliance = setup().start();
    let mut car = Car::ready(appliance.mqtt(), Version::V5, "V1");
    let id = sent(&appliance, "V1", "limit-charge");
    let taken = car.take();
    car.acknowledge(taken.id, 0);
    until("it is delivered", MINUTE, || state(&appliance, &id) == "delivered");
    let correlation = [b"\x09\0\x24", id.as_bytes()].concat();
    let receipt = publish_packet(
        Version::V5,
        "vehicles/V1/receipts",
        br#"{"status":"FAILED","detail":"no power"}"#,
        1,
        77,
        &correlation,
    );
    car.line.send(&receipt);
    assert_eq!(car.line.expect().reason(), 0);
    let told = command(&appliance, &id);
    assert_eq!((&told["state"], &told["cause"]), (&json!("failed"), &json!("receipt")));
    assert_eq!(told["history"][3]["detail"], "no power");
}

#[test]
fn a_missing_receipt_times_out_and_a_later_one_is_noted() {
    let appliance = setup().start();
    let mut car = Car::ready(appliance.mqtt(), Version::V3, "V1");
    let body = json!({ "command": "limit-charge", "execute-within": "200ms" });
    let (_, answer) = send(&appliance, "V1", &body);
    let id = answer["id"].as_str().unwrap();
    let taken = car.take();
    car.acknowledge(taken.id, 0);
    until("it times out", MINUTE, || state(&appliance, id) == "timed-out");
    car.receipt(id, "DONE");
    assert_eq!(history(&appliance, id), ["queued", "sent", "delivered", "timed-out", "late"]);
    assert_eq!(state(&appliance, id), "timed-out");
}

#[test]
fn an_expired_command_that_was_received_anyway_shows_it() {
    let appliance = setup().start();
    let mut car = Car::ready(appliance.mqtt(), Version::V3, "V1");
    let body = json!({ "command": "horn", "expires-in": "1500ms" });
    let (_, answer) = send(&appliance, "V1", &body);
    let id = answer["id"].as_str().unwrap();
    let taken = car.take();
    until("it expires", MINUTE, || state(&appliance, id) == "expired");
    assert_eq!(command(&appliance, id)["maybe-received"], true);
    car.acknowledge(taken.id, 0);
    until("that is noted", MINUTE, || history(&appliance, id).len() == 4);
    assert_eq!(history(&appliance, id), ["queued", "sent", "expired", "late"]);
}

/// A receipt is also a point, if a mapping takes its topic.
#[test]
fn a_receipt_is_a_point_too_where_a_mapping_takes_its_topic() {
    let mapping = r#"
[[mapping]]
name = "receipts"
topic = "vehicles/{vin}/receipts"
format = "json"
schema = "receipt.schema.json"
measurement = "receipts"
vehicle = "{vin}"
tags = ["vin"]
"#;
    let appliance = setup().schema("receipts.toml", mapping).start();
    let mut car = Car::ready(appliance.mqtt(), Version::V5, "V1");
    let id = sent(&appliance, "V1", "limit-charge");
    let taken = car.take();
    car.acknowledge(taken.id, 0);
    assert_eq!(car.receipt(&id, "DONE"), 0);
    assert_eq!(state(&appliance, &id), "done");
    until("it is stored", MINUTE, || appliance.count("points.stored") == 1);
    drop(Vehicle::connect(appliance.mqtt(), Version::V3, "other"));
}
