//! Letters through the log and back, on real files.

use std::{path::Path, sync::Arc};

use tempfile::TempDir;

use super::*;
use crate::{
    env::disk::RealDisk,
    model::{Cause, DeadLetter, Position, UnixNanos},
    telemetry::{HealthBoard, Metrics},
};

fn message(vehicle: &str, seconds: i64) -> DeadLetter {
    DeadLetter {
        time: UnixNanos(seconds * 1_000_000_000 + 5),
        vehicle: Some(vehicle.to_owned()),
        topic: Some(format!("vehicles/{vehicle}/telemetry")),
        mapping: Some("telemetry".to_owned()),
        cause: Cause::PayloadTruncated,
        detail: "ends at byte 2 of 3\nwith \"quotes\"".to_owned(),
        payload: Some(vec![0, 0xff, b'\n']),
        content_type: Some("application/protobuf".to_owned()),
        line: None,
        answer: None,
    }
}

fn point(line: &[u8]) -> DeadLetter {
    DeadLetter {
        time: UnixNanos(-1),
        vehicle: None,
        topic: None,
        mapping: None,
        cause: Cause::StoreRefused,
        detail: String::new(),
        payload: None,
        content_type: None,
        line: Some(line.to_vec()),
        answer: Some("HTTP 400: no".to_owned()),
    }
}

fn open_in(dir: &Path) -> Log {
    let board = HealthBoard::default();
    let metrics = Arc::new(Metrics::new(board.clone()));
    open(Arc::new(RealDisk), Options::new(dir.to_owned()), metrics, &board).expect("it opens")
}

fn all(dir: &Path, filter: &Filter) -> Vec<(Id, DeadLetter)> {
    let letters = list(Arc::new(RealDisk), dir, filter.clone()).expect("it can be read");
    letters.collect::<Result<_, _>>().expect("each can be read")
}

fn one(dir: &Path, id: Id) -> Option<DeadLetter> {
    find(Arc::new(RealDisk), dir, id).expect("it can be read")
}

const fn id(position: u64, index: u32) -> Id {
    Id { position: Position(position), index }
}

#[tokio::test]
async fn letters_come_back_byte_for_byte_also_while_the_log_is_open_and_after_a_restart() {
    let dir = TempDir::new().expect("a temporary folder");
    let letters = [
        message("A", 1),
        point(b"m,vin=A s=\"a\nb\" 1"),
        point(b"m s=\"\xff\" 1"),
        message("B", 2),
    ];
    let log = open_in(dir.path());
    log.handle.record(&letters[..3]).await.expect("a disk that works");
    log.handle.record(&letters[3..]).await.expect("a disk that works");
    let expect: Vec<(Id, DeadLetter)> =
        [id(1, 0), id(1, 1), id(1, 2), id(2, 0)].into_iter().zip(letters.clone()).collect();
    assert_eq!(all(dir.path(), &Filter::default()), expect);
    log.close();

    let log = open_in(dir.path());
    assert_eq!(log.recovery.items, 4);
    log.handle.record(&letters[..1]).await.expect("a disk that works");
    log.close();
    let again = all(dir.path(), &Filter::default());
    assert_eq!(again[..4], expect);
    assert_eq!(again[4], (id(3, 0), letters[0].clone()));
    assert_eq!(one(dir.path(), id(1, 2)), Some(letters[2].clone()));
    assert_eq!(one(dir.path(), id(1, 3)), None);
}

#[tokio::test]
async fn a_filter_chooses_by_cause_vehicle_and_time_up_to_its_limit() {
    let dir = TempDir::new().expect("a temporary folder");
    let log = open_in(dir.path());
    let letters = [message("A", 1), message("B", 2), point(b"m x=1i 1"), message("A", 3)];
    log.handle.record(&letters).await.expect("a disk that works");
    log.close();
    let check = |filter: Filter, expect: &[u32]| {
        let found: Vec<u32> =
            all(dir.path(), &filter).into_iter().map(|(id, _)| id.index).collect();
        assert_eq!(found, expect, "{filter:?}");
    };
    let at = |seconds: i64| Some(UnixNanos(seconds * 1_000_000_000 + 5));
    check(Filter { cause: Some(Cause::StoreRefused), ..Filter::default() }, &[2]);
    check(Filter { vehicle: Some("A".to_owned()), ..Filter::default() }, &[0, 3]);
    check(Filter { since: at(2), ..Filter::default() }, &[1, 3]);
    check(Filter { since: at(1), until: at(3), ..Filter::default() }, &[0, 1]);
    check(Filter { limit: Some(3), ..Filter::default() }, &[0, 1, 2]);
    check(Filter { limit: Some(0), ..Filter::default() }, &[]);
}

#[test]
fn a_log_that_was_never_opened_holds_no_letters() {
    let dir = TempDir::new().expect("a temporary folder");
    assert_eq!(all(&dir.path().join("dead-letter"), &Filter::default()), []);
}

#[test]
fn a_letter_is_shown_as_the_contract_says() {
    assert_eq!(
        to_json(id(17, 0), &message("A", 1)),
        r#"{"id":"17-0","time":"1970-01-01T00:00:01.000000005Z","vehicle":"A","topic":"vehicles/A/telemetry","mapping":"telemetry","cause":"payload-truncated","detail":"ends at byte 2 of 3\nwith \"quotes\"","payload":"AP8K","content_type":"application/protobuf","line":null,"answer":null}"#
    );
    assert_eq!(
        to_json(id(1, 2), &point(b"m x=1i 1")),
        r#"{"id":"1-2","time":"1969-12-31T23:59:59.999999999Z","vehicle":null,"topic":null,"mapping":null,"cause":"store-refused","detail":"","payload":null,"line":"m x=1i 1","answer":"HTTP 400: no"}"#
    );
}

#[test]
fn what_a_store_said_is_cut_to_its_bound_inside_no_character() {
    let long = DeadLetter { answer: Some("ä".repeat(9_999)), ..point(b"m x=1i 1") };
    let json = to_json(id(1, 0), &long);
    assert!(json.len() < ANSWER_BYTES_MAX + 300);
    assert!(json.contains("ää"));
}
