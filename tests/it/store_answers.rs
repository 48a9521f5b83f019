//! Answers that do not come from the store: everything is kept and the reason is shown; nothing
//! becomes a dead letter.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::harness::{Answer, Appliance, Sample, Setup, StandIn, Vehicle, Version, until};

const MINUTE: Duration = Duration::from_mins(1);

/// The state and the reason of the store in `readyz`.
fn store(appliance: &Appliance) -> (String, String) {
    let body: Value = serde_json::from_str(&appliance.get("/readyz").1).unwrap();
    let parts = body["components"].as_array().unwrap();
    let store = parts.iter().find(|part| part["name"] == "store").unwrap();
    let text = |name: &str| store[name].as_str().unwrap_or_default().to_owned();
    (text("state"), text("reason"))
}

/// Gives an answer of `o01-answers-that-are-not-the-stores`, then acts as a store.
fn check_held(answer: &'static str, words: &str) {
    let (status, body) = answer.split_once('\n').unwrap();
    let stand_in = StandIn::start(Answer::Refuse(status.parse().unwrap(), body));
    let appliance = Setup::new().store2(&stand_in.url(), "token").start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    for seq in 0..12 {
        let id = u16::try_from(seq + 1).unwrap();
        vehicle.publish_acked(&Sample::topic("VIN"), &Sample { seq }.payload(), id);
    }
    until("the store to be shown as failed", MINUTE, || store(&appliance).0 == "failed");
    let (_, reason) = store(&appliance);
    assert!(reason.contains(words), "{reason}");
    let told = appliance.log().lines().filter(|line| line.contains("failed")).count();
    assert_eq!(told, 1, "{}", appliance.log());
    assert!(appliance.log().contains(words), "{}", appliance.log());
    assert_eq!(appliance.count("points.dead_lettered"), 0);
    assert_eq!(appliance.count("points.in_spool"), 12);

    stand_in.answers(Answer::Accept);
    until("an empty spool", MINUTE, || appliance.count("points.in_spool") == 0);
    assert_eq!(appliance.count("points.dead_lettered"), 0);
    assert_eq!(stand_in.lines().len(), 12);
}

#[test]
fn a_tls_port_that_answers_in_plain_text_holds_everything() {
    check_held(
        include_str!("../data/o01-answers-that-are-not-the-stores/go-tls.answer"),
        "HTTP 400: Client sent an HTTP request to an HTTPS server. (write https:// in store.urls)",
    );
}

#[test]
fn a_gateway_that_answers_in_json_holds_everything() {
    check_held(
        include_str!("../data/o01-answers-that-are-not-the-stores/gateway.answer"),
        "HTTP 400: no Route matched with those values",
    );
}

#[test]
fn a_plain_bad_request_holds_everything() {
    check_held(
        include_str!("../data/o01-answers-that-are-not-the-stores/text.answer"),
        "HTTP 400: Bad Request",
    );
}

/// Publishes one message, and waits until the log says why the store takes nothing.
fn check_logged(url: &str, words: &str) {
    let appliance = Setup::new().store2(url, "token").start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    vehicle.publish_acked(&Sample::topic("VIN"), &Sample { seq: 1 }.payload(), 1);
    let since = Instant::now();
    let told = || {
        let log = appliance.log();
        log.lines().any(|line| line.contains("component=\"store\"") && line.contains(words))
    };
    until("the log to say it", MINUTE, told);
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    assert_eq!(store(&appliance).0, "waiting");
}

/// The case `o03-store-that-never-answered`: a port where nobody listens.
#[test]
fn a_store_that_was_never_there_is_logged() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    check_logged(&format!("http://{closed}"), "Connection refused");
}

/// The same with a port that accepts connections and never answers.
#[test]
fn a_store_that_never_answers_is_logged_long_before_its_request_times_out() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    check_logged(&format!("http://{}", silent.local_addr().unwrap()), "no answer within 8 s");
}
