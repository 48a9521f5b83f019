//! Points that the database refuses become dead letters, only those, and the rest is stored.
//! `real::refusals` tests the same with real servers.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;

use crate::harness::{Database, Sample, Setup, Vehicle, Version, sample_schemas, until};

/// Lines as the vehicle writes them.
pub(crate) const LINES: &str = r#"
[[mapping]]
name = "lines"
topic = "vehicles/{vin}/lines"
format = "line-protocol"
vehicle = "{vin}"
tags = ["vin"]
"#;

/// The sample again, under a second measurement.
fn other_mapping() -> String {
    sample_schemas()[1]
        .1
        .replace("name = \"sample\"", "name = \"other\"")
        .replace("/sample\"", "/other\"")
        .replace("measurement = \"sample\"", "measurement = \"other\"")
}

/// `message` is a part of the database's message about a field of another type.
pub(crate) fn check_conflict(database: &Database, message: &str) {
    let setup = database.serves(Setup::new()).schema("lines.toml", LINES);
    let appliance = setup.schema("other.toml", &other_mapping()).start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    let settled = || {
        until("an empty spool", Duration::from_mins(1), || appliance.count("points.in_spool") == 0);
    };
    // From now on `value` of `other` is a string to the database.
    let at = Sample { seq: 1_000_000 }.at_nanos();
    let line = format!("other value=\"text\" {at}");
    assert_eq!(vehicle.publish_acked("vehicles/earlier/lines", line.as_bytes(), 1).reason(), 0);
    settled();
    for seq in 0..300_u64 {
        let kind = if seq % 100 == 50 { "other" } else { "sample" };
        let id = u16::try_from(seq + 1).unwrap();
        let topic = format!("vehicles/VIN/{kind}");
        let answer = vehicle.publish_acked(&topic, &Sample { seq }.payload(), id);
        assert_eq!(answer.reason(), 0, "it can be decoded, so it is accepted");
    }
    settled();

    assert_eq!(database.count(&appliance, "sample", "seq"), 297);
    assert_eq!(database.rows(&appliance, "other", "VIN"), []);
    assert_eq!(appliance.count("points.dead_lettered"), 3);
    assert_eq!(appliance.count("points.stored"), 298);
    let listed = appliance.cli_ok(&["dead-letter", "list", "--json"]);
    let letters: Vec<Value> =
        listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let lines: BTreeSet<_> = letters.iter().map(|l| l["line"].as_str().unwrap()).collect();
    let expected: BTreeSet<_> = [50_u64, 150, 250]
        .map(|seq| {
            let value = Sample { seq }.value();
            let at = Sample { seq }.at_nanos();
            format!("other,vin=VIN seq={seq}i,value={value} {at}")
        })
        .into();
    assert_eq!(
        lines.iter().map(|line| line.trim_end()).collect::<BTreeSet<_>>(),
        expected.iter().map(String::as_str).collect::<BTreeSet<_>>()
    );
    for letter in &letters {
        assert_eq!(letter["cause"], "type-conflict");
        assert_eq!(letter["vehicle"], "VIN");
        assert!(letter["answer"].as_str().unwrap().contains(message), "{letter}");
        assert!(letter["payload"].is_null() && letter["topic"].is_null(), "{letter}");
    }
}

#[test]
fn a_type_conflict_sets_aside_exactly_its_points_in_the_embedded_store() {
    check_conflict(&Database::Embedded, "`value` is a float here and a string in the store");
}
