//! Alarms: which commands they make, how often, and what a crash leaves.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicUsize},
};

use serde_json::{Value as Json, json};

use super::{super::Job, rig::Rig};
use crate::{
    downlink::{Record, State, store::CommandFilter},
    mapping::{Commands, Options, Plans},
    model::{
        AlarmPermit, LineDialect, RaisedAlarm, Reach, ReceiptTicket, SessionId, UnixNanos, Value,
    },
    schema::Sources,
};

const MAPPING: &str = r#"
[[mapping]]
name = "telemetry"
topic = "vehicles/{vin}/telemetry"
format = "json"
schema = "telemetry.schema.json"
measurement = "telemetry"
vehicle = "{vin}"
tags = ["vin"]
[[command]]
name = "limit-charge"
format = "json"
schema = "limit.schema.json"
[[alarm]]
name = "too-hot"
mapping = "telemetry"
when = "battery_temp > 60"
command = "limit-charge"
fields = { limit_percent = 30, reason = "battery at {battery_temp} of {vin}" }
once-per = "10m"
expires-in = "5m"
supersede = "charge"
[[alarm]]
name = "tell"
mapping = "telemetry"
when = "battery_temp > 70"
publish = { topic = "alarms/{vin}", payload = "json" }
once-per = "10m"
"#;
const TELEMETRY: &str = r#"{"type": "object", "properties": {"battery_temp": {"type": "number"}}}"#;
const LIMIT: &str = r#"{"type": "object", "additionalProperties": false, "properties":
    {"limit_percent": {"type": "integer", "maximum": 100}, "reason": {"type": "string"}}}"#;

fn declared(mapping: &str) -> Arc<Commands> {
    let sources = Sources::from_texts([
        ("m.toml".to_owned(), mapping.to_owned()),
        ("telemetry.schema.json".to_owned(), TELEMETRY.to_owned()),
        ("limit.schema.json".to_owned(), LIMIT.to_owned()),
    ]);
    let options = Options::new(PathBuf::new(), LineDialect::Signed);
    let plans = Plans::from_sources(&sources, &options).expect("it loads");
    Arc::clone(plans.commands())
}

/// Publish number `seq`, whose payload is identified by `key`.
fn raised(alarm: &str, vehicle: &str, seq: u64, key: u8) -> RaisedAlarm {
    let taken = Arc::new(AtomicUsize::new(0));
    RaisedAlarm {
        ticket: ReceiptTicket { session: SessionId { worker: 0, number: 1 }, seq },
        alarm: alarm.into(),
        vehicle: vehicle.into(),
        time: UnixNanos(7_000_000_000),
        key: [key; 16],
        has_time: true,
        values: vec![
            ("battery_temp".into(), Value::Float(61.5)),
            ("vin".into(), Value::String(vehicle.to_owned())),
        ],
        permit: AlarmPermit::take(&taken, 1).expect("it is the first"),
    }
}

impl Rig {
    fn raise(&mut self, raised: RaisedAlarm) {
        self.turn(vec![Job::Alarm(Box::new(raised))]);
    }

    /// All commands, the oldest first.
    fn commands(&self) -> Vec<Record> {
        let page = self.reader().page(&CommandFilter::default(), None, 100);
        let mut page = page.expect("it is read");
        page.reverse();
        page
    }
}

#[test]
fn an_alarm_becomes_a_command_with_the_messages_values_and_its_message_is_acknowledged() {
    let mut rig = Rig::declaring(declared(MAPPING));
    rig.comes("A", Reach::Session);
    rig.raise(raised("too-hot", "A", 5, 1));
    let sent = rig.sent();
    let payload: Json = serde_json::from_slice(&sent[0].payload).expect("JSON");
    assert_eq!(payload, json!({ "limit_percent": 30, "reason": "battery at 61.5 of A" }));
    assert_eq!(rig.settled(), [5]);
    let told = rig.record(sent[0].command).json();
    assert_eq!((&told["by"], &told["supersede"]), (&json!("alarm too-hot"), &json!("charge")));
    let row = json!({ "alarm": "too-hot", "battery_temp": 61.5, "vin": "A",
        "time": "1970-01-01T00:00:07Z" });
    assert_eq!(told["evidence"]["row"], row);
    let audit = rig.reader().audit(0, 10).expect("it is read");
    let audit: Vec<_> = audit.iter().map(|it| (&*it.who, &*it.action, &*it.vehicle)).collect();
    assert_eq!(audit, [("alarm too-hot", "send", "A")]);
}

#[test]
fn an_alarm_that_repeats_makes_one_command_per_its_time_also_across_restarts() {
    let mut rig = Rig::declaring(declared(MAPPING));
    for seq in 0..20 {
        rig.raise(raised("too-hot", "A", seq, u8::try_from(seq).expect("few")));
        rig.passes(1_000);
    }
    assert_eq!(rig.commands().len(), 1);
    rig.restart();
    rig.raise(raised("too-hot", "A", 20, 20));
    rig.raise(raised("too-hot", "B", 21, 21));
    assert_eq!(rig.commands().len(), 2, "B is another vehicle");
    rig.passes(600_000);
    rig.raise(raised("too-hot", "A", 22, 22));
    let commands = rig.commands();
    let states: Vec<_> = commands.iter().map(|it| (&*it.request.vehicle, it.state)).collect();
    // The first one has expired while it waited for its vehicle.
    assert_eq!(states, [("A", State::Expired), ("B", State::Expired), ("A", State::Queued)]);
    assert_eq!(rig.settled().len(), 3, "since the restart, each message is settled");
}

/// The acknowledgement was lost: the vehicle sends its message again, however late.
#[test]
fn a_message_that_is_sent_again_makes_no_second_command() {
    let mut rig = Rig::declaring(declared(MAPPING));
    rig.raise(raised("too-hot", "A", 1, 1));
    rig.restart();
    rig.raise(raised("too-hot", "A", 1, 1));
    rig.passes(700_000);
    // Another alarm was raised in between.
    rig.raise(raised("too-hot", "A", 2, 2));
    rig.passes(700_000);
    rig.raise(raised("too-hot", "A", 1, 1));
    rig.restart();
    rig.raise(raised("too-hot", "A", 1, 1));
    assert_eq!(rig.commands().len(), 2);
    // A message without a time of its own raises it again after `once-per`.
    rig.passes(1_400_000);
    rig.raise(RaisedAlarm { has_time: false, ..raised("too-hot", "A", 3, 1) });
    assert_eq!(rig.commands().len(), 3);
}

#[test]
fn an_alarm_publishes_after_the_commit_and_once_more_after_a_crash() {
    let mut rig = Rig::declaring(declared(MAPPING));
    rig.raise(raised("tell", "A", 3, 1));
    let published = rig.published();
    assert_eq!((&*published[0].topic, published[0].qos), ("alarms/A", 1));
    let said: Json = serde_json::from_slice(&published[0].payload).expect("JSON");
    let expect = json!({ "alarm": "tell", "vehicle": "A", "time": "1970-01-01T00:00:07Z",
        "fields": { "battery_temp": 61.5 } });
    assert_eq!(said, expect);
    assert_eq!(rig.settled(), [0_u64; 0], "its message waits for what is published");
    rig.raise(raised("tell", "A", 4, 1));
    assert_eq!((rig.published().len(), rig.settled()), (0, vec![4]));
    // The process ended before the acknowledgement: the vehicle sends its message again.
    rig.restart();
    rig.raise(raised("tell", "A", 3, 1));
    assert_eq!(rig.published(), published);
    rig.raise(raised("tell", "A", 5, 1));
    rig.raise(raised("tell", "A", 6, 2));
    assert_eq!((rig.published().len(), rig.settled()), (0, vec![5, 6]));
    // A vehicle that repeats a message forever raises it once per `once-per`.
    rig.passes(700_000);
    for seq in 7..20 {
        rig.raise(raised("tell", "A", seq, 1));
    }
    assert_eq!((rig.published().len(), rig.settled().len()), (1, 12));
    let audit = rig.reader().audit(0, 10).expect("it is read");
    assert_eq!(audit.len(), 1);
}

#[test]
fn an_alarm_that_cannot_become_a_command_is_dropped_and_its_message_acknowledged() {
    let mut rig = Rig::declaring(declared(MAPPING));
    rig.raise(raised("removed", "A", 1, 1));
    // A name that cannot be a topic level.
    rig.raise(raised("too-hot", "a/b", 2, 2));
    rig.raise(raised("tell", "#", 3, 3));
    assert_eq!((rig.settled(), rig.commands().len()), (vec![1, 2, 3], 0));
    // open-max is 4 here; each has its own key.
    for number in 0..4 {
        rig.made(|request| request.supersede = Some(number.to_string().into()));
    }
    rig.raise(raised("too-hot", "A", 4, 4));
    assert_eq!((rig.settled(), rig.commands().len()), (vec![4], 4));
    // The alarm was not raised, so it may be as soon as there is room.
    let first = rig.commands()[0].request.id;
    rig.cancel(first).expect("it is taken back");
    rig.passes(1_000);
    rig.raise(raised("too-hot", "A", 5, 5));
    assert_eq!(rig.commands().len(), 5);
    // A removed alarm is not raised any more.
    rig.passes(600_000);
    rig.declare(Arc::default());
    rig.raise(raised("too-hot", "A", 6, 6));
    assert_eq!((rig.settled(), rig.commands().len()), (vec![5, 6], 5));
}

/// Values of a payload never become structure.
#[test]
fn values_with_braces_and_quotes_stay_values() {
    let mapping = MAPPING.replace("{battery_temp} of {vin}", "{battery_temp}");
    let mut rig = Rig::declaring(declared(&mapping));
    rig.comes("A", Reach::Session);
    let text = "\", \"limit_percent\": 100, {vin} {{ }} \\ \u{0}";
    let values = vec![("battery_temp".into(), Value::String(text.to_owned()))];
    rig.raise(RaisedAlarm { values, ..raised("too-hot", "A", 1, 1) });
    let payload: Json = serde_json::from_slice(&rig.sent()[0].payload).expect("JSON");
    let reason = format!("battery at {text}");
    assert_eq!(payload, json!({ "limit_percent": 30, "reason": reason }));
}
