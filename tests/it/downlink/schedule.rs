//! Pushes with a schedule, with the real binary: they run, survive kill -9, and are deleted.

use serde_json::{Value, json};

use super::{
    fleet::{MINUTE, ask, get, setup},
    pushes::{above, check_sums, push, store},
};
use crate::harness::{Appliance, http, until};

fn runs(appliance: &Appliance, id: &str) -> Vec<Value> {
    let page = get(appliance, &format!("/pushes/{id}/runs?limit=1000"));
    let runs = page["runs"].as_array().unwrap();
    runs.iter().for_each(|run| check_sums(&run["report"]));
    runs.clone()
}

fn count(appliance: &Appliance, id: &str, state: &str) -> usize {
    runs(appliance, id).iter().filter(|run| run["state"] == state).count()
}

#[test]
fn a_schedule_survives_kill_9_and_reports_what_was_missed_meanwhile() {
    let mut appliance = setup().start();
    store(&appliance, 4);
    let body = json!({
        "name": "every second", "query": above(1), "command": "horn", "once-per": "1h",
        "schedule": "* * * * * *", "idempotency-key": "k",
    });
    let mut dry = body.clone();
    dry["dry-run"] = json!(true);
    let (status, trial) = ask(&appliance, "/pushes", &dry);
    assert_eq!((status, trial["next"].as_array().map(Vec::len)), (200, Some(3)), "{trial}");
    let (status, stands) = ask(&appliance, "/pushes", &body);
    assert_eq!((status, &stands["report"]["targeted"]), (202, &json!(0)), "{stands}");
    let id = stands["id"].as_str().unwrap().to_owned();
    until("it has run twice", MINUTE, || count(&appliance, &id, "done") >= 2);
    // At any moment: here while it runs each second, again after each start.
    for _ in 0..4 {
        appliance.kill_9();
        appliance.start_again();
        let before = count(&appliance, &id, "done");
        until("it runs again", MINUTE, || count(&appliance, &id, "done") > before);
    }
    appliance.kill_9();
    std::thread::sleep(std::time::Duration::from_millis(2500));
    appliance.start_again();
    until("what was missed is told", MINUTE, || count(&appliance, &id, "skipped") >= 1);
    let told = runs(&appliance, &id);
    let skipped = told.iter().find(|run| run["state"] == "skipped").unwrap();
    assert!(skipped["cause"].as_str().unwrap().starts_with("missed "), "{skipped}");
    // Each vehicle got one command per run, in spite of the kills.
    let found = push(&appliance, &id);
    check_sums(&found["sums"]);
    assert_eq!(found["sums"]["states"]["queued"], 2, "{found}");
    let (status, again) = ask(&appliance, "/pushes", &body);
    assert_eq!((status, &again["id"]), (200, &json!(id)), "the same key is the same push");

    let listed = appliance.cli_ok(&["push", "list"]);
    assert!(listed.contains("every second") && listed.contains("next"), "{listed}");
    let url = format!("{}/api/v1/pushes/{id}", appliance.url());
    assert_eq!(http::send("DELETE", &url, &[], String::new()).unwrap().0, 409, "some are open");
    appliance.cli_ok(&["push", "pause", &id]);
    assert_eq!(push(&appliance, &id)["next"], json!(null));
    appliance.cli_ok(&["push", "resume", &id]);
    appliance.cli_ok(&["push", "abort", &id]);
    until("what waited is taken back", MINUTE, || push(&appliance, &id)["open"] == 0);
    let told = appliance.cli_ok(&["push", "runs", &id, "--limit", "5"]);
    assert!(told.contains("done"), "{told}");
    appliance.cli_ok(&["push", "delete", &id]);
    assert_eq!(get(&appliance, "/pushes")["pushes"], json!([]));
}

#[test]
fn an_invalid_schedule_is_refused_with_its_field() {
    let appliance = setup().start();
    let check = |change: Value, status: u16, parameter: &str, words: &str| {
        let mut body = json!({ "query": above(1), "command": "horn", "schedule": "@daily" });
        for (member, value) in change.as_object().unwrap() {
            body[member] = value.clone();
        }
        let (told, answer) = ask(&appliance, "/pushes", &body);
        assert_eq!(told, status, "{answer}");
        let details = &answer["error"]["details"];
        assert!(details.to_string().contains(parameter), "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(words), "{answer}");
    };
    check(json!({ "schedule": "0 61 * * * *" }), 400, "schedule", "field 2, the minute, is `61`");
    check(json!({ "time-zone": "Mars/Olympus" }), 400, "time-zone", "`Mars/Olympus`");
    check(json!({ "missed": "never" }), 400, "missed", "skip or once");
    check(json!({ "command": "honk" }), 400, "honk", "no command `honk` is declared");
    let lacks = json!({ "fields": { "text": "{valeu}" } });
    check(lacks, 400, "fields", "`fields` names `valeu`");
    let query = json!({ "query": { "measurement": "samples" } });
    check(query, 404, "sample", "samples");
    assert_eq!(get(&appliance, "/pushes")["pushes"], json!([]));
}
