//! Declarations and payloads: what is written is read back by the formats' own libraries, and what
//! is wrong names the field, or the line.
#![expect(clippy::disallowed_methods, reason = "schemas are files that the test writes")]

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::{Command, Commands, ReceiptText, ReceiptVerdict};
use crate::{
    mapping::{Options, Order, Plans, Template},
    model::{CommandId, LineDialect, Value as CellValue, ValueType},
    schema::{Bounds, Sources},
};

const PROTO: &str = r#"
syntax = "proto3";
package t;
import "google/protobuf/timestamp.proto";
enum Kind { NONE = 0; LIMIT = 1; }
message Inner { sint32 step = 1; repeated string notes = 2; }
message Command {
  string id = 1; Kind kind = 2; optional uint32 percent = 3; int64 big = 4; float part = 5;
  bytes blob = 6; Inner inner = 7; map<string, bool> flags = 8; repeated Kind kinds = 9;
  google.protobuf.Timestamp at = 10; oneof which { bool a = 11; bool b = 12; }
  bytes raw_id = 13;
}
message Receipt { string command_id = 1; Status status = 2; Detail why = 3; }
enum Status { RUNNING = 0; DONE = 1; FAILED = 2; }
message Detail { string text = 1; }
"#;

const AVRO: &str = r#"[
{"type": "record", "name": "Command", "namespace": "t", "fields": [
  {"name": "id", "type": "string"},
  {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["NONE", "LIMIT"]}},
  {"name": "percent", "type": ["null", "int"]},
  {"name": "step", "type": "long", "default": 7},
  {"name": "part", "type": "double"},
  {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 0},
  {"name": "names", "type": {"type": "array", "items": "string"}, "default": []},
  {"name": "limits", "type": {"type": "map", "values": "float"}, "default": {}},
  {"name": "code", "type": {"type": "fixed", "name": "Code", "size": 2}, "default": "AAA="},
  {"name": "inner", "type": ["null", {"type": "record", "name": "Inner", "fields": [
    {"name": "on", "type": "boolean"}, {"name": "text", "type": ["string", "int"]}]}]}
]},
{"type": "record", "name": "Receipt", "namespace": "t", "fields": [
  {"name": "notes", "type": {"type": "array", "items": {"type": "map", "values": "int"}}},
  {"name": "id", "type": "string"}, {"name": "done", "type": "boolean"},
  {"name": "why", "type": ["null", "string"]}]}
]"#;

const JSON: &str = r##"{"type": "object", "required": ["percent"], "properties": {
  "id": {"type": "string"}, "kind": {"enum": ["NONE", "LIMIT"]},
  "percent": {"type": "integer", "minimum": 50, "maximum": 100},
  "names": {"type": "array", "maxItems": 2, "items": {"$ref": "#/$defs/name"}},
  "inner": {"type": "object", "properties": {"on": {"type": "boolean"}}}},
  "$defs": {"name": {"type": "string", "minLength": 2}}}"##;

fn load(toml: &str) -> Result<Plans, String> {
    let dir = TempDir::new().expect("a folder");
    let files = [("c.toml", toml), ("c.proto", PROTO), ("c.avsc", AVRO), ("c.schema.json", JSON)];
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).expect("a file");
    }
    let sources = Sources::read(dir.path(), &Bounds::default(), &mut Vec::new());
    let options = Options::new(dir.path().to_owned(), LineDialect::Signed);
    Plans::from_sources(&sources, &options).map_err(|errors| errors.to_string())
}

const PROTOBUF: &str = r#"
[[command]]
name = "x"
format = "protobuf"
schema = "c.proto"
message = "t.Command"
id = "id"
fixed = { kind = "LIMIT" }
qos = 2
expires-in = "1h"
execute-within = "30s"
order = "after-receipt"
[command.receipt]
topic = "vehicles/{vin}/receipts"
format = "protobuf"
schema = "c.proto"
message = "t.Receipt"
id = "command_id"
status = "status"
done = ["DONE"]
failed = ["FAILED"]
progress = ["RUNNING"]
detail = "why.text"
"#;

const ID: CommandId = CommandId([7; 16]);

fn encode(command: &Command, fields: &Value) -> Result<Vec<u8>, String> {
    let fields: Map<String, Value> = fields.as_object().expect("an object").clone();
    command.encode(&fields, ID).map_err(|error| error.to_string())
}

fn only(toml: &str) -> (Plans, std::sync::Arc<Commands>) {
    let plans = load(toml).unwrap_or_else(|errors| panic!("{errors}"));
    let commands = std::sync::Arc::clone(plans.commands());
    (plans, commands)
}

#[test]
fn a_declaration_says_where_how_and_how_long() {
    let (_, commands) = only(PROTOBUF);
    let command = commands.find("x").expect("it is declared");
    assert_eq!((command.qos(), command.order()), (2, Order::AfterReceipt));
    assert_eq!(command.topic("V1"), "vehicles/V1/commands/x");
    assert_eq!(command.response_topic("V1").as_deref(), Some("vehicles/V1/receipts"));
    assert_eq!(command.expires_in().map(|it| it.as_secs()), Some(3600));
    assert_eq!(command.execute_within().map(|it| it.as_secs()), Some(30));
    assert_eq!(commands.topic_filters(), ["vehicles/+/commands/x"]);
    assert_eq!(commands.nearest("y"), None);
}

#[test]
fn protobuf_is_written_as_its_own_library_reads_it() {
    let (plans, commands) = only(PROTOBUF);
    let command = commands.find("x").expect("it is declared");
    let fields = json!({
        "percent": 60, "big": "-9007199254740993", "part": 0.5, "blob": "AQI=",
        "inner": {"step": -3, "notes": ["a", "b"]}, "flags": {"f": true}, "kinds": ["LIMIT", 0],
        "at": "2026-11-27T10:00:00Z", "b": true, "a": null,
    });
    let payload = encode(command, &fields).expect("it is well");
    let message = plans.registry().protobuf.message("c.proto", "t.Command").expect("it is there");
    let read = prost_reflect::DynamicMessage::decode(message, &*payload).expect("it is read");
    let read = serde_json::to_value(&read).expect("it is JSON");
    let expect = json!({
        "id": ID.to_string(), "kind": "LIMIT", "percent": 60, "big": "-9007199254740993",
        "part": 0.5, "blob": "AQI=", "inner": {"step": -3, "notes": ["a", "b"]},
        "flags": {"f": true}, "kinds": ["LIMIT", "NONE"], "at": "2026-11-27T10:00:00Z", "b": true,
    });
    assert_eq!(read, expect);
}

#[test]
fn a_wrong_field_of_protobuf_is_named_with_what_it_must_be() {
    let (_, commands) = only(PROTOBUF);
    let command = commands.find("x").expect("it is declared");
    let check = |fields: Value, expect: &str| {
        assert_eq!(encode(command, &fields), Err(expect.to_owned()));
    };
    check(
        json!({"percent": -1}),
        "field `percent` is -1; it must be a whole number from 0 to 4294967295",
    );
    check(
        json!({"percent": 1.5}),
        "field `percent` is 1.5; it must be a whole number from 0 to 4294967295",
    );
    check(json!({"percnt": 1}), "field `percnt` is unknown; did you mean `percent`?");
    check(
        json!({"inner": {"step": "x"}}),
        "field `inner.step` is the text \"x\"; it must be a whole number from -2147483648 to 2147483647",
    );
    check(json!({"inner": {"notes": [1]}}), "field `inner.notes.0` is 1; it must be a text");
    check(json!({"inner": 1}), "field `inner` is 1; it must be an object");
    check(
        json!({"kinds": ["NO"]}),
        "field `kinds.0` is the text \"NO\"; it must be one of NONE, LIMIT",
    );
    check(json!({"blob": "?"}), "field `blob` is the text \"?\"; it must be bytes in base64");
    check(json!({"a": true, "b": true}), "field `b` excludes `a`, which is there too");
    check(
        json!({"kind": "NONE"}),
        "field `kind` is not the caller's to give: the command fixes it",
    );
    check(json!({"id": "x"}), "field `id` is not the caller's to give: it takes the command's id");
    assert!(encode(command, &json!({"at": "today"})).expect_err("no time").contains("`at` is no"));
}

const AVRO_COMMAND: &str = r#"
[[command]]
name = "x"
topic = "fleet/{car}/do"
format = "avro"
schema = "c.avsc"
message = "t.Command"
id = "id"
fixed = { kind = "LIMIT", part = 0.5 }
[command.receipt]
topic = "receipts"
format = "avro"
schema = "c.avsc"
message = "t.Receipt"
id = "id"
status = "done"
done = ["true"]
failed = ["false"]
detail = "why"
"#;

#[test]
fn avro_is_written_as_its_own_library_reads_it_with_defaults_for_what_is_left_out() {
    let (plans, commands) = only(AVRO_COMMAND);
    let command = commands.find("x").expect("it is declared");
    assert_eq!(command.topic("V1"), "fleet/V1/do");
    let record = plans.registry().avro.record("c.avsc", "t.Command").expect("it is there");
    let schema = apache_avro::Schema::parse_str(&record.schema).expect("a schema");
    let check = |fields: Value, expect: Value| {
        let payload = encode(command, &fields).expect("it is well");
        let reader =
            apache_avro::reader::datum::GenericDatumReader::builder(&schema).build().expect("one");
        let read = reader.read_value(&mut &*payload).expect("it is read");
        assert_eq!(Value::try_from(read).expect("it is JSON"), expect);
    };
    check(
        json!({}),
        json!({
            "id": ID.to_string(), "kind": "LIMIT", "percent": null, "step": 7, "part": 0.5,
            "at": 0, "names": [], "limits": {}, "code": [0, 0], "inner": null,
        }),
    );
    check(
        json!({
            "percent": 60, "step": -3, "at": "1970-01-01T00:00:01.5Z", "names": ["a", "b"],
            "limits": {"x": 0.5}, "code": "AQI=", "inner": {"on": true, "text": 5},
        }),
        json!({
            "id": ID.to_string(), "kind": "LIMIT", "percent": 60, "step": -3, "part": 0.5,
            "at": 1500, "names": ["a", "b"], "limits": {"x": 0.5}, "code": [1, 2],
            "inner": {"on": true, "text": 5},
        }),
    );
    let wrong = |fields: Value, expect: &str| {
        assert_eq!(encode(command, &fields), Err(expect.to_owned()));
    };
    wrong(
        json!({"percent": "60"}),
        "field `percent` is the text \"60\"; it must be a whole number from -2147483648 to 2147483647",
    );
    wrong(json!({"inner": {"text": "x"}}), "field `inner.on` is missing");
    wrong(json!({"code": "AQ=="}), "field `code` has 1 bytes; it must have 2");
    wrong(
        json!({"nam": []}),
        "field `nam` is unknown; known are id, kind, percent, step, part, at, names, limits, code, inner",
    );
}

const JSON_COMMAND: &str = r#"
[[command]]
name = "x"
format = "json"
schema = "c.schema.json"
id = "id"
fixed = { kind = "LIMIT" }
"#;

#[test]
fn json_is_held_against_its_schema() {
    let (_, commands) = only(JSON_COMMAND);
    let command = commands.find("x").expect("it is declared");
    assert!(!command.expects_receipt());
    let fields = json!({"percent": 60, "names": ["ab"], "inner": {"on": true}});
    let payload = encode(command, &fields).expect("it is well");
    let read: Value = serde_json::from_slice(&payload).expect("it is JSON");
    let expect = json!({
        "id": ID.to_string(), "kind": "LIMIT", "percent": 60, "names": ["ab"],
        "inner": {"on": true},
    });
    assert_eq!(read, expect);
    let wrong = |fields: Value, expect: &str| {
        assert_eq!(encode(command, &fields), Err(expect.to_owned()));
    };
    wrong(json!({}), "field `percent` is missing");
    wrong(json!({"percent": 101}), "field `percent` is 101; it must be at most 100");
    wrong(json!({"percent": 60.5}), "field `percent` is 60.5; it must be a whole number");
    wrong(
        json!({"percent": 60, "names": ["a"]}),
        "field `names.0` has 1 characters; at least 2 are needed",
    );
    wrong(
        json!({"percent": 60, "names": ["ab", "cd", "ef"]}),
        "field `names` has 3 items; at most 2 may be",
    );
    wrong(
        json!({"percent": 60, "inner": {"off": 1}}),
        "field `inner.off` is unknown; known are on",
    );
}

/// Before there is a row only what is wrong in any row is told.
#[test]
fn fields_with_placeholders_are_held_against_each_format_before_there_is_a_value() {
    let kind = |column: &str| match column {
        "text" | "note" => Some(ValueType::String),
        "number" => Some(ValueType::Float),
        "at" => Some(ValueType::Timestamp),
        "flag" => Some(ValueType::Boolean),
        _ => None,
    };
    let check = |toml: &str, fields: Value, expect: &str| {
        let (_, commands) = only(toml);
        let template = Template::parse(fields.as_object().expect("fields")).expect("well formed");
        let told = commands.find("x").expect("it is declared").check(&template, &kind);
        assert_eq!(told.map_or_else(|error| error.to_string(), |()| String::new()), expect);
    };
    let whole = |most: &str, least: &str| format!("a whole number from {least} to {most}");
    let proto = |fields, expect: &str| check(PROTOBUF, fields, expect);
    proto(
        json!({"percent": "{number}", "big": "{text}", "blob": "{text}", "at": "{at}", "a": "{flag}",
            "inner": {"step": "{unknown}", "notes": ["{text}", "{unknown}", "of {number}"]},
            "kinds": ["{text}", "{number}", "LIMIT"], "flags": {"f": "{unknown}"}}),
        "",
    );
    proto(json!({"percnt": "{number}"}), "field `percnt` is unknown; did you mean `percent`?");
    proto(
        json!({"inner": {"step": "{text}"}}),
        &format!(
            "field `inner.step` is the text \"{{text}}\"; it must be {}",
            whole("2147483647", "-2147483648")
        ),
    );
    proto(json!({"kinds": "{text}"}), "field `kinds` is the text \"{text}\"; it must be a list");
    proto(
        json!({"kinds": ["{text}", "NO"]}),
        "field `kinds.0` is the text \"NO\"; it must be one of NONE, LIMIT",
    );
    proto(json!({"a": "{flag}", "b": "{flag}"}), "field `b` excludes `a`, which is there too");
    let avro = |fields, expect: &str| check(AVRO_COMMAND, fields, expect);
    avro(
        json!({"percent": "{number}", "step": "{text}", "at": "{at}", "code": "{text}",
            "names": ["{text}"], "limits": {"x": "{number}"}, "inner": {"on": "{unknown}",
            "text": "{number}"}}),
        "",
    );
    avro(json!({"inner": {"on": "{flag}"}}), "field `inner.text` is missing");
    avro(json!({"code": "AQ==", "step": "{text}"}), "field `code` has 1 bytes; it must have 2");
    avro(
        json!({"percent": "{text}"}),
        &format!(
            "field `percent` is the text \"{{text}}\"; it must be {}",
            whole("2147483647", "-2147483648")
        ),
    );
    let of_json = |fields, expect: &str| check(JSON_COMMAND, fields, expect);
    // What a number or a text says is its row's to show.
    of_json(json!({"percent": "{number}", "names": ["{text}", "{unknown}"]}), "");
    of_json(json!({"names": ["{text}"]}), "field `percent` is missing");
    of_json(json!({"percent": 101}), "field `percent` is 101; it must be at most 100");
    of_json(
        json!({"percent": "{text}"}),
        "field `percent` is the text \"{text}\"; it must be a whole number",
    );
    of_json(
        json!({"percent": "{unknown}", "inner": {"off": "{flag}"}}),
        "field `inner.off` is unknown; known are on",
    );
}

/// What a row says stays what it is in every format: nothing beside its own field changes (PU-4).
#[test]
fn no_text_of_a_row_becomes_structure_in_any_format() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/hostile.json");
    let corpus = std::fs::read_to_string(path).expect("it is there");
    let corpus: Vec<String> = serde_json::from_str(&corpus).expect("texts");
    assert!(corpus.len() > 100);
    for (toml, fields, field) in [
        (PROTOBUF, json!({"inner": {"notes": ["<{t}>"], "step": 7}, "percent": 60}), "percent"),
        (AVRO_COMMAND, json!({"names": ["<{t}>", "{t}"], "percent": 60}), "percent"),
        (JSON_COMMAND, json!({"names": ["<{t}>"], "percent": 60}), "percent"),
    ] {
        let (plans, commands) = only(toml);
        let command = commands.find("x").expect("it is declared");
        let template = Template::parse(fields.as_object().expect("fields")).expect("well formed");
        for text in &corpus {
            let said = CellValue::String(text.clone());
            let filled = template.fill(&|_| Some(&said));
            let payload = command.encode(&filled, ID).expect("a text is a text");
            let read =
                command.read(&payload, &[field]).expect("it is read").expect("it is this one");
            assert_eq!(read.fields, [Some("60".to_owned())], "{text:?}");
            assert_eq!(read.id.as_deref(), Some(ID.to_string().as_bytes()), "{text:?}");
            let told = format!("<{text}>");
            let is_there = match toml {
                JSON_COMMAND => {
                    let read: Value = serde_json::from_slice(&payload).expect("it is JSON");
                    read["names"] == json!([told])
                }
                PROTOBUF => {
                    let message = plans.registry().protobuf.message("c.proto", "t.Command");
                    let message = message.expect("it is there");
                    let read = prost_reflect::DynamicMessage::decode(message, &*payload);
                    let read = serde_json::to_value(read.expect("it is read")).expect("JSON");
                    read["inner"] == json!({"notes": [told], "step": 7})
                }
                _ => {
                    let whole = [told.as_bytes(), text.as_bytes()];
                    whole.iter().all(|text| contains(&payload, text))
                }
            };
            assert!(is_there, "{text:?}");
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    part.is_empty() || bytes.windows(part.len()).any(|some| some == part)
}

#[test]
fn receipts_are_read_by_what_the_declaration_names() {
    let read = |toml: &str, topic: &str, payload: &[u8]| {
        let (_, commands) = only(toml);
        let rule = commands.receipts(topic).next().expect("it is one");
        rule.read(payload)
    };
    let said = |id: &str, verdict, detail: &str| ReceiptText {
        id: Some(id.as_bytes().to_vec()),
        verdict: Some(verdict),
        detail: Some(detail.to_owned()),
    };
    let found = read(PROTOBUF, "vehicles/V1/receipts", b"\x0a\x02id\x10\x02\x1a\x04\x0a\x02no");
    assert_eq!(found, Ok(said("id", ReceiptVerdict::Failed, "no")));
    // Of proto3 a zero is not on the wire.
    let found = read(PROTOBUF, "vehicles/V1/receipts", b"\x0a\x02id");
    assert_eq!(found.expect("it is read").verdict, Some(ReceiptVerdict::Progress));
    let datum = b"\x02\x02\x02a\x02\x00\x00\x04id\x01\x02\x04no";
    let found = read(AVRO_COMMAND, "receipts", datum);
    assert_eq!(found, Ok(said("id", ReceiptVerdict::Done, "no")));
    for end in 0..datum.len() {
        assert!(read(AVRO_COMMAND, "receipts", &datum[..end]).is_err(), "{end}");
    }
    // A list of nothing without end takes no memory and little time.
    let endless = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00";
    assert!(read(AVRO_COMMAND, "receipts", endless).is_err());
    let (_, commands) = only(PROTOBUF);
    assert_eq!(commands.receipts("vehicles/V1/receipts/x").count(), 0);
    let rule = commands.receipts("vehicles/V1/receipts").next().expect("it is one");
    assert_eq!((rule.command(), rule.vehicle("vehicles/V1/receipts")), ("x", Some("V1")));
}

#[test]
fn a_wrong_declaration_is_told_with_its_line() {
    let check = |from: &str, to: &str, expect: &str| {
        assert!(PROTOBUF.contains(from), "{from}");
        let errors = load(&PROTOBUF.replacen(from, to, 1)).expect_err("it is wrong");
        assert_eq!(errors, expect);
    };
    check("qos = 2", "qos = 0", "c.toml:9: `qos` must be 1 or 2");
    check("\"id\"", "\"kind\"", "c.toml:7: `id`: field `kind` is neither a text nor bytes");
    check(
        "\"id\"",
        "\"raw_di\"",
        "c.toml:7: `id`: field `raw_di` is unknown; did you mean `raw_id`?",
    );
    check(
        "\"LIMIT\"",
        "\"LIMITS\"",
        "c.toml:8: `fixed`: field `kind` is the text \"LIMITS\"; it must be one of NONE, LIMIT",
    );
    check(
        "t.Command",
        "t.Comand",
        "c.toml:6: `c.proto` has no message `t.Comand`; did you mean `t.Command`?",
    );
    check(
        "\"1h\"",
        "\"1 h\"",
        "c.toml:10: `expires-in` cannot be `1 h`; write a duration such as 30s, 5m, 1h or 7d, at least 1ms",
    );
    check(
        "[\"DONE\"]",
        "[\"OK\"]",
        "c.toml:20: `status` is never `OK`; it is RUNNING, DONE, FAILED",
    );
    check(
        "\"why.text\"",
        "\"why.txt\"",
        "c.toml:23: field `why.txt` is unknown; did you mean `text`?",
    );
    check("order =", "oder =", "c.toml:12: unknown key `oder`; did you mean `order`?");
    check(
        "vehicles/{vin}/receipts",
        "vehicles/+/receipts",
        "c.toml:14: `topic`: nothing is published on a wildcard; write a capture, {vin}, for the vehicle",
    );
    check(
        "name = \"x\"",
        "name = \"x\"\ntopic = \"cmd\"",
        "c.toml:4: `topic` has no capture; write {vin} where the vehicle stands",
    );
    let twice = format!("{PROTOBUF}{JSON_COMMAND}");
    assert_eq!(load(&twice).expect_err("twice"), "c.toml:26: the name `x` is taken by c.toml:3");
}
