//! Commands to persistent sessions: they are in the session's queue, after earlier messages.

use std::{collections::HashSet, time::Duration};

use serde_json::{Value, json};

use super::{
    crash::kills,
    fleet::{Car, MINUTE, MOMENT, command, send, sent, setup, state},
};
use crate::harness::{
    Appliance, Dice, until,
    vehicle::{Packet, Vehicle, Version, connect_packet, packet},
};

/// A vehicle with a persistent session; whether the session was present.
fn back(appliance: &Appliance) -> (Car, bool) {
    let mut connect = connect_packet(Version::V3, "V1", 60, &[]);
    connect[9] &= !2;
    let mut line = Vehicle::dial(appliance.mqtt(), Version::V3).unwrap();
    let answer = line.greet(&connect);
    let Packet::Whole(0x20, body) = answer else { panic!("no CONNACK: {answer:02x?}") };
    (Car::of(line, Version::V3, "V1"), body[0] == 1)
}

#[test]
fn a_command_waits_for_its_turn_in_the_queue_also_on_disk() {
    let mut appliance = setup().set("mqtt.sessions.queue-memory-max", "1KiB").start();
    let (mut car, _) = back(&appliance);
    for filter in ["vehicles/V1/news", "vehicles/V1/commands/+"] {
        assert_eq!(car.subscribe(filter, 1), 1);
    }
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V3, "publisher");
    for number in 1..=4 {
        publisher.publish_acked("vehicles/V1/news", &[b'x'; 1000], number);
    }
    let id = sent(&appliance, "V1", "limit-charge");
    until("it is on its way", MINUTE, || state(&appliance, &id) == "sent");
    for _ in 0..4 {
        let news = car.take();
        assert_eq!(news.payload.len(), 1000);
        car.acknowledge(news.id, 0);
    }
    let taken = car.take();
    assert_eq!((taken.command(), taken.is_repeat()), (id.clone(), false));
    // The connection is cut before the acknowledgement: the command is sent again, with DUP.
    drop(car);
    let (mut car, is_present) = back(&appliance);
    assert!(is_present);
    let again = car.take();
    assert_eq!((again.command(), again.is_repeat()), (id.clone(), true));
    assert_eq!(again.id, taken.id, "under the same packet identifier");
    car.acknowledge(again.id, 0);
    until("it is delivered", MINUTE, || state(&appliance, &id) == "delivered");
    car.takes_nothing();
    assert_eq!(car.receipt(&id, "DONE"), 0);

    // And after a crash, once, from the session or from downlink.
    let id = sent(&appliance, "V1", "limit-charge");
    let taken = car.take();
    assert_eq!(taken.command(), id);
    appliance.kill_9();
    appliance.start_again();
    let (mut car, is_present) = back(&appliance);
    assert!(is_present);
    let again = car.take();
    assert_eq!((again.command(), again.is_repeat()), (id.clone(), true));
    assert_eq!(again.id, taken.id, "under the same packet identifier");
    car.acknowledge(again.id, 0);
    until("it is delivered", MINUTE, || state(&appliance, &id) == "delivered");
    car.takes_nothing();
    until("nothing waits", MINUTE, || appliance.count("deliveries.queued") == 0);
    appliance.stats();
}

/// The command of a discarded session is sent in the next one.
#[test]
fn a_command_of_a_discarded_session_is_sent_in_the_next_one() {
    let appliance = setup().start();
    let (mut car, _) = back(&appliance);
    assert_eq!(car.subscribe("vehicles/V1/commands/+", 1), 1);
    let id = sent(&appliance, "V1", "limit-charge");
    assert_eq!(car.take().command(), id);
    drop(car);
    // A clean start discards it.
    let mut car = Car::ready(appliance.mqtt(), Version::V3, "V1");
    let again = car.take();
    assert_eq!((again.command(), again.is_repeat()), (id.clone(), true));
    drop(car);
    // Superseded while its session was away: only the newer one is sent.
    let (mut car, is_present) = back(&appliance);
    assert!(!is_present);
    assert_eq!(car.subscribe("vehicles/V1/commands/+", 1), 1);
    assert_eq!(car.take().command(), id);
    drop(car);
    let newer = json!({ "command": "limit-charge", "supersede": "k" });
    let (_, first) = send(&appliance, "V1", &newer);
    let (mut car, is_present) = back(&appliance);
    assert!(is_present);
    let again = car.take();
    assert_eq!(again.command(), id);
    car.acknowledge(again.id, 0);
    let taken = car.take();
    assert_eq!(taken.command(), first["id"].as_str().unwrap());
    drop(car);
    let (_, second) = send(&appliance, "V1", &newer);
    let (mut car, _) = back(&appliance);
    let taken = car.take();
    assert_eq!(taken.command(), second["id"].as_str().unwrap());
    car.acknowledge(taken.id, 0);
    let first = first["id"].as_str().unwrap();
    assert_eq!(state(&appliance, first), "superseded");
    car.takes_nothing();
    until("nothing waits", MINUTE, || appliance.count("deliveries.queued") == 0);
}

/// Commands are bounded by the number of open commands, not by the session's queue.
#[test]
fn a_full_queue_accepts_a_command() {
    for overflow in ["refuse", "drop-oldest", "end-session"] {
        let appliance = setup()
            .set("mqtt.sessions.queue-messages-max", "3")
            .set("mqtt.sessions.queue-overflow", overflow)
            .start();
        let (mut car, _) = back(&appliance);
        for filter in ["vehicles/V1/news", "vehicles/V1/commands/+"] {
            assert_eq!(car.subscribe(filter, 1), 1);
        }
        let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V3, "publisher");
        for number in 1..=3 {
            publisher.publish_acked("vehicles/V1/news", b"x", number);
        }
        let ids = [0; 2].map(|_| sent(&appliance, "V1", "horn"));
        for _ in 0..3 {
            let news = car.take();
            car.acknowledge(news.id, 0);
        }
        for id in &ids {
            let taken = car.take();
            car.acknowledge(taken.id, 0);
            until("it is delivered", MINUTE, || state(&appliance, id) == "delivered");
        }
        car.takes_nothing();
        assert_eq!(appliance.count("deliveries.dropped"), 0, "{overflow}");
        appliance.stats();
    }
}

#[test]
fn a_command_without_room_on_disk_says_so_and_is_sent_when_there_is_room() {
    let appliance = setup().set("mqtt.sessions.max-size", "1MiB").start();
    let (mut car, _) = back(&appliance);
    assert_eq!(car.subscribe("vehicles/V1/commands/+", 1), 1);
    // Another session fills the journal.
    let mut connect = connect_packet(Version::V3, "other", 60, &[]);
    connect[9] &= !2;
    let mut other = Vehicle::dial(appliance.mqtt(), Version::V3).unwrap();
    drop(other.greet(&connect));
    let mut other = Car::of(other, Version::V3, "other");
    assert_eq!(other.subscribe("a", 1), 1);
    drop(other);
    let mut publisher = Vehicle::connect(appliance.mqtt(), Version::V5, "publisher");
    let payload = [b'x'; 4000];
    let refused = (1..1000).find(|it| publisher.publish_acked("a", &payload, *it).reason() == 0x97);
    assert!(refused.is_some(), "the journal is full at some time");

    let refused_one = || {
        let id = sent(&appliance, "V1", "horn");
        let cause = || command(&appliance, &id)["cause"].clone();
        until("it is told why it is not there", MINUTE, || cause() == "queue-full");
        assert_eq!(state(&appliance, &id), "sent", "states go forward only");
        id
    };
    // It is with no session, so a cancel ends it.
    let id = refused_one();
    appliance.cli_ok(&["command", "cancel", &id]);
    assert_eq!(state(&appliance, &id), "cancelled");
    let id = refused_one();
    car.takes_nothing();

    appliance.cli_ok(&["session", "kick", "other"]);
    let taken = car.take();
    car.acknowledge(taken.id, 0);
    until("it is delivered", MINUTE, || state(&appliance, &id) == "delivered");
    car.takes_nothing();
    appliance.stats();
}

/// The QoS 2 state of a vehicle with a persistent session.
#[derive(Default)]
struct Exchanges {
    /// Identifiers of publishes whose PUBREL has not arrived.
    received: HashSet<u16>,
    /// Commands, as often as they were passed to the application.
    taken: Vec<String>,
}

/// Receives packets for some time, and may disconnect at any packet.
fn take_some(car: &mut Car, exchanges: &mut Exchanges, dice: &mut Dice) {
    let mut left = dice.below(8);
    while left > 0 {
        left -= 1;
        let Packet::Whole(first, body) = car.line.receive(MOMENT) else { return };
        let answer = match first >> 4 {
            3 => {
                let len = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                let id = u16::from_be_bytes([body[len], body[len + 1]]);
                if exchanges.received.insert(id) {
                    let payload: Value = serde_json::from_slice(&body[len + 2..]).unwrap();
                    exchanges.taken.push(payload["id"].as_str().unwrap().to_owned());
                } else {
                    assert!(first & 8 != 0, "it comes again without DUP");
                }
                packet(0x50, &body[len..len + 2])
            }
            6 => {
                exchanges.received.remove(&u16::from_be_bytes([body[0], body[1]]));
                packet(0x70, &body[..2])
            }
            _ => continue,
        };
        // Sometimes the last answer is lost with the connection.
        if left == 0 && dice.below(2) == 0 || car.line.try_send(&answer).is_err() {
            return;
        }
    }
}

/// Cuts and kills at random moments; FLEETLINE_TEST_KILLS sets their number.
#[test]
fn a_command_of_qos_2_is_received_exactly_once_through_cuts_and_kills() {
    let mut dice = Dice::new();
    let mut appliance = setup().start();
    let mut exchanges = Exchanges::default();
    let (mut car, _) = back(&appliance);
    assert_eq!(car.subscribe("vehicles/V1/commands/+", 2), 2);
    let mut ids = Vec::new();
    for round in 0..kills(20) {
        ids.extend((0..dice.below(3)).map(|_| sent(&appliance, "V1", "lock")));
        take_some(&mut car, &mut exchanges, &mut dice);
        if round % 2 == 0 {
            std::thread::sleep(Duration::from_millis(dice.below(20)));
            appliance.kill_9();
            appliance.start_again();
        }
        drop(car);
        let is_present;
        (car, is_present) = back(&appliance);
        assert!(is_present);
    }
    while exchanges.taken.len() < ids.len()
        || ids.last().is_some_and(|last| state(&appliance, last) != "delivered")
    {
        take_some(&mut car, &mut exchanges, &mut dice);
        drop(car);
        (car, _) = back(&appliance);
    }
    assert_eq!(exchanges.taken, ids);
    for id in &ids {
        until("each is delivered", MINUTE, || state(&appliance, id) == "delivered");
    }
    car.takes_nothing();
}
