//! Presence and last values of vehicles: over the API, with the real binary.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{
    Answer, Appliance, Sample, Setup, StandIn, Vehicle, Version, until, until_some,
};

/// How long a state may take to appear.
const SOON: Duration = Duration::from_secs(20);

/// Besides the sample: a vehicle that is named in the payload, on a gateway's topic.
const GATEWAY: [(&str, &str); 2] = [
    (
        "gateway.schema.json",
        r#"{"type":"object","properties":{"car":{"type":"string"},"note":{"type":"string"},
            "level":{"type":"number"}}}"#,
    ),
    (
        "gateway.toml",
        r#"
[[mapping]]
name = "gateway"
topic = "gateway"
format = "json"
schema = "gateway.schema.json"
measurement = "tank"
vehicle = "car"
tags = ["car"]
"#,
    ),
];

pub(crate) fn setup() -> Setup {
    let [(schema, text), (mapping, rules)] = GATEWAY;
    Setup::new().schema(schema, text).schema(mapping, rules)
}

/// Status and JSON of an answer.
fn ask(appliance: &Appliance, path: &str) -> (u16, Value) {
    let (status, body) = appliance.get(&format!("/api/v1{path}"));
    (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("no JSON: {body}")))
}

#[track_caller]
fn ask_ok(appliance: &Appliance, path: &str) -> Value {
    let (status, json) = ask(appliance, path);
    assert_eq!(status, 200, "{path}: {json}");
    json
}

/// Waits until everything is in the store.
fn settle(appliance: &Appliance, points: u64) {
    until("all points in the store", SOON, || appliance.count("points.stored") == points);
}

fn publish(vehicle: &mut Vehicle, vin: &str, seq: u64) {
    let id = u16::try_from(seq % 60_000 + 1).unwrap();
    vehicle.publish_acked(&Sample::topic(vin), &Sample { seq }.payload(), id);
}

/// The last sample's number, and the source of the value.
fn last_sample(vehicle: &Value) -> (u64, &str) {
    let sample = &vehicle["measurements"]["sample"];
    let seq = sample["fields"]["seq"].as_u64().unwrap();
    assert_eq!(sample["fields"]["value"].as_f64(), Some(Sample { seq }.value()), "{vehicle}");
    (seq, sample["source"].as_str().unwrap())
}

#[test]
fn last_values_come_from_the_session_and_after_it_from_the_store() {
    check_last_values(setup());
}

/// One vehicle over both protocols, then disconnected, then unknown to a new process.
pub(crate) fn check_last_values(setup: Setup) {
    let mut appliance = setup.start();
    assert_eq!(ask(&appliance, "/vehicles/VIN1").0, 404);
    for (version, name, seq) in [(Version::V3, "3.1.1", 3), (Version::V5, "5.0", 5)] {
        let mut vehicle = Vehicle::connect(appliance.mqtt(), version, "radio 1");
        publish(&mut vehicle, "VIN1", seq);
        publish(&mut vehicle, "VIN1", seq + 1);
        // After the acknowledgement the line is visible.
        let told = ask_ok(&appliance, "/vehicles/VIN1");
        assert_eq!(told["connected"], true, "{told}");
        assert_eq!(last_sample(&told), (seq + 1, "session"));
        let session = &told["sessions"][0];
        assert_eq!(session["client_id"], "radio 1");
        assert_eq!(session["protocol"], name);
        assert_eq!(session["keep_alive_seconds"], 60);
        assert!(session["address"].as_str().unwrap().starts_with("127.0.0.1:"), "{session}");
        assert!(session["connected_at"].as_str().unwrap().ends_with('Z'), "{session}");
        drop(vehicle);
        let seen = told["last_seen"].clone();
        until("the end of the session", SOON, || {
            ask_ok(&appliance, "/vehicles?connected=true")["vehicles"] == Value::Array(Vec::new())
        });
        let listed = ask_ok(&appliance, "/vehicles");
        assert_eq!(listed["vehicles"][0]["vin"], "VIN1");
        assert_eq!(listed["vehicles"][0]["last_seen"], seen);
    }
    settle(&appliance, 4);
    let check_away = |appliance: &Appliance| {
        let told = ask_ok(appliance, "/vehicles/VIN1");
        assert_eq!(told["connected"], false, "{told}");
        assert_eq!(last_sample(&told), (6, "store"));
        assert_eq!(told["sessions"], Value::Array(Vec::new()));
    };
    check_away(&appliance);
    assert_eq!(
        ask_ok(&appliance, "/vehicles/VIN1?from=-1m")["measurements"],
        serde_json::json!({})
    );
    // After a restart only the store has the vehicle.
    appliance.terminate(SOON);
    appliance.start_again();
    assert_eq!(ask_ok(&appliance, "/vehicles")["vehicles"], Value::Array(Vec::new()));
    check_away(&appliance);
    let (status, unknown) = ask(&appliance, "/vehicles/VIN2");
    assert_eq!((status, &unknown["error"]["code"]), (404, &Value::from("vehicle-unknown")));
    assert_eq!(ask(&appliance, "/vehicles/VIN1?from=-1m").0, 404);
}

#[test]
fn a_session_has_its_last_values_while_the_store_is_down() {
    let store = StandIn::start(Answer::Accept);
    let url = store.url();
    drop(store);
    let appliance = setup().store2(&url, "token").start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "c");
    publish(&mut vehicle, "VIN1", 1);
    assert_eq!(last_sample(&ask_ok(&appliance, "/vehicles/VIN1")), (1, "session"));
    // Values that are only in the store cannot be returned, but are not reported as unknown.
    let (status, told) = ask(&appliance, "/vehicles/VIN2");
    assert_eq!((status, &told["error"]["code"]), (503, &Value::from("store-unavailable")));
}

#[test]
fn a_gateway_publishes_for_its_vehicles_and_a_vehicle_may_have_two_radios() {
    let appliance = setup().start();
    let mut gateway = Vehicle::connect(appliance.mqtt(), Version::V5, "gateway");
    for (id, (car, level)) in [("A", 1.5), ("B", 2.5), ("A", 3.0)].into_iter().enumerate() {
        let payload = format!(r#"{{"car":"{car}","level":{level},"note":"a \"b\""}}"#);
        gateway.publish_acked("gateway", payload.as_bytes(), u16::try_from(id).unwrap() + 1);
    }
    let mut radio = Vehicle::connect(appliance.mqtt(), Version::V3, "radio");
    publish(&mut radio, "A", 7);
    let told = ask_ok(&appliance, "/vehicles/A");
    assert_eq!(told["sessions"].as_array().unwrap().len(), 2, "{told}");
    let tank = serde_json::json!({"level": 3.0, "note": "a \"b\""});
    assert_eq!(told["measurements"]["tank"]["fields"], tank);
    assert_eq!(last_sample(&told), (7, "session"));
    assert_eq!(ask_ok(&appliance, "/vehicles/B")["measurements"]["tank"]["fields"]["level"], 2.5);
    // An earlier point from the other radio is not the last one.
    let mut other = Vehicle::connect(appliance.mqtt(), Version::V3, "other");
    publish(&mut other, "A", 4);
    assert_eq!(last_sample(&ask_ok(&appliance, "/vehicles/A")), (7, "session"));
    // The end of the gateway's session ends the presence of its vehicles.
    drop(gateway);
    until("the end of the gateway's session", SOON, || {
        ask_ok(&appliance, "/vehicles/B")["connected"] == false
    });
    let told = ask_ok(&appliance, "/vehicles/A");
    assert_eq!((&told["connected"], told["sessions"].as_array().unwrap().len()), (&true.into(), 2));
}

#[test]
fn joined_pages_are_the_whole_fleet_in_order() {
    let appliance = setup().set("mqtt.session-vehicles-max", "1000").start();
    let mut gateway = Vehicle::connect(appliance.mqtt(), Version::V5, "gateway");
    let names: Vec<String> = (0..300).map(|number| format!("VIN{number:05}")).collect();
    // Not in the order of their names.
    for id in 1..=300_u16 {
        let name = &names[usize::from(id) * 7 % names.len()];
        gateway.publish(&Sample::topic(name), &Sample { seq: 1 }.payload(), 1, id);
    }
    for _ in &names {
        gateway.expect();
    }
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = ask_ok(&appliance, &format!("/vehicles?prefix=VIN&limit=70&after={after}"));
        let vehicles = page["vehicles"].as_array().unwrap();
        seen.extend(vehicles.iter().map(|it| it["vin"].as_str().unwrap().to_owned()));
        match page["after"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
        assert_eq!(vehicles.len(), 70);
    }
    assert_eq!(seen, names);
    let connected =
        |appliance: &Appliance| appliance.metric("fleetline_presence_connected_vehicles");
    until("the metric", SOON, || connected(&appliance) == Some(300.0));
    assert_eq!(appliance.metric("fleetline_presence_away_vehicles"), Some(0.0));
}

#[test]
fn vehicles_and_lines_over_a_bound_are_stored_and_counted_but_not_shown() {
    let appliance = setup()
        .set("mqtt.session-vehicles-max", "2")
        .set("mqtt.last-line-bytes-max", "200B")
        .set("mqtt.last-lines-bytes-max", "4KiB")
        .set("mqtt.away-vehicles-max", "1")
        .start();
    let mut gateway = Vehicle::connect(appliance.mqtt(), Version::V5, "gateway");
    let long = "x".repeat(300);
    for (id, (car, note)) in
        [("A", "short"), ("B", "short"), ("C", "short"), ("A", long.as_str())].iter().enumerate()
    {
        let payload = format!(r#"{{"car":"{car}","note":"{note}"}}"#);
        gateway.publish_acked("gateway", payload.as_bytes(), u16::try_from(id).unwrap() + 1);
    }
    let listed = ask_ok(&appliance, "/vehicles");
    let names = |listed: &Value| -> Vec<String> {
        let vehicles = listed["vehicles"].as_array().unwrap();
        vehicles.iter().map(|it| it["vin"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&listed), ["A", "B"]);
    settle(&appliance, 4);
    // The store has the values that the session does not show.
    for (car, note, connected) in [("A", long.as_str(), true), ("C", "short", false)] {
        let told = ask_ok(&appliance, &format!("/vehicles/{car}"));
        let tank = &told["measurements"]["tank"];
        assert_eq!((&tank["fields"]["note"], &tank["source"]), (&note.into(), &"store".into()));
        assert_eq!(told["connected"], connected, "{told}");
    }
    let unkept = until_some("the count", SOON, || {
        appliance.metric("fleetline_mqtt_dropped_last_lines_total").filter(|count| *count >= 2.0)
    });
    assert!((unkept - 2.0).abs() < f64::EPSILON, "{unkept}");
    drop(gateway);
    until("the end of the session", SOON, || {
        appliance.metric("fleetline_presence_forgotten_vehicles_total") == Some(1.0)
    });
    assert_eq!(names(&ask_ok(&appliance, "/vehicles")), ["B"]);
}
