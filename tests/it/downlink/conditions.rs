//! `still`, checked when a command is about to be sent; the webhook.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    sync::mpsc,
};

use serde_json::{Value, json};

use super::fleet::{Car, MINUTE, command, send, sent, setup, state};
use crate::harness::{
    Sample, until,
    vehicle::{Vehicle, Version},
};

#[test]
fn a_condition_is_checked_when_the_command_is_about_to_be_sent() {
    let appliance = setup().set("downlink.still-interval", "100ms").start();
    let mut line = Vehicle::connect(appliance.mqtt(), Version::V3, "V1");
    // Its value is 50.25, its time an hour ago.
    let answer = line.publish_acked(&Sample::topic("V1"), &Sample { seq: 100 }.payload(), 1);
    assert_eq!(answer.id(), 1);
    until("it is stored", MINUTE, || appliance.count("points.stored") == 1);
    drop(line);
    let still = |when: &str, fresh: &str| {
        let still = json!({ "measurement": "sample", "when": when, "fresh": fresh });
        let (status, answer) =
            send(&appliance, "V1", &json!({ "command": "horn", "still": still }));
        assert_eq!(status, 202, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    };
    let holds = still("value > 40 and seq == 100", "2h");
    let fails = still("value > 60", "2h");
    let old = still("value > 40", "1m");
    let behind = sent(&appliance, "V1", "horn");
    assert_eq!(command(&appliance, &holds)["cause"], "away", "nobody asks before it could leave");
    let mut car = Car::ready(appliance.mqtt(), Version::V5, "V1");
    let taken = car.take();
    assert_eq!(state(&appliance, &holds), "sent");
    car.acknowledge(taken.id, 0);
    until("it is skipped", MINUTE, || state(&appliance, &fails) == "skipped");
    // Without a recent value it waits, and blocks those after it.
    until("that is told", MINUTE, || command(&appliance, &old)["cause"] == "still-unknown");
    assert_eq!(state(&appliance, &behind), "queued");
    car.takes_nothing();
    let wrong = json!({ "measurement": "sample", "when": "value >", "fresh": "1m" });
    let (status, _) = send(&appliance, "V1", &json!({ "command": "horn", "still": wrong }));
    assert_eq!(status, 400);
}

/// It reconnects and uploads buffered points before it subscribes. The points in its session count,
/// although the store does not have them yet.
#[test]
fn for_a_vehicle_that_uploads_its_backlog_first_that_backlog_counts() {
    let appliance = setup().set("sink.batch-age", "5s").set("sink.batch-lines", "100000").start();
    let mut line = Vehicle::connect(appliance.mqtt(), Version::V3, "before");
    for (id, vin) in [(1, "V1"), (2, "V2"), (3, "V3")] {
        // Their value is 50.25.
        line.publish_acked(&Sample::topic(vin), &Sample { seq: 100 }.payload(), id);
    }
    until("it is stored", MINUTE, || appliance.count("points.stored") == 3);
    drop(line);
    let ids = ["V1", "V2", "V3"].map(|vin| {
        let still = json!({ "measurement": "sample", "when": "value < 60", "fresh": "2h" });
        let (status, answer) = send(&appliance, vin, &json!({ "command": "horn", "still": still }));
        assert_eq!(status, 202, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    });
    // V1 is above the limit meanwhile, V2 is not, and V3 sends only points older than the stored
    // ones.
    let backlogs = [("V1", 101..140), ("V2", 101..110), ("V3", 60..90)];
    let mut cars = backlogs.map(|(vin, backlog)| {
        let mut car = Car::connect(appliance.mqtt(), Version::V5, vin);
        for (id, seq) in (1..).zip(backlog) {
            car.line.publish_acked(&Sample::topic(vin), &Sample { seq }.payload(), id);
        }
        assert_eq!(car.subscribe(&format!("vehicles/{vin}/commands/+"), 2), 2);
        car
    });
    until("it is skipped", MINUTE, || state(&appliance, &ids[0]) == "skipped");
    for (car, id) in cars.iter_mut().zip(&ids).skip(1) {
        let taken = car.take();
        car.acknowledge(taken.id, 0);
        until("it is delivered", MINUTE, || state(&appliance, id) == "delivered");
    }
    cars[0].takes_nothing();
}

#[test]
fn the_webhook_gets_every_change_in_order_and_again_until_it_accepts_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/changes", listener.local_addr().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = BufReader::new(stream.unwrap());
            // The first request fails. There is one request per connection.
            let mut length = 0;
            let mut line = String::new();
            while stream.read_line(&mut line).unwrap() > 2 {
                if let Some(number) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = number.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let status = if number == 0 { "500 no" } else { "204 yes" };
            let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n");
            stream.get_mut().write_all(answer.as_bytes()).unwrap();
            if tell.send(serde_json::from_slice::<Value>(&body).unwrap()).is_err() {
                return;
            }
        }
    });
    let mut appliance = setup().set("downlink.webhook", &url).start();
    let id = sent(&appliance, "V1", "horn");
    let refused = told.recv_timeout(MINUTE).unwrap();
    let again = told.recv_timeout(MINUTE).unwrap();
    assert_eq!(refused["events"][0], again["events"][0], "the same cursor comes again");
    assert_eq!(
        (&again["events"][0]["id"], &again["events"][0]["state"]),
        (&json!(id), &json!("queued"))
    );
    until("the appliance knows that it is told", MINUTE, || {
        appliance.metric("fleetline_downlink_failed_webhook_requests_total") == Some(1.0)
    });
    // A restart continues at the same place.
    let (status, _) = appliance.terminate(MINUTE);
    assert!(status.success());
    appliance.start_again();
    let second = sent(&appliance, "V2", "horn");
    let next = told.recv_timeout(MINUTE).unwrap();
    let events = next["events"].as_array().unwrap();
    assert_eq!(events.last().unwrap()["id"], json!(second));
}
