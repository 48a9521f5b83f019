//! The bounds of one native query on an embedded store: memory, time and temporary files, while
//! points are still stored.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    harness::{Appliance, Setup, Vehicle, Version, until},
    refusals::LINES,
};

const MINUTE: Duration = Duration::from_mins(1);

/// The allowed memory of the appliance and the processes of its queries above its idle memory: two
/// queries of 64 MiB, two programs, and the rows in transit.
const MARGIN_KIB: u64 = 192 << 10;

fn filled() -> Appliance {
    let appliance = Setup::new().schema("lines.toml", LINES).start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "lines");
    let lines: String = (0..2000)
        .map(|at| format!("m a={at},s=\"{}\" {}\n", "x".repeat(100), now() + at))
        .collect();
    assert_eq!(vehicle.publish_acked("vehicles/V/lines", lines.as_bytes(), 1).reason(), 0);
    until("an empty spool", MINUTE, || appliance.count("points.in_spool") == 0);
    appliance
}

fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_nanos()).unwrap()
}

/// Resident KiB of a process and its children.
fn resident_kib(pid: u32) -> u64 {
    let rss = |pid: &str| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:").map(str::to_owned));
        line.map_or(0, |line| line.trim().trim_end_matches(" kB").parse().unwrap())
    };
    let mut sum = rss(&pid.to_string());
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let children = task.unwrap().path().join("children");
        let children = fs::read_to_string(children).unwrap_or_default();
        sum += children.split_whitespace().map(rss).sum::<u64>();
    }
    sum
}

/// Runs a query while the memory of all processes is measured; checks status, code and key of the
/// error.
#[track_caller]
fn check(appliance: &Appliance, text: &str, expect: (u16, &str, &str)) {
    let before = resident_kib(appliance.pid());
    let peak = AtomicU64::new(before);
    let is_over = AtomicBool::new(false);
    let answered = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                peak.fetch_max(resident_kib(appliance.pid()), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(2));
            }
        });
        let answered = appliance.query("sql", text, &json!({}));
        is_over.store(true, Ordering::Relaxed);
        answered
    });
    let grown = peak.into_inner() - before;
    assert!(grown < MARGIN_KIB, "{text:.200}: {grown} KiB more");
    let (status, body) = answered;
    let body: Value = serde_json::from_str(&body).unwrap();
    let error = &body["error"];
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found = (status, word(&error["code"]), word(&error["details"]["key"]));
    assert_eq!((found.0, found.1.as_str(), found.2.as_str()), expect, "{text:.200}: {body}");
}

#[test]
fn no_query_takes_more_than_its_memory_and_all_points_are_stored_meanwhile() {
    let appliance = filled();
    let stored = appliance.count("points.stored");
    let is_over = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "writer");
            let mut sent = 0;
            while !is_over.load(Ordering::Relaxed) {
                let line = format!("m a={sent} {}", now());
                let ack = vehicle.publish_acked("vehicles/W/lines", line.as_bytes(), 1);
                assert_eq!(ack.reason(), 0);
                sent += 1;
            }
            sent
        });
        // Also on a panic: otherwise the writer would never end.
        let asked = catch_unwind(AssertUnwindSafe(|| greedy(&appliance)));
        is_over.store(true, Ordering::Relaxed);
        let sent = writer.join().unwrap();
        asked.unwrap();
        sent
    });
    until("an empty spool", MINUTE, || appliance.count("points.in_spool") == 0);
    assert_eq!(appliance.count("points.stored"), stored + sent);
    assert_eq!(appliance.count("points.dead_lettered"), 0);
}

fn greedy(appliance: &Appliance) {
    let value = (422, "question-too-large", "store.question-value-max");
    let memory = (422, "question-too-large", "store.question-memory-max");
    let fits = (200, "", "");
    let wide = |of: &str| vec![of; 1900].join(", ");
    for (text, expect) in [
        ("SELECT length(randomblob(1000000000)) AS n", value),
        ("SELECT length(zeroblob(1000000000)) AS n", value),
        ("SELECT length(hex(zeroblob(1000000000))) AS n", value),
        ("SELECT json_group_array(a.s) AS j FROM m a, m b", memory),
        ("SELECT length(group_concat(a.s)) AS n FROM m a, m b", value),
        ("SELECT printf('%*c', 1000000000, 'x') AS t", value),
        ("SELECT replace(hex(zeroblob(500000)), '0', hex(zeroblob(500000))) AS t", value),
        ("SELECT substr(s || s, 1, 1) AS t FROM m LIMIT 1", fits),
    ] {
        check(appliance, text, expect);
    }
    check(appliance, &format!("SELECT {}", wide("hex(randomblob(400000))")), memory);
    // Each CTE refers twice to the one before: SQLite itself counts these.
    let mut doubling = "WITH c0 AS (SELECT 1 AS x)".to_owned();
    for at in 1..30 {
        let before = at - 1;
        doubling += &format!(", c{at} AS (SELECT a.x FROM c{before} a, c{before} b)");
    }
    let refused = (400, "query-refused", "");
    check(appliance, &format!("{doubling} SELECT count(*) FROM c29"), refused);
    let recursive = "WITH RECURSIVE r(x, b) AS (SELECT 1, randomblob(100000) UNION ALL \
                     SELECT x + 1, randomblob(100000) FROM r LIMIT 10000)";
    let temporary = (422, "question-too-large", "store.question-temporary-max");
    check(appliance, &format!("{recursive} SELECT b FROM r ORDER BY b"), temporary);
}

#[test]
fn every_bound_of_a_query_is_refused_with_its_key() {
    let appliance = Setup::new()
        .schema("lines.toml", LINES)
        .set("store.question-steps-max", "10000000")
        .set("store.question-text-max", "2KiB")
        .set("store.question-columns-max", "200")
        .set("store.question-compounds-max", "130")
        .start();
    let too_large = |key: &'static str| (422, "question-too-large", key);
    let nested = format!("SELECT {}1{}", "abs(".repeat(150), ")".repeat(150));
    check(&appliance, &nested, too_large("store.question-depth-max"));
    let columns = format!("SELECT {}", vec!["1"; 201].join(","));
    check(&appliance, &columns, too_large("store.question-columns-max"));
    let compounds = vec!["SELECT 1"; 131].join("\nUNION ");
    check(&appliance, &compounds, too_large("store.question-compounds-max"));
    let pattern = format!("SELECT 'a' LIKE '{}'", "%a".repeat(501));
    check(&appliance, &pattern, too_large("store.question-pattern-max"));
    let text = format!("SELECT '{}'", "x".repeat(2048));
    check(&appliance, &text, too_large("store.question-text-max"));
    let steps = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT max(x) \
                 FROM r";
    check(&appliance, steps, too_large("store.question-steps-max"));
    let failed = appliance.metric("fleetline_query_failed_questions_total").unwrap();
    assert!(failed >= 6.0, "{failed}");
}

#[test]
fn one_long_step_ends_with_the_time_of_its_query() {
    let appliance = Setup::new().set("query.time-max", "1s").start();
    // A single long function call, during which SQLite does not check the clock.
    let text = "WITH t(s) AS (SELECT hex(zeroblob(500000)) UNION SELECT '') \
                SELECT instr(s, substr(s, 1, 500000) || '1') AS x FROM t";
    let since = Instant::now();
    check(&appliance, text, (504, "query-timed-out", ""));
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}
