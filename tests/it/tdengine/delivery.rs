//! What TDengine refuses, and what it refuses by mistake: good points are stored, bad ones become
//! dead letters, with few requests.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::harness::{
    Appliance, Sample, Setup, TdEngine, Vehicle, Version,
    tdengine::{Column, Condition, Kind},
    until,
};

const MINUTE: Duration = Duration::from_mins(1);
/// For a spool of refused lines on a busy machine.
pub(super) const LONG: Duration = Duration::from_mins(4);

const MAPPING: &str = r#"
[[mapping]]
name    = "lines"
topic   = "lines/{vin}"
format  = "line-protocol"
vehicle = "{vin}"
tags    = ["vin"]
"#;

/// An appliance that takes line protocol and sends small batches.
pub(super) fn setup(database: &TdEngine) -> Setup {
    Setup::new()
        .schema("lines.toml", MAPPING)
        .tdengine(&database.url())
        .set("sink.batch-age", "10ms")
        .set("uplink.new-names.fields-per-day", "100000")
        .set("uplink.new-names.tags-per-day", "10000")
        .set("uplink.new-names.measurements-per-day", "100000")
        .set("uplink.new-names.bytes-max", "1KiB")
        .set("uplink.tag-bytes-max", "8KiB")
        .set("uplink.tags-max", "200")
        .set("uplink.fields-max", "10000")
}

/// 2026-01-01T00:00:00Z.
pub(super) const T: i64 = 1_767_225_600_000_000_000;

pub(super) fn publish(vehicle: &mut Vehicle, vin: &str, lines: &str) {
    let answer = vehicle.publish_acked(&format!("lines/{vin}"), lines.as_bytes(), 1);
    assert_eq!(answer.reason(), 0, "{lines}");
}

#[track_caller]
pub(super) fn shipped(appliance: &Appliance) {
    until("an empty spool", LONG, || appliance.count("points.in_spool") == 0);
}

pub(super) fn letters(appliance: &Appliance) -> Vec<Value> {
    let listed = appliance.cli_ok(&["dead-letter", "list", "--json"]);
    listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Two vehicles of two shards, each with a field that is new to the table, one line in each batch:
/// half of 150 pairs became dead letters once.
#[test]
fn vehicles_with_new_fields_at_the_same_time_lose_no_point() {
    const PAIRS: i64 = 150;
    let database = TdEngine::start();
    let appliance = setup(&database).set("sink.batch-lines", "1").start();
    let mut first = Vehicle::connect(appliance.mqtt(), Version::V5, "first");
    publish(&mut first, "A0", &format!("m x=1i {T}"));
    shipped(&appliance);
    thread::scope(|scope| {
        // Vehicles of both shards, each with its own fields.
        for vin in ["A0", "A1"] {
            let address = appliance.mqtt();
            scope.spawn(move || {
                let mut vehicle = Vehicle::connect(address, Version::V5, vin);
                for number in 0..PAIRS {
                    let time = T + number;
                    publish(&mut vehicle, vin, &format!("m {vin}_{number}=1i {time}"));
                }
            });
        }
    });
    shipped(&appliance);
    assert_eq!(letters(&appliance), [] as [Value; 0]);
    for vin in ["A0", "A1"] {
        assert_eq!(database.count("m", &format!("vin = '{vin}'")), PAIRS, "{vin}");
    }
    assert_eq!(appliance.count("points.stored"), 2 * u64::try_from(PAIRS).unwrap() + 1);
}

/// Another client extends the same tables all the time: a write that loses the race is sent again.
#[test]
fn another_writer_that_extends_the_tables_loses_no_point() {
    check_another_writer(&TdEngine::start());
}

pub(super) fn check_another_writer(database: &TdEngine) {
    database.create();
    let appliance = setup(database).set("sink.batch-lines", "1").start();
    let url = format!("{}/influxdb/v1/write?db=fleet&precision=ns", database.http_url());
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let headers = [("Authorization", "Basic cm9vdDp0YW9zZGF0YQ==")];
            for number in 0..60 {
                let line = format!("m,vin=Z o{number}=1i {T}");
                crate::harness::http::send("POST", &url, &headers, line.as_str()).unwrap();
                thread::sleep(Duration::from_millis(20));
            }
        });
        let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "A");
        for number in 0..60 {
            publish(&mut vehicle, "A", &format!("m f{number}=1i {}", T + number));
        }
        other.join().unwrap();
    });
    shipped(&appliance);
    assert_eq!(letters(&appliance), [] as [Value; 0]);
    assert_eq!(database.count("m", "vin = 'A'"), 60);
}

/// A table that was created with other types refuses all points of a measurement: other
/// measurements do not wait for it, and no request is spent on a known refusal.
#[test]
fn a_table_of_other_types_does_not_delay_other_tables() {
    let database = TdEngine::start();
    database.create();
    database
        .make_stable("bad", &[Column::tag("vin", Kind::NChar), Column::field("x", Kind::Float)]);
    database.make_table("normal", &[Column::field("x", Kind::Double)]);
    let appliance = setup(&database).start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "A");
    let mut lines = String::new();
    for number in 0..2_000_i64 {
        let measurement = ["good", "bad", "normal", "good"][usize::try_from(number % 4).unwrap()];
        lines.push_str(&format!("{measurement} x={number} {}\n", T + number));
    }
    publish(&mut vehicle, "A", &lines);
    shipped(&appliance);
    assert_eq!(database.rows("good"), 1_000);
    let letters = letters(&appliance);
    assert_eq!(letters.len(), 1_000);
    let of = |cause: &str| letters.iter().filter(|letter| letter["cause"] == cause).count();
    assert_eq!((of("type-conflict"), of("store-refused")), (500, 500));
    let written = database.written().len();
    assert!(written <= 12, "{written} requests");
}

/// 5 % of 20,000 points hold a line feed: that took 10,700 requests when each was found by halving.
#[test]
fn line_feeds_are_known_before_they_are_sent() {
    let database = TdEngine::start();
    let appliance = setup(&database).start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "A");
    let mut lines = String::new();
    for number in 0..2_000_i64 {
        let text = if number % 20 == 7 { "two\nlines" } else { "one line" };
        lines.push_str(&format!("m s=\"{text}\" {}\n", T + number));
    }
    publish(&mut vehicle, "A", &lines);
    shipped(&appliance);
    assert_eq!(database.rows("m"), 1_900);
    let letters = letters(&appliance);
    assert_eq!(letters.len(), 100);
    let detail = letters[0]["detail"].as_str().unwrap();
    assert!(detail.contains("line feed") && detail.contains("store.newlines"), "{detail}");
    assert!(database.written().len() <= 3, "{:?}", database.written());
}

#[test]
fn integers_go_into_a_float_field_and_other_types_become_dead_letters() {
    let database = TdEngine::start();
    database.create();
    database.make_stable("m", &[Column::tag("vin", Kind::NChar), Column::field("x", Kind::Double)]);
    let appliance = setup(&database).start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "A");
    let lines: String = (0..100).map(|n| format!("m x={n}i {}\n", T + n)).collect();
    publish(&mut vehicle, "A", &format!("{lines}m x=\"text\" {}\n", T + 200));
    shipped(&appliance);
    assert_eq!(database.count("m", "x = 42.0"), 1);
    assert_eq!(database.rows("m"), 100);
    let letters = letters(&appliance);
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["cause"], "type-conflict");
    let detail = "field `x` is a string by the line and a float in the store";
    assert_eq!(letters[0]["detail"], detail);
}

/// TDengine stores NaN and infinity, and then answers no query that meets such a row.
#[test]
fn nan_and_infinity_reach_no_table_in_any_format() {
    let database = TdEngine::start();
    let appliance = setup(&database)
        .schema("reading.schema.json", super::SCHEMA)
        .schema("reading.toml", super::MAPPING)
        .start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "A");
    let mut send = |topic: &str, payload: &[u8]| vehicle.publish_acked(topic, payload, 1).reason();
    // A finite value for each, so that the columns exist.
    assert_eq!(send(&Sample::topic("A"), &Sample { seq: 0 }.payload()), 0);
    let reading = |at: i64, speed: &str| format!("{{\"at\":{},\"speed\":{speed}}}", T + at);
    assert_eq!(send("vehicles/A/readings", reading(0, "1.5").as_bytes()), 0);
    assert_eq!(send("lines/A", format!("m x=1.5 {T}").as_bytes()), 0);
    for (seq, value) in (1..).zip([f64::NAN, f64::INFINITY, f64::NEG_INFINITY]) {
        let mut payload = Sample { seq }.payload();
        // The value follows three bytes: the number's tag, the number and the value's tag.
        payload[3..11].copy_from_slice(&value.to_le_bytes());
        assert_eq!(send(&Sample::topic("A"), &payload), 0, "the rest of it is good");
    }
    for (at, word) in (1..).zip(["NaN", "\"NaN\"", "\"-Infinity\"", "1e309", "-1e400"]) {
        send("vehicles/A/readings", reading(at, word).as_bytes());
    }
    for word in ["nan", "NaN", "inf", "-Inf", "1e309"] {
        assert_eq!(send("lines/A", format!("m x={word} {}", T + 1).as_bytes()), 0x99, "{word}");
    }
    shipped(&appliance);
    let numbers = |table: &str, field: &str| database.count(table, &format!("{field} IS NOT NULL"));
    assert_eq!((database.rows("sample"), numbers("sample", "value")), (4, 1));
    assert_eq!(numbers("readings", "speed"), 1);
    assert_eq!((database.rows("m"), numbers("m", "x")), (1, 1));
}

/// A stopped server answers no query, but its adapter still answers a query of constants.
#[test]
fn a_frozen_server_is_not_ready_and_loses_nothing() {
    let database = TdEngine::start();
    let appliance = setup(&database).start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "A");
    publish(&mut vehicle, "A", &format!("m x=1i {T}"));
    shipped(&appliance);
    database.be(Condition::Frozen);
    publish(&mut vehicle, "A", &format!("m x=2i {}", T + 1));
    let begun = Instant::now();
    until("readyz to show the reason", MINUTE, || {
        appliance.get("/readyz").1.contains("no answer within")
    });
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    database.be(Condition::Running);
    shipped(&appliance);
    database.be(Condition::Dead(Duration::from_millis(50)));
    publish(&mut vehicle, "A", &format!("m x=3i {}", T + 2));
    until("readyz to show the reason", MINUTE, || appliance.get("/readyz").1.contains("[0xb]"));
    database.be(Condition::Running);
    shipped(&appliance);
    assert_eq!(database.rows("m"), 3);
    assert_eq!(letters(&appliance), [] as [Value; 0]);
}
