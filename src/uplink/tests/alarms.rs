//! Alarms: which messages raise them, and what they take of a message.

use proptest::prelude::*;

use crate::{
    mapping::Condition,
    model::{UnixNanos, Value},
    uplink::{
        RaiseRefusal, Raised,
        tests::harness::{Harness, RECEIVED_AT, TOPIC, mapping, proto3},
    },
};

/// A mapping of message `t.M` with an alarm that publishes `fields`.
fn with_alarm(rest: &str, when: &str, fields: &str) -> String {
    let fields =
        if fields.is_empty() { String::new() } else { format!("fields = {{ {fields} }}\n") };
    format!(
        "{}[[alarm]]\nname = \"a\"\nmapping = \"m\"\nwhen = {when:?}\n\
         publish = {{ topic = \"alarms/{{vin}}\" }}\n{fields}",
        mapping(rest)
    )
}

fn value<'r>(raised: &'r Raised, name: &str) -> &'r Value {
    let found = raised.values.iter().find(|(known, _)| **known == *name);
    &found.unwrap_or_else(|| panic!("{name} is not taken")).1
}

#[test]
fn an_alarm_takes_values_with_the_types_of_the_schema() {
    let proto = proto3(
        "import \"google/protobuf/timestamp.proto\";\n\
         import \"google/protobuf/duration.proto\";\n\
         message M { double d = 1; float f = 2; int64 i = 3; uint64 u = 4; bool b = 5;\n\
         string s = 6; bytes y = 7; E e = 8; google.protobuf.Timestamp t = 9;\n\
         google.protobuf.Duration l = 10;\n\
         optional int32 o = 11; N n = 12; message N { int32 x = 1; } enum E { OFF = 0; ON = 1; } }",
    );
    let names = ["d", "f", "i", "u", "b", "s", "y", "e", "t", "l", "o", "n.x", "vin"];
    let fields = names.map(|name| format!("\"{name}\" = \"{{{name}}}\"")).join(", ");
    let toml = with_alarm("fields = { exclude = [\"s\"] }", "i > 0", &fields);
    let mut harness = Harness::new(&proto, &toml);
    let payload = harness.encode(
        r#"{"d": 1.5, "f": 0.1, "i": "-9007199254740993", "u": "18446744073709551615", "b": true,
            "s": "x {d}", "y": "AAE=", "e": "ON", "t": "1970-01-01T00:00:01.5Z", "l": "2.5s",
            "n": {"x": 7}}"#,
    );
    harness.payload(&payload);
    assert_eq!(harness.raised(), [], "its condition does not hold");
    let toml = with_alarm("fields = { exclude = [\"s\"] }", "i < 0", &fields);
    let mut harness = Harness::new(&proto, &toml);
    harness.payload(&payload);
    let [raised] = harness.raised() else { panic!("{:?}", harness.raised()) };
    assert_eq!((&*raised.alarm, &*raised.vehicle, raised.refusal), ("a", "V1", None));
    assert_eq!((raised.time, raised.has_time), (RECEIVED_AT, false));
    let text = |text: &str| Value::String(text.to_owned());
    let expect = [
        Value::Float(1.5),
        // As a float of 32 bits is written, not as one of 64.
        Value::Float(0.1),
        Value::Integer(-9_007_199_254_740_993),
        Value::Unsigned(u64::MAX),
        Value::Boolean(true),
        text("x {d}"),
        text("AAE="),
        text("ON"),
        Value::Timestamp(UnixNanos(1_500_000_000)),
        Value::Integer(2_500_000_000),
        Value::Null,
        Value::Integer(7),
        text("V1"),
    ];
    for (name, expect) in names.iter().zip(&expect) {
        assert_eq!(value(raised, name), expect, "{name}");
    }
}

const SAMPLES: &str = "message M { string id = 1; repeated S p = 2; \
     message S { int64 at = 1; double v = 2; string s = 3; } }";

#[test]
fn the_first_point_of_a_message_that_is_young_enough_raises_it() {
    let rest = "points = \"p\"\ntime = { field = \"at\", unit = \"s\" }\nwhen = \"v != 13\"";
    let toml = with_alarm(rest, "v > 10", "v = \"{v}\"");
    let mut harness = Harness::new(&proto3(SAMPLES), &toml);
    let now = RECEIVED_AT.0 / 1_000_000_000;
    let mut check = |points: &[(i64, f64)], expect: Option<(f64, Option<RaiseRefusal>)>| {
        let points = points.iter().map(|(ago, v)| format!(r#"{{"at": {}, "v": {v}}}"#, now - ago));
        let json = format!(r#"{{"p": [{}]}}"#, points.collect::<Vec<_>>().join(","));
        let payload = harness.encode(&json);
        harness.payload(&payload);
        let found = harness.raised().first().map(|raised| {
            let v = raised.values.first().map_or(f64::NAN, |(_, value)| match value {
                Value::Float(v) => *v,
                other => panic!("{other:?}"),
            });
            (v, raised.refusal)
        });
        assert!(harness.raised().len() <= 1, "once a message");
        match (found, expect) {
            (Some((_, Some(found))), Some((_, Some(expect)))) => assert_eq!(found, expect),
            (found, expect) => assert_eq!(found, expect, "{json}"),
        }
    };
    let old = Some((0.0, Some(RaiseRefusal::TooOld)));
    check(&[(5, 9.0), (4, 11.0), (3, 12.0)], Some((11.0, None)));
    check(&[(5, 9.0)], None);
    // What the mapping does not store is not asked.
    check(&[(5, 13.0)], None);
    check(&[(61, 11.0)], old);
    check(&[(61, 11.0), (60, 12.0)], Some((12.0, None)));
    check(&[(61, 11.0), (70, 12.0)], old);
    // A clock that is ahead is no old one.
    check(&[(-30, 11.0)], Some((11.0, None)));
    check(&[], None);
}

#[test]
fn a_mapping_that_fails_raises_no_alarm_and_another_one_still_does() {
    let other = mapping("").replace("name = \"m\"", "name = \"n\"").replace(
        "measurement = \"m\"",
        "points = \"p\"\nmeasurement = \"n\"\ntime = { field = \"at\", unit = \"s\" }",
    );
    let toml = format!(
        "{}{other}[[alarm]]\nname = \"b\"\nmapping = \"n\"\nwhen = \"v > 10\"\n\
         publish = {{ topic = \"b\" }}\n",
        with_alarm("fields = { exclude = [\"p\"] }", "exists(id)", "")
    );
    let mut harness = Harness::new(&proto3(SAMPLES), &toml);
    // The second point has no time that could be stored.
    let now = RECEIVED_AT.0 / 1_000_000_000;
    let json = format!(r#"{{"id": "x", "p": [{{"at": {now}, "v": 11}}, {{"at": 5, "v": 11}}]}}"#);
    let payload = harness.encode(&json);
    let (transcoded, _) = harness.run(TOPIC, &payload, None);
    assert_eq!((transcoded.points, harness.failures().len()), (1, 1));
    let names: Vec<&str> = harness.raised().iter().map(|raised| &*raised.alarm).collect();
    assert_eq!(names, ["a"]);
}

#[test]
fn the_texts_that_an_alarm_takes_from_a_message_are_bounded() {
    let proto = proto3("message M { string s = 1; }");
    let mut harness = Harness::new(&proto, &with_alarm("", "exists(s)", "s = \"{s}\""));
    for (length, expect) in [(16 << 10, None), ((16 << 10) + 1, Some(RaiseRefusal::TooLarge))] {
        let payload = harness.encode(&format!("{{\"s\": \"{}\"}}", "x".repeat(length)));
        harness.payload(&payload);
        let [raised] = harness.raised() else { panic!("it is raised") };
        assert_eq!((raised.refusal, raised.values.is_empty()), (expect, expect.is_some()));
    }
}

/// A condition over the fields below, as an operator may write it.
fn condition() -> impl Strategy<Value = String> {
    let ordered = prop_oneof![Just("=="), Just("!="), Just("<"), Just("<="), Just(">"), Just(">=")];
    let named = || prop_oneof![Just("=="), Just("!=")];
    let whole = || -3..4_i64;
    let leaf = prop_oneof![
        (prop_oneof![Just("i"), Just("o"), Just("d")], ordered, whole())
            .prop_map(|(path, op, number)| format!("{path} {op} {number}")),
        (whole(), prop_oneof![Just("<"), Just(">=")])
            .prop_map(|(number, op)| format!("d {op} {number}.5")),
        (named(), any::<bool>()).prop_map(|(op, value)| format!("b {op} {value}")),
        (named(), "[xy]?").prop_map(|(op, text)| format!("s {op} '{text}'")),
        (prop_oneof![Just("i"), Just("o")], any::<bool>(), prop::collection::vec(whole(), 1..4))
            .prop_map(|(path, is_not, numbers)| {
                let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
                format!("{path}{} in [{}]", if is_not { " not" } else { "" }, numbers.join(", "))
            }),
        prop_oneof![Just("i"), Just("o"), Just("s")].prop_map(|path| format!("exists({path})")),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} and {other})")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("({one} or {other})")),
            inner.prop_map(|one| format!("not ({one})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// The compiled condition, over slots, against the one over named values that pushes use.
    #[test]
    fn a_condition_gives_the_same_over_a_message_and_over_its_values(
        when in condition(),
        i in -3..4_i64,
        halves in -6..7_i32,
        b in any::<bool>(),
        s in "[xy]?",
        o in prop::option::of(-3..4_i32),
    ) {
        let proto = proto3(
            "message M { int64 i = 1; double d = 2; bool b = 3; string s = 4; optional int32 o = 5; }",
        );
        let mut harness = Harness::new(&proto, &with_alarm("", &when, ""));
        let d = f64::from(halves) / 2.0;
        let o_json = o.map_or_else(String::new, |o| format!(", \"o\": {o}"));
        let payload = harness
            .encode(&format!(r#"{{"i": "{i}", "d": {d:?}, "b": {b}, "s": "{s}"{o_json}}}"#));
        harness.payload(&payload);
        prop_assert_eq!(harness.failures(), []);
        let values = [
            ("i", Value::Integer(i)),
            ("d", Value::Float(d)),
            ("b", Value::Boolean(b)),
            ("s", Value::String(s)),
            ("o", o.map_or(Value::Null, |o| Value::Integer(o.into()))),
        ];
        let value = |name: &str| {
            let found = values.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value).filter(|value| **value != Value::Null)
        };
        let condition = Condition::parse(&when).expect("it is well formed");
        prop_assert_eq!(!harness.raised().is_empty(), condition.holds(value), "{}", when);
        // A publish without fields says what its condition asks.
        for raised in harness.raised() {
            for (name, found) in &raised.values {
                let expect = value(name).cloned().unwrap_or(Value::Null);
                prop_assert_eq!(found, &expect, "{}", name);
            }
        }
    }
}
