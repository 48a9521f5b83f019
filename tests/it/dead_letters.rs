//! Messages and points that cannot be decoded or stored are set aside with their cause, and no
//! others (UP-3).

use std::{process::Stdio, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use crate::harness::{Answer, Appliance, Sample, Setup, StandIn, Vehicle, Version, until};

const MINUTE: Duration = Duration::from_mins(1);
/// Field 1 as a varint that never ends.
const BROKEN: &[u8] = &[0x08, 0xff, 0xff, 0xff];

fn listed(appliance: &Appliance) -> Vec<Value> {
    let text = appliance.cli_ok(&["dead-letter", "list", "--json"]);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn settled(appliance: &Appliance) {
    until("an empty spool", MINUTE, || appliance.count("points.in_spool") == 0);
}

/// A broken payload between good ones; `reason` is the reason code for the vehicle.
fn check_broken(version: Version, reason: u8) {
    let store = StandIn::start(Answer::Accept);
    let appliance = Setup::new().store2(&store.url(), "token").start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), version, "v");
    let topic = Sample::topic("VIN");
    for seq in 0..3 {
        vehicle.publish(&topic, &Sample { seq }.payload(), 1, 1 + u16::try_from(seq).unwrap());
    }
    vehicle.publish(&topic, BROKEN, 1, 100);
    for seq in 3..6 {
        vehicle.publish(&topic, &Sample { seq }.payload(), 1, 1 + u16::try_from(seq).unwrap());
    }
    let answers: Vec<_> = (0..7).map(|_| vehicle.expect()).collect();
    let told: Vec<_> = answers.iter().map(|answer| (answer.id(), answer.reason())).collect();
    assert_eq!(told, [(1, 0), (2, 0), (3, 0), (100, reason), (4, 0), (5, 0), (6, 0)]);

    settled(&appliance);
    assert_eq!(store.lines().len(), 6);
    let letters = listed(&appliance);
    assert_eq!(letters.len(), 1, "{letters:?}");
    let letter = &letters[0];
    assert_eq!(letter["cause"], "payload-truncated", "{letter}");
    assert_eq!(letter["topic"], topic.as_str());
    assert_eq!(letter["mapping"], "sample");
    assert_eq!(letter["vehicle"], "VIN");
    assert_eq!(letter["payload"], BASE64_STANDARD.encode(BROKEN));
    assert!(letter["line"].is_null() && letter["answer"].is_null(), "{letter}");
    let shown = appliance.cli_ok(&["dead-letter", "show", letter["id"].as_str().unwrap()]);
    assert!(shown.contains("payload-truncated"), "{shown}");
    let stats = appliance.stats();
    assert_eq!(stats["messages"]["dead_lettered"], 1, "{stats}");
    assert_eq!(stats["messages"]["spooled"], 6, "{stats}");
}

#[test]
fn a_broken_payload_is_set_aside_and_a_5_0_vehicle_is_told() {
    check_broken(Version::V5, 0x99);
}

#[test]
fn a_broken_payload_is_set_aside_and_a_3_1_1_vehicle_is_acknowledged() {
    check_broken(Version::V3, 0);
}

#[test]
fn a_broken_payload_ends_a_qos_2_exchange_with_its_reason_and_frees_the_id() {
    let store = StandIn::start(Answer::Accept);
    let appliance = Setup::new().store2(&store.url(), "token").start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    let topic = Sample::topic("VIN");
    vehicle.publish(&topic, BROKEN, 2, 7);
    let answer = vehicle.expect();
    assert_eq!((answer.id(), answer.reason()), (7, 0x99), "{answer:02x?}");
    // The same id at once, for another message.
    vehicle.publish(&topic, &Sample { seq: 1 }.payload(), 2, 7);
    let answer = vehicle.expect();
    assert_eq!((answer.id(), answer.reason()), (7, 0), "{answer:02x?}");
    vehicle.send(&[0x62, 2, 0, 7]);
    assert_eq!(vehicle.expect().id(), 7);
    settled(&appliance);
    assert_eq!(store.lines().len(), 1);
    assert_eq!(listed(&appliance).len(), 1);
}

#[test]
fn a_refused_line_among_many_is_found_and_the_others_are_stored() {
    // The store refuses any request with a certain line, and does not say which line.
    let store = StandIn::start(Answer::RefuseLinesWith("seq=77i"));
    let appliance = Setup::new().store2(&store.url(), "token").set("spool.shards", "1").start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    for seq in 0..200 {
        let id = u16::try_from(seq + 1).unwrap();
        vehicle.publish(&Sample::topic("VIN"), &Sample { seq }.payload(), 1, id);
    }
    for _ in 0..200 {
        assert_eq!(vehicle.expect().reason(), 0);
    }
    settled(&appliance);
    assert_eq!(store.lines().len(), 199);
    let letters = listed(&appliance);
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["cause"], "store-refused");
    assert!(letters[0]["line"].as_str().unwrap().contains("seq=77i"));
    assert!(letters[0]["answer"].as_str().unwrap().contains("unable to parse"));
    assert_eq!(appliance.count("points.dead_lettered"), 1);
    assert_eq!(appliance.count("points.stored"), 199);
}

#[test]
fn dead_letters_survive_a_kill() {
    let store = StandIn::start(Answer::Accept);
    let mut appliance = Setup::new().store2(&store.url(), "token").start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V3, "v");
    vehicle.publish_acked(&Sample::topic("VIN"), BROKEN, 1);
    appliance.kill_9();
    // Also read without a running appliance.
    assert_eq!(listed(&appliance).len(), 1);
    appliance.start_again();
    assert_eq!(listed(&appliance).len(), 1);
}

/// The schemas of `o07-dead-letters-full`.
fn buses(setup: Setup) -> Setup {
    ["bus.proto", "bus.schema.json", "bus.toml"].into_iter().fold(setup, |setup, name| {
        setup.schema(
            name,
            &std::fs::read_to_string(format!("tests/data/o07-dead-letters-full/{name}")).unwrap(),
        )
    })
}

/// What `/readyz` reports about the log.
fn readiness(appliance: &Appliance) -> (u16, String) {
    let (status, body) = appliance.get("/readyz");
    let body: Value = serde_json::from_str(&body).unwrap();
    let parts = body["components"].as_array().unwrap();
    let part = parts.iter().find(|part| part["name"] == "dead-letter").unwrap();
    (status, part["reason"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn one_vehicle_with_broken_payloads_leaves_the_appliance_ready_and_its_letters_deletable() {
    // o07-dead-letters-full
    let setup = buses(Setup::new())
        .set("dead-letter.max-size", "64KiB")
        .set("dead-letter.segment-size", "16KiB");
    let appliance = setup.start();
    let rubbish = format!("{{{}", "x".repeat(300));
    let mut broken = Vehicle::connect(appliance.mqtt(), Version::V5, "broken");
    for id in 1..=400 {
        broken.publish("depot/7/json", rubbish.as_bytes(), 1, id);
    }
    until("its share is used up", MINUTE, || readiness(&appliance).1.contains("by `7` first"));
    let (status, reason) = readiness(&appliance);
    assert_eq!(status, 200, "{reason}");
    assert!(reason.contains("dead-letter.vehicle-share"), "{reason}");
    assert!(reason.contains("`fleetline dead-letter delete` makes room"), "{reason}");
    // Good messages are stored, and broken ones of other vehicles are set aside.
    let mut good = Vehicle::connect(appliance.mqtt(), Version::V5, "good");
    let seq = Sample { seq: 1 };
    assert_eq!(good.publish_acked(&Sample::topic("VIN"), &seq.payload(), 1).reason(), 0);
    assert_eq!(good.publish_acked("depot/8/json", rubbish.as_bytes(), 2).reason(), 0x99);
    settled(&appliance);
    // The counter counts written letters, and the log does not blame a spool.
    let letters = listed(&appliance);
    let (_, metrics) = appliance.get("/metrics");
    let written = format!(
        "fleetline_dead_letter_written_letters_total{{cause=\"payload-malformed\"}} {}\n",
        letters.len()
    );
    assert!(metrics.contains(&written), "{written} in {metrics}");
    assert!(metrics.contains("fleetline_dead_letter_limit_bytes 65536\n"), "{metrics}");
    assert!(!appliance.log().contains("in the spool"), "{}", appliance.log());

    // After the deletion the share is free, and the waiting publishes continue.
    let of_7 = letters.iter().filter(|letter| letter["vehicle"] == "7").count();
    assert!((5..30).contains(&of_7), "{of_7}");
    for _ in 0..of_7 {
        assert_eq!(broken.expect().reason(), 0x99);
    }
    let refused = appliance.cli(&["dead-letter", "delete"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let deleted = appliance.cli_ok(&["dead-letter", "delete", "--vehicle", "7"]);
    assert_eq!(deleted, format!("{of_7} dead letters deleted\n"));
    for _ in 0..of_7 {
        assert_eq!(broken.expect().reason(), 0x99);
    }
    let json = appliance.cli_ok(&["dead-letter", "delete", "--mapping", "bus-json", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["count"], of_7 + 1, "its next letters, and that of the other");
    assert_eq!(
        appliance.cli_ok(&["dead-letter", "delete", "--all"]),
        format!("{of_7} dead letters deleted\n")
    );
}

#[test]
fn dead_letters_are_listed_and_deleted_over_http_as_on_the_command_line() {
    let store = StandIn::start(Answer::RefuseLinesWith("seq=77i"));
    let appliance = Setup::new().store2(&store.url(), "token").start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    vehicle.publish_acked(&Sample::topic("VIN"), &Sample { seq: 77 }.payload(), 1);
    vehicle.publish_acked(&Sample::topic("VIN"), BROKEN, 2);
    settled(&appliance);
    let page = |path: &str| -> Value {
        let (status, body) = appliance.get(path);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    };
    let all = page("/api/v1/dead-letters");
    assert_eq!(all["dead_letters"].as_array().unwrap(), &listed(&appliance));
    let first = page("/api/v1/dead-letters?limit=1");
    let after = first["after"].as_str().unwrap();
    let second = page(&format!("/api/v1/dead-letters?limit=1&after={after}"));
    assert!(second["after"].is_null());
    assert_eq!(
        [&first["dead_letters"][0], &second["dead_letters"][0]],
        [&all["dead_letters"][0], &all["dead_letters"][1]]
    );
    let refused = page("/api/v1/dead-letters?cause=store-refused");
    let letter = &refused["dead_letters"][0];
    let id = letter["id"].as_str().unwrap();
    assert_eq!(&page(&format!("/api/v1/dead-letters/{id}")), letter);
    // What a person reads: where it came from, and the store's message.
    let text = appliance.cli_ok(&["dead-letter", "list"]);
    assert!(text.contains(&Sample::topic("VIN")) && text.contains("unable to parse"), "{text}");
    let deleted = appliance.cli_ok(&["dead-letter", "delete", "--id", id]);
    assert_eq!(deleted, "1 dead letters deleted\n");
    let (status, body) = appliance.get(&format!("/api/v1/dead-letters/{id}"));
    assert!(status == 404 && body.contains("dead-letter-unknown"), "{body}");
    let left = page("/api/v1/dead-letters?from=-1h&vehicle=VIN&mapping=sample");
    assert_eq!(left["dead_letters"].as_array().unwrap().len(), 1);
}

#[test]
fn letters_are_summed_by_cause_and_vehicle_with_commands_to_list_and_replay_them() {
    let store = StandIn::start(Answer::RefuseLinesWith("seq=77i"));
    let appliance = Setup::new().store2(&store.url(), "token").start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    for (id, vin) in (1..).zip(["A", "A", "B"]) {
        vehicle.publish_acked(&Sample::topic(vin), BROKEN, id);
    }
    vehicle.publish_acked(&Sample::topic("A"), &Sample { seq: 77 }.payload(), 9);
    settled(&appliance);
    let (status, body) = appliance.get("/api/v1/dead-letters/summary?limit=1");
    assert_eq!(status, 200, "{body}");
    let summary: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&summary["letters"], &summary["unread"]), (&4.into(), &0.into()));
    let [broken, refused] = summary["causes"].as_array().unwrap().as_slice() else {
        panic!("{summary}")
    };
    assert_eq!((&broken["cause"], &broken["letters"]), (&"payload-truncated".into(), &3.into()));
    assert_eq!(broken["vehicles"], serde_json::json!([{ "vehicle": "A", "letters": 2 }]));
    assert_eq!(broken["other_vehicles"], 1);
    assert_eq!((&refused["cause"], &refused["letters"]), (&"store-refused".into(), &1.into()));
    let cli = appliance.cli_ok(&["dead-letter", "summary", "--vehicles", "1", "--json"]);
    assert_eq!(cli.trim_end(), body);
    let text = appliance.cli_ok(&["dead-letter", "summary"]);
    assert!(text.starts_with("4 dead letters\n"), "{text}");
    assert!(text.contains("vehicles  A 2, B 1\n"), "{text}");
    for told in ["show", "heal"] {
        let command = broken[told].as_str().unwrap();
        assert!(text.contains(command), "{text}");
        // The log says it, too; and the shown commands can be typed.
        assert!(appliance.log().contains(command), "{}", appliance.log());
        let typed: Vec<&str> = command.split(' ').skip(1).collect();
        appliance.cli_ok(&typed);
    }
    let kept = |cause: &str, letters: u64| {
        let (_, metrics) = appliance.get("/metrics");
        let line = format!("fleetline_dead_letter_cause_letters{{cause=\"{cause}\"}} {letters}\n");
        metrics.contains(&line)
    };
    assert!(kept("payload-truncated", 3) && kept("store-refused", 1));
    appliance.cli_ok(&["dead-letter", "delete", "--cause", "payload-truncated"]);
    assert!(kept("payload-truncated", 0) && kept("store-refused", 1));
}

/// A mapping of JSON whose points have the time of receipt, with a schema.
const TRIPS: &str = r#"
[[mapping]]
name        = "trips"
topic       = "trips/{vin}"
format      = "json"
schema      = "trips.schema.json"
measurement = "trips"
vehicle     = "{vin}"
tags        = ["vin"]
"#;

fn trip_schema(kind: &str) -> String {
    format!(r#"{{"type":"object","properties":{{"km":{{"type":"{kind}"}}}}}}"#)
}

/// An appliance with a wrong schema of trips, so that each trip becomes a letter. The schema is
/// corrected while it runs.
fn with_wrong_trips(store: &StandIn) -> Appliance {
    let setup = Setup::new().store2(&store.url(), "token").schema("trips.toml", TRIPS);
    setup.schema("trips.schema.json", &trip_schema("boolean")).start()
}

#[test]
fn a_corrected_schema_replays_old_messages_with_their_time_of_receipt() {
    let store = StandIn::start(Answer::Accept);
    let mut appliance = with_wrong_trips(&store);
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    for (id, payload) in [(1, &br#"{"km":7}"#[..]), (2, br#"{"km":"far"}"#), (3, br#"{"km":8}"#)] {
        assert_eq!(vehicle.publish_acked("trips/A", payload, id).reason(), 0x99);
    }
    let before = listed(&appliance);
    let nothing = appliance.cli_ok(&["dead-letter", "replay", "--all"]);
    assert_eq!(nothing, "0 dead letters replayed, 3 stay because they failed again\n");
    assert_eq!(listed(&appliance), before, "nothing is new about them");
    let schema = appliance.setup().home().join("schemas/trips.schema.json");
    std::fs::write(schema, trip_schema("integer")).unwrap();
    appliance.signal("HUP");
    until("the mended schema", MINUTE, || appliance.log().contains("loaded anew"));
    let replayed = appliance.cli_ok(&["dead-letter", "replay", "--mapping", "trips", "--json"]);
    let replayed: Value = serde_json::from_str(&replayed).unwrap();
    assert_eq!(replayed, serde_json::json!({ "count": 2, "failed": 1 }));
    settled(&appliance);
    let line = |letter: &Value, km: u32| {
        let time: jiff::Timestamp = letter["time"].as_str().unwrap().parse().unwrap();
        format!("trips,vin=A km={km}i {}", time.as_nanosecond())
    };
    let mut lines = store.lines();
    lines.sort();
    let mut expected = vec![line(&before[0], 7), line(&before[2], 8)];
    expected.sort();
    assert_eq!(lines, expected);
    // A letter that failed again has its old id, its old time and its new cause.
    let after = listed(&appliance);
    assert_eq!(after.len(), 1, "{after:?}");
    for (key, value) in before[1].as_object().unwrap() {
        assert_eq!(key == "detail", &after[0][key] != value, "{key}: {after:?}");
    }
    assert!(after[0]["detail"].as_str().unwrap().contains("integer"), "{after:?}");
    let stats = appliance.stats();
    assert_eq!(stats["messages"]["received"], 5, "{stats}");
    assert_eq!(stats["messages"]["spooled"], 2, "{stats}");
    // The same after a restart.
    appliance.kill_9();
    appliance.start_again();
    assert_eq!(listed(&appliance), after);
}

/// Killed after the points are durable and before the letters are removed: the points are sent
/// again with the same series and time.
#[test]
fn a_kill_in_the_middle_of_a_replay_loses_and_doubles_no_point() {
    const LETTERS: u16 = 600;
    let store = StandIn::start(Answer::Accept);
    let mut appliance = with_wrong_trips(&store);
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    for id in 1..=LETTERS {
        assert_eq!(vehicle.publish_acked("trips/A", &trip(id), id).reason(), 0x99);
    }
    let before = listed(&appliance);
    assert_eq!(before.len(), usize::from(LETTERS));
    let schema = appliance.setup().home().join("schemas/trips.schema.json");
    std::fs::write(schema, trip_schema("integer")).unwrap();
    appliance.kill_9();
    for _ in 0..4 {
        appliance.start_again();
        settled(&appliance);
        let mut replay = appliance.setup().command(&["dead-letter", "replay", "--all"]);
        let mut replay = replay.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("durable points, or the end", MINUTE, || {
            appliance.count("points.spooled") > 0 || replay.try_wait().unwrap().is_some()
        });
        appliance.kill_9();
        replay.wait().unwrap();
    }
    appliance.start_again();
    appliance.cli_ok(&["dead-letter", "replay", "--all"]);
    settled(&appliance);
    assert_eq!(listed(&appliance), [] as [Value; 0]);
    let line = |(letter, km): (&Value, u16)| {
        let time: jiff::Timestamp = letter["time"].as_str().unwrap().parse().unwrap();
        format!("trips,vin=A km={km}i {}", time.as_nanosecond())
    };
    let mut expected: Vec<String> = before.iter().zip(1..).map(line).collect();
    expected.sort();
    assert_eq!(store.lines(), expected, "each once, as of when it came");
}

fn trip(km: u16) -> Vec<u8> {
    format!("{{\"km\":{km}}}").into_bytes()
}

#[test]
fn a_replayed_point_is_stored_or_becomes_a_letter_again() {
    let store = StandIn::start(Answer::RefuseLinesWith("seq=7"));
    let appliance = Setup::new().store2(&store.url(), "token").start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    for seq in [70, 71, 80] {
        let id = u16::try_from(seq).unwrap();
        vehicle.publish_acked(&Sample::topic("VIN"), &Sample { seq }.payload(), id);
    }
    settled(&appliance);
    assert_eq!((listed(&appliance).len(), store.lines().len()), (2, 1));
    store.answers(Answer::RefuseLinesWith("seq=71i"));
    let replayed = appliance.cli_ok(&["dead-letter", "replay", "--cause", "store-refused"]);
    assert_eq!(replayed, "2 dead letters replayed, 0 stay because they failed again\n");
    settled(&appliance);
    assert_eq!(store.lines().len(), 2);
    let left = listed(&appliance);
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0]["line"].as_str().unwrap().contains("seq=71i"), "{left:?}");
    let stats = appliance.stats();
    let of = |name: &str| stats["points"][name].as_u64().unwrap();
    assert_eq!(of("spooled"), of("stored") + of("dead_lettered"), "{stats}");
}

#[test]
fn an_export_is_what_a_list_says_and_overwrites_nothing() {
    let store = StandIn::start(Answer::Accept);
    let appliance = Setup::new().store2(&store.url(), "token").start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    vehicle.publish_acked(&Sample::topic("VIN"), BROKEN, 1);
    let listed = appliance.cli_ok(&["dead-letter", "list", "--json"]);
    assert_eq!(appliance.cli_ok(&["dead-letter", "export"]), listed);
    let file = appliance.setup().home().join("letters.jsonl");
    let arguments =
        ["dead-letter", "export", "--vehicle", "VIN", "--output", file.to_str().unwrap()];
    let told = appliance.cli_ok(&arguments);
    assert!(told.starts_with("1 dead letters exported to "), "{told}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), listed);
    let again = appliance.cli(&arguments);
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), listed);
}
