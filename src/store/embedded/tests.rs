//! The writing side on real SQLite files: what is stored, merged, refused, kept and dropped.

#![expect(clippy::disallowed_methods, reason = "the files are SQLite's, not behind the seam")]

use std::{path::Path, sync::Arc, time::Duration};

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::{
    env::{Clock, Supervisor, SystemClock},
    store::{
        options::{Embedded, NativeQueryLimits, Partition},
        verdict::Verdict,
    },
    telemetry::{HealthBoard, Metrics},
};

fn options(dir: &Path) -> Embedded {
    Embedded {
        dir: dir.to_path_buf(),
        retention: None,
        partition: Partition::Month,
        cache_bytes: 8 << 20,
        questions: NativeQueryLimits::default(),
        answerer: None,
    }
}

fn open(options: &Embedded) -> Result<Writer, OpenError> {
    let metrics = Arc::new(Metrics::new(HealthBoard::default()));
    Writer::open(options.clone(), Arc::new(SystemClock::start()), metrics, &Supervisor::default())
}

/// A store in its own folder, and a runtime for it.
struct Rig {
    dir: TempDir,
    writer: Writer,
    runtime: tokio::runtime::Runtime,
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let writer = open(&options(dir.path())).expect("opens");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Self { dir, writer, runtime }
    }

    /// Closes it, and opens it again after `meanwhile`.
    fn reopened(self, meanwhile: impl FnOnce()) -> Self {
        let Self { dir, writer, runtime } = self;
        drop(writer);
        meanwhile();
        let writer = open(&options(dir.path())).expect("opens");
        Self { dir, writer, runtime }
    }

    fn write(&self, lines: &str) -> Verdict {
        self.runtime.block_on(self.writer.write(lines.to_owned().into()))
    }

    /// The refused lines: their indices and the reasons.
    #[track_caller]
    fn refused(&self, lines: &str) -> Vec<(usize, String)> {
        match self.write(lines) {
            Verdict::Accepted => Vec::new(),
            Verdict::Partial { refused } => {
                refused.into_iter().map(|refusal| (refusal.line, refusal.answer)).collect()
            }
            other => panic!("neither stored nor refused: {other:?}"),
        }
    }

    /// The rows of a query on one file, as text.
    #[track_caller]
    fn rows(&self, file: &str, sql: &str) -> Vec<String> {
        rows(&self.dir.path().join(file), sql)
    }
}

#[track_caller]
fn rows(path: &Path, sql: &str) -> Vec<String> {
    let connection = Connection::open(path).expect("a file of SQLite");
    let mut statement = connection.prepare(sql).expect("SQL");
    let n_columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let value = |at| -> rusqlite::Result<String> {
            let value: rusqlite::types::Value = row.get(at)?;
            Ok(format!("{value:?}"))
        };
        let values: Result<Vec<String>, _> = (0..n_columns).map(value).collect();
        Ok(values?.join(" "))
    });
    rows.expect("rows").collect::<Result<_, _>>().expect("rows")
}

const NOVEMBER: &str = "telemetry/2026-11.sqlite";
/// 2026-11-23T00:00:00Z
const T: i64 = 1_795_392_000_000_000_000;

#[test]
fn a_point_is_read_back_as_it_was_written_with_the_type_of_each_field() {
    let rig = Rig::new();
    let line = format!(
        "telemetry,vin=V\\ 1,model=x speed=12.5,odo=9223372036854775807i,on=t,note=\"a\\\"b, c\" {T}\n"
    );
    assert_eq!(rig.write(&line), Verdict::Accepted);
    assert_eq!(
        rig.rows(NOVEMBER, "SELECT time, vin, model, speed, odo, \"on\", note FROM telemetry"),
        [format!(
            "Integer({T}) Text(\"V 1\") Text(\"x\") Real(12.5) Integer(9223372036854775807) \
             Integer(1) Text(\"a\\\"b, c\")"
        )]
    );
    assert_eq!(
        rig.rows(NOVEMBER, "SELECT name, type FROM pragma_table_info('telemetry')"),
        [
            "Text(\"time\") Text(\"TIMESTAMP\")",
            "Text(\"model\") Text(\"TEXT\")",
            "Text(\"vin\") Text(\"TEXT\")",
            "Text(\"speed\") Text(\"REAL\")",
            "Text(\"odo\") Text(\"INTEGER\")",
            "Text(\"on\") Text(\"BOOLEAN\")",
            "Text(\"note\") Text(\"TEXT\")",
        ]
    );
}

/// EM-4, within a request, across requests, and with the tags in another order.
#[test]
fn equal_series_and_time_merge_and_the_last_value_wins() {
    let rig = Rig::new();
    let lines = format!("telemetry,a=1,b=2 x=1,y=1 {T}\ntelemetry,a=1,b=2 x=2,z=5i {T}\n");
    assert_eq!(rig.write(&lines), Verdict::Accepted);
    assert_eq!(rig.write(&lines), Verdict::Accepted, "sent again");
    assert_eq!(rig.write(&format!("telemetry,b=2,a=1 y=7 {T}\n")), Verdict::Accepted);
    let all = "SELECT x, y, z FROM telemetry";
    assert_eq!(rig.rows(NOVEMBER, all), ["Real(2.0) Real(7.0) Integer(5)"]);
}

#[test]
fn more_requests_than_are_held_at_once_are_all_stored() {
    let rig = Rig::new();
    let request = |n: usize| format!("telemetry,vin=V x={n}i {}\n", T + n as i64).into();
    let all = (0..3 * REQUESTS_MAX).map(|n| rig.writer.write(request(n)));
    let verdicts = rig.runtime.block_on(futures_util::future::join_all(all));
    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Accepted));
    let stored = rig.rows(NOVEMBER, "SELECT count(DISTINCT x) FROM telemetry");
    assert_eq!(stored, [format!("Integer({})", 3 * REQUESTS_MAX)]);
}

/// EM-2 and EM-3, across periods and a restart.
#[test]
fn a_field_of_another_type_is_refused_and_its_neighbours_are_stored() {
    let mut rig = Rig::new();
    assert_eq!(rig.write(&format!("telemetry,vin=V x=1i {T}\n")), Verdict::Accepted);
    let lines = format!(
        "telemetry,vin=V x=2i {}\ntelemetry,vin=V y=1,x=2.5 {}\ntelemetry,vin=V x=3i {}\n",
        T + 1,
        T + 2,
        T + 3
    );
    let expect = [(1, "`x` is a float here and an integer in the store".to_owned())];
    assert_eq!(rig.refused(&lines), expect);
    let december = "telemetry,vin=V x=2.5 1797392000000000000\n";
    let expect = [(0, expect[0].1.clone())];
    assert_eq!(rig.refused(december), expect, "another period");
    let Rig { dir, writer, runtime } = rig;
    drop(writer);
    let writer = open(&options(dir.path())).expect("opens");
    rig = Rig { dir, writer, runtime };
    assert_eq!(rig.refused(december), expect, "after a restart");
    assert_eq!(
        rig.rows(NOVEMBER, "SELECT x FROM telemetry ORDER BY time"),
        ["Integer(1)", "Integer(2)", "Integer(3)"]
    );
}

#[test]
fn names_that_sqlite_treats_as_equal_are_refused() {
    let rig = Rig::new();
    assert_eq!(rig.write(&format!("telemetry,vin=V speed=1 {T}\n")), Verdict::Accepted);
    let check = |line: &str, why: &str| {
        assert_eq!(rig.refused(&format!("{line} {T}\n")), [(0, why.to_owned())], "{line}");
    };
    check(
        "telemetry,vin=V Speed=1",
        "`Speed` differs from the column `speed` only in case, which SQLite ignores",
    );
    check(
        "telemetry,vin=V new=1,NEW=2",
        "`NEW` differs from the column `new` only in case, which SQLite ignores",
    );
    check("telemetry,vin=V vin=1", "`vin` is a float here and a tag in the store");
    check("telemetry,speed=V x=1", "`speed` is a tag here and a float in the store");
    check("telemetry,vin=V _series=1", "`_series` is a column that the store needs for itself");
    check("telemetry,TIME=V x=1", "`TIME` is a column that the store needs for itself");
    check("telemetry,vin=V x=9223372036854775808i", "field `x` holds no value of this store");
    check("sqlite_x,vin=V x=1", "`sqlite_x` cannot be a measurement of this store");
    let long = "m".repeat(300);
    check(&format!("{long},vin=V x=1"), &format!("`{long}` cannot be a measurement of this store"));
}

#[test]
fn any_name_is_quoted() {
    let rig = Rig::new();
    let line = format!("te\\,le\\ \"m,v\"i\\=n=a\\,b; s\"p'\\ DROP\\ TABLE\\ _points;--=1 {T}\n");
    assert_eq!(rig.refused(&line), []);
    let file = "te%2Cle%20%22m/2026-11.sqlite";
    assert_eq!(rig.rows(file, "SELECT \"v\"\"i=n\" FROM \"te,le \"\"m\""), ["Text(\"a,b;\")"]);
    assert_eq!(rig.rows(file, "SELECT count(*) FROM _points"), ["Integer(1)"]);
}

#[test]
fn more_columns_than_allowed_are_refused_and_as_many_are_stored() {
    let rig = Rig::new();
    let fields: Vec<String> = (0..FIELDS_MAX).map(|n| format!("f{n}={n}")).collect();
    let line = format!("telemetry,vin=V {} {T}\n", fields.join(","));
    assert_eq!(rig.refused(&line), []);
    assert_eq!(
        rig.refused(&format!("telemetry,vin=V one_more=1 {T}\n")),
        [(0, "the field `one_more` would be one more than 1000".to_owned())]
    );
    assert_eq!(rig.rows(NOVEMBER, "SELECT f999 FROM telemetry"), ["Real(999.0)"]);
}

#[test]
fn a_file_holds_a_month_or_a_day_and_that_cannot_change() {
    let rig = Rig::new();
    let december = T + 10 * 86_400 * 1_000_000_000;
    let lines = format!("telemetry,vin=V x=1 {T}\ntelemetry,vin=V x=2 {december}\n");
    assert_eq!(rig.write(&lines), Verdict::Accepted);
    assert_eq!(rig.rows(NOVEMBER, "SELECT x FROM telemetry"), ["Real(1.0)"]);
    assert_eq!(rig.rows("telemetry/2026-12.sqlite", "SELECT x FROM telemetry"), ["Real(2.0)"]);
    let Rig { dir, writer, .. } = rig;
    drop(writer);
    let day = Embedded { partition: Partition::Day, ..options(dir.path()) };
    let error = open(&day).expect_err("files a month");
    assert!(error.to_string().contains("holds files a month"), "{error}");
}

/// EM-5: points past the retention are refused, and files with only such points are dropped.
#[test]
fn the_retention_drops_whole_files_and_refuses_what_comes_too_late() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let hour = 3_600_000_000_000;
    let now = SystemClock::start().wall().0;
    let (fresh, old) = (now - hour, now - 100 * 24 * hour);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let keep = Embedded { partition: Partition::Day, ..options(dir.path()) };
    let lines = format!("telemetry,vin=V x=1 {fresh}\ntelemetry,vin=V x=2 {old}\n");
    let writer = open(&keep).expect("opens");
    assert_eq!(runtime.block_on(writer.write(lines.clone().into())), Verdict::Accepted);
    drop(writer);
    let n_files = || folder::list(dir.path(), Partition::Day).expect("a folder").len();
    assert_eq!(n_files(), 2);
    let drops = Embedded { retention: Some(Duration::from_secs(30 * 24 * 3600)), ..keep };
    let writer = open(&drops).expect("opens");
    match runtime.block_on(writer.write(lines.into())) {
        Verdict::Partial { refused } => {
            assert_eq!(refused[0].line, 1);
            assert_eq!(refused[0].answer, "the point is past the retention");
        }
        other => panic!("stored past the retention: {other:?}"),
    }
    drop(writer);
    assert_eq!(n_files(), 1);
}

#[test]
fn a_foreign_file_holds_up_its_own_lines_and_no_others() {
    let rig = Rig::new();
    let folder = rig.dir.path().join("telemetry");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("2026-11.sqlite"), "no database at all".repeat(100))
        .expect("a file");
    let line = format!("telemetry,vin=V x=1 {T}\n");
    assert_eq!(rig.write(&line), Verdict::Accepted, "what is no database is set aside");
    assert_eq!(rig.write(&line.replace("telemetry", "trips")), Verdict::Accepted);
    let rig = rig.reopened(|| {
        std::fs::remove_dir_all(&folder).expect("moved away");
        std::fs::create_dir(&folder).expect("a folder");
    });
    let foreign = Connection::open(folder.join("2026-11.sqlite")).expect("a file");
    foreign.execute_batch("CREATE TABLE mine (x)").expect("a table");
    drop(foreign);
    match rig.write(&line) {
        Verdict::Halted { reason } => {
            assert!(reason.ends_with("it is not a file of this store"), "{reason}");
        }
        other => panic!("not held: {other:?}"),
    }
    let ours = rig.dir.path().join("trips/2026-11.sqlite");
    drop(rig.writer);
    Connection::open(&ours).expect("a file").pragma_update(None, "user_version", 9).expect("set");
    let writer = open(&options(rig.dir.path())).expect("opens");
    let verdict = rig.runtime.block_on(writer.write(line.replace("telemetry", "trips").into()));
    match verdict {
        Verdict::Halted { reason } => assert!(reason.contains("has version 9"), "{reason}"),
        other => panic!("not held: {other:?}"),
    }
}

/// Points are clustered by series and time: a query of one vehicle's hour reads only those.
#[test]
fn a_vehicle_and_a_range_of_time_are_found_by_the_clustered_key() {
    let rig = Rig::new();
    assert_eq!(rig.write(&format!("telemetry,vin=V,model=m x=1 {T}\n")), Verdict::Accepted);
    let plan = rig.rows(
        NOVEMBER,
        "EXPLAIN QUERY PLAN SELECT x FROM telemetry WHERE vin = 'V' AND time >= 5 AND time < 9",
    );
    assert!(plan[0].contains("SEARCH s USING COVERING INDEX _series_vin (vin=?)"), "{plan:?}");
    assert!(
        plan[1].contains("SEARCH p USING PRIMARY KEY (_series=? AND time>? AND time<?)"),
        "{plan:?}"
    );
}

#[test]
fn a_corrupt_old_file_is_set_aside_and_its_measurement_continues() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let health = HealthBoard::default();
    let open = || {
        let metrics = Arc::new(Metrics::new(health.clone()));
        let clock = Arc::new(SystemClock::start());
        let options = options(dir.path());
        Writer::open(options, clock, metrics, &Supervisor::default()).expect("opens")
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let month = |n: i64| n * 31 * 86_400_000_000_000;
    let write = |writer: &Writer, n: i64| {
        let line = format!("m,vin=V x={n} {}\n", month(n) + 1);
        runtime.block_on(writer.write(line.into()))
    };
    let files = || -> Vec<String> {
        let read = std::fs::read_dir(dir.path().join("m")).expect("a folder");
        let mut names: Vec<String> = read
            .map(|found| found.expect("a name").file_name().into_string().expect("UTF-8"))
            .collect();
        names.sort_unstable();
        names
    };
    let writer = open();
    assert_eq!([write(&writer, 0), write(&writer, 1)], [Verdict::Accepted, Verdict::Accepted]);
    drop(writer);
    let old = dir.path().join("m/1970-01.sqlite");
    let whole = std::fs::read(&old).expect("a file");

    // A file that only cannot be read is not damaged: the store halts, and the file stays where it
    // is.
    std::fs::remove_file(&old).expect("removed");
    std::fs::create_dir(&old).expect("a folder in its place");
    let writer = open();
    assert_eq!(write(&writer, 2), Verdict::Accepted, "a folder is no file of the store");
    drop(writer);
    std::fs::remove_dir(&old).expect("removed");

    let mut garbage = whole.clone();
    garbage[..64].fill(0xa5);
    std::fs::write(&old, &garbage).expect("written");
    let writer = open();
    assert_eq!(write(&writer, 3), Verdict::Accepted);
    let aside: Vec<String> =
        files().into_iter().filter(|name| name.starts_with("1970-01.sqlite.damaged-")).collect();
    assert_eq!(aside.len(), 1, "{:?}", files());
    let kept = std::fs::read(dir.path().join("m").join(&aside[0])).expect("kept");
    assert!(kept == garbage, "nothing of it is changed");
    assert!(!files().contains(&"1970-01.sqlite".to_owned()));
    let reason = health.snapshot().into_iter().find(|part| part.name == "embedded-files");
    let reason = reason.expect("it is reported").health.reason().unwrap_or_default().to_owned();
    assert!(reason.contains(&aside[0]), "{reason}");
    // That month can be written to again.
    assert_eq!(write(&writer, 0), Verdict::Accepted);
    assert_eq!(rows(&old, "SELECT x FROM m"), ["Real(0.0)"]);
}
