//! The worst payloads that fit a packet: their cost stays proportional to their bytes.
//!
//! No test here reads a clock. They count steps ([`Limits::steps_max`]) and slots written. Each of
//! these payloads once took time proportional to the square of its size, or to its size times the
//! size of the plan.

use std::fmt::Write as _;

use super::set::{Set, mapping};
use crate::{
    model::{Cause, LineDialect},
    uplink::{
        Limits,
        tests::harness::{RECEIVED_AT, TOPIC},
    },
};

/// The default of `mqtt.max-packet-size`.
const PACKET_BYTES: usize = 1024 * 1024;

/// Steps and slot writes that a byte may cost. The most expensive remaining case is a line of 16
/// keys of one letter, each compared with each other.
const A_BYTE: usize = 4;

/// A bound of steps that a test reaches soon.
const STEPS_MAX: usize = 256 * 1024;

/// `piece(0)`, `piece(1)`… as often as they fit a packet.
fn packed(mut piece: impl FnMut(usize) -> Vec<u8>) -> Vec<u8> {
    let mut payload = Vec::with_capacity(PACKET_BYTES);
    for number in 0.. {
        let next = piece(number);
        if payload.len() + next.len() > PACKET_BYTES {
            break;
        }
        payload.extend_from_slice(&next);
    }
    payload
}

/// Runs a payload and compares its cost with its bytes; the plan's size counts once. A payload that
/// costs more than a packet may cost must have failed with `too-many-steps`.
#[track_caller]
fn check(set: &mut Set, payload: &[u8], expect: Result<(), Cause>) {
    assert!(payload.len() <= PACKET_BYTES);
    let outcome = set.outcome(payload).map(drop);
    let (steps, writes) = set.cost();
    assert_eq!(outcome, expect, "{steps} steps, {writes} writes");
    let most = match expect {
        // A payload that was refused for its steps has not executed the steps past the bound.
        Err(Cause::TooManySteps) => STEPS_MAX + payload.len(),
        _ => A_BYTE * payload.len() + PACKET_BYTES / 64,
    };
    assert!(steps <= most && writes <= most, "{steps} steps, {writes} writes, {}", payload.len());
}

/// Limits of which only that of steps is reached, and soon.
fn few_steps() -> Limits {
    Limits { steps_max: STEPS_MAX as u64, ..wide() }
}

/// Limits that let everything through but steps.
fn wide() -> Limits {
    Limits {
        points_max: 1_000_000,
        repeated_max: 1_000_000,
        fields_max: 1_000_000,
        tags_max: 1_000_000,
        bytes_max: 64 * PACKET_BYTES,
        ..Limits::default()
    }
}

mod line_protocol {
    use super::*;

    fn set(limits: Limits) -> Set {
        let toml = mapping("line-protocol", "tags = [\"vin\"]");
        Set::with(&[("m.toml", &toml)], LineDialect::Signed, limits)
    }

    /// One line of as many fields as fit.
    fn one_line(value: &str) -> Vec<u8> {
        let mut payload = b"m ".to_vec();
        payload.extend(packed(|number| format!("k{number}={value},").into_bytes()));
        payload.truncate(PACKET_BYTES - 8);
        let end = payload.iter().rposition(|byte| *byte == b',').expect("fields");
        payload.truncate(end);
        payload
    }

    /// The message that took 19 s, with each kind of value that once had a list of its own.
    #[test]
    fn a_line_of_a_hundred_thousand_fields_is_refused_or_linear() {
        for value in ["1", "1u", "1.", "t", "\"\""] {
            let payload = one_line(value);
            check(&mut set(Limits::default()), &payload, Err(Cause::TooManyFields));
            check(&mut set(wide()), &payload, Ok(()));
        }
    }

    #[test]
    fn repeated_keys_are_found_without_comparing_each_with_each() {
        let mut payload = one_line("1");
        payload.extend_from_slice(b",k9=1");
        check(&mut set(wide()), &payload, Err(Cause::PayloadMalformed));
        let tags = packed(|number| format!(",k{number}=v").into_bytes());
        let mut payload = b"m".to_vec();
        payload.extend_from_slice(&tags[..tags.len() - 32]);
        let end = payload.iter().rposition(|byte| *byte == b',').expect("tags");
        payload.truncate(end);
        payload.extend_from_slice(b" k1=1");
        check(&mut set(wide()), &payload, Err(Cause::PayloadMalformed));
        check(&mut set(Limits::default()), &payload, Err(Cause::TooManyTags));
    }

    /// Points that merge into one do not get around the bound of its fields.
    #[test]
    fn a_point_made_of_many_has_no_more_fields_than_the_bound() {
        let lines = packed(|number| format!("m k{number}=1 {}\n", RECEIVED_AT.0).into_bytes());
        check(&mut set(wide()), &lines, Ok(()));
        let limits = Limits { fields_max: 1000, ..wide() };
        check(&mut set(limits), &lines, Err(Cause::TooManyFields));
    }

    #[test]
    fn many_lines_cost_what_one_costs() {
        let letters: Vec<char> = ('a'..='p').collect();
        let fields: Vec<String> = letters.iter().map(|letter| format!("{letter}=1")).collect();
        let line = format!("m {}\n", fields.join(","));
        check(&mut set(wide()), &packed(|_| line.clone().into_bytes()), Ok(()));
        check(&mut set(wide()), &packed(|_| b"m a=1\n".to_vec()), Ok(()));
        check(&mut set(Limits::default()), &packed(|_| b"m a=1\n".to_vec()), {
            Err(Cause::TooManyPoints)
        });
    }
}

mod protobuf {
    use super::*;

    /// A message `t.M` of this body, its points in `p` if `rest` says so.
    fn set(declarations: &str, rest: &str, limits: Limits) -> Set {
        let proto = format!("syntax = \"proto3\"; package t; {declarations}");
        let rest = format!(
            "schema = \"m.proto\"\nmessage = \"t.M\"\nmeasurement = \"m\"\ntags = [\"vin\"]\n{rest}"
        );
        let files = [("m.proto", proto.as_str()), ("m.toml", &mapping("protobuf", &rest))];
        Set::with(&files, LineDialect::Signed, limits)
    }

    /// A message type of so many optional numbers, beginning at field 2.
    fn wide_type(name: &str, fields: usize) -> String {
        let mut text = format!("message {name} {{ optional int32 a = 1;");
        for number in 2..=fields {
            write!(text, " optional int32 a{number} = {number};").expect("a string");
        }
        text + " }"
    }

    /// An entry of a map of strings to numbers in field 1.
    fn entry(key: &str, value: u8) -> Vec<u8> {
        let len = u8::try_from(key.len()).expect("a short key");
        let mut bytes = vec![0x0a, len + 4, 0x0a, len];
        bytes.extend_from_slice(key.as_bytes());
        bytes.extend_from_slice(&[0x10, value]);
        bytes
    }

    #[test]
    fn a_map_with_repeated_keys_is_linear() {
        let map = "message M { map<string, int32> k = 1; }";
        let again = packed(|number| entry(&format!("{}", number % 1024), 1));
        check(&mut set(map, "", Limits::default()), &again, Ok(()));
        let new = packed(|number| entry(&format!("{number}"), 1));
        check(&mut set(map, "", wide()), &new, Ok(()));
        check(&mut set(map, "", Limits::default()), &new, Err(Cause::TooManyElements));
        let numbers = "message M { map<uint32, bool> k = 1; }";
        let few = packed(|number| vec![0x0a, 2, 0x08, u8::try_from(number % 17).expect("small")]);
        check(&mut set(numbers, "", Limits::default()), &few, Ok(()));
    }

    #[test]
    fn members_of_a_oneof_that_take_turns_are_bounded() {
        let wide_member = wide_type("W", 4000);
        let schema = format!("{wide_member} message M {{ oneof o {{ W w = 1; int32 b = 2; }} }}");
        let turns = packed(|_| vec![0x0a, 0, 0x10, 1]);
        check(&mut set(&schema, "", few_steps()), &turns, Err(Cause::TooManySteps));
        // Members of an ordinary size do not come near.
        let narrow = "message M { oneof o { string s = 1; int32 b = 2; } }";
        check(&mut set(narrow, "", wide()), &turns, Ok(()));
    }

    #[test]
    fn points_times_fields_are_bounded_and_a_wide_sparse_batch_passes() {
        let schema = format!("{} message M {{ repeated E p = 1; }}", wide_type("E", 1000));
        let element = [0x0a, 2, 0x08, 1];
        let batch = element.repeat(1_000);
        let mut by_default = set(&schema, "points = \"p\"", Limits::default());
        assert!(by_default.outcome(&batch).is_ok());
        check(&mut set(&schema, "points = \"p\"", few_steps()), &batch, Err(Cause::TooManySteps));
        // So are the terms of a filter and the items of the message's own lists.
        let terms: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        let when = format!("points = \"p\"\nwhen = \"a in [{}]\"", terms.join(", "));
        let schema =
            "message E { int32 a = 1; } message M { repeated E p = 1; repeated double l = 2; }";
        check(&mut set(schema, &when, few_steps()), &batch, Err(Cause::TooManySteps));
        let mut payload = element.repeat(100);
        for _ in 0..1000 {
            payload.push(0x11);
            payload.extend_from_slice(&f64::NAN.to_le_bytes());
        }
        let mut set = set(schema, "points = \"p\"", few_steps());
        assert!(set.outcome(&payload).is_ok());
        check(&mut set, &payload.repeat(2), Err(Cause::TooManySteps));
    }

    /// What does not suit its schema is read once more for `when`, and not more often than that.
    #[test]
    fn a_payload_of_another_kind_costs_its_bytes_once_more() {
        let schema = "message E { int32 a = 1; }
                      message M { string kind = 1; repeated E p = 2; int32 x = 3;
                                  oneof o { E w = 4; int32 c = 5; } }";
        let rest = "points = \"p\"\nwhen = \"kind == 'a' and a > 0 and c != 7\"";
        let limits = || Limits { points_max: 1 << 20, ..wide() };
        // `x` is bytes here; every element is asked, and `kind` is not there.
        let other = packed(|_| vec![0x12, 2, 0x08, 1, 0x1a, 0]);
        check(&mut set(schema, rest, limits()), &other, Ok(()));
        // Of its own kind it is broken, whatever its many elements hold; and members take turns.
        let kind: &[u8] = &[0x0a, 1, b'a'];
        for piece in [[0x12, 2, 0x08, 1, 0x1a, 0], [0x22, 0, 0x28, 1, 0x1a, 0]] {
            let pieces = packed(|_| piece.to_vec());
            let end = (PACKET_BYTES - 16) / 6 * 6;
            // A comparison with a member that is not there would be false.
            let own = [&pieces[..end], &[0x12, 2, 0x08, 1, 0x28, 1], kind].concat();
            check(&mut set(schema, rest, limits()), &own, Err(Cause::PayloadMalformed));
        }
        // The elements are of another type, each of them.
        let elements = packed(|_| vec![0x12, 2, 0x0a, 0]);
        let own = [kind, &elements[..PACKET_BYTES - 8]].concat();
        check(&mut set(schema, rest, limits()), &own, Ok(()));
        check(&mut set(schema, rest, few_steps()), &other, Err(Cause::PayloadMalformed));
    }

    #[test]
    fn everything_that_repeats_or_is_skipped_costs_its_bytes() {
        let schema = "message N { int32 x = 1; string s = 2; }
                      message M { N n = 1; repeated int32 l = 2; optional int32 a = 3;
                                  google.protobuf.Timestamp t = 4; google.protobuf.Int32Value w = 5; }";
        let schema = format!(
            "import \"google/protobuf/timestamp.proto\"; import \"google/protobuf/wrappers.proto\"; {schema}"
        );
        let mut all = set(&schema, "repeated = \"json\"", wide());
        // A nested message, a scalar, a time and a wrapper again and again; unknown fields; groups.
        let pieces: [&[u8]; 7] = [
            &[0x0a, 0],
            &[0x0a, 2, 0x12, 0],
            &[0x18, 1],
            &[0x22, 0],
            &[0x2a, 2, 0x08, 1],
            &[0x7a, 0],
            &[0x7b, 0x7c],
        ];
        for piece in pieces {
            check(&mut all, &packed(|_| piece.to_vec()), Ok(()));
        }
        // Groups in groups, as deep as they may.
        let deep: Vec<u8> = [[0x7b_u8; 31].as_slice(), &[0x7c; 31]].concat();
        check(&mut all, &packed(|_| deep.clone()), Ok(()));
        // A packed list.
        let mut list = vec![0x12, 0x80, 0x80, 0x20];
        list.extend(std::iter::repeat_n(1, 512 * 1024));
        check(&mut all, &list, Ok(()));
        check(&mut set(&schema, "", Limits::default()), &list, Err(Cause::TooManyElements));
    }
}

mod avro {
    use super::*;

    /// A record of these fields.
    fn set(fields: &str, rest: &str, limits: Limits) -> Set {
        let schema = format!("{{\"type\":\"record\",\"name\":\"R\",\"fields\":[{fields}]}}");
        let rest = format!(
            "schema = \"m.avsc\"\nmessage = \"R\"\nmeasurement = \"m\"\ntags = [\"vin\"]\n{rest}"
        );
        let files = [("m.avsc", schema.as_str()), ("m.toml", &mapping("avro", &rest))];
        Set::with(&files, LineDialect::Signed, limits)
    }

    /// One block of as many items as there are.
    fn block(items: usize, bytes: &[u8]) -> Vec<u8> {
        let mut zigzag = (items as u64) << 1;
        let mut payload = Vec::new();
        while zigzag >= 0x80 {
            payload.push(u8::try_from(zigzag & 0x7f).expect("seven bits") | 0x80);
            zigzag >>= 7;
        }
        payload.push(u8::try_from(zigzag).expect("seven bits"));
        payload.extend_from_slice(bytes);
        payload.push(0);
        payload
    }

    #[test]
    fn a_map_with_repeated_keys_is_linear() {
        let field = r#"{"name":"k","type":{"type":"map","values":"boolean"}}"#;
        let entry = |number: usize| {
            let key = format!("{number:04}");
            [&[8], key.as_bytes(), &[1]].concat()
        };
        let items = PACKET_BYTES / 6 - 8;
        let again: Vec<u8> = (0..items).flat_map(|number| entry(number % 1024)).collect();
        check(&mut set(field, "", Limits::default()), &block(items, &again), Ok(()));
        let new: Vec<u8> = (0..9_000).flat_map(entry).collect();
        check(&mut set(field, "", wide()), &block(9_000, &new), Ok(()));
        // A block an entry: each says how many it has.
        let blocks: Vec<u8> =
            (0..100_000).flat_map(|number| [vec![2], entry(number % 1024)].concat()).collect();
        check(&mut set(field, "", Limits::default()), &[blocks, vec![0]].concat(), Ok(()));
    }

    #[test]
    fn fields_and_items_without_bytes_cost_nothing_or_are_bounded() {
        let nulls: Vec<String> =
            (0..5_000).map(|number| format!(r#"{{"name":"n{number}","type":"null"}}"#)).collect();
        let element = format!(
            r#"{{"type":"record","name":"E","fields":[{{"name":"a","type":"boolean"}},{}]}}"#,
            nulls.join(",")
        );
        let field = format!(r#"{{"name":"p","type":{{"type":"array","items":{element}}}}}"#);
        let items = 100_000;
        let payload = block(items, &vec![1; items]);
        let rest = "points = \"p\"\nfields = { exclude = [\"n*\"] }";
        let limits = Limits { bytes_max: 1 << 30, points_max: items, ..Limits::default() };
        check(&mut set(&field, rest, limits), &payload, Ok(()));
        // Items of no bytes, as many as a count can say.
        let empty = r#"{"name":"l","type":{"type":"array","items":
            {"type":"fixed","name":"F","size":0}}}"#;
        let endless = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0];
        check(&mut set(empty, "", Limits::default()), &endless, Err(Cause::TooManyElements));
        let limits = Limits { repeated_max: u32::MAX, ..few_steps() };
        check(&mut set(empty, "", limits), &endless, Err(Cause::TooManySteps));
    }
}

mod json {
    use super::*;

    /// An object with these properties.
    fn set(properties: &str, rest: &str, limits: Limits) -> Set {
        let schema = format!("{{\"type\":\"object\",\"properties\":{{{properties}}}}}");
        let rest =
            format!("schema = \"m.schema.json\"\nmeasurement = \"m\"\ntags = [\"vin\"]\n{rest}");
        let files = [("m.schema.json", schema.as_str()), ("m.toml", &mapping("json", &rest))];
        Set::with(&files, LineDialect::Signed, limits)
    }

    /// So many properties of numbers.
    fn wide_object(fields: usize) -> String {
        let fields: Vec<String> =
            (0..fields).map(|number| format!(r#""a{number}":{{"type":"integer"}}"#)).collect();
        format!(r#"{{"type":"object","properties":{{{}}},"required":["a0"]}}"#, fields.join(","))
    }

    /// `{"name": <open> piece, piece… <close>}`.
    fn filled(open: &str, close: &str, piece: impl Fn(usize) -> String) -> Vec<u8> {
        let mut payload = open.as_bytes().to_vec();
        let pieces = packed(|number| piece(number).into_bytes());
        payload.extend_from_slice(&pieces[..PACKET_BYTES - 256]);
        let end = payload.iter().rposition(|byte| *byte == b',').expect("pieces");
        payload.truncate(end);
        payload.extend_from_slice(close.as_bytes());
        payload
    }

    #[test]
    fn an_object_with_repeated_names_is_linear() {
        let map = r#""k":{"type":"object","additionalProperties":{"type":"integer"}}"#;
        let again = filled(r#"{"k":{"#, "}}", |number| format!(r#""{}":1,"#, number % 1024));
        check(&mut set(map, "", Limits::default()), &again, Ok(()));
        let escaped =
            filled(r#"{"k":{"#, "}}", |number| format!(r#""\u00e9{}":1,"#, number % 1024));
        check(&mut set(map, "", Limits::default()), &escaped, Ok(()));
        let new = filled(r#"{"k":{"#, "}}", |number| format!(r#""{number}":1,"#));
        check(&mut set(map, "", wide()), &new, Ok(()));
        check(&mut set(map, "", Limits::default()), &new, Err(Cause::TooManyElements));
    }

    #[test]
    fn a_repeated_property_is_linear_and_a_wide_object_bounded() {
        let properties = format!(r#""n":{},"s":{{"type":"string"}}"#, wide_object(4_000));
        let objects = filled("{", "}", |_| r#""n":{"a0":1},"#.to_owned());
        check(&mut set(&properties, "", few_steps()), &objects, Err(Cause::TooManySteps));
        let properties = format!(r#""n":{},"s":{{"type":"string"}}"#, wide_object(20));
        check(&mut set(&properties, "", wide()), &objects, Ok(()));
        let texts = filled("{", "}", |_| r#""s":"\n\n\n","#.to_owned());
        check(&mut set(&properties, "", wide()), &texts, Ok(()));
        let unknown = filled("{", "}", |number| format!(r#""x{number}":[{{}}],"#));
        check(&mut set(&properties, "", wide()), &unknown, Ok(()));
    }

    #[test]
    fn lists_in_lists_tuples_and_unions_cost_their_bytes_or_are_bounded() {
        let tuple = r#"{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}]}"#;
        let union = r#"{"type":["number","string","boolean"]}"#;
        let limits = || Limits { points_max: 1 << 20, ..wide() };
        for (item, piece) in [(tuple, "[1],"), (tuple, r#"[1,"a",[],{}],"#), (union, "1,")] {
            let list = format!(r#""p":{{"type":"array","items":{item}}}"#);
            let filled = filled(r#"{"p":["#, "]}", |_| piece.to_owned());
            check(&mut set(&list, "points = \"p\"", limits()), &filled, Ok(()));
            let refused = Err(Cause::TooManySteps);
            check(&mut set(&list, "points = \"p\"", few_steps()), &filled, refused);
        }
        // Empty lists within have no point, and cost what their bytes pay for; null costs nothing.
        let lists = format!(r#""p":{{"type":"array","items":{{"type":"array","items":{union}}}}}"#);
        for piece in ["[],", "null,", "[null],"] {
            let filled = filled(r#"{"p":["#, "]}", |_| piece.to_owned());
            check(&mut set(&lists, "points = \"p\"", limits()), &filled, Ok(()));
        }
        // A tuple again and again in one object: the last counts.
        let place = format!(r#""t":{tuple}"#);
        let again = filled("{", "}", |_| r#""t":[1,"a"],"#.to_owned());
        check(&mut set(&place, "", wide()), &again, Ok(()));
    }

    /// What a conversion or a time reads is read once, however long it was made.
    #[test]
    fn conversions_and_times_as_text_cost_their_bytes() {
        let text = r#""t":{"type":"string"}"#;
        let long = |start: &str, fill: &str, end: &str| {
            let fill = fill.repeat((PACKET_BYTES - 256) / fill.len());
            format!("{{\"t\":\"{start}{fill}{end}\"}}").into_bytes()
        };
        let timed = r#""t":{"type":"string"},"v":{"type":"number"}"#;
        let iso = "time = { field = \"t\" }\nconstant.fields = { x = 1 }";
        // Digits past the nanosecond are cut, however many.
        for (payload, expect) in [
            (long("2026-11-22T23:00:00.", "0", "Z"), Ok(())),
            (long("", "2026-11-22 ", ""), Err(Cause::TimeInvalid)),
            (long("", "-", "Z"), Err(Cause::TimeInvalid)),
            (long("2026-11-22T24", ":00", "Z"), Err(Cause::TimeInvalid)),
        ] {
            let payload = [br#"{"v":1,"#, &payload[1..]].concat();
            check(&mut set(timed, iso, wide()), &payload, expect);
        }
        let as_float = "[mapping.convert]\nt = { as = \"float\", factor = 1e-7 }";
        for payload in [long("1.", "0", ""), long("", "0", "1"), long("1e", "0", "5")] {
            check(&mut set(text, as_float, wide()), &payload, Ok(()));
        }
        for payload in [long("", "9", ""), long("1", "e5", ""), long("", ".", "")] {
            check(&mut set(text, as_float, wide()), &payload, Err(Cause::PayloadMismatch));
        }
        let list = r#""l":{"type":"array","items":{"type":"string"}}"#;
        let each = "[mapping.convert]\nl = { as = \"integer\" }";
        let many = filled(r#"{"l":["#, "]}", |_| r#""1e3","#.to_owned());
        check(&mut set(list, each, wide()), &many, Ok(()));
        let points = r#""p":{"type":"array","items":{"type":"object","properties":{
            "t":{"type":"string"},"v":{"type":"number"}}}}"#;
        let rest = "points = \"p\"\ntime = { field = \"t\", zone = \"Europe/Berlin\" }";
        let piece = r#"{"t":"2026-11-22T23:00","v":1}"#;
        let pieces = vec![piece; (PACKET_BYTES - 256) / (piece.len() + 1)].join(",");
        let batch = format!("{{\"p\":[{pieces}]}}").into_bytes();
        check(&mut set(points, rest, wide()), &batch, Ok(()));
    }

    #[test]
    fn points_times_fields_are_bounded() {
        let properties = format!(r#""p":{{"type":"array","items":{}}}"#, wide_object(1_000));
        let batch = filled(r#"{"p":["#, "]}", |_| r#"{"a0":1},"#.to_owned());
        let mut set = set(&properties, "points = \"p\"", Limits::default());
        check(&mut set, &batch, Err(Cause::TooManyPoints));
        let elements = vec![r#"{"a0":1}"#; 1_000].join(",");
        let (_, lines) = set.run(TOPIC, format!(r#"{{"p":[{elements}]}}"#).as_bytes());
        assert_eq!(lines.lines().count(), 1_000);
    }
}
