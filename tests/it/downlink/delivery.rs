//! Delivery to the right session, and the effect of its answers.

use serde_json::json;

use super::fleet::{Car, MINUTE, ask, command, get, history, send, sent, setup, state};
use crate::harness::{
    until,
    vehicle::{Packet, Vehicle, Version, connect_packet, packet},
};

#[test]
fn a_command_reaches_its_vehicle_with_its_5_0_properties_and_is_delivered_by_its_puback() {
    let appliance = setup().start();
    for version in [Version::V3, Version::V5] {
        let mut car = Car::ready(appliance.mqtt(), version, "V1");
        let limit = json!({ "command": "limit-charge", "fields": { "limit_percent": 60 } });
        let (status, answer) = send(&appliance, "V1", &limit);
        // Created and `sent` in one transaction; nothing more is known yet.
        assert_eq!((status, &answer["state"]), (202, &json!("sent")));
        let id = answer["id"].as_str().unwrap();
        let taken = car.take();
        assert_eq!((taken.first, &*taken.topic), (0x32, "vehicles/V1/commands/limit-charge"));
        let payload: serde_json::Value = serde_json::from_slice(&taken.payload).unwrap();
        assert_eq!(payload, json!({ "id": id, "limit_percent": 60 }));
        if version == Version::V5 {
            let [expiry, rest @ ..] = &*taken.properties else { panic!("no properties") };
            assert_eq!(*expiry, 0x02);
            let seconds = u32::from_be_bytes(rest[..4].try_into().unwrap());
            assert!((3598..=3600).contains(&seconds), "{seconds}");
            let topic = b"\x08\0\x14vehicles/V1/receipts";
            let expect = [&topic[..], b"\x09\0\x24", id.as_bytes()].concat();
            assert_eq!(rest[4..], expect);
        }
        assert_eq!(state(&appliance, id), "sent");
        car.acknowledge(taken.id, 0);
        until("it is delivered", MINUTE, || state(&appliance, id) == "delivered");
        assert_eq!(car.receipt(id, "DONE"), 0);
        // Its PUBACK arrives when that is durable.
        assert_eq!(state(&appliance, id), "done");
        assert_eq!(history(&appliance, id), ["queued", "sent", "delivered", "done"]);
    }
}

#[test]
fn qos_2_is_delivered_by_its_pubcomp() {
    let appliance = setup().start();
    let mut car = Car::ready(appliance.mqtt(), Version::V3, "V1");
    let id = sent(&appliance, "V1", "lock");
    let taken = car.take();
    assert_eq!(taken.first, 0x34);
    car.line.send(&packet(0x50, &taken.id.to_be_bytes()));
    assert_eq!(car.line.expect(), Packet::Whole(0x62, taken.id.to_be_bytes().to_vec()));
    assert_eq!(state(&appliance, &id), "sent");
    car.line.send(&packet(0x70, &taken.id.to_be_bytes()));
    until("it is delivered", MINUTE, || state(&appliance, &id) == "delivered");
}

#[test]
fn commands_wait_for_the_vehicle_in_order_with_or_without_a_persistent_session() {
    let appliance = setup().start();
    let ids: Vec<String> = (0..3).map(|_| sent(&appliance, "V1", "limit-charge")).collect();
    let causes: Vec<_> = ids
        .iter()
        .map(|id| command(&appliance, id)["cause"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(causes, ["away", "order", "order"]);
    let mut car = Car::connect(appliance.mqtt(), Version::V5, "V1");
    until("its cause changes", MINUTE, || {
        command(&appliance, &ids[0])["cause"] == "not-subscribed"
    });
    // A subscription of another client does not count.
    let mut other = Car::connect(appliance.mqtt(), Version::V5, "other");
    assert_eq!(other.subscribe("#", 2), 2);
    assert_eq!(car.subscribe("vehicles/V1/commands/limit-charge", 0), 0);
    until("QoS 0 is told", MINUTE, || command(&appliance, &ids[0])["cause"] == "subscription-qos");
    car.takes_nothing();
    assert_eq!(car.subscribe("vehicles/V1/commands/+", 1), 1);
    for id in &ids {
        let taken = car.take();
        assert_eq!((&taken.command(), taken.is_repeat()), (id, false));
        car.acknowledge(taken.id, 0);
        until("it is delivered", MINUTE, || state(&appliance, id) == "delivered");
    }
    other.takes_nothing();
}

#[test]
fn a_reason_of_0x80_or_more_rejects_and_a_packet_that_is_too_large_fails() {
    let appliance = setup().start();
    let mut car = Car::ready(appliance.mqtt(), Version::V5, "V1");
    let id = sent(&appliance, "V1", "horn");
    let taken = car.take();
    car.acknowledge(taken.id, 0x83);
    until("it is rejected", MINUTE, || state(&appliance, &id) == "rejected");
    assert_eq!(command(&appliance, &id)["cause"], "reason-code 0x83");
    let id = sent(&appliance, "V1", "lock");
    let taken = car.take();
    car.line.send(&packet(0x50, &[&taken.id.to_be_bytes()[..], &[0x97]].concat()));
    until("it is rejected", MINUTE, || state(&appliance, &id) == "rejected");
    assert_eq!(command(&appliance, &id)["cause"], "reason-code 0x97");

    // A maximum packet size of 200.
    let mut line = Vehicle::dial(appliance.mqtt(), Version::V5).unwrap();
    let hello = connect_packet(Version::V5, "V2", 60, b"\x27\0\0\0\xc8");
    assert!(matches!(line.greet(&hello), Packet::Whole(0x20, _)));
    let mut small = Car::of(line, Version::V5, "V2");
    assert_eq!(small.subscribe("vehicles/V2/commands/+", 1), 1);
    let long = json!({ "command": "horn", "fields": { "text": "x".repeat(200) } });
    let (_, answer) = send(&appliance, "V2", &long);
    let id = answer["id"].as_str().unwrap();
    until("it fails", MINUTE, || state(&appliance, id) == "failed");
    assert_eq!(command(&appliance, id)["cause"], "too-large");
    let id = sent(&appliance, "V2", "horn");
    let taken = small.take();
    small.acknowledge(taken.id, 0);
    until("the next one comes through", MINUTE, || state(&appliance, &id) == "delivered");
}

#[test]
fn a_client_may_not_publish_on_command_topics() {
    let appliance = setup().start();
    let mut car = Car::ready(appliance.mqtt(), Version::V5, "V1");
    let mut forger = Vehicle::connect(appliance.mqtt(), Version::V5, "forger");
    let topic = "vehicles/V1/commands/limit-charge";
    assert_eq!(forger.publish_acked(topic, b"{}", 1).reason(), 0x87);
    car.takes_nothing();
    // Nor the vehicle itself.
    car.line.publish(topic, b"{}", 1, 7);
    assert_eq!(car.line.expect().reason(), 0x87);
    car.takes_nothing();
}

#[test]
fn a_sent_command_is_sent_again_with_dup_to_the_next_and_latest_session() {
    let appliance = setup().start();
    let mut car = Car::ready(appliance.mqtt(), Version::V5, "V1");
    let id = sent(&appliance, "V1", "limit-charge");
    assert!(!car.take().is_repeat());
    drop(car);
    let mut car = Car::ready(appliance.mqtt(), Version::V3, "V1");
    let taken = car.take();
    assert_eq!((taken.command(), taken.is_repeat()), (id.clone(), true));
    // The session is taken over by a newer one, which gets it.
    let mut newer = Car::ready(appliance.mqtt(), Version::V5, "V1");
    let taken = newer.take();
    assert_eq!((taken.command(), taken.is_repeat()), (id.clone(), true));
    newer.acknowledge(taken.id, 0);
    until("it is delivered", MINUTE, || state(&appliance, &id) == "delivered");
    assert_eq!(history(&appliance, &id), ["queued", "sent", "delivered"]);
}

#[test]
fn a_vehicle_that_flaps_a_hundred_times_gets_each_command_and_each_in_its_order() {
    let appliance = setup().start();
    let ids: Vec<String> = (0..20).map(|_| sent(&appliance, "V1", "limit-charge")).collect();
    let mut seen: Vec<String> = Vec::new();
    for flap in 0..100 {
        let version = if flap % 2 == 0 { Version::V5 } else { Version::V3 };
        let mut car = Car::ready(appliance.mqtt(), version, "V1");
        if flap % 3 == 0 {
            continue; // It goes at once.
        }
        let Packet::Whole(0x30..=0x3f, _) = car.line.receive(super::fleet::MOMENT) else {
            continue;
        };
        if flap % 3 == 1 {
            continue; // It has read it, and says nothing.
        }
    }
    let mut car = Car::ready(appliance.mqtt(), Version::V5, "V1");
    while seen.len() < ids.len() {
        let taken = car.take();
        let id = taken.command();
        assert!(!seen.contains(&id), "{id} twice in one session");
        seen.push(id);
        car.acknowledge(taken.id, 0);
    }
    assert_eq!(seen, ids);
    for id in &ids {
        until("each is delivered", MINUTE, || state(&appliance, id) == "delivered");
    }
}

#[test]
fn waiting_for_the_end_of_a_command_answers_200_when_it_has_ended() {
    let appliance = setup().start();
    let mut car = Car::ready(appliance.mqtt(), Version::V5, "V1");
    let vehicle = std::thread::spawn(move || {
        let taken = car.take();
        car.acknowledge(taken.id, 0);
        let taken = car.take();
        car.acknowledge(taken.id, 0);
        car.receipt(&taken.command(), "REJECTED");
        car
    });
    let path = "/vehicles/V1/commands?wait=20s";
    let (status, answer) = ask(&appliance, path, &json!({ "command": "horn" }));
    assert_eq!((status, &answer["state"]), (200, &json!("delivered")), "{answer}");
    let (status, answer) = ask(&appliance, path, &json!({ "command": "limit-charge" }));
    assert_eq!((status, &answer["state"]), (200, &json!("rejected")), "{answer}");
    assert_eq!(answer["history"][3]["detail"], "d");
    let car = vehicle.join().unwrap();
    // 202 until it is true.
    let path = "/vehicles/V1/commands?wait=100ms";
    let (status, answer) = ask(&appliance, path, &json!({ "command": "horn" }));
    assert_eq!((status, &answer["state"]), (202, &json!("sent")));
    drop(car);
    let books = get(&appliance, "/stats")["deliveries"].clone();
    let count = |name: &str| books[name].as_u64().unwrap();
    assert_eq!(
        count("routed"),
        count("delivered") + count("queued") + count("dropped") + count("expired"),
        "{books}"
    );
}

#[test]
fn the_command_line_sends_lists_shows_and_cancels() {
    let appliance = setup().start();
    let sent = appliance.cli_ok(&["command", "send", "V1", "limit-charge", "limit_percent=60"]);
    let (id, state) = sent.trim().split_once(' ').unwrap();
    assert_eq!(state, "queued (away)");
    let listed = appliance.cli_ok(&["command", "list", "--vehicle", "V1"]);
    assert!(listed.contains(id) && listed.contains("limit-charge"), "{listed}");
    let shown = appliance.cli_ok(&["command", "show", id]);
    assert!(shown.contains("queued") && shown.contains("limit_percent"), "{shown}");
    let cancelled = appliance.cli_ok(&["command", "cancel", id, "--json"]);
    let cancelled: serde_json::Value = serde_json::from_str(&cancelled).unwrap();
    assert_eq!(cancelled["state"], "cancelled");
    let refused = appliance.cli(&["command", "send", "V1", "limit-charge", "limit=60"]);
    assert_eq!(refused.status.code(), Some(1));
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(error.contains("field `limit` is unknown; known are id, limit_percent"), "{error}");
    let wait = ["command", "send", "V1", "horn", "--wait", "50ms", "--expires-in", "20ms"];
    let expired = appliance.cli(&wait);
    assert_eq!(expired.status.code(), Some(1), "it ended without having been done");
    assert!(String::from_utf8(expired.stdout).unwrap().contains("expired"));
}
