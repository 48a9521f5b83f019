//! Payloads in the whole appliance, beyond their lines: counters, acknowledgements, warnings.

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};

use crate::harness::{Appliance, Setup, Vehicle, Version, until};

/// The schemas and mappings of a kept case, on the embedded store.
fn setup(case: &str) -> Setup {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decode").join(case);
    let mut setup = Setup::new();
    for entry in fs::read_dir(root.join("schemas")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        setup = setup.schema(&name, &fs::read_to_string(&path).unwrap());
    }
    setup
}

/// Publishes a payload; returns the reason code of its acknowledgement.
fn publish(appliance: &Appliance, topic: &str, payload: &str) -> u8 {
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "payloads");
    let reason = vehicle.publish_acked(topic, payload.as_bytes(), 1).reason();
    until("an empty spool", Duration::from_mins(1), || appliance.count("points.in_spool") == 0);
    reason
}

fn rows(appliance: &Appliance, text: &str) -> Value {
    let (status, body) = appliance.query("sql", text, &json!({}));
    assert_eq!(status, 200, "{text}: {body}");
    serde_json::from_str::<Value>(&body).unwrap()["rows"].clone()
}

/// `p5-points-share-a-time`: the points that count as stored are those in the store.
#[test]
fn points_with_equal_series_and_time_are_merged_before_the_spool_and_counted() {
    let appliance = setup("p5-points-share-a-time-no-key").start();
    let payload = r#"{"samples":[{"num":1},{"num":2},{"num":3}]}"#;
    assert_eq!(publish(&appliance, "s/VIN1/no-time", payload), 0);
    assert_eq!(appliance.count("points.stored"), 3);
    assert_eq!(
        rows(&appliance, "SELECT num FROM no_time ORDER BY time"),
        json!([[1.0], [2.0], [3.0]])
    );
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let payload = json!({
        "at": u64::try_from(now.as_millis()).unwrap(),
        "samples": [{"name": "Soc", "num": 71.5}, {"name": "Gear", "text": "D"}],
    });
    assert_eq!(publish(&appliance, "s/VIN1/no-key", &payload.to_string()), 0);
    assert_eq!(appliance.count("points.spooled"), 4);
    assert_eq!(appliance.count("points.stored"), 4);
    assert_eq!(appliance.count("points.merged"), 1);
    assert_eq!(appliance.metric("fleetline_points_merged_total"), Some(1.0));
    assert_eq!(
        rows(&appliance, "SELECT name, num, text FROM no_key"),
        json!([["Gear", 71.5, "D"]])
    );
}

#[test]
fn a_mapping_whose_points_always_merge_is_warned_of_and_logged() {
    let case = "p5-points-share-a-time-no-key";
    let output = setup(case).command(&["check"]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let [warning] = told.lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
    assert!(
        warning.starts_with("warning: schemas/m.toml:20: `points` have the message's"),
        "{told}"
    );
    let payload = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decode").join(case);
    let payload = payload.join("payload");
    let arguments = ["decode", "--topic", "s/VIN1/no-key", "--received-at", "2026-11-22T21:19:39Z"];
    let output = setup(case).command(&arguments).arg(&payload).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.ends_with("1 points merged into others of the same series and time\n"), "{told}");
}

/// `j3-kinds-on-one-topic`: no dead letter, and reason 0 to a 5.0 vehicle.
#[test]
fn kinds_on_one_topic_are_acknowledged_without_a_dead_letter() {
    let appliance = setup("j3-kinds-on-one-topic-gps").start();
    let gps = r#"{"kind":"gps","data":{"lat":52.5,"lon":13.25}}"#;
    assert_eq!(publish(&appliance, "k/VIN1", gps), 0);
    assert_eq!(publish(&appliance, "k/VIN1", r#"{"kind":"odo","data":123456}"#), 0);
    assert_eq!(appliance.count("messages.spooled"), 2);
    assert_eq!(appliance.count("messages.dead_lettered"), 0);
    assert_eq!(rows(&appliance, "SELECT data_lat FROM gps"), json!([[52.5]]));
    assert_eq!(rows(&appliance, "SELECT data FROM odo"), json!([[123_456.0]]));
}

/// `d3-no-points-no-word`: an absent or empty list of points is logged, and counted separately from
/// filtered messages.
#[test]
fn a_message_without_points_is_logged_with_the_missing_list() {
    let schema = r#"{"type":"object","properties":{"model":{"type":"string"},"samples":
        {"type":"array","items":{"type":"object","properties":
            {"at":{"type":"integer"},"speed":{"type":"number"}}}}}}"#;
    let mapping = "[[mapping]]\nname = \"q\"\ntopic = \"q/{vin}\"\nformat = \"json\"\n\
                   schema = \"m.schema.json\"\nmeasurement = \"q\"\nvehicle = \"{vin}\"\n\
                   tags = [\"vin\"]\npoints = \"samples\"\n\
                   time = { field = \"at\", unit = \"ms\" }\n";
    let setup = Setup::new().schema("m.schema.json", schema).schema("m.toml", mapping);
    let empty = r#"{"model":"x","samples":[]}"#;
    let absent = r#"{"model":"x","sample":[{"at":1795161600000,"speed":1}]}"#;
    for (payload, told) in [(empty, "is empty"), (absent, "is absent")] {
        let file = setup.data().parent().unwrap().join("d3.json");
        fs::write(&file, payload).unwrap();
        let decode = ["decode", "--topic", "q/V1", file.to_str().unwrap()];
        let output = setup.command(&decode).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(&format!("no points: `samples` {told}")), "{error}");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0), "{error}");
    }
    let appliance = setup.start();
    publish(&appliance, "q/V1", empty);
    publish(&appliance, "q/V1", absent);
    let name = "fleetline_uplink_left_out_values_total{reason=\"no-points\"}";
    until("both are counted", Duration::from_mins(1), || appliance.metric(name) == Some(2.0));
}
