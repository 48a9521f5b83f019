//! Shipping to TDengine, whose traps are many: a stand-in that answers as one was seen to.

use std::{
    collections::BTreeSet,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{
    model::{Cause, LineDialect},
    sink::Options,
    store::Kind,
    telemetry::Health,
};

use super::{
    fake_store::{Play, Request},
    rig::{Rig, line, line_set, options, until},
};

const OTHER: &str = r#"{"code":0,"column_meta":[["name","VARCHAR",64],["precision","VARCHAR",2]],"data":[["fleet","ms"]],"rows":1}"#;
const THERE: &str = r#"{"code":0,"column_meta":[["name","VARCHAR",64],["precision","VARCHAR",2]],"data":[["fleet","ns"]],"rows":1}"#;
const MISSING: &str = r#"{"code":0,"column_meta":[["name","VARCHAR",64],["precision","VARCHAR",2]],"data":[],"rows":0}"#;
const VERSION: &str =
    r#"{"code":0,"column_meta":[["server_version()","VARCHAR",7]],"data":[["3.3.6.6"]],"rows":1}"#;
const OLD_VERSION: &str =
    r#"{"code":0,"column_meta":[["server_version()","VARCHAR",7]],"data":[["3.0.2.4"]],"rows":1}"#;
const DONE: &str = r#"{"code":0,"column_meta":[["affected_rows","INT",4]],"data":[[0]],"rows":1}"#;
const EXISTS: &str = r#"{"code":897,"desc":"Database already exists"}"#;
const REFUSED: &str = r#"{"code":"internal error","message":"[0x203] Invalid value in client"}"#;
const GONE: &str = r#"{"code":"internal error","message":"[0x388] Database not exist"}"#;
const AWAY: &str =
    r#"{"code":"internal error","message":"[0x20] some vnode/qnode/mnode(s) out of service"}"#;

/// Answers statements as a server with the right database, and writes as told.
fn with_database(
    write: impl Fn(&Request) -> Play + Send + Sync + 'static,
) -> impl Fn(&Request) -> Play + Send + Sync + 'static {
    move |request| match request.target.starts_with("/rest/sql") {
        true if request.holds("server_version") => Play::Answer(200, "", VERSION),
        true => Play::Answer(200, "", THERE),
        false => write(request),
    }
}

async fn rig(script: impl Fn(&Request) -> Play + Send + Sync + 'static) -> Rig {
    Rig::with(options(), Kind::TdEngine, LineDialect::Unsigned, 1, script).await
}

#[tokio::test]
async fn the_database_is_looked_at_once_and_lines_go_to_the_adapter() {
    let mut rig = rig(with_database(|_| Play::Store)).await;
    for idx in 1..20 {
        rig.append(0, &[line(idx)]);
    }
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set(1..20));
    let (asked, written): (Vec<Request>, Vec<Request>) =
        rig.store.requests().into_iter().partition(|request| request.target == "/rest/sql");
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[0].holds("select server_version()"));
    assert!(asked[1].holds("information_schema.ins_databases where name = 'fleet'"));
    for request in &written {
        assert_eq!(request.target, "/influxdb/v1/write?db=fleet&precision=ns");
        assert!(request.head.contains("authorization: basic cm9vddpodxno"), "{}", request.head);
    }
}

#[tokio::test]
async fn a_missing_database_is_created_and_made_again_when_it_is_gone() {
    let made = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&made);
    let script = move |request: &Request| match request.target.starts_with("/rest/sql") {
        true if request.holds("create database `fleet` precision 'ns' wal_level 2") => {
            match seen.fetch_add(1, Ordering::SeqCst) {
                0 => Play::Answer(200, "", EXISTS),
                _ => Play::Answer(200, "", DONE),
            }
        }
        true => Play::Answer(200, "", MISSING),
        // The first time it is made by somebody else, and gone again.
        false if seen.load(Ordering::SeqCst) < 2 => Play::Answer(500, "", GONE),
        false => Play::Store,
    };
    let mut rig = rig(script).await;
    rig.append(0, &[line(1)]);
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set(1..2));
    assert_eq!(made.load(Ordering::SeqCst), 2);
    assert_eq!(rig.letters(), []);
}

#[tokio::test]
async fn a_database_of_another_precision_is_not_written_to() {
    let mut rig = rig(|request: &Request| match request.target.starts_with("/rest/sql") {
        true => Play::Answer(200, "", OTHER),
        false => Play::Store,
    })
    .await;
    rig.append(0, &[line(1)]);
    until("it is told", || matches!(rig.store_health(), Health::Failed(_))).await;
    let Health::Failed(reason) = rig.store_health() else { panic!("it was failed") };
    assert!(reason.starts_with("database `fleet` has precision 'ms'"), "{reason}");
    assert!(rig.store.stored().is_empty(), "nothing was sent");
    rig.store.play(with_database(|_| Play::Store));
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set(1..2));
}

#[tokio::test]
async fn a_user_who_may_not_look_may_write() {
    let denied = r#"{"code":772,"desc":"Insufficient privilege for operation"}"#;
    let mut rig = rig(move |request: &Request| match request.target.starts_with("/rest/sql") {
        true => Play::Answer(200, "", denied),
        false => Play::Store,
    })
    .await;
    rig.append(0, &[line(1)]);
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set(1..2));
}

#[tokio::test]
async fn one_bad_line_among_many_is_found_and_an_outage_sets_nothing_aside() {
    let bad = |request: &Request| match request.holds("V13 ") {
        true => Play::Answer(500, "", REFUSED),
        false => Play::Store,
    };
    let mut rig = rig(with_database(|_| Play::Answer(500, "", AWAY))).await;
    for idx in 1..20 {
        rig.append(0, &[line(idx)]);
    }
    until("it was tried again", || rig.status(0).retries >= 3).await;
    assert_eq!(rig.letters(), []);
    rig.store.play(with_database(bad));
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set((1..20).filter(|idx| *idx != 13)));
    let letters = rig.letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0].cause, Cause::StoreRefused);
    assert_eq!(letters[0].vehicle.as_deref(), Some("V13"));
    assert_eq!(letters[0].answer.as_deref(), Some("HTTP 500: [0x203] Invalid value in client"));
    let alone = |request: &Request| request.lines().len() == 1 && request.holds("V13 ");
    let sent = rig.store.requests().iter().filter(|request| alone(request)).count();
    assert_eq!(sent, 10, "words that prove nothing are doubted, but not for ever");
}

#[tokio::test]
async fn a_good_line_that_is_refused_as_in_a_race_is_stored() {
    let refused = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&refused);
    let race = r#"{"code":"internal error","message":"[0x3002] Invalid data format"}"#;
    let mut rig = rig(with_database(move |request| {
        let is_it = request.holds("V13 ") && seen.fetch_add(1, Ordering::SeqCst) < 4;
        if is_it { Play::Answer(500, "", race) } else { Play::Store }
    }))
    .await;
    rig.append(0, &(10..17).map(line).collect::<Vec<_>>());
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set(10..17));
    assert_eq!(rig.letters(), []);
    assert!(refused.load(Ordering::SeqCst) > 4, "it was sent again");
}

#[tokio::test]
async fn a_code_in_no_list_holds_its_shard_for_a_bounded_time() {
    let new = r#"{"code":"internal error","message":"[0x7777] Something new"}"#;
    let poison = move |request: &Request| match request.holds("V2 ") {
        true => Play::Answer(500, "", new),
        false => Play::Store,
    };
    let patience = Duration::from_millis(300);
    let options = Options { unknown_code_patience: patience, ..options() };
    let script = with_database(move |_| Play::Answer(500, "", new));
    let mut rig = Rig::with(options, Kind::TdEngine, LineDialect::Unsigned, 2, script).await;
    rig.append(0, &(1..4).map(line).collect::<Vec<_>>());
    rig.append(1, &[line(9)]);
    until("it was tried beyond the patience", || rig.status(1).retries >= 12).await;
    tokio::time::sleep(patience).await;
    assert_eq!(rig.letters(), [], "a store that accepts nothing blames no line");
    assert!(matches!(rig.store_health(), Health::Waiting(_)));
    rig.store.play(with_database(poison));
    rig.shipped(0).await;
    rig.shipped(1).await;
    assert_eq!(rig.store.stored(), line_set([1, 3, 9]));
    let letters = rig.letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0].answer.as_deref(), Some("HTTP 500: [0x7777] Something new"));
    assert_eq!(rig.store_health(), Health::Ready);
}

/// The last line of all: what passes has passed before it stands alone, and nothing comes behind.
#[tokio::test]
async fn a_code_in_no_list_holds_no_shard_where_its_neighbours_were_accepted() {
    let new = r#"{"code":"internal error","message":"[0x7777] Something new"}"#;
    let patience = Duration::from_millis(100);
    let poison = move |request: &Request| match (request.holds("V2 "), request.lines().len()) {
        // Alone it is refused later than the patience after whatever was accepted.
        (true, 1) => Play::Told(Vec::new(), 3 * patience, 500, new.to_owned()),
        (true, _) => Play::Answer(500, "", new),
        (false, _) => Play::Store,
    };
    let options = Options { unknown_code_patience: patience, ..options() };
    let script = with_database(poison);
    let mut rig = Rig::with(options, Kind::TdEngine, LineDialect::Unsigned, 1, script).await;
    rig.append(0, &(1..4).map(line).collect::<Vec<_>>());
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set([1, 3]));
    assert_eq!(rig.letters().len(), 1);
}

/// Every request in flight is one such line, and what could be accepted comes behind them.
#[tokio::test]
async fn lines_of_a_code_in_no_list_leave_their_places_to_those_behind_them() {
    let new = r#"{"code":"internal error","message":"[0x7777] Something new"}"#;
    let poison = move |request: &Request| match request.holds("V9 ") {
        true => Play::Store,
        false => Play::Answer(500, "", new),
    };
    let patience = Duration::from_millis(100);
    let one = NonZeroUsize::MIN;
    let options = Options {
        unknown_code_patience: patience,
        requests_in_flight: one,
        batch_lines: one,
        ..options()
    };
    let script = with_database(poison);
    let mut rig = Rig::with(options, Kind::TdEngine, LineDialect::Unsigned, 1, script).await;
    for idx in [1, 2, 3, 9] {
        rig.append(0, &[line(idx)]);
    }
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set([9]));
    assert_eq!(rig.letters().len(), 3);
}

#[tokio::test]
async fn so_many_batches_as_may_give_up_their_places_and_one_more_keeps_its_own() {
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = Arc::clone(&mended);
    let script = with_database(move |_: &Request| match is_mended.load(Ordering::Relaxed) {
        true => Play::Store,
        false => {
            Play::Answer(500, "", r#"{"code":"internal error","message":"[0x7777] Something new"}"#)
        }
    });
    let one = NonZeroUsize::MIN;
    let options = Options {
        unknown_code_patience: Duration::from_millis(20),
        requests_in_flight: one,
        batch_lines: one,
        batches_stalled: 2,
        ..options()
    };
    let mut rig = Rig::with(options, Kind::TdEngine, LineDialect::Unsigned, 1, script).await;
    (1..5).for_each(|idx| rig.append(0, &[line(idx)]));
    let stalled = |rig: &Rig| rig.metric("fleetline_sink_stalled_batches{shard=\"0\"}");
    until("three stand", || stalled(&rig).as_deref() == Some("3")).await;
    let kept = rig.metric("fleetline_sink_kept_places_total{shard=\"0\"}");
    assert_eq!(kept.as_deref(), Some("1"));
    assert!(!rig.store.requests().iter().any(|request| request.holds("V4 ")));
    mended.store(true, Ordering::Relaxed);
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set(1..5));
    assert_eq!(stalled(&rig).as_deref(), Some("0"));
    assert!(rig.letters().is_empty());
}

#[tokio::test]
async fn a_measurement_that_is_refused_whole_is_parted_from_the_others() {
    let made = r#"{"code":"internal error","message":"[0x603] Table already exists"}"#;
    let options = Options { batch_lines: NonZeroUsize::new(1_000).expect("some"), ..options() };
    let script = with_database(move |request| match request.holds("n,vin") {
        true => Play::Answer(500, "", made),
        false => Play::Store,
    });
    let mut rig = Rig::with(options, Kind::TdEngine, LineDialect::Unsigned, 1, script).await;
    let other = |idx: usize| format!("n{}", &line(idx)[1..]);
    let lines: Vec<String> =
        (1..=200).map(|idx| if idx % 2 == 0 { line(idx) } else { other(idx) }).collect();
    rig.append(0, &lines);
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set((1..=200).filter(|idx| idx % 2 == 0)));
    assert_eq!(rig.letters().len(), 100);
    let is_write = |request: &&Request| !request.target.starts_with("/rest/sql");
    let written = rig.store.requests().iter().filter(is_write).count();
    assert!(written <= 5, "{written} requests");
}

#[tokio::test]
async fn neighbours_of_a_measurement_that_was_refused_whole_leave_without_it() {
    let made = r#"{"code":"internal error","message":"[0x603] Table already exists"}"#;
    let options = Options { batch_lines: NonZeroUsize::new(1_000).expect("some"), ..options() };
    let is_refused = |request: &Request| request.holds("n,vin") || request.holds("o,vin");
    let script = with_database(move |request| match is_refused(request) {
        true => Play::Answer(500, "", made),
        false => Play::Store,
    });
    let mut rig = Rig::with(options, Kind::TdEngine, LineDialect::Unsigned, 1, script).await;
    let named = |idx: usize| format!("{}{}", ["m", "n", "o"][idx % 3], &line(idx)[1..]);
    rig.append(0, &(1..4).map(named).collect::<Vec<_>>());
    rig.shipped(0).await;
    let before = rig.store.requests().len();
    rig.append(0, &(4..304).map(named).collect::<Vec<_>>());
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), (1..304).filter(|idx| idx % 3 == 0).map(named).collect());
    assert_eq!(rig.letters().len(), 202);
    let requests = &rig.store.requests()[before..];
    assert_eq!(requests.iter().filter(|request| request.holds("m,vin")).count(), 1);
    assert_eq!(requests.len(), 1 + 3, "the others together, and each of them");
    // Somebody has mended the tables.
    rig.store.play(with_database(|_| Play::Store));
    rig.append(0, &(304..307).map(named).collect::<Vec<_>>());
    rig.shipped(0).await;
    assert_eq!(rig.letters().len(), 202);
    assert!(rig.store.stored().is_superset(&(304..307).map(named).collect()));
}

#[tokio::test]
async fn what_would_kill_the_server_never_reaches_it() {
    // Spooled for another store, or under other bounds.
    let long = format!("m,vin={} x=1i 5\n", "a".repeat(4_090));
    let fatal = [
        long.clone(),
        "m,vin=V5 y=nan 5\n".to_owned(),
        "m,vin=V5 x=1i 0\n".to_owned(),
        "m,vin=V5 x=1i\n".to_owned(),
        "#m,vin=V5 x=1i 5\n".to_owned(),
    ];
    let mut rig = rig(|request: &Request| match request.holds("server_version") {
        true => Play::Answer(200, "", OLD_VERSION),
        false if request.target.starts_with("/rest/sql") => Play::Answer(200, "", THERE),
        false => Play::Store,
    })
    .await;
    let mut lines: Vec<String> = (1..4).map(line).collect();
    lines.extend(fatal.clone());
    lines.push(line(9));
    rig.append(0, &lines);
    // An entry of nothing else leaves no request behind.
    rig.append(0, &[long]);
    rig.shipped(0).await;
    assert_eq!(rig.store.stored(), line_set([1, 2, 3, 9]));
    let letters = rig.letters();
    let causes: BTreeSet<Cause> = letters.iter().map(|letter| letter.cause).collect();
    let expect = [Cause::TagInvalid, Cause::TimeInvalid, Cause::StoreRefused];
    assert_eq!(causes, expect.into_iter().collect());
    assert_eq!(letters.len(), fatal.len() + 1);
    assert!(letters.iter().all(|letter| letter.line.is_some()), "each can be mended and replayed");
    assert_eq!(rig.points().dead_lettered, 6);
}
