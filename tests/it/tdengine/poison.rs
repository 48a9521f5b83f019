//! Lines that no TDengine takes, each beside good ones: every good one is stored, every bad one
//! becomes a dead letter, and no shard waits forever.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use super::delivery::{LONG, T, letters, publish, setup, shipped};
use crate::harness::{Dice, TdEngine, Vehicle, Version, until};

/// The classes of bad lines: a name, and a line (`N` stands for its own number, `L` for a long
/// text, `T` for its time).
const CLASSES: &[(&str, &str)] = &[
    ("field that is a tag", "base model=1i T"),
    ("tag that is a field", "base,x=N y=1i T"),
    ("field of the time's name", "base _ts=1i T"),
    ("type conflict", "base x=1.5 T"),
    ("type of a text", "base x=\"N\" T"),
    ("normal table", "normal x=1i T"),
    ("primary key", "keyed x=1i T"),
    ("table of other types", "byhand x=1i T"),
    ("full row", "full fieldN=1i T"),
    ("full table", "wide fieldN=1i T"),
    ("tags too long", "base,long=L x=1i T"),
    ("line feed", "base s=\"a\nN\" T"),
    ("long string", "base s=\"LLLLLLLLL\" T"),
    ("code in no list", "base unknown7777=\"N\" T"),
];

/// One line of a class.
fn bad(class: &str, number: usize, time: i64) -> String {
    class
        .replace('N', &number.to_string())
        .replace('L', &"l".repeat(4_095))
        .replace('T', &time.to_string())
}

/// A server with tables that refuse the bad lines.
pub(super) fn database() -> TdEngine {
    use crate::harness::tdengine::{Column, Kind};
    let database = TdEngine::start();
    database.create();
    let vin = || Column::tag("vin", Kind::NChar);
    let x = || Column::field("x", Kind::BigInt);
    database.make_table("normal", &[x()]);
    database.make_keyed("keyed", &[vin(), x()]);
    database.make_stable("byhand", &[vin(), Column::field("x", Kind::Int)]);
    let long = Column { width: 65_515, ..Column::field("s", Kind::Varchar) };
    database.make_stable("full", &[vin(), long]);
    let many = (0..4_094).map(|at| Column::field(&format!("f{at}"), Kind::BigInt));
    database.make_stable("wide", &many.chain([vin()]).collect::<Vec<_>>());
    database.refuse("unknown7777", 0x7777, "Something new");
    database
}

/// Each class alone is found, logged, and set aside.
#[test]
fn bad_lines_of_every_class_become_dead_letters_and_the_others_are_stored() {
    check_classes(&database());
}

pub(super) fn check_classes(database: &TdEngine) {
    let appliance = setup(database).set("sink.unknown-code-patience", "1s").start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "A");
    publish(&mut vehicle, "A", &format!("base,model=z x=0i {T}"));
    shipped(&appliance);
    for (at, (name, class)) in CLASSES.iter().enumerate() {
        let time = T + 1_000 * i64::try_from(at).unwrap();
        let line = bad(class, at, time);
        let good = |n: i64| format!("base x=1i {}\n", time + n);
        publish(&mut vehicle, "A", &format!("{}{line}\n{}", good(1), good(2)));
        shipped(&appliance);
        let found = letters(&appliance);
        assert_eq!(found.len(), at + 1, "{name}: {found:?}");
        assert_eq!(database.rows("base"), 3 + 2 * i64::try_from(at).unwrap(), "{name}");
    }
    let (status, ready) = appliance.get("/readyz");
    assert_eq!(status, 200, "{ready}");
    let ready = ready.replace(' ', "");
    assert!(ready.contains("\"store\"") && ready.contains("ready"), "{ready}");
}

/// Any mix of good lines, bad lines of every class and races over two shards: every good line is
/// stored, every bad one becomes a dead letter, with a bounded number of requests.
#[test]
fn any_mix_of_good_lines_bad_lines_and_races_ends() {
    check_mix(&database());
}

pub(super) fn check_mix(database: &TdEngine) {
    let mut dice = Dice::new();
    let appliance = setup(database)
        .set("sink.unknown-code-patience", "1s")
        .set("sink.batch-lines", "50")
        .start();
    let mut first = Vehicle::connect(appliance.mqtt(), Version::V5, "first");
    publish(&mut first, "A0", &format!("base,model=z x=0i {T}"));
    shipped(&appliance);
    for round in 0..ROUNDS {
        let (before, requests) = (letters(&appliance).len(), database.written().len());
        let mut bodies = Vec::new();
        let (mut n_bad, mut n_good) = (0, 0);
        for (vehicle, vin) in ["A0", "A1", "A2", "A3"].into_iter().enumerate() {
            let mut lines = Vec::new();
            let bad_share = [0, 1, 10, 50][usize::try_from(dice.below(4)).unwrap()];
            for number in 0..dice.below(80) {
                let number = usize::try_from(number).unwrap();
                let time = T + i64::try_from((round * 10 + vehicle) * 100 + number).unwrap();
                if dice.below(100) < bad_share {
                    let at = usize::try_from(dice.below(CLASSES.len() as u64)).unwrap();
                    lines.push(bad(CLASSES[at].1, number, time));
                    n_bad += 1;
                    continue;
                }
                // Some have a new field, at the same time as vehicles of other shards.
                let field = match dice.below(4) {
                    0 => format!("g{round}_{vin}_{number}"),
                    1 => format!("g{round}_{number}"),
                    _ => "x".to_owned(),
                };
                lines.push(format!("base{} {field}=1i {time}", dice.below(3)));
                n_good += 1;
            }
            bodies.push((vin, lines));
        }
        let rows = || (0..3).map(|at| database.rows(&format!("base{at}"))).sum::<i64>();
        let rows_before = rows();
        let address = appliance.mqtt();
        thread::scope(|scope| {
            for (vin, lines) in &bodies {
                scope.spawn(move || {
                    let mut vehicle = Vehicle::connect(address, Version::V5, vin);
                    for part in lines.chunks(7) {
                        publish(&mut vehicle, vin, &part.join("\n"));
                        thread::sleep(Duration::from_millis(3));
                    }
                });
            }
        });
        // A line with an unlisted code is set aside only while others pass; so other lines must
        // keep coming.
        let (began, mut more) = (Instant::now(), 0);
        let is_empty = || appliance.count("points.in_spool") == 0;
        until("an empty spool", LONG, || {
            if !is_empty() && began.elapsed() > Duration::from_secs(3) * (more + 1) {
                more += 1;
                let time = T + i64::try_from((round * 10 + 9) * 100).unwrap() + i64::from(more);
                publish(&mut first, "A0", &format!("base0 x=1i {time}"));
            }
            is_empty()
        });
        n_good += i64::from(more);
        assert_eq!(rows() - rows_before, n_good, "round {round}");
        let found = letters(&appliance);
        assert_eq!(found.len() - before, n_bad, "round {round}");
        let lines: BTreeSet<&str> =
            found.iter().filter_map(|letter| letter["line"].as_str()).collect();
        assert_eq!(lines.len(), found.len(), "a letter for each bad line, once");
        let requests = database.written().len() - requests;
        let bound = 60 + 24 * n_bad + usize::try_from(n_good).unwrap();
        assert!(requests <= bound, "round {round}: {requests} requests for {n_bad} bad lines");
    }
}

/// Rounds of the mix.
const ROUNDS: usize = 4;
