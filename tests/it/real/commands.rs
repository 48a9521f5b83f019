//! Commands to vehicles with independent MQTT clients, in both versions, with real stores: each
//! gets its queued commands, at QoS 1 and 2, and its receipt ends the command, and is a point.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use rumqttc::{
    Event, Incoming, MqttOptions, QoS,
    v5::{
        self,
        mqttbytes::{
            self,
            v5::{Packet, PublishProperties},
        },
    },
};
use serde_json::{Value, json};

use crate::{
    downlink::fleet::{MINUTE, history, sent, setup, state},
    harness::{Appliance, Influx, Kind, program, until},
};

const MAPPING: &str = r#"
[[mapping]]
name = "receipts"
topic = "vehicles/{vin}/receipts"
format = "json"
schema = "receipt.schema.json"
measurement = "receipts"
vehicle = "{vin}"
tags = ["vin"]
"#;

/// A vehicle in a separate program; it is killed with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn start(influx: &Influx) -> Appliance {
    influx.serves(setup().schema("receipts.toml", MAPPING)).start()
}

/// Sends one command of each kind to a disconnected vehicle, lets it connect, and waits for their
/// ends.
#[track_caller]
fn check<T>(appliance: &Appliance, vin: &str, come: impl FnOnce() -> T) {
    let ids = ["limit-charge", "lock", "horn"].map(|name| sent(appliance, vin, name));
    assert_eq!(ids.each_ref().map(|id| state(appliance, id)), ["queued"; 3]);
    let vehicle = come();
    let ends = ["done", "delivered", "delivered"];
    for (id, end) in ids.iter().zip(ends) {
        until(&format!("{vin}: {end}"), MINUTE, || state(appliance, id) == end);
    }
    let expect = ["queued", "sent", "delivered", "progress", "done"];
    assert_eq!(history(appliance, &ids[0]), expect, "{vin}");
    drop(vehicle);
}

/// Both receipts of each vehicle are points.
fn check_points(appliance: &Appliance, influx: &Influx, vehicles: u64) {
    until("they are stored", MINUTE, || appliance.count("points.stored") == vehicles * 2);
    assert_eq!(influx.count("receipts", "status"), vehicles * 2);
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/clients").join(name)
}

/// The vehicles of a script, one in each version.
fn check_script(name: &str, influx: &Influx, command: impl Fn() -> Command) {
    let appliance = start(influx);
    let (host, port) = (appliance.mqtt().ip().to_string(), appliance.mqtt().port().to_string());
    for version in ["3.1.1", "5"] {
        let vin = format!("{name}-{version}");
        check(&appliance, &vin, || {
            let mut command = command();
            command.args([&host, &port, version, &vin]).stdin(Stdio::null());
            Running(command.spawn().unwrap())
        });
    }
    check_points(&appliance, influx, 2);
}

#[test]
fn vehicles_by_paho_for_python_take_commands_and_answer_over_influxdb_1() {
    let test = "real::commands (paho)";
    let Some(_module) = program(test, "FLEETLINE_TEST_PAHO") else { return };
    let Some(influx) = Influx::start(test, Kind::One) else { return };
    check_script("paho", &influx, || {
        // Debian's own: another Python does not have Debian's modules.
        let mut python = Command::new("/usr/bin/python3");
        python.arg(data("obey.py"));
        python
    });
}

#[test]
fn vehicles_by_mqtt_js_take_commands_and_answer_over_influxdb_2() {
    let test = "real::commands (MQTT.js)";
    let Some(module) = program(test, "FLEETLINE_TEST_MQTTJS") else { return };
    let Some(influx) = Influx::start(test, Kind::Two) else { return };
    check_script("mqttjs", &influx, || {
        let mut node = Command::new("node");
        node.env("NODE_PATH", module.parent().and_then(Path::parent).unwrap());
        node.arg(data("obey.js"));
        node
    });
}

/// It only subscribes, and gets the command without a receipt; the receipt is published by another
/// program with its name.
#[test]
fn a_vehicle_by_mosquitto_takes_a_command_and_answers_it_in_both_versions() {
    let test = "real::commands (mosquitto)";
    let Some(publish) = program(test, "FLEETLINE_TEST_MOSQUITTO_PUB") else { return };
    let Some(influx) = Influx::start(test, Kind::One) else { return };
    let subscribe = publish.with_file_name("mosquitto_sub");
    let appliance = start(&influx);
    let (host, port) = (appliance.mqtt().ip().to_string(), appliance.mqtt().port().to_string());
    for (version, vin) in [("mqttv311", "V3"), ("mqttv5", "V5")] {
        let place = ["-h", &host, "-p", &port, "-V", version, "-i", vin];
        let id = sent(&appliance, vin, "limit-charge");
        let mut command = Command::new(&subscribe);
        let filter = format!("vehicles/{vin}/commands/#");
        command.args(place).args(["-q", "1", "-C", "1", "-W", "60", "-t", &filter]);
        let output = command.output().unwrap();
        let taken: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(taken["id"], json!(id));
        until("it is delivered", MINUTE, || state(&appliance, &id) == "delivered");
        for status in ["RUNNING", "DONE"] {
            let receipt = json!({ "command_id": id, "status": status }).to_string();
            let mut command = Command::new(&publish);
            command.args(place).args(["-q", "1", "-t"]).arg(format!("vehicles/{vin}/receipts"));
            assert!(command.args(["-m", &receipt]).status().unwrap().success());
        }
        let expect = ["queued", "sent", "delivered", "progress", "done"];
        assert_eq!(history(&appliance, &id), expect);
    }
    check_points(&appliance, &influx, 2);
}

/// A receipt with a status, in JSON.
fn receipt(id: Option<&str>, status: &str) -> String {
    match id {
        Some(id) => json!({ "command_id": id, "status": status }).to_string(),
        None => json!({ "status": status }).to_string(),
    }
}

#[test]
fn vehicles_by_rumqttc_take_commands_and_answer_over_influxdb_2() {
    let test = "real::commands (rumqttc)";
    let Some(influx) = Influx::start(test, Kind::Two) else { return };
    let appliance = start(&influx);
    let (host, port) = (appliance.mqtt().ip().to_string(), appliance.mqtt().port());
    check(&appliance, "R3", || {
        let options = MqttOptions::new("R3", &host, port);
        let (client, mut connection) = rumqttc::Client::new(options, 10);
        client.subscribe("vehicles/R3/commands/#", QoS::ExactlyOnce).unwrap();
        // Until the appliance is gone.
        thread::spawn(move || {
            for event in connection.iter().map_while(Result::ok) {
                let Event::Incoming(Incoming::Publish(taken)) = event else { continue };
                if !taken.topic.ends_with("/limit-charge") {
                    continue;
                }
                let command: Value = serde_json::from_slice(&taken.payload).unwrap();
                for status in ["RUNNING", "DONE"] {
                    let receipt = receipt(command["id"].as_str(), status);
                    let topic = "vehicles/R3/receipts";
                    client.publish(topic, QoS::AtLeastOnce, false, receipt).unwrap();
                }
            }
        })
    });
    check(&appliance, "R5", || {
        let options = v5::MqttOptions::new("R5", &host, port);
        let (client, mut connection) = v5::Client::new(options, 10);
        client.subscribe("vehicles/R5/commands/#", mqttbytes::QoS::ExactlyOnce).unwrap();
        thread::spawn(move || {
            for event in connection.iter().map_while(Result::ok) {
                let v5::Event::Incoming(Packet::Publish(taken)) = event else { continue };
                if !taken.topic.ends_with(b"/limit-charge") {
                    continue;
                }
                let told = taken.properties.unwrap();
                let topic = told.response_topic.unwrap();
                let properties = PublishProperties {
                    correlation_data: told.correlation_data,
                    ..PublishProperties::default()
                };
                for status in ["RUNNING", "DONE"] {
                    let (qos, receipt) = (mqttbytes::QoS::AtLeastOnce, receipt(None, status));
                    let properties = properties.clone();
                    let sent =
                        client.publish_with_properties(&topic, qos, false, receipt, properties);
                    sent.unwrap();
                }
            }
        })
    });
    check_points(&appliance, &influx, 2);
}
