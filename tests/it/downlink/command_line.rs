//! `push` on the command line: tried, followed to its end, listed and shown.

use std::{fs, thread};

use serde_json::json;

use super::{
    fleet::{Car, get, setup},
    pushes::{above, store},
};
use crate::harness::vehicle::Version;

#[test]
fn a_push_is_tried_followed_to_its_end_listed_and_shown() {
    let appliance = setup().start();
    store(&appliance, 3);
    let file = appliance.setup().home().join("push.json");
    let body = json!({
        "name": "wake-up", "query": above(0), "command": "limit-charge",
        "fields": { "limit_percent": "{seq}" }, "rate": 100,
    });
    fs::write(&file, body.to_string()).unwrap();
    let file = file.to_str().unwrap();
    let tried = appliance.cli_ok(&["push", file, "--dry-run"]);
    assert!(tried.contains("V001") && tried.contains("V002"), "{tried}");
    assert!(tried.contains("\ntargeted      2\n"), "{tried}");
    assert_eq!(get(&appliance, "/pushes")["pushes"], json!([]));

    let drive = |(vin, word): (&str, &'static str)| {
        let mut car = Car::ready(appliance.mqtt(), Version::V5, vin);
        thread::spawn(move || {
            let taken = car.take();
            car.acknowledge(taken.id, 0);
            car.receipt(&taken.command(), word)
        })
    };
    let cars = [("V001", "DONE"), ("V002", "REJECTED")].map(drive);
    let output = appliance.cli(&["push", file, "--follow"]);
    let told = String::from_utf8(output.stdout).unwrap();
    let progress = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}{progress}");
    let (id, report) = told.split_once('\n').unwrap();
    let has = |words: [&str; 2]| report.lines().any(|line| line.split_whitespace().eq(words));
    assert!(has(["done", "1"]) && has(["rejected", "1"]), "{report}");
    let last = progress.lines().last().unwrap();
    assert!(last.contains("done: 2 targeted; 1 done, 1 rejected"), "{progress}");
    for car in cars {
        assert_eq!(car.join().unwrap(), 0);
    }
    let listed = appliance.cli_ok(&["push", "list"]);
    assert!(listed.contains(id) && listed.contains("wake-up"), "{listed}");
    let shown = appliance.cli_ok(&["push", "show", id, "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["state"], &shown["open"]), (&json!("done"), &json!(0)));
    let refused = appliance.cli(&["push", "abort", id]);
    assert_eq!(refused.status.code(), Some(1), "it has ended");
    fs::write(file, "[]").unwrap();
    assert_eq!(appliance.cli(&["push", file]).status.code(), Some(2), "it is no object");
}
