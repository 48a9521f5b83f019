//! The fleet of the table: its schema, and points with every type, gaps, edge cases and ties.

use std::time::{SystemTime, UNIX_EPOCH};

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, prost::Message};
use serde_json::{Map, Value, json};

/// 2025-06-01T00:00:00Z.
pub(super) const T: i64 = 1_748_736_000_000_000_000;
pub(super) const SECOND: i64 = 1_000_000_000;
/// Above this a float does not hold every integer.
const EXACT: i64 = 1 << 53;

/// The tags in the mapping's order; the vehicle's is not the first.
pub(super) const TAGS: [&str; 3] = ["model", "vin", "region"];
/// The fields in the mapping's order, with their types in an answer.
pub(super) const FIELDS: [(&str, &str); 8] = [
    ("speed", "float"),
    ("odometer", "integer"),
    ("ticks", "integer"),
    ("charging", "boolean"),
    ("note", "string"),
    ("table", "float"),
    ("late", "integer"),
    ("never", "float"),
];

const PROTO: &str = r#"
syntax = "proto3";
package test.v1;

message Reading {
  string vin = 1;
  string model = 2;
  string region = 3;
  sfixed64 at = 4;
  optional double speed = 5;
  optional int64 odometer = 6;
  optional uint64 ticks = 7;
  optional bool charging = 8;
  optional string note = 9;
  optional double table = 10;
  optional int64 late = 11;
  optional double never = 12;
}
"#;

const MAPPING: &str = r#"
[[mapping]]
name = "reading"
topic = "readings"
format = "protobuf"
schema = "reading.proto"
message = "test.v1.Reading"
measurement = "reading"
vehicle = "vin"
tags = ["model", "vin", "region"]
time = { field = "at", unit = "ns" }
"#;

/// The schema and the mapping, as files by name.
pub(super) const SCHEMAS: [(&str, &str); 2] = [("reading.proto", PROTO), ("reading.toml", MAPPING)];

/// The topic of every reading: the vehicle is in the payload.
pub(super) const TOPIC: &str = "readings";

/// One point of the test.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) at: i64,
    /// In the order of [`TAGS`]; an absent one is empty.
    pub(super) tags: [String; 3],
    /// By name; absent fields are missing.
    pub(super) fields: Map<String, Value>,
}

impl Point {
    pub(super) fn new(at: i64, vin: &str, fields: Value) -> Self {
        let Value::Object(fields) = fields else { panic!("no object: {fields}") };
        Self { at, tags: ["m".to_owned(), vin.to_owned(), String::new()], fields }
    }

    fn of(mut self, model: &str, region: &str) -> Self {
        self.tags[0] = model.to_owned();
        self.tags[2] = region.to_owned();
        self
    }

    pub(super) fn vin(&self) -> &str {
        &self.tags[1]
    }
}

/// Writes points as messages, with a library that the product's decoder does not use.
pub(super) struct Encoder(MessageDescriptor);

impl Encoder {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("reading.proto"), PROTO).unwrap();
        let files = protox::compile(["reading.proto"], [folder.path()]).unwrap();
        let pool = DescriptorPool::from_file_descriptor_set(files).unwrap();
        Self(pool.get_message_by_name("test.v1.Reading").unwrap())
    }

    pub(super) fn message(&self, point: &Point) -> Vec<u8> {
        let mut tree = point.fields.clone();
        tree.insert("at".to_owned(), json!(point.at));
        for (tag, value) in TAGS.iter().zip(&point.tags) {
            tree.insert((*tag).to_owned(), json!(value));
        }
        DynamicMessage::deserialize(self.0.clone(), Value::Object(tree)).unwrap().encode_to_vec()
    }
}

/// Values of string fields.
const NOTES: [&str; 14] = [
    "plain",
    "",
    "it's",
    "a \"quoted\" word",
    "two\nlines",
    "carriage\r\nreturn",
    "tab\there",
    "Grüße, 道路 🚗",
    "back\\slash",
    "ends with \\",
    "comma, space = and #",
    "${r.vin} $v0 %s {{x}}",
    "<nil> null NULL NaN",
    " spaces around ",
];

/// A small number as a float.
fn float(number: i64) -> f64 {
    f64::from(i32::try_from(number).unwrap())
}

/// The points before any point has `late`.
pub(super) fn early() -> Vec<Point> {
    let mut points = Vec::new();
    for step in 0..60_i64 {
        let at = T + step * 10 * SECOND;
        points.push(Point::new(
            at,
            "V1",
            json!({
                "speed": float(step - 15) / 10.0,
                "odometer": EXACT + 1 + 2 * step,
                "ticks": step,
                "charging": step % 3 == 0,
                "note": NOTES[usize::try_from(step).unwrap() % NOTES.len()],
            }),
        ));
        if step % 3 == 1 {
            // Other fields at other times, and a float with an integer value.
            let fields = match step % 4 {
                0 => json!({ "speed": 7.0 }),
                1 => json!({ "odometer": -step, "note": "é" }),
                2 => json!({ "table": 1e300, "speed": float(step) }),
                _ => json!({ "charging": true }),
            };
            points.push(Point::new(at + 5 * SECOND, "V2", fields).of("n", ""));
        }
    }
    // A long gap, and a single point after it.
    points.push(Point::new(T + 3_600 * SECOND, "V1", json!({ "speed": 0.0, "ticks": 0 })));
    points
}

/// Edges to the nanosecond, ties in every order, extremes; and `late` for the first time.
pub(super) fn later() -> Vec<Point> {
    let mut points = Vec::new();
    let edge = T + 100 * SECOND;
    for (number, nanos) in [-1, 0, 1, 59_999_999_999, 60_000_000_000].into_iter().enumerate() {
        points.push(Point::new(edge + nanos, "edge", json!({ "late": number })));
    }
    // One time and many vehicles, whose names sort by bytes in an unusual order.
    let tie = T + 200 * SECOND;
    for (number, vin) in ["v1", "V10", "Z", "É", "é", "V", "v 1", "V,1=2"].into_iter().enumerate()
    {
        points.push(Point::new(tie, vin, json!({ "speed": float(7 - number as i64), "late": 1 })));
    }
    // One time and vehicle, many series: the same first and last time for each.
    let series = [("m", ""), ("m", "north"), ("m", "south"), ("k", "north"), ("", "east")];
    let notes = ["b", "a", "", "ä", "c"];
    for (number, (model, region)) in series.into_iter().enumerate() {
        for at in [tie, tie + SECOND, tie + 2 * SECOND] {
            let fields = json!({
                "speed": float((number as i64 * 7 + at / SECOND) % 5) - 1.5,
                "odometer": (number as i64 * 3) % 5,
                "ticks": number,
                "charging": number % 2 == 0,
                "note": notes[number],
            });
            points.push(Point::new(at, "ties", fields).of(model, region));
        }
    }
    // Fields of one vehicle with different first and last times.
    for step in 0..20_i64 {
        let fields = match step {
            0..3 => json!({ "late": step }),
            3..9 => json!({ "late": -step, "table": float(step) }),
            9 => json!({ "note": "" }),
            _ => json!({ "speed": float(step), "note": format!("n{step}") }),
        };
        points.push(Point::new(T + 300 * SECOND + step * 1_000_003, "sparse", fields));
    }
    // The largest and smallest values of each type that every store holds.
    let extreme = T + 400 * SECOND;
    let numbers = [
        json!({ "odometer": i64::MAX, "ticks": i64::MAX, "speed": f64::MAX }),
        json!({ "odometer": i64::MIN, "ticks": 0, "speed": f64::MIN_POSITIVE }),
        json!({ "odometer": 0, "ticks": EXACT + 1, "speed": -f64::MAX, "charging": false }),
        json!({ "odometer": -1, "speed": 5e-324 }),
        json!({ "speed": 0.1 }),
        json!({ "speed": 1.0 / 3.0, "ticks": EXACT - 1 }),
    ];
    for (step, fields) in numbers.into_iter().enumerate() {
        points.push(Point::new(extreme + step as i64 * SECOND, "extreme", fields));
    }
    points
}

/// Points at some times before `now`.
pub(super) fn recent(now: i64) -> Vec<Point> {
    [5, 30, 90, 300]
        .into_iter()
        .map(|minutes| {
            let at = now - minutes * 60 * SECOND;
            Point::new(at, "recent", json!({ "odometer": minutes, "speed": 1.5 }))
        })
        .collect()
}

pub(super) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}
