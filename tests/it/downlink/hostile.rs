//! Hostile names and values of vehicles: they are unchanged in commands, and in queries of each
//! store they are only data (PU-4, AK-2).
//!
//! A vehicle's name is used in queries that check a condition or the effect of a command, so the
//! names are the texts of `tests/data/hostile.json`.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Value, json};

use super::{
    fleet::{Car, MINUTE, ask, setup},
    pushes::{check_sums, push},
};
use crate::harness::{
    Database, TdEngine, until,
    vehicle::{Vehicle, Version},
};

const MAPPING: &str = r#"
[[mapping]]
name = "hostile"
topic = "hostile"
format = "json"
schema = "hostile.schema.json"
measurement = "hostile"
vehicle = "vin"
tags = ["vin"]
"#;
const SCHEMA: &str = r#"{"type":"object","properties":{"vin":{"type":"string"},
    "note":{"type":"string"},"seq":{"type":"integer"}}}"#;

/// Texts of the corpus that can be a vehicle's name, a tag and a client identifier.
fn names() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hostile.json");
    let corpus: Vec<String> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let is_name = |text: &String| {
        let is_no_tag =
            text.ends_with('\\') || ["\\,", "\\=", "\\ "].iter().any(|pair| text.contains(pair));
        let is_no_level = text.is_empty() || text.len() > 256 || text.contains(['/', '+', '#']);
        let is_no_client = text.contains(|it: char| it.is_control() || it == '\u{ffff}');
        !is_no_tag && !is_no_level && !is_no_client
    };
    let mut names: Vec<String> = corpus.into_iter().filter(is_name).collect();
    names.sort();
    names.dedup();
    names
}

#[track_caller]
pub(crate) fn check_hostile_push(database: &Database) {
    let setup = setup().schema("hostile.toml", MAPPING).schema("hostile.schema.json", SCHEMA);
    let appliance = database.serves(setup).start();
    let names = names();
    assert!(names.len() > 80, "{}", names.len());
    let mut line = Vehicle::connect(appliance.mqtt(), Version::V5, "of all of them");
    let mut say = |stored: usize| {
        for (number, name) in (1..).zip(&names) {
            let said = json!({ "vin": name, "note": format!("{name} of {{note}}"), "seq": number });
            let reason =
                line.publish_acked("hostile", said.to_string().as_bytes(), number).reason();
            assert_eq!(reason, 0, "{name:?}");
        }
        until("they are stored", MINUTE, || appliance.count("points.stored") == stored as u64);
    };
    say(names.len());
    let mut cars: Vec<Car> =
        names.iter().map(|name| Car::ready(appliance.mqtt(), Version::V3, name)).collect();
    let still = json!({ "measurement": "hostile", "when": "seq > 0", "fresh": "1h" });
    let body = json!({
        "query": { "measurement": "hostile", "fields": ["note", "seq"], "from": "-1h", "fn": "last",
            "vehicles": names, "having": "seq > 0" },
        "command": "limit-charge",
        "fields": { "limit_percent": "{seq}", "text": "<{vin}|{note}>" }, "still": still,
        "verify": { "measurement": "hostile", "when": "seq > 0", "within": "2m" },
    });
    let (status, made) = ask(&appliance, "/pushes", &body);
    assert_eq!(status, 202, "{made}");
    let id = made["id"].as_str().unwrap();
    for (number, (car, name)) in cars.iter_mut().zip(&names).enumerate() {
        let taken = car.take();
        let payload: Value = serde_json::from_slice(&taken.payload).unwrap();
        let members: BTreeMap<String, Value> = serde_json::from_value(payload.clone()).unwrap();
        assert_eq!(members.len(), 3, "{payload}");
        assert_eq!(payload["limit_percent"], number + 1, "{payload}");
        assert_eq!(payload["text"], format!("<{name}|{name} of {{note}}>"));
        car.acknowledge(taken.id, 0);
    }
    let count = names.len() as u64;
    let delivered = || push(&appliance, id)["report"]["states"]["delivered"] == count;
    until("all are delivered", MINUTE, delivered);
    say(2 * names.len());
    let verified = || push(&appliance, id)["report"]["verified"]["yes"] == count;
    until("the effect of each is seen", MINUTE, verified);
    check_sums(&push(&appliance, id)["report"]);
}

#[test]
fn no_name_of_a_vehicle_is_more_than_a_name_to_the_embedded_store() {
    check_hostile_push(&Database::Embedded);
}

#[test]
fn no_name_of_a_vehicle_is_more_than_a_name_to_a_tdengine() {
    check_hostile_push(&Database::TdEngine(TdEngine::start()));
}
