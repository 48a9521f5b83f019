//! The verification, and the answers of stores.

use super::{
    ledger::{Messages, Points},
    store::{Page, influx1_count, influx2_count},
    *,
};

fn stats(received: u64, stored: u64) -> Stats {
    Stats {
        messages: Messages { received, spooled: received, ..Messages::default() },
        points: Points {
            spooled: received,
            stored,
            in_spool: received - stored,
            ..Points::default()
        },
    }
}

#[track_caller]
fn check_ledger(before: Stats, after: Stats, acknowledged: u64, expect: &[&str]) {
    let mut found = Verification::default();
    found.judge_ledger(before, after, Claim { acknowledged, interrupted: false });
    assert_eq!(found.problems, expect);
}

#[test]
fn a_ledger_that_covers_the_claim_holds() {
    check_ledger(stats(5, 5), stats(15, 15), 10, &[]);
    check_ledger(stats(5, 5), stats(25, 25), 10, &[]);
}

#[test]
fn a_ledger_that_does_not_add_up_is_told() {
    check_ledger(
        stats(5, 5),
        stats(14, 14),
        10,
        &[
            "1 acknowledged messages were never received",
            "1 acknowledged messages gave no point (0 dead letters and 0 without a mapping since \
             the run began)",
        ],
    );
    check_ledger(
        stats(0, 0),
        stats(10, 8),
        10,
        &["0 messages are pending, 2 points lie in the spool"],
    );
    let mut after = stats(10, 10);
    after.messages.spooled -= 1;
    after.messages.dead_lettered += 1;
    after.points.stored -= 1;
    after.points.dead_lettered += 1;
    check_ledger(
        stats(0, 0),
        after,
        10,
        &[
            "1 acknowledged messages gave no point (1 dead letters and 0 without a mapping since \
             the run began)",
            "1 points were refused by the store, 0 damaged",
        ],
    );
    let mut after = stats(10, 10);
    after.points.stored += 1;
    let mut found = Verification::default();
    found.judge_ledger(stats(0, 0), after, Claim { acknowledged: 1, interrupted: false });
    assert!(found.problems[0].starts_with("the equation of points fails"));
}

/// Counters start at 0 with the process: after a restart they prove nothing.
#[test]
fn an_appliance_that_was_started_anew_is_not_judged_by_its_counters() {
    let mut found = Verification::default();
    found.judge_ledger(stats(50, 50), stats(7, 7), Claim { acknowledged: 60, interrupted: true });
    assert_eq!((found.received, found.problem()), (None, None));
    found.judge_store(59, Claim { acknowledged: 60, interrupted: true });
    assert_eq!(found.problem(), Some("1 acknowledged messages are not in the store"));
}

#[test]
fn addresses_of_stores_name_their_kind() {
    let first = StoreQuestion::parse("http://127.0.0.1:8086/?db=telemetry").unwrap();
    let (base, db) = ("http://127.0.0.1:8086".to_owned(), "telemetry".to_owned());
    assert_eq!(first, StoreQuestion::Influx1 { base: base.clone(), db });
    let second = StoreQuestion::parse("http://127.0.0.1:8086?org=a%20b&bucket=c").unwrap();
    let (org, bucket) = ("a b".to_owned(), "c".to_owned());
    assert_eq!(second, StoreQuestion::Influx2 { base, org, bucket });
    assert!(StoreQuestion::parse("http://127.0.0.1:8086/").is_err());
    assert!(StoreQuestion::parse("127.0.0.1").is_err());
}

#[test]
fn counts_are_read_from_what_stores_answer() {
    let text = r#"{"results":[{"statement_id":0,"series":[{"name":"telemetry",
        "columns":["time","count_a","count_b"],"values":[["1970-01-01T00:00:00Z",7,9]]}]}]}"#;
    assert_eq!(influx1_count(text), Some(9));
    assert_eq!(influx1_count(r#"{"results":[{"statement_id":0}]}"#), Some(0));
    assert_eq!(influx1_count(r#"{"results":[{"error":"database not found: x"}]}"#), None);
    let text = ",result,table,_field,_value\r\n,_result,0,a,7\r\n,_result,1,b,9\r\n\r\n";
    assert_eq!(influx2_count(text), Some(9));
    assert_eq!(influx2_count("\r\n"), Some(0));
}

#[test]
fn a_page_counts_the_vehicles_of_the_run() {
    let text = r#"{"columns":[],"rows":[
        ["1970-01-01T00:00:00Z","A1",7,9],["1970-01-01T00:00:00Z","A2",1,null],
        ["1970-01-01T00:00:00Z","B1",100,100]],"after":null}"#;
    let page: Page = serde_json::from_str(text).unwrap();
    let (first, last) = ("A1".to_owned(), "A9".to_owned());
    assert_eq!(page.count(&Vehicles::Range { first, last }), Some(10));
    assert_eq!(page.count(&Vehicles::These(vec!["B1".to_owned()])), Some(100));
    assert_eq!(page.count(&Vehicles::These(vec!["C".to_owned()])), Some(0));
}
