//! A Prometheus that scrapes the appliance (`o08-metrics-for-others`): it stores what the appliance
//! counts, with the names and types that dashboards use.

use std::{
    fs,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Appliance, Sample, Setup, Vehicle, Version, http, program, until};

/// A separate server; it is killed with the test.
struct Prometheus {
    child: Child,
    url: String,
    folder: TempDir,
}

impl Prometheus {
    /// Prometheus does not report a port that it chose, so a free one is searched first.
    fn start(binary: &std::path::Path, appliance: &Appliance) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let target = appliance.url().trim_start_matches("http://").to_owned();
        let config = format!(
            "global: {{ scrape_interval: 1s }}\n\
             scrape_configs:\n\
             - job_name: fleetline\n  static_configs: [{{ targets: [\"{target}\"] }}]\n"
        );
        let path = folder.path().join("prometheus.yml");
        fs::write(&path, config).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(binary)
            .arg(format!("--config.file={}", path.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, url: format!("http://127.0.0.1:{port}"), folder }
    }

    /// The value of the only series of an expression.
    fn value(&self, expression: &str) -> Option<f64> {
        let url = format!("{}/api/v1/query", self.url);
        let (_, text) = http::get(&url, &[("query", expression)], None).ok()?;
        let answer: Value = serde_json::from_str(&text).ok()?;
        match answer["data"]["result"].as_array()?.as_slice() {
            [series] => series["value"][1].as_str()?.parse().ok(),
            _ => None,
        }
    }

    /// The type that Prometheus has for a metric, which it stores without OpenMetrics' `_total`.
    fn kind(&self, metric: &str) -> Option<String> {
        let url = format!("{}/api/v1/metadata", self.url);
        let (_, text) = http::get(&url, &[("metric", metric)], None).ok()?;
        let answer: Value = serde_json::from_str(&text).ok()?;
        Some(answer["data"][metric][0]["type"].as_str()?.to_owned())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            eprintln!("the server's log:\n{log}");
        }
    }
}

#[test]
fn a_prometheus_stores_what_the_appliance_counts() {
    const PATIENCE: Duration = Duration::from_mins(1);
    let Some(binary) = program("real::prometheus", "FLEETLINE_TEST_PROMETHEUS") else { return };
    let appliance = Setup::new().start();
    let prometheus = Prometheus::start(&binary, &appliance);
    until("a scrape", PATIENCE, || prometheus.value("up{job=\"fleetline\"}") == Some(1.0));
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "v");
    for seq in 1..=3 {
        vehicle.publish_acked(&Sample::topic("VIN"), &Sample { seq }.payload(), 1);
    }
    vehicle.publish_acked(&Sample::topic("VIN"), &[0xff], 2);
    for (expression, value) in [
        ("sum(fleetline_messages_received_total)", 4.0),
        ("sum(fleetline_messages_dead_lettered_total)", 1.0),
        ("sum(fleetline_points_stored_total)", 3.0),
        ("sum(fleetline_points_in_spool)", 0.0),
    ] {
        until(expression, PATIENCE, || prometheus.value(expression) == Some(value));
    }
    assert_eq!(prometheus.kind("fleetline_messages_received").as_deref(), Some("counter"));
    assert_eq!(prometheus.kind("fleetline_points_in_spool").as_deref(), Some("gauge"));
}
