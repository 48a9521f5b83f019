//! `$SYS/broker/…`, as dashboards read it.

use std::collections::BTreeMap;

use super::client::{MINUTE, MOMENT, message, start, subscribe};
use crate::harness::{
    until,
    vehicle::{Packet, Vehicle, Version},
};

#[test]
fn dashboards_read_mosquittos_topics_and_no_client_publishes_there() {
    let (_store, appliance) = start(|setup| setup.set("telemetry.sys-interval", "500ms"));
    let mut everything = Vehicle::connect(appliance.mqtt(), Version::V3, "everything");
    assert_eq!(subscribe(&mut everything, Version::V3, "#", 1), 1);
    assert_eq!(subscribe(&mut everything, Version::V3, "$share/g/+/shared", 1), 1);
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V5, "publisher");
    for id in 1..=5 {
        publisher.publish_acked("a/b", b"12345", id);
        assert_eq!(message(&mut everything).1, "a/b");
        everything.send(&[0x40, 2, 0, u8::try_from(id).unwrap()]);
    }
    let mut dashboard = Vehicle::connect(appliance.mqtt(), Version::V3, "dashboard");
    assert_eq!(subscribe(&mut dashboard, Version::V3, "$SYS/#", 1), 1);
    let mut told = BTreeMap::new();
    until("the counters are told", MINUTE, || {
        publisher.ping();
        while let Packet::Whole(first, body) = dashboard.receive(MOMENT) {
            assert_eq!(first >> 4, 3);
            let len = usize::from(body[1]);
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            told.insert(text(&body[2..2 + len]), text(&body[2 + len..]));
        }
        told.get("$SYS/broker/publish/messages/received").is_some_and(|count| count == "5")
            && told.get("$SYS/broker/clients/connected").is_some_and(|count| count == "3")
            && told.get("$SYS/broker/subscriptions/count").is_some_and(|count| count == "2")
            && told["$SYS/broker/load/messages/received/1min"] != "0.00"
    });
    for (topic, expect) in [
        ("clients/total", "3"),
        ("clients/disconnected", "0"),
        ("shared_subscriptions/count", "1"),
        ("publish/bytes/received", "25"),
        ("publish/messages/dropped", "0"),
        ("retained messages/count", "0"),
        ("messages/stored", "0"),
    ] {
        assert_eq!(told[&format!("$SYS/broker/{topic}")], expect, "{topic}");
    }
    let number = |topic: &str| -> f64 { told[&format!("$SYS/broker/{topic}")].parse().unwrap() };
    // 3 CONNECTs, 3 SUBSCRIBEs, 5 PUBLISHes and 5 PUBACKs.
    assert!(number("messages/received") >= 15.0, "{told:?}");
    assert!(number("publish/messages/sent") >= 5.0 && number("messages/sent") >= 15.0, "{told:?}");
    assert!(number("bytes/received") > 100.0 && number("bytes/sent") > 100.0);
    assert!(number("load/messages/sent/15min") > 0.0, "{told:?}");
    assert!(told["$SYS/broker/uptime"].ends_with(" seconds"));
    assert!(told["$SYS/broker/version"].starts_with("fleetline version "));
    // A leading wildcard does not match them, and clients cannot publish there.
    assert_eq!(everything.receive(MOMENT), Packet::Nothing);
    assert_eq!(publisher.publish_acked("$SYS/broker/uptime", b"x", 9).reason(), 0x87);
    // A later subscriber gets everything at once, because it is retained.
    let mut late = Vehicle::connect(appliance.mqtt(), Version::V3, "late");
    assert_eq!(subscribe(&mut late, Version::V3, "$SYS/broker/version", 0), 0);
    let (flags, topic, _) = message(&mut late);
    assert_eq!((flags, topic.as_str()), (1, "$SYS/broker/version"));
}

#[test]
fn an_interval_of_zero_publishes_nothing() {
    let (_store, appliance) = start(|setup| setup.set("telemetry.sys-interval", "0s"));
    let mut dashboard = Vehicle::connect(appliance.mqtt(), Version::V3, "dashboard");
    assert_eq!(subscribe(&mut dashboard, Version::V3, "$SYS/#", 0), 0);
    assert_eq!(dashboard.receive(4 * MOMENT), Packet::Nothing);
}
