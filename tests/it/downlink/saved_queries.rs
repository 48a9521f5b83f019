//! Saved queries as topics, with the real binary: `$query/NAME` over the embedded store.

use std::fs;

use serde_json::{Value, json};

use super::{fleet::MINUTE, pushes::store};
use crate::harness::{
    Appliance, Sample, Setup, until,
    vehicle::{Packet, Vehicle, Version, connect_packet, packet, text},
};

const HIGH: &str = r#"
[[query]]
name = "high"
interval = "1s"
measurement = "sample"
fields = ["seq"]
from = "-2h"
fn = "last"
having = "seq > 1"
"#;

/// The last level of the topic, the flags, and the payload of the next PUBLISH.
fn told(line: &mut Vehicle) -> (String, bool, Value) {
    let Packet::Whole(first, body) = line.receive(MINUTE) else { panic!("nothing came") };
    assert_eq!(first >> 4, 3, "{first:02x} {body:02x?}");
    let len = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
    let topic = String::from_utf8(body[2..len].to_vec()).unwrap();
    let payload = &body[len..];
    let payload = match payload.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(payload).unwrap(),
    };
    (topic, first & 1 == 1, payload)
}

/// Subscribes at QoS 0; returns the granted QoS or the reason code.
fn subscribe(line: &mut Vehicle, filter: &str) -> u8 {
    let body = [vec![0, 9], text(filter), vec![0]].concat();
    line.send(&packet(0x82, &body));
    match line.expect() {
        Packet::Whole(0x90, body) => body[2],
        other => panic!("no SUBACK: {other:02x?}"),
    }
}

fn watcher(appliance: &Appliance, name: &str) -> Vehicle {
    let mut line = Vehicle::connect(appliance.mqtt(), Version::V3, name);
    assert_eq!(subscribe(&mut line, "$query/+"), 0);
    line
}

fn names(told: &Value) -> Vec<&str> {
    told["rows"].as_array().unwrap().iter().map(|row| row[1].as_str().unwrap()).collect()
}

fn asked(appliance: &Appliance) -> f64 {
    appliance.metric("fleetline_query_asked_questions_total").unwrap()
}

#[test]
fn rows_of_a_saved_query_are_retained_and_published_when_they_change() {
    let appliance = Setup::new().schema("queries.toml", HIGH).start();
    let mut early = watcher(&appliance, "early");
    let (topic, _, first) = told(&mut early);
    assert_eq!(topic, "$query/high");
    assert_eq!((&first["rows"], &first["failing"]), (&json!([]), &json!(null)));
    store(&appliance, 4);
    let (_, is_retained, mut second) = told(&mut early);
    assert!(!is_retained, "it was subscribed to");
    while names(&second).len() < 2 {
        second = told(&mut early).2;
    }
    assert_eq!(names(&second), ["V002", "V003"]);
    let columns: Vec<&Value> =
        second["columns"].as_array().unwrap().iter().map(|it| &it["type"]).collect();
    assert_eq!(columns, ["timestamp", "string", "integer"]);
    // A new subscriber gets it at once.
    let (_, is_retained, retained) = told(&mut watcher(&appliance, "late"));
    assert_eq!((is_retained, &retained), (true, &second));
    // The same answer is not published again after later runs.
    let (answers, before) =
        (appliance.metric("fleetline_query_told_answers_total"), asked(&appliance));
    until("it is asked again", MINUTE, || asked(&appliance) >= before + 3.0);
    assert_eq!(appliance.metric("fleetline_query_told_answers_total"), answers);
    assert_eq!(appliance.metric("fleetline_query_topics"), Some(1.0));
    // A restart runs the query again.
    let mut appliance = appliance;
    appliance.kill_9();
    appliance.start_again();
    let (.., again) = told(&mut watcher(&appliance, "again"));
    assert_eq!(names(&again), ["V002", "V003"]);
}

/// As with any publish of QoS 1: a subscriber of QoS 1 acknowledges it, and a persistent session
/// gets answers that were published while it was disconnected.
#[test]
fn an_answer_is_sent_at_qos_1_to_subscribers_of_qos_1() {
    let appliance = Setup::new().schema("queries.toml", HIGH).start();
    let back = || {
        let mut connect = connect_packet(Version::V3, "w", 60, &[]);
        connect[9] &= !2;
        let mut line = Vehicle::dial(appliance.mqtt(), Version::V3).unwrap();
        assert!(matches!(line.greet(&connect), Packet::Whole(0x20, _)));
        line
    };
    let next = |line: &mut Vehicle| {
        let Packet::Whole(first, body) = line.receive(MINUTE) else { panic!("nothing came") };
        assert_eq!(first & 0xf6, 0x32, "QoS 1: {first:02x}");
        let len = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        line.send(&packet(0x40, &body[len..len + 2]));
        serde_json::from_slice::<Value>(&body[len + 2..]).unwrap()
    };
    let mut line = back();
    line.send(&packet(0x82, &[vec![0, 9], text("$query/high"), vec![1]].concat()));
    assert_eq!(line.expect(), Packet::Whole(0x90, vec![0, 9, 1]));
    assert_eq!(next(&mut line)["rows"], json!([]));
    line.ping();
    drop(line);
    let told = || appliance.metric("fleetline_query_told_answers_total").unwrap();
    let before = told();
    store(&appliance, 4);
    until("it is told", MINUTE, || told() > before);
    let mut line = back();
    let mut answer = next(&mut line);
    while names(&answer).len() < 2 {
        answer = next(&mut line);
    }
    assert_eq!(names(&answer), ["V002", "V003"]);
}

#[test]
fn a_failing_query_keeps_its_last_answer_and_shows_since_when() {
    let native = "[[query]]\nname = \"all\"\ninterval = \"1s\"\nlanguage = \"sql\"\n\
                  text = \"SELECT vin, max(seq) AS seq FROM sample GROUP BY vin\"\n";
    let appliance =
        Setup::new().schema("queries.toml", native).set("query.topic-rows-max", "2").start();
    let mut line = watcher(&appliance, "w");
    // There is no table yet.
    let (.., first) = told(&mut line);
    assert!(first["at"].is_null() && first["failing"]["reason"].is_string(), "{first}");
    store(&appliance, 1);
    let (.., good) = told(&mut line);
    assert_eq!((&good["rows"], &good["failing"]), (&json!([["V000", 0]]), &json!(null)));
    let mut more = Vehicle::connect(appliance.mqtt(), Version::V3, "more");
    for seq in 1..4 {
        let payload = Sample { seq }.payload();
        more.publish_acked(&Sample::topic(&format!("V{seq:03}")), &payload, 1);
    }
    let mut bad = told(&mut line).2;
    while bad["failing"].is_null() {
        bad = told(&mut line).2;
    }
    assert_eq!(bad["failing"]["reason"], "rows");
    assert!(bad["failing"]["since"].as_str() > bad["at"].as_str(), "{bad}");
    assert!(bad["rows"].as_array().unwrap().len() <= 2, "{bad}");
    let failed = || appliance.metric("fleetline_query_failed_topics_total{reason=\"rows\"}");
    until("each failure is counted", MINUTE, || failed().is_some_and(|count| count >= 3.0));
    // The log has it once.
    let heard = appliance.log().matches("it has more than 2 rows").count();
    assert!(heard <= 1, "{}", appliance.log());
}

#[test]
fn a_reload_adds_and_removes_queries_and_clears_what_was_retained() {
    let appliance = Setup::new().schema("queries.toml", HIGH).start();
    let mut line = watcher(&appliance, "w");
    assert_eq!(told(&mut line).0, "$query/high");
    let reload = |text: &str, words: &str| {
        let before = appliance.log().matches(words).count();
        fs::write(appliance.setup().home().join("schemas/queries.toml"), text).unwrap();
        appliance.signal("HUP");
        until(words, MINUTE, || appliance.log().matches(words).count() > before);
    };
    reload(&HIGH.replace("seq > 1", "seq >"), "schemas and mappings not loaded");
    assert!(appliance.log().contains("queries.toml:3: `having`: "), "{}", appliance.log());
    reload(&HIGH.replace("\"high\"", "\"other\""), "schemas and mappings loaded anew");
    let mut seen =
        [told(&mut line), told(&mut line)].map(|(topic, _, payload)| (topic, payload.is_null()));
    seen.sort();
    assert_eq!(seen, [("$query/high".to_owned(), true), ("$query/other".to_owned(), false)]);
    let mut late = watcher(&appliance, "late");
    assert_eq!(told(&mut late).0, "$query/other", "nothing else is retained");
}

#[test]
fn no_client_may_publish_on_query_topics_and_only_rules_allow_to_subscribe() {
    let appliance = Setup::new().schema("queries.toml", HIGH).start();
    let mut forger = Vehicle::connect(appliance.mqtt(), Version::V5, "forger");
    forger.publish("$query/high", b"{}", 1, 1);
    assert_eq!(forger.expect().reason(), 0x87);
    let setup = Setup::new().schema("queries.toml", HIGH);
    let rules = "[[rule]]\nwho = [\"ops\"]\nallow = [\"subscribe\"]\ntopics = [\"#\"]\n";
    fs::write(setup.home().join("rules.toml"), rules).unwrap();
    let appliance = setup.set("auth.rules", "rules.toml").start();
    let mut line = Vehicle::connect(appliance.mqtt(), Version::V3, "V1");
    assert_eq!(subscribe(&mut line, "$query/high"), 0x80, "no rule names it");
}

#[test]
fn check_validates_saved_queries_against_the_mappings() {
    let setup = Setup::new().set("store.kind", "embedded");
    let check = |text: &str| {
        fs::write(setup.home().join("schemas/queries.toml"), text).unwrap();
        let output = setup.command(&["check"]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(check(HIGH).0, Some(0));
    for (wrong, words) in [
        (HIGH.replace("\"last\"", "\"latest\""), "queries.toml:3: `fn` is `latest`; expected"),
        (HIGH.replace("-2h", "soon"), "queries.toml:3: `from`: `soon`"),
        (HIGH.replace("seq > 1", "value > 1"), "queries.toml:3: `having` names `value`"),
    ] {
        let (code, told) = check(&wrong);
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains(words), "{told}");
    }
    let (code, told) = check(&HIGH.replace("\"sample\"", "\"samples\""));
    assert_eq!(code, Some(0));
    assert!(told.contains("warning: ") && told.contains("samples"), "{told}");
    assert!(told.contains("it fails unless the store knows it"), "{told}");
}
