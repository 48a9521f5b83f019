//! Stores that fail at random, by seed: whatever they do, every good line is stored, every bad one
//! is a dead letter, the equations balance, and the requests are bounded.
//!
//! `FLEETLINE_TEST_SEEDS` says how many seeds are played of each store (`tests/run`: 200), and
//! `SEED` that it is this one. Each seed chooses lines, bounds, and what the store does: an answer
//! that is lost after all is stored, storms of 503, part of a request stored, slow answers, cut
//! ones, resets, races, and everything killed in the middle. A store behaves in the end, or nothing
//! would ever be over: of any ten requests two are answered as they deserve.

use std::{collections::BTreeSet, num::NonZeroUsize, sync::Mutex, time::Duration};

use futures_util::{StreamExt as _, stream};

use super::{
    fake_store::{Play, Request},
    rig::{Rig, line, options, until},
};
use crate::{model::LineDialect, sink::Options, store::Kind};

/// Seeds that are played unless the environment says otherwise.
const SEEDS: u64 = 12;
/// Seeds that are played at once: most of their time they wait for a store's next try.
const AT_ONCE: usize = 16;
/// Requests for each line at most, those that fail included.
const REQUESTS_MAX: usize = 40;

/// What is wrong with a line, by the key of a field: what a TDengine says of it.
const POISON: [(&str, &str); 9] = [
    ("p0", "[0x263c] Duplicated column names"),
    ("p1", "[0x263e] Row length exceeds max length"),
    ("p2", "[0x263d] Tags length exceeds max length"),
    ("p3", "[0x115] Invalid message"),
    ("p4", "[0x3002] SML line invalid value:1i"),
    ("p5", "[0x3004] the type is not the same like before:p5=1i"),
    ("p6", "[0x60b] Timestamp data out of range"),
    ("p7", "[0x2642] Invalid varbinary/binary/nchar column/tag length"),
    // In no list.
    ("p8", "[0x7777] Something new"),
];

/// Chance that can be had again (SplitMix64).
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn count(&mut self, from: usize, to: usize) -> usize {
        from + usize::try_from(self.below((to - from) as u64)).expect("small")
    }
}

#[expect(clippy::disallowed_methods, reason = "a test may be told how long to play")]
fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    match (number("SEED"), number("FLEETLINE_TEST_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, count) => (0..count.unwrap_or(SEEDS)).collect(),
    }
}

/// What is wrong with a line; nothing with a good one.
fn poison(line: &str) -> Option<usize> {
    POISON.iter().position(|(key, _)| line.contains(&format!(",{key}=")))
}

fn bad_line(idx: usize, poison: usize) -> String {
    let key = POISON[poison].0;
    format!("m,vin=V{idx} x={idx}i,{key}=1i {idx}\n")
}

/// What a store of a kind deserves to answer, and which lines it stores then.
fn answer(kind: Kind, lines: Vec<String>) -> (Vec<String>, u16, String) {
    let bad: Vec<usize> = (0..lines.len()).filter(|at| poison(&lines[*at]).is_some()).collect();
    let Some(first) = bad.first() else { return (lines, 204, String::new()) };
    let what = poison(&lines[*first]).expect("it is bad");
    let good = || lines.iter().filter(|line| poison(line).is_none()).cloned().collect();
    let n_bad = bad.len();
    match kind {
        // Refused whole, but for a time out of range, where part is stored.
        Kind::TdEngine => {
            let words = POISON[what].1;
            let stored = if words.starts_with("[0x60b]") { good() } else { Vec::new() };
            (stored, 500, format!(r#"{{"code":"internal error","message":"{words}"}}"#))
        }
        Kind::InfluxDb3 => {
            let told: Vec<String> = bad
                .iter()
                .map(|at| {
                    let number = at + 1;
                    format!(
                        r#"{{"error_message":"no","line_number":{number},"original_line":"m"}}"#
                    )
                })
                .collect();
            let told = told.join(",");
            let error = "partial write of line protocol occurred";
            (good(), 400, format!(r#"{{"error":"{error}","data":[{told}]}}"#))
        }
        // A line that cannot be read refuses the request; another conflict only itself.
        _ => {
            let unread = |line: &String| poison(line).is_some_and(|what| what.is_multiple_of(2));
            let is_unread = lines.iter().any(unread);
            let words = match is_unread {
                true => "unable to parse 'm': bad".to_owned(),
                false => {
                    format!("partial write: points beyond retention policy dropped={n_bad}")
                }
            };
            let stored = if is_unread { Vec::new() } else { good() };
            match (kind, is_unread) {
                (Kind::InfluxDb1, _) => (stored, 400, format!(r#"{{"error":"{words}"}}"#)),
                (_, true) => (stored, 400, format!(r#"{{"code":"invalid","message":"{words}"}}"#)),
                (_, false) => {
                    let words = format!("failure writing points to database: {words}");
                    let body = format!(r#"{{"code":"unprocessable entity","message":"{words}"}}"#);
                    (stored, 422, body)
                }
            }
        }
    }
}

/// A store that does what the dice say.
fn script(kind: Kind, seed: u64) -> impl Fn(&Request) -> Play + Send + Sync + 'static {
    const VERSION: &str = r#"{"code":0,"column_meta":[["server_version()","VARCHAR",7]],"data":[["3.3.6.6"]],"rows":1}"#;
    const THERE: &str = r#"{"code":0,"column_meta":[["name","VARCHAR",64],["precision","VARCHAR",2]],"data":[["fleet","ns"]],"rows":1}"#;
    let state = Mutex::new((Dice(seed ^ 0x5eed), 0_u64));
    move |request| {
        if request.target.starts_with("/rest/sql") {
            return match (request.holds("server_version"), request.holds("ins_databases")) {
                (true, _) => Play::Answer(200, "", VERSION),
                (_, true) => Play::Answer(200, "", THERE),
                _ => Play::Answer(200, "", r#"{"code":9731,"desc":"Table does not exist"}"#),
            };
        }
        let mut state = state.lock().expect("no test panics here");
        let (dice, storm) = &mut *state;
        if *storm > 0 {
            *storm -= 1;
            return Play::Answer(503, "retry-after: 0", "");
        }
        let wait = Duration::from_millis(if dice.below(8) == 0 { dice.below(40) } else { 0 });
        let (stored, status, body) = answer(kind, request.lines());
        let is_good = status == 204;
        match dice.below(20) {
            0 => Play::Reset,
            1 | 2 if is_good => Play::StoreThenReset,
            3 => {
                *storm = dice.below(12);
                Play::Answer(503, "", "")
            }
            4 => Play::Cut(400, "{"),
            5 => Play::Answer(429, "retry-after: 1", ""),
            6 => Play::Answer(502, "", "<html>bad gateway</html>"),
            7 | 8 if is_good && kind == Kind::TdEngine => {
                let race = r#"{"code":"internal error","message":"[0x3002] Invalid data format"}"#;
                Play::Answer(500, "", race)
            }
            _ => Play::Told(stored, wait, status, body),
        }
    }
}

/// Plays one seed against a store of a kind.
async fn play(kind: Kind, seed: u64) {
    let dice = &mut Dice(seed);
    let bounds = Options {
        batch_lines: NonZeroUsize::new(dice.count(1, 32)).expect("not zero"),
        requests_in_flight: NonZeroUsize::new(dice.count(1, 4)).expect("not zero"),
        batch_age: Duration::from_millis(5),
        unknown_code_patience: Duration::from_millis(40),
        gzip: dice.below(4) == 0,
        // Every other store lets newer points go ahead of those that wait.
        backfill_share_ppm: [0, 0, 200_000, 700_000][dice.count(0, 4)],
        backfill_after: Duration::from_millis(dice.below(20)),
        ..options()
    };
    let store = script(kind, seed);
    let mut rig = Rig::with(bounds, kind, LineDialect::Unsigned, 2, store).await;
    // Of a hundred lines: none, some, or many are bad.
    let share = [0, 5, 50][dice.count(0, 3)];
    let kills_at = (dice.below(3) == 0).then(|| dice.count(1, 30));
    let (mut good, mut bad) = (BTreeSet::new(), BTreeSet::new());
    let mut idx = 1;
    for entry in 0..dice.count(10, 40) {
        let shard = dice.count(0, 2);
        let lines: Vec<String> = (0..dice.count(1, 6))
            .map(|_| {
                idx += 1;
                // What is in no list is told from an outage by what else is accepted: see below.
                let kinds = if shard == 0 { POISON.len() } else { POISON.len() - 1 };
                let text = match dice.below(100) < share {
                    true => bad_line(idx, dice.count(0, kinds)),
                    false => line(idx),
                };
                if poison(&text).is_some() { &mut bad } else { &mut good }.insert(text.clone());
                text
            })
            .collect();
        rig.append(shard, &lines);
        if kills_at == Some(entry) {
            tokio::time::sleep(Duration::from_millis(dice.below(30))).await;
            rig.kill().await;
            rig.start();
        }
    }
    let n_lines = idx;
    // The other shard goes on, so that a store which takes nothing of these lines is no outage.
    let mut beats = 0;
    while kind == Kind::TdEngine && rig.status(0).waiting_entries > 0 {
        idx += 1;
        beats += 1;
        good.insert(line(idx));
        rig.append(1, &[line(idx)]);
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(beats < 6_000, "{kind} SEED={seed}: its lines wait for ever");
    }
    until(&format!("{kind} SEED={seed}: all is confirmed"), || {
        (0..2).all(|shard| rig.status(shard).waiting_entries == 0)
    })
    .await;
    let stored = rig.store.stored();
    let lost: Vec<&String> = good.difference(&stored).collect();
    assert!(lost.is_empty(), "{kind} SEED={seed}: not stored: {lost:?}");
    let letters: BTreeSet<String> = rig
        .letters()
        .into_iter()
        .filter_map(|letter| Some(format!("{}\n", String::from_utf8(letter.line?).ok()?)))
        .collect();
    assert_eq!(letters, bad, "{kind} SEED={seed}: the dead letters");
    let points = rig.points();
    assert!(points.balances() && points.in_spool == 0, "{kind} SEED={seed}: {points:?}");
    let sent = rig.store.requests().len();
    assert!(sent <= REQUESTS_MAX * (n_lines + beats) + 100, "{kind} SEED={seed}: {sent} requests");
}

async fn play_all(kind: Kind) {
    let plays = stream::iter(seeds()).map(|seed| play(kind, seed));
    plays.buffer_unordered(AT_ONCE).collect::<()>().await;
}

#[tokio::test]
async fn influxdb_1_may_fail_in_any_way_and_nothing_is_lost() {
    play_all(Kind::InfluxDb1).await;
}

#[tokio::test]
async fn influxdb_2_may_fail_in_any_way_and_nothing_is_lost() {
    play_all(Kind::InfluxDb2).await;
}

#[tokio::test]
async fn influxdb_3_may_fail_in_any_way_and_nothing_is_lost() {
    play_all(Kind::InfluxDb3).await;
}

#[tokio::test]
async fn tdengine_may_fail_in_any_way_and_nothing_is_lost() {
    play_all(Kind::TdEngine).await;
}
