//! The table, through its pages and counts.

use std::collections::BTreeSet;

use super::*;
use crate::model::UnixNanos;

fn session(number: u64) -> SessionId {
    SessionId { worker: 0, number }
}

fn names(page: &(Vec<VehiclePresence>, bool)) -> Vec<&str> {
    page.0.iter().map(|sighting| &*sighting.vehicle).collect()
}

#[test]
fn a_vehicle_is_connected_while_one_of_its_sessions_is_alive() {
    // PR-1
    let presence = Presence::new(10);
    presence.enter("A", session(1), UnixNanos(10));
    presence.enter("A", session(1), UnixNanos(11));
    presence.enter("A", session(2), UnixNanos(12));
    assert_eq!(presence.find("A").map(|it| it.sessions), Some(vec![session(1), session(2)]));
    presence.leave("A", session(1), UnixNanos(11));
    assert_eq!(presence.find("A").map(|it| it.sessions), Some(vec![session(2)]));
    // A session that never had the vehicle changes nothing.
    presence.leave("A", session(9), UnixNanos(0));
    assert_eq!(presence.counts(), PresenceCounts { connected: 1, away: 0, forgotten: 0 });
    presence.leave("A", session(2), UnixNanos(20));
    let away = presence.find("A").expect("it is remembered");
    assert_eq!((away.sessions.len(), away.last_seen), (0, UnixNanos(20)));
    assert_eq!(presence.counts(), PresenceCounts { connected: 0, away: 1, forgotten: 0 });
    presence.enter("A", session(3), UnixNanos(30));
    assert_eq!(presence.counts(), PresenceCounts { connected: 1, away: 0, forgotten: 0 });
    assert_eq!(presence.find("B"), None);
}

#[test]
fn one_session_too_many_takes_the_place_of_the_oldest() {
    let presence = Presence::new(10);
    let count = u64::try_from(Presence::SESSIONS_MAX).expect("few");
    for number in 0..=count {
        presence.enter("A", session(number), UnixNanos(0));
    }
    let sessions = presence.find("A").expect("there").sessions;
    assert_eq!(sessions, (1..=count).map(session).collect::<Vec<_>>());
    for number in 0..=count {
        presence.leave("A", session(number), UnixNanos(0));
    }
    assert_eq!(presence.counts(), PresenceCounts { connected: 0, away: 1, forgotten: 0 });
}

#[test]
fn those_who_left_first_are_forgotten_first() {
    let presence = Presence::new(2);
    let visit = |name: &str, at: i64| {
        presence.enter(name, session(0), UnixNanos(at));
        presence.leave(name, session(0), UnixNanos(at));
    };
    visit("A", 1);
    visit("B", 2);
    // A comes back and leaves again: B is now the one that left first.
    visit("A", 3);
    visit("C", 4);
    assert_eq!(names(&presence.page(&PresenceFilter::default(), None, 9)), ["A", "C"]);
    assert_eq!(presence.counts(), PresenceCounts { connected: 0, away: 2, forgotten: 1 });
    // Connected ones are never forgotten for others.
    presence.enter("A", session(1), UnixNanos(5));
    visit("D", 6);
    visit("E", 7);
    assert_eq!(names(&presence.page(&PresenceFilter::default(), None, 9)), ["A", "D", "E"]);
}

#[test]
fn connecting_and_leaving_repeatedly_does_not_use_more_memory() {
    let presence = Presence::new(4);
    for at in 0..10_000 {
        presence.enter("A", session(0), UnixNanos(at));
        presence.leave("A", session(0), UnixNanos(at));
    }
    assert_eq!(presence.counts(), PresenceCounts { connected: 0, away: 1, forgotten: 0 });
    let places = presence.left_len();
    assert!(places <= 2 + 1024, "{places} places for one vehicle");
}

#[test]
fn joined_pages_are_all_vehicles_in_order() {
    let presence = Presence::new(10_000);
    // More than a piece, so that a page releases the lock in the middle.
    for number in 0..3_000_u64 {
        let name = format!("V{:05}", (number * 7_919) % 3_000);
        presence.enter(&name, session(number), UnixNanos(0));
        if number % 3 != 0 {
            presence.leave(&name, session(number), UnixNanos(1));
        }
    }
    for (connected, prefix, expect) in [
        (None, "", 3_000),
        (Some(true), "", 1_000),
        (Some(false), "", 2_000),
        (None, "V000", 100),
        (None, "W", 0),
        (None, "A", 0),
    ] {
        let filter = PresenceFilter { connected, prefix: prefix.to_owned(), names: None };
        let mut seen: Vec<String> = Vec::new();
        loop {
            let after = seen.last().cloned();
            let (page, is_more) = presence.page(&filter, after.as_deref(), 70);
            seen.extend(page.iter().map(|it| it.vehicle.to_string()));
            assert!(page.iter().all(|it| connected.is_none_or(|w| w != it.sessions.is_empty())));
            if !is_more {
                break;
            }
            assert_eq!(page.len(), 70);
        }
        assert_eq!(seen.len(), expect, "{filter:?}");
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), expect, "none twice");
        assert!(seen.is_sorted());
    }
}
