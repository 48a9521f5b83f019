//! Which mapping takes which message, and what happens to the points of the others if one fails.

use super::harness::{Harness, mapping, proto3};
use crate::model::Cause;

/// Two message types; the second is nested so that its Confluent indexes are not the short ones.
fn proto() -> String {
    proto3("message M { int32 a = 1; message In { string b = 1; } }")
}

/// A mapping of the same topic for one of them.
fn selected(name: &str, message: &str, rest: &str) -> String {
    mapping(rest)
        .replace("name = \"m\"", &format!("name = \"{name}\""))
        .replace("\"t.M\"", &format!("\"{message}\""))
        .replace("measurement = \"m\"", &format!("measurement = \"{name}\""))
}

#[test]
fn a_content_type_selects_the_mapping() {
    let toml = selected("one", "t.M", "select = \"content-type\"\ncontent-type = \"a/one\"")
        + &selected("two", "t.M.In", "select = \"content-type\"\ncontent-type = \"a/two\"");
    let mut harness = Harness::new(&proto(), &toml);
    let mut check = |content_type, payload: &[u8], expect: &str| {
        let (transcoded, lines) = harness.run("vehicles/V1/m", payload, content_type);
        assert_eq!(lines, expect);
        assert!(transcoded.mapped);
        harness.failures().iter().map(|failure| failure.cause).collect::<Vec<_>>()
    };
    assert_eq!(check(Some("a/one"), &[8, 1], "one a=1i 1795388400000000000\n"), []);
    assert_eq!(check(Some("a/two"), &[10, 1, b'x'], "two b=\"x\" 1795388400000000000\n"), []);
    assert_eq!(check(Some("a/three"), &[8, 1], ""), [Cause::SchemaUnknown]);
    assert_eq!(check(None, &[8, 1], ""), [Cause::SchemaUnknown]);
}

#[test]
fn confluent_framing_selects_by_id_and_message_indexes() {
    let toml = selected("one", "t.M", "select = \"confluent\"\nschema-id = 258")
        + &selected("two", "t.M.In", "select = \"confluent\"\nschema-id = 258");
    let mut harness = Harness::new(&proto(), &toml);
    let table: [(&[u8], &str); 5] = [
        (&[0, 0, 0, 1, 2, 0, 8, 1], "one a=1i 1795388400000000000\n"),
        (&[0, 0, 0, 1, 2, 2, 0, 8, 1], "one a=1i 1795388400000000000\n"),
        (&[0, 0, 0, 1, 2, 4, 0, 0, 10, 1, b'x'], "two b=\"x\" 1795388400000000000\n"),
        (&[0, 0, 0, 1, 3, 0, 8, 1], ""),
        (&[8, 1], ""),
    ];
    for (payload, expect) in table {
        let lines = harness.payload(payload);
        assert_eq!(lines, expect, "{payload:02x?}");
        let causes: Vec<_> = harness.failures().iter().map(|failure| failure.cause).collect();
        let expect = if expect.is_empty() { vec![Cause::SchemaUnknown] } else { vec![] };
        assert_eq!(causes, expect, "{payload:02x?}");
    }
}

#[test]
fn a_failing_mapping_leaves_the_points_of_the_others() {
    // The second mapping wants a tag that the payload makes invalid; the first and third do not.
    let proto = proto3("message M { string a = 1; int32 b = 2; }");
    let toml = selected("one", "t.M", "")
        + &selected("two", "t.M", "tags = [\"vin\", \"a\"]")
        + &selected("three", "t.M", "");
    let mut harness = Harness::new(&proto, &toml);
    let (transcoded, lines) = harness.run("vehicles/V1/m", &[10, 1, b'\n'], None);
    assert_eq!(
        lines,
        "one a=\"\n\",b=0i 1795388400000000000\nthree a=\"\n\",b=0i 1795388400000000000\n"
    );
    assert_eq!(transcoded.points, 2);
    let [failure] = harness.failures() else { panic!("{:?}", harness.failures()) };
    assert_eq!((failure.mapping.as_ref(), failure.cause), ("two", Cause::TagInvalid));
    assert_eq!(failure.vehicle.as_deref(), Some("V1"));
}

#[test]
fn a_topic_without_a_mapping_is_distinguished_from_a_failure() {
    let mut harness = Harness::new(&proto(), &mapping(""));
    let (transcoded, lines) = harness.run("vehicles/V1/other", &[8, 1], None);
    assert!(!transcoded.mapped && lines.is_empty() && harness.failures().is_empty());
}

/// `p8-delimited`: bytes that pass for lengths by chance are no hint where what would stand behind
/// them is no message.
#[test]
fn a_length_prefix_is_suspected_only_if_messages_follow_it() {
    let proto = proto3("message S { double v = 1; int64 at = 2; } message M { repeated S s = 2; }");
    let timed = mapping("points = \"s\"\ntime = { field = \"s.at\", unit = \"ms\" }");
    let mut harness = Harness::new(&proto, &timed);
    // Two samples, of which the second has no time: read as lengths, 18 and 9 end where it ends.
    let payload = harness.encode(r#"{"s": [{"v": 1.5, "at": "1795161600000"}, {"v": 2.5}]}"#);
    assert_eq!((payload[0], payload.len()), (0x12, 29));
    let (cause, detail) = harness.failure(&payload);
    assert_eq!(cause, Cause::TimeOutOfBounds);
    assert!(!detail.contains("framing"), "{detail}");
    // Such a message behind its length.
    let (cause, detail) = harness.failure(&[&[29], &payload[..]].concat());
    assert!(detail.contains("framing = \"delimited\""), "{cause:?} {detail}");
}
