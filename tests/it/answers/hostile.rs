//! Texts that are special in some language, as vehicles, tags, fields and parameters: each is read
//! back unchanged, alone, and nothing else has changed.
//!
//! The corpus is `tests/data/hostile.json`; the dialects' own tests read it, too. MQTT forbids `+`,
//! `#` and NUL in a topic, so the vehicle is in the payload.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::{
    asked::{Asked, ask},
    fleet::{Encoder, Point, SECOND, T, TOPIC},
    trial::{Wrong, publish, start},
};
use crate::harness::{Appliance, Database, Vehicle, Version};

/// A mapping in which every name is hostile.
const MAPPING: &str = r#"
[[mapping]]
name = "hostile"
topic = "hostile"
format = "protobuf"
schema = "reading.proto"
message = "test.v1.Reading"
measurement = "re\"ad'ing"
vehicle = "vin"
tags = ["vin"]
time = { field = "at", unit = "ns" }

[mapping.fields]
exclude = ["model", "region", "odometer", "ticks", "table", "never"]

[mapping.fields.rename]
speed = "sp\"e'ed"
charging = '${r.vin}'
note = '") |> drop() //'
late = 'late\; DROP MEASUREMENT "reading"'
"#;
const MEASUREMENT: &str = "re%22ad'ing";
const NAMES: [&str; 4] =
    ["sp\"e'ed", "${r.vin}", "\") |> drop() //", "late\\; DROP MEASUREMENT \"reading\""];

fn corpus() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hostile.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Whether line protocol cannot write the text in a tag; then it is a dead letter with that cause.
fn is_no_tag(text: &str) -> bool {
    text.contains(['\n', '\r', '\t'])
        || text.ends_with('\\')
        || ["\\,", "\\=", "\\ "].iter().any(|pair| text.contains(pair))
}

/// One point per text, each with its own time.
fn points(corpus: &[String]) -> Vec<Point> {
    let point = |(number, text): (usize, &String)| {
        let at = T + number as i64 * SECOND;
        let vin = if is_no_tag(text) { format!("tame {number}") } else { text.clone() };
        let mut point = Point::new(at, &vin, json!({ "note": text, "late": number }));
        point.tags[2] = vin;
        point
    };
    corpus.iter().enumerate().map(point).collect()
}

#[track_caller]
pub(crate) fn check_hostile(database: &Database) {
    let appliance = start(database, &[]);
    let corpus = corpus();
    assert!(corpus.len() > 100, "{}", corpus.len());
    let points = points(&corpus);
    publish(&appliance, &points);
    let mut wrong = Wrong::default();
    check_no_tags(&appliance, &corpus, &mut wrong);
    check_vehicles(&appliance, &points, &mut wrong);
    check_parameters(database, &appliance, &points, &mut wrong);
    check_names(database, &mut wrong);

    // Finally each text is stored once, and nothing is lost.
    let asked = Asked { from: T, to: T + 86_400 * SECOND, ..Asked::default() };
    match ask(&appliance, &asked.parameters(), &[("limit", "100000"), ("fields", "late")]) {
        Ok((answer, _)) => {
            let numbers: Vec<&Value> = answer.rows.iter().map(|row| &row[2]).collect();
            let expected: Vec<Value> = (0..points.len()).map(|number| json!(number)).collect();
            let is_same = numbers.iter().copied().eq(&expected);
            wrong.expect(is_same, || format!("at the end there is {numbers:?}"));
        }
        Err(told) => wrong.add(told),
    }
    wrong.none();
}

/// A vehicle whose name no line can hold is a dead letter, with that cause.
fn check_no_tags(appliance: &Appliance, corpus: &[String], wrong: &mut Wrong) {
    let encoder = Encoder::new();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "no tags");
    let texts: Vec<&String> = corpus.iter().filter(|text| is_no_tag(text)).collect();
    for text in &texts {
        let point = Point::new(T, text, json!({ "late": -1 }));
        let reason = vehicle.publish_acked(TOPIC, &encoder.message(&point), 1).reason();
        wrong.expect(reason == 0x99, || format!("{text:?} was acknowledged with {reason:#x}"));
    }
    let dead = appliance.count("messages.dead_lettered");
    wrong.expect(dead == texts.len() as u64, || format!("{dead} of {} set aside", texts.len()));
}

fn check_vehicles(appliance: &Appliance, points: &[Point], wrong: &mut Wrong) {
    for point in points {
        let vin = point.vin();
        let expected = vec![vec![json!(point.at), json!(vin), point.fields["note"].clone()]];
        for function in [None, Some("last")] {
            let mut parameters =
                Asked { from: point.at, to: T + 86_400 * SECOND, function, ..Asked::default() }
                    .parameters();
            parameters.push(("vehicle".to_owned(), vin.to_owned()));
            match ask(appliance, &parameters, &[("fields", "note")]) {
                Ok((answer, _)) => wrong.expect(answer.rows == expected, || {
                    format!("{vin:?}, {function:?}: {:?}\nexpected {expected:?}", answer.rows)
                }),
                Err(told) => wrong.add(format!("{vin:?}: {told}")),
            }
        }
    }
    // All of them in one query, and its pages.
    let mut parameters =
        Asked { from: T, to: T + 86_400 * SECOND, ..Asked::default() }.parameters();
    parameters.extend(points.iter().map(|point| ("vehicle".to_owned(), point.vin().to_owned())));
    let mut after: Option<String> = None;
    let mut seen = Vec::new();
    for _ in 0..points.len() {
        let mut more = vec![("fields", "note"), ("limit", "37")];
        more.extend(after.as_deref().map(|after| ("after", after)));
        match ask(appliance, &parameters, &more) {
            Ok((answer, next)) => {
                seen.extend(answer.rows.into_iter().map(|row| row[1].clone()));
                after = next;
            }
            Err(told) => return wrong.add(told),
        }
        if after.is_none() {
            break;
        }
    }
    let expected: Vec<Value> = points.iter().map(|point| json!(point.vin())).collect();
    wrong.expect(seen == expected, || format!("all vehicles at once: {seen:?}"));
}

/// A native query with the text as a parameter returns that one row.
fn check_parameters(
    database: &Database,
    appliance: &Appliance,
    points: &[Point],
    wrong: &mut Wrong,
) {
    let text = match database.language() {
        "sql" => "SELECT vin, note FROM reading WHERE vin = $vin AND note = $note",
        "influxql" => "SELECT vin, note FROM reading WHERE vin = $vin AND note = $note",
        _ => {
            "from(bucket: \"telemetry\") |> range(start: 2025-01-01T00:00:00Z) \
             |> filter(fn: (r) => r._measurement == \"reading\" and r._field == \"note\") \
             |> filter(fn: (r) => r.vin == params.vin and r._value == params.note) \
             |> rename(columns: {_value: \"note\"}) |> keep(columns: [\"vin\", \"note\"])"
        }
    };
    for point in points {
        let note = &point.fields["note"];
        let params = json!({ "vin": point.vin(), "note": note });
        let (status, body) = appliance.query(database.language(), text, &params);
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        let column = |name: &str| {
            let columns = answer["columns"].as_array().into_iter().flatten();
            columns.clone().position(|column| column["name"] == name)
        };
        let cell = |name: &str| column(name).map(|at| &answer["rows"][0][at]);
        let is_one = answer["rows"].as_array().is_some_and(|rows| rows.len() == 1);
        // A line break inside a cell is LF, whatever it was; see `store::ask::annotated`.
        let is_flux = database.language() == "flux";
        let note = match note.as_str() {
            Some(note) if is_flux => json!(note.replace("\r\n", "\n").replace('\r', "")),
            _ => note.clone(),
        };
        let is_it = cell("vin") == Some(&json!(point.vin())) && cell("note") == Some(&note);
        wrong.expect(status == 200 && is_one && is_it, || format!("{params}: {status} {body}"));
    }
}

/// Names of a mapping are only names in every language.
fn check_names(database: &Database, wrong: &mut Wrong) {
    let setup = database.serves(crate::harness::Setup::new()).set("sink.batch-age", "10ms");
    let (proto, text) = super::fleet::SCHEMAS[0];
    let appliance = setup.schema(proto, text).schema("hostile.toml", MAPPING).start();
    let encoder = Encoder::new();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "names");
    for number in 0..3_i64 {
        let fields = json!({ "speed": 0.5, "charging": true, "note": "", "late": number });
        let message = encoder.message(&Point::new(T + number * SECOND, "' --", fields));
        vehicle.publish_acked("hostile", &message, 1);
    }
    crate::harness::until("an empty spool", std::time::Duration::from_mins(1), || {
        appliance.count("points.in_spool") == 0
    });
    let path = format!("/api/v1/telemetry/{MEASUREMENT}");
    let range = [("from", "2025-06-01T00:00:00Z"), ("to", "2025-06-02T00:00:00Z")];
    let fields = NAMES.join(",");
    let raw = json!([0.5, true, "", 2]);
    let count = json!([3, 3, 3, 3]);
    for (function, every, rows) in [
        (None, None, &raw),
        (Some("last"), None, &raw),
        (Some("last"), Some("1m"), &raw),
        (Some("count"), None, &count),
        (Some("count"), Some("1h"), &count),
    ] {
        let mut parameters = vec![("fields", fields.as_str()), ("vehicle", "' --")];
        parameters.extend(range);
        parameters.extend(function.map(|function| ("fn", function)));
        parameters.extend(every.map(|every| ("every", every)));
        let (status, body) = appliance.get_with(&path, &parameters);
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        let names: Vec<&Value> = (2..6).map(|at| &answer["columns"][at]["name"]).collect();
        let last = answer["rows"].as_array().and_then(|rows| rows.last()).cloned();
        let last = last.unwrap_or_default();
        let is_it = (2..6).all(|at| last[at] == rows[at - 2]) && names == NAMES;
        wrong.expect(status == 200 && is_it, || format!("{function:?} {every:?}: {status} {body}"));
    }
}
