//! Letters through power cuts and failing disks, at every moment of a removal.

use std::{collections::BTreeSet, io::ErrorKind, path::PathBuf, sync::Arc, time::Duration};

use super::{
    super::Options,
    rig::{Rig, message, point},
};
use crate::{
    env::sim::{Call, Fault, SimDisk},
    model::{DeadLetter, DeadLetters as _, LetterFilter},
    telemetry::Health,
};

fn options() -> Options {
    Options {
        bytes_max: 64 << 10,
        commit_interval: Duration::ZERO,
        ..Options::new(PathBuf::from("/dead-letter"))
    }
}

fn of(vehicle: &str) -> LetterFilter {
    LetterFilter { vehicles: vec![vehicle.to_owned()], ..LetterFilter::default() }
}

/// A log with letters of two vehicles, mixed, over several segments, and some points.
async fn filled(disk: &Arc<SimDisk>) -> Rig {
    let rig = Rig::open(Arc::clone(disk) as _, Options { vehicle_bytes_max: 1 << 20, ..options() });
    let letters: Vec<DeadLetter> =
        (0..60).map(|at| message(["A", "B"][at % 2], at as i64)).collect();
    rig.keep(&letters).await;
    rig.record(&[point(b"m x=1i 1"), point(b"m x=2i 2")]).await;
    rig
}

fn names(rig: &Rig, vehicle: Option<&str>) -> BTreeSet<String> {
    let is_meant = |letter: &DeadLetter| vehicle.is_none() || letter.vehicle.as_deref() == vehicle;
    let letters = rig.all();
    let meant = letters.iter().filter(|(_, letter)| is_meant(letter));
    meant.map(|(id, _)| id.to_string()).collect()
}

#[tokio::test]
async fn a_power_cut_at_any_moment_of_a_removal_loses_no_other_letter_and_brings_none_back() {
    // The disk refuses everything from its n-th call on, as seen by the log: then the power goes.
    let mut ends = 0;
    for nth in 0.. {
        let disk = Arc::new(SimDisk::new());
        let rig = filled(&disk).await;
        let (a, all) = (names(&rig, Some("A")), names(&rig, None));
        let fault = Fault { call: None, nth, error: ErrorKind::Other, is_permanent: true };
        disk.set_fault(Some(fault));
        let answer = rig.log.handle.remove(of("A")).await;
        let is_over = !disk.is_fault_injected();
        let then = disk.copy();
        disk.set_fault(None);
        rig.log.close();
        for seed in 0..3 {
            let disk = then.copy();
            disk.crash(seed);
            let rig = Rig::open(Arc::new(disk), options());
            let left = names(&rig, None);
            assert!(left.is_subset(&all), "{nth} {seed}: nothing new");
            assert!(
                all.difference(&left).all(|id| a.contains(id)),
                "{nth} {seed}: only what was meant"
            );
            if answer.is_ok() {
                assert_eq!(answer, Ok(30));
                assert!(left.is_disjoint(&a), "{nth} {seed}: DL-4");
            }
            // It goes on.
            rig.keep(&[message("C", 1)]).await;
            let removed = rig.remove(LetterFilter::default()).await;
            assert_eq!(removed, left.len() + 1);
            rig.log.close();
        }
        ends += usize::from(answer.is_ok());
        if is_over {
            break;
        }
        assert!(nth < 1000, "a removal ends");
    }
    assert!(ends > 0);
}

#[tokio::test]
async fn a_removal_without_room_on_the_disk_says_so_and_loses_nothing() {
    let disk = Arc::new(SimDisk::new());
    let rig = filled(&disk).await;
    disk.set_capacity(Some(disk.used()));
    let before = names(&rig, Some("B"));
    let answer = rig.log.handle.remove(of("A")).await;
    assert!(answer.is_err_and(|error| error.to_string().contains("cannot be removed")));
    assert_eq!(names(&rig, Some("B")), before);
    // All of them go without room.
    let left = rig.all().len();
    assert_eq!(rig.remove(LetterFilter::default()).await, left);
    rig.log.close();
}

#[tokio::test]
async fn a_failed_sync_halts_the_log_and_nobody_hears_that_anything_is_durable() {
    let disk = Arc::new(SimDisk::new());
    let rig = filled(&disk).await;
    disk.set_fault(Some(Fault {
        call: Some(Call::SyncData),
        nth: 0,
        error: ErrorKind::Other,
        is_permanent: false,
    }));
    for heard in rig.submit(&[message("A", 1), message("B", 2)]) {
        assert!(heard.await.is_err());
    }
    rig.shows("cannot make entries durable").await;
    let parts = rig.board.snapshot();
    let disk = parts.iter().find(|part| part.name == "dead-letter-disk").expect("it is there");
    assert!(!disk.allows_ready() && matches!(disk.health, Health::Failed(_)));
    // What comes later is answered at once, too.
    assert!(rig.log.handle.record(&[point(b"m x=1i 1")]).await.is_err());
    assert!(rig.log.handle.remove(LetterFilter::default()).await.is_err());
    rig.log.close();
}
