//! Queries of a store that the real writer has written.

use std::{sync::Arc, time::Duration};

use tempfile::TempDir;

use super::*;
use crate::{
    env::{Supervisor, SystemClock},
    model::{UnixNanos, Value, ValueType},
    store::{
        embedded::Writer,
        options::{Embedded, NativeQueryLimits, Partition},
        query::{Language, StoreQuery, StoreQueryError, StoreQueryLimits},
        verdict::Verdict,
    },
    telemetry::{HealthBoard, Metrics},
};

/// 2026-11-23T00:00:00Z
const T: i64 = 1_795_392_000_000_000_000;
const DAY: i64 = 86_400_000_000_000;
const LIMITS: StoreQueryLimits =
    StoreQueryLimits { rows_max: 1000, bytes_max: 1 << 20, time_max: Duration::from_secs(30) };

struct Rig {
    _dir: TempDir,
    writer: Writer,
    reader: Reader,
    runtime: tokio::runtime::Runtime,
}

type Answered = Result<(Vec<(String, ValueType)>, Vec<Vec<Value>>), StoreQueryError>;

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let options = Embedded {
            dir: dir.path().join("a folder?#%"),
            retention: None,
            partition: Partition::Day,
            cache_bytes: 8 << 20,
            questions: NativeQueryLimits::default(),
            answerer: None,
        };
        let metrics = Arc::new(Metrics::new(HealthBoard::default()));
        let clock = || Arc::new(SystemClock::start());
        let writer =
            Writer::open(options.clone(), clock(), metrics, &Supervisor::default()).expect("opens");
        let reader = Reader::new(options, clock());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        Self { _dir: dir, writer, reader, runtime: runtime.expect("a runtime") }
    }

    fn with(lines: &str) -> Self {
        let rig = Self::new();
        let verdict = rig.runtime.block_on(rig.writer.write(lines.to_owned().into()));
        assert_eq!(verdict, Verdict::Accepted);
        rig
    }

    fn answer_within(&self, query: StoreQuery, limits: StoreQueryLimits) -> Answered {
        self.runtime.block_on(async {
            let mut rows = self.reader.query(query, limits).await?;
            let columns = rows.columns.into_iter().map(|column| (column.name, column.kind));
            let mut all = Vec::new();
            while let Some(chunk) = rows.chunks.recv().await {
                all.extend(chunk?);
            }
            Ok((columns.collect(), all))
        })
    }

    fn query(&self, text: &str) -> Answered {
        self.answer_within(StoreQuery::new(Language::Sql, text), LIMITS)
    }

    #[track_caller]
    fn check_refused(&self, text: &str, words: &str) {
        match self.query(text) {
            Err(StoreQueryError::Refused { message }) => {
                assert!(message.contains(words), "{text}: {message}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

fn three_days() -> Rig {
    Rig::with(&format!(
        "telemetry,vin=A speed=1.5,on=t {T}\n\
         telemetry,vin=B odo=9007199254740993i,note=\"x\" {}\n\
         telemetry,vin=A speed=2.5 {}\n",
        T + DAY,
        T + 2 * DAY
    ))
}

#[test]
fn a_measurement_is_one_table_over_all_its_files_with_the_types_of_its_columns() {
    let (columns, rows) =
        three_days().query("SELECT * FROM telemetry ORDER BY time").expect("an answer");
    let (time, float, boolean) = (ValueType::Timestamp, ValueType::Float, ValueType::Boolean);
    let mut found = columns.clone();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let expect = [
        ("note", ValueType::String),
        ("odo", ValueType::Integer),
        ("on", boolean),
        ("speed", float),
        ("time", time),
        ("vin", ValueType::String),
    ];
    assert_eq!(found, expect.map(|(name, kind)| (name.to_owned(), kind)));
    let at = |name: &str| columns.iter().position(|column| column.0 == name).expect("a column");
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0][at("time")], Value::Timestamp(UnixNanos(T)));
    assert_eq!(rows[0][at("on")], Value::Boolean(true));
    assert_eq!(rows[1][at("odo")], Value::Integer(9_007_199_254_740_993));
    assert_eq!(rows[1][at("speed")], Value::Null);
    assert_eq!(rows[2][at("speed")], Value::Float(2.5));
}

#[test]
fn a_hint_about_time_leaves_the_other_files_closed() {
    let rig = three_days();
    let mut query = StoreQuery::new(Language::Sql, "SELECT count(*) AS n FROM telemetry");
    query.range = Some(UnixNanos(T + DAY)..UnixNanos(T + DAY + 1));
    let (_, rows) = rig.answer_within(query.clone(), LIMITS).expect("an answer");
    assert_eq!(rows, [[Value::Integer(1)]]);
    query.text = "SELECT vin FROM telemetry WHERE time < 5".to_owned();
    query.range = Some(UnixNanos(0)..UnixNanos(5));
    let (columns, rows) = rig.answer_within(query, LIMITS).expect("an answer");
    assert_eq!(columns, [("vin".to_owned(), ValueType::String)]);
    assert!(rows.is_empty());
}

/// One file with all columns; several files, of which the last has all columns; several, of which
/// the last lacks some.
#[test]
fn types_are_the_declared_ones_with_any_set_of_files() {
    let all =
        |day: i64| format!("telemetry,vin=A speed=1,odo=1i,on=t,note=\"x\" {}\n", T + day * DAY);
    let some = |day: i64| format!("telemetry,vin=A speed=2 {}\n", T + day * DAY);
    let text = "SELECT time AS a, vin AS b, speed AS c, odo AS d, \"on\" AS e, note AS f \
                FROM (SELECT * FROM telemetry) WHERE c IS NULL ORDER BY a LIMIT 5";
    for lines in [all(0), some(0) + &all(1), all(0) + &all(1), all(0) + &some(1)] {
        let (columns, rows) = Rig::with(&lines).query(text).expect("an answer");
        let kinds: Vec<ValueType> = columns.into_iter().map(|(_, kind)| kind).collect();
        let expect = [
            ValueType::Timestamp,
            ValueType::String,
            ValueType::Float,
            ValueType::Integer,
            ValueType::Boolean,
            ValueType::String,
        ];
        assert_eq!(kinds, expect, "{lines}");
        assert!(rows.is_empty());
    }
}

#[test]
fn parameters_are_bound_as_data() {
    let rig = three_days();
    let mut query = StoreQuery::new(Language::Sql, "SELECT $x AS x, count(*) AS n FROM telemetry");
    for text in ["' OR 1=1 --", "\"; DROP TABLE telemetry; --", "$x", "\\", "é\0"] {
        query.params = vec![("x".to_owned(), Value::String(text.to_owned()))];
        let (_, rows) = rig.answer_within(query.clone(), LIMITS).expect("an answer");
        assert_eq!(rows, [[Value::String(text.to_owned()), Value::Integer(3)]]);
    }
    query.params.clear();
    let error = rig.answer_within(query.clone(), LIMITS).expect_err("no value").to_string();
    assert_eq!(error, "the parameter `$x` has no value");
    query.params = ["x", "y"].map(|name| (name.to_owned(), Value::Integer(1))).to_vec();
    let error = rig.answer_within(query, LIMITS).expect_err("one too many").to_string();
    assert_eq!(error, "the question has no parameter `$y`");
}

/// EM-6, without the guard before it.
#[test]
fn only_reading_statements_can_be_prepared() {
    let rig = three_days();
    for text in [
        "DELETE FROM telemetry",
        "INSERT INTO telemetry (time) VALUES (1)",
        "UPDATE f0._points SET speed = 1",
        "DROP VIEW telemetry",
        "CREATE TABLE mine (x)",
        "ATTACH 'x.sqlite' AS x",
        "PRAGMA f0.user_version = 3",
        "PRAGMA query_only = 0",
        "SELECT load_extension('x')",
        "VACUUM INTO 'x.sqlite'",
        "BEGIN",
    ] {
        match rig.query(text) {
            Err(StoreQueryError::Refused { .. }) => {}
            other => panic!("{text}: {other:?}"),
        }
    }
    let (_, rows) = rig.query("SELECT count(*) FROM telemetry").expect("an answer");
    assert_eq!(rows, [[Value::Integer(3)]]);
    rig.check_refused("SELECT * FROM absent", "there is no measurement `absent` in the store");
    rig.check_refused("SELECT absent FROM telemetry", "no such column: absent");
    rig.check_refused("SELEC", "syntax error");
    rig.check_refused("SELECT duration('x')", "`x` is no duration");
}

#[test]
fn every_bound_ends_the_work_with_its_name() {
    let rig = three_days();
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT";
    let query = |what: &str| StoreQuery::new(Language::Sql, format!("{endless} {what} FROM n"));
    let past = |what: &str, limits| rig.answer_within(query(what), limits).expect_err("a bound");
    assert_eq!(past("i", LIMITS), StoreQueryError::Rows { max: 1000 });
    let bytes = StoreQueryLimits { bytes_max: 10_000, ..LIMITS };
    assert_eq!(past("hex(zeroblob(1000))", bytes), StoreQueryError::Bytes { max: 10_000 });
    let time = StoreQueryLimits { time_max: Duration::from_millis(50), ..LIMITS };
    assert_eq!(past("max(i)", time), StoreQueryError::Time { max_ms: 50 });
}

#[test]
fn now_and_durations_are_nanoseconds() {
    let (_, rows) = Rig::new()
        .query("SELECT now() > 1795392000000000000 - duration('36500d'), duration('1h 30m')")
        .expect("an answer");
    assert_eq!(rows, [[Value::Integer(1), Value::Integer(5_400_000_000_000)]]);
}

#[test]
fn the_columns_of_a_measurement_are_those_of_the_files_that_are_read() {
    let rig = three_days();
    let columns = |name: &str, range: std::ops::Range<i64>| {
        let range = UnixNanos(range.start)..UnixNanos(range.end);
        let columns = rig.reader.columns(name.to_owned(), range);
        let mut found = rig.runtime.block_on(columns).expect("an answer");
        found.sort();
        found
    };
    assert_eq!(columns("telemetry", 0..i64::MAX), ["note", "odo", "on", "speed", "vin"]);
    assert_eq!(columns("telemetry", T + DAY..T + 2 * DAY), ["note", "odo", "vin"]);
    assert_eq!(columns("telemetry", 0..5), ["speed", "vin"], "of the last one");
    assert!(columns("nothing", 0..i64::MAX).is_empty());
}
