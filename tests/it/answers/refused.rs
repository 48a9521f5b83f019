//! Statements that write are refused in every language, and change nothing.

use serde_json::{Value, json};

use super::{
    asked::{Asked, ask},
    fleet::{self, SECOND, T},
    trial::{Wrong, publish, start},
};
use crate::harness::Database;

const SQL: &[&str] = &[
    "INSERT INTO reading (time) VALUES (1)",
    "UPDATE reading SET speed = 1",
    "DELETE FROM reading",
    "REPLACE INTO reading (time) VALUES (1)",
    "WITH x AS (SELECT 1) DELETE FROM reading",
    "DELETE FROM f0._points",
    "DROP TABLE f0._points",
    "DROP VIEW reading",
    "CREATE TABLE mine (x)",
    "CREATE TEMP TABLE mine (x)",
    "CREATE TABLE mine AS SELECT * FROM reading",
    "ALTER TABLE f0._points ADD COLUMN x",
    "ATTACH DATABASE 'mine.sqlite' AS mine",
    "DETACH DATABASE f0",
    "PRAGMA user_version = 7",
    "PRAGMA f0.user_version = 7",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA writable_schema = 1",
    "PRAGMA table_info(reading)",
    "VACUUM",
    "VACUUM INTO 'mine.sqlite'",
    "REINDEX",
    "ANALYZE",
    "BEGIN",
    "BEGIN; DELETE FROM reading; COMMIT",
    "SAVEPOINT x",
    "SELECT 1; DELETE FROM reading",
    "SELECT 1; SELECT 2",
    "SELECT load_extension('mine')",
    "SELECT writefile('mine', 'x')",
    "SELECT * FROM sqlite_dbpage",
    "EXPLAIN DELETE FROM reading",
    "",
    "-- nothing",
    "not SQL",
];

const INFLUXQL: &[&str] = &[
    "SELECT * INTO other FROM reading",
    "SELECT * INTO \"telemetry\".\"autogen\".\"other\" FROM reading GROUP BY *",
    "SELECT mean(speed) INTO other FROM reading GROUP BY time(1m)",
    "SELECT speed/**/INTO/**/other FROM reading",
    "SELECT speed + 1INTO other FROM reading",
    "DROP MEASUREMENT reading",
    "DROP SERIES FROM reading",
    "DROP DATABASE telemetry",
    "DELETE FROM reading",
    "DELETE WHERE time < now()",
    "CREATE DATABASE mine",
    "CREATE USER mine WITH PASSWORD 'x' WITH ALL PRIVILEGES",
    "ALTER RETENTION POLICY autogen ON telemetry DURATION 1h",
    "CREATE RETENTION POLICY mine ON telemetry DURATION 1h REPLICATION 1 DEFAULT",
    "CREATE CONTINUOUS QUERY q ON telemetry BEGIN SELECT mean(speed) INTO other FROM reading \
     GROUP BY time(1m) END",
    "CREATE SUBSCRIPTION s ON telemetry.autogen DESTINATIONS ALL 'udp://127.0.0.1:9'",
    "KILL QUERY 1",
    "GRANT ALL PRIVILEGES TO mine",
    "SELECT speed FROM reading; DROP MEASUREMENT reading",
    "SELECT speed FROM reading;;DROP MEASUREMENT reading",
    "SELECT speed FROM reading -- x\n; DROP MEASUREMENT reading",
    "SELECT speed FROM /'/; DROP MEASUREMENT reading --'/",
    "SELECT speed FROM reading; SELECT speed FROM reading",
    "",
    "not InfluxQL",
];

const FLUX: &[&str] = &[
    "from(bucket: \"telemetry\") |> range(start: 0) |> to(bucket: \"telemetry\", org: \"fleet\")",
    "from(bucket: \"telemetry\") |> range(start: 0)\n|>\nto\n(bucket: \"telemetry\")",
    "write = to\nfrom(bucket: \"telemetry\") |> range(start: 0) |> write(bucket: \"telemetry\")",
    "x = \"${from(bucket: \"telemetry\") |> range(start: 0) |> to(bucket: \"telemetry\")}\"",
    "import \"experimental\"\nfrom(bucket: \"telemetry\") |> range(start: 0) \
     |> experimental.to(bucket: \"telemetry\")",
    "import \"influxdata/influxdb\"\nfrom(bucket: \"telemetry\") |> range(start: 0) \
     |> influxdb.wideTo(bucket: \"telemetry\")",
    "import \"influxdata/influxdb/api\"\napi.delete()",
    "import \"http\"\nhttp.post(url: \"http://127.0.0.1:9\")",
    "import \"experimental/http\"\nhttp.get(url: \"http://127.0.0.1:9\")",
    "import \"http/requests\"\nrequests.get(url: \"http://127.0.0.1:9\")",
    "import \"sql\"\nsql.from(driverName: \"sqlite3\", dataSourceName: \"file:x\", query: \"\")",
    "import \"csv\"\ncsv.from(file: \"/etc/passwd\")",
    "import \"socket\"\nsocket.from(url: \"tcp://127.0.0.1:9\")",
    "import \"influxdata/influxdb/secrets\"\nsecrets.get(key: \"x\")",
    "option task = {name: \"x\", every: 1m}\nfrom(bucket: \"telemetry\") |> range(start: 0) \
     |> to(bucket: \"telemetry\")",
    "import \"\\x68ttp\"",
    "",
    "not Flux |",
];

/// Allowed queries of each language, so that a guard that refuses everything is noticed.
fn harmless(language: &str) -> &'static [&'static str] {
    match language {
        "sql" => &[
            "SELECT count(*) AS n FROM reading",
            "WITH x AS (SELECT speed FROM reading) SELECT max(speed) FROM x;",
            "SELECT 'DELETE FROM reading; --' AS \"drop\" FROM reading -- DROP",
        ],
        "influxql" => &[
            "SELECT count(speed) FROM reading",
            "SELECT \"speed\" AS \"into\" FROM reading WHERE vin = 'x; DROP MEASUREMENT reading' ;",
            "SHOW MEASUREMENTS",
        ],
        _ => &[
            "from(bucket: \"telemetry\") |> range(start: 2025-01-01T00:00:00Z) |> count()",
            "from(bucket: \"telemetry\") |> range(start: 2025-01-01T00:00:00Z) \
             |> filter(fn: (r) => r.vin == \"|> to(bucket: 1)\") // to",
            "import \"math\"\nfrom(bucket: \"telemetry\") \
             |> range(start: 2025-01-01T00:00:00Z) |> last()",
        ],
    }
}

#[track_caller]
pub(crate) fn check_writes_refused(database: &Database) {
    let appliance = start(database, &[]);
    publish(&appliance, &fleet::early());
    let all = Asked { from: T - SECOND, to: T + 86_400 * SECOND, ..Asked::default() };
    let everything = || ask(&appliance, &all.parameters(), &[("limit", "100000")]).unwrap();
    let before = everything();
    assert!(before.0.rows.len() > 50);
    let mut wrong = Wrong::default();
    let language = database.language();
    let texts = match language {
        "sql" => SQL,
        "influxql" => INFLUXQL,
        _ => FLUX,
    };
    for text in texts {
        let (status, body) = appliance.query(language, text, &json!({}));
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        let is_refused = status == 400 && answer["error"]["code"] == "query-refused";
        wrong.expect(is_refused, || format!("{text}: {status} {body}"));
        let is_same = everything() == before;
        wrong.expect(is_same, || format!("{text}: there is something else now"));
    }
    for text in harmless(language) {
        let (status, body) = appliance.query(language, text, &json!({}));
        wrong.expect(status == 200, || format!("{text}: {status} {body}"));
    }
    for other in ["sql", "influxql", "flux"].into_iter().filter(|other| *other != language) {
        let (status, body) = appliance.query(other, "SELECT 1", &json!({}));
        let is_told = status == 400 && body.contains("language-unsupported");
        wrong.expect(is_told, || format!("{other}: {status} {body}"));
    }
    wrong.none();
}
