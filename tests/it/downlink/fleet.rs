//! Helpers for tests of commands: an appliance with declared commands, an operator, and a vehicle
//! that receives commands.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};

use crate::harness::{
    Appliance, Setup, http,
    vehicle::{Packet, Vehicle, Version, packet, text},
};

pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(super) const MOMENT: Duration = Duration::from_millis(300);

pub(super) const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

const COMMANDS: &str = r#"
[[command]]
name = "limit-charge"
format = "json"
schema = "commands.schema.json"
id = "id"
expires-in = "1h"
execute-within = "30s"
[command.receipt]
topic = "vehicles/{vin}/receipts"
format = "json"
schema = "receipt.schema.json"
id = "command_id"
status = "status"
done = ["DONE"]
failed = ["FAILED"]
rejected = ["REJECTED"]
progress = ["RUNNING"]
detail = "detail"

[[command]]
name = "horn"
format = "json"
schema = "commands.schema.json"

[[command]]
name = "lock"
format = "json"
schema = "commands.schema.json"
id = "id"
qos = 2
"#;
const SCHEMA: &str = r#"{"type":"object","properties":{"id":{"type":"string"},
    "limit_percent":{"type":"integer"},"text":{"type":"string"}}}"#;
const RECEIPT: &str = r#"{"type":"object","properties":{"command_id":{"type":"string"},
    "status":{"type":"string"},"detail":{"type":"string"}}}"#;

pub(crate) fn setup() -> Setup {
    Setup::new()
        .schema("commands.toml", COMMANDS)
        .schema("commands.schema.json", SCHEMA)
        .schema("receipt.schema.json", RECEIPT)
}

/// Sends a request; returns status and answer.
pub(super) fn ask(appliance: &Appliance, path: &str, body: &Value) -> (u16, Value) {
    let url = format!("{}/api/v1{path}", appliance.url());
    let (status, body) = http::send("POST", &url, JSON, body.to_string()).unwrap();
    (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{status} {body}")))
}

pub(super) fn send(appliance: &Appliance, vehicle: &str, body: &Value) -> (u16, Value) {
    ask(appliance, &format!("/vehicles/{vehicle}/commands"), body)
}

/// Sends a command with this name; returns its id.
pub(crate) fn sent(appliance: &Appliance, vehicle: &str, name: &str) -> String {
    let (status, command) = send(appliance, vehicle, &json!({ "command": name }));
    assert_eq!(status, 202, "{command}");
    command["id"].as_str().unwrap().to_owned()
}

pub(super) fn get(appliance: &Appliance, path: &str) -> Value {
    let (status, body) = appliance.get(&format!("/api/v1{path}"));
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

pub(super) fn command(appliance: &Appliance, id: &str) -> Value {
    get(appliance, &format!("/commands/{id}"))
}

pub(crate) fn state(appliance: &Appliance, id: &str) -> String {
    command(appliance, id)["state"].as_str().unwrap().to_owned()
}

/// Its states and notes in order.
pub(crate) fn history(appliance: &Appliance, id: &str) -> Vec<String> {
    let told = command(appliance, id);
    let told = told["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["state"].as_str().or(change["note"].as_str()).unwrap().to_owned());
    told.collect()
}

/// A command as received by its vehicle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) first: u8,
    pub(super) topic: String,
    pub(super) id: u16,
    /// The properties as on the wire, without their length.
    pub(super) properties: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

impl Taken {
    pub(super) fn is_repeat(&self) -> bool {
        self.first & 8 != 0
    }

    /// The id of the command, from its payload.
    pub(super) fn command(&self) -> String {
        let payload: Value = serde_json::from_slice(&self.payload).unwrap();
        payload["id"].as_str().unwrap().to_owned()
    }
}

/// A vehicle that subscribes to its commands.
pub(super) struct Car {
    pub(super) line: Vehicle,
    version: Version,
    vin: String,
    next: u16,
}

impl Car {
    pub(super) fn connect(address: SocketAddr, version: Version, vin: &str) -> Self {
        Self::of(Vehicle::connect(address, version, vin), version, vin)
    }

    /// On an open connection.
    pub(super) fn of(line: Vehicle, version: Version, vin: &str) -> Self {
        Self { line, version, vin: vin.to_owned(), next: 1 }
    }

    /// Connects and subscribes to all its commands.
    pub(super) fn ready(address: SocketAddr, version: Version, vin: &str) -> Self {
        let mut car = Self::connect(address, version, vin);
        let filter = format!("vehicles/{vin}/commands/+");
        assert_eq!(car.subscribe(&filter, 2), 2);
        car
    }

    pub(super) fn subscribe(&mut self, filter: &str, qos: u8) -> u8 {
        let mut body = vec![0, 9];
        body.extend((self.version == Version::V5).then_some(0));
        body.extend(text(filter));
        body.push(qos);
        self.line.send(&packet(0x82, &body));
        match self.line.expect() {
            Packet::Whole(0x90, body) => body[body.len() - 1],
            other => panic!("no SUBACK: {other:02x?}"),
        }
    }

    /// The next packet, which must be a PUBLISH above QoS 0.
    pub(super) fn take(&mut self) -> Taken {
        let Packet::Whole(first, body) = self.line.receive(MINUTE) else { panic!("nothing came") };
        self.read(first, &body)
    }

    /// The next PUBLISH, skipping acknowledgements.
    pub(super) fn take_among_acknowledgements(&mut self) -> Taken {
        loop {
            match self.line.receive(MINUTE) {
                Packet::Whole(0x40, _) => {}
                Packet::Whole(first, body) => return self.read(first, &body),
                other => panic!("nothing came: {other:?}"),
            }
        }
    }

    fn read(&self, first: u8, body: &[u8]) -> Taken {
        assert_eq!(first >> 4, 3, "{first:02x} {body:02x?}");
        let len = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        let id = u16::from_be_bytes([body[len], body[len + 1]]);
        let mut at = len + 2;
        let mut properties = Vec::new();
        if self.version == Version::V5 {
            // Lengths are short here.
            let count = usize::from(body[at]);
            assert!(count < 128);
            properties = body[at + 1..=at + count].to_vec();
            at += 1 + count;
        }
        let topic = String::from_utf8(body[2..len].to_vec()).unwrap();
        Taken { first, topic, id, properties, payload: body[at..].to_vec() }
    }

    pub(super) fn takes_nothing(&mut self) {
        assert_eq!(self.line.receive(MOMENT), Packet::Nothing);
    }

    /// PUBACK, in 5.0 with a reason.
    pub(super) fn acknowledge(&mut self, id: u16, reason: u8) {
        let mut body = id.to_be_bytes().to_vec();
        body.extend((self.version == Version::V5).then_some(reason));
        self.line.send(&packet(0x40, &body));
    }

    /// Publishes a receipt and waits for its PUBACK.
    pub(super) fn receipt(&mut self, command: &str, status: &str) -> u8 {
        let topic = format!("vehicles/{}/receipts", self.vin);
        self.receipt_on(&topic, command, status)
    }

    pub(super) fn receipt_on(&mut self, topic: &str, command: &str, status: &str) -> u8 {
        let body = json!({ "command_id": command, "status": status, "detail": "d" });
        self.next += 1;
        self.line.publish_acked(topic, body.to_string().as_bytes(), self.next).reason()
    }
}
