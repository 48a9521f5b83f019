//! Runs the table against one database.

use std::time::Duration;

use super::{
    asked::{Asked, ask},
    by_hand,
    fleet::{self, Encoder, Point, SCHEMAS, TOPIC},
    oracle::{self, Answer},
    pages, table,
};
use crate::harness::{Appliance, Database, Setup, Vehicle, Version, until};

const MINUTE: Duration = Duration::from_mins(1);
/// The number of wrong answers that are shown; the others are only counted.
const TOLD: usize = 12;

/// The wrong answers; all queries run before they are reported.
#[derive(Debug, Default)]
pub(super) struct Wrong(Vec<String>);

impl Wrong {
    pub(super) fn add(&mut self, what: impl Into<String>) {
        self.0.push(what.into());
    }

    pub(super) fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.add(what());
        }
    }

    #[track_caller]
    pub(super) fn none(self) {
        let told = self.0[..self.0.len().min(TOLD)].join("\n\n");
        assert!(self.0.is_empty(), "{} wrong; the first of them:\n{told}", self.0.len());
    }
}

/// Starts an appliance with a database and the schemas of the fleet.
pub(super) fn start(database: &Database, settings: &[(&str, &str)]) -> Appliance {
    let mut setup = database.serves(Setup::new()).set("sink.batch-age", "10ms");
    for (name, text) in SCHEMAS {
        setup = setup.schema(name, text);
    }
    for (key, value) in settings {
        setup = setup.set(key, value);
    }
    setup.start()
}

/// Publishes points and waits until the database has them.
#[track_caller]
pub(super) fn publish(appliance: &Appliance, points: &[Point]) {
    let encoder = Encoder::new();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "fleet");
    for (number, point) in points.iter().enumerate() {
        let id = u16::try_from(number + 1).unwrap();
        let answer = vehicle.publish_acked(TOPIC, &encoder.message(point), id);
        assert_eq!(answer.reason(), 0, "{point:?}");
    }
    until("an empty spool", MINUTE, || appliance.count("points.in_spool") == 0);
}

/// Runs all queries, in the phases of what the store knows.
#[track_caller]
pub(crate) fn check_table(database: &Database) {
    let appliance = &start(database, &[]);
    let sure = database.breaks_ties();
    let mut wrong = Wrong::default();
    // The measurement is in a mapping, but in no store yet.
    check_all(appliance, &table::early(), &[], sure, &mut wrong);

    let mut points = fleet::early();
    publish(appliance, &points);
    points = as_kept(database, points);
    check_all(appliance, &table::early(), &points, sure, &mut wrong);

    let later = fleet::later();
    publish(appliance, &later);
    points.extend(as_kept(database, later));
    let mut whole = table::whole();
    if database.servers_count() > 1 {
        // Merging the rows of several servers does not need every query.
        whole = whole.into_iter().step_by(3).collect();
    }
    check_all(appliance, &whole, &points, sure, &mut wrong);
    check_shared(database, &mut wrong);
    pages::check(appliance, &points, sure, &mut wrong);
    by_hand::check(appliance, database, &mut wrong);

    let recent = fleet::recent(fleet::now());
    publish(appliance, &recent);
    check_relative(appliance, &recent, &mut wrong);

    let stats = appliance.stats();
    wrong.expect(stats["points"]["dead_lettered"] == 0, || format!("dead letters: {stats}"));
    wrong.expect(stats["messages"]["dead_lettered"] == 0, || format!("dead letters: {stats}"));
    check_overflow(appliance, &mut wrong);
    check_huge(database, appliance, &mut wrong);
    wrong.none();
}

/// The points as the database keeps them.
fn as_kept(database: &Database, mut points: Vec<Point>) -> Vec<Point> {
    if !database.keeps_line_feeds() {
        for value in points.iter_mut().flat_map(|point| point.fields.values_mut()) {
            if let serde_json::Value::String(text) = value {
                *text = text.replace('\n', " ");
            }
        }
    }
    points
}

fn check_all(
    appliance: &Appliance,
    table: &[Asked],
    points: &[Point],
    breaks_ties: bool,
    wrong: &mut Wrong,
) {
    for asked in table {
        check_one(appliance, asked, &oracle::answer(asked, points, breaks_ties), wrong);
    }
}

fn check_one(appliance: &Appliance, asked: &Asked, expected: &Answer, wrong: &mut Wrong) {
    match ask(appliance, &asked.parameters(), &[("limit", "100000")]) {
        Err(told) => wrong.add(format!("{asked:?}\n{told}")),
        Ok((answer, after)) => {
            if let Some(what) = asked.differs(&answer, expected) {
                wrong.add(format!("{asked:?}\n{what}"));
            }
            wrong.expect(after.is_none(), || format!("{asked:?}\nthe last page goes on"));
        }
    }
}

/// Each of several servers must hold some points, so that there is something to merge.
fn check_shared(database: &Database, wrong: &mut Wrong) {
    if let Database::Servers(servers) = database {
        let counts: Vec<u64> = servers.iter().map(|one| one.count("reading", "speed")).collect();
        wrong.expect(counts.iter().all(|count| *count > 0), || format!("points: {counts:?}"));
    }
}

/// Ranges relative to now, far from the time of any point.
fn check_relative(appliance: &Appliance, recent: &[Point], wrong: &mut Wrong) {
    let now = fleet::now();
    let minutes = |minutes: i64| now + minutes * 60 * fleet::SECOND;
    for (from, to, words) in [
        (-60, 0, ("", "")),
        (-60, 0, ("-1h", "")),
        (-60, 0, ("-1h", "now")),
        (-120, -15, ("-2h", "-15m")),
        (-120, -15, ("-1h60m", "-900s")),
        (-1_440, -60, ("-1d", "-1h")),
        (-10_080, 1_440, ("-1w", "+1d")),
        (-2, 0, ("-2m", "")),
    ] {
        let (from, to) = (minutes(from), minutes(to));
        let words = Some((words.0.to_owned(), words.1.to_owned()));
        let asked = Asked { vehicles: vec!["recent"], from, to, words, ..Asked::default() };
        check_one(appliance, &asked, &oracle::answer(&asked, recent, true), wrong);
        let (function, every) = (Some("sum"), Some(60 * fleet::SECOND));
        let asked = Asked { function, every, ..asked };
        check_one(appliance, &asked, &oracle::answer(&asked, recent, true), wrong);
    }
}

/// An integer above the signed range is exact if the store has unsigned integers, otherwise set
/// aside.
fn check_huge(database: &Database, appliance: &Appliance, wrong: &mut Wrong) {
    let point = Point::new(fleet::T, "huge", serde_json::json!({ "ticks": u64::MAX }));
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "huge");
    let answer = vehicle.publish_acked(TOPIC, &Encoder::new().message(&point), 1);
    if !database.has_unsigned() {
        wrong.expect(answer.reason() == 0x99, || format!("{:#x}", answer.reason()));
        let listed = appliance.cli_ok(&["dead-letter", "list", "--json"]);
        let is_told = listed.contains("\"cause\":\"integer-out-of-range\"");
        return wrong.expect(is_told, || listed);
    }
    until("an empty spool", MINUTE, || appliance.count("points.in_spool") == 0);
    for function in [None, Some("min"), Some("max"), Some("first"), Some("last")] {
        let (from, to) = (fleet::T, fleet::T + fleet::SECOND);
        let (vehicles, fields) = (vec!["huge"], vec!["ticks"]);
        let asked = Asked { vehicles, fields, from, to, function, ..Asked::default() };
        match ask(appliance, &asked.parameters(), &[]) {
            Ok((answer, _)) => wrong.expect(answer.rows[0][2] == u64::MAX, || {
                format!("{function:?} of the largest: {:?}", answer.rows)
            }),
            Err(told) => wrong.add(told),
        }
    }
}

/// Case o06-sums-that-overflow: a sum past 64 signed bits is refused by every store and names its
/// field, also together with other fields; a sum just below is exact.
fn check_overflow(appliance: &Appliance, wrong: &mut Wrong) {
    let (from, to) = (fleet::T + 400 * fleet::SECOND, fleet::T + 500 * fleet::SECOND);
    for fields in [vec!["ticks"], vec!["speed", "ticks"]] {
        let vehicles = vec!["extreme"];
        let asked = Asked { vehicles, fields, from, to, function: Some("sum"), ..Asked::default() };
        let answer = ask(appliance, &asked.parameters(), &[]);
        let is_told = matches!(&answer, Err(told) if told.starts_with("422 ")
            && told.contains("\"sum-overflow\"") && told.contains("{\"field\":\"ticks\"}"));
        wrong.expect(is_told, || format!("a sum past 64 bits: {answer:?}"));
    }
    let largest = Asked {
        vehicles: vec!["extreme"],
        fields: vec!["ticks"],
        from,
        to: from + fleet::SECOND,
        function: Some("sum"),
        ..Asked::default()
    };
    let answer = ask(appliance, &largest.parameters(), &[]);
    let is_exact = matches!(&answer, Ok((answer, _)) if answer.rows[0][2] == i64::MAX);
    wrong.expect(is_exact, || format!("a sum of 64 bits: {answer:?}"));
}
