//! JSON payloads: the plan against a tree of serde_json's, value for value, and what is refused.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    readback::{Dice, Point, Told, points},
    set::{Set, mapping},
};
use crate::{
    model::{Cause, LineDialect, line},
    uplink::{Limits, tests::harness::TOPIC},
};

/// A set with these properties (a JSON object); `more` are further keywords of the root.
pub(super) fn set(properties: &str, more: &str, rest: &str) -> Set {
    set_with(properties, more, rest, Limits::default())
}

fn set_with(properties: &str, more: &str, rest: &str, limits: Limits) -> Set {
    let schema = format!("{{\"type\":\"object\",\"properties\":{properties}{more}}}");
    let rest = format!("schema = \"m.schema.json\"\nmeasurement = \"m\"\n{rest}");
    let toml = mapping("json", &rest);
    Set::with(&[("m.schema.json", &schema), ("m.toml", &toml)], LineDialect::Signed, limits)
}

#[track_caller]
fn check(properties: &str, payload: &str, expect: &str) {
    assert_eq!(set(properties, "", "").lines(payload.as_bytes()), expect, "{payload}");
}

#[track_caller]
fn check_refused(properties: &str, payload: &str, cause: Cause, detail: &str) {
    let found = set(properties, "", "").failure(payload.as_bytes());
    assert_eq!(found, (cause, detail.to_owned()), "{payload}");
}

pub(super) const SCALARS: &str = r#"{"i":{"type":"integer"},"n":{"type":"number"},"s":{"type":"string"},
    "b":{"type":"boolean"},"z":{"type":["integer","null"]}}"#;

#[test]
fn every_type_becomes_its_field_in_the_schemas_order() {
    check(SCALARS, r#"{"b":true,"s":"x","n":1,"i":2,"z":3}"#, "m i=2i,n=1,s=\"x\",b=t,z=3i\n");
    check(SCALARS, r#"{"i":5.0,"n":1e3}"#, "m i=5i,n=1000\n");
    check(
        SCALARS,
        r#"{"i":-9223372036854775808,"n":18446744073709551615}"#,
        "m i=-9223372036854775808i,n=1.8446744073709552e19\n",
    );
    check(
        SCALARS,
        r#"{"i":9223372036854775807,"n":33.986118}"#,
        "m i=9223372036854775807i,n=33.986118\n",
    );
    check(
        SCALARS,
        r#"{"s":"a\"b\\c\nd\u00e9\ud83d\ude97","i":null,"z":null}"#,
        "m s=\"a\\\"b\\\\c\nd\u{e9}\u{1f697}\"\n",
    );
    check(SCALARS, " {\n\"i\" : 1 } \n", "m i=1i\n");
    check(SCALARS, r#"{"z":null}"#, "");
}

#[test]
fn the_last_of_a_repeated_property_counts_as_a_whole() {
    check(SCALARS, r#"{"i":1,"s":"a","i":2,"s":"b"}"#, "m i=2i,s=\"b\"\n");
    check(SCALARS, r#"{"i":1,"s":"a","i":null}"#, "m s=\"a\"\n");
    let nested = r#"{"o":{"type":["object","null"],"properties":{"x":{"type":"integer"},"y":{"type":"integer"}}},
        "l":{"type":"array","items":{"type":"integer"}},"k":{"type":"integer"}}"#;
    check(nested, r#"{"o":{"x":1},"o":{"y":2},"l":[1,2],"l":[3]}"#, "m o_y=2i,l_0=3i\n");
    check(nested, r#"{"o":{"x":1},"o":null,"l":[1],"l":null,"k":1}"#, "m k=1i\n");
}

#[test]
fn lists_maps_and_nested_objects_are_flattened() {
    let properties = r##"{"o":{"type":"object","properties":{"l":{"type":"array","items":{"type":"number"}}}},
        "m":{"type":"object","additionalProperties":{"type":"string"}},
        "r":{"$ref":"#/$defs/R"}}"##;
    let defs = r##","$defs":{"R":{"type":"object","properties":{"x":{"anyOf":[{"type":"null"},{"type":"boolean"}]}}}}"##;
    let mut set = set(properties, defs, "");
    assert_eq!(
        set.lines(
            r#"{"o":{"l":[1,null,2.5]},"m":{"a b":"x","c\u003d":"y","n":null},"r":{"x":false}}"#
                .as_bytes()
        ),
        "m o_l_0=1,o_l_2=2.5,m_a\\ b=\"x\",m_c\\==\"y\",r_x=f\n"
    );
}

#[test]
fn an_array_of_objects_is_many_points() {
    let properties = r#"{"id":{"type":"string"},"samples":{"type":"array","items":{"type":"object",
        "required":["at"],"properties":{"at":{"type":"integer"},"v":{"type":"number"}}}}}"#;
    let rest = "points = \"samples\"\ntime = { field = \"at\", unit = \"ns\" }";
    let mut set = set(properties, "", rest);
    let payload = r#"{"samples":[{"at":1795388400000000001,"v":1},
        {"v":2,"at":1795388400000000002,"w":[]}],"id":"x"}"#;
    let (transcoded, lines) = set.run(TOPIC, payload.as_bytes());
    assert_eq!(lines, "m id=\"x\",v=1 1795388400000000001\nm id=\"x\",v=2 1795388400000000002\n");
    assert_eq!(transcoded.properties_unknown, 1);
    assert_eq!(set.outcome(br#"{"samples":[{"v":1}]}"#), Err(Cause::PayloadMismatch));
    assert_eq!(set.outcome(br#"{"samples":[1]}"#), Err(Cause::PayloadMismatch));
    assert_eq!(set.outcome(br#"{"samples":{}}"#), Err(Cause::PayloadMismatch));
    assert_eq!(set.outcome(br#"{"samples":[]}"#), Ok(String::new()));
}

#[test]
fn properties_that_are_not_declared_are_skipped_and_counted() {
    let mut set = set(SCALARS, "", "");
    let payload = br#"{"x":[1,{"y":[]}],"i":1,"w":"\u0041","i2":{"i":5}}"#;
    let (transcoded, lines) = set.run(TOPIC, payload);
    assert_eq!(lines, "m i=1i 1795388400000000000\n");
    assert_eq!(transcoded.properties_unknown, 3);
}

#[test]
fn type_and_required_are_checked() {
    let mismatch = Cause::PayloadMismatch;
    check_refused(
        SCALARS,
        r#"{"i":"1x"}"#,
        mismatch,
        "field `i`: a string where the schema has an integer at byte 5: \"1x\"",
    );
    check_refused(
        SCALARS,
        r#"{"n":"1"}"#,
        mismatch,
        "field `n`: a string where the schema has a number at byte 5: \"1\"",
    );
    check_refused(
        SCALARS,
        r#"{"s":1}"#,
        mismatch,
        "field `s`: a number where the schema has a string at byte 5: 1",
    );
    check_refused(
        SCALARS,
        r#"{"b":0}"#,
        mismatch,
        "field `b`: a number where the schema has a boolean at byte 5: 0",
    );
    check_refused(
        SCALARS,
        r#"{"s":["x"]}"#,
        mismatch,
        "field `s`: a list where the schema has a string at byte 5: [\"x\"]",
    );
    let required = ",\"required\":[\"i\",\"z\",\"extra\"]";
    let mut set = set(SCALARS, required, "fields = { exclude = [\"n\"] }");
    assert_eq!(set.lines(br#"{"i":1,"z":null,"extra":{}}"#), "m i=1i\n");
    let absent = (mismatch, "field `i` is required and absent at byte 20".to_owned());
    assert_eq!(set.failure(br#"{"z":null,"extra":{}}"#), absent);
    assert_eq!(set.outcome(br#"{"i":null,"z":1,"extra":1}"#), Err(mismatch));
    assert_eq!(set.outcome(br#"{"i":1,"z":1}"#), Err(mismatch));
    assert_eq!(set.outcome(br#"{"i":1,"extra":1}"#), Err(mismatch));
}

#[test]
fn text_that_is_not_a_json_object_has_a_cause() {
    check_refused(
        SCALARS,
        "",
        Cause::PayloadTruncated,
        "the payload ends inside a value at byte 0; the payload is empty",
    );
    check_refused(
        SCALARS,
        "{\"i\":",
        Cause::PayloadTruncated,
        "field `i`: the payload ends inside a value at byte 5",
    );
    check_refused(
        SCALARS,
        "[]",
        Cause::PayloadMismatch,
        "a list where the schema has an object at byte 0: []",
    );
    let found = set(SCALARS, "", "").failure(b"{\"s\":\"\xff\"}");
    assert_eq!(found, (Cause::PayloadNotUtf8, "the payload is not UTF-8 at byte 6".to_owned()));
    let limits = Limits { depth_max: 8, repeated_max: 2, ..Limits::default() };
    let properties = r#"{"i":{"type":"integer"},"l":{"type":"array","items":{"type":"integer"}}}"#;
    let mut set = set_with(properties, "", "", limits);
    let deep =
        |depth: usize| format!("{{\"i\":1,\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(set.lines(deep(7).as_bytes()), "m i=1i\n");
    assert_eq!(set.outcome(deep(8).as_bytes()), Err(Cause::PayloadTooDeep));
    assert_eq!(set.outcome(deep(100_000).as_bytes()), Err(Cause::PayloadTooDeep));
    assert_eq!(set.outcome(br#"{"l":[1,2,3]}"#), Err(Cause::TooManyElements));
}

/// `j7-integer-rounded`, `j2-large-and-quoted-integers`: exact to 64 bits, or a dead letter.
#[test]
fn an_integer_is_never_rounded() {
    let whole = [
        ("9007199254740993.0", "9007199254740993"),
        ("1795161600350000001.0", "1795161600350000001"),
        ("-9223372036854775808.000", "-9223372036854775808"),
        ("9.007199254740993e15", "9007199254740993"),
        ("4503599627370496.5e1", "45035996273704965"),
        ("\"123456789\"", "123456789"),
        ("\"-9223372036854775808\"", "-9223372036854775808"),
        ("\"\\u0037\"", "7"),
    ];
    for (payload, expect) in whole {
        check(SCALARS, &format!("{{\"i\":{payload}}}"), &format!("m i={expect}i\n"));
    }
    let fraction = "is not whole and the schema has an integer at byte 5";
    for payload in ["4503599627370497.5", "9007199254740992.5", "1.00000000000000000001", "5e-1"] {
        let told = format!("field `i`: {payload} {fraction}");
        check_refused(SCALARS, &format!("{{\"i\":{payload}}}"), Cause::PayloadMismatch, &told);
    }
    let range = "is out of range: an integer has more than 64 bits with its sign; `minimum` 0 and \
                 `maximum` 18446744073709551615 in the schema make it unsigned at byte 5";
    for payload in ["9223372036854775808", "13835058055282163713", "1e30"] {
        let told = format!("field `i`: {payload} {range}");
        check_refused(SCALARS, &format!("{{\"i\":{payload}}}"), Cause::IntegerOutOfRange, &told);
    }
}

/// A time in nanoseconds is as exact (`j7-integer-rounded`).
#[test]
fn a_time_is_never_rounded() {
    let properties = r#"{"t":{"type":"integer"},"n":{"type":"integer"}}"#;
    let mut set = set(properties, "", "time = { field = \"t\", unit = \"ns\" }");
    let (_, lines) = set.run(TOPIC, br#"{"t":1795161600350000001.0,"n":1}"#);
    assert_eq!(lines, "m n=1i 1795161600350000001\n");
}

/// `j2-large-and-quoted-integers`: the schema's format or bounds say that there is no sign.
#[test]
fn the_schema_decides_whether_an_integer_is_unsigned() {
    let unsigned = [
        r#"{"key":{"type":"integer","format":"uint64"}}"#,
        r#"{"key":{"type":"integer","minimum":0,"maximum":18446744073709551615}}"#,
        r#"{"key":{"type":["integer","null"],"exclusiveMinimum":-1,"exclusiveMaximum":1.8446744073709552e19}}"#,
    ];
    for properties in unsigned {
        let schema = format!("{{\"type\":\"object\",\"properties\":{properties}}}");
        let toml = mapping("json", "schema = \"m.schema.json\"\nmeasurement = \"m\"");
        let texts = [("m.schema.json", schema.as_str()), ("m.toml", toml.as_str())];
        let mut set = Set::with(&texts, LineDialect::Unsigned, Limits::default());
        for written in
            ["13835058055282163713", "\"13835058055282163713\"", "13835058055282163713.0"]
        {
            let payload = format!("{{\"key\":{written}}}");
            assert_eq!(set.lines(payload.as_bytes()), "m key=13835058055282163713u\n");
        }
        let below = set.outcome(br#"{"key":-1}"#);
        assert_eq!(below, Err(Cause::IntegerOutOfRange), "{properties}");
        let mut signed = Set::with(&texts, LineDialect::Signed, Limits::default());
        assert_eq!(signed.lines(br#"{"key":5}"#), "m key=5i\n");
        let past = signed.outcome(br#"{"key":13835058055282163713}"#);
        assert_eq!(past, Err(Cause::IntegerOutOfRange));
    }
    let signed = r#"{"key":{"type":"integer","minimum":0,"maximum":100}}"#;
    check(signed, r#"{"key":7}"#, "m key=7i\n");
}

/// A type, as the test knows it. Each may be null.
#[derive(Clone, Debug)]
enum Ty {
    Scalar(&'static str),
    List(&'static str),
    Map(&'static str),
    Object(Vec<Ty>),
}

fn ty() -> impl Strategy<Value = Ty> {
    let scalar = prop::sample::select(vec!["integer", "number", "string", "boolean"]);
    let flat = prop_oneof![
        3 => scalar.clone().prop_map(Ty::Scalar),
        1 => scalar.clone().prop_map(Ty::List),
        1 => scalar.prop_map(Ty::Map),
    ];
    flat.prop_recursive(3, 16, 4, |inner| prop::collection::vec(inner, 1..5).prop_map(Ty::Object))
}

/// Names differ by depth, so that joined ones never collide.
fn name(depth: u8, index: usize) -> String {
    format!("{}{index}", char::from(b'a' + depth))
}

fn schema_of(ty: &Ty, depth: u8) -> Value {
    match ty {
        Ty::Scalar(word) => json!({"type": [word, "null"]}),
        Ty::List(word) => json!({"type": "array", "items": {"type": word}}),
        Ty::Map(word) => json!({"type": "object", "additionalProperties": {"type": word}}),
        Ty::Object(types) => {
            let properties: serde_json::Map<String, Value> = types
                .iter()
                .enumerate()
                .map(|(index, ty)| (name(depth, index), schema_of(ty, depth + 1)))
                .collect();
            json!({"type": "object", "properties": properties})
        }
    }
}

fn value_of(ty: &Ty, depth: u8, dice: &mut Dice) -> Value {
    if dice.below(5) == 0 && depth > 0 {
        return Value::Null;
    }
    match ty {
        Ty::Scalar(word) => scalar(word, dice),
        Ty::List(word) => Value::Array((0..dice.below(4)).map(|_| scalar(word, dice)).collect()),
        Ty::Map(word) => {
            Value::Object((0..dice.below(4)).map(|_| (dice.key(), scalar(word, dice))).collect())
        }
        Ty::Object(types) => {
            let mut object = serde_json::Map::new();
            for (index, ty) in types.iter().enumerate() {
                if dice.below(6) > 0 {
                    object.insert(name(depth, index), value_of(ty, depth + 1, dice));
                } else {
                    object.insert(format!("unknown{}", dice.key()), json!([{"a": dice.text()}]));
                }
            }
            Value::Object(object)
        }
    }
}

fn scalar(word: &str, dice: &mut Dice) -> Value {
    match word {
        "integer" => json!(dice.integer()),
        // NaN and infinities become null.
        "number" => json!(dice.double()),
        "string" => json!(dice.text()),
        _ => json!(dice.below(2) == 1),
    }
}

fn expect(ty: &Ty, key: &str, value: &Value, depth: u8, into: &mut Point) {
    let join = |part: &str| if key.is_empty() { part.to_owned() } else { format!("{key}_{part}") };
    match (ty, value) {
        (Ty::Object(types), Value::Object(object)) => {
            for (index, ty) in types.iter().enumerate() {
                let name = name(depth, index);
                if let Some(value) = object.get(&name) {
                    expect(ty, &join(&name), value, depth + 1, into);
                }
            }
        }
        (Ty::List(word), Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                into.extend(told(word, item).map(|told| (join(&index.to_string()), told)));
            }
        }
        (Ty::Map(word), Value::Object(items)) => {
            for (name, item) in items {
                into.extend(told(word, item).map(|told| (join(name), told)));
            }
        }
        (Ty::Scalar(word), scalar) => {
            into.extend(told(word, scalar).map(|told| (key.to_owned(), told)))
        }
        (_, other) => assert_eq!(other, &Value::Null),
    }
}

fn told(word: &str, value: &Value) -> Option<Told> {
    match (word, value) {
        (_, Value::Null) => None,
        ("integer", value) => Some(Told::Integer(value.as_i64().expect("an integer"))),
        ("number", value) => Told::float(value.as_f64().expect("a number")),
        (_, Value::String(text)) => Some(Told::Text(text.clone())),
        (_, value) => Some(Told::Boolean(value.as_bool().expect("a boolean"))),
    }
}

/// A set for a generated object, and one value of it as text.
fn generated(types: &[Ty], seed: u64) -> (Set, String) {
    let ty = Ty::Object(types.to_vec());
    let schema = schema_of(&ty, 0);
    let rest = "schema = \"m.schema.json\"\nmeasurement = \"m\"";
    let toml = mapping("json", rest);
    let set = Set::new(&[("m.schema.json", &schema.to_string()), ("m.toml", &toml)]);
    let value = value_of(&ty, 0, &mut Dice(seed));
    let text = if seed.is_multiple_of(2) {
        value.to_string()
    } else {
        serde_json::to_string_pretty(&value).unwrap()
    };
    (set, text)
}

/// How many cases; failures become named tests, not files.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(200))]

    /// Random schemas and values: serde_json reads the text into a tree; the plan turns it into a
    /// line, which an independent parser reads. Both must be equal.
    #[test]
    fn the_plan_gives_what_the_reference_gives(
        types in prop::collection::vec(ty(), 1..6), seed in any::<u64>(),
    ) {
        let (mut set, text) = generated(&types, seed);
        let value: Value = serde_json::from_str(&text).unwrap();
        let mut expected = Point::new();
        expect(&Ty::Object(types), "", &value, 0, &mut expected);
        let lines = set.outcome(text.as_bytes());
        let found = points(&lines.clone().unwrap_or_else(|cause| panic!("{cause}: {text}")));
        let expected = if expected.is_empty() { vec![] } else { vec![expected] };
        prop_assert_eq!(found, expected, "{} -> {:?}", text, lines);
    }

    /// Truncated and changed payloads never panic, and those that decode still give valid lines.
    #[test]
    fn damaged_payloads_fail_with_a_cause_and_never_panic(
        types in prop::collection::vec(ty(), 1..6), seed in any::<u64>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(), cuts in any::<bool>(),
    ) {
        let (mut set, text) = generated(&types, seed);
        let mut bytes = text.into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cuts {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        match set.outcome(&bytes) {
            Ok(lines) => prop_assert!(line::lines(lines.as_bytes()).count() <= 1),
            Err(cause) => prop_assert_ne!(cause, Cause::Panic),
        }
    }
}
