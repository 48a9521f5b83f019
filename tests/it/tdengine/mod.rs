//! TDengine as a store: what vehicles send is stored once, and every portable question has the same
//! answer as with the embedded store.

mod delivery;
mod poison;
mod rows;
#[cfg(feature = "taos-ws")]
mod web_socket;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::{
    answers::{check_blind_spots, check_table},
    harness::{Appliance, Database, Setup, TdEngine, Vehicle, Version, until},
};

const MINUTE: Duration = Duration::from_mins(1);

const SCHEMA: &str = r#"{"type":"object","properties":{
    "at":{"type":"integer"},"model":{"type":"string"},"speed":{"type":"number"},
    "odometer":{"type":"integer"},"gear":{"type":"string"},"charging":{"type":"boolean"}}}"#;

const MAPPING: &str = r#"
[[mapping]]
name = "readings"
topic = "vehicles/{vin}/readings"
format = "json"
schema = "reading.schema.json"
measurement = "readings"
vehicle = "{vin}"
tags = ["vin", "model"]
time = { field = "at", unit = "ns" }
"#;

/// Vehicles whose names are also SQL, if they are not escaped.
const VINS: [&str; 4] = ["A", "B'; DROP DATABASE fleet; --", "C\\C \\' ", "日本"];

fn setup() -> Setup {
    Setup::new().schema("reading.schema.json", SCHEMA).schema("reading.toml", MAPPING)
}

/// The start of a minute about half an hour ago.
fn start_nanos() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    i64::try_from((now - 1_800) / 60 * 60 * 1_000_000_000).unwrap()
}

/// What the vehicles send: shared timestamps, two models of one vehicle, missing values, numbers
/// that a float cannot hold.
fn readings(start: i64) -> Vec<(&'static str, Value)> {
    let mut readings = Vec::new();
    for step in 0..40_i64 {
        for (at, vin) in (0_i64..).zip(VINS) {
            let time = start + step * 7_000_000_000 + (at % 2);
            let mut reading = json!({ "at": time });
            if step % 3 != at % 3 {
                reading["speed"] = json!((step * 10 + at) as f64 / 4.0);
            }
            if step % 4 != 1 {
                reading["odometer"] = json!(9_007_199_254_740_993_i64 - 100_000_000_000_000 * step);
            }
            if step % 5 == at {
                reading["gear"] =
                    json!(["P", "", "it's \"D\" \\ 日"][usize::try_from(step % 3).unwrap()]);
            }
            reading["charging"] = json!(step % 2 == 0);
            if at == 1 {
                reading["model"] = json!("m 1,=");
            }
            readings.push((vin, reading));
            // Another series of the same vehicle, at its own times and at shared ones, which are
            // neither the first nor the last of a window.
            if at == 0 {
                let shared = step % 9 == 4;
                let time = if shared { time } else { time + 1_000_000_000 };
                readings.push((vin, json!({ "at": time, "model": "m2", "odometer": step })));
            }
        }
    }
    readings
}

fn publish(appliance: &Appliance, readings: &[(&str, Value)]) {
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    for (id, (vin, reading)) in (1..).zip(readings) {
        let topic = format!("vehicles/{vin}/readings");
        vehicle.publish_acked(&topic, reading.to_string().as_bytes(), id);
    }
    until("an empty spool", MINUTE, || appliance.count("points.in_spool") == 0);
    assert_eq!(appliance.count("points.stored"), u64::try_from(readings.len()).unwrap());
}

#[test]
fn the_stand_in_gives_the_answers_of_the_table() {
    check_table(&Database::TdEngine(TdEngine::start()));
}

#[test]
fn native_sql_is_bound_as_literals_and_only_reads() {
    let database = TdEngine::start();
    let appliance = setup().tdengine(&database.url()).start();
    let ask = |text: &str, params: &Value| appliance.query("sql", text, params);
    // Queries before the first write find nothing, and create nothing.
    for text in ["SELECT * FROM `readings`", "SELECT * FROM fleet.`readings`"] {
        let (status, told) = ask(text, &json!({}));
        assert_eq!(status, 200, "{told}");
        assert!(told.contains("\"rows\":[]"), "{told}");
    }
    assert_eq!(appliance.get("/api/v1/vehicles/A").0, 404);
    let start = start_nanos();
    publish(&appliance, &readings(start));

    let text = "SELECT `_ts`, `vin`, `odometer`, `charging` FROM `readings` \
                WHERE `vin` = $vin ORDER BY `_ts` LIMIT 1";
    for vin in VINS {
        let (status, told) = ask(text, &json!({ "vin": vin }));
        assert_eq!(status, 200, "{told}");
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["rows"][0][1], vin, "{told}");
        assert_eq!(told["rows"][0][3], true, "{told}");
        let kinds = told["columns"].as_array().unwrap();
        let kinds: Vec<&str> =
            kinds.iter().map(|column| column["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["timestamp", "string", "integer", "boolean"]);
    }
    let before = database.asked().len();
    for text in [
        "INSERT INTO readings VALUES (now, 1)",
        "DROP DATABASE fleet",
        "ALTER DATABASE fleet WAL_LEVEL 1",
        "SELECT 1; SELECT 2",
        "SELECT * FROM readings WHERE vin = $nobody",
    ] {
        let (status, told) = ask(text, &json!({}));
        assert_eq!(status, 400, "{text}: {told}");
    }
    assert_eq!(database.asked().len(), before, "none of it was sent");
    for wrong in ["SELECT nothing FROM `readings`", "SELECT sleep(5)", "SELECT * FROM nothing"] {
        let (status, told) = ask(wrong, &json!({}));
        assert_eq!(status, 400, "{wrong}: {told}");
    }
}

#[test]
fn a_question_without_a_database_gets_an_error_if_it_is_not_created() {
    let database = TdEngine::start();
    let appliance = setup().tdengine(&database.url()).set("store.create", "false").start();
    let (status, told) = appliance.query("sql", "SELECT * FROM `readings`", &json!({}));
    assert_eq!(status, 502, "{told}");
    assert!(told.contains("store-halted") && told.contains("0x2616"), "{told}");
    for path in ["/api/v1/telemetry/readings", "/api/v1/vehicles/A"] {
        let (status, told) = appliance.get(path);
        assert_eq!((status, told.contains("store-halted")), (502, true), "{path}: {told}");
    }
}

#[test]
fn long_names_reach_only_a_server_that_can_hold_them() {
    for (database, rows) in [(TdEngine::start(), 2), (TdEngine::start_old(), 1)] {
        let appliance = setup().tdengine(&database.url()).start();
        let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
        let reading = json!({ "at": start_nanos(), "speed": 1.5 }).to_string();
        for (id, len) in [(1, 101), (2, 100)] {
            let topic = format!("vehicles/{}/readings", "a".repeat(len));
            assert_eq!(vehicle.publish_acked(&topic, reading.as_bytes(), id).reason(), 0);
        }
        until("an empty spool", MINUTE, || appliance.count("points.in_spool") == 0);
        assert_eq!(database.rows("readings"), rows);
        assert_eq!(appliance.count("points.dead_lettered"), u64::try_from(2 - rows).unwrap());
    }
}

#[test]
fn two_shards_create_the_database_once() {
    let database = TdEngine::start();
    let appliance = setup().tdengine(&database.url()).set("spool.shards", "4").start();
    publish(&appliance, &readings(start_nanos()));
    let retried = appliance.metric("fleetline_sink_retried_requests_total");
    assert!(retried.is_none_or(|retried| retried == 0.0), "nobody waits: {retried:?}");
    let creates = database.asked().iter().filter(|text| text.starts_with("create")).count();
    assert_eq!(creates, 1);
    assert!(!appliance.log().contains("ERROR"), "{}", appliance.log());
}

/// The case `o12-portable-blind-spots`.
#[test]
fn questions_about_unmapped_measurements_reach_tdengine() {
    check_blind_spots(&Database::TdEngine(TdEngine::start()));
}
