//! Alarms over real sockets: from a publish to the delivered command, at the right time, exactly
//! once, also through crashes and floods.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::fleet::{Car, MINUTE, get, send, setup};
use crate::harness::{
    Appliance, Dice, Setup, until,
    vehicle::{Packet, Vehicle, Version, packet, publish_packet, text},
};

const MAPPING: &str = r#"
[[mapping]]
name = "state"
topic = "vehicles/{vin}/state"
format = "json"
schema = "state.schema.json"
measurement = "state"
vehicle = "{vin}"
tags = ["vin"]
time = { field = "at", unit = "ms", unset = "received" }

[[alarm]]
name = "too-hot"
mapping = "state"
when = "temp > 60"
command = "limit-charge"
fields = { limit_percent = 30, text = "{temp} degrees" }
once-per = "ONCE"
max-age = "1h"
"#;
const PUBLISH: &str = r#"
[[alarm]]
name = "tell"
mapping = "state"
when = "temp > 60"
publish = { topic = "alarms/{vin}", payload = "json" }
fields = { temp = "{temp}" }
once-per = "10m"
"#;
const SCHEMA: &str = r#"{"type":"object","properties":{"temp":{"type":"number"},
    "at":{"type":"integer"},"nr":{"type":"integer"}}}"#;

fn alarming(once_per: &str, more: &str) -> Setup {
    let text = format!("{}{more}", MAPPING.replace("ONCE", once_per));
    setup().schema("state.toml", &text).schema("state.schema.json", SCHEMA)
}

fn now_ms() -> u128 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_millis()
}

/// How often an alarm had an outcome.
fn outcome(appliance: &Appliance, alarm: &str, outcome: &str) -> usize {
    let name =
        format!("fleetline_downlink_alarms_total{{alarm=\"{alarm}\",outcome=\"{outcome}\"}}");
    let found = appliance.metric(&name).unwrap_or(0.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    let count = found as usize;
    count
}

/// All commands, the newest first.
fn commands(appliance: &Appliance) -> Vec<Value> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let mut page = get(appliance, &format!("/commands?limit=1000&after={after}"));
        found.extend(page["commands"].as_array().unwrap().clone());
        match page["after"].take() {
            Value::String(more) => after = more,
            _ => return found,
        }
    }
}

#[test]
fn a_message_that_raises_an_alarm_is_acknowledged_after_its_command_is_durable() {
    let appliance = alarming("10m", "").start();
    let mut car = Car::ready(appliance.mqtt(), Version::V5, "V1");
    let mut line = Vehicle::connect(appliance.mqtt(), Version::V5, "sender");
    let topic = "vehicles/V1/state";
    // Not hot; hot, but more than an hour ago.
    let mut publish = |body: &Value, id| {
        assert_eq!(line.publish_acked(topic, body.to_string().as_bytes(), id).reason(), 0);
    };
    publish(&json!({ "temp": 59 }), 1);
    publish(&json!({ "temp": 61, "at": now_ms() - 3_700_000 }), 2);
    assert!(commands(&appliance).is_empty());
    assert_eq!(outcome(&appliance, "too-hot", "too-old"), 1);
    publish(&json!({ "temp": 61.5 }), 3);
    // It is acknowledged, so the command exists.
    let all = commands(&appliance);
    assert_eq!((all.len(), &all[0]["by"]), (1, &json!("alarm too-hot")));
    assert_eq!(all[0]["evidence"]["row"]["temp"], 61.5);
    assert_eq!(all[0]["evidence"]["query"], Value::Null);
    let taken = car.take();
    let payload: Value = serde_json::from_slice(&taken.payload).unwrap();
    assert_eq!((&payload["limit_percent"], &payload["text"]), (&json!(30), &json!("61.5 degrees")));
    car.acknowledge(taken.id, 0);
    assert_eq!(car.receipt(&taken.command(), "DONE"), 0);
    // Repeatedly above and below.
    for id in 4..14 {
        publish(&json!({ "temp": if id % 2 == 0 { 50 } else { 70 } }), id);
    }
    assert_eq!(commands(&appliance).len(), 1);
    assert_eq!(outcome(&appliance, "too-hot", "once-per"), 5);
    let audit = get(&appliance, "/audit");
    assert_eq!(audit["audit"][0]["by"], "alarm too-hot");
    // The points are stored as usual.
    until("they are stored", MINUTE, || appliance.count("points.stored") == 13);
}

/// The vehicle subscribes with a persistent session; it is disconnected when the alarm is raised,
/// and the appliance is killed.
#[test]
fn a_publish_of_an_alarm_is_stored_delivered_and_raises_no_further_alarm() {
    // The alarm's topic is mapped, too, with an alarm that every message would raise.
    let own = "[[mapping]]\nname = \"alarms\"\ntopic = \"alarms/{vin}\"\nformat = \"json\"\n\
               schema = \"alarms.schema.json\"\nmeasurement = \"alarms\"\nvehicle = \"{vin}\"\n\
               tags = [\"vin\"]\n[[alarm]]\nname = \"echo\"\nmapping = \"alarms\"\n\
               when = \"exists(alarm)\"\npublish = { topic = \"alarms/{vin}\" }\n";
    let schema = r#"{"type":"object","properties":{"alarm":{"type":"string"}}}"#;
    let setup = alarming("10m", &format!("{PUBLISH}{own}"));
    let mut appliance = setup.schema("alarms.schema.json", schema).start();
    let mut away = Vehicle::dial(appliance.mqtt(), Version::V3).unwrap();
    let connect = |clean: u8| {
        let hello = [text("MQTT"), vec![4, clean, 0, 0], text("listener")].concat();
        packet(0x10, &hello)
    };
    assert!(matches!(away.greet(&connect(0)), Packet::Whole(0x20, _)));
    away.send(&packet(0x82, &[vec![0, 9], text("alarms/+"), vec![1]].concat()));
    assert!(matches!(away.expect(), Packet::Whole(0x90, _)));
    drop(away);
    let mut live = Vehicle::connect(appliance.mqtt(), Version::V3, "live");
    live.send(&packet(0x82, &[vec![0, 9], text("alarms/+"), vec![0]].concat()));
    assert!(matches!(live.expect(), Packet::Whole(0x90, _)));
    let mut line = Vehicle::connect(appliance.mqtt(), Version::V5, "sender");
    let at = now_ms();
    let body = json!({ "temp": 61.5, "at": at }).to_string();
    assert_eq!(line.publish_acked("vehicles/V1/state", body.as_bytes(), 1).reason(), 0);
    let said = |packet: Packet| match packet {
        Packet::Whole(first, body) if first >> 4 == 3 => {
            let from = body.iter().position(|byte| *byte == b'{').unwrap();
            serde_json::from_slice::<Value>(&body[from..]).unwrap()
        }
        other => panic!("{other:?}"),
    };
    let told = said(live.receive(MINUTE));
    assert_eq!((&told["alarm"], &told["vehicle"]), (&json!("tell"), &json!("V1")));
    assert_eq!(told["fields"], json!({ "temp": 61.5 }));
    // One alarm of the mapping and its publish, and no further alarm.
    assert_eq!(outcome(&appliance, "tell", "raised"), 1);
    assert_eq!(outcome(&appliance, "echo", "raised"), 0);
    until("both are stored", MINUTE, || appliance.count("points.stored") == 2);
    // Acknowledged means durable, also in the queue of a disconnected session.
    appliance.kill_9();
    appliance.start_again();
    let mut back = Vehicle::dial(appliance.mqtt(), Version::V3).unwrap();
    assert!(matches!(back.greet(&connect(0)), Packet::Whole(0x20, _)));
    assert_eq!(said(back.receive(MINUTE)), told);
}

#[test]
fn a_reload_adds_alarms_and_removes_them() {
    let appliance = alarming("1ms", "").start();
    let mut line = Vehicle::connect(appliance.mqtt(), Version::V5, "sender");
    let mut id = 0;
    let mut publish = |temp: i32| {
        id += 1;
        let body = json!({ "temp": temp, "nr": id }).to_string();
        assert_eq!(line.publish_acked("vehicles/V1/state", body.as_bytes(), id).reason(), 0);
    };
    publish(61);
    assert_eq!(commands(&appliance).len(), 1);
    let write = |text: &str| {
        let path = appliance.setup().home().join("schemas/state.toml");
        let before = appliance.log().matches("schemas and mappings loaded anew").count();
        std::fs::write(path, text).unwrap();
        appliance.signal("HUP");
        until("it is read anew", MINUTE, || {
            appliance.log().matches("files of [auth] loaded anew").count() > before
        });
    };
    let text = MAPPING.replace("ONCE", "1ms");
    write(&text.replace("temp > 60", "temp > 70"));
    publish(61);
    assert_eq!(commands(&appliance).len(), 1);
    publish(71);
    assert_eq!(commands(&appliance).len(), 2);
    write(&text[..text.find("[[alarm]]").unwrap()]);
    publish(71);
    assert_eq!(commands(&appliance).len(), 2);
}

/// A client publishes messages that raise an alarm as fast as it can: there is one command, all
/// messages are acknowledged, and other commands are not delayed.
#[test]
fn a_flood_of_messages_that_raise_an_alarm_costs_one_command() {
    let appliance = alarming("10m", "").set("downlink.alarms-waiting-max", "50").start();
    let mut flood = Vehicle::connect(appliance.mqtt(), Version::V3, "flood");
    let (rounds, together) = (50_u16, 100_u16);
    let mut bytes = Vec::new();
    for id in 1..=together {
        let body = json!({ "temp": 90, "nr": id }).to_string();
        let topic = "vehicles/V1/state";
        bytes.extend(publish_packet(Version::V3, topic, body.as_bytes(), 1, id, &[]));
    }
    for _ in 0..rounds {
        flood.send(&bytes);
        for _ in 0..together {
            assert!(matches!(flood.receive(MINUTE), Packet::Whole(0x40, _)));
        }
    }
    assert_eq!(commands(&appliance).len(), 1);
    let all: usize = ["raised", "once-per", "full", "repeated"]
        .iter()
        .map(|reason| outcome(&appliance, "too-hot", reason))
        .sum();
    assert_eq!(all, usize::from(rounds) * usize::from(together), "each is counted");
    assert_eq!(outcome(&appliance, "too-hot", "raised"), 1);
    let full_before = outcome(&appliance, "too-hot", "full");
    // Many vehicles at once: waiting alarms are bounded, and excess ones delay nobody.
    let mut line = Vehicle::connect(appliance.mqtt(), Version::V3, "many");
    let mut bytes = Vec::new();
    for id in 1..=500_u16 {
        let (topic, body) = (format!("vehicles/W{id}/state"), json!({ "temp": 90 }).to_string());
        bytes.extend(publish_packet(Version::V3, &topic, body.as_bytes(), 1, id, &[]));
    }
    line.send(&bytes);
    for _ in 0..500 {
        assert!(matches!(line.receive(MINUTE), Packet::Whole(0x40, _)));
    }
    let raised = outcome(&appliance, "too-hot", "raised");
    let full = outcome(&appliance, "too-hot", "full") - full_before;
    assert_eq!(raised + full, 501);
    assert_eq!(commands(&appliance).len(), raised);
    assert_eq!(send(&appliance, "V9", &json!({ "command": "horn" })).0, 202);
}

#[test]
fn check_validates_alarms_and_decode_shows_which_would_be_raised() {
    let setup = alarming("10m", PUBLISH);
    let payload = setup.home().join("hot.json");
    std::fs::write(&payload, json!({ "temp": 61.5 }).to_string()).unwrap();
    let decode = ["decode", "--topic", "vehicles/V1/state", payload.to_str().unwrap()];
    let output = setup.command(&decode).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let file = payload.display();
    let expect = format!(
        "{file}: alarm too-hot: would send limit-charge to V1: \
         {{\"limit_percent\":30,\"text\":\"61.5 degrees\"}}\n\
         {file}: alarm tell: would publish on alarms/V1: {{\"temp\":61.5}}\n"
    );
    assert_eq!(told, expect);
    assert!(output.status.success());
    std::fs::write(&payload, json!({ "temp": 61.5, "at": now_ms() - 7_200_000 }).to_string())
        .unwrap();
    let output = setup.command(&[&decode[..], &["--json"]].concat()).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["alarms"][0]["refused"], "too-old");
    assert!(setup.command(&["check"]).status().unwrap().success());
    let wrong = MAPPING.replace("ONCE", "10m").replace("limit_percent = 30", "limit_percent = 'x'");
    let setup = setup.schema("state.toml", &wrong);
    let output = setup.command(&["check"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("`fields`: field `limit_percent` is the text \"x\""), "{told}");
}

/// Kill -9 at random moments while many vehicles publish messages that raise an alarm, and repeat
/// unacknowledged ones: in the end each vehicle has one command.
#[test]
fn an_alarm_is_neither_lost_nor_doubled_when_the_process_is_killed_at_any_moment() {
    let mut dice = Dice::new();
    let mut appliance = alarming("10m", "").start();
    let first = now_ms();
    let mut waiting: BTreeMap<u16, u64> = BTreeMap::new();
    let mut next = 0_u64;
    let rounds = 12;
    for round in 0..rounds {
        let version = if round % 2 == 0 { Version::V3 } else { Version::V5 };
        let mut line = Vehicle::connect(appliance.mqtt(), version, "gateway");
        let send = |line: &mut Vehicle, id: u16, number: u64| {
            let topic = format!("vehicles/V{number}/state");
            let at = first + u128::from(number);
            let body = json!({ "temp": 61, "at": at, "nr": number }).to_string();
            let bytes = publish_packet(version, &topic, body.as_bytes(), 1, id, &[]);
            line.try_send(&bytes).is_ok()
        };
        for (id, number) in &waiting {
            assert!(send(&mut line, *id, *number));
        }
        let many = if round + 1 == rounds { 0 } else { 20 + dice.below(40) };
        let killed_at = dice.below(many.max(1));
        for more in 0..many {
            let id = (1..=u16::MAX).find(|id| !waiting.contains_key(id)).unwrap();
            if !send(&mut line, id, next) {
                break;
            }
            waiting.insert(id, next);
            next += 1;
            while waiting.len() > 8 && acknowledged(&mut line, &mut waiting) {}
            if more == killed_at {
                // At any moment.
                std::thread::sleep(Duration::from_micros(dice.below(3000)));
                appliance.kill_9();
            }
        }
        while !waiting.is_empty() && acknowledged(&mut line, &mut waiting) {}
        if round + 1 < rounds {
            appliance.start_again();
        }
    }
    assert!(waiting.is_empty(), "all are acknowledged in the end");
    let mut made: BTreeMap<String, u32> = BTreeMap::new();
    for command in commands(&appliance) {
        *made.entry(command["vehicle"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let expect: BTreeMap<String, u32> = (0..next).map(|it| (format!("V{it}"), 1)).collect();
    assert_eq!(made, expect);
}

/// Takes a PUBACK; false if the connection has ended.
fn acknowledged(line: &mut Vehicle, waiting: &mut BTreeMap<u16, u64>) -> bool {
    let Packet::Whole(0x40, body) = line.receive(MINUTE) else { return false };
    waiting.remove(&u16::from_be_bytes([body[0], body[1]]));
    true
}
