//! The effects and receipts of the shipped commands, and of some unusual ones.

use serde_json::{Map, Value, json};

use super::{super::shape::Files, *};
use crate::{
    mapping::{Commands, ReceiptText, ReceiptVerdict},
    model::CommandId,
    schema::Sources,
};

const VIN: &str = "V1";
const TOPICS: [&str; 4] = ["identify", "limit-charge", "lock", "precondition"];

/// The appliance and one vehicle.
struct Rig {
    commands: Commands,
    all: Repertoire,
    agenda: Agenda,
    counts: CommandCounts,
    /// The limits that the script received, and whether it supports them.
    limits: Vec<u8>,
    is_live: bool,
}

impl Rig {
    fn new() -> Self {
        let sources: Sources = Files::Shipped.sources(&mut Vec::new());
        let commands = Commands::from_sources(&sources).expect("they ship");
        let all = Repertoire::load(&Files::Shipped).expect("they ship");
        assert!(all.left_out.is_empty());
        let (agenda, counts) = (Agenda::default(), CommandCounts::default());
        Self { commands, all, agenda, counts, limits: Vec::new(), is_live: true }
    }

    /// Sends a command with this last byte of the id.
    fn tell(&mut self, name: &str, id: u8, fields: Value, at_s: u64) {
        let fields: Map<String, Value> = fields.as_object().expect("an object").clone();
        let command = self.commands.find(name).expect("it ships");
        let payload = command.encode(&fields, CommandId([id; 16])).expect("it is well");
        self.hear(&command.topic(VIN), &payload, at_s);
    }

    fn hear(&mut self, topic: &str, payload: &[u8], at_s: u64) {
        let told = Told { vehicle: VIN, topic, payload, correlation: Some(b"c") };
        let limits = &mut self.limits;
        let limit = |percent| {
            limits.push(percent);
            self.is_live
        };
        self.counts += self.agenda.take(&self.all, told, moment(at_s), limit);
    }

    /// The sent receipts, each acknowledged at once, as the appliance reads them: the last byte of
    /// the id, the verdict, and the detail.
    fn said(&mut self) -> Vec<(u8, ReceiptVerdict, Option<String>)> {
        let mut said = Vec::new();
        while let Some((receipt, again)) = self.agenda.leave() {
            assert!(!again);
            assert_eq!(receipt.topic, "vehicles/V1/receipts");
            assert_eq!(receipt.correlation.as_deref(), Some(&b"c"[..]));
            let rule = self.commands.receipts(&receipt.topic).next().expect("it is declared");
            let ReceiptText { id, verdict, detail } =
                rule.read(&receipt.payload).expect("a receipt");
            let id = id.and_then(|id| String::from_utf8(id).ok()?.parse().ok());
            let CommandId(id) = id.unwrap_or(CommandId([0; 16]));
            said.push((id[15], verdict.expect("a known word"), detail));
            self.agenda.acknowledged();
        }
        assert!(self.agenda.is_settled());
        said
    }
}

fn moment(at_s: u64) -> Moment {
    Moment { nanos: at_s * 1_000_000_000, millis: 1_795_000_000_000 }
}

fn counts(received: u64, done: u64, rejected: u64) -> CommandCounts {
    CommandCounts { received, done, rejected }
}

#[test]
fn a_vehicle_subscribes_to_all_that_is_declared() {
    let topics = Rig::new().all.topics(VIN);
    assert_eq!(topics, TOPICS.map(|name| format!("vehicles/V1/commands/{name}")));
}

#[test]
fn an_identification_is_under_way_and_done_when_its_seconds_are_over() {
    let mut rig = Rig::new();
    rig.tell("identify", 1, json!({"seconds": 7}), 10);
    rig.tell("identify", 2, json!({}), 10);
    let under_way = [(1, ReceiptVerdict::Progress, None), (2, ReceiptVerdict::Progress, None)];
    assert_eq!(rig.said(), under_way);
    assert_eq!(rig.agenda.next_end(), Some(15_000_000_000), "five seconds are usual");
    assert_eq!(rig.agenda.go_on(&rig.all, VIN, moment(14)), 0);
    assert_eq!(rig.agenda.go_on(&rig.all, VIN, moment(16)), 1);
    assert_eq!(rig.said(), [(2, ReceiptVerdict::Done, None)]);
    assert_eq!(rig.agenda.go_on(&rig.all, VIN, moment(17)), 1);
    assert_eq!(rig.said(), [(1, ReceiptVerdict::Done, None)]);
    assert_eq!((rig.agenda.next_end(), rig.counts), (None, counts(2, 0, 0)));
}

#[test]
fn a_limit_of_charge_is_done_where_the_vehicle_can_and_else_rejected_with_the_reason() {
    let mut rig = Rig::new();
    rig.tell("limit-charge", 1, json!({"limit_percent": 60}), 0);
    assert_eq!(rig.said(), [(1, ReceiptVerdict::Done, None)]);
    rig.is_live = false;
    rig.tell("limit-charge", 2, json!({"limit_percent": 70}), 0);
    let said = rig.said();
    assert_eq!((said[0].0, said[0].1), (2, ReceiptVerdict::Rejected));
    assert!(said[0].2.as_ref().is_some_and(|why| why.contains("recorded")), "{said:?}");
    assert_eq!((rig.limits, rig.counts), (vec![60, 70], counts(2, 1, 1)));
}

#[test]
fn what_is_out_of_bounds_or_unknown_is_rejected_with_the_reason() {
    let mut rig = Rig::new();
    let check = |rig: &mut Rig, why: &str| {
        let said = rig.said();
        assert_eq!((said.len(), said[0].1), (1, ReceiptVerdict::Rejected), "{said:?}");
        assert_eq!(said[0].2.as_deref(), Some(why));
    };
    let (seconds, percent) = ("`seconds` is from 1 to 60", "`limit_percent` is from 20 to 100");
    for (name, fields, why) in [
        ("identify", json!({"seconds": 0}), seconds),
        ("identify", json!({"seconds": 61}), seconds),
        ("limit-charge", json!({}), percent),
        ("limit-charge", json!({"limit_percent": 19}), percent),
        ("limit-charge", json!({"limit_percent": 101}), percent),
        ("limit-charge", json!({"limit_percent": 276}), percent),
        ("lock", json!({"locked": true}), "this vehicle knows no lock"),
    ] {
        let id = u8::try_from(rig.counts.received).expect("few");
        rig.tell(name, id, fields, 0);
        check(&mut rig, why);
    }
    // Another kind on this topic, and a payload that is no command.
    let lock = rig.commands.find("lock").expect("it ships");
    let payload = lock.encode(&Map::new(), CommandId([9; 16])).expect("it is well");
    rig.hear("vehicles/V1/commands/identify", &payload, 0);
    check(&mut rig, "this vehicle does not know it");
    rig.agenda = Agenda::default();
    rig.hear("vehicles/V1/commands/identify", b"\xff", 0);
    let said = rig.said();
    assert!(said[0].2.as_ref().is_some_and(|why| why.starts_with("it cannot be read")), "{said:?}");
    assert_eq!((rig.limits.len(), rig.counts), (0, counts(9, 0, 9)));
    // No command is declared there, so there is no answer.
    rig.hear("vehicles/V1/else", &payload, 0);
    rig.tell("precondition", 10, json!({}), 0);
    assert!(rig.said().is_empty());
}

#[test]
fn one_that_comes_again_is_answered_again_and_not_done_again() {
    let mut rig = Rig::new();
    for _ in 0..3 {
        rig.tell("identify", 1, json!({"seconds": 5}), 0);
        rig.tell("limit-charge", 2, json!({"limit_percent": 60}), 0);
        let said = rig.said();
        assert_eq!(said, [(1, ReceiptVerdict::Progress, None), (2, ReceiptVerdict::Done, None)]);
    }
    assert_eq!((&*rig.limits, rig.counts), (&[60][..], counts(2, 1, 0)));
    assert_eq!(rig.agenda.go_on(&rig.all, VIN, moment(5)), 1);
    assert_eq!(rig.said(), [(1, ReceiptVerdict::Done, None)]);
    rig.tell("identify", 1, json!({"seconds": 5}), 9);
    assert_eq!(rig.said(), [(1, ReceiptVerdict::Done, None)]);
}

#[test]
fn receipts_leave_one_by_one_and_again_after_a_lost_connection() {
    let mut rig = Rig::new();
    rig.tell("limit-charge", 1, json!({"limit_percent": 60}), 0);
    rig.tell("limit-charge", 2, json!({"limit_percent": 70}), 0);
    let first = rig.agenda.leave().map(|(receipt, again)| (receipt.clone(), again));
    let (first, again) = first.expect("there are two");
    assert!(!again && rig.agenda.is_in_flight());
    assert_eq!(rig.agenda.leave(), None);
    rig.agenda.lost();
    assert!(!rig.agenda.is_in_flight());
    assert_eq!(rig.agenda.leave(), Some((&first, true)));
    rig.agenda.acknowledged();
    rig.agenda.acknowledged();
    assert_eq!(rig.said(), [(2, ReceiptVerdict::Done, None)]);
    rig.agenda.lost();
    assert_eq!(rig.agenda.leave(), None);
}

/// A flood of commands costs a vehicle only bounded memory and its own time.
#[test]
fn a_flood_is_bounded() {
    let mut rig = Rig::new();
    for id in 1..=200 {
        rig.tell("identify", id, json!({"seconds": 60}), 0);
        rig.said();
    }
    assert_eq!(rig.counts, counts(200, 0, 184), "sixteen at a time");
    assert_eq!(rig.agenda.go_on(&rig.all, VIN, moment(60)), 16);
}

const ODD: &str = r##"{"type": "object", "required": ["ok", "site"],
  "properties": {"ok": {"type": "boolean"}, "site": {"type": "string"}}}"##;

#[test]
fn a_command_whose_receipt_no_vehicle_can_write_is_left_out_with_the_reason() {
    let command = r#"
[[command]]
name = "identify"
format = "json"
schema = "odd.schema.json"
[command.receipt]
topic = "receipts"
format = "json"
schema = "odd.schema.json"
status = "ok"
done = ["true"]
"#;
    let text = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let sources = |schema: &str| {
        Sources::from_texts([text("a.toml", command), text("odd.schema.json", schema)])
    };
    let all = Repertoire::of(Commands::from_sources(&sources(ODD)).expect("it is well"));
    let told: Vec<_> = all.left_out.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    assert_eq!(told, ["identify: field `site` is missing"]);
    assert!(all.topics(VIN).is_empty());
    // Its status is no string, and its id is the correlation data.
    let schema = ODD.replace(r#", "site"]"#, "]");
    let all = Repertoire::of(Commands::from_sources(&sources(&schema)).expect("it is well"));
    let mut agenda = Agenda::default();
    let topic = "vehicles/V1/commands/identify";
    let told = Told { vehicle: VIN, topic, payload: b"{}", correlation: Some(b"c") };
    for received in [1, 0] {
        let counts = agenda.take(&all, told, moment(0), |_| true);
        assert_eq!(counts.received, received);
    }
    assert_eq!(agenda.leave(), None, "it has no word for that it is at it");
    agenda.go_on(&all, VIN, moment(5));
    let (receipt, _) = agenda.leave().expect("it is done");
    assert_eq!(receipt.payload, br#"{"ok":true}"#);
}
