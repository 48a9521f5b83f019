//! What comes in goes ahead of a backlog, where that is asked for.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    fake_store::Play,
    rig::{Rig, line, line_set, options, until},
};
use crate::sink::Options;

const BACKLOG: usize = 100;
/// Numbers of lines that come in after the outage.
const FRESH: std::ops::Range<usize> = 1000..1004;

fn sharing(ppm: u32) -> Options {
    Options {
        requests_in_flight: NonZeroUsize::MIN,
        backfill_share_ppm: ppm,
        backfill_after: Duration::from_millis(1),
        cursor_age: Duration::from_millis(1),
        ..options()
    }
}

fn stretches(rig: &Rig) -> usize {
    let told = rig.metric("fleetline_sink_open_stretches{shard=\"0\"}");
    told.expect("it is told").parse().expect("a number")
}

/// A store that takes so many requests and then answers none.
fn takes(count: usize) -> impl Fn(&super::fake_store::Request) -> Play + Send + Sync + 'static {
    let left = Arc::new(AtomicUsize::new(count));
    move |_| {
        let took =
            left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if took.is_ok() { Play::Store } else { Play::Hang }
    }
}

/// An outage in which a backlog gathers; then four of its batches are stored, and the store hangs
/// while more comes in.
async fn after_an_outage(ppm: u32) -> Rig {
    let mut rig = Rig::new(sharing(ppm), |_| Play::Answer(503, "", "")).await;
    for idx in 0..BACKLOG {
        rig.append(0, &[line(idx)]);
    }
    until("it was tried again", || rig.status(0).retries >= 3).await;
    rig.store.play(takes(4));
    until("some is stored", || rig.store.stored() == line_set(0..16)).await;
    // A whole batch, so that it waits for no more.
    rig.append(0, &FRESH.map(line).collect::<Vec<_>>());
    rig
}

/// The numbers of the lines in the order in which they were sent first.
fn sent(rig: &Rig) -> Vec<usize> {
    let mut sent = Vec::new();
    for text in rig.store.requests().iter().flat_map(|request| request.lines()) {
        let number = text.trim_end().rsplit_once(' ').expect("a time").1;
        let number = number.parse().expect("a number");
        if !sent.contains(&number) {
            sent.push(number);
        }
    }
    sent
}

#[tokio::test]
async fn after_an_outage_what_comes_in_is_stored_while_the_backlog_is_filled_in() {
    for (ppm, ahead) in [(0, false), (200_000, true), (500_000, true), (900_000, true)] {
        let mut rig = after_an_outage(ppm).await;
        assert_eq!(stretches(&rig), if ahead { 2 } else { 1 }, "{ppm}");
        rig.store.play(|_| Play::Store);
        rig.shipped(0).await;
        let all: Vec<usize> = (0..BACKLOG).chain(FRESH).collect();
        assert_eq!(rig.store.stored(), line_set(all.iter().copied()));
        let sent = sent(&rig);
        let (old, new): (Vec<usize>, Vec<usize>) =
            sent.iter().partition(|number| !FRESH.contains(number));
        // Of each stretch the order of the spool is kept.
        assert_eq!([old, new].concat(), all, "{ppm}");
        let last_fresh = sent.iter().position(|number| *number == FRESH.end - 1);
        let place = last_fresh.expect("it was sent");
        assert_eq!(place < BACKLOG, ahead, "{ppm}: {sent:?}");
        let points = rig.points();
        assert_eq!((points.spooled, points.stored), (104, 104));
        // Then there is one again, and what comes later is in its turn.
        rig.append(0, &[line(2000)]);
        rig.shipped(0).await;
        assert_eq!(stretches(&rig), 1, "{ppm}");
    }
}

#[tokio::test]
async fn a_crash_while_a_backlog_is_filled_in_loses_nothing_and_counts_right() {
    let mut rig = after_an_outage(500_000).await;
    // Of what comes in some is stored ahead, of the backlog some is not.
    rig.store.play(takes(6));
    let fresh = line_set(FRESH);
    until("some went ahead", || rig.store.stored().is_superset(&fresh)).await;
    until("no more is taken", || rig.store.stored().len() == 16 + 6 * 4).await;
    rig.kill().await;
    rig.store.play(|_| Play::Store);
    rig.start();
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set((0..BACKLOG).chain(FRESH)));
    let points = rig.points();
    // What had gone ahead of the cursor is there again, and is sent again; of the backlog the
    // cursor may have passed what the four requests before the hang and five of the six after it
    // brought.
    assert!(points.recovered >= 104 - 16 - 5 * 4, "{points:?}");
    assert_eq!((points.stored, points.in_spool), (points.recovered, 0));
}

#[tokio::test]
async fn a_second_outage_in_between_parts_what_came_in_since_and_all_is_stored() {
    let mut rig = after_an_outage(200_000).await;
    let mut next = FRESH.end;
    for outage in 0..12 {
        rig.store.play(|_| Play::Answer(503, "", ""));
        for _ in 0..10 {
            rig.append(0, &[line(next)]);
            next += 1;
        }
        let retries = rig.status(0).retries;
        until("it was tried again", || rig.status(0).retries > retries + 1).await;
        let stored = rig.store.stored().len();
        rig.store.play(takes(1));
        until("some is stored", || rig.store.stored().len() > stored).await;
        assert!((2..=8).contains(&stretches(&rig)), "{outage}");
    }
    rig.store.play(|_| Play::Store);
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set((0..BACKLOG).chain(FRESH.start..next)));
    rig.append(0, &[line(1)]);
    rig.shipped(0).await;
    assert_eq!(stretches(&rig), 1);
}
