//! Kill -9 in the middle of a push to 400 of 1,000 vehicles, a third of them away: after a kill at
//! any moment each vehicle has one command, the report sums at every start, and its end is exact.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    crash::kills,
    fleet::{JSON, MINUTE, get, setup},
    pushes::{above, check_sums, push, store},
};
use crate::harness::{
    Dice, Setup, http, until,
    vehicle::{Packet, Vehicle, Version, packet, publish_packet, text},
};

const VEHICLES: u64 = 1000;
const TARGETS: u64 = 400;

#[derive(Default)]
struct World {
    address: Mutex<Option<SocketAddr>>,
    is_over: AtomicBool,
    /// The command that was sent to each vehicle.
    sent: Mutex<BTreeMap<String, String>>,
}

/// The status with which a vehicle answers; `None`: it is away.
fn word(number: u64) -> Option<&'static str> {
    match number % 30 {
        0..10 => None,
        10..13 => Some("REJECTED"),
        _ => Some("DONE"),
    }
}

fn drive(world: Arc<World>, number: u64, word: &'static str) -> JoinHandle<()> {
    let run = move || {
        let vin = format!("V{number:03}");
        while !world.is_over.load(Ordering::Relaxed) {
            let address = *world.address.lock().unwrap();
            match address.and_then(|it| Vehicle::try_connect(it, Version::V3, &vin)) {
                Some(line) => take_commands(&world, line, &vin, word),
                None => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(run).unwrap()
}

/// On every connection it repeats its receipts, like a vehicle without an acknowledgement.
fn take_commands(world: &World, mut line: Vehicle, vin: &str, word: &str) {
    let mut body = vec![0, 9];
    body.extend(text(&format!("vehicles/{vin}/commands/+")));
    body.push(1);
    let receipt = |command: &str| {
        let receipt = json!({ "command_id": command, "status": word }).to_string();
        let topic = format!("vehicles/{vin}/receipts");
        publish_packet(Version::V3, &topic, receipt.as_bytes(), 1, 7, &[])
    };
    let known = world.sent.lock().unwrap().get(vin).cloned();
    let mut first = packet(0x82, &body);
    first.extend(known.iter().flat_map(|command| receipt(command)));
    if line.try_send(&first).is_err() {
        return;
    }
    while !world.is_over.load(Ordering::Relaxed) {
        let body = match line.receive(Duration::from_millis(500)) {
            Packet::Whole(first, body) if first >> 4 == 3 => body,
            Packet::Whole(..) | Packet::Nothing => continue,
            _ => return,
        };
        let len = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        let payload: Value = serde_json::from_slice(&body[len + 2..]).unwrap();
        let command = payload["id"].as_str().unwrap();
        let before = world.sent.lock().unwrap().insert(vin.to_owned(), command.to_owned());
        assert!(before.is_none_or(|before| before == command), "{vin} was sent two commands");
        let answer = [packet(0x40, &body[len..len + 2]), receipt(command)].concat();
        if line.try_send(&answer).is_err() {
            return;
        }
    }
}

pub(crate) fn check_push_kills(setup: Setup, rounds: u64) {
    let mut dice = Dice::new();
    let mut appliance = setup.set("downlink.total-open-max", "1000").start();
    store(&appliance, VEHICLES);
    let world = Arc::new(World::default());
    *world.address.lock().unwrap() = Some(appliance.mqtt());
    let first = VEHICLES - TARGETS;
    let threads: Vec<_> = (first..VEHICLES)
        .filter_map(|number| Some(drive(Arc::clone(&world), number, word(number)?)))
        .collect();
    // Half of the kills come during the request for the push, whose answer may be lost.
    let body = json!({
        "query": above(first - 1), "command": "limit-charge", "expires-in": "40s",
        "fields": { "limit_percent": "{seq}" }, "rate": 30, "idempotency-key": "k",
    });
    let mut id = String::new();
    for round in 0..rounds {
        let url = format!("{}/api/v1/pushes", appliance.url());
        let asked = body.clone();
        let asking = std::thread::spawn(move || http::send("POST", &url, JSON, asked.to_string()));
        let most = if round < rounds / 2 { 150 } else { 1000 };
        std::thread::sleep(Duration::from_millis(dice.below(most)));
        *world.address.lock().unwrap() = None;
        appliance.kill_9();
        if let Ok((status @ (200 | 202), answer)) = asking.join().unwrap() {
            let answer: Value = serde_json::from_str(&answer).unwrap();
            let now = answer["id"].as_str().unwrap();
            assert!(id.is_empty() || (status, now) == (200, &*id), "{answer}");
            now.clone_into(&mut id);
        }
        appliance.start_again();
        *world.address.lock().unwrap() = Some(appliance.mqtt());
        for found in get(&appliance, "/pushes")["pushes"].as_array().unwrap() {
            check_sums(&found["report"]);
            if found["id"] == id {
                assert_eq!(found["report"]["targeted"], TARGETS, "{found}");
            }
        }
    }
    let url = format!("{}/api/v1/pushes", appliance.url());
    let (status, answer) = http::send("POST", &url, JSON, body.to_string()).unwrap();
    assert!(matches!(status, 200 | 202), "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert!(id.is_empty() || answer["id"] == id, "{answer}");
    id = answer["id"].as_str().unwrap().to_owned();
    until("all have ended", 3 * MINUTE, || push(&appliance, &id)["open"] == 0);
    world.is_over.store(true, Ordering::Relaxed);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let report = push(&appliance, &id)["report"].clone();
    check_sums(&report);
    let words: Vec<_> = (first..VEHICLES).map(word).collect();
    let count = |wanted| words.iter().filter(|word| **word == wanted).count();
    assert_eq!(
        (&report["states"]["done"], &report["states"]["rejected"], &report["states"]["expired"]),
        (&json!(count(Some("DONE"))), &json!(count(Some("REJECTED"))), &json!(count(None))),
        "{report}"
    );
}

/// Thirty kills, or the number in FLEETLINE_TEST_KILLS.
#[test]
fn a_push_is_exact_whenever_the_process_is_killed() {
    check_push_kills(setup(), kills(30));
}
