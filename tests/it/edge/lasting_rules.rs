//! Rules that change while a session is disconnected: messages that it may not receive any more are
//! not delivered.

use std::fs;

use super::{
    client::{MINUTE, MOMENT, start, subscribe},
    lasting::{ack, back, came},
};
use crate::harness::{
    Appliance, StandIn, until,
    vehicle::{Packet, Vehicle, Version},
};

fn rules(subscribe: &str) -> String {
    format!(
        "[[rule]]\nallow = [\"publish\"]\ntopics = [\"#\"]\n\
         [[rule]]\nallow = [\"subscribe\"]\ntopics = [{subscribe}]\n"
    )
}

fn reload(appliance: &Appliance, subscribe: &str) {
    let told = "files of [auth] loaded anew";
    let before = appliance.log().matches(told).count();
    fs::write(appliance.setup().home().join("rules.toml"), rules(subscribe)).unwrap();
    appliance.signal("HUP");
    until(told, MINUTE, || appliance.log().matches(told).count() > before);
}

fn started() -> (StandIn, Appliance) {
    start(|setup| {
        fs::write(setup.home().join("rules.toml"), rules(r#""a/#", "b/#""#)).unwrap();
        setup.set("auth.rules", "rules.toml")
    })
}

/// A disconnected session with subscriptions to `a/#` and `b/#`, and a message of each in its
/// queue.
fn away(appliance: &Appliance) -> Vehicle {
    let (mut subscriber, _) = back(appliance, "subscriber");
    for filter in ["a/#", "b/#"] {
        assert_eq!(subscribe(&mut subscriber, Version::V3, filter, 1), 1);
    }
    subscriber.send(&[0xe0, 0]);
    subscriber.expect_close();
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V3, "publisher");
    for (id, topic) in [(1, "a/secret"), (2, "a/open"), (3, "b/1")] {
        publisher.publish_acked(topic, topic.as_bytes(), id);
    }
    publisher
}

/// The payloads that the session gets, in order.
fn payloads(appliance: &Appliance) -> Vec<String> {
    let (mut subscriber, is_present) = back(appliance, "subscriber");
    assert!(is_present);
    let mut payloads = Vec::new();
    loop {
        match subscriber.receive(MOMENT) {
            Packet::Nothing => return payloads,
            packet => {
                let came = super::lasting::read(&packet);
                ack(&mut subscriber, 0x40, came.id);
                payloads.push(came.payload);
            }
        }
    }
}

#[test]
fn a_removed_right_ends_a_subscription_and_its_queued_messages() {
    let (_store, appliance) = started();
    let mut publisher = away(&appliance);
    reload(&appliance, r#""b/#""#);
    assert_eq!(payloads(&appliance), ["b/1"]);
    assert_eq!(appliance.count("deliveries.queued"), 0);
    // The subscription has ended, even if the right comes back.
    reload(&appliance, r#""a/#", "b/#""#);
    for (id, topic) in [(1, "a/open"), (2, "b/2")] {
        publisher.publish_acked(topic, topic.as_bytes(), id);
    }
    assert_eq!(payloads(&appliance), ["b/2"]);
    appliance.stats();
}

#[test]
fn a_narrowed_right_is_checked_for_each_queued_message() {
    let (_store, mut appliance) = started();
    let mut publisher = away(&appliance);
    appliance.kill_9();
    fs::write(appliance.setup().home().join("rules.toml"), rules(r#""a/open", "b/#""#)).unwrap();
    appliance.start_again();
    drop(publisher);
    publisher = Vehicle::connect(appliance.mqtt(), Version::V3, "publisher");
    publisher.publish_acked("b/2", b"b/2", 1);
    // A subscription with a filter wider than the rule ends, and its queued messages are dropped,
    // except those that the rules allow.
    assert_eq!(payloads(&appliance), ["a/open", "b/1", "b/2"]);
    appliance.stats();
}

#[test]
fn messages_on_disk_are_not_sent_to_a_session_that_lost_its_right() {
    let (_store, appliance) = start(|setup| {
        fs::write(setup.home().join("rules.toml"), rules(r#""a/#", "b/#""#)).unwrap();
        setup
            .set("auth.rules", "rules.toml")
            .set("mqtt.sessions.in-flight-max", "1")
            .set("mqtt.sessions.queue-memory-max", "4KiB")
    });
    let (mut subscriber, _) = back(&appliance, "subscriber");
    for filter in ["a/#", "b/#"] {
        assert_eq!(subscribe(&mut subscriber, Version::V3, filter, 1), 1);
    }
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V3, "publisher");
    let secret = "s".repeat(2000);
    for id in 1..=20 {
        publisher.publish_acked("a/secret", secret.as_bytes(), id);
    }
    publisher.publish_acked("b/1", b"b/1", 21);
    let first = came(&mut subscriber);
    assert_eq!(first.payload, secret);
    reload(&appliance, r#""b/#""#);
    let stopped = || appliance.count("deliveries.queued") < 21;
    until("what is in memory is given up", MINUTE, stopped);
    ack(&mut subscriber, 0x40, first.id);
    let next = came(&mut subscriber);
    assert_eq!(next.payload, "b/1");
    ack(&mut subscriber, 0x40, next.id);
    until("nothing waits", MINUTE, || appliance.count("deliveries.queued") == 0);
    appliance.stats();
}
