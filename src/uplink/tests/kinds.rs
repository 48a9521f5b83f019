//! Several kinds of message on one topic, each mapping with a `when` for its kind.

use super::{
    harness::{Harness, mapping, proto3},
    set::{self, Set},
};
use crate::{model::Cause, uplink::tests::harness::TOPIC};

/// Two schemas and two mappings of one topic.
fn set(one: &str, one_when: &str, other: &str, other_when: &str) -> Set {
    let mapping = |name: &str, when: &str| {
        let rest = format!(
            "schema = \"{name}.schema.json\"\nmeasurement = \"{name}\"\nwhen = '{when}'\n{}",
            if name == "one" { "points = \"samples\"\n" } else { "" }
        );
        let rest =
            if one.contains("samples") { rest } else { rest.replace("points = \"samples\"\n", "") };
        set::mapping("json", &rest).replace("name = \"m\"", &format!("name = \"{name}\""))
    };
    let toml = mapping("one", one_when) + &mapping("two", other_when);
    Set::new(&[("one.schema.json", one), ("two.schema.json", other), ("m.toml", &toml)])
}

const KIND: &str = "\"kind\": {\"type\": \"string\"}";

/// `j3-kinds-on-one-topic`.
#[test]
fn a_mapping_whose_filter_is_false_needs_nothing_else_from_the_payload() {
    let gps = format!(
        "{{\"type\": \"object\", \"required\": [\"kind\", \"data\", \"id\"], \"properties\": {{{KIND},
          \"id\": {{\"type\": \"string\"}}, \"data\": {{\"type\": \"object\", \"required\": [\"lat\"],
          \"properties\": {{\"lat\": {{\"type\": \"number\"}}}}}}}}}}"
    );
    let odo = format!(
        "{{\"type\": \"object\", \"required\": [\"data\"], \"properties\": {{{KIND},
          \"data\": {{\"type\": \"number\"}}}}}}"
    );
    let mut set = set(&gps, "kind == \"gps\"", &odo, "kind == \"odo\"");
    let gps = br#"{"kind":"gps","id":"a","data":{"lat":52.5}}"#;
    assert_eq!(set.lines(gps), "one kind=\"gps\",id=\"a\",data_lat=52.5\n");
    let odo = br#"{"data":7,"kind":"odo"}"#;
    assert_eq!(set.lines(odo), "two kind=\"odo\",data=7\n");
    let (told, _) = set.run(TOPIC, odo);
    assert_eq!((told.points, told.points_filtered), (1, 1));
    // Neither kind, whatever else it is.
    for other in ["{\"kind\":\"x\"}", "{\"kind\":[1],\"data\":{}}", "[1]", "7", "{}"] {
        let (told, lines) = set.run(TOPIC, other.as_bytes());
        assert_eq!((lines.as_str(), told.points_filtered), ("", 2), "{other}");
        assert_eq!(set.lines(other.as_bytes()), "");
    }
    // Its own kind must suit its schema, and what is no JSON is of no kind.
    let (cause, _) = set.failure(br#"{"kind":"gps","id":"a","data":7}"#);
    assert_eq!(cause, Cause::PayloadMismatch);
    let (_, lines) = set.run(TOPIC, br#"{"kind":"odo","data":7"#);
    // What it breaks off for is told by both, and not the type that only the other kind has.
    let causes = vec![Cause::PayloadTruncated; 2];
    assert_eq!((lines.as_str(), set.causes()), ("", causes));
}

#[test]
fn a_type_may_tell_the_kinds_apart() {
    let of = |data: &str| format!("{{\"type\": \"object\", \"properties\": {{\"data\": {data}}}}}");
    let list = of("{\"type\": \"array\", \"items\": {\"type\": \"integer\"}}");
    let number = of("{\"type\": \"integer\"}");
    let mut set = set(&list, "exists(data)", &number, "exists(data)");
    assert_eq!(set.lines(br#"{"data":[1,2]}"#), "one data_0=1i,data_1=2i\n");
    assert_eq!(set.lines(br#"{"data":7}"#), "two data=7i\n");
    assert_eq!(set.lines(br#"{"data":{"x":7}}"#), "");
}

#[test]
fn elements_of_points_may_be_of_several_kinds() {
    let samples = |value: &str| {
        format!(
            "{{\"type\": \"object\", \"properties\": {{\"samples\": {{\"type\": \"array\", \"items\":
              {{\"type\": \"object\", \"properties\": {{{KIND}, \"v\": {{\"type\": \"{value}\"}}}}}}}}}}}}"
        )
    };
    let number = samples("number");
    let text = "{\"type\": \"object\", \"properties\": {\"samples\": {\"type\": \"string\"}}}";
    let mut set = set(&number, "kind == \"n\"", text, "exists(samples)");
    let payload = br#"{"samples":[{"kind":"s","v":"x"},{"kind":"n","v":1},{"v":"y","kind":"s"}]}"#;
    assert_eq!(set.lines(payload), "one kind=\"n\",v=1\n");
    assert_eq!(set.run(TOPIC, payload).0.points_filtered, 3);
    assert_eq!(set.lines(br#"{"samples":"none"}"#), "two samples=\"none\"\n");
    let (cause, detail) =
        set.failure(br#"{"samples":[{"kind":"s","v":"x"},{"kind":"n","v":"y"}]}"#);
    assert_eq!(cause, Cause::PayloadMismatch);
    assert!(detail.contains("a string where the schema has a number"), "{detail}");
}

/// A mapping of samples in units, each with its tag.
fn samples_in_units(when: &str) -> Set {
    let schema =
        "{\"type\": \"object\", \"properties\": {\"units\": {\"type\": \"array\", \"items\":
        {\"type\": \"object\", \"properties\": {\"u\": {\"type\": \"string\"}, \"samples\":
        {\"type\": \"array\", \"items\": {\"type\": \"object\", \"properties\":
        {\"kind\": {\"type\": \"string\"}, \"v\": {\"type\": \"number\"}}}}}}}}}";
    let rest = format!(
        "schema = \"m.schema.json\"\nmeasurement = \"m\"\ntags = [\"vin\", \"u\"]\n\
         points = \"units.samples\"\nwhen = '{when}'\n"
    );
    Set::new(&[("m.schema.json", schema), ("m.toml", &set::mapping("json", &rest))])
}

#[test]
fn elements_of_lists_in_lists_may_be_of_several_kinds() {
    let mut set = samples_in_units("kind == \"n\"");
    // A sample of another kind, a unit that does not suit and holds no other, and one behind it.
    let payload = br#"{"units":[
        {"u":"a","samples":[{"kind":"s","v":"x"},{"kind":"n","v":1}]},
        {"samples":[{"kind":"s","v":"x"},{"kind":"t"}],"u":7},
        {"u":"b","samples":[{"v":"y","kind":"s"},{"kind":"n","v":2}]}]}"#;
    assert_eq!(
        set.lines(payload),
        "m,vin=V1,units_u=a kind=\"n\",v=1\nm,vin=V1,units_u=b kind=\"n\",v=2\n"
    );
    assert_eq!(set.run(TOPIC, payload).0.points_filtered, 3);
    // Its own kind must suit, and so must all around it.
    for payload in [
        r#"{"units":[{"samples":[{"kind":"s"},{"kind":"n","v":1}],"u":7}]}"#,
        r#"{"units":[{"u":"a","samples":[{"kind":"s","v":"x"},{"kind":"n","v":"y"}]}]}"#,
    ] {
        assert_eq!(set.failure(payload.as_bytes()).0, Cause::PayloadMismatch, "{payload}");
    }
    // What is no object has no kind.
    for payload in [
        r#"{"units":[7,{"u":"a","samples":[{"kind":"n","v":1}]}]}"#,
        r#"{"units":[{"u":"a","samples":[7,{"kind":"n","v":1}]}]}"#,
    ] {
        assert_eq!(
            set.lines(payload.as_bytes()),
            "m,vin=V1,units_u=a kind=\"n\",v=1\n",
            "{payload}"
        );
        assert_eq!(set.run(TOPIC, payload.as_bytes()).0.points_filtered, 1, "{payload}");
    }
}

#[test]
fn a_list_around_the_points_may_tell_their_kind() {
    let mut set = samples_in_units("u == \"a\"");
    let payload = br#"{"units":[{"u":"b","samples":[{"v":"x"},{"v":"y"}]},
        {"u":"a","samples":[{"v":1}]},{"u":"b","samples":[{"v":"x"}]}]}"#;
    assert_eq!(set.lines(payload), "m,vin=V1,units_u=a v=1\n");
    assert_eq!(set.run(TOPIC, payload).0.points_filtered, 3);
    let own = br#"{"units":[{"u":"b","samples":[{"v":"x"}]},{"u":"a","samples":[{"v":"y"}]}]}"#;
    assert_eq!(set.failure(own).0, Cause::PayloadMismatch);
}

#[test]
fn protobuf_messages_of_another_type_are_left_out_too() {
    let proto = proto3(
        "message M { int32 kind = 1; string name = 2; int64 at = 3; }
         message N { int32 kind = 1; double v = 2; double at = 3; }",
    );
    let time = "time = { field = \"at\", unit = \"ms\" }\n";
    let toml = mapping(&format!("when = \"kind == 1\"\n{time}"))
        + &mapping("when = \"kind == 2\"\n")
            .replace("name = \"m\"", "name = \"n\"")
            .replace("t.M", "t.N")
            .replace("measurement = \"m\"", "measurement = \"n\"");
    let mut harness = Harness::new(&proto, &toml);
    let one = harness.encode(r#"{"kind": 1, "name": "a", "at": "1795388400000"}"#);
    assert_eq!(harness.payload(&one), "m kind=1i,name=\"a\" 1795388400000000000\n");
    assert_eq!(harness.failures(), []);
    // kind 2, v = 1.0, at = 0.
    let other = [8, 2, 0x11, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f];
    assert_eq!(harness.payload(&other), "n kind=2i,v=1,at=0 1795388400000000000\n");
    assert_eq!(harness.failures(), []);
    // Its own kind must suit: a name that is no text.
    let wrong = [8, 1, 0x11, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f];
    assert_eq!(harness.payload(&wrong), "");
    let causes: Vec<Cause> = harness.failures().iter().map(|failure| failure.cause).collect();
    assert_eq!(causes, [Cause::PayloadMalformed]);
}

/// What the filter leaves out is one message of a payload, not its neighbours.
#[test]
fn length_prefixed_messages_may_be_of_several_kinds() {
    let proto = proto3("message M { int32 kind = 1; string name = 2; }");
    let toml = mapping("when = \"kind == 1\"\nframing = \"delimited\"\n");
    let mut harness = Harness::new(&proto, &toml);
    // Kind 2 with a number for a name, between two that suit.
    let payload = [5, 8, 1, 0x12, 1, b'a', 4, 8, 2, 0x10, 3, 5, 8, 1, 0x12, 1, b'b'];
    let lines = harness.payload(&payload);
    assert_eq!(harness.failures(), []);
    let names: Vec<&str> = lines.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(names, ["kind=1i,name=\"a\"", "kind=1i,name=\"b\""]);
}

/// What is wrong behind the decoding is asked of points that pass only.
#[test]
fn vehicle_and_time_are_required_only_of_points_that_pass_the_filter() {
    let schema = "{\"type\": \"object\", \"properties\": {\"kind\": {\"type\": \"string\"},
        \"id\": {\"type\": \"string\"}, \"x\": {\"type\": \"integer\"}}}";
    let rest =
        "schema = \"m.schema.json\"\nmeasurement = \"m\"\ntags = [\"id\"]\nwhen = \"kind == 'a'\"";
    let toml = set::mapping("json", rest).replace("\"{vin}\"", "\"id\"");
    let mut set = Set::new(&[("m.schema.json", schema), ("m.toml", &toml)]);
    assert_eq!(set.lines(br#"{"kind":"b","x":1}"#), "");
    assert_eq!(set.failure(br#"{"kind":"a","x":1}"#).0, Cause::VehicleInvalid);
}
