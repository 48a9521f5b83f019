//! Held segments: sent again, evicted, expired, and through crashes.

use std::time::Duration;

use super::{
    super::{Budget, replay},
    *,
};
use crate::{
    env::{disk::Disk as _, sim::SimClock},
    model::UnixNanos,
};

const HOUR: Duration = Duration::from_hours(1);
const SEGMENT: u64 = 512;

/// A spool whose confirmed segments are held for an hour, within some bytes.
fn holding(bytes_max: u64, clock: &SimClock) -> Rig {
    let mut rig = Rig::new(SEGMENT, bytes_max);
    let budget = Budget::new(bytes_max).holding(HOUR, Arc::new(clock.clone()));
    rig.options.budget = Arc::new(budget);
    rig
}

/// Confirms everything that is there.
fn confirm_all(reader: &mut Reader) {
    let (_, batches) = drain(reader);
    if let Some(last) = batches.last() {
        reader.confirm(last.last);
    }
    reader.flush_cursor().unwrap();
}

/// The first positions of the files that are held.
fn held(rig: &Rig) -> Vec<u64> {
    let names = rig.disk.files(&rig.options.dir).unwrap();
    let first = |name: &String| name.split_once(".held.").map(|(first, _)| first.parse().unwrap());
    names.iter().filter_map(first).collect()
}

#[test]
fn what_was_confirmed_since_a_moment_is_sent_again() {
    let clock = SimClock::new();
    let rig = holding(1 << 20, &clock);
    let mut opened = rig.open();
    let mut per_minute = Vec::new();
    for minute in 0..5_u64 {
        for position in minute * 20 + 1..=minute * 20 + 20 {
            append(&mut opened.writer, &payload(position, 20), 1).unwrap();
        }
        opened.writer.sync().unwrap();
        confirm_all(&mut opened.reader);
        per_minute.push(held(&rig).len());
        clock.advance(Duration::from_mins(1));
    }
    assert!(per_minute.windows(2).all(|pair| pair[0] < pair[1]), "{per_minute:?}");
    let used = rig.options.budget.used();
    drop(opened);
    assert_eq!(rig.options.budget.used(), 0);
    let again = rig.open();
    assert_eq!((again.recovery.items, rig.options.budget.used()), (0, used), "held, not recovered");
    drop(again);

    let from = UnixNanos(Duration::from_secs(150).as_nanos().try_into().unwrap());
    let replayed = replay(&rig.disk(), &rig.options.dir, from).unwrap();
    assert!(replayed.segments > 0 && (40..60).contains(&replayed.items), "{replayed:?}");
    let mut opened = rig.open();
    assert_eq!(opened.recovery.items, replayed.items);
    let (positions, _) = drain(&mut opened.reader);
    let first = 101 - replayed.items;
    assert_eq!(positions, (first..=100).collect::<Vec<_>>(), "all of the last two and a half");
    assert!(first <= 61);
    drop(opened);

    let all = replay(&rig.disk(), &rig.options.dir, UnixNanos(0)).unwrap();
    assert_eq!(all.items + replayed.items, 100);
    assert!(held(&rig).is_empty());
    assert_eq!(rig.open().recovery.items, 100);
}

#[test]
fn held_segments_are_evicted_before_any_spool_waits_for_room() {
    let clock = SimClock::new();
    let rig = holding(8 * SEGMENT, &clock);
    let mut opened = rig.open();
    for position in 1..=400 {
        let appended = append(&mut opened.writer, &payload(position, 20), 1).unwrap();
        assert!(matches!(appended, Append::Done { .. }), "entry {position}");
        opened.writer.sync().unwrap();
        confirm_all(&mut opened.reader);
    }
    let status = rig.options.budget.held_status();
    assert!(status.evicted_segments > 10 && status.bytes > 0, "{status:?}");
    assert!(rig.options.budget.used() <= 8 * SEGMENT);
    let kept = held(&rig);
    assert!(kept.len() >= 5 && kept.first() > Some(&300), "the newest are kept: {kept:?}");
    let waits = || opened.reader.view().backlog();
    assert_eq!(waits().entries(), 0);
}

#[test]
fn held_segments_are_deleted_after_their_time_and_when_holding_is_turned_off() {
    let clock = SimClock::new();
    let rig = holding(1 << 20, &clock).with_entries(60);
    let mut opened = rig.open();
    confirm_all(&mut opened.reader);
    let n_held = held(&rig).len();
    assert!(n_held > 2);
    clock.advance(HOUR / 2);
    rig.options.budget.expire_held();
    assert_eq!(held(&rig).len(), n_held);
    clock.advance(HOUR / 2);
    rig.options.budget.expire_held();
    assert!(held(&rig).is_empty());
    drop(opened);

    let rig = holding(1 << 20, &clock).with_entries(60);
    confirm_all(&mut rig.open().reader);
    assert!(!held(&rig).is_empty());
    let off = Budget::new(1 << 20).holding(Duration::ZERO, Arc::new(clock.clone()));
    let rig =
        Rig { options: super::super::Options { budget: Arc::new(off), ..rig.options }, ..rig };
    drop(rig.open());
    assert!(held(&rig).is_empty());
}

#[test]
fn a_crash_within_a_replay_loses_nothing() {
    let clock = SimClock::new();
    let rig = holding(1 << 20, &clock).with_entries(60);
    confirm_all(&mut rig.open().reader);
    // The crash comes after the renames and before the cursor.
    let names = rig.disk.files(&rig.options.dir).unwrap();
    let last = names.iter().filter(|name| name.contains(".held.")).max().unwrap();
    let (first, _) = last.split_once(".held.").unwrap();
    let dir = &rig.options.dir;
    rig.disk.rename(&dir.join(last), &dir.join(format!("{first}.seg"))).unwrap();
    let before = held(&rig);
    drop(rig.open());
    assert_eq!(held(&rig).len(), before.len() + 1, "held again");
    assert_eq!(replay(&rig.disk(), dir, UnixNanos(0)).unwrap().items, 60);
    assert_eq!(rig.open().recovery.items, 60);
}
