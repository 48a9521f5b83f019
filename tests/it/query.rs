//! `fleetline query` and `fleetline health` with a running appliance on the embedded store.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::{Output, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak},
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;

use crate::{
    config::fleetline,
    harness::{Appliance, Sample, Setup, Vehicle, Version, until},
};

const MINUTE: Duration = Duration::from_mins(1);
/// Samples of the first vehicle; the second has half of them.
const SAMPLES: u64 = 24;

/// A measurement with the name of a language.
const SQL_MAPPING: &str = r#"
[[mapping]]
name = "sql"
topic = "vehicles/{vin}/sql"
format = "protobuf"
schema = "sample.proto"
message = "test.v1.Sample"
measurement = "sql"
vehicle = "{vin}"
tags = ["vin"]
time = { field = "at", unit = "ns" }
"#;

/// An appliance with samples in its store, shared by the tests that only query and run at the same
/// time; the last of them ends it.
struct Stored(Arc<Appliance>);

impl Stored {
    fn share() -> Self {
        static SHARED: Mutex<Weak<Appliance>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let appliance = shared.upgrade().unwrap_or_else(|| Arc::new(with_samples()));
        *shared = Arc::downgrade(&appliance);
        Self(appliance)
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        self.0.cli(&[&["query"], arguments].concat())
    }

    /// Standard output and standard error of a successful query.
    #[track_caller]
    fn answered(&self, arguments: &[&str]) -> (String, String) {
        let output = self.ask(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}");
        (String::from_utf8(output.stdout).unwrap(), error)
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str], expect: &str) {
        told(&self.ask(arguments), 1, expect);
    }
}

fn with_samples() -> Appliance {
    let appliance = Setup::new().schema("sql.toml", SQL_MAPPING).start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    let mut id = 0;
    let mut publish = |topic: &str, seq| {
        id += 1;
        vehicle.publish_acked(topic, &Sample { seq }.payload(), id);
    };
    for seq in 0..SAMPLES {
        publish(&Sample::topic("V1"), seq);
        if seq % 2 == 0 {
            publish(&Sample::topic("V2"), seq);
        }
    }
    publish("vehicles/V1/sql", 7);
    until("stored points", MINUTE, || appliance.count("points.in_spool") == 0);
    appliance
}

/// The range of every query: the samples are an hour old.
const RANGE: [&str; 2] = ["--from", "-2h"];

#[track_caller]
fn told(output: &Output, code: i32, expect: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains(expect), "expected `{expect}`, but: {error}");
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The time as the API writes it.
fn time(seq: u64) -> String {
    let nanos = i128::from(Sample { seq }.at_nanos());
    jiff::Timestamp::from_nanosecond(nanos).unwrap().to_string()
}

#[test]
fn a_table_has_the_rows_and_shows_how_to_continue() {
    let stored = Stored::share();
    let (table, note) = stored.answered(&["sample", "--from", "-2h", "--limit", "3"]);
    let lines: Vec<&str> = table.lines().collect();
    let words: Vec<Vec<&str>> =
        lines.iter().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["time", "vin", "seq", "value"]);
    assert!(lines[1].chars().all(|c| c == '─'), "{table}");
    assert_eq!(words[2], [time(0).as_str(), "V1", "0", "0.25"]);
    assert_eq!(words[3], [time(0).as_str(), "V2", "0", "0.25"]);
    assert_eq!(words[4], [time(1).as_str(), "V1", "1", "0.75"]);
    assert_eq!(lines.len(), 5);
    let after = note.strip_prefix("there are more rows: --after ").unwrap();
    let after = after.split(' ').next().unwrap();
    // The shown option can be typed.
    let next = ["sample", "--from", "-2h", "--limit", "1", "--csv", "--after", after];
    let (next, _) = stored.answered(&next);
    assert_eq!(next, format!("time,vin,seq,value\n{},V1,2,1.25\n", time(2)));
}

#[test]
fn a_narrow_table_says_which_columns_are_missing() {
    let stored = Stored::share();
    let arguments = ["sample", "--from", "-2h", "--vehicle", "V2", "--limit", "1", "--width", "40"];
    let (table, note) = stored.answered(&arguments);
    assert!(table.lines().all(|line| line.chars().count() <= 40), "{table}");
    let expect = "1 column does not fit: value; --csv and --json show everything\n";
    assert!(note.starts_with(expect), "{note}");
}

#[test]
fn csv_is_the_answer_of_the_api_and_json_is_an_object_per_row() {
    let stored = Stored::share();
    let wish = ["sample", "--vehicle", "V1", "--fields", "value,seq", "--order", "desc"];
    let (csv, note) = stored.answered(&[&wish[..], &RANGE, &["--csv"]].concat());
    assert_eq!(note, "");
    let path = "/api/v1/telemetry/sample\
                ?vehicle=V1&fields=value,seq&order=desc&from=-2h&format=csv";
    assert_eq!((200, csv), stored.0.get(path));

    let (json, _) = stored.answered(&[&wish[..], &RANGE, &["--json"]].concat());
    let rows: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), usize::try_from(SAMPLES).unwrap());
    let last = serde_json::json!({
        "time": time(SAMPLES - 1), "vin": "V1", "value": 11.75, "seq": SAMPLES - 1,
    });
    assert_eq!(rows[0], last);
}

#[test]
fn all_pages_together_are_the_whole_answer() {
    let stored = Stored::share();
    let whole = stored.answered(&["sample", "--from", "-2h", "--csv"]).0;
    assert_eq!(whole.lines().count(), usize::try_from(1 + SAMPLES + SAMPLES / 2).unwrap());
    for limit in ["1", "5", "36", "37"] {
        let pages = ["sample", "--from", "-2h", "--csv", "--all", "--limit", limit];
        assert_eq!(stored.answered(&pages), (whole.clone(), String::new()), "{limit}");
    }
}

#[test]
fn windows_and_functions_are_requested_by_name() {
    let stored = Stored::share();
    let wish = ["sample", "--from", "-2h", "--fields", "seq", "--fn", "max"];
    let (csv, _) = stored.answered(&[&wish[..], &["--every", "1d", "--csv"]].concat());
    // The samples are within a moment, so one window has them, or two at midnight.
    let greatest = csv.lines().filter_map(|line| line.strip_suffix(",23")).count();
    assert_eq!(greatest, 1, "{csv}");
}

#[test]
fn a_field_is_plotted_over_time_with_a_panel_per_vehicle() {
    let stored = Stored::share();
    let (plot, note) =
        stored.answered(&["sample", "--from", "-2h", "--plot", "value", "--width", "60"]);
    assert_eq!(note, "");
    let lines: Vec<&str> = plot.lines().collect();
    assert_eq!(lines[0], "V1  value: 24 points, 0.25 to 11.75");
    assert_eq!(lines[7], "V2  value: 12 points, 0.25 to 11.25");
    assert!(lines[1].starts_with("11.75 ┤") && lines[6].starts_with(" 0.25 ┤"), "{plot}");
    assert!(lines[15].contains(&time(0)) || lines[16].contains(&time(SAMPLES - 1)), "{plot}");
    assert!(lines.iter().all(|line| line.chars().count() <= 60), "{plot}");
    let absent = ["sample", "--from", "-2h", "--fields", "value", "--plot", "seq"];
    stored.refused(&absent, "no column `seq` to plot; it has time, vin, value");
}

#[test]
fn native_queries_take_parameters_as_data() {
    let stored = Stored::share();
    const TEXT: &str = "SELECT vin, count(*) AS n, max(value) AS greatest FROM sample \
                        WHERE vin = $vin OR seq > $seq GROUP BY vin ORDER BY vin";
    let params = ["--param", "vin=V2' OR 1=1 --", "--param", "seq=21"];
    let (csv, _) = stored.answered(&[&["sql", TEXT, "--csv"], &params[..]].concat());
    assert_eq!(csv, "vin,n,greatest\nV1,2,11.75\nV2,1,11.25\n");
    let (json, _) =
        stored.answered(&[&["--json", "sql"], &params[..2], &["--param", "seq=99", TEXT]].concat());
    assert_eq!(json, "");
    let (plot, _) = stored.answered(&["sql", "SELECT time, vin, seq FROM sample", "--plot", "seq"]);
    assert!(plot.starts_with("V1  seq: 24 points, 0 to 23\n"), "{plot}");
}

#[test]
fn a_query_may_come_from_a_file_or_standard_input() {
    let stored = Stored::share();
    const TEXT: &str = "SELECT count(*) AS n FROM sample\n";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("question.sql");
    std::fs::write(&file, TEXT).unwrap();
    let (csv, _) = stored.answered(&["sql", "--file", file.to_str().unwrap(), "--csv"]);
    assert_eq!(csv, "n\n36\n");
    let mut command = stored.0.setup().command(&["query", "sql", "-", "--csv"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(TEXT.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap(), "n\n36\n");
    stored.refused(&["sql", "--file", "absent.sql"], "reading the question from `absent.sql`");
}

#[test]
fn a_measurement_with_the_name_of_a_language_can_be_queried() {
    let stored = Stored::share();
    let (csv, _) = stored.answered(&["--measurement", "sql", "--from", "-2h", "--csv"]);
    assert_eq!(csv, format!("time,vin,seq,value\n{},V1,7,3.75\n", time(7)));
}

#[test]
fn a_refusal_is_shown_with_its_code() {
    let stored = Stored::share();
    stored.refused(&["sampel"], "measurement-unknown: no mapping writes a measurement `sampel`");
    stored.refused(
        &["sample", "--fields", "valu"],
        "field-unknown: measurement `sample` has no field",
    );
    stored.refused(&["sample", "--after", "x"], "after-invalid: ");
    stored.refused(&["sql", "DELETE FROM sample"], "query-refused: ");
    stored.refused(&["sql", "SELECT nonsense FROM sample"], "query-refused: ");
    stored.refused(&["flux", "buckets()"], "language-unsupported: ");
    let (rows, _) = stored.answered(&["sql", "SELECT count(*) AS n FROM sample", "--csv"]);
    assert_eq!(rows, "n\n36\n");
}

#[test]
fn wrong_usage_ends_with_2_before_any_request() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, expect) in [
        (&["query"][..], "MEASUREMENT"),
        (&["query", "sql"], "TEXT"),
        (&["query", "sql", " "], "the question is empty"),
        (&["query", "sql", "SELECT 1", "--file", "f"], "cannot be used with"),
        (&["query", "sql", "SELECT 1", "--param", "vin"], "NAME=VALUE"),
        (&["query", "--vehicle", "V", "sql", "SELECT 1"], "--measurement sql"),
        (&["query", "a", "--measurement", "b"], "cannot be used with"),
        (&["query", "a", "--limit", "0"], "from 1 to 100000"),
        (&["query", "a", "--from", "yesterday"], "relative like -1h"),
        (&["query", "a", "--every", "1m"], "--fn"),
        (&["query", "a", "--every", "0s", "--fn", "max"], "a length of time"),
        (&["query", "a", "--fn", "median"], "possible values: mean"),
        (&["query", "a", "--order", "up"], "possible values: asc"),
        (&["query", "a", "--json", "--csv"], "exclude each other"),
        (&["query", "--json", "sql", "SELECT 1", "--plot", "x"], "exclude each other"),
        (&["query", "a", "--url", "127.0.0.1:80"], "http://127.0.0.1:8080"),
        (&["query", "a", "--set", "data-dri=x"], "data-dir"),
        (&["health", "--timeout", "soon"], "a duration"),
        (&["health", "--url", "ftp://h"], "http://127.0.0.1:8080"),
    ] {
        let output = fleetline(folder.path(), arguments, &[]);
        told(&output, 2, expect);
    }
}

#[test]
fn an_unreachable_appliance_is_reported_with_its_address() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| fleetline(folder.path(), arguments, &[]);
    let never = "no appliance has run on the data directory `./fleetline-data`";
    told(&run(&["query", "sample"]), 1, never);
    told(&run(&["health"]), 1, never);
    // A port that was free a moment ago, and a server without HTTP.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let away = format!("no appliance answers at {url}: Connection refused");
    told(&run(&["query", "sample", "--url", &url]), 1, &away);
    told(&run(&["health", "--json", "--url", &url]), 1, &away);
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", mute.local_addr().unwrap());
    let silent = format!("no appliance answers at {url}: ");
    told(&run(&["health", "--timeout", "200ms", "--url", &url]), 1, &silent);
    told(&run(&["query", "sample", "--timeout", "200ms", "--url", &url]), 1, &silent);
}

/// Answers one request with these bytes and closes the connection.
fn answer_once(bytes: String) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
        while !request.next().unwrap().unwrap().is_empty() {}
        stream.write_all(bytes.as_bytes()).unwrap();
    });
    (url, answering)
}

#[test]
fn a_cut_answer_is_not_a_short_answer() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                        transfer-encoding: chunked\r\n\r\n";
    let folder = tempfile::tempdir().unwrap();
    let rows = r#"{"columns":[{"name":"n","type":"integer"}],"rows":[[1],[2],"#;
    let (url, answering) = answer_once(format!("{HEAD}{:x}\r\n{rows}\r\n", rows.len()));
    let output = fleetline(folder.path(), &["query", "m", "--csv", "--url", &url], &[]);
    answering.join().unwrap();
    // The received part is shown, and that it is incomplete.
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "n\n1\n2\n");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with("the answer is cut off after 2 rows; "), "{error}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn another_server_at_the_address_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    for (status, body) in [("200 OK", "<html>"), ("404 Not Found", "{}"), ("200 OK", "{}")] {
        let page = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        for command in [&["health"][..], &["query", "m"]] {
            let (url, answering) = answer_once(page.clone());
            let output = fleetline(folder.path(), &[command, &["--url", &url]].concat(), &[]);
            answering.join().unwrap();
            told(
                &output,
                1,
                &format!("answered {status}, but not as an appliance does; is it one?"),
            );
        }
    }
}

#[test]
fn health_follows_the_appliance_through_its_life() {
    let mut appliance =
        Setup::new().set("auth.anonymous", "true").set("http.listen", "0.0.0.0:0").start();
    let parts = appliance.cli_ok(&["health"]);
    let is_mqtt = |line: &str| line.split_whitespace().eq(["mqtt", "ready"]);
    assert!(parts.lines().any(is_mqtt), "{parts}");
    let json: Value = serde_json::from_str(&appliance.cli_ok(&["health", "--json"])).unwrap();
    assert_eq!(json["ready"], true);
    let status = appliance.terminate(MINUTE).0;
    assert!(status.success());
    let lock = appliance.setup().data().join("lock");
    let gone = format!(", which `{}` names: Connection refused", lock.display());
    told(&appliance.cli(&["health"]), 1, &gone);
    appliance.start_again();
    appliance.cli_ok(&["health"]);
}

#[test]
fn health_is_1_while_a_part_is_not_ready() {
    // A shard whose spool has no room, and a store that accepts nothing.
    let appliance = Setup::new().store1("http://127.0.0.1:1").set("spool.max-size", "4MiB").start();
    let parts = appliance.cli_ok(&["health"]);
    let is_mqtt = |line: &str| line.split_whitespace().eq(["mqtt", "ready"]);
    assert!(parts.lines().any(is_mqtt), "{parts}");
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V3, "v");
    vehicle.publish_until_stuck("V1");
    until("a part that is not ready", MINUTE, || {
        let output = appliance.cli(&["health"]);
        let parts = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        let is_told =
            parts.lines().any(|line| line.starts_with("spool-") && line.contains("waiting"))
                && parts.contains("(ready without it)")
                && error.starts_with("not ready: spool-");
        assert_eq!(
            output.status.code() == Some(1),
            error.starts_with("not ready"),
            "{parts}{error}"
        );
        is_told
    });
}
