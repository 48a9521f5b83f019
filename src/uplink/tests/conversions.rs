//! Values that a mapping scales, or makes another type of; names and constants beside them.

use super::{
    harness::{Harness, check, mapping, proto3},
    set,
};
use crate::{
    model::{Cause, FieldType, LineDialect},
    uplink::Limits,
};

const PROTO: &str = "import \"google/protobuf/timestamp.proto\";
    enum E { OFF = 0; ON = 1; }
    message M {
      sint32 lat_e7 = 1; optional uint64 big = 2; string text = 3; double d = 4;
      optional float f = 5;
      bool b = 6; E e = 7; repeated uint32 cells = 8; map<string, string> words = 9;
      optional google.protobuf.Timestamp ts = 10; bytes raw = 11;
    }
";

/// The line of a message with one field of these included.
#[track_caller]
fn check_one(field: &str, convert: &str, json: &str, expect: &str) {
    let toml = format!(
        "fields = {{ include = [\"{field}\"] }}\n[mapping.convert]\n\"{field}\" = {{ {convert} }}\n"
    );
    check(&proto3(PROTO), &toml, json, expect);
}

#[test]
fn scaled_values_are_exact_in_decimals() {
    let lat = "name = \"lat\", factor = 1e-7";
    check_one("lat_e7", lat, r#"{"latE7": 525000000}"#, "m lat=52.5\n");
    check_one("lat_e7", lat, r#"{"latE7": -1}"#, "m lat=-1e-7\n");
    check_one("lat_e7", "factor = 0.1", r#"{"latE7": 523}"#, "m lat_e7=52.3\n");
    check_one("lat_e7", "offset = -40", r#"{"latE7": 128}"#, "m lat_e7=88\n");
    check_one("lat_e7", "factor = 0.5, offset = -40.5", r#"{"latE7": 1}"#, "m lat_e7=-40\n");
    check_one("lat_e7", "factor = 10, as = \"integer\"", r#"{"latE7": 7}"#, "m lat_e7=70i\n");
    check_one(
        "big",
        "factor = 0.001",
        r#"{"big": "18446744073709551615"}"#,
        "m big=1.844674407370955e16\n",
    );
    check_one("d", "factor = 0.1", r#"{"d": 523}"#, "m d=52.3\n");
    check_one("d", "factor = 3", r#"{"d": 1e300}"#, "m d=3e300\n");
    check_one("d", "factor = 1e-300, offset = 1", r#"{"d": 1e-300}"#, "m d=1\n");
    check_one("f", "factor = 10", r#"{"f": 0.1}"#, "m f=1\n");
    check_one(
        "cells",
        "factor = 0.001",
        r#"{"cells": [3301, 3299]}"#,
        "m cells_0=3.301,cells_1=3.299\n",
    );
    check_one(
        "ts",
        "factor = 1e-9",
        r#"{"ts": "2026-11-20T08:00:00.25Z"}"#,
        "m ts=1795161600.25\n",
    );
    let json = "repeated = \"json\"\nfields = { include = [\"cells\", \"words\"] }\n\
                [mapping.convert]\ncells = { factor = 0.001 }\nwords = { as = \"integer\" }\n";
    check(
        &proto3(PROTO),
        json,
        r#"{"cells": [3301, 3299], "words": {"a": "7"}}"#,
        "m cells=\"[3.301,3.299]\",words=\"{\\\"a\\\":7}\"\n",
    );
}

#[test]
fn values_are_converted_to_the_type_that_the_mapping_names() {
    let table = [
        ("text", "float", r#"{"text": "71.5"}"#, "m text=71.5\n"),
        ("text", "float", r#"{"text": " 7e1 "}"#, "m text=70\n"),
        ("text", "integer", r#"{"text": "71.0"}"#, "m text=71i\n"),
        ("text", "boolean", r#"{"text": "Yes"}"#, "m text=t\n"),
        ("text", "boolean", r#"{"text": "0"}"#, "m text=f\n"),
        ("text", "float", r#"{"text": ""}"#, ""),
        ("text", "float", r#"{"text": "NaN"}"#, ""),
        ("text", "string", r#"{"text": "a \"b\""}"#, "m text=\"a \\\"b\\\"\"\n"),
        ("big", "integer", r#"{"big": "7"}"#, "m big=7i\n"),
        ("big", "float", r#"{"big": "7"}"#, "m big=7\n"),
        ("big", "string", r#"{"big": "7"}"#, "m big=\"7\"\n"),
        ("big", "boolean", r#"{"big": "7"}"#, "m big=t\n"),
        ("d", "integer", r#"{"d": 54}"#, "m d=54i\n"),
        ("d", "string", r#"{"d": 0.1}"#, "m d=\"0.1\"\n"),
        ("d", "string", r#"{"d": "NaN"}"#, ""),
        ("f", "float", r#"{"f": 0.1}"#, "m f=0.1\n"),
        ("f", "string", r#"{"f": 0.1}"#, "m f=\"0.1\"\n"),
        ("b", "integer", r#"{"b": true}"#, "m b=1i\n"),
        ("b", "float", r#"{"b": true}"#, "m b=1\n"),
        ("b", "string", r#"{"b": true}"#, "m b=\"true\"\n"),
        ("e", "integer", r#"{"e": "ON"}"#, "m e=1i\n"),
        ("e", "string", r#"{"e": "ON"}"#, "m e=\"ON\"\n"),
        ("words", "float", r#"{"words": {"a": "1.5"}}"#, "m words_a=1.5\n"),
    ];
    for (field, target, json, expect) in table {
        check_one(field, &format!("as = \"{target}\""), json, expect);
    }
}

#[test]
fn a_value_that_cannot_be_converted_is_a_dead_letter() {
    let table = [
        (
            "text",
            "float",
            r#"{"text": "12,5"}"#,
            Cause::PayloadMismatch,
            "a text is no number at byte 2: 12,5",
        ),
        (
            "text",
            "boolean",
            r#"{"text": "maybe"}"#,
            Cause::PayloadMismatch,
            "a text is no boolean at byte 2: maybe",
        ),
        (
            "d",
            "integer",
            r#"{"d": 71.5}"#,
            Cause::PayloadMismatch,
            "a number is not whole, and the mapping makes it an integer: 71.5",
        ),
        (
            "big",
            "integer",
            r#"{"big": "9223372036854775808"}"#,
            Cause::IntegerOutOfRange,
            "a number is past 64 bits, and the mapping makes it an integer: 9223372036854775808",
        ),
        (
            "d",
            "integer",
            r#"{"d": 1e300}"#,
            Cause::IntegerOutOfRange,
            "a number is past 64 bits, and the mapping makes it an integer: 1e300",
        ),
    ];
    for (field, target, json, cause, what) in table {
        let toml = format!(
            "fields = {{ include = [\"{field}\"] }}\n[mapping.convert]\n{field} = {{ as = \"{target}\" }}"
        );
        let mut harness = Harness::new(&proto3(PROTO), &mapping(&toml));
        let payload = harness.encode(json);
        assert_eq!(
            harness.failure(&payload),
            (cause, format!("field `{field}`: {what}")),
            "{json}"
        );
    }
}

/// `p8-scale-and-convert`: queries ask the catalog for types.
#[test]
fn the_catalog_has_the_type_after_conversion() {
    let toml = "[mapping.fields]\ninclude = [\"lat_e7\", \"big\", \"text\", \"e\", \"d\"]\n\
                [mapping.convert]\nlat_e7 = { name = \"lat\", factor = 1e-7 }\n\
                big = { as = \"boolean\" }\ntext = { as = \"integer\" }\ne = { as = \"integer\" }\n\
                d = { name = \"same\" }\n\
                [mapping.constant]\ntags = { plant = \"W2\" }\n\
                fields = { gain = 1.5, rev = 7, live = true, who = \"a \\\"b\\\"\" }\n";
    let mut harness =
        Harness::with(&proto3(PROTO), &mapping(toml), LineDialect::Signed, Limits::default());
    let fields: Vec<(&str, FieldType)> = harness.plans.catalog().measurements["m"]
        .fields
        .iter()
        .map(|(name, kind)| (name.as_str(), *kind))
        .collect();
    assert_eq!(
        fields,
        [
            ("lat", FieldType::Float),
            ("big", FieldType::Boolean),
            ("text", FieldType::Integer),
            ("same", FieldType::Float),
            ("e", FieldType::Integer),
            ("gain", FieldType::Float),
            ("live", FieldType::Boolean),
            ("rev", FieldType::Integer),
            ("who", FieldType::String),
        ]
    );
    assert_eq!(harness.plans.catalog().measurements["m"].tags, ["vin", "plant"]);
    let payload = harness.encode(r#"{"latE7": 5, "d": 2}"#);
    assert_eq!(
        harness.payload(&payload),
        "m,plant=W2 lat=5e-7,same=2,e=0i,gain=1.5,live=t,rev=7i,who=\"a \\\"b\\\"\" \
         1795388400000000000\n"
    );
}

#[test]
fn constants_alone_make_no_point() {
    let toml = "fields = { include = [\"big\"] }\n[mapping.constant]\nfields = { a = 1 }\n";
    check(&proto3(PROTO), toml, "{}", "");
    check(&proto3(PROTO), toml, r#"{"big": "1"}"#, "m big=1u,a=1i\n");
    let lines = set::mapping(
        "line-protocol",
        "tags = [\"vin\"]\n[mapping.constant]\ntags = { plant = \"W 2\" }",
    );
    let mut set = set::Set::new(&[("m.toml", &lines)]);
    assert_eq!(set.lines(b"m,plant=X a=1"), "m,plant=W\\ 2,vin=V1 a=1\n");
}

#[test]
fn conversions_and_constants_that_make_no_sense_are_refused() {
    let refused = |toml: &str, expect: &[&str]| {
        let files = [("m.proto", proto3(PROTO)), ("m.toml", mapping(toml))];
        let files: Vec<(&str, &str)> =
            files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        assert_eq!(set::refused(&files), expect, "{toml}");
    };
    let convert =
        |line: &str| format!("fields = {{ exclude = [\"ts\"] }}\n[mapping.convert]\n{line}");
    refused(
        &convert("lat = { factor = 1e-7 }"),
        &["m.toml:12: `convert`: no field is named `lat`"],
    );
    refused(
        &convert("ts = { factor = 1e-9 }"),
        &["m.toml:12: `convert`: `ts` is no field that is written, so there is nothing to convert"],
    );
    refused(
        &convert("raw = { as = \"float\" }"),
        &["m.toml:12: `convert`: `raw` is bytes, which cannot become a float"],
    );
    refused(
        &convert("b = { factor = 2 }"),
        &["m.toml:12: `convert`: `b` is a boolean, which `factor` and `offset` do not fit"],
    );
    refused(
        &convert("d = { factor = 2, as = \"string\" }"),
        &["m.toml:12: `convert`: `d` is scaled, which gives a number; `as` must be `float` or \
           `integer`"],
    );
    refused(
        &convert("d = { factor = nan }"),
        &["m.toml:12: `factor` is of type float; it must be a finite number in decimals"],
    );
    refused(
        &convert("d = { as = \"number\", scale = 2 }"),
        &[
            "m.toml:12: `as` cannot be `number`; write one of float, integer, boolean, string",
            "m.toml:12: unknown key `scale`; `d` has no such key; known are name, factor, offset, as",
        ],
    );
    refused(
        "fields = { rename = { d = \"x\" } }\n[mapping.convert]\nd = { name = \"y\" }",
        &["m.toml:12: remove `name`: it is given by `fields.rename` already"],
    );
    refused(
        "[mapping.constant]\ntags = { vin = \"x\", plant = \"\" }\nfields = { d = 1, t = [1] }",
        &[
            "m.toml:11: the constant tag `plant` is empty, or has a line break, TAB or NUL, or a \
             backslash before a separator or at its end",
            "m.toml:11: the constant tag `vin` and the tag `vin` both give the name `vin`; rename \
             one with `fields.rename` or exclude it",
            "m.toml:12: `t` is of type array; it must be a text, a finite number of 64 bits or a \
             boolean",
            "m.toml:12: the constant field `d` and the field `d` both give the name `d`; rename one \
             with `fields.rename` or exclude it",
        ],
    );
}

/// `n3-include-and-constant-tags`, `j2-rename-to-nothing`.
#[test]
fn fields_are_included_and_prefixes_dropped() {
    let proto = proto3(
        "message M { N n = 1; int32 x = 2; M again = 3; }
         message N { int32 a = 1; int32 b = 2; O o = 3; }
         message O { int32 c = 1; }",
    );
    let json = r#"{"n": {"a": 1, "b": 2, "o": {"c": 3}}, "x": 4}"#;
    let table = [
        ("include = [\"n.a\"]", "m n_a=1i\n"),
        ("include = [\"n.*\"], exclude = [\"n.o\"]", "m n_a=1i,n_b=2i\n"),
        ("include = [\"n\"], rename = { n = \"\", \"n.o\" = \"\" }", "m a=1i,b=2i,c=3i\n"),
        ("include = [\"*.c\", \"x\"]", "m n_o_c=3i,x=4i\n"),
        ("include = [\"*\"], exclude = [\"again\"]", "m n_a=1i,n_b=2i,n_o_c=3i,x=4i\n"),
    ];
    for (fields, expect) in table {
        check(&proto, &format!("fields = {{ {fields} }}"), json, expect);
    }
    let refused = |fields: &str, expect: &[&str]| {
        let toml = mapping(&format!("fields = {{ {fields} }}"));
        assert_eq!(set::refused(&[("m.proto", &proto), ("m.toml", &toml)]), expect, "{fields}");
    };
    refused(
        "include = [\"n.z\"]",
        &["m.toml:10: `fields.include`: no field is named `n.z`; did you mean `n.a`?"],
    );
    refused(
        "include = [\"x\"], rename = { x = \"\" }",
        &[
            "m.toml:10: the field `x` has a name that cannot be written: empty, with a line break, TAB \
           or NUL, or with a backslash before a separator or at its end",
        ],
    );
}

/// `j1-dotted-names`.
#[test]
fn a_name_that_holds_a_dot_may_stand_in_every_path() {
    let schema = r#"{"type": "object", "properties": {
        "veh.id": {"type": "string"}, "rpm.now": {"type": "integer"}, "sent.at": {"type": "integer"},
        "batt mV": {"type": "integer"}, "@x": {"type": "integer"},
        "a": {"type": "object", "properties": {"b": {"type": "integer"}, "c.d": {"type": "integer"}}},
        "a.b": {"type": "integer"}}}"#;
    let mapping = |rest: &str| {
        set::mapping(
            "json",
            "schema = \"m.schema.json\"\nmeasurement = \"m\"\ntags = [\"veh.id\"]\n",
        )
        .replace("vehicle = \"{vin}\"", "vehicle = \"veh.id\"")
            + rest
    };
    let load = |rest: &str| set::Set::new(&[("m.schema.json", schema), ("m.toml", &mapping(rest))]);
    let payload = br#"{"veh.id": "V", "rpm.now": 21, "sent.at": 1795161600, "batt mV": 5, "@x": 6,
                       "a": {"b": 1, "c.d": 2}, "a.b": 3}"#;
    let mut set = load(
        "time = { field = \"sent.at\", unit = \"s\" }\n\
         when = '\"batt mV\" > 4 and \"@x\" == 6 and rpm.now > 0 and a.\"c.d\" in [2] and exists(a.c.d)'\n\
         [mapping.fields]\ninclude = [\"rpm.now\", '\"a.b\"', \"a.c.d\"]\nrename = { 'a.\"c.d\"' = \"cd\" }\n\
         [mapping.convert]\n'\"a.b\"' = { factor = 10 }\n",
    );
    assert_eq!(set.lines(payload), "m,veh.id=V rpm.now=21i,cd=2i,a.b=30 1795161600000000000\n");
    let mut set =
        load("when = \"a.\\\"b\\\" == 1\"\nfields = { exclude = ['\"a\".\"b\"', \"sent.at\"] }");
    let expect = "m,veh.id=V rpm.now=21i,batt\\ mV=5i,@x=6i,a_c.d=2i,a.b=3i\n";
    assert_eq!(set.lines(payload), expect);
    let both = "names both `a.b` and `\"a.b\"`; put the name that holds a dot in double quotes, and \
                each name of the other one";
    let told = |rest: &str| set::refused(&[("m.schema.json", schema), ("m.toml", &mapping(rest))]);
    assert_eq!(
        told("fields = { exclude = [\"a.b\"] }"),
        [format!("m.toml:10: `fields.exclude`: `a.b` {both}")]
    );
    assert_eq!(told("when = \"a.b == 1\""), [format!("m.toml:10: `when`: `a.b` {both}")]);
}
