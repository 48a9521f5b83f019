//! Points that real servers refuse because they are too old, too many or too large: exactly those
//! become dead letters with the server's message, and the others are stored.

use std::time::Duration;

use serde_json::Value;

use crate::{
    harness::{Appliance, Influx, Kind, Setup, Vehicle, Version, until},
    refusals::LINES,
};

const MINUTE: Duration = Duration::from_mins(1);

fn start(influx: &Influx, change: impl FnOnce(Setup) -> Setup) -> Appliance {
    let setup = influx.serves(Setup::new()).schema("lines.toml", LINES).set("spool.shards", "1");
    change(setup).start()
}

/// Publishes lines of a vehicle at once.
fn publish(appliance: &Appliance, vin: &str, lines: &[String]) {
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, vin);
    let topic = format!("vehicles/{vin}/lines");
    let answer = vehicle.publish_acked(&topic, lines.join("\n").as_bytes(), 1);
    assert_eq!(answer.reason(), 0);
}

/// The points that the store refused, when the spool is empty.
fn refused(appliance: &Appliance) -> Vec<Value> {
    until("an empty spool", MINUTE, || appliance.count("points.in_spool") == 0);
    let listed = appliance.cli_ok(&["dead-letter", "list", "--json"]);
    let letters: Vec<Value> =
        listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(letters.iter().all(|letter| letter["cause"] == "store-refused"), "{letters:?}");
    letters
}

/// Seconds before now, as a line's time.
fn ago(seconds: i64) -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap() - seconds * 1_000_000_000
}

/// Of 100 points every tenth is older than the database's retention.
fn check_retention(appliance: &Appliance) {
    let day = 24 * 3_600;
    let lines: Vec<String> = (0..100)
        .map(|n| format!("m x={n}i {}", ago(if n % 10 == 3 { 2 * day + n } else { n })))
        .collect();
    publish(appliance, "A", &lines);
    let letters = refused(appliance);
    assert_eq!(letters.len(), 10, "{letters:?}");
    for letter in &letters {
        let (line, answer) = (letter["line"].as_str().unwrap(), letter["answer"].to_string());
        assert!(line.contains("3i "), "{line}");
        assert!(answer.to_lowercase().contains("retention policy"), "{answer}");
    }
    assert_eq!(appliance.count("points.stored"), 90);
}

#[test]
fn points_beyond_the_retention_of_influxdb_1_are_set_aside_alone() {
    let Some(influx) = Influx::start("real::limits (InfluxDB 1)", Kind::One) else { return };
    influx.command("CREATE RETENTION POLICY short ON telemetry DURATION 1h REPLICATION 1 DEFAULT");
    check_retention(&start(&influx, |setup| setup));
    assert_eq!(influx.count("m", "x"), 90);
}

#[test]
fn points_beyond_the_retention_of_influxdb_2_are_set_aside_alone() {
    let Some(influx) = Influx::start("real::limits (InfluxDB 2)", Kind::Two) else { return };
    influx.make_bucket("short", Duration::from_hours(1));
    check_retention(&start(&influx, |setup| setup.set("store.bucket", "short")));
}

#[test]
fn vehicles_past_the_values_of_a_tag_are_set_aside_and_those_known_are_stored() {
    let test = "real::limits (max-values-per-tag)";
    let Some(mut influx) = Influx::start(test, Kind::One) else { return };
    influx.stop();
    influx.limit("max-values-per-tag = 3", "");
    influx.launch();
    let appliance = start(&influx, |setup| setup);
    let both = |vin: &str| {
        publish(&appliance, vin, &[format!("m x=1i {}", ago(1)), format!("m x=2i {}", ago(2))]);
    };
    // The server counts what it knew before a request.
    for vin in ["A", "B", "C"] {
        both(vin);
        assert_eq!(refused(&appliance), [] as [Value; 0]);
    }
    ["D", "A", "E"].into_iter().for_each(both);
    let letters = refused(&appliance);
    assert_eq!(letters.len(), 4, "{letters:?}");
    for letter in &letters {
        assert!(["D", "E"].contains(&letter["vehicle"].as_str().unwrap()), "{letter}");
        let answer = letter["answer"].as_str().unwrap();
        assert!(answer.contains("max-values-per-tag limit exceeded"), "{answer}");
    }
    assert_eq!(influx.count("m", "x"), 8);
}

#[test]
fn requests_past_the_largest_body_are_halved_and_a_line_past_it_is_set_aside() {
    let Some(mut influx) = Influx::start("real::limits (413)", Kind::One) else { return };
    influx.stop();
    influx.limit("", "max-body-size = 8000");
    influx.launch();
    let appliance = start(&influx, |setup| setup);
    let long = format!("s=\"{}\",", "l".repeat(9_000));
    let lines: Vec<String> = (0..1_000)
        .map(|n| format!("m {}x={n}i {}", if n == 500 { &long } else { "" }, ago(2_000 + n)))
        .collect();
    publish(&appliance, "A", &lines);
    let letters = refused(&appliance);
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["answer"], "HTTP 413: Request Entity Too Large");
    assert_eq!(influx.count("m", "x"), 999);
}
