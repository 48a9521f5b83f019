//! Kill -9 at random moments: everything that was answered to an operator is still true afterwards,
//! no state goes back, and no command is `delivered` without the vehicle's acknowledgement.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use serde_json::{Value, json};

use super::fleet::{JSON, MINUTE, setup};
use crate::harness::{
    Appliance, Dice, http, until,
    vehicle::{Packet, Vehicle, Version, packet, text},
};

const VEHICLES: usize = 4;

/// The current address of the appliance, and what its vehicles have acknowledged.
#[derive(Default)]
struct World {
    address: Mutex<Option<std::net::SocketAddr>>,
    url: Mutex<Option<String>>,
    is_over: AtomicBool,
    /// Commands whose PUBACK or receipt was written.
    acknowledged: Mutex<BTreeSet<String>>,
    /// The answers to the operator: the latest state of each command.
    answered: Mutex<BTreeMap<String, String>>,
}

impl World {
    fn moved(&self, appliance: Option<&Appliance>) {
        *self.address.lock().unwrap() = appliance.map(Appliance::mqtt);
        *self.url.lock().unwrap() = appliance.map(Appliance::url);
    }
}

fn rank(state: &str) -> u8 {
    match state {
        "queued" => 0,
        "sent" => 1,
        "delivered" => 2,
        _ => 3,
    }
}

/// A vehicle that receives commands, acknowledges each, and sends receipts for some.
fn drive(world: Arc<World>, number: usize) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let vin = format!("V{number}");
        let version = if number.is_multiple_of(2) { Version::V5 } else { Version::V3 };
        while !world.is_over.load(Ordering::Relaxed) {
            let address = *world.address.lock().unwrap();
            let line = address.and_then(|it| Vehicle::try_connect(it, version, &vin));
            match line {
                Some(line) => take_commands(&world, line, version, &vin),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    })
}

fn take_commands(world: &World, mut line: Vehicle, version: Version, vin: &str) {
    let mut body = vec![0, 9];
    body.extend((version == Version::V5).then_some(0));
    body.extend(text(&format!("vehicles/{vin}/commands/+")));
    body.push(1);
    if line.try_send(&packet(0x82, &body)).is_err() {
        return;
    }
    let mut next = 1_u16;
    while !world.is_over.load(Ordering::Relaxed) {
        let body = match line.receive(Duration::from_millis(100)) {
            Packet::Whole(first, body) if first >> 4 == 3 => body,
            Packet::Whole(..) | Packet::Nothing => continue,
            _ => return,
        };
        let len = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        let id = &body[len..len + 2];
        let payload = body.iter().position(|byte| *byte == b'{').unwrap();
        let payload: Value = serde_json::from_slice(&body[payload..]).unwrap();
        let command = payload["id"].as_str().unwrap();
        world.acknowledged.lock().unwrap().insert(command.to_owned());
        let mut answer = packet(0x40, id);
        if next.is_multiple_of(2) {
            let receipt = json!({ "command_id": command, "status": "DONE" }).to_string();
            let topic = format!("vehicles/{vin}/receipts");
            answer.extend(crate::harness::vehicle::publish_packet(
                version,
                &topic,
                receipt.as_bytes(),
                1,
                next,
                &[],
            ));
        }
        next = next.checked_add(1).unwrap_or(1);
        if line.try_send(&answer).is_err() {
            return;
        }
    }
}

/// An operator who sends commands and remembers the answers.
fn operate(world: Arc<World>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut number = 0_usize;
        while !world.is_over.load(Ordering::Relaxed) {
            let Some(url) = world.url.lock().unwrap().clone() else {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            };
            number += 1;
            let url = format!("{url}/api/v1/vehicles/V{}/commands", number % (VEHICLES + 1));
            let body = json!({ "command": "limit-charge", "expires-in": "10m" }).to_string();
            let Ok((202 | 200, answer)) = http::send("POST", &url, JSON, body) else { continue };
            let Ok(answer) = serde_json::from_str::<Value>(&answer) else { continue };
            let text = |name: &str| answer[name].as_str().unwrap().to_owned();
            world.answered.lock().unwrap().insert(text("id"), text("state"));
            std::thread::sleep(Duration::from_millis(3));
        }
    })
}

fn all(appliance: &Appliance) -> Vec<Value> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let (status, page) = appliance.get(&format!("/api/v1/commands?limit=1000&after={after}"));
        assert_eq!(status, 200, "{page}");
        let mut page: Value = serde_json::from_str(&page).unwrap();
        let Value::Array(commands) = page["commands"].take() else { panic!("no list") };
        found.extend(commands);
        match page["after"].as_str() {
            Some(more) => more.clone_into(&mut after),
            None => return found,
        }
    }
}

fn check(appliance: &Appliance, world: &World, seen: &mut BTreeMap<String, String>) {
    let answered = world.answered.lock().unwrap().clone();
    let found = all(appliance);
    let acknowledged = world.acknowledged.lock().unwrap().clone();
    let mut states = BTreeMap::new();
    for command in &found {
        let text = |name: &str| command[name].as_str().unwrap().to_owned();
        let (id, state) = (text("id"), text("state"));
        let told: Vec<&str> = command["history"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|it| it["state"].as_str())
            .collect();
        assert_eq!(told.last(), Some(&&*state), "{command}");
        assert!(told.windows(2).all(|two| rank(two[1]) > rank(two[0])), "{command}");
        if told.contains(&"delivered") {
            assert!(acknowledged.contains(&id), "never acknowledged: {command}");
        }
        states.insert(id, state);
    }
    for (id, state) in answered.iter().chain(&*seen) {
        let now = states.get(id).unwrap_or_else(|| panic!("{id} was answered and is gone"));
        assert!(rank(now) >= rank(state), "{id} turned back from {state} to {now}");
    }
    *seen = states;
}

/// The number of kills: `FLEETLINE_TEST_KILLS`, or `few`.
pub(crate) fn kills(few: u64) -> u64 {
    std::env::var("FLEETLINE_TEST_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(few)
}

fn check_kills(rounds: u64) {
    let mut dice = Dice::new();
    let mut appliance = setup().set("downlink.open-max", "100000").start();
    let world = Arc::new(World::default());
    world.moved(Some(&appliance));
    let mut threads: Vec<_> = (0..VEHICLES).map(|it| drive(Arc::clone(&world), it)).collect();
    threads.push(operate(Arc::clone(&world)));
    let mut seen = BTreeMap::new();
    for _ in 0..rounds {
        let before = world.answered.lock().unwrap().len();
        let more = usize::try_from(1 + dice.below(30)).unwrap();
        until("some answers", MINUTE, || world.answered.lock().unwrap().len() >= before + more);
        world.moved(None);
        appliance.kill_9();
        appliance.start_again();
        world.moved(Some(&appliance));
        check(&appliance, &world, &mut seen);
    }
    world.is_over.store(true, Ordering::Relaxed);
    threads.drain(..).for_each(|thread| thread.join().unwrap());
    check(&appliance, &world, &mut seen);
    let delivered = seen.values().filter(|state| rank(state) >= 2).count();
    assert!(delivered > 0, "nothing was delivered in all that time");
}

/// Thirty kills, or the number in FLEETLINE_TEST_KILLS.
#[test]
fn no_answered_command_is_lost_and_no_state_goes_back() {
    check_kills(kills(30));
}
