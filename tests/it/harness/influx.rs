//! Real InfluxDB servers, 1.6 and 2.7, started on free ports and queried in InfluxQL, which both
//! understand and which distinguishes integers from floats.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    Setup,
    database::{Stored, check_promise},
    http,
    load::Promised,
    program, until,
};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// InfluxDB 1.6, Debian's package.
    One,
    /// InfluxDB 2.7.
    Two,
}

/// The columns of a row by name.
pub(crate) type Row = BTreeMap<String, Value>;

const TOKEN: &str = "a-token-of-the-tests";

/// A server that can be stopped and started again on its data and its port.
#[derive(Debug)]
pub(crate) struct Influx {
    kind: Kind,
    program: PathBuf,
    home: TempDir,
    port: u16,
    /// Certificate and key, if it uses TLS.
    tls: Option<(PathBuf, PathBuf)>,
    /// Additional settings in `[data]` and `[http]` of an InfluxDB 1.
    limits: (String, String),
    child: Option<Child>,
}

impl Influx {
    /// Starts one with a database `telemetry`; `None` if it is not installed, and the calling test
    /// is counted as skipped.
    pub(crate) fn start(test: &str, kind: Kind) -> Option<Self> {
        let variable = match kind {
            Kind::One => "FLEETLINE_TEST_INFLUXDB1",
            Kind::Two => "FLEETLINE_TEST_INFLUXDB2",
        };
        let program = program(test, variable)?;
        let home = tempfile::tempdir().unwrap();
        let (port, limits) = (free_port(), Default::default());
        let mut influx = Self { kind, program, home, port, tls: None, limits, child: None };
        influx.launch();
        influx.create();
        Some(influx)
    }

    /// Points a setup at this server.
    pub(crate) fn serves(&self, setup: Setup) -> Setup {
        match self.kind {
            Kind::One => setup.store1(&self.url()),
            Kind::Two => setup.store2(&self.url(), TOKEN),
        }
    }

    /// Which server it is.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts it again, on the same data and port.
    pub(crate) fn launch(&mut self) {
        assert!(self.child.is_none(), "it still runs");
        let home = self.home.path();
        let mut command = Command::new(&self.program);
        match self.kind {
            Kind::One => {
                let config = home.join("influxdb.conf");
                fs::write(&config, self.config_of_one()).unwrap();
                command.arg("-config").arg(config);
            }
            Kind::Two => {
                command
                    .args(["--http-bind-address", &format!("127.0.0.1:{}", self.port)])
                    .arg("--engine-path")
                    .arg(home.join("engine"))
                    .arg("--bolt-path")
                    .arg(home.join("b.bolt"))
                    .arg("--sqlite-path")
                    .arg(home.join("s.db"))
                    .args(["--reporting-disabled", "--log-level", "error"]);
                if let Some((certificate, key)) = &self.tls {
                    command.arg("--tls-cert").arg(certificate).arg("--tls-key").arg(key);
                }
            }
        }
        let log = fs::File::create(home.join("log")).unwrap();
        let child = command
            .env("HOME", home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let ping = format!("{}/ping", self.url());
        until("InfluxDB to answer", Duration::from_mins(1), || {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "InfluxDB ended: {}", self.log());
            // A TLS port answers plain HTTP with an error.
            let expected = if self.tls.is_some() { 400 } else { 204 };
            matches!(http::get(&ping, &[], None), Ok((status, _)) if status == expected)
        });
    }

    /// Makes it use TLS, or plain HTTP again, from its next launch on.
    pub(crate) fn wrap_in_tls(&mut self, files: Option<(&Path, &Path)>) {
        self.tls = files.map(|(certificate, key)| (certificate.to_owned(), key.to_owned()));
    }

    /// Sets keys in `[data]` and `[http]` of an InfluxDB 1, from its next launch on.
    pub(crate) fn limit(&mut self, data: &str, http: &str) {
        self.limits = (data.to_owned(), http.to_owned());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    fn config_of_one(&self) -> String {
        let home = self.home.path().display();
        format!(
            "reporting-disabled = true\n\
             bind-address = \"127.0.0.1:0\"\n\
             [meta]\ndir = \"{home}/meta\"\n\
             [data]\ndir = \"{home}/data\"\nwal-dir = \"{home}/wal\"\nquery-log-enabled = false\n\
             {}\n\
             [monitor]\nstore-enabled = false\n\
             [http]\nbind-address = \"127.0.0.1:{}\"\nlog-enabled = false\n{}\n",
            self.limits.0, self.port, self.limits.1
        )
    }

    fn create(&self) {
        let answer = match self.kind {
            Kind::One => http::post(
                &format!("{}/query", self.url()),
                &[("q", "CREATE DATABASE telemetry")],
                None,
                "",
            ),
            Kind::Two => http::post(
                &format!("{}/api/v2/setup", self.url()),
                &[],
                None,
                &serde_json::json!({
                    "username": "tester", "password": "tester-tester",
                    "org": "fleet", "bucket": "telemetry", "token": TOKEN,
                })
                .to_string(),
            ),
        };
        let (status, body) = answer.unwrap();
        assert!(matches!(status, 200 | 201), "{status} {body}");
    }

    /// Runs an InfluxQL statement on an InfluxDB 1.
    pub(crate) fn command(&self, text: &str) {
        let url = format!("{}/query", self.url());
        let (status, body) = http::post(&url, &[("q", text)], None, "").unwrap();
        assert!(status == 200 && !body.contains("error"), "{status} {body}");
    }

    /// Creates a bucket of an InfluxDB 2 with a retention.
    pub(crate) fn make_bucket(&self, name: &str, keeps: Duration) {
        let url = format!("{}/api/v2", self.url());
        let orgs = http::get(&format!("{url}/orgs"), &[("org", "fleet")], Some(TOKEN)).unwrap();
        let orgs: Value = serde_json::from_str(&orgs.1).unwrap();
        let bucket = serde_json::json!({
            "orgID": orgs["orgs"][0]["id"], "name": name,
            "retentionRules": [{ "type": "expire", "everySeconds": keeps.as_secs() }],
        });
        let made = http::post(&format!("{url}/buckets"), &[], Some(TOKEN), &bucket.to_string());
        let (status, body) = made.unwrap();
        assert_eq!(status, 201, "{body}");
    }

    /// Sends it a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let kill = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    /// Kills it.
    pub(crate) fn kill_9(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Ends it as an operator would.
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        let killed = Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(killed.success());
        child.wait().unwrap();
    }

    /// Writes lines to it directly, without the appliance.
    pub(crate) fn write(&self, lines: &str) {
        let (path, parameters): (_, &[_]) = match self.kind {
            Kind::One => ("/write", &[("db", "telemetry")]),
            Kind::Two => ("/api/v2/write", &[("org", "fleet"), ("bucket", "telemetry")]),
        };
        let url = format!("{}{path}", self.url());
        assert_eq!(http::post(&url, parameters, Some(TOKEN), lines).unwrap().0, 204);
    }

    /// The rows of a query, with tags of groups as columns.
    #[track_caller]
    pub(crate) fn query(&self, text: &str) -> Vec<Row> {
        let parameters = [("db", "telemetry"), ("q", text), ("epoch", "ns")];
        let url = format!("{}/query", self.url());
        let (status, body) = http::get(&url, &parameters, Some(TOKEN)).unwrap();
        assert_eq!(status, 200, "{body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert!(answer.pointer("/results/0/error").is_none(), "{text}: {body}");
        let mut rows = Vec::new();
        for series in answer["results"][0]["series"].as_array().into_iter().flatten() {
            for values in series["values"].as_array().unwrap() {
                let tags = series["tags"].as_object().into_iter().flatten();
                let mut row: Row = tags.map(|(key, value)| (key.clone(), value.clone())).collect();
                let columns = series["columns"].as_array().unwrap();
                for (column, value) in columns.iter().zip(values.as_array().unwrap()) {
                    row.insert(column.as_str().unwrap().to_owned(), value.clone());
                }
                rows.push(row);
            }
        }
        rows
    }

    /// Points of a measurement, by one of its fields.
    pub(crate) fn count(&self, measurement: &str, field: &str) -> u64 {
        let rows = self.query(&format!("SELECT count(\"{field}\") AS n FROM \"{measurement}\""));
        rows.first().map_or(0, |row| row["n"].as_u64().unwrap())
    }

    /// The type that the store has for each field of a measurement.
    pub(crate) fn field_types(&self, measurement: &str) -> BTreeMap<String, String> {
        let rows = self.query(&format!("SHOW FIELD KEYS FROM \"{measurement}\""));
        let name = |value: &Value| value.as_str().unwrap().to_owned();
        rows.iter().map(|row| (name(&row["fieldKey"]), name(&row["fieldType"]))).collect()
    }

    /// The samples of a vehicle.
    pub(super) fn samples(&self, vin: &str) -> Vec<Stored> {
        let rows = self.query(&format!("SELECT seq, value FROM sample WHERE vin = '{vin}'"));
        let stored = |row: &Row| Stored {
            at_nanos: row["time"].as_i64().unwrap(),
            seq: row["seq"].as_u64().unwrap(),
            value: row["value"].as_f64().unwrap(),
        };
        rows.iter().map(stored).collect()
    }

    /// Compares a load's log with the stored samples; see [`check_promise`].
    #[track_caller]
    pub(crate) fn check_promises(&self, promised: &[Promised]) {
        for promise in promised {
            check_promise(promise, &self.samples(&promise.vin));
        }
    }
}

impl Drop for Influx {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// A port that was free a moment ago. The servers need a port number and cannot take a socket; the
/// system reuses a port only after many others.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
