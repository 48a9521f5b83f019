//! Connects and disconnects as points of a measurement.

use serde_json::{Value, json};

use crate::harness::{Appliance, PATIENCE, Setup, Vehicle, Version, packet, until, until_some};

/// The rows of a vehicle: client, reason, seconds.
fn rows(appliance: &Appliance, vehicle: &str) -> Vec<Value> {
    let parameters = [("vehicle", vehicle), ("from", "-1h")];
    let (status, body) = appliance.get_with("/api/v1/telemetry/links", &parameters);
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    answer["rows"].as_array().unwrap().clone()
}

fn setup() -> Setup {
    Setup::new().set("mqtt.connectivity.measurement", "links")
}

#[test]
fn connects_and_disconnects_are_points_with_their_reason() {
    let mut appliance = setup().start();
    let connect = |id| Vehicle::connect(appliance.mqtt(), Version::V5, id);
    let mut polite = connect("V1");
    let lost = connect("V2");
    let stays = connect("V3");
    // It is not a valid topic level, and so not the name of a vehicle.
    drop(connect("a/b"));
    polite.send(&packet(0xe0, &[]));
    polite.expect_close();
    drop(lost);
    for (vehicle, reason) in [("V1", "goodbye"), ("V2", "peer-gone")] {
        let rows = until_some("both points", PATIENCE, || {
            Some(rows(&appliance, vehicle)).filter(|rows| rows.len() == 2)
        });
        let [first, last] = &rows[..] else { panic!("{rows:?}") };
        let cells = |row: &Value| row.as_array().unwrap()[1..4].to_vec();
        assert_eq!(cells(first), [json!(vehicle), json!(vehicle), Value::Null]);
        assert_eq!(first[4], Value::Null);
        assert_eq!(cells(last), [json!(vehicle), json!(vehicle), json!(reason)]);
        assert!((0.0..60.0).contains(&last[4].as_f64().unwrap()), "{last}");
    }
    until("five points are stored, and no message was", PATIENCE, || {
        appliance.count("points.stored") == 5 && appliance.count("messages.received") == 0
    });
    // Clients that are connected at the end are disconnected then, and that is durable before the
    // appliance ends.
    let (status, _) = appliance.terminate(PATIENCE);
    assert!(status.success());
    drop(stays);
    appliance.start_again();
    let rows = until_some("the last point", PATIENCE, || {
        Some(rows(&appliance, "V3")).filter(|rows| rows.len() == 2)
    });
    assert_eq!(rows[1][3], json!("shutdown"), "{rows:?}");
    let (_, listed) = appliance.get("/api/v1/measurements");
    assert!(listed.contains("links"), "{listed}");
}

#[test]
fn the_measurement_must_not_be_that_of_a_mapping() {
    for (name, told) in [("a{b}", "a measurement has no braces"), ("a\\", "a measurement has no")] {
        let setup = Setup::new().set("mqtt.connectivity.measurement", name);
        let output = setup.command(&["check"]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(told), "{error}");
    }
    // The sample's mapping has another vehicle tag.
    let setup = Setup::new().set("mqtt.connectivity.measurement", "sample");
    let output = setup.command(&["check"]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("mqtt.connectivity.measurement"), "{error}");
}
