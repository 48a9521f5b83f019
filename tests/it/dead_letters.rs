//! What cannot be decoded or stored is set aside with its cause, and nothing else is (UP-3).

use std::time::Duration;

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

/// A broken payload between good ones; `reason` is what the vehicle is told.
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
    // The store refuses any request that holds one line, and does not say which.
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
    // Read without anybody running, too.
    assert_eq!(listed(&appliance).len(), 1);
    appliance.start_again();
    assert_eq!(listed(&appliance).len(), 1);
}
