//! The steady state allocates nothing, whatever the format: counted by a counting allocator once
//! the buffers have grown to a message.
//!
//! One exception is checked to stay as it is: serde_json allocates a buffer per message for the
//! first string with an escape, and cannot be given one.

use std::num::NonZeroU16;

use apache_avro::{Schema, types::Value as Avro, writer::datum::GenericDatumWriter};
use serde_json::json;

use super::{
    harness::{Harness, RECEIVED_AT, TOPIC, mapping, proto3},
    set::{self, Set},
    shipped,
};
use crate::{
    mapping::Plans,
    model::ShardCount,
    spool::EntryBuffer,
    uplink::{Message, Sender, TopicMemo, Transcoder},
};

/// A message like the last one, of which so many points are written, costs no allocation.
#[track_caller]
fn check(plans: &Plans, topic: &str, payload: &[u8], points: u32) {
    let shown = String::from_utf8_lossy(payload);
    assert_eq!(allocations(plans, topic, payload, points), 0, "{topic}: {shown}");
}

/// What a hundred messages like the last one allocate.
#[track_caller]
fn allocations(plans: &Plans, topic: &str, payload: &[u8], points: u32) -> u64 {
    let mut transcoder =
        Transcoder::new(crate::uplink::Limits::default(), ShardCount(NonZeroU16::MIN));
    let (mut memo, mut lines) = (TopicMemo::<()>::default(), [EntryBuffer::new()]);
    let mut once = || {
        lines[0].clear();
        let message = Message {
            topic,
            payload,
            content_type: None,
            sender: Sender::Unchecked,
            received_at: RECEIVED_AT,
        };
        let done = transcoder.transcode(plans, &message, &mut memo, &mut lines);
        assert_eq!(transcoder.failures(), []);
        assert_eq!(done.points, points);
    };
    once();
    allocation_counter::measure(|| (0..100).for_each(|_| once())).count_total
}

#[test]
fn a_protobuf_message_like_the_last_one_allocates_nothing() {
    let proto = proto3(
        "import \"google/protobuf/timestamp.proto\";
         import \"google/protobuf/wrappers.proto\";
         enum E { Z = 0; Y = 1; }
         message N { int32 x = 1; repeated double l = 2; map<string, int32> k = 3; }
         message S { double v = 1; string s = 2; bytes b = 3; E e = 4; }
         message M {
           int64 at = 1; string model = 2; N n = 3; repeated S samples = 4; float f = 5;
           google.protobuf.Timestamp t = 6; uint64 u = 7; oneof o { int32 c = 8; N d = 9; }
           google.protobuf.StringValue w = 10;
         }",
    );
    // The samples have equal times, so they are resolved, and rewritten, in every message.
    let toml = "tags = [\"vin\", \"model\"]\ntime = { field = \"at\", unit = \"ms\" }\n\
                points = \"samples\"\nwhen = \"v >= 0 and s != 'x'\"\nduplicates = \"offset-ns\"\n";
    for rest in ["", "repeated = \"json\"\n"] {
        let harness = Harness::new(&proto, &mapping(&format!("{toml}{rest}")));
        let payload = harness.encode(
            r#"{"at": "1795388400000", "model": "a b", "f": 1.5, "u": "7", "c": 5, "w": "w",
                "t": "2026-11-22T23:00:00Z", "n": {"x": 1, "l": [1, 2.5], "k": {"a": 1, "b": 2}},
                "samples": [{"v": 1.25, "s": "a\"b", "b": "AAEC", "e": "Y"}, {"v": 2}, {"v": -1}]}"#,
        );
        check(&harness.plans, TOPIC, &payload, 2);
    }
}

#[test]
fn an_avro_message_like_the_last_one_allocates_nothing() {
    let schema = json!({"type": "record", "name": "R", "fields": [
        {"name": "a", "type": ["null", "double"]},
        {"name": "s", "type": "string"},
        {"name": "l", "type": {"type": "array", "items": "long"}},
        {"name": "k", "type": {"type": "map", "values": "float"}},
        {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["X", "Y"]}},
        {"name": "t", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "u", "type": {"type": "string", "logicalType": "uuid"}},
    ]})
    .to_string();
    let list = |items: Vec<Avro>| Avro::Array(items);
    let value = Avro::Record(vec![
        ("a".into(), Avro::Union(1, Box::new(Avro::Double(1.5)))),
        ("s".into(), Avro::String("a \"b\\".into())),
        ("l".into(), list(vec![Avro::Long(1), Avro::Long(-2)])),
        ("k".into(), Avro::Map([("x".to_owned(), Avro::Float(0.5))].into())),
        ("e".into(), Avro::Enum(1, "Y".into())),
        ("t".into(), Avro::TimestampMicros(1_795_388_400_000_000)),
        ("u".into(), Avro::String("018f3c5e-7b1a-7c44-9d1e-5a0f4be27c11".into())),
    ]);
    let parsed = Schema::parse_str(&schema).expect("the test's schema");
    let writer = GenericDatumWriter::builder(&parsed).build().expect("a writer");
    let payload = writer.write_value_to_vec(value).expect("the test's value");
    for rest in ["", "repeated = \"json\"\n"] {
        let rest = format!(
            "schema = \"m.avsc\"\nmessage = \"R\"\nmeasurement = \"m\"\ntags = [\"vin\"]\n{rest}"
        );
        let set = Set::new(&[("m.avsc", &schema), ("m.toml", &set::mapping("avro", &rest))]);
        check(&set.plans, TOPIC, &payload, 1);
    }
}

#[test]
fn a_json_message_like_the_last_one_allocates_nothing() {
    let schema = r#"{"type": "object", "properties": {
        "n": {"type": "number"}, "i": {"type": "integer"}, "s": {"type": "string"},
        "b": {"type": "boolean"}, "o": {"type": "object", "properties": {"x": {"type": "number"}}},
        "l": {"type": "array", "items": {"type": "number"}}}}"#;
    let plain = r#"{"n": 1.25, "i": -7, "s": "a, b", "b": true, "o": {"x": 2e3},
        "l": [1, 2.123456789012345, null], "unknown": {"deep": ["x", {"y": "z"}]}}"#;
    let escaped = plain.replace("a, b", "a \\u00e9");
    for rest in ["", "repeated = \"json\"\n"] {
        let rest = format!(
            "schema = \"m.schema.json\"\nmeasurement = \"m\"\ntags = [\"vin\", \"s\"]\n{rest}"
        );
        let toml = set::mapping("json", &rest);
        let set = Set::new(&[("m.schema.json", schema), ("m.toml", &toml)]);
        check(&set.plans, TOPIC, plain.as_bytes(), 1);
        check(&set.plans, TOPIC, escaped.as_bytes(), 1);
    }
}

/// Shapes beside plain objects, values that are converted, times as text: none of it needs more
/// than the buffers.
#[test]
fn a_message_of_any_shape_like_the_last_one_allocates_nothing() {
    let tuple = r#"{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"},
        {"type":"number"}]}"#;
    let union = r#"{"type":["number","string","boolean"]}"#;
    let object =
        |properties: &str| format!("{{\"type\":\"object\",\"properties\":{{{properties}}}}}");
    let list = |items: &str| format!("{{\"type\":\"array\",\"items\":{items}}}");
    let map = |values: &str| format!("{{\"type\":\"object\",\"additionalProperties\":{values}}}");
    let sample = r#"{"type":"object","properties":{"at":{"type":"string"},"v":{"type":"number"}}}"#;
    let iso = "time = { field = \"at\", zone = \"Europe/Berlin\", unset = \"received\" }\n";
    let cases = [
        (
            list(tuple),
            "time = { field = \"0\", unit = \"s\" }",
            r#"[[1795388400,"a",1.5],[1795388401,"b"]]"#,
            2,
        ),
        (object(&format!("\"t\":{tuple}")), "", r#"{"t":[1,"a",2.5,true]}"#, 1),
        (list(&list(union)), "", r#"[[1,"a"],[],[true,2.5]]"#, 4),
        (
            object(&format!("\"v\":{union}")),
            "when = \"v.number > 1 or exists(v.string)\"",
            r#"{"v":"x"}"#,
            1,
        ),
        (
            map(&list(sample)),
            iso,
            r#"{"a":[{"at":"2026-11-22T23:00:00","v":1}],"b":[{"v":2},{"at":"2026-11-23T24:00:00 +01:00","v":3}]}"#,
            3,
        ),
        (
            object(
                r#""a":{"type":"string"},"b":{"type":"integer"},"c":{"type":"number"},
                "l":{"type":"array","items":{"type":"integer"}}"#,
            ),
            "fields.rename = { \"l.0\" = \"first\" }\n[mapping.convert]\na = { as = \"float\" }\n\
             b = { factor = 1e-7 }\nc = { as = \"string\" }\nl = { factor = 0.1, offset = -40 }",
            r#"{"a":"71.5","b":525000000,"c":1.25,"l":[1,2,3]}"#,
            1,
        ),
    ];
    for (schema, rest, payload, points) in cases {
        let head = "schema = \"m.schema.json\"\nmeasurement = \"m\"\ntags = [\"vin\"]\n";
        let toml = set::mapping("json", &format!("{head}{rest}\n"));
        let set = Set::new(&[("m.schema.json", &schema), ("m.toml", &toml)]);
        check(&set.plans, TOPIC, payload.as_bytes(), points);
    }
}

/// Several messages a payload, each behind its length.
#[test]
fn framed_messages_like_the_last_ones_allocate_nothing() {
    let proto = proto3("message M { int64 at = 1; sint32 plus = 2; double v = 3; }");
    let toml = "framing = \"delimited\"\n\
                time = { field = \"at\", unit = \"s\", plus = { field = \"plus\", unit = \"ms\" } }\n";
    let harness = Harness::new(&proto, &mapping(&format!("tags = [\"vin\"]\n{toml}")));
    let framed = |json: &str| {
        let message = harness.encode(json);
        let len = u8::try_from(message.len()).expect("a short message");
        [vec![len], message].concat()
    };
    let one = framed(r#"{"at": "1795388400", "plus": -5, "v": 1.5}"#);
    let two = framed(r#"{"at": "1795388400", "plus": 5, "v": 2.5}"#);
    check(&harness.plans, TOPIC, &[one, two].concat(), 2);
}

#[test]
fn a_message_of_lines_like_the_last_one_allocates_nothing() {
    let set = Set::new(&[("m.toml", &set::mapping("line-protocol", "tags = [\"vin\"]"))]);
    let payload = b"m,b=2,a=x\\ y v=1.5,i=-7i,u=3u,t=true,s=\"a \\\"b\" 1795388400000000001\n\
                    # note\nother w=.5\n";
    check(&set.plans, TOPIC, payload, 2);
}

#[test]
fn shipped_telemetry_allocates_nothing_in_any_format() {
    let plans = shipped::plans();
    let values = shipped::full_telemetry();
    let mut later = values.clone();
    later["sampled_at"] = json!(1_795_382_379_001_i64);
    let batch = json!({"samples": [values, later]});
    let (file, name) = ("telemetry.proto", "fleet.v1.Telemetry");
    let one = shipped::protobuf(&plans, file, name, &values);
    let two = shipped::protobuf(&plans, file, "fleet.v1.TelemetryBatch", &batch);
    let avro = shipped::avro(&plans, "telemetry.avsc", name, &values);
    check(&plans, "vehicles/V1/telemetry", &one, 1);
    check(&plans, "vehicles/V1/telemetry/batch", &two, 2);
    check(&plans, "vehicles/V1/telemetry/avro", &avro, 1);
    check(&plans, "vehicles/V1/telemetry/json", values.to_string().as_bytes(), 1);
}
