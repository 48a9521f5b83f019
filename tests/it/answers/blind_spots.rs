//! Case o12-portable-blind-spots: points with names that are in no mapping are listed and queried
//! like all others, and rows are distinguished by tags other than the vehicle's.

use std::time::Duration;

use serde_json::{Value, json};

use super::{fleet, trial::Wrong};
use crate::harness::{Appliance, Database, Setup, Vehicle, Version, until};

const MINUTE: Duration = Duration::from_mins(1);

const SCHEMA: &str = r#"{"type": "object", "properties": {
    "can": {"type": "object", "additionalProperties": {"type": "number"}}}}"#;

const MAPPINGS: &str = r#"
[[mapping]]
name        = "can"
topic       = "can/{bus}"
format      = "json"
schema      = "m.schema.json"
measurement = "can"
vehicle     = "{bus}"
tags        = ["bus"]

[[mapping]]
name    = "lines"
topic   = "lines/{bus}"
format  = "line-protocol"
vehicle = "{bus}"
tags    = ["bus"]
"#;

/// Requests a path below `/api/v1`.
fn get(appliance: &Appliance, path: &str) -> (u16, Value) {
    let (status, body) = appliance.get(&format!("/api/v1{path}"));
    (status, serde_json::from_str(&body).unwrap_or_else(|_| json!(body)))
}

fn names(list: &Value) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
pub(crate) fn check_blind_spots(database: &Database) {
    let appliance = database
        .serves(Setup::new())
        .set("sink.batch-age", "10ms")
        .schema("m.schema.json", SCHEMA)
        .schema("m.toml", MAPPINGS)
        .start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "blind");
    vehicle.publish_acked("can/b1", br#"{"can": {"id0": 1, "id7": 2}}"#, 1);
    let at = fleet::now() - 60 * fleet::SECOND;
    let lines = format!(
        "weather,model=x,zone=n temp=1.5,wet=t {}\nweather,model=y,zone=n temp=2.5 {}\n\
         weather,model=y,zone=s temp=4.5,n=3i {}\nweather temp=8.5 {}\n",
        at,
        at,
        at,
        at + 1
    );
    vehicle.publish_acked("lines/b2", lines.as_bytes(), 2);
    until("an empty spool", MINUTE, || appliance.count("points.in_spool") == 0);
    let mut wrong = Wrong::default();
    listed(&appliance, &mut wrong);
    seen(&appliance, at, &mut wrong);
    for (path, columns, rows) in questions(at) {
        let (status, body) = get(&appliance, &path);
        let found = names(&body["columns"]);
        wrong.expect(status == 200 && json!(found) == columns, || format!("{path}: {body}"));
        // The times are those of the lines, or of receipt.
        let found = body["rows"].as_array().cloned().unwrap_or_default();
        let found: Vec<&[Value]> = found.iter().map(|row| &row.as_array().unwrap()[1..]).collect();
        wrong.expect(json!(found) == rows, || format!("{path}: {body}\nexpected {rows}"));
    }
    refused(&appliance, &mut wrong);
    wrong.none();
}

fn listed(appliance: &Appliance, wrong: &mut Wrong) {
    let (status, body) = get(appliance, "/measurements");
    let found = names(&body["measurements"]);
    let has_both = ["can", "weather"].iter().all(|name| found.contains(&(*name).to_owned()));
    wrong.expect(status == 200 && has_both, || format!("measurements: {status} {body}"));
    let fields = [
        ("can", json!([["can_id0", "float"], ["can_id7", "float"]])),
        ("weather", json!([["n", "integer"], ["temp", "float"], ["wet", "boolean"]])),
    ];
    for (measurement, expected) in fields {
        let (status, body) = get(appliance, &format!("/measurements/{measurement}/fields"));
        let list = body["fields"].as_array().cloned().unwrap_or_default();
        let found: Vec<Value> = list.iter().map(|one| json!([one["name"], one["type"]])).collect();
        wrong.expect(json!(found) == expected, || format!("{measurement}: {status} {body}"));
    }
    let (status, body) = get(appliance, "/measurements/weather/tags");
    let found = names(&body["tags"]);
    wrong.expect(found == ["bus", "model", "zone"], || format!("tags: {status} {body}"));
    let bus = &body["tags"][0]["vehicle"];
    wrong.expect(*bus == true, || format!("the vehicle's tag: {body}"));
    let (status, body) = get(appliance, "/measurements/wether/fields");
    let is_told = status == 404 && body["error"]["code"] == "measurement-unknown";
    wrong.expect(is_told, || format!("no measurement: {status} {body}"));
}

/// First and last points, of measurements and of fields, in the API and on the command line.
fn seen(appliance: &Appliance, at: i64, wrong: &mut Wrong) {
    let moment =
        |nanos: i64| jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap().to_string();
    let (first, last) = (moment(at), moment(at + 1));
    let (_, body) = get(appliance, "/measurements");
    let list = body["measurements"].as_array().cloned().unwrap_or_default();
    let weather = list.iter().find(|one| one["name"] == "weather").cloned().unwrap_or_default();
    let is_told = weather["first_seen"] == *first && weather["last_seen"] == *last;
    wrong.expect(is_told && weather["mapped"] == false, || format!("seen: {body}"));
    let (_, body) = get(appliance, "/measurements/weather/fields");
    for (place, name, last) in [(0, "n", &first), (1, "temp", &last), (2, "wet", &first)] {
        let field = &body["fields"][place];
        let is_told =
            field["name"] == name && field["first_seen"] == *first && field["last_seen"] == **last;
        wrong.expect(is_told, || format!("seen of {name}: {body}"));
    }
    let listed = appliance.cli_ok(&["query", "--list", "--json"]);
    let is_told = listed.lines().any(|line| line.contains("\"weather\"") && line.contains(&last));
    wrong.expect(is_told, || format!("query --list: {listed}"));
    let listed = appliance.cli_ok(&["query", "--list", "weather", "--csv"]);
    let rows = [
        "name,is,type,mapped,first_seen,last_seen".to_owned(),
        "bus,vehicle,string,no,,".to_owned(),
        "model,tag,string,no,,".to_owned(),
        format!("temp,field,float,no,{first},{last}"),
    ];
    let has_all = rows.iter().all(|row| listed.lines().any(|line| line == row));
    wrong.expect(has_all, || format!("query --list weather: {listed}"));
}

/// Queries, the names of their columns, and their rows without the times.
fn questions(at: i64) -> Vec<(String, Value, Value)> {
    let range = format!("from={at}&to={}", at + 2);
    vec![
        (
            "/telemetry/can?fields=can_id7,can_id0".to_owned(),
            json!(["time", "bus", "can_id7", "can_id0"]),
            json!([["b1", 2.0, 1.0]]),
        ),
        (
            "/telemetry/can".to_owned(),
            json!(["time", "bus", "can_id0", "can_id7"]),
            json!([["b1", 1.0, 2.0]]),
        ),
        (
            format!("/telemetry/weather?{range}&fields=temp&vehicle=b2"),
            json!(["time", "bus", "temp"]),
            json!([["b2", 1.5], ["b2", 2.5], ["b2", 4.5], ["b2", 8.5]]),
        ),
        (
            format!("/telemetry/weather?{range}&fields=temp&vehicle=b9&vehicle=b2"),
            json!(["time", "bus", "temp"]),
            json!([["b2", 1.5], ["b2", 2.5], ["b2", 4.5], ["b2", 8.5]]),
        ),
        (
            format!("/telemetry/weather?{range}&fields=temp&group-by=zone,model"),
            json!(["time", "bus", "zone", "model", "temp"]),
            json!([
                ["b2", "n", "x", 1.5],
                ["b2", "n", "y", 2.5],
                ["b2", "s", "y", 4.5],
                ["b2", "", "", 8.5],
            ]),
        ),
        (
            format!("/telemetry/weather?{range}&fields=temp&tag.model=y&tag.zone=s"),
            json!(["time", "bus", "temp"]),
            json!([["b2", 4.5]]),
        ),
        (
            format!("/telemetry/weather?{range}&fields=temp&tag.model=x&tag.model=y&fn=sum"),
            json!(["time", "bus", "temp"]),
            json!([["b2", 8.5]]),
        ),
        (
            format!("/telemetry/weather?{range}&fields=temp&tag.model="),
            json!(["time", "bus", "temp"]),
            json!([["b2", 8.5]]),
        ),
        (
            format!("/telemetry/weather?{range}&fields=temp&fn=max&group-by=model"),
            json!(["time", "model", "temp"]),
            json!([["", 8.5], ["x", 1.5], ["y", 4.5]]),
        ),
        (
            format!("/telemetry/weather?{range}&fields=temp&fn=sum&every=1h&group-by=model,zone"),
            json!(["time", "model", "zone", "temp"]),
            json!([["", "", 8.5], ["x", "n", 1.5], ["y", "n", 2.5], ["y", "s", 4.5]]),
        ),
        (
            format!("/telemetry/weather?{range}&fields=temp&fn=last&every=1h&group-by=zone,model"),
            json!(["time", "zone", "model", "temp"]),
            json!([["", "", 8.5], ["n", "x", 1.5], ["n", "y", 2.5], ["s", "y", 4.5]]),
        ),
        (
            format!("/telemetry/weather?{range}&fields=n&fn=sum&group-by=model"),
            json!(["time", "model", "n"]),
            json!([["y", 3]]),
        ),
    ]
}

fn refused(appliance: &Appliance, wrong: &mut Wrong) {
    for (path, code, words) in [
        ("/telemetry/weather?fields=model", "field-unknown", "group-by=model"),
        ("/telemetry/weather?fields=temperature", "field-unknown", "no field"),
        ("/telemetry/weather?fields=tmp", "field-unknown", "did you mean `temp`"),
        ("/telemetry/weather?tag.modle=x", "tag-unknown", "did you mean `model`"),
        ("/telemetry/weather?vehicle=", "parameter-invalid", "`vehicle` is empty"),
        ("/telemetry/weather?vehicle=b2&vehicle=", "parameter-invalid", "`vehicle` is empty"),
        ("/telemetry/whether", "measurement-unknown", "no mapping writes"),
        ("/telemetry/weathr", "measurement-unknown", "did you mean `weather`"),
        ("/telemetry/weather?from=1774648800", "parameter-invalid", "epoch=s"),
        ("/telemetry/weather?from=-1h%20ago", "parameter-invalid", "is no time"),
        ("/telemetry/weather?every=1mo&fn=max", "parameter-invalid", "30d"),
    ] {
        let (status, body) = get(appliance, path);
        let error = &body["error"];
        let message = error["message"].as_str().unwrap_or_default();
        let is_told =
            (status == 400 || status == 404) && error["code"] == code && message.contains(words);
        wrong.expect(is_told, || format!("{path}: {status} {body}"));
    }
}
