//! Letters through the log and back, on real files.

use std::{path::Path, sync::Arc};

use tempfile::TempDir;

use super::{
    super::{ANSWER_BYTES_MAX, Options, find, to_json},
    rig::{Rig, all, id, message, point, point_id},
};
use crate::{
    env::disk::{Disk, RealDisk},
    model::{Cause, DeadLetter, DeadLetters as _, LetterFilter, LetterId, LetterMark, UnixNanos},
};

fn open_in(dir: &Path) -> Rig {
    let options = Options { bytes_max: 1 << 20, ..Options::new(dir.to_owned()) };
    Rig::open(Arc::new(RealDisk), options)
}

fn one(dir: &Path, id: LetterId) -> Option<DeadLetter> {
    find(Arc::new(RealDisk), dir, id).expect("it can be read")
}

fn real() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}

#[tokio::test]
async fn letters_come_back_byte_for_byte_also_while_the_log_is_open_and_after_a_restart() {
    let dir = TempDir::new().expect("a temporary folder");
    let points = [point(b"m,vin=A s=\"a\nb\" 1"), point(b"m s=\"\xff\" 1")];
    let messages = [message("A", 1), message("B", 2)];
    let rig = open_in(dir.path());
    rig.record(&points).await;
    rig.keep(&messages).await;
    // Oldest first, whichever log they lie in.
    let expect = [
        (point_id(1, 0), points[0].clone()),
        (point_id(1, 1), points[1].clone()),
        (id(1, 0), messages[0].clone()),
        (id(2, 0), messages[1].clone()),
    ];
    assert_eq!(rig.all(), expect);
    rig.log.close();

    let rig = open_in(dir.path());
    rig.keep(&messages[..1]).await;
    let again = rig.all();
    let added = (id(3, 0), messages[0].clone());
    assert_eq!(again[..4], expect);
    assert_eq!(again[4], added);
    assert_eq!(one(dir.path(), point_id(1, 1)), Some(points[1].clone()));
    assert_eq!(one(dir.path(), point_id(1, 2)), None);
    assert_eq!(rig.metric("dead_letter_written_letters_total{cause=\"payload-truncated\"}"), 1);
    rig.log.close();
}

#[tokio::test]
async fn a_filter_chooses_by_cause_vehicle_mapping_time_and_id() {
    let dir = TempDir::new().expect("a temporary folder");
    let rig = open_in(dir.path());
    let other = DeadLetter { mapping: Some("other".to_owned()), ..message("B", 2) };
    rig.keep(&[message("A", 1), other, message("A", 3)]).await;
    rig.record(&[point(b"m x=1i 1")]).await;
    rig.log.close();
    let check = |filter: LetterFilter, expect: &[&str]| {
        let found = all(&real(), dir.path(), filter.clone());
        let found: Vec<String> = found.into_iter().map(|(id, _)| id.to_string()).collect();
        assert_eq!(found, expect, "{filter:?}");
    };
    let none = LetterFilter::default;
    let at = |seconds: i64| Some(UnixNanos(seconds * 1_000_000_000 + 5));
    check(none(), &["p1-0", "1-0", "2-0", "3-0"]);
    check(LetterFilter { causes: vec![Cause::StoreRefused], ..none() }, &["p1-0"]);
    check(LetterFilter { vehicles: vec!["A".to_owned()], ..none() }, &["1-0", "3-0"]);
    let both = vec!["A".to_owned(), "B".to_owned()];
    check(LetterFilter { vehicles: both, ..none() }, &["1-0", "2-0", "3-0"]);
    check(LetterFilter { mappings: vec!["other".to_owned()], ..none() }, &["2-0"]);
    check(LetterFilter { from: at(2), ..none() }, &["2-0", "3-0"]);
    check(LetterFilter { from: at(1), to: at(3), ..none() }, &["1-0", "2-0"]);
    check(LetterFilter { ids: [id(3, 0), point_id(1, 0)].into(), ..none() }, &["p1-0", "3-0"]);
    check(LetterFilter { ids: [id(3, 0)].into(), from: at(4), ..none() }, &[]);
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap_and_without_one_twice() {
    let dir = TempDir::new().expect("a temporary folder");
    let rig = open_in(dir.path());
    for seconds in 0..7 {
        rig.keep(&[message("A", seconds)]).await;
        rig.record(&[point(b"m x=1i 1"), point(b"m x=2i 2")]).await;
    }
    for limit in [1, 2, 3, 20, 21, 22] {
        let (mut seen, mut after) = (Vec::new(), LetterMark::default());
        loop {
            let page = rig.log.handle.page(LetterFilter::default(), after, limit).await;
            let page = page.expect("it can be read");
            assert!(page.letters.len() <= limit);
            seen.extend(page.letters);
            match page.after {
                Some(mark) => after = mark,
                None => break,
            }
        }
        let all: Vec<String> = rig.all().iter().map(|(id, letter)| to_json(*id, letter)).collect();
        assert_eq!(seen, all, "{limit}");
    }
    rig.log.close();
}

#[test]
fn a_log_that_was_never_opened_holds_no_letters() {
    let dir = TempDir::new().expect("a temporary folder");
    let dir = dir.path().join("dead-letter");
    assert_eq!(all(&real(), &dir, LetterFilter::default()), []);
}

#[test]
fn a_letter_is_shown_as_the_contract_says() {
    assert_eq!(
        to_json(id(17, 0), &message("A", 1)),
        r#"{"id":"17-0","time":"1970-01-01T00:00:01.000000005Z","vehicle":"A","topic":"vehicles/A/telemetry","mapping":"telemetry","cause":"payload-truncated","detail":"ends at byte 2 of 3\nwith \"quotes\"","payload":"AP8K","content_type":"application/protobuf","line":null,"answer":null}"#
    );
    assert_eq!(
        to_json(point_id(1, 2), &point(b"m x=1i 1")),
        r#"{"id":"p1-2","time":"1969-12-31T23:59:59.999999999Z","vehicle":null,"topic":null,"mapping":null,"cause":"store-refused","detail":"","payload":null,"line":"m x=1i 1","answer":"HTTP 400: no"}"#
    );
}

#[test]
fn what_a_store_said_is_cut_to_its_bound_inside_no_character() {
    let long = DeadLetter { answer: Some("ä".repeat(9_999)), ..point(b"m x=1i 1") };
    let json = to_json(id(1, 0), &long);
    assert!(json.len() < ANSWER_BYTES_MAX + 300);
    assert!(json.contains("ää"));
}
