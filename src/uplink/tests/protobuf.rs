//! How each kind of value is written (design 3.3), and what a mapping does with it.

use super::harness::{Harness, check, mapping, proto3};
use crate::{
    model::{Cause, LineDialect},
    uplink::Limits,
};

#[test]
fn every_scalar_has_its_type_in_the_line() {
    let proto = proto3(
        "enum E { ZERO = 0; ONE = 1; }
         message M {
           double a = 1; float b = 2; int32 c = 3; int64 d = 4; uint32 e = 5; uint64 f = 6;
           sint32 g = 7; sint64 h = 8; fixed32 i = 9; fixed64 j = 10; sfixed32 k = 11;
           sfixed64 l = 12; bool m = 13; string n = 14; bytes o = 15; E p = 16;
         }",
    );
    check(
        &proto,
        "",
        r#"{"a": 1e21, "b": 63.4, "c": -5, "d": "-9223372036854775808", "e": 4294967295,
            "f": "18446744073709551615", "g": -7, "h": "-8", "i": 9, "j": "10", "k": -11,
            "l": "-12", "m": true, "n": "a\"b\\c\nd", "o": "AAEC/w==", "p": 1}"#,
        "m a=1e21,b=63.4,c=-5i,d=-9223372036854775808i,e=4294967295i,f=18446744073709551615u,\
         g=-7i,h=-8i,i=9i,j=10u,k=-11i,l=-12i,m=t,n=\"a\\\"b\\\\c\nd\",o=\"AAEC/w==\",p=\"ONE\"\n",
    );
    // Absent and without presence: the default is the value.
    check(
        &proto,
        "",
        "{}",
        "m a=0,b=0,c=0i,d=0i,e=0i,f=0u,g=0i,h=0i,i=0i,j=0u,k=0i,l=0i,m=f,n=\"\",o=\"\",\
         p=\"ZERO\"\n",
    );
}

#[test]
fn absence_is_written_only_where_it_is_a_value() {
    let proto = proto3(
        "import \"google/protobuf/wrappers.proto\";
         import \"google/protobuf/timestamp.proto\";
         import \"google/protobuf/duration.proto\";
         message N { int32 x = 1; optional int32 y = 2; }
         message M {
           int32 a = 1; optional int32 b = 2; N n = 3; oneof o { int32 c = 4; string d = 5; }
           google.protobuf.DoubleValue w = 6; google.protobuf.Timestamp t = 7;
           google.protobuf.Duration u = 8; google.protobuf.StringValue s = 9;
         }",
    );
    check(&proto, "", "{}", "m a=0i\n");
    check(
        &proto,
        "",
        r#"{"n": {}, "b": 0, "d": "", "w": 0, "s": ""}"#,
        "m a=0i,b=0i,n_x=0i,d=\"\",w=0,s=\"\"\n",
    );
    check(
        &proto,
        "",
        r#"{"n": {"y": 2}, "c": 0, "t": "2026-11-22T23:00:00.000000001Z", "u": "-1.5s"}"#,
        "m a=0i,n_x=0i,n_y=2i,c=0i,t=1795388400000000001i,u=-1500000000i\n",
    );
    let proto2 = "syntax = \"proto2\";\npackage t;\nmessage M { optional int32 a = 1 [default = 5];\
                  required string b = 2; optional group G = 3 { optional int32 x = 1; } }";
    check(proto2, "", r#"{"b": ""}"#, "m b=\"\"\n");
    check(proto2, "", r#"{"b": "x", "g": {"x": 7}}"#, "m b=\"x\",g_x=7i\n");
}

#[test]
fn repeated_scalars_and_maps_spread_or_become_json() {
    let proto = proto3(
        "enum E { Z = 0; Y = 1; }
         message M {
           repeated double a = 1; repeated string b = 2; map<string, int32> c = 3;
           map<uint32, bytes> d = 4; repeated E e = 5; map<bool, string> f = 6; int32 x = 7;
         }",
    );
    let json = r#"{"a": [1, "NaN", 2.5], "b": ["p", "q\"\\"], "c": {"k v": 1},
                   "d": {"7": "AAE="}, "e": ["Y", 9], "f": {"true": "t"}}"#;
    check(
        &proto,
        "",
        json,
        "m a_0=1,a_2=2.5,b_0=\"p\",b_1=\"q\\\"\\\\\",c_k\\ v=1i,d_7=\"AAE=\",e_0=\"Y\",e_1=\"9\",\
         f_true=\"t\",x=0i\n",
    );
    check(
        &proto,
        "repeated = \"json\"",
        json,
        "m a=\"[1,null,2.5]\",b=\"[\\\"p\\\",\\\"q\\\\\\\"\\\\\\\\\\\"]\",c=\"{\\\"k v\\\":1}\",\
         d=\"{\\\"7\\\":\\\"AAE=\\\"}\",e=\"[\\\"Y\\\",\\\"9\\\"]\",f=\"{\\\"true\\\":\\\"t\\\"}\",x=0i\n",
    );
    check(&proto, "bytes = \"skip\"", r#"{"d": {"7": "AAE="}}"#, "m x=0i\n");
}

#[test]
fn tags_and_time_are_no_fields_and_keep_the_order_of_the_mapping() {
    let proto = proto3(
        "enum E { Z = 0; Y = 1; }
         message N { string s = 1; int32 x = 2; }
         message M { int64 at = 1; string model = 2; N n = 3; E e = 4; bool b = 5; double v = 6; }",
    );
    let toml = "tags = [\"n.s\", \"vin\", \"e\", \"model\", \"b\"]\n\
                time = { field = \"at\", unit = \"ms\" }\n";
    let mut harness = Harness::new(&proto, &mapping(toml));
    let payload = harness.encode(
        r#"{"at": "1795388400123", "model": "a, b=c", "n": {"s": "x"}, "e": "Y", "b": true, "v": 1}"#,
    );
    let line = "m,n_s=x,vin=V1,e=Y,model=a\\,\\ b\\=c,b=true n_x=0i,v=1 1795388400123000000\n";
    assert_eq!(harness.payload(&payload), line);
    let payload = harness.encode(r#"{"at": "1795388400123"}"#);
    assert_eq!(harness.payload(&payload), "m,vin=V1,e=Z,b=false v=0 1795388400123000000\n");
}

#[test]
fn each_element_of_points_is_a_point_with_the_message_around_it() {
    let proto = proto3(
        "message S { int64 at = 1; double v = 2; string kind = 3; Inner in = 4; }
         message Inner { int32 x = 1; }
         message H { string id = 1; repeated S samples = 2; int32 after = 3; }
         message M { int32 before = 1; H h = 2; int32 last = 4; }",
    );
    let toml = "points = \"h.samples\"\ntags = [\"vin\", \"kind\", \"h.id\"]\n\
                time = { field = \"at\", unit = \"s\" }\nwhen = \"v >= 0 and last < 10\"\n\
                fields = { rename = { \"in.x\" = \"inner\" } }\n";
    let mut harness = Harness::new(&proto, &mapping(toml));
    let payload = harness.encode(
        r#"{"before": 1, "h": {"id": "a", "samples": [
              {"at": "1795388400", "v": 1, "kind": "k", "in": {}},
              {"at": "1795388401", "v": -1},
              {"at": "1795388402", "v": 2.5}
            ]}, "last": 9}"#,
    );
    let (transcoded, lines) = harness.run(super::harness::TOPIC, &payload, None);
    assert_eq!(
        lines,
        "m,vin=V1,kind=k,h_id=a before=1i,v=1,inner=0i,h_after=0i,last=9i 1795388400000000000\n\
         m,vin=V1,h_id=a before=1i,v=2.5,h_after=0i,last=9i 1795388402000000000\n"
    );
    assert_eq!((transcoded.points, transcoded.points_filtered), (2, 1));
    assert_eq!(harness.payload(&harness.encode("{}")), "", "no element, no point");
}

#[test]
fn a_filter_decides_before_anything_is_written() {
    let proto = proto3(
        "import \"google/protobuf/timestamp.proto\";
         enum E { Z = 0; Y = 1; }
         message N { int32 x = 1; }
         message M {
           optional double d = 1; float f = 2; optional uint64 u = 3; string s = 4; bool b = 5;
           E e = 6; N n = 7; repeated int32 l = 8; google.protobuf.Timestamp t = 9;
         }",
    );
    let json = r#"{"d": 1.5, "f": 0.1, "u": "18446744073709551615", "s": "x", "b": true, "e": "Y",
                   "t": "2026-11-22T23:00:00Z"}"#;
    let table = [
        ("d == 1.5", true),
        ("d != 1.5", false),
        ("d > 1 and d <= 2", true),
        ("not d < 5", false),
        ("f == 0.1", true),
        ("u > 9223372036854775807", true),
        ("u == -1", false),
        ("s == 'x'", true),
        ("s in ['y', 'x']", true),
        ("s not in ['y', 'x']", false),
        ("b == true", true),
        ("b != true or e == 'Z'", false),
        ("e == 'Y'", true),
        ("e == 1", true),
        ("e in ['Z']", false),
        ("exists(n)", false),
        ("exists(l) or exists(d)", true),
        ("n.x == 0", false),
        ("not n.x == 0", true),
        ("t >= 1795388400000000000", true),
    ];
    for (when, expect) in table {
        let mut harness = Harness::new(&proto, &mapping(&format!("when = \"{when}\"")));
        let payload = harness.encode(json);
        let (transcoded, lines) = harness.run(super::harness::TOPIC, &payload, None);
        assert_eq!(!lines.is_empty(), expect, "{when}");
        assert_eq!(transcoded.points_filtered, u32::from(!expect), "{when}");
    }
}

#[test]
fn a_point_without_a_field_and_values_without_a_text_are_counted() {
    let proto = proto3("message M { optional double a = 1; optional float b = 2; }");
    let mut harness = Harness::new(&proto, &mapping(""));
    let payload = harness.encode(r#"{"a": "NaN", "b": "-Infinity"}"#);
    let (transcoded, lines) = harness.run(super::harness::TOPIC, &payload, None);
    assert_eq!(lines, "");
    assert_eq!((transcoded.points_empty, transcoded.values_dropped), (1, 2));
    assert!(transcoded.mapped && transcoded.shard.is_none() && harness.failures().is_empty());
}

#[test]
fn an_unsigned_value_follows_the_dialect() {
    let proto = proto3("message M { uint64 u = 1; }");
    let mut harness = Harness::with(&proto, &mapping(""), LineDialect::Signed, Limits::default());
    let payload = harness.encode(r#"{"u": "9223372036854775807"}"#);
    assert_eq!(harness.payload(&payload), "m u=9223372036854775807i 1795388400000000000\n");
    let payload = harness.encode(r#"{"u": "9223372036854775808"}"#);
    let (cause, detail) = harness.failure(&payload);
    assert_eq!(cause, Cause::IntegerOutOfRange);
    assert_eq!(detail, "field `u`: it is past the store's integers: 9223372036854775808");
}

#[test]
fn an_invalid_tag_time_or_vehicle_is_a_dead_letter() {
    let proto = proto3(
        "import \"google/protobuf/timestamp.proto\";
         message M { string tag = 1; int64 at = 2; string id = 3; int32 x = 4;
                     optional int64 maybe = 5; google.protobuf.Timestamp ts = 6; }",
    );
    let check = |toml: &str, json: &str, cause: Cause, detail: &str| {
        let toml = mapping(toml);
        let mut harness = Harness::new(&proto, &toml);
        let payload = harness.encode(json);
        assert_eq!(harness.failure(&payload), (cause, detail.to_owned()), "{toml} {json}");
    };
    let tagged = "tags = [\"vin\", \"tag\"]";
    let unwritable = "tag `tag`: a tag holds CR, LF, TAB or NUL, or a backslash before a separator or at its end";
    for text in ["a\\nb", "a\\rb", "a\\u0000b", "a\\tb", "a\\\\", "a\\\\,b", "a\\\\\\\\b"] {
        let told = format!("{unwritable}: {}", text.replace("\\u0000", "\\0"));
        check(tagged, &format!("{{\"tag\": \"{text}\"}}"), Cause::TagInvalid, &told);
    }
    let long = format!("{{\"tag\": \"{}\"}}", "x".repeat(257));
    let told = format!("tag `tag`: a tag is over its bound: {}…", "x".repeat(48));
    check(tagged, &long, Cause::TagInvalid, &told);
    let timed = "time = { field = \"at\", unit = \"s\" }";
    check(
        timed,
        "{}",
        Cause::TimeOutOfBounds,
        "time: it is out of bounds: the point says \
           1970-01-01T00:00:00Z, it was received 2026-11-22T23:00:00Z",
    );
    check(
        timed,
        "{\"at\": \"1795474801\"}",
        Cause::TimeOutOfBounds,
        "time: it is out of bounds: \
           the point says 2026-11-23T23:00:01Z, it was received 2026-11-22T23:00:00Z",
    );
    let invalid = "time: 9223372036854775807 s does not fit 64-bit nanoseconds";
    check(timed, "{\"at\": \"9223372036854775807\"}", Cause::TimeInvalid, invalid);
    let maybe = "time = { field = \"maybe\", unit = \"ns\" }";
    check(maybe, "{}", Cause::TimeInvalid, "time: it is absent");
    check("time = { field = \"ts\" }", "{}", Cause::TimeInvalid, "time: it is absent");
    // 1795161600 s and 1000000000 ns.
    let nanos = *b"\x32\x0c\x08\x80\xfc\xff\xd7\x06\x10\x80\x94\xeb\xdc\x03";
    let mut harness = Harness::new(&proto, &mapping("time = { field = \"ts\" }"));
    let broken = "time: 1795161600 s has nanos that protobuf does not allow beside its seconds";
    assert_eq!(harness.failure(&nanos), (Cause::TimeInvalid, broken.to_owned()));
}

#[test]
fn the_vehicle_may_be_a_field_and_must_be_one_word() {
    let proto = proto3("message M { string id = 1; uint64 number = 2; int32 x = 3; }");
    let by = |field: &str| {
        mapping(&format!("tags = [\"{field}\"]"))
            .replace("vehicle = \"{vin}\"", &format!("vehicle = \"{field}\""))
    };
    let mut harness = Harness::new(&proto, &by("id"));
    let payload = harness.encode(r#"{"id": "V9"}"#);
    assert_eq!(harness.payload(&payload), "m,id=V9 number=0u,x=0i 1795388400000000000\n");
    assert_eq!(harness.plans.catalog().measurements["m"].vehicle_tag.as_deref(), Some("id"));
    let (cause, detail) = harness.failure(&[]);
    assert_eq!(cause, Cause::VehicleInvalid);
    assert_eq!(detail, "tag `id`: the vehicle is absent or empty");
    let mut harness = Harness::new(&proto, &by("number"));
    let line = "m,number=7 id=\"\",x=0i 1795388400000000000\n";
    assert_eq!(harness.payload(&[0x10, 7]), line);
    let (transcoded, _) = Harness::new(&proto, &mapping("")).run("vehicles//m", &[], None);
    assert!(transcoded.mapped && transcoded.points == 0);
}
