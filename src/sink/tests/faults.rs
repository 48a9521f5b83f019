//! What shipping does when our own side fails: disk, damage, a dead-letter log without room.

use std::{collections::BTreeSet, sync::atomic::Ordering, time::Duration};

use crate::{
    env::disk::{Access, Disk as _, RealDisk},
    model::LineDialect,
    sink::Options,
    store,
    telemetry::Health,
};

use super::{
    fake_store::Play,
    rig::{Rig, line, line_set, options, until},
};

#[tokio::test]
async fn a_disk_that_cannot_be_read_delays_and_loses_nothing() {
    let mut rig = Rig::new(options(), |_| Play::Store).await;
    rig.disk.faults.reads.store(true, Ordering::SeqCst);
    rig.append(0, &[line(1)]);
    until("the fault is told", || matches!(rig.store_health(), Health::Failed(_))).await;
    let error = rig.status(0).last_error.expect("it is told");
    assert!(error.starts_with("cannot read the spool: "), "{error}");
    rig.disk.faults.reads.store(false, Ordering::SeqCst);
    rig.shipped(0).await;
    until("the fault is over", || rig.store_health() == Health::Ready).await;
    assert_eq!(rig.store.stored(), line_set(1..2));
}

#[tokio::test]
async fn a_shipper_that_panics_is_told_by_its_name_and_another_goes_on() {
    let unsigned = LineDialect::Unsigned;
    let mut rig = Rig::with(options(), store::Kind::InfluxDb2, unsigned, 2, |_| Play::Store).await;
    rig.append(0, &[line(1)]);
    rig.shipped(0).await;
    rig.disk.faults.panics.store(true, Ordering::SeqCst);
    rig.append(1, &[line(2)]);
    assert_eq!(rig.supervisor.ended_unasked().await, "sink-1");
    rig.disk.faults.panics.store(false, Ordering::SeqCst);
    rig.append(0, &[line(3)]);
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set([1, 3]));
}

#[tokio::test]
async fn a_cursor_that_cannot_be_written_stops_no_shipping_and_a_restart_sends_again() {
    let often = Options { cursor_age: Duration::from_millis(5), ..options() };
    let mut rig = Rig::new(often, |_| Play::Store).await;
    rig.disk.faults.cursors.store(true, Ordering::SeqCst);
    rig.append(0, &[line(1)]);
    until("the fault is told", || matches!(rig.store_health(), Health::Failed(_))).await;
    let error = rig.status(0).last_error.expect("it is told");
    assert!(error.starts_with("cannot write the cursor: "), "{error}");
    rig.append(0, &[line(2)]);
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set(1..3));

    rig.disk.faults.cursors.store(false, Ordering::SeqCst);
    assert_eq!(rig.drain(Duration::from_secs(10)).await.waiting_entries, 0);
    rig.start();
    rig.shipped(0).await;
    // A failed sync proves nothing about the bytes before it, so either cursor may be found.
    let points = rig.points();
    assert_eq!(points.stored, points.recovered);
    assert_eq!(rig.store.stored(), line_set(1..3));
}

#[tokio::test]
async fn damaged_entries_are_counted_and_passed_and_all_others_are_shipped() {
    // Ten entries, of which the seventh and eighth lose a byte while nobody looks.
    let mut rig = Rig::new(options(), |_| Play::Hang).await;
    for idx in 0..10 {
        rig.append(0, &[line(idx)]);
    }
    rig.kill().await;
    let names = RealDisk.files(&rig.spool_dir(0)).expect("a folder");
    let name = names.iter().find(|name| name.ends_with(".seg")).expect("a segment");
    let file = RealDisk.open(&rig.spool_dir(0).join(name), Access::Write).expect("a file");
    let mut bytes = vec![0; usize::try_from(file.len().expect("a length")).expect("small")];
    file.read_at(&mut bytes, 0).expect("a file that can be read");
    for idx in [6, 7] {
        let text = line(idx);
        let at = bytes.windows(text.len()).position(|part| part == text.as_bytes());
        let at = at.expect("the line is there") as u64;
        file.write_all_at(b"M", at).expect("a file that can be written");
    }
    rig.store.play(|_| Play::Store);
    rig.start();
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set((0..10).filter(|idx| ![6, 7].contains(idx))));
    let points = rig.points();
    assert_eq!((points.recovered, points.stored, points.damaged), (10, 8, 2));
}

#[tokio::test]
async fn refused_lines_wait_for_room_in_the_dead_letter_log_and_the_cursor_waits_for_them() {
    let refuse_odd = |request: &super::fake_store::Request| {
        let odd = request.lines().iter().any(|line| line.ends_with("1\n"));
        if odd {
            Play::Answer(400, "", r#"{"code":"invalid","message":"unable to parse 'm': bad"}"#)
        } else {
            Play::Store
        }
    };
    let mut rig = Rig::new(options(), |_| Play::Hang).await;
    // `hold`: the letters of one long line after another fill up their part of the log.
    let long = |idx: usize| format!("m,vin=V{idx} s=\"{}\" {idx}1\n", "x".repeat(30_000));
    for idx in 0..6 {
        rig.append(0, &[long(idx)]);
    }
    rig.restart_with_letter_room(256 << 10).await;
    rig.store.play(refuse_odd);
    rig.append(0, &[line(2)]);
    let holds = |health| matches!(health, Health::Waiting(why) if why.contains("ship nothing"));
    until("the log is full", || holds(rig.health("dead-letter"))).await;
    until("the others are stored", || rig.store.stored() == line_set([2])).await;
    assert!(rig.status(0).waiting_entries > 1);

    rig.restart_with_letter_room(1 << 30).await;
    rig.shipped(0).await;
    let vehicles: BTreeSet<_> =
        rig.letters().into_iter().filter_map(|letter| letter.vehicle).collect();
    assert_eq!(vehicles, (0..6).map(|idx| format!("V{idx}")).collect());
}

#[tokio::test]
async fn a_halted_dead_letter_log_holds_the_refused_batch_until_a_restart() {
    let mut rig = Rig::new(options(), |request| {
        if request.holds("V1 ") {
            Play::Answer(400, "", r#"{"code":"invalid","message":"unable to parse 'm': bad"}"#)
        } else {
            Play::Store
        }
    })
    .await;
    rig.disk.faults.letters.store(true, Ordering::SeqCst);
    rig.append(0, &[line(1)]);
    until("the log halts", || matches!(rig.health("dead-letter"), Health::Failed(_))).await;
    for idx in 2..20 {
        rig.append(0, &[line(idx)]);
    }
    until("the others are stored", || rig.store.stored() == line_set(2..20)).await;
    assert_eq!(rig.points().dead_lettered, 0);
    assert_eq!(rig.drain(Duration::from_millis(50)).await.waiting_entries, 19);

    rig.disk.faults.letters.store(false, Ordering::SeqCst);
    rig.start();
    rig.shipped(0).await;
    assert_eq!(rig.letters().len(), 1);
    assert_eq!((rig.points().recovered, rig.points().dead_lettered), (19, 1));
}

#[tokio::test]
async fn what_waits_is_told_in_a_scrape() {
    let mut rig = Rig::new(options(), |_| Play::Answer(503, "", "")).await;
    for idx in 0..7 {
        rig.append(0, &[line(idx)]);
    }
    until("it was tried again", || rig.status(0).retries >= 2).await;
    let name = "fleetline_sink_waiting_entries{shard=\"0\"}";
    assert_eq!(rig.metric(name).as_deref(), Some("7"));
    assert!(rig.metric("fleetline_sink_waiting_seconds{shard=\"0\"}").is_some());
    rig.store.play(|_| Play::Store);
    rig.shipped(0).await;
    assert_eq!(rig.metric(name).as_deref(), Some("0"));
}
