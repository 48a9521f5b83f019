//! Letters are removed one by one, and their room comes back.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use super::{
    super::Options,
    rig::{Rig, id, message, point, point_id},
};
use crate::{
    env::{disk::Disk as _, sim::SimDisk},
    model::{Cause, DeadLetter, LetterFilter},
};

fn options() -> Options {
    Options {
        bytes_max: 256 << 10,
        commit_interval: Duration::ZERO,
        ..Options::new(PathBuf::from("/dead-letter"))
    }
}

fn filter(of: impl FnOnce(&mut LetterFilter)) -> LetterFilter {
    let mut filter = LetterFilter::default();
    of(&mut filter);
    filter
}

#[tokio::test]
async fn a_letter_becomes_another_under_its_name_beside_those_that_go() {
    let disk = Arc::new(SimDisk::new());
    let rig = Rig::open(Arc::clone(&disk) as _, options());
    rig.keep(&[message("A", 1), message("B", 2), message("C", 3)]).await;
    let other = DeadLetter { cause: Cause::TimeInvalid, vehicle: None, ..message("A", 1) };
    let changes = BTreeMap::from([
        (id(1, 0), Some(other.clone())),
        (id(2, 0), None),
        // There is none of that name any more.
        (id(9, 0), Some(message("D", 9))),
    ]);
    assert_eq!(rig.log.handle.change(changes.clone()).await, Ok(1));
    assert_eq!(rig.all(), [(id(1, 0), other.clone()), (id(3, 0), message("C", 3))]);
    // Again, and after a restart, it is the same.
    assert_eq!(rig.log.handle.change(changes).await, Ok(0));
    rig.log.close();
    let rig = Rig::open(disk, options());
    assert_eq!(rig.all(), [(id(1, 0), other), (id(3, 0), message("C", 3))]);
    rig.log.close();
}

#[tokio::test]
async fn what_is_removed_is_gone_and_all_else_keeps_its_name() {
    let disk = Arc::new(SimDisk::new());
    let rig = Rig::open(Arc::clone(&disk) as _, options());
    rig.keep(&[message("A", 1), message("B", 2), message("A", 3)]).await;
    rig.record(&[point(b"m x=1i 1"), point(b"m x=2i 2"), point(b"m x=3i 3")]).await;
    assert_eq!(rig.remove(filter(|it| it.ids = [point_id(1, 1), id(9, 9)].into())).await, 1);
    assert_eq!(rig.ids(), ["p1-0", "p1-2", "1-0", "2-0", "3-0"]);
    assert_eq!(rig.remove(filter(|it| it.vehicles = vec!["A".to_owned()])).await, 2);
    assert_eq!(rig.ids(), ["p1-0", "p1-2", "2-0"]);
    assert_eq!(rig.remove(filter(|it| it.vehicles = vec!["A".to_owned()])).await, 0);
    // Positions go on, in this life and the next.
    rig.keep(&[message("C", 4)]).await;
    assert_eq!(rig.ids(), ["p1-0", "p1-2", "2-0", "4-0"]);
    rig.log.close();
    let rig = Rig::open(disk, options());
    assert_eq!(rig.ids(), ["p1-0", "p1-2", "2-0", "4-0"]);
    assert_eq!(rig.remove(filter(|it| it.causes = vec![Cause::StoreRefused])).await, 2);
    assert_eq!(rig.remove(LetterFilter::default()).await, 2);
    rig.keep(&[message("C", 5)]).await;
    rig.record(&[point(b"m x=4i 4")]).await;
    assert_eq!(rig.ids(), ["p2-0", "5-0"]);
    rig.log.close();
}

#[tokio::test]
async fn room_comes_back_from_the_front_from_the_middle_and_of_all() {
    let disk = Arc::new(SimDisk::new());
    let rig = Rig::open(Arc::clone(&disk) as _, options());
    let letters: Vec<DeadLetter> =
        (0..300).map(|at| message(["A", "B", "C"][at % 3], at as i64)).collect();
    rig.keep(&letters).await;
    let whole = disk.used();
    assert_eq!(rig.remove(filter(|it| it.vehicles = vec!["B".to_owned()])).await, 100);
    assert_eq!(rig.remove(filter(|it| it.vehicles = vec!["C".to_owned()])).await, 100);
    assert_eq!(rig.all().len(), 100);
    // A third of the letters, and a header for each of the others.
    assert!(disk.used() < whole / 2, "{} of {whole}", disk.used());
    assert_eq!(rig.metric("dead_letter_kept_letters{kind=\"message\"}"), 100);
    let middle = filter(|it| it.ids = (100..200).map(|at| id(at, 0)).collect());
    rig.remove(middle).await;
    assert_eq!(rig.remove(LetterFilter::default()).await, 66);
    assert_eq!(rig.all(), []);
    rig.log.close();
    // Two cursors and two locks are left, and no segment.
    let segments = |dir: &str| {
        let names = disk.files(dir.as_ref()).expect("it is there");
        names.into_iter().filter(|name| name.contains(".seg")).collect::<Vec<_>>()
    };
    assert_eq!(segments("/dead-letter"), Vec::<String>::new());
    assert_eq!(segments("/dead-letter/points"), Vec::<String>::new());
}

#[tokio::test]
async fn what_comes_while_letters_are_removed_stays() {
    let rig = Rig::open(Arc::new(SimDisk::new()), options());
    let letters: Vec<DeadLetter> = (0..300).map(|at| message("A", at)).collect();
    rig.keep(&letters).await;
    let removing = rig.remove(LetterFilter::default());
    let keeping = rig.keep(&letters);
    let (removed, ()) = tokio::join!(removing, keeping);
    assert!(removed >= 300, "{removed}");
    assert_eq!(removed + rig.all().len(), 600);
    rig.log.close();
}

#[tokio::test]
async fn a_log_that_held_both_kinds_in_one_spool_opens_and_its_letters_can_be_removed() {
    use crate::{
        dead_letter::letter,
        model::LineDialect,
        spool::{self, Budget, EntryBuffer},
    };
    let disk: Arc<dyn crate::env::disk::Disk> = Arc::new(SimDisk::new());
    let old = spool::Options {
        dir: PathBuf::from("/dead-letter"),
        dialect: LineDialect::Signed,
        segment_bytes_max: 16 << 10,
        budget: Arc::new(Budget::new(1 << 30)),
    };
    let mut opened = spool::open(Arc::clone(&disk), old).expect("opens");
    for at in 0..100 {
        let mut entry = EntryBuffer::new();
        letter::write(&message("A", at), entry.bytes_mut());
        letter::write(&point(b"m x=1i 1"), entry.bytes_mut());
        entry.items = 2;
        opened.writer.append_unsynced(&mut entry).expect("there is room");
    }
    opened.writer.sync().expect("a disk that works");
    drop(opened);
    let rig = Rig::open(disk, options());
    assert_eq!(rig.all().len(), 200);
    assert_eq!(rig.remove(filter(|it| it.causes = vec![Cause::StoreRefused])).await, 100);
    assert_eq!(rig.remove(filter(|it| it.ids = [id(50, 0), id(51, 1)].into())).await, 1);
    let left = rig.all();
    assert_eq!(left.len(), 99);
    assert!(left.iter().all(|(id, _)| id.index == 0));
    rig.log.close();
}
