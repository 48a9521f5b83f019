//! Pushes: the rows of a query become commands, and the report counts their states.

use serde_json::{Value, json};

use super::fleet::{Car, MINUTE, ask, get, send, setup};
use crate::harness::{
    Appliance, Sample, http, until,
    vehicle::{Packet, Vehicle, Version, publish_packet},
};

/// The query of vehicles whose `seq` is above a number.
pub(super) fn above(seq: u64) -> Value {
    json!({ "measurement": "sample", "fields": ["seq", "value"], "from": "-2h", "fn": "last",
        "having": format!("seq > {seq}") })
}

/// Stores a sample for each of the vehicles from `V000` on.
pub(super) fn store(appliance: &Appliance, count: u64) {
    let mut line = Vehicle::connect(appliance.mqtt(), Version::V3, "store");
    for seq in 0..count {
        let vin = format!("V{seq:03}");
        let id = u16::try_from(seq % 60_000 + 1).unwrap();
        line.publish_acked(&Sample::topic(&vin), &Sample { seq }.payload(), id);
    }
    until("they are stored", MINUTE, || appliance.count("points.stored") == count);
}

pub(super) fn push(appliance: &Appliance, id: &str) -> Value {
    get(appliance, &format!("/pushes/{id}"))
}

fn pushed(appliance: &Appliance, body: &Value) -> String {
    let (status, answer) = ask(appliance, "/pushes", body);
    assert_eq!(status, 202, "{answer}");
    check_sums(&answer["report"]);
    answer["id"].as_str().unwrap().to_owned()
}

/// PU-1.
pub(super) fn check_sums(report: &Value) {
    let count = |value: &Value| value.as_u64().unwrap();
    let all = |value: &Value| value.as_object().unwrap().values().map(count).sum::<u64>();
    assert_eq!(all(&report["states"]), count(&report["targeted"]), "{report}");
    let rows = count(&report["unknown"]) + all(&report["left-out"]) + count(&report["targeted"]);
    assert_eq!(rows, count(&report["rows"]), "{report}");
}

fn state(appliance: &Appliance, id: &str, state: &str) -> u64 {
    let push = push(appliance, id);
    check_sums(&push["report"]);
    push["report"]["states"][state].as_u64().unwrap()
}

#[test]
fn a_push_sends_a_command_to_the_vehicle_of_each_row_and_reports_its_state() {
    let appliance = setup().start();
    store(&appliance, 8);
    let mut cars: Vec<Car> =
        ["V005", "V006"].iter().map(|vin| Car::ready(appliance.mqtt(), Version::V5, vin)).collect();
    let mut body = json!({
        "name": "cool-down", "query": above(3), "command": "limit-charge",
        "fields": { "limit_percent": "{seq}", "text": "value {value} of {vin}, {{x}}" },
        "dry-run": true, "guard": { "vehicles-max": 4 }, "idempotency-key": "k-1",
    });
    let (status, trial) = ask(&appliance, "/pushes", &body);
    assert_eq!(status, 200, "{trial}");
    assert_eq!(trial["report"]["targeted"], 4);
    let row = &trial["rows"][1];
    assert_eq!(row["vehicle"], "V005");
    assert_eq!(row["fields"], json!({ "limit_percent": 5, "text": "value 2.75 of V005, {x}" }));
    assert_eq!((&row["online"], &row["known"]), (&json!(true), &json!(true)));
    assert_eq!(get(&appliance, "/pushes")["pushes"], json!([]), "a dry run keeps nothing");

    body["guard"] = json!({ "vehicles-max": 3 });
    body["dry-run"] = json!(false);
    let (status, refused) = ask(&appliance, "/pushes", &body);
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("guard-exceeded")), "{refused}");
    assert_eq!(refused["error"]["details"], json!({ "targeted": 4, "max": 3, "known": null }));
    assert_eq!(get(&appliance, "/commands")["commands"], json!([]));

    body["guard"] = json!({ "vehicles-max": 4, "share-max": 0.5 });
    let id = pushed(&appliance, &body);
    let (status, again) = ask(&appliance, "/pushes", &body);
    assert_eq!((status, &again["id"]), (200, &json!(id)), "the same key is the same push");
    body["rate"] = json!(5);
    assert_eq!(ask(&appliance, "/pushes", &body).0, 409, "with other content it is another's");

    let receipts = [(5, "DONE"), (6, "REJECTED")];
    for (car, (seq, word)) in cars.iter_mut().zip(receipts) {
        let taken = car.take();
        let payload: Value = serde_json::from_slice(&taken.payload).unwrap();
        assert_eq!(payload["limit_percent"], seq, "{payload}");
        car.acknowledge(taken.id, 0);
        assert_eq!(car.receipt(&taken.command(), word), 0);
    }
    until("both have said so", MINUTE, || state(&appliance, &id, "rejected") == 1);
    let found = push(&appliance, &id);
    let report = &found["report"];
    assert_eq!(report["states"]["done"], 1);
    assert_eq!(report["states"]["queued"], 2);
    assert_eq!((&found["state"], &found["open"]), (&json!("done"), &json!(2)), "{found}");

    let its = get(&appliance, &format!("/pushes/{id}/commands?vehicle=V005"));
    let command = &its["commands"][0];
    assert_eq!(command["push"], json!(id));
    assert_eq!(command["evidence"]["row"]["seq"], 5);
    assert_eq!(command["evidence"]["query"]["measurement"], "sample");

    let url = format!("{}/api/v1/pushes/{id}", appliance.url());
    assert_eq!(http::send("DELETE", &url, &[], String::new()).unwrap().0, 409, "it is open");
    let (status, aborted) = ask(&appliance, &format!("/pushes/{id}/abort"), &json!({}));
    assert_eq!(status, 200, "{aborted}");
    until("what waited is taken back", MINUTE, || state(&appliance, &id, "cancelled") == 2);
    assert_eq!(ask(&appliance, &format!("/pushes/{id}/abort"), &json!({})).0, 409);
    until("it is forgotten", MINUTE, || {
        http::send("DELETE", &url, &[], String::new()).unwrap().0 == 200
    });
    assert_eq!(appliance.get(&format!("/api/v1/pushes/{id}")).0, 404);
    let audit = get(&appliance, "/audit?limit=1000");
    let actions: Vec<&str> = audit["audit"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["push", "send", "send", "send", "send", "abort", "forget"]);
}

#[test]
fn vehicles_are_left_out_by_once_per_open_max_and_if_unknown() {
    let appliance = setup().set("downlink.open-max", "1").start();
    store(&appliance, 4);
    let crowd = json!({ "command": "horn" });
    assert_eq!(send(&appliance, "V003", &crowd).0, 202);
    let body = json!({ "name": "a", "query": above(0), "command": "horn", "once-per": "10m" });
    let id = pushed(&appliance, &body);
    let report = push(&appliance, &id)["report"].clone();
    assert_eq!(report["targeted"], 2);
    assert_eq!(report["left-out"]["open-max"], 1);
    let again = pushed(&appliance, &body);
    let report = push(&appliance, &again)["report"].clone();
    assert_eq!((&report["targeted"], &report["left-out"]["once-per"]), (&json!(0), &json!(2)));
    assert_eq!(push(&appliance, &again)["state"], "done");
    // Cancelled commands do not count.
    assert_eq!(ask(&appliance, &format!("/pushes/{id}/abort"), &json!({})).0, 200);
    until("it is taken back", MINUTE, || state(&appliance, &id, "cancelled") == 2);
    let third = pushed(&appliance, &body);
    assert_eq!(push(&appliance, &third)["report"]["targeted"], 2);
    // A native row may name any vehicle; the second row of a vehicle is a duplicate.
    let text = "SELECT 'V000' AS v, 1 AS n UNION ALL SELECT 'V000', 2 UNION ALL SELECT 'X', 3 \
                UNION ALL SELECT 'a/b', 4 UNION ALL SELECT NULL, 5 UNION ALL SELECT 'V001', 6";
    let native = json!({
        "query": { "language": "sql", "text": text, "having": "n < 6" },
        "vehicle": "v", "command": "horn",
    });
    let report = push(&appliance, &pushed(&appliance, &native))["report"].clone();
    assert_eq!(
        (&report["rows"], &report["unknown"], &report["targeted"]),
        (&json!(5), &json!(3), &json!(1)),
        "{report}"
    );
    assert_eq!(report["left-out"]["duplicate"], 1);
}

/// Checks that a valid push with this change is refused.
#[track_caller]
fn check_bad(appliance: &Appliance, change: &Value, code: &str, part: &str) {
    let mut body = json!({ "query": above(0), "command": "limit-charge" });
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    let (status, answer) = ask(appliance, "/pushes", &body);
    assert!(status >= 400, "{change}: {answer}");
    assert_eq!(answer["error"]["code"], code, "{answer}");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains(part), "{change}: {message}");
}

#[test]
fn an_invalid_push_is_refused_before_anything_is_sent() {
    let appliance = setup().start();
    store(&appliance, 3);
    let check = |change: Value, code: &str, part: &str| check_bad(&appliance, &change, code, part);
    check(json!({ "command": "limit-chrage" }), "command-undeclared", "did you mean");
    check(json!({ "fields": { "limit_percent": "{sqe}" } }), "parameter-invalid", "time, vin, seq");
    check(json!({ "fields": { "limit_percent": "{" } }), "field-invalid", "brace");
    check(json!({ "fields": { "limit_percent": "{vin}" } }), "field-invalid", "limit_percent");
    check(json!({ "vehicle": "vni" }), "parameter-invalid", "vni");
    check(json!({ "onceper": "1m" }), "parameter-invalid", "onceper");
    check(json!({ "waves": { "first": 0, "every": "1m" } }), "parameter-invalid", "first");
    check(json!({ "waves": { "first": 1, "every": "x" } }), "parameter-invalid", "x");
    check(json!({ "rate": 0 }), "parameter-invalid", "rate");
    check(json!({ "guard": { "share-max": 1.5 } }), "parameter-invalid", "share-max");
    check(json!({ "query": { "measurement": "smaple" } }), "measurement-unknown", "sample");
    check(
        json!({ "query": { "measurement": "sample", "having": "x >" } }),
        "parameter-invalid",
        "having",
    );
    check(
        json!({ "query": { "measurement": "sample", "having": "x > 1" } }),
        "parameter-invalid",
        "x",
    );
    check(
        json!({ "query": { "language": "sql", "text": "SELECT 1" } }),
        "parameter-invalid",
        "vehicle",
    );
    check(
        json!({ "query": { "language": "sql", "text": "DELETE FROM sample" }, "vehicle": "v" }),
        "query-refused",
        "",
    );
    assert_eq!(get(&appliance, "/commands")["commands"], json!([]));
    assert_eq!(get(&appliance, "/pushes")["pushes"], json!([]));
    // Of several rows, one that makes no command fails alone, with its field.
    let text = "SELECT 'V001' AS v, 1 AS n UNION ALL SELECT 'V002', 'two'";
    let body = json!({
        "query": { "language": "sql", "text": text }, "vehicle": "v", "command": "limit-charge",
        "fields": { "limit_percent": "{n}" },
    });
    let id = pushed(&appliance, &body);
    assert_eq!(state(&appliance, &id, "failed"), 1);
    let failed = get(&appliance, &format!("/pushes/{id}/commands?state=failed"));
    let change = &failed["commands"][0]["history"][1];
    assert_eq!(failed["commands"][0]["vehicle"], "V002");
    assert!(change["detail"].as_str().unwrap().contains("limit_percent"), "{change}");
}

/// In a dry run, and if no row is targeted.
#[test]
fn a_field_that_no_row_can_make_valid_is_refused_before_the_query() {
    let appliance = setup().start();
    store(&appliance, 1);
    let none = json!({ "measurement": "sample", "from": "-2h", "fn": "last", "having": "seq > 9" });
    let native = json!({ "language": "sql", "text": "SELECT vin FROM sample WHERE seq > 9" });
    for is_dry in [true, false] {
        let check = |fields: Value, field: &str, part: &str| {
            for query in [&none, &native] {
                let change = json!({ "query": query, "vehicle": "vin", "fields": fields,
                    "dry-run": is_dry });
                check_bad(&appliance, &change, "field-invalid", field);
            }
            let change = json!({ "query": none, "fields": fields, "dry-run": is_dry });
            check_bad(&appliance, &change, "field-invalid", part);
        };
        check(json!({ "limit_prcent": 1 }), "limit_prcent", "did you mean `limit_percent`?");
        check(json!({ "limit_percent": "60" }), "limit_percent", "a whole number");
        check(json!({ "text": "{vin}", "id": "x" }), "id", "it takes the command's id");
    }
    let typed = json!({ "query": none, "fields": { "limit_percent": "{vin}" } });
    check_bad(&appliance, &typed, "field-invalid", "`limit_percent` is the text \"{vin}\"");
    assert_eq!(get(&appliance, "/pushes")["pushes"], json!([]));
}

/// A row's value is put into the tree of fields, and never becomes structure.
#[test]
fn values_of_rows_cannot_forge_fields_or_other_commands() {
    let appliance = setup().start();
    store(&appliance, 1);
    let hostile = r#"x","limit_percent":99,"id":"forged"}{vin}{{"#;
    let mut car = Car::ready(appliance.mqtt(), Version::V5, "V000");
    let body = json!({
        "query": { "language": "sql", "text": "SELECT 'V000' AS v, $t AS t", "params": { "t": hostile } },
        "vehicle": "v", "command": "limit-charge",
        "fields": { "limit_percent": 1, "text": "<{t}>" },
    });
    pushed(&appliance, &body);
    let taken = car.take();
    let payload: Value = serde_json::from_slice(&taken.payload).unwrap();
    assert_eq!(payload["text"], format!("<{hostile}>"));
    assert_eq!(payload["limit_percent"], 1);
    assert_ne!(payload["id"], "forged");
}

/// A query with more vehicles than the guard allows: nothing of it is stored, and reading its rows
/// takes bounded memory.
#[test]
fn a_push_over_100000_rows_is_refused_by_a_guard_of_one_less() {
    const COUNT: u64 = 100_000;
    const TOGETHER: u64 = 1_000;
    const GROWN_KIB_MAX: u64 = 512 << 10;
    let appliance = setup().start();
    let mut line = Vehicle::connect(appliance.mqtt(), Version::V3, "store");
    for first in (0..COUNT).step_by(usize::try_from(TOGETHER).unwrap()) {
        let mut bytes = Vec::new();
        for seq in first..first + TOGETHER {
            let id = u16::try_from(seq - first + 1).unwrap();
            let topic = Sample::topic(&format!("W{seq:06}"));
            let payload = Sample { seq }.payload();
            bytes.extend(publish_packet(Version::V3, &topic, &payload, 1, id, &[]));
        }
        line.send(&bytes);
        for _ in 0..TOGETHER {
            assert!(matches!(line.receive(MINUTE), Packet::Whole(0x40, _)));
        }
    }
    until("they are stored", 10 * MINUTE, || appliance.count("points.stored") == COUNT);
    let before_kib = appliance.rss_kib();
    let body = json!({
        "query": { "measurement": "sample", "fields": ["seq"], "from": "-2h", "fn": "last" },
        "command": "horn", "fields": { "limit_percent": "{seq}" },
        "guard": { "vehicles-max": COUNT - 1 },
    });
    let (status, refused) = ask(&appliance, "/pushes", &body);
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("guard-exceeded")), "{refused}");
    let details = json!({ "targeted": COUNT, "max": COUNT - 1, "known": null });
    assert_eq!(refused["error"]["details"], details);
    assert_eq!(get(&appliance, "/pushes")["pushes"], json!([]));
    assert_eq!(get(&appliance, "/commands")["commands"], json!([]));
    assert_eq!(get(&appliance, "/audit")["audit"], json!([]));
    let grown_kib = appliance.rss_kib().saturating_sub(before_kib);
    assert!(grown_kib < GROWN_KIB_MAX, "{grown_kib} KiB more");
}

/// Nine connected vehicles with one point each.
fn nine_cars(appliance: &Appliance) -> Vec<Car> {
    store(appliance, 9);
    (0..9).map(|it| Car::ready(appliance.mqtt(), Version::V5, &format!("V00{it}"))).collect()
}

#[test]
fn a_push_runs_in_waves_can_be_paused_and_stops_if_too_many_fail() {
    let appliance = setup().start();
    let mut cars = nine_cars(&appliance);
    let body = json!({
        "query": { "measurement": "sample", "from": "-2h", "fn": "last" },
        "command": "limit-charge",
        "waves": { "first": 2, "factor": 2, "every": "2s", "abort-above": 0.34 },
    });
    let id = pushed(&appliance, &body);
    let answer = |car: &mut Car, word: &str| {
        let taken = car.take();
        car.acknowledge(taken.id, 0);
        assert_eq!(car.receipt(&taken.command(), word), 0);
    };
    answer(&mut cars[0], "DONE");
    answer(&mut cars[1], "DONE");
    cars[2].takes_nothing();
    let (status, paused) = ask(&appliance, &format!("/pushes/{id}/pause"), &json!({}));
    assert_eq!((status, &paused["state"]), (200, &json!("paused")), "{paused}");
    std::thread::sleep(std::time::Duration::from_millis(2500));
    cars[2].takes_nothing();
    assert_eq!(state(&appliance, &id, "queued"), 7);
    assert_eq!(ask(&appliance, &format!("/pushes/{id}/resume"), &json!({})).0, 200);
    // The second wave: one bad outcome of four ended commands is within the share; the next is not.
    answer(&mut cars[2], "REJECTED");
    assert_eq!(push(&appliance, &id)["state"], "running");
    answer(&mut cars[3], "FAILED");
    until("it stops", MINUTE, || push(&appliance, &id)["state"] == "aborted");
    let found = push(&appliance, &id);
    assert_eq!(found["cause"], "abort-above: 2 of 4 ended badly", "{found}");
    // For commands in flight a cancel is requested, and their acknowledgement decides.
    for car in &mut cars[4..6] {
        let taken = car.take();
        car.acknowledge(taken.id, 0);
        assert_eq!(car.receipt(&taken.command(), "DONE"), 0);
    }
    for car in &mut cars[6..] {
        car.takes_nothing();
    }
    until("all have ended", MINUTE, || push(&appliance, &id)["open"] == 0);
    let states = push(&appliance, &id)["report"]["states"].clone();
    assert_eq!(
        (&states["done"], &states["rejected"], &states["failed"], &states["cancelled"]),
        (&json!(4), &json!(1), &json!(1), &json!(3)),
        "{states}"
    );
    let runs = get(&appliance, &format!("/pushes/{id}/runs"));
    assert_eq!(
        (&runs["runs"][0]["waves"], &runs["runs"][0]["state"]),
        (&json!(2), &json!("aborted"))
    );
}

/// A rate is an upper bound: it determines the minimum time between the first and the last.
#[test]
fn a_rate_spreads_the_commands_of_a_push_in_their_order() {
    let appliance = setup().start();
    let mut cars = nine_cars(&appliance);
    let body = json!({
        "query": { "measurement": "sample", "from": "-2h", "fn": "last" },
        "command": "limit-charge", "rate": 4,
    });
    let begun = std::time::Instant::now();
    let id = pushed(&appliance, &body);
    let mut latest = std::time::Duration::ZERO;
    for car in &mut cars {
        let taken = car.take();
        latest = begun.elapsed();
        car.acknowledge(taken.id, 0);
    }
    // Eight pauses of a quarter of a second each.
    assert!(latest >= std::time::Duration::from_secs(2), "{latest:?}");
    until("all are delivered", MINUTE, || state(&appliance, &id, "delivered") == 9);
}

/// Points after the delivery show whether a command had its effect.
#[test]
fn the_effect_of_a_push_is_verified_with_later_points() {
    let appliance = setup().start();
    store(&appliance, 2);
    let mut cars: Vec<Car> =
        ["V000", "V001"].iter().map(|vin| Car::ready(appliance.mqtt(), Version::V5, vin)).collect();
    let mut verified = |when: &str, within: &str| {
        let body = json!({
            "query": { "measurement": "sample", "from": "-2h", "fn": "last" }, "command": "horn",
            "verify": { "measurement": "sample", "when": when, "within": within },
        });
        let id = pushed(&appliance, &body);
        for car in &mut cars {
            let taken = car.take();
            car.acknowledge(taken.id, 0);
        }
        until("both have it", MINUTE, || state(&appliance, &id, "delivered") == 2);
        id
    };
    let seen = verified("seq > 3000000000", "10m");
    let missed = verified("seq < 0", "1s");
    let told = |id: &str| push(&appliance, id)["report"]["verified"].clone();
    assert_eq!(told(&seen), json!({ "open": 2, "yes": 0, "no": 0 }));
    // Its time is a hundred seconds ahead.
    let mut line = Vehicle::connect(appliance.mqtt(), Version::V3, "later");
    line.publish_acked(&Sample::topic("V001"), &Sample { seq: 3_700_000_000 }.payload(), 1);
    until("it is seen", MINUTE, || told(&seen)["yes"] == 1);
    assert_eq!(told(&seen), json!({ "open": 1, "yes": 1, "no": 0 }));
    until("its time is over", MINUTE, || told(&missed)["no"] == 2);
    let page = get(&appliance, &format!("/pushes/{seen}/commands?vehicle=V001"));
    assert_eq!(page["commands"][0]["verified"], "yes");
}
