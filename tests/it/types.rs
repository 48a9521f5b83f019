//! The types in the mappings, compared with those in the store: by `check --online`, by a reload,
//! and for each point.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Appliance, Setup, Vehicle, Version, until};

const MINUTE: Duration = Duration::from_mins(1);

const MAPPING: &str = r#"
[[mapping]]
name        = "typed"
topic       = "typed/{vin}"
format      = "json"
schema      = "typed.schema.json"
measurement = "typed"
vehicle     = "{vin}"
tags        = ["vin"]
"#;

fn schema(kind: &str) -> String {
    format!(r#"{{"type":"object","properties":{{"n":{{"type":"{kind}"}}}}}}"#)
}

/// The embedded store, in which `n` has a type.
fn stored_as(kind: &str, payload: &str) -> Appliance {
    let setup = Setup::new().schema("typed.toml", MAPPING);
    let appliance = setup.schema("typed.schema.json", &schema(kind)).start();
    publish(&appliance, payload);
    assert_eq!(appliance.count("points.stored"), 1);
    appliance
}

fn publish(appliance: &Appliance, payload: &str) {
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    assert_eq!(vehicle.publish_acked("typed/A", payload.as_bytes(), 1).reason(), 0);
    until("an empty spool", MINUTE, || appliance.count("points.in_spool") == 0);
}

/// Rewrites the schema; nothing is reloaded yet.
fn now_as(appliance: &Appliance, kind: &str) {
    let path = appliance.setup().home().join("schemas/typed.schema.json");
    std::fs::write(path, schema(kind)).unwrap();
}

fn reload(appliance: &Appliance) -> String {
    let before = appliance.log().len();
    appliance.signal("HUP");
    let fresh = || appliance.log()[before..].to_owned();
    until("a reload", MINUTE, || fresh().contains("loaded anew"));
    fresh()
}

#[test]
fn a_mapping_with_a_type_conflict_is_reported_before_it_is_in_force() {
    let appliance = stored_as("string", r#"{"n":"seven"}"#);
    now_as(&appliance, "integer");
    let conflict = "measurement `typed`: field `n` is an integer by the mappings and a string in \
                    the store";
    // The store is open meanwhile; the messages do not depend on that.
    let check = appliance.cli(&["check", "--online"]);
    let error = String::from_utf8(check.stderr).unwrap();
    assert_eq!(check.status.code(), Some(2), "{error}");
    assert!(error.contains(conflict), "{error}");
    let log = reload(&appliance);
    let told = log.find(conflict).unwrap_or_else(|| panic!("{log}"));
    assert!(told < log.find("loaded anew").unwrap(), "{log}");
    publish(&appliance, r#"{"n":7}"#);
    assert_eq!(appliance.count("points.dead_lettered"), 1);
    let letter = appliance.cli_ok(&["dead-letter", "list", "--json"]);
    let letter: Value = serde_json::from_str(letter.trim_end()).unwrap();
    assert_eq!(letter["cause"], "type-conflict", "{letter}");
}

#[test]
fn integers_are_stored_in_a_float_field_if_they_are_exact() {
    let appliance = stored_as("number", r#"{"n":1.5}"#);
    now_as(&appliance, "integer");
    let told = appliance.cli_ok(&["check", "--online"]);
    assert!(told.starts_with("all is well"), "{told}");
    let log = reload(&appliance);
    assert!(!log.contains("by the mappings"), "{log}");
    publish(&appliance, r#"{"n":9007199254740992}"#);
    // One more is not exact as a float: only its point is set aside.
    publish(&appliance, r#"{"n":9007199254740993}"#);
    let letters = appliance.cli_ok(&["dead-letter", "list", "--json"]);
    let letter: Value = serde_json::from_str(letters.trim_end()).unwrap();
    assert_eq!(letter["cause"], "type-conflict", "{letter}");
    let (_, rows) = appliance.query("sql", "SELECT n, typeof(n) FROM typed ORDER BY n", &json!({}));
    let rows: Value = serde_json::from_str(&rows).unwrap();
    assert_eq!(rows["rows"], json!([[1.5, "real"], [9007199254740992.0, "real"]]), "{rows}");
}

#[test]
fn a_reload_does_not_wait_for_an_unreachable_store() {
    let setup = Setup::new().store2("http://127.0.0.1:1", "token").schema("typed.toml", MAPPING);
    let appliance = setup.schema("typed.schema.json", &schema("number")).start();
    now_as(&appliance, "integer");
    let log = reload(&appliance);
    assert!(log.contains("cannot be told now"), "{log}");
}
