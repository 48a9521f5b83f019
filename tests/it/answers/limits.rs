//! Bounds on rows, bytes, time and concurrency: past a bound the work is cancelled at the store,
//! and the appliance continues as before.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    fleet::{self, Encoder, TOPIC},
    trial::{publish, start},
};
use crate::harness::{Appliance, Database, Vehicle, Version, until};

/// Queries that exceed each bound.
struct Greedy {
    endless: &'static str,
    many_rows: &'static str,
    many_bytes: &'static str,
}

const SQL: Greedy = Greedy {
    endless: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
              SELECT max(i) FROM n",
    many_rows: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
    many_bytes: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) \
                 SELECT i, hex(zeroblob(200)) FROM n",
};

const INFLUXQL: Greedy = Greedy {
    endless: "SELECT count(x) FROM (SELECT mean(speed) AS x FROM reading \
              WHERE time >= '2025-06-01T00:00:00Z' AND time < '2025-06-01T02:00:00Z' \
              GROUP BY time(1ns) fill(0))",
    many_rows: "SELECT mean(speed) FROM reading \
                WHERE time >= '2025-06-01T00:00:00Z' AND time < '2025-06-01T02:00:00Z' \
                GROUP BY time(100ms) fill(0)",
    many_bytes: "SELECT mean(speed) AS a, max(speed) AS b, min(speed) AS c, sum(speed) AS d, \
                 first(speed) AS e, last(speed) AS f, median(speed) AS g, mode(speed) AS h, \
                 spread(speed) AS i, stddev(speed) AS j FROM reading \
                 WHERE time >= '2025-06-01T00:00:00Z' AND time < '2025-06-01T00:15:00Z' \
                 GROUP BY time(1s) fill(0.1)",
};

const FLUX: Greedy = Greedy {
    // Many queries in one: InfluxDB does not check for a closed connection while it generates one
    // table, but before each query.
    endless: "import \"generate\"\n\
              table = (count) => generate.from(count: count, fn: (n) => n * n, \
              start: 2025-01-01T00:00:00Z, stop: 2025-01-02T00:00:00Z)\n\
              table(count: 100000) |> map(fn: (r) => ({r with _value: \
              (table(count: 100000) |> sum() |> findRecord(fn: (key) => true, idx: 0))._value}))",
    many_rows: "import \"generate\"\n\
                generate.from(count: 20000, fn: (n) => n, \
                start: 2025-01-01T00:00:00Z, stop: 2025-01-02T00:00:00Z)",
    many_bytes: "import \"generate\"\n\
                 generate.from(count: 900, fn: (n) => n, \
                 start: 2025-01-01T00:00:00Z, stop: 2025-01-02T00:00:00Z) \
                 |> set(key: \"text\", value: \"0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789\")",
};

const MINUTE: Duration = Duration::from_mins(1);
/// The CPU share below which a process counts as idle.
const IDLE: f64 = 0.3;
/// Clock ticks a second, as the kernel counts them for everybody.
const TICKS: f64 = 100.0;

#[track_caller]
pub(crate) fn check_limits(database: &Database) {
    let settings = [
        ("query.time-max", "1s"),
        ("query.rows-max", "1000"),
        ("query.bytes-max", "64KiB"),
        ("query.concurrent-max", "2"),
    ];
    let appliance = start(database, &settings);
    publish(&appliance, &fleet::early());
    let language = database.language();
    let greedy = match language {
        "sql" => SQL,
        "influxql" => INFLUXQL,
        _ => FLUX,
    };
    check_time(database, &appliance, greedy.endless);
    for (text, code, reason) in [
        (greedy.many_rows, "too-many-rows", "rows"),
        (greedy.many_bytes, "too-many-bytes", "bytes"),
    ] {
        check_size(&appliance, language, text, code, reason);
    }
    check_many(database, &appliance, greedy.endless);
    let (status, body) = appliance.get("/api/v1/telemetry/reading?from=2025-06-01T00:00:00Z");
    assert_eq!(status, 200, "{body}");
}

/// An endless query is cancelled, and everything else works meanwhile.
#[track_caller]
fn check_time(database: &Database, appliance: &Appliance, text: &str) {
    let language = database.language();
    let began = Instant::now();
    let point = &fleet::early()[0];
    thread::scope(|scope| {
        let endless = scope.spawn(|| appliance.query(language, text, &json!({})));
        let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "meanwhile");
        while !endless.is_finished() {
            vehicle.publish_acked(TOPIC, &Encoder::new().message(point), 1);
            assert_eq!(appliance.get("/healthz").0, 200);
            assert_eq!(appliance.get("/api/v1/telemetry/reading").0, 200);
        }
        let (status, body) = endless.join().unwrap();
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(status, 504, "{body}");
        assert_eq!(answer["error"]["code"], "query-timed-out", "{body}");
        assert_eq!(answer["error"]["details"]["max_ms"], 1_000, "{body}");
    });
    assert!(began.elapsed() >= Duration::from_secs(1), "it was not asked for long");
    check_idle(database, appliance);
}

/// The process that computed is idle again.
#[track_caller]
fn check_idle(database: &Database, appliance: &Appliance) {
    let pids = match database {
        Database::Embedded => vec![appliance.pid()],
        Database::Servers(servers) => servers.iter().map(|server| server.pid()).collect(),
        Database::TdEngine(_) => panic!("a stand-in computes nothing that could be cancelled"),
    };
    for pid in pids {
        let mut before = (Instant::now(), ticks(pid));
        until("the work to be cancelled", MINUTE, || {
            let elapsed = before.0.elapsed();
            if elapsed < Duration::from_millis(300) {
                return false;
            }
            let now = ticks(pid);
            let share = f64::from(now - before.1) / TICKS / elapsed.as_secs_f64();
            before = (Instant::now(), now);
            share < IDLE
        });
    }
}

/// CPU time of a process, user and system.
fn ticks(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap()
}

/// An answer that is too large is an error or, after its first rows were sent, a broken body.
#[track_caller]
fn check_size(appliance: &Appliance, language: &str, text: &str, code: &str, reason: &str) {
    let series = format!("fleetline_query_failed_questions_total{{reason=\"{reason}\"}}");
    let failed = || appliance.metric(&series).unwrap_or_default();
    assert!(failed().abs() < 0.5, "{reason}: {}", failed());
    match appliance.try_query(language, text, &json!({})) {
        Ok((status, body)) => {
            assert_eq!(status, 422, "{text}: {body}");
            assert!(body.contains(code), "{text}: {body}");
        }
        // The connection was closed before the end of the body, as HT-2 promises.
        Err(error) => assert!(!error.is_timeout() && !error.is_connect(), "{text}: {error:?}"),
    }
    until(reason, MINUTE, || failed() > 0.5);
}

/// Of many concurrent endless queries each ends after its own time, or its time in the queue.
#[track_caller]
fn check_many(database: &Database, appliance: &Appliance, text: &str) {
    let language = database.language();
    thread::scope(|scope| {
        let ask = || appliance.query(language, text, &json!({}));
        let all: Vec<_> = (0..6).map(|_| scope.spawn(ask)).collect();
        let mut statuses: Vec<u16> = all.into_iter().map(|one| one.join().unwrap().0).collect();
        statuses.sort_unstable();
        assert!(statuses.iter().all(|status| matches!(status, 503 | 504)), "{statuses:?}");
        assert!(statuses.contains(&503) && statuses.contains(&504), "{statuses:?}");
    });
    check_idle(database, appliance);
}
