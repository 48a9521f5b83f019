//! Queues of many disconnected sessions, filled at full speed, through kill -9: nothing that was
//! acknowledged is lost, nothing is delivered twice, and each session gets its messages in order.

use std::collections::BTreeMap;

use super::{
    client::{MINUTE, MOMENT, start, subscribe},
    lasting::{ack, back, read},
};
use crate::harness::{
    Appliance, Dice, until,
    vehicle::{Packet, Vehicle, Version, publish_packet},
};

const SESSIONS: u64 = 40;
const PUBLISHERS: u64 = 4;
/// Messages to each session.
const EACH: u64 = 50;
/// Messages that a publisher may have unacknowledged.
const WINDOW: u64 = 20;

fn name(session: u64) -> String {
    format!("away-{session}")
}

/// The session and number of a publisher's message: its messages go to its sessions in turn.
fn message(publisher: u64, number: u64) -> (u64, u64) {
    let own = SESSIONS / PUBLISHERS;
    (number % own * PUBLISHERS + publisher, number / own)
}

/// Publishes from a message on, as fast as the window allows, until all are acknowledged or the
/// connection ends; returns how many are acknowledged without a gap.
fn fill(appliance: &Appliance, publisher: u64, from: u64, upto: u64) -> u64 {
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V3, &format!("p-{publisher}"));
    let (mut sent, mut acked) = (from, from);
    while acked < upto {
        let mut burst = Vec::new();
        while sent < upto && sent < acked + WINDOW {
            let (session, number) = message(publisher, sent);
            let (topic, payload) = (format!("q/{session}"), number.to_string());
            let id = u16::try_from(sent % 60_000 + 1).unwrap();
            let packet = publish_packet(Version::V3, &topic, payload.as_bytes(), 1, id, &[]);
            burst.extend(packet);
            sent += 1;
        }
        if vehicle.try_send(&burst).is_err() {
            break;
        }
        match vehicle.receive(MINUTE) {
            packet @ Packet::Whole(0x40, _) => {
                assert_eq!(u64::from(packet.id()), acked % 60_000 + 1, "in their order");
                acked += 1;
            }
            Packet::Closed => break,
            other => panic!("{other:02x?}"),
        }
    }
    acked
}

/// The queued messages of a session: their numbers, in order of arrival.
fn take(appliance: &Appliance, session: u64, expected: u64) -> Vec<u64> {
    let (mut vehicle, is_present) = back(appliance, &name(session));
    assert!(is_present, "session {session} is lost");
    let mut numbers = Vec::new();
    loop {
        // Unacknowledged messages may be there as well, so the last wait ends without a message.
        let limit = if (numbers.len() as u64) < expected { MINUTE } else { MOMENT };
        match vehicle.receive(limit) {
            Packet::Nothing => return numbers,
            packet => {
                let came = read(&packet);
                assert!(!came.dup, "nothing was sent before");
                ack(&mut vehicle, 0x40, came.id);
                numbers.push(came.payload.parse().unwrap());
            }
        }
    }
}

#[test]
fn queues_filled_at_full_speed_survive_a_kill_completely_once_and_in_order() {
    let (_store, mut appliance) = start(|setup| setup.set("mqtt.sessions.max-size", "1MiB"));
    for session in 0..SESSIONS {
        let (mut vehicle, _) = back(&appliance, &name(session));
        let filter = format!("q/{session}");
        assert_eq!(subscribe(&mut vehicle, Version::V3, &filter, 1), 1);
        vehicle.send(&[0xe0, 0]);
        vehicle.expect_close();
    }
    let (all, mut dice) = (SESSIONS * EACH / PUBLISHERS, Dice::new());
    let kill_at = dice.below(SESSIONS * EACH * 9 / 10);
    let mut acked = vec![0; usize::try_from(PUBLISHERS).unwrap()];
    std::thread::scope(|scope| {
        let appliance = &appliance;
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|publisher| scope.spawn(move || fill(appliance, publisher, 0, all)))
            .collect();
        let queued = || appliance.metric("fleetline_sessions_queued_messages");
        #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
        until("so many are queued", MINUTE, || queued().is_some_and(|it| it >= kill_at as f64));
        appliance.signal("KILL");
        for (acked, publisher) in acked.iter_mut().zip(publishers) {
            *acked = publisher.join().unwrap();
        }
    });
    appliance.kill_9();
    appliance.start_again();
    // By session: the number up to which everything was acknowledged.
    let mut least = BTreeMap::new();
    for (publisher, acked) in (0..PUBLISHERS).zip(&acked) {
        for (session, number) in (0..*acked).map(|number| message(publisher, number)) {
            least.insert(session, number + 1);
        }
    }
    let mut came = BTreeMap::new();
    for session in 0..SESSIONS {
        let least = least.get(&session).copied().unwrap_or(0);
        let numbers = take(&appliance, session, least);
        let count = numbers.len() as u64;
        assert!(count >= least, "{least} were acknowledged, {count} came to session {session}");
        assert_eq!(numbers, (0..count).collect::<Vec<_>>(), "session {session}");
        came.insert(session, count);
    }
    until("nothing waits", MINUTE, || appliance.count("deliveries.queued") == 0);
    // They continue: unacknowledged messages are sent again.
    for (publisher, acked) in (0..PUBLISHERS).zip(&acked) {
        assert_eq!(fill(&appliance, publisher, *acked, all), all);
    }
    for session in 0..SESSIONS {
        let least = least.get(&session).copied().unwrap_or(0);
        let numbers = take(&appliance, session, EACH - least);
        assert_eq!(numbers, (least..EACH).collect::<Vec<_>>(), "session {session}: {came:?}");
    }
    appliance.stats();
}
