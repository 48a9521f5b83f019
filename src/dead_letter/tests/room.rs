//! What a full log does: `o07-dead-letters-full`, and each of the choices.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{
    super::{Options, SinkWhenFull, WhenFull},
    rig::{Rig, message, point},
};
use crate::{
    env::sim::SimDisk,
    model::{DeadLetter, LetterFilter},
    telemetry::{Component, Exposition, HealthBoard},
};

const KIB: usize = 1024;

fn options(bytes_max: usize, share: u64) -> Options {
    let bytes_max = bytes_max as u64;
    Options {
        bytes_max,
        vehicle_bytes_max: bytes_max / share,
        commit_interval: Duration::ZERO,
        ..Options::new(PathBuf::from("/dead-letter"))
    }
}

fn rig(options: Options) -> Rig {
    Rig::open(Arc::new(SimDisk::new()), options)
}

fn is_ready(board: &HealthBoard) -> bool {
    board.snapshot().iter().all(Component::allows_ready)
}

fn vehicle(name: &str) -> LetterFilter {
    LetterFilter { vehicles: vec![name.to_owned()], ..LetterFilter::default() }
}

/// Letters of a vehicle that are kept.
fn kept(rig: &Rig, name: &str) -> usize {
    let of = |letter: &DeadLetter| letter.vehicle.as_deref() == Some(name);
    rig.all().iter().filter(|(_, letter)| of(letter)).count()
}

#[tokio::test]
async fn a_vehicle_past_its_share_waits_and_nobody_else_does() {
    let rig = rig(options(64 * KIB, 10));
    let flood: Vec<DeadLetter> = (0..400).map(|at| message("7", at)).collect();
    let mut heard = rig.submit(&flood);
    rig.shows("by `7` first of all").await;
    assert!(is_ready(&rig.board), "{}", rig.reason());
    // Others' letters become durable, and points do.
    rig.keep(&[message("8", 1), message("9", 2)]).await;
    rig.record(&[point(b"m x=1i 1")]).await;
    let full = kept(&rig, "7");
    assert!((10..30).contains(&full), "{full}");
    // The counter counts what was written.
    let name = "dead_letter_written_letters_total{cause=\"payload-truncated\"}";
    assert_eq!(rig.metric(name), full + 2);
    assert_eq!(rig.metric("dead_letter_waiting_letters"), 400 - full);
    // What was written has heard so, in order, and the others have not.
    let has_heard = heard.iter_mut().map(|heard| heard.try_recv().is_ok());
    assert_eq!(has_heard.take_while(|heard| *heard).count(), full);

    // Room in the share is used at once by what waits.
    assert_eq!(rig.remove(vehicle("7")).await, full);
    heard[2 * full - 1].try_recv().or(Err(())).ok();
    rig.shows("by `7` first of all").await;
    assert_eq!(kept(&rig, "7"), full);
    assert_eq!(kept(&rig, "8"), 1);
    rig.log.close();
}

#[tokio::test]
async fn past_the_bound_messages_wait_and_go_on_by_themselves_after_a_removal() {
    let rig = rig(options(64 * KIB, 1));
    let flood: Vec<DeadLetter> = (0..400).map(|at| message(&format!("V{at}"), at)).collect();
    let heard = rig.submit(&flood);
    rig.shows("the dead-letter log is full (dead-letter.max-size)").await;
    assert!(is_ready(&rig.board));
    assert!(rig.metric("dead_letter_disk_bytes") <= 64 * KIB);
    assert_eq!(rig.metric("dead_letter_limit_bytes"), 64 * KIB);
    // The quarter for points is theirs.
    rig.record(&[point(b"m x=1i 1")]).await;
    let mut removed = 0;
    while !rig.reason().is_empty() {
        removed += rig.remove(LetterFilter::default()).await;
    }
    for heard in heard {
        heard.await.expect("it is durable at last");
    }
    assert_eq!(removed + rig.all().len(), 401);
    rig.log.close();
}

#[tokio::test]
async fn points_past_their_quarter_replace_the_oldest_points_and_never_a_message() {
    let rig = rig(options(64 * KIB, 10));
    rig.keep(&[message("A", 1)]).await;
    let points: Vec<DeadLetter> =
        (0..500).map(|at| point(format!("m,vin=A x={at}i {at}").as_bytes())).collect();
    for some in points.chunks(10) {
        rig.record(some).await;
    }
    let letters = rig.all();
    let kept: Vec<&DeadLetter> =
        letters.iter().map(|(_, letter)| letter).filter(|letter| letter.line.is_some()).collect();
    assert_eq!(letters.len(), kept.len() + 1, "the message is there");
    let newest: Vec<&DeadLetter> = points[500 - kept.len()..].iter().collect();
    assert_eq!(kept, newest, "those that are left are the newest");
    assert!(kept.len() >= 40, "{}", kept.len());
    let replaced = rig.metric("dead_letter_replaced_letters_total{kind=\"point\"}");
    assert_eq!(replaced, 500 - kept.len());
    rig.shows(&format!("{replaced} dead letters about points were dropped for newer ones")).await;
    assert!(is_ready(&rig.board));
    assert!(rig.metric("dead_letter_disk_bytes") <= 64 * KIB);
    // Whoever has made room has read it.
    rig.remove(LetterFilter::default()).await;
    rig.shows("").await;
    rig.log.close();
}

#[tokio::test]
async fn with_hold_points_wait_until_letters_are_removed() {
    let options = Options { sink_when_full: SinkWhenFull::Hold, ..options(64 * KIB, 10) };
    let rig = rig(options);
    let points: Vec<DeadLetter> = (0..500).map(|_| point(b"m,vin=A x=1i 1")).collect();
    let handle = rig.log.handle.clone();
    let recording = tokio::spawn(async move { handle.record(&points).await });
    rig.shows("their shards ship nothing").await;
    assert!(!recording.is_finished());
    let mut removed = 0;
    while !recording.is_finished() {
        removed += rig.remove(LetterFilter::default()).await;
        tokio::task::yield_now().await;
    }
    recording.await.expect("it ends").expect("a disk that works");
    assert_eq!(removed + rig.all().len(), 500);
    assert!(
        !rig.metrics.encode(Exposition::Text).contains("replaced_letters_total{"),
        "nothing was replaced"
    );
    rig.log.close();
}

#[tokio::test]
async fn with_drop_oldest_a_vehicle_past_its_share_replaces_its_own_and_a_full_log_the_oldest() {
    let options = Options { when_full: WhenFull::DropOldest, ..options(64 * KIB, 10) };
    let rig = rig(options);
    rig.keep(&[message("A", 0)]).await;
    let flood: Vec<DeadLetter> = (1..400).map(|at| message("7", at)).collect();
    rig.keep(&flood).await;
    assert_eq!(kept(&rig, "A"), 1, "a vehicle pushes out its own only");
    let of_flood = kept(&rig, "7");
    assert!((8..30).contains(&of_flood), "{of_flood}");
    let replaced = rig.metric("dead_letter_replaced_letters_total{kind=\"message\"}");
    assert_eq!(replaced + of_flood, 399);
    let newest = rig.all().pop().expect("it is there").1;
    assert_eq!(newest, *flood.last().expect("not empty"));

    let others: Vec<DeadLetter> = (400..800).map(|at| message(&format!("V{at}"), at)).collect();
    rig.keep(&others).await;
    assert_eq!(kept(&rig, "A"), 0, "the oldest of all");
    assert_eq!(rig.all().pop().expect("it is there").1, *others.last().expect("not empty"));
    assert!(rig.metric("dead_letter_disk_bytes") <= 64 * KIB);
    rig.log.close();
}

#[tokio::test]
async fn a_restart_counts_what_lies_there_for_the_shares() {
    let disk = Arc::new(SimDisk::new());
    let before = Rig::open(Arc::clone(&disk) as _, options(64 * KIB, 10));
    let flood: Vec<DeadLetter> = (0..100).map(|at| message("7", at)).collect();
    drop(before.submit(&flood));
    before.shows("by `7`").await;
    let full = kept(&before, "7");
    before.log.close();
    let after = Rig::open(disk, options(64 * KIB, 10));
    drop(after.submit(&flood[..1]));
    after.keep(&[message("8", 1)]).await;
    after.shows("1 messages that cannot be decoded wait").await;
    assert_eq!(kept(&after, "7"), full);
    after.log.close();
}

#[tokio::test]
async fn a_disk_without_room_makes_letters_wait_and_go_on_when_there_is_some() {
    let disk = Arc::new(SimDisk::new());
    let rig = Rig::open(Arc::clone(&disk) as _, options(1024 * KIB, 1));
    rig.keep(&[message("A", 0)]).await;
    disk.set_capacity(Some(disk.used()));
    let flood: Vec<DeadLetter> = (1..2000).map(|at| message("A", at)).collect();
    let heard = rig.submit(&flood);
    rig.shows("the disk has no room").await;
    disk.set_capacity(None);
    for heard in heard {
        heard.await.expect("it is durable at last");
    }
    assert_eq!(rig.all().len(), 2000);
    rig.log.close();
}
