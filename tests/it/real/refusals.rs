//! Points that a real database refuses become dead letters, exactly those, and the rest is stored.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;

use crate::harness::{Influx, Kind, Sample, Setup, Vehicle, Version, sample_schemas, until};

/// The sample again, under a second measurement.
fn other_mapping() -> String {
    sample_schemas()[1]
        .1
        .replace("name = \"sample\"", "name = \"other\"")
        .replace("/sample\"", "/other\"")
        .replace("measurement = \"sample\"", "measurement = \"other\"")
}

fn check_conflict(test: &str, kind: Kind) {
    let Some(influx) = Influx::start(test, kind) else { return };
    // From now on `value` of `other` is a string to the database.
    let at = Sample { seq: 1_000_000 }.at_nanos();
    influx.write(&format!("other,vin=earlier value=\"text\" {at}"));
    let appliance = influx.serves(Setup::new()).schema("other.toml", &other_mapping()).start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    for seq in 0..300_u64 {
        let kind = if seq % 100 == 50 { "other" } else { "sample" };
        let id = u16::try_from(seq + 1).unwrap();
        let topic = format!("vehicles/VIN/{kind}");
        let answer = vehicle.publish_acked(&topic, &Sample { seq }.payload(), id);
        assert_eq!(answer.reason(), 0, "it can be decoded, so it is accepted");
    }
    until("everything settled", Duration::from_mins(1), || appliance.count("points.in_spool") == 0);

    assert_eq!(influx.count("sample", "seq"), 297);
    assert_eq!(influx.count("other", "seq"), 0);
    assert_eq!(appliance.count("points.dead_lettered"), 3);
    assert_eq!(appliance.count("points.stored"), 297);
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
        assert_eq!(letter["cause"], "store-refused");
        assert_eq!(letter["vehicle"], "VIN");
        assert!(letter["answer"].as_str().unwrap().contains("field type conflict"), "{letter}");
        assert!(letter["payload"].is_null() && letter["topic"].is_null(), "{letter}");
    }
}

#[test]
fn a_type_conflict_sets_aside_exactly_its_points_on_influxdb_1() {
    check_conflict("real::refusals (InfluxDB 1)", Kind::One);
}

#[test]
fn a_type_conflict_sets_aside_exactly_its_points_on_influxdb_2() {
    check_conflict("real::refusals (InfluxDB 2)", Kind::Two);
}
