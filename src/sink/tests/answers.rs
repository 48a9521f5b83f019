//! What InfluxDB 1, 2 and 3 were seen or read to answer, row by row, played to the whole of
//! shipping: a refusal costs the bad line and no other, everything else costs time.

use std::time::Duration;

use super::{
    fake_store::{Play, Request},
    rig::{Rig, line, line_set, options, until},
};
use crate::{
    model::{Cause, LineDialect},
    store::Kind,
    telemetry::Health,
};

/// What must come of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The bad line is a letter; what else the request held was not stored by it.
    Refused,
    /// The bad line is a letter; the rest was stored at once.
    Partial,
    /// Less is sent at once, and all is stored.
    Halved,
    /// The same again until it is taken: the store is told as waiting.
    Waits,
    /// The same again until it is taken: the store is told as failed, because somebody must act.
    Halted,
}

use Then::{Halted, Halved, Partial, Refused, Waits};

/// Status, header, body (`LINE` is the number of the bad line), and what comes of it.
type Row = (u16, &'static str, &'static str, Then);

const INFLUXDB_1: &[Row] = &[
    (400, "", r#"{"error":"unable to parse 'm,vin=V2 x=2i 2': bad timestamp"}"#, Refused),
    (
        400,
        "",
        r#"{"error":"partial write: unable to parse 'm,vin=V2 x=': missing field value dropped=0"}"#,
        Partial,
    ),
    (400, "", r#"{"error":"partial write: points beyond retention policy dropped=1"}"#, Partial),
    (
        400,
        "",
        r#"{"error":"partial write: max-values-per-tag limit exceeded (100000/100000): measurement=\"m\" tag=\"vin\" value=\"V2\" dropped=1"}"#,
        Partial,
    ),
    (
        400,
        "",
        r#"{"error":"partial write: max-series-per-database limit exceeded: (1000000) dropped=1"}"#,
        Partial,
    ),
    (401, "www-authenticate: Basic", r#"{"error":"authorization failed"}"#, Halted),
    (
        403,
        "",
        r#"{"error":"\"fleet\" user is not authorized to write to database \"telemetry\""}"#,
        Halted,
    ),
    (404, "", r#"{"error":"database not found: \"telemetry\""}"#, Halted),
    (413, "", r#"{"error":"Request Entity Too Large"}"#, Halved),
    (413, "", "<html>413 Request Entity Too Large</html>", Halved),
    (500, "", r#"{"error":"timeout"}"#, Waits),
    (500, "", r#"{"error":"retention policy not found: raw"}"#, Halted),
    (
        500,
        "",
        r#"{"error":"engine: cache-max-memory-size exceeded: (1073741824/1073741824)"}"#,
        Waits,
    ),
    (500, "", r#"{"error":"engine is closed"}"#, Waits),
    (503, "", "request throttled, queue full\n", Waits),
    (503, "", "request throttled, exceeds timeout\n", Waits),
];

const INFLUXDB_2: &[Row] = &[
    (
        400,
        "x-platform-error-code: invalid",
        r#"{"code":"invalid","message":"unable to parse 'm,vin=V2 x=2i 2': bad timestamp"}"#,
        Refused,
    ),
    (
        422,
        "",
        r#"{"code":"unprocessable entity","message":"failure writing points to database: partial write: field type conflict: input field \"x\" on measurement \"m\" is type integer, already exists as type string dropped=1"}"#,
        Partial,
    ),
    (
        500,
        "",
        r#"{"code":"internal error","message":"unexpected error writing points to database: partial write: points beyond retention policy dropped=1"}"#,
        Partial,
    ),
    (
        422,
        "",
        r#"{"code":"unprocessable entity","message":"failure writing points to database: partial write: dropped 1 points outside retention policy of duration 1h0m0s dropped=1 for database: x for retention policy: autogen"}"#,
        Partial,
    ),
    (
        400,
        "",
        r#"{"code":"invalid","message":"invalid precision; valid precision units are ns, us, ms, and s"}"#,
        Halted,
    ),
    (401, "", r#"{"code":"unauthorized","message":"unauthorized access"}"#, Halted),
    (404, "", r#"{"code":"not found","message":"bucket \"b\" not found"}"#, Halted),
    (404, "", r#"{"code":"not found","message":"organization name \"o\" not found"}"#, Halted),
    (
        413,
        "",
        r#"{"code":"request too large","message":"unable to read data: points batch is too large"}"#,
        Halved,
    ),
    (413, "", "<html><h1>413 Request Entity Too Large</h1></html>", Halved),
    (429, "retry-after: 1", r#"{"code":"too many requests","message":"limit"}"#, Waits),
    (
        429,
        "",
        r#"{"code":"too many requests","message":"org 1 has exceeded limited_write plan limit"}"#,
        Waits,
    ),
    (503, "retry-after: 1", r#"{"code":"unavailable","message":"busy"}"#, Waits),
    (500, "", r#"{"code":"internal error","message":"An internal error has occurred"}"#, Waits),
];

const INFLUXDB_3: &[Row] = &[
    (
        400,
        "cluster-uuid: 0",
        r#"{"error":"partial write of line protocol occurred","data":[{"error_message":"invalid column type for column 'x'","line_number":LINE,"original_line":"m,vin=V2 x=2i 2"}]}"#,
        Partial,
    ),
    (
        422,
        "",
        r#"{"error":"partial write of line protocol occurred","data":[{"error_message":"Update to schema would exceed number of columns per table limit of 500 columns","line_number":LINE,"original_line":"m,vin=V2 x=2i 2"}]}"#,
        Partial,
    ),
    (
        400,
        "",
        r#"{"error":"line protocol parsing error","data":{"error_message":"x","line_number":1,"original_line":"m"}}"#,
        Refused,
    ),
    (
        400,
        "",
        r#"{"error":"parsing failed for write_lp endpoint","data":[{"error_message":"x","line_number":1,"original_line":"m"}]}"#,
        Refused,
    ),
    (
        422,
        "",
        r#"{"error":"partial write of line protocol occurred","data":[{"error_message":"Adding a new database would exceed limit of 5 databases","line_number":1,"original_line":"m"}]}"#,
        Halted,
    ),
    (400, "", "incoming write was empty", Halted),
    (400, "", "invalid gzip stream", Halted),
    (401, "", "", Halted),
    (403, "", "", Halted),
    (404, "", r#"{"error":"database not found"}"#, Halted),
    (409, "", "", Halted),
    (413, "", r#"{"error":"request body too large"}"#, Halved),
    (429, "", "", Waits),
    (500, "", "wal buffer full", Waits),
    (503, "", "", Waits),
];

/// The answer to a request of which the second line is bad, or too many are there.
fn answered(row: Row, request: &Request) -> Play {
    let (status, header, body, then) = row;
    let lines = request.lines();
    match (then, lines.iter().position(|found| *found == line(2))) {
        (Halved, _) if lines.len() <= 1 => Play::Store,
        (Refused | Partial, None) => Play::Store,
        (Partial, Some(at)) => {
            let good = lines.iter().filter(|found| **found != line(2)).cloned().collect();
            let body = body.replace("LINE", &(at + 1).to_string());
            Play::Told(good, Duration::ZERO, status, body)
        }
        _ => Play::Answer(status, header, body),
    }
}

async fn check(kind: Kind, row: Row) {
    let unsigned = match kind {
        Kind::InfluxDb1 => LineDialect::Signed,
        _ => LineDialect::Unsigned,
    };
    let mut rig = Rig::with(options(), kind, unsigned, 1, move |it| answered(row, it)).await;
    rig.append(0, &(1..5).map(line).collect::<Vec<_>>());
    if matches!(row.3, Waits | Halted) {
        until("it was tried again", || rig.status(0).retries >= 2).await;
        match (row.3, rig.store_health()) {
            (Waits, Health::Waiting(reason)) | (Halted, Health::Failed(reason)) => {
                assert!(reason.starts_with(&format!("HTTP {}", row.0)), "{row:?}: {reason}");
            }
            (_, other) => panic!("{kind} {row:?}: {other:?}"),
        }
        assert_eq!((rig.letters(), rig.status(0).waiting_entries), (Vec::new(), 1), "{row:?}");
        rig.store.play(|_| Play::Store);
    }
    rig.shipped(0).await;
    assert_eq!(rig.store_health(), Health::Ready, "{row:?}");
    let is_bad = matches!(row.3, Refused | Partial);
    let letters = rig.letters();
    let good = (1..5).filter(|idx| !(is_bad && *idx == 2));
    assert_eq!(rig.store.stored(), line_set(good), "{kind} {row:?}");
    assert_eq!(letters.len(), usize::from(is_bad), "{kind} {row:?}: {letters:?}");
    for letter in letters {
        assert_eq!(letter.vehicle.as_deref(), Some("V2"));
        let answer = letter.answer.expect("what the store said");
        let known = matches!(letter.cause, Cause::StoreRefused | Cause::TypeConflict);
        assert!(known && answer.starts_with(&format!("HTTP {}: ", row.0)), "{answer}");
    }
}

#[tokio::test]
async fn influxdb_1_is_understood_row_by_row() {
    for row in INFLUXDB_1 {
        check(Kind::InfluxDb1, *row).await;
    }
}

#[tokio::test]
async fn influxdb_2_is_understood_row_by_row() {
    for row in INFLUXDB_2 {
        check(Kind::InfluxDb2, *row).await;
    }
}

#[tokio::test]
async fn influxdb_3_is_understood_row_by_row() {
    for row in INFLUXDB_3 {
        check(Kind::InfluxDb3, *row).await;
    }
}
