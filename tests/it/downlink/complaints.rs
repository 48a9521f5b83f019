//! Complaints of users of other systems, each as a test.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    sync::mpsc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::fleet::{Car, MINUTE, ask, command, get, history, send, sent, setup, state};
use crate::harness::{Appliance, until, vehicle::Version};

/// thingsboard#8712: a response that came before the PUBACK blocked the device's queue.
#[test]
fn a_receipt_before_the_puback_proves_delivery_and_the_next_command_is_sent() {
    let appliance = setup().start();
    let mut car = Car::ready(appliance.mqtt(), Version::V5, "V1");
    let first = sent(&appliance, "V1", "limit-charge");
    let second = sent(&appliance, "V1", "limit-charge");
    let taken = car.take();
    // The receipt's PUBACK and the next command arrive in any order.
    let receipt = json!({ "command_id": first, "status": "DONE" }).to_string();
    car.line.publish("vehicles/V1/receipts", receipt.as_bytes(), 1, 9);
    let next = car.take_among_acknowledgements();
    assert_eq!(history(&appliance, &first), ["queued", "sent", "delivered", "done"]);
    assert_eq!(next.command(), second);
    // Its PUBACK changes nothing any more.
    car.acknowledge(taken.id, 0);
    car.acknowledge(next.id, 0);
    until("the next is delivered", MINUTE, || state(&appliance, &second) == "delivered");
    assert_eq!(history(&appliance, &first), ["queued", "sent", "delivered", "done"]);
}

/// azure-iot-sdk-csharp#157: one command that is never accepted blocks all behind it.
#[test]
fn a_command_that_is_never_acknowledged_expires_and_the_next_is_sent() {
    let appliance = setup().start();
    let mut car = Car::ready(appliance.mqtt(), Version::V3, "V1");
    let body = json!({ "command": "limit-charge", "expires-in": "300ms" });
    let (_, stuck) = send(&appliance, "V1", &body);
    let behind = sent(&appliance, "V1", "limit-charge");
    assert_eq!(car.take().command(), stuck["id"]);
    assert_eq!(car.take().command(), behind);
    let stuck = command(&appliance, stuck["id"].as_str().unwrap());
    assert_eq!((&stuck["state"], &stuck["maybe-received"]), (&json!("expired"), &json!(true)));
}

/// AWS: success right after "in progress" was refused as a conflict.
#[test]
fn success_right_after_progress_is_success_and_progress_after_it_changes_nothing() {
    let appliance = setup().start();
    let mut car = Car::ready(appliance.mqtt(), Version::V5, "V1");
    let id = sent(&appliance, "V1", "limit-charge");
    let taken = car.take();
    for status in ["RUNNING", "DONE", "RUNNING", "FAILED"] {
        assert_eq!(car.receipt(&id, status), 0);
    }
    car.acknowledge(taken.id, 0);
    let expect = ["queued", "sent", "delivered", "progress", "done", "late", "late"];
    assert_eq!(history(&appliance, &id), expect);
    assert_eq!(state(&appliance, &id), "done");
}

/// azure-iot-sdks#135: feedback took 15 s. Here a change is in the feed within 100 ms.
#[test]
fn every_change_is_in_the_feed_once_in_order_and_at_once() {
    let appliance = setup().start();
    let feed = Feed::open(&appliance, "now");
    let mut car = Car::ready(appliance.mqtt(), Version::V5, "V1");
    let id = sent(&appliance, "V1", "limit-charge");
    assert_eq!(feed.states(2), ["queued", "sent"]);
    let taken = car.take();
    // The best of a few, because other tests run at the same time.
    let began = Instant::now();
    car.acknowledge(taken.id, 0);
    assert_eq!(feed.states(1), ["delivered"]);
    let mut took = began.elapsed();
    for _ in 0..20 {
        let began = Instant::now();
        car.receipt(&id, "RUNNING");
        feed.states(1);
        took = took.min(began.elapsed());
    }
    assert!(took < Duration::from_millis(100), "{took:?}");
    // The same as pages, by a durable cursor.
    let page = get(&appliance, "/commands/events?limit=2");
    assert_eq!(page["events"].as_array().unwrap().len(), 2);
    let after = page["after"].as_str().unwrap();
    let page = get(&appliance, &format!("/commands/events?after={after}&limit=1"));
    assert_eq!(
        (&page["events"][0]["state"], &page["events"][0]["id"]),
        (&json!("delivered"), &json!(id))
    );
}

/// azure-docs#110822: dead-lettered commands could not be read.
#[test]
fn every_command_that_did_not_get_through_is_listed_with_its_cause() {
    let appliance = setup().start();
    let body = json!({ "command": "horn", "expires-in": "1ms", "vehicles": ["V1", "V2"] });
    let (status, _) = ask(&appliance, "/commands", &body);
    assert_eq!(status, 202);
    let listed = || get(&appliance, "/commands?state=expired")["commands"].clone();
    until("they expire", MINUTE, || listed().as_array().unwrap().len() == 2);
    let causes: Vec<Value> =
        listed().as_array().unwrap().iter().map(|it| it["cause"].clone()).collect();
    assert_eq!(causes, [json!("expires-in"), json!("expires-in")]);
}

/// boto3#4656 counted attempts and not devices: a command that is sent several times is one
/// command, and each of its states is reported once.
#[test]
fn a_command_that_is_sent_many_times_is_counted_once() {
    let appliance = setup().start();
    let id = sent(&appliance, "V1", "limit-charge");
    for _ in 0..5 {
        let mut car = Car::ready(appliance.mqtt(), Version::V5, "V1");
        assert_eq!(car.take().command(), id);
    }
    let mut car = Car::ready(appliance.mqtt(), Version::V5, "V1");
    let taken = car.take();
    car.acknowledge(taken.id, 0);
    until("it is delivered", MINUTE, || state(&appliance, &id) == "delivered");
    assert_eq!(history(&appliance, &id), ["queued", "sent", "delivered"]);
    assert_eq!(appliance.metric("fleetline_downlink_open_commands"), Some(1.0));
}

/// A stream of changes, read by a thread.
struct Feed {
    events: mpsc::Receiver<Value>,
}

impl Feed {
    fn open(appliance: &Appliance, after: &str) -> Self {
        let url = appliance.url();
        let address = url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "GET /api/v1/commands/events?after={after} HTTP/1.1\r\nHost: {address}\r\n\
             Accept: text/event-stream\r\n\r\n"
        )
        .unwrap();
        let (tell, events) = mpsc::channel();
        let (begun, has_begun) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if line.starts_with("HTTP/1.1 200") {
                    begun.send(()).unwrap();
                }
                if let Some(data) = line.strip_prefix("data: ")
                    && tell.send(serde_json::from_str(data).unwrap()).is_err()
                {
                    return;
                }
            }
        });
        has_begun.recv_timeout(MINUTE).expect("the stream begins");
        Self { events }
    }

    /// The states, or notes, of the next changes.
    fn states(&self, count: usize) -> Vec<String> {
        let next = (0..count).map(|_| {
            let told = self.events.recv_timeout(MINUTE).expect("a change");
            told["state"].as_str().or(told["note"].as_str()).unwrap().to_owned()
        });
        next.collect()
    }
}
