//! What `check` tells of wrong alarms, word for word, and what right ones are.

use std::path::PathBuf;

use prost_reflect::DynamicMessage;
use serde_json::{Value as Json, json};

use super::AlarmAction;
use crate::{
    mapping::{Options, Plans},
    model::{CommandId, LineDialect, Value},
    schema::Sources,
};

const PROTO: &str = r#"
syntax = "proto3";
package t;
message M {
  double temp = 1;
  string mode = 2;
  int64 count = 3;
  repeated S samples = 4;
  repeated int32 list = 5;
  string id = 6;
  message S { double v = 1; }
}
message C {
  string id = 1;
  int32 percent = 2;
  string reason = 3;
  Mode mode = 4;
  double level = 5;
  enum Mode { ECO = 0; SPORT = 1; }
}
"#;

/// 18 lines: what an alarm below begins behind.
const DECLARED: &str = r#"[[mapping]]
name = "m"
topic = "v/{vin}/m"
format = "protobuf"
schema = "m.proto"
message = "t.M"
measurement = "m"
vehicle = "{vin}"
tags = ["vin"]
points = "samples"
[[command]]
name = "limit"
format = "protobuf"
schema = "m.proto"
message = "t.C"
id = "id"
"#;

fn load(toml: &str) -> Result<Plans, Vec<String>> {
    let texts = [("m.proto".to_owned(), PROTO.to_owned()), ("m.toml".to_owned(), toml.to_owned())];
    let options = Options::new(PathBuf::new(), LineDialect::Unsigned);
    Plans::from_sources(&Sources::from_texts(texts), &options)
        .map_err(|errors| errors.problems.iter().map(ToString::to_string).collect())
}

/// An alarm: its header is line 17, `rest` begins at line 20.
fn alarm(rest: &str) -> String {
    format!("{DECLARED}[[alarm]]\nname = \"a\"\nmapping = \"m\"\n{rest}\n")
}

/// Checks what is told of one alarm.
#[track_caller]
fn check_bad(rest: &str, expect: &str) {
    // Not `expect_err`: plans are too many words for a test's stack.
    let told = load(&alarm(rest)).err().unwrap_or_default();
    assert_eq!(told, [expect.to_owned()], "{rest}");
}

#[test]
fn what_is_wrong_with_an_alarm_is_told_with_its_line() {
    check_bad(
        "when = \"tmp > 1\"\ncommand = \"limit\"",
        "m.toml:20: `when`: `tmp`: t.M has no field `tmp`; did you mean `temp`?",
    );
    check_bad(
        "when = \"temp >\"\ncommand = \"limit\"",
        "m.toml:20: `when`: expected a number, a text in quotes, true or false, found the end",
    );
    check_bad(
        "when = \"temp > 'x'\"\ncommand = \"limit\"",
        "m.toml:20: `when`: `temp` is a float, which cannot be compared with \"x\"",
    );
    check_bad(
        "when = \"temp > 1\"\ncommand = \"limti\"",
        "m.toml:21: `command`: no command `limti` is declared; did you mean `limit`?",
    );
    check_bad("when = \"temp > 1\"", "m.toml:17: this alarm has no `command`; add it");
    check_bad(
        "when = \"temp > 1\"\ncommand = \"limit\"\npublish = { topic = \"a/{vin}\" }",
        "m.toml:22: remove `publish`: it stands beside `command`; write an alarm for each",
    );
    check_bad(
        "when = \"temp > 1\"\ncommand = \"limit\"\nonce-per = \"8d\"",
        "m.toml:22: `once-per` cannot be `8d`; write a duration from 1ms to 7d",
    );
    check_bad(
        "when = \"temp > 1\"\ncommand = \"limit\"\nexecute-within = \"8d\"",
        "m.toml:22: `execute-within` is the time for a receipt, and the command expects none",
    );
    check_bad(
        "when = \"temp > 1\"\npublish = { topic = \"a/{vin}\" }\nsupersede = \"k\"",
        "m.toml:22: remove `supersede`: it is about a command, and this alarm publishes",
    );
    check_bad(
        "when = \"temp > 1\"\ncommand = \"limit\"\ncomand = 1",
        "m.toml:22: unknown key `comand`; did you mean `command`?",
    );
    check_bad(
        "when = \"temp > 1\"\ncommand = \"limit\"\n[alarm.still]\nmeasurement = \"m\"\nwhen = \"temp\"\nfresh = \"1m\"",
        "m.toml:24: `still`: `when`: expected an operator (==, !=, <, <=, >, >=, in) after `temp`, found the end",
    );
}

#[test]
fn the_fields_of_an_alarm_are_held_against_the_commands_schema() {
    let check = |fields: &str, expect: &str| {
        let rest = format!("when = \"temp > 1\"\ncommand = \"limit\"\nfields = {{ {fields} }}");
        match expect {
            "" => drop(load(&alarm(&rest)).map_err(|told| panic!("{fields}: {told:?}"))),
            expect => check_bad(&rest, &format!("m.toml:22: `fields`: {expect}")),
        }
    };
    check(
        "percent = 30, reason = \"at {temp} of {vin}\", level = \"{temp}\", mode = \"{mode}\"",
        "",
    );
    check("percent = \"{count}\", reason = \"{mode}\", mode = \"SPORT\"", "");
    // Of a point, of the message.
    check("level = \"{v}\", reason = \"{id}\"", "");
    check("level = \"{mode}\"", "field `level` is the text \"{mode}\"; it must be a number");
    check(
        "percent = \"30\"",
        "field `percent` is the text \"30\"; it must be a whole number from -2147483648 to 2147483647",
    );
    check("mode = \"FAST\"", "field `mode` is the text \"FAST\"; it must be one of ECO, SPORT");
    check("percnt = 30", "field `percnt` is unknown; did you mean `percent`?");
    check("id = \"x\"", "field `id` is not the caller's to give: it takes the command's id");
    check("reason = \"{tmp}\"", "`tmp`: t.M has no field `tmp`; did you mean `temp`?");
    check("reason = \"{list}\"", "`list` is not a single value");
    check(
        "reason = \"{\"",
        "field `reason` has a brace that is no `{column}`; write `{{` or `}}` for a brace: \"{\"",
    );
}

#[test]
fn a_topic_that_an_alarm_publishes_on_is_one_that_it_may() {
    let check = |topic: &str, expect: &str| {
        let rest = format!("when = \"temp > 1\"\npublish = {{ topic = \"{topic}\" }}");
        match expect {
            "" => drop(load(&alarm(&rest)).map_err(|told| panic!("{topic}: {told:?}"))),
            expect => check_bad(&rest, &format!("m.toml:21: {expect}")),
        }
    };
    check("alarms/{vin}", "");
    check("alarms", "");
    // Its own mapping's: stored, and nothing more.
    check("v/{vin}/m", "");
    check("alarms/#", "`topic`: nothing is published on a wildcard");
    check("{a}/{b}", "`topic` has more than one capture; the one that it may have is the vehicle");
    check("$SYS/x", "`topic` begins with $, and such topics are the server's own");
    let command = "`topic` is one that commands leave on; write `command` to send one";
    check("vehicles/{vin}/commands/limit", command);
    check("vehicles/A/{x}/limit", command);
}

#[test]
fn an_alarm_belongs_to_a_mapping_that_is_there_and_is_asked_by_name() {
    let other = alarm("when = \"temp > 1\"\ncommand = \"limit\"")
        .replace("mapping = \"m\"", "mapping = \"n\"");
    let told = load(&other).err().unwrap_or_default();
    assert_eq!(told, ["m.toml:19: no mapping is called `n`"]);
    let twice = format!(
        "{}[[alarm]]\nname = \"a\"\nmapping = \"m\"\nwhen = \"count == 1\"\ncommand = \"limit\"\n",
        alarm("when = \"temp > 1\"\ncommand = \"limit\"")
    );
    let told = load(&twice).err().unwrap_or_default();
    assert_eq!(told, ["m.toml:23: the name `a` is taken by m.toml:18"]);
    let lines = "[[mapping]]\nname = \"l\"\ntopic = \"l/{vin}\"\nformat = \"line-protocol\"\n\
                 vehicle = \"{vin}\"\ntags = [\"vin\"]\n[[alarm]]\nname = \"a\"\nmapping = \"l\"\n\
                 when = \"x > 1\"\npublish = { topic = \"a\" }\n";
    let told = load(lines).err().unwrap_or_default();
    let expect =
        "m.toml:9: `mapping` is of line protocol, which is written as sent and never tested";
    assert_eq!(told, [expect]);
}

#[test]
fn a_command_to_whatever_vehicle_a_payload_names_is_warned_of() {
    let text = alarm("when = \"temp > 1\"\ncommand = \"limit\"")
        .replace("vehicle = \"{vin}\"", "vehicle = \"id\"")
        .replace("tags = [\"vin\"]", "tags = [\"id\"]");
    let plans = load(&text).unwrap_or_else(|told| panic!("{told:?}"));
    let warnings: Vec<String> = plans.warnings().iter().map(ToString::to_string).collect();
    assert!(warnings.iter().any(|it| it.contains("the payload names the vehicle")), "{warnings:?}");
    let held = text.replace("points =", "identity = \"required\"\npoints =");
    let plans = load(&held).unwrap_or_else(|told| panic!("{told:?}"));
    assert!(plans.warnings().is_empty());
    let alarms = plans.commands().alarms();
    let alarm = alarms.find("a").expect("it is declared");
    assert_eq!((alarms.iter().len(), &*alarm.mapping), (1, "m"));
    assert!(matches!(&alarm.action, AlarmAction::Command(command) if command.name == "limit"));
    assert!(alarms.find("b").is_none());
}

/// Texts that would be structure if anybody took them for such.
const HOSTILE: [&str; 6] = [
    "\", \"percent\": 100, \"x\": \"",
    "{percent} {{ }} {mode}",
    "\u{0}\u{1}\u{7f}\r\n\\",
    "\u{12}\u{2}hi\u{10}\u{64}",
    "'; DROP TABLE command; --",
    "\u{feff}\u{202e}\u{10ffff}",
];

/// Every format: what comes out is read by the format's own library.
#[test]
fn no_text_of_a_message_becomes_more_than_the_text_that_it_is() {
    let avro = r#"{"type": "record", "name": "C", "namespace": "t", "fields": [
        {"name": "percent", "type": "int", "default": 7}, {"name": "reason", "type": "string"}]}"#;
    let schema = r#"{"type": "object", "additionalProperties": false, "properties":
        {"percent": {"type": "integer"}, "reason": {"type": "string"}}}"#;
    let mut toml = DECLARED.to_owned();
    toml.push_str("[[command]]\nname = \"a\"\nformat = \"avro\"\nschema = \"c.avsc\"\n");
    toml.push_str("message = \"t.C\"\n");
    toml.push_str("[[command]]\nname = \"j\"\nformat = \"json\"\nschema = \"c.schema.json\"\n");
    for command in ["limit", "a", "j"] {
        toml.push_str(&format!(
            "[[alarm]]\nname = {command:?}\nmapping = \"m\"\nwhen = \"temp > 1\"\n\
             command = {command:?}\nfields = {{ reason = \"<{{mode}}>\" }}\n"
        ));
    }
    let texts =
        [("m.proto", PROTO), ("m.toml", &toml), ("c.avsc", avro), ("c.schema.json", schema)];
    let sources = Sources::from_texts(texts.map(|(path, text)| (path.to_owned(), text.to_owned())));
    let options = Options::new(PathBuf::new(), LineDialect::Unsigned);
    let plans = Plans::from_sources(&sources, &options).unwrap_or_else(|told| panic!("{told}"));
    let commands = plans.commands();
    let encoded = |name: &str, text: &str| {
        let alarm = commands.alarms().find(name).expect("it is declared");
        let fields = alarm.fields(&[("mode".into(), Value::String(text.to_owned()))]);
        let command = commands.find(name).expect("it is declared");
        command.encode(&fields, CommandId([0; 16])).expect("it is well")
    };
    let message = plans.registry().protobuf.message("m.proto", "t.C").expect("it is there");
    let avro = apache_avro::Schema::parse_str(avro).expect("a schema");
    for text in HOSTILE {
        let reason = format!("<{text}>");
        let payload = encoded("limit", text);
        let read = DynamicMessage::decode(message.clone(), &*payload).expect("it is read");
        let read = serde_json::to_value(&read).expect("it is JSON");
        assert_eq!(read, json!({ "id": CommandId([0; 16]).to_string(), "reason": reason }));
        let payload = encoded("a", text);
        let reader =
            apache_avro::reader::datum::GenericDatumReader::builder(&avro).build().expect("one");
        let read = reader.read_value(&mut &*payload).expect("it is read");
        let read = Json::try_from(read).expect("it is JSON");
        assert_eq!(read, json!({ "percent": 7, "reason": reason }));
        let read: Json = serde_json::from_slice(&encoded("j", text)).expect("it is read");
        assert_eq!(read, json!({ "reason": reason }));
    }
}
