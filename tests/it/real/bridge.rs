//! A Mosquitto in a depot that forwards the messages of its buses (m1-mosquitto-bridge).
//!
//! A bridge marks itself in its CONNECT: with its default, `try_private true`, it sets the highest
//! bit of the protocol level, for 3.1 and 3.1.1. This is not in the standard, but every bridge does
//! it.

use std::{
    fs,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Appliance, Setup, Vehicle, Version, program, until, until_some};

/// A separate broker, bridged to an appliance.
struct Depot {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Depot {
    /// Mosquitto does not support port 0, so a free one is searched first.
    fn start(mosquitto: &std::path::Path, appliance: &Appliance, settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\nconnection depot\n\
             address {}\nremote_clientid depot7.fleet\ntopic depot/# out 1\nrestart_timeout 1\n\
             {settings}",
            appliance.mqtt()
        );
        let path = folder.path().join("bridge.conf");
        fs::write(&path, config).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(mosquitto)
            .arg("-v")
            .arg("-c")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, port, folder }
    }

    /// A bus of the depot, which is connected only to the depot's broker.
    fn bus(&self) -> Vehicle {
        let address = ([127, 0, 0, 1], self.port).into();
        until_some("the depot's broker", Duration::from_secs(30), || {
            Vehicle::dial(address, Version::V3).ok()
        });
        Vehicle::connect(address, Version::V3, "bus7")
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            eprintln!("the bridge's log:\n{log}");
        }
    }
}

/// Messages that are published in the depot are stored, for every protocol version of the bridge.
fn check(test: &str, settings: &str) {
    let Some(mosquitto) = program(test, "FLEETLINE_TEST_MOSQUITTO") else { return };
    let mut setup = Setup::new();
    for name in ["bus.proto", "bus.schema.json", "bus.toml"] {
        let path = format!("{}/tests/data/m1-mosquitto-bridge/{name}", env!("CARGO_MANIFEST_DIR"));
        setup = setup.schema(name, &fs::read_to_string(path).unwrap());
    }
    let appliance = setup.start();
    let depot = Depot::start(&mosquitto, &appliance, settings);
    let mut bus = depot.bus();
    // Kept by the bridge until it is connected.
    bus.publish_acked("depot/7/json", br#"{"kmh": 31.5}"#, 1);
    until("the bus's point", Duration::from_secs(30), || {
        let (status, text) = appliance.query("sql", "SELECT bus, kmh FROM bus", &json!({}));
        let rows = serde_json::from_str::<Value>(&text).unwrap()["rows"].take();
        status == 200 && rows == json!([["7", 31.5]])
    });
    // Its notification below $SYS is acknowledged and stored nowhere.
    assert_eq!(appliance.stats()["messages"]["dead_lettered"], 0);
}

#[test]
fn a_bridge_with_its_defaults_connects_and_forwards() {
    check("real::bridge", "");
}

#[test]
fn a_bridge_that_speaks_3_1_connects_and_forwards() {
    check("real::bridge (3.1)", "bridge_protocol_version mqttv31\n");
}

#[test]
fn a_bridge_that_speaks_5_0_connects_and_forwards() {
    check("real::bridge (5.0)", "bridge_protocol_version mqttv50\n");
}

#[test]
fn a_bridge_that_keeps_to_the_standard_connects_and_forwards() {
    check("real::bridge (plain)", "try_private false\n");
}
