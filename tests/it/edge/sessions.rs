//! `/api/v1/sessions` and `fleetline session`, with the real binary.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{
    client::{MINUTE, start, subscribe},
    lasting::back,
};
use crate::harness::{
    Appliance, Sample, until,
    vehicle::{Packet, Vehicle, Version, packet, text},
};

fn list(appliance: &Appliance, parameters: &[(&str, &str)]) -> Value {
    let (status, body) = appliance.get_with("/api/v1/sessions", parameters);
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

fn ids(page: &Value) -> Vec<&str> {
    let sessions = page["sessions"].as_array().unwrap();
    sessions.iter().map(|session| session["client_id"].as_str().unwrap()).collect()
}

/// Subscribes to filters at QoS 1 in 3.1.1.
fn subscribe_all(client: &mut Vehicle, filters: &[String]) {
    let mut body = vec![0, 1];
    for filter in filters {
        body.extend(text(filter));
        body.push(1);
    }
    client.send(&packet(0x82, &body));
    assert!(matches!(client.expect(), Packet::Whole(0x90, _)));
}

#[test]
fn operators_see_the_sessions_and_their_queues() {
    let (_store, appliance) = start(|setup| setup.set("mqtt.sessions.queue-messages-max", "2"));
    let mut listener = Vehicle::connect(appliance.mqtt(), Version::V3, "listener");
    subscribe_all(&mut listener, &["a/+".to_owned(), "b".to_owned()]);
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "radio-7");
    vehicle.publish_acked(&Sample::topic("V7"), &Sample { seq: 1 }.payload(), 1);
    // It never acknowledges: two wait for it, and QoS 0 is dropped.
    for id in 2..4 {
        vehicle.publish_acked("a/b", b"x", id);
    }
    vehicle.publish("b", b"y", 0, 0);
    vehicle.ping();
    until("a delivery is dropped", MINUTE, || {
        ids(&list(&appliance, &[("drops", "1")])) == ["listener"]
    });
    let page = list(&appliance, &[]);
    assert_eq!(ids(&page), ["listener", "radio-7"]);
    let seen = &page["sessions"][0];
    for (name, expect) in [
        ("subscriptions", 2),
        ("queued", 2),
        ("in_flight", 2),
        ("dropped", 1),
        ("unacknowledged", 0),
    ] {
        assert_eq!(seen[name], expect, "{name}: {seen}");
    }
    assert_eq!((&seen["protocol"], &seen["connected"]), (&"3.1.1".into(), &true.into()));
    for (parameters, expect) in [
        (&[("vehicle", "V7")][..], &["radio-7"][..]),
        (&[("vehicle", "listener")], &["listener"]),
        (&[("search", "RADIO")], &["radio-7"]),
        (&[("search", "127.0.0.1:")], &["listener", "radio-7"]),
        (&[("search", "nobody")], &[]),
        (&[("backlog", "2"), ("connected", "true")], &["listener"]),
        (&[("backlog", "3")], &[]),
        (&[("connected", "false")], &[]),
        (&[("client", "radio-7")], &["radio-7"]),
        (&[("client", "radio")], &[]),
    ] {
        assert_eq!(ids(&list(&appliance, parameters)), expect, "{parameters:?}");
    }
    let table = appliance.cli_ok(&["session", "list", "--backlog"]);
    assert!(table.contains("listener") && !table.contains("radio-7"), "{table}");
    let shown = appliance.cli_ok(&["session", "show", "listener"]);
    assert!(shown.contains("a/+  qos 1") && shown.contains("127.0.0.1:"), "{shown}");
    let shown: Value =
        serde_json::from_str(&appliance.cli_ok(&["session", "show", "radio-7", "--json"])).unwrap();
    assert_eq!(shown["vehicles"], serde_json::json!(["V7"]));
}

#[test]
fn a_kicked_session_gets_the_reason_and_is_deleted_with_its_queue() {
    let (_store, appliance) = start(|setup| setup);
    let mut listener = Vehicle::connect(appliance.mqtt(), Version::V5, "v/ü 1");
    assert_eq!(subscribe(&mut listener, Version::V5, "a", 1), 1);
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V5, "publisher");
    assert_eq!(publisher.publish_acked("a", b"x", 1).reason(), 0);
    assert_eq!(appliance.cli_ok(&["session", "kick", "v/ü 1"]), "1 session ended\n");
    let said = listener.expect_close();
    assert_eq!(said.last().map(Packet::reason), Some(0x98), "{said:02x?}");
    assert_eq!(publisher.publish_acked("a", b"x", 2).reason(), 0x10, "nobody subscribes");
    until("the books balance", MINUTE, || {
        appliance.count("deliveries.dropped") == 1 && appliance.count("deliveries.queued") == 0
    });
    let output = appliance.cli(&["session", "kick", "v/ü 1"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("session-unknown: no session has the client identifier"), "{told}");
}

/// The content of all pages together, and the time of the slowest one.
fn pages(appliance: &Appliance, limit: usize) -> (Vec<String>, Duration) {
    let (mut all, mut after, mut slowest) = (Vec::new(), String::new(), Duration::ZERO);
    loop {
        let begun = Instant::now();
        let page = list(appliance, &[("limit", &limit.to_string()), ("after", &after)]);
        slowest = slowest.max(begun.elapsed());
        assert!(ids(&page).len() <= limit);
        all.extend(ids(&page).into_iter().map(ToOwned::to_owned));
        match page["after"].as_str() {
            Some(next) => after = next.to_owned(),
            None => return (all, slowest),
        }
    }
}

#[test]
fn pages_list_disconnected_sessions_among_connected_ones() {
    const SESSIONS: usize = 60;
    let (_store, appliance) = start(|setup| setup);
    let mut here = Vec::new();
    for number in 0..SESSIONS {
        let (mut session, _) = back(&appliance, &format!("s-{number:02}"));
        if number % 3 == 0 {
            here.push(session);
        } else {
            session.send(&[0xe0, 0]);
            session.expect_close();
        }
    }
    let is_settled = || list(&appliance, &[("connected", "true")]);
    until("the others are away", MINUTE, || ids(&is_settled()).len() == here.len());
    let expect: Vec<String> = (0..SESSIONS).map(|number| format!("s-{number:02}")).collect();
    for limit in [1, 7, SESSIONS, SESSIONS + 1] {
        assert_eq!(pages(&appliance, limit).0, expect, "in pages of {limit}");
    }
}

/// With many sessions and subscriptions: every page is answered quickly, and all pages together
/// have all sessions. The time limit is for a busy machine; on an idle one it is 100 ms.
#[test]
fn many_sessions_are_listed_in_pages_quickly() {
    const SESSIONS: usize = 1500;
    let (_store, appliance) = start(|setup| setup);
    let mut sessions = Vec::new();
    for number in 0..SESSIONS {
        let mut session =
            Vehicle::connect(appliance.mqtt(), Version::V3, &format!("s-{number:04}"));
        let filters: Vec<String> = (0..50).map(|at| format!("v/+/{number}/{at}")).collect();
        subscribe_all(&mut session, &filters);
        sessions.push(session);
    }
    let (all, mut slowest) = pages(&appliance, 1000);
    let expect: Vec<String> = (0..SESSIONS).map(|number| format!("s-{number:04}")).collect();
    assert_eq!(all, expect);
    for parameters in [&[("search", "s-1499")][..], &[("backlog", "1")], &[("vehicle", "s-0007")]] {
        let begun = Instant::now();
        list(&appliance, parameters);
        slowest = slowest.max(begun.elapsed());
    }
    let begun = Instant::now();
    let (status, body) = appliance.get("/api/v1/sessions/s-0700");
    slowest = slowest.max(begun.elapsed());
    let session: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &session["subscriptions"]), (200, &50.into()));
    assert_eq!(session["filters"].as_array().map(Vec::len), Some(50));
    println!("the slowest answer took {slowest:?}");
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
}
