//! kill -9 at random moments, with QoS 1 and 2 in both directions, changing retained messages and
//! due wills: nothing acknowledged is lost, no QoS 2 message is received twice, the order is kept,
//! every will is published.

use std::{
    collections::BTreeSet,
    env,
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    client::{MINUTE, start, subscribe},
    lasting::{ack, back, came, connect3, connect5, read},
};
use crate::harness::{
    Appliance, Dice, pause, until,
    vehicle::{Packet, Vehicle, Version, publish_packet, text},
};

/// The state that the clients share: the appliance's address, and when they stop.
#[derive(Default)]
struct World {
    address: Mutex<Option<SocketAddr>>,
    /// Publishers stop; then, when everything was received, the subscriber stops.
    is_over: AtomicBool,
    is_empty: AtomicBool,
    progress: AtomicU64,
    /// Wills that the subscriber got.
    wills: Mutex<BTreeSet<u64>>,
}

impl World {
    fn address(&self) -> Option<SocketAddr> {
        *self.address.lock().unwrap()
    }

    /// Connects with a persistent session; returns whether it was present. `None` if the appliance
    /// is not running now.
    fn connect(&self, client: &str) -> Option<(Vehicle, bool)> {
        let (vehicle, connack) = self.enter(Version::V3, &connect3(client, 0))?;
        Some((vehicle, connack[0] == 1))
    }

    fn enter(&self, version: Version, connect: &[u8]) -> Option<(Vehicle, Vec<u8>)> {
        let mut vehicle = Vehicle::dial(self.address()?, version).ok()?;
        vehicle.try_send(connect).ok()?;
        match vehicle.receive(MINUTE) {
            Packet::Whole(0x20, body) => Some((vehicle, body)),
            _ => None,
        }
    }
}

/// Stops the clients when a test ends, also if it fails.
struct Stop<'a>(&'a World);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
        self.0.is_empty.store(true, Ordering::SeqCst);
    }
}

/// Publishes numbers, one at a time, and remembers the last one that was completely acknowledged.
fn publish(world: &World, client: &str, topic: &str, qos: u8, retain: bool) -> u64 {
    let (mut number, mut is_released, mut is_known) = (1_u64, false, false);
    while !world.is_over.load(Ordering::SeqCst) {
        let Some((mut vehicle, is_present)) = world.connect(client) else {
            pause();
            continue;
        };
        assert!(is_present || !is_known, "the session of {client} is lost");
        is_known = true;
        loop {
            let id = u16::try_from(number % 60_000 + 1).unwrap();
            let [high, low] = id.to_be_bytes();
            let packet = if is_released {
                vec![0x62, 2, high, low]
            } else {
                let payload = number.to_string();
                let mut packet =
                    publish_packet(Version::V3, topic, payload.as_bytes(), qos, id, &[]);
                packet[0] |= u8::from(retain);
                packet
            };
            if vehicle.try_send(&packet).is_err() {
                break;
            }
            match (vehicle.receive(MINUTE), qos) {
                (Packet::Whole(0x50, _), 2) => {
                    is_released = true;
                    continue;
                }
                (Packet::Whole(0x40, _), 1) | (Packet::Whole(0x70, _), 2) => {}
                (Packet::Closed, _) => break,
                (other, _) => panic!("{client}: {other:02x?}"),
            }
            is_released = false;
            number += 1;
            world.progress.fetch_add(1, Ordering::SeqCst);
            if world.is_over.load(Ordering::SeqCst) {
                return number - 1;
            }
        }
    }
    number - 1
}

/// Connects and disconnects without DISCONNECT; returns the numbers of its wills.
fn leave_wills(world: &World) -> BTreeSet<u64> {
    let mut left = BTreeSet::new();
    for number in 1.. {
        if world.is_over.load(Ordering::SeqCst) {
            break;
        }
        let will = [&[0][..], &text("q/w"), &text(&format!("will {number}"))].concat();
        let connect = connect5("mortal", 0x0c, 3600, &will);
        if let Some((_vehicle, connack)) = world.enter(Version::V5, &connect)
            // A halted journal stores nothing, and says so.
            && !connack.windows(5).any(|five| five == [0x11, 0, 0, 0, 0])
        {
            left.insert(number);
        }
        pause();
    }
    left
}

/// Receives messages, acknowledges most of them, and remembers them.
fn take(world: &World) -> (Vec<u64>, Vec<u64>) {
    let (mut once, mut exactly) = (Vec::new(), Vec::new());
    let mut held = BTreeSet::new();
    while !world.is_empty.load(Ordering::SeqCst) {
        let Some((mut vehicle, is_present)) = world.connect("subscriber") else {
            pause();
            continue;
        };
        assert!(is_present, "the session of the subscriber is lost");
        loop {
            let packet = vehicle.receive(Duration::from_millis(100));
            let answer = match &packet {
                Packet::Nothing if world.is_empty.load(Ordering::SeqCst) => break,
                Packet::Nothing => continue,
                Packet::Closed => break,
                Packet::Whole(0x62, _) => {
                    held.remove(&packet.id());
                    (0x70, packet.id())
                }
                Packet::Whole(..) => {
                    let came = read(&packet);
                    let number = |text: &str| text.parse().unwrap();
                    match came.qos {
                        1 => match came.payload.strip_prefix("will ") {
                            Some(will) => _ = world.wills.lock().unwrap().insert(number(will)),
                            None => once.push(number(&came.payload)),
                        },
                        _ if held.insert(came.id) => exactly.push(number(&came.payload)),
                        _ => assert!(came.dup, "another message under {}", came.id),
                    }
                    (if came.qos == 1 { 0x40 } else { 0x50 }, came.id)
                }
            };
            let [high, low] = answer.1.to_be_bytes();
            if vehicle.try_send(&[answer.0, 2, high, low]).is_err() {
                break;
            }
        }
    }
    (once, exactly)
}

/// The first receptions must be in order, and complete up to the last one.
fn check_all(came: &[u64], last: u64, what: &str) {
    let mut next = 1;
    for number in came {
        assert!(*number <= next, "{what}: {number} came before {next}");
        next = next.max(number + 1);
    }
    assert!(next > last, "{what}: {last} was acknowledged, {} is the last that came", next - 1);
}

/// The number of rounds: `FLEETLINE_TEST_ROUNDS`, or `few`.
pub(super) fn rounds(few: u64) -> u64 {
    env::var("FLEETLINE_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(few)
}

/// Clients publish and receive at QoS 1 and 2, through faults at random moments: after each the
/// appliance is ready again, and may have been restarted.
pub(super) fn check_through(
    mut appliance: Appliance,
    rounds: u64,
    mut trouble: impl FnMut(&mut Appliance, &mut Dice),
) {
    let (mut subscriber, _) = back(&appliance, "subscriber");
    assert_eq!(subscribe(&mut subscriber, Version::V3, "q/+", 2), 2);
    drop(subscriber);
    let world = World::default();
    *world.address.lock().unwrap() = Some(appliance.mqtt());
    let mut dice = Dice::new();
    std::thread::scope(|scope| {
        let _stop = Stop(&world);
        let one = scope.spawn(|| publish(&world, "one", "q/1", 1, false));
        let two = scope.spawn(|| publish(&world, "two", "q/2", 2, false));
        let kept = scope.spawn(|| publish(&world, "kept", "kept", 1, true));
        let mortal = scope.spawn(|| leave_wills(&world));
        let taken = scope.spawn(|| take(&world));
        for round in 0..rounds {
            let (before, more) = (world.progress.load(Ordering::SeqCst), 1 + dice.below(200));
            until("progress", MINUTE, || world.progress.load(Ordering::SeqCst) >= before + more);
            trouble(&mut appliance, &mut dice);
            *world.address.lock().unwrap() = Some(appliance.mqtt());
            let stats = appliance.stats();
            assert_eq!(
                appliance.metric("fleetline_sessions_damaged_frames_total"),
                Some(0.0),
                "round {round}: {stats}"
            );
        }
        let before = world.progress.load(Ordering::SeqCst);
        until("progress", MINUTE, || world.progress.load(Ordering::SeqCst) >= before + 50);
        world.is_over.store(true, Ordering::SeqCst);
        let (one, two, kept) = (one.join().unwrap(), two.join().unwrap(), kept.join().unwrap());
        let left = mortal.join().unwrap();
        until("all wills", MINUTE, || world.wills.lock().unwrap().is_superset(&left));
        until("all to have come", MINUTE, || appliance.count("deliveries.queued") == 0);
        world.is_empty.store(true, Ordering::SeqCst);
        let (once, exactly) = taken.join().unwrap();
        check_all(&once, one, "QoS 1");
        check_all(&exactly, two, "QoS 2");
        let unique: BTreeSet<&u64> = exactly.iter().collect();
        assert_eq!(unique.len(), exactly.len(), "of QoS 2 nothing comes twice");
        let mut late = Vehicle::connect(appliance.mqtt(), Version::V3, "late");
        assert_eq!(subscribe(&mut late, Version::V3, "kept", 1), 1);
        let last = came(&mut late);
        ack(&mut late, 0x40, last.id);
        assert!(last.payload.parse::<u64>().unwrap() >= kept, "{last:?}: {kept} was acknowledged");
    });
    appliance.stats();
}

#[test]
fn thirty_kills_lose_nothing_acknowledged_and_repeat_nothing_of_qos_2() {
    let (_store, appliance) = start(|setup| setup.set("mqtt.sessions.max-size", "1MiB"));
    check_through(appliance, rounds(30), |appliance, dice| {
        appliance.kill_9();
        if dice.below(3) == 0 {
            appliance.start_and_kill_9_after(Duration::from_millis(dice.below(150)));
        }
        appliance.start_again();
    });
}
