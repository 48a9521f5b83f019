//! What `check` tells of wrong files, word for word, and what right ones give.

use std::path::PathBuf;

use crate::{
    mapping::{Options, Plans},
    model::{FieldType, LineDialect, Measurement},
    schema::Sources,
};

/// The schema that the mappings below are wrong against.
const PROTO: &str = r#"
syntax = "proto3";
package t;
import "google/protobuf/timestamp.proto";
message M {
  int64 at = 1;
  string model = 2;
  double speed = 3;
  N n = 4;
  repeated S samples = 5;
  repeated int32 list = 6;
  map<string, int32> map = 7;
  E state = 8;
  google.protobuf.Timestamp ts = 9;
  int32 list_0 = 10;
  bytes raw = 11;
  message S { double v = 1; string who = 2; }
  message N { int32 x = 1; M again = 2; }
  enum E { OFF = 0; ON = 1; }
}
message Plain { string model = 1; int32 x = 2; int32 n_x = 3; P n = 4; message P { int32 x = 1; } }
message Small { string id = 1; double v = 2; int32 time = 3; }
"#;

fn load(files: &[(&str, &str)], dialect: LineDialect) -> Result<Plans, Vec<String>> {
    let texts = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    let options = Options::new(PathBuf::new(), dialect);
    Plans::from_sources(&Sources::from_texts(texts), &options)
        .map_err(|errors| errors.problems.iter().map(ToString::to_string).collect())
}

/// Checks what is told of one mapping file.
fn check_bad(toml: &str, expect: &[&str]) {
    let told = load(&[("m.proto", PROTO), ("m.toml", toml)], LineDialect::Unsigned);
    // Not `expect_err`: plans are too many words for a test's stack.
    let told = told.err().unwrap_or_default();
    assert_eq!(told, expect, "{toml}");
}

/// A mapping of a message: its fixed part is nine lines, `rest` begins at line 10.
fn mapping(message: &str, rest: &str) -> String {
    format!(
        "[[mapping]]\nname = \"m\"\ntopic = \"v/{{vin}}/m\"\nformat = \"protobuf\"\n\
         schema = \"m.proto\"\nmessage = \"t.{message}\"\nmeasurement = \"m\"\n\
         vehicle = \"{{vin}}\"\ntags = [\"vin\"]\n{rest}\n"
    )
}

/// What makes `M` loadable; the tests add one mistake to it.
const EXCLUDE: &str = "fields = { exclude = [\"n.again\", \"samples\", \"list_0\"] }";

#[test]
fn keys_and_their_types_are_checked_strictly() {
    check_bad("[[mapping]\n", &["m.toml:1: unclosed array table, expected `]`"]);
    check_bad("[maping]\n", &["m.toml:1: unknown key `maping`; did you mean `mapping`?"]);
    check_bad(
        &mapping("M", &format!("{EXCLUDE}\nwhenn = \"x\"\nfoobar = 1")),
        &[
            "m.toml:11: unknown key `whenn`; did you mean `when`?",
            "m.toml:12: unknown key `foobar`; a mapping has no such key; known are name, topic, \
             format, schema, message, measurement, vehicle, tags, time, points, point-key, \
             value-types, fields, when, \
             select, schema-id, content-type, repeated, bytes, duplicates, \
             convert, constant, framing, identity",
        ],
    );
    check_bad(
        "[[mapping]]\nname = \"\"\nformat = \"protobuff\"\ntopic = 5\n",
        &[
            "m.toml:1: this mapping has no `vehicle`; add it",
            "m.toml:2: `name` is empty",
            "m.toml:3: `format` cannot be `protobuff`; did you mean `protobuf`?",
            "m.toml:4: `topic` is of type integer; it must be a text in quotes",
        ],
    );
    check_bad(
        &mapping("M", &format!("{EXCLUDE}\nselect = \"confluent\"\ncontent-type = \"x\"")),
        &[
            "m.toml:1: this mapping has no `schema-id`; add it",
            "m.toml:12: remove `content-type`: it belongs to `select = \"content-type\"`",
        ],
    );
    check_bad(
        "[[mapping]]\nname = \"l\"\ntopic = \"v/{vin}\"\nformat = \"line-protocol\"\n\
         vehicle = \"{vin}\"\nwhen = \"x == 1\"\nschema = \"m.proto\"\n",
        &[
            "m.toml:5: no tag tells the vehicles apart; add \"vin\" to `tags`",
            "m.toml:6: remove `when`: it has no meaning for line protocol, which is written as sent",
            "m.toml:7: remove `schema`: line protocol has no schema",
        ],
    );
}

#[test]
fn schemas_and_messages_that_do_not_exist_are_told_with_the_nearest() {
    let text = mapping("M", EXCLUDE);
    check_bad(
        &text.replace("m.proto", "n.proto"),
        &["m.toml:5: there is no schema `n.proto`; did you mean `m.proto`?"],
    );
    check_bad(
        &mapping("Plane", ""),
        &["m.toml:6: `m.proto` has no message `t.Plane`; did you mean `t.Plain`?"],
    );
    let names = mapping("M", EXCLUDE).replace("m.proto", "b.proto");
    let broken = "syntax = \"proto3\";\nmessage B {\n  strin a = 1;\n}\n";
    let broken = [("b.proto", broken), ("m.toml", &names)];
    let told = load(&broken, LineDialect::Signed).expect_err("it is broken");
    assert_eq!(told, ["b.proto:3: name 'strin' is not defined"]);
    let names = mapping("M", EXCLUDE).replace("m.proto", "i.proto");
    let imports =
        [("i.proto", "syntax = \"proto3\";\nimport \"gone.proto\";\n"), ("m.toml", &names)];
    let told = load(&imports, LineDialect::Signed).expect_err("it is broken");
    assert_eq!(
        told,
        ["i.proto:2: import 'gone.proto' not found; imports are looked up below the schemas \
          directory, below `schemas.import-roots` and in the folders above the importing file"]
    );
}

#[test]
fn paths_are_resolved_and_what_they_name_must_fit() {
    let wrong = |rest: &str, expect: &[&str]| {
        check_bad(&mapping("M", &format!("{EXCLUDE}\n{rest}")), expect);
    };
    wrong(
        "time = { field = \"att\", unit = \"ms\" }",
        &["m.toml:11: `time`: `att`: t.M has no field `att`; did you mean `at`?"],
    );
    wrong(
        "time = { field = \"at\" }",
        &["m.toml:11: `time`: `at` is an integer; say what it counts with `unit` (s, ms, us, ns)"],
    );
    wrong(
        "time = { field = \"ts\", unit = \"ms\" }",
        &["m.toml:11: `time`: `ts` is a timestamp and brings its unit; remove `unit`"],
    );
    wrong(
        "time = { field = \"n\", unit = \"ms\" }",
        &["m.toml:11: `time`: `n` is a record; it must be a number, a text or a timestamp"],
    );
    wrong(
        "time = { field = \"at\", unit = \"min\" }",
        &["m.toml:11: `unit` cannot be `min`; write one of s, ms, us, ns, iso8601"],
    );
    wrong(
        "points = \"model\"",
        &["m.toml:11: `points`: `model` is a string; it must be a list or a map of records"],
    );
    wrong(
        "when = \"model.x == 1\"",
        &["m.toml:11: `when`: `model.x`: `model` is a string, so nothing lies below it"],
    );
    let tags = |tags: &str, expect: &str| {
        let text = mapping("M", EXCLUDE).replace("[\"vin\"]", tags);
        check_bad(&text, &[expect]);
    };
    tags(
        "[\"vim\"]",
        "m.toml:9: `tags`: `vim`: t.M has no field `vim`; it has at, model, speed, n, samples, \
         list, map, state, ts, list_0, raw (captures: vin)",
    );
    tags(
        "[\"speed\"]",
        "m.toml:9: `tags`: `speed` is a float; it must be a string, an enum, an integer or a \
         boolean",
    );
    tags(
        "[\"list\"]",
        "m.toml:9: `tags`: `list` is a list; it must be a string, an enum, an integer or a boolean",
    );
    let vehicle = mapping("M", EXCLUDE).replace("\"{vin}\"", "\"{vim}\"");
    check_bad(&vehicle, &["m.toml:8: `vehicle`: the topic has no capture `{vim}`; it has vin"]);
    let vehicle = mapping("M", "points = \"samples\"\nfields.exclude = [\"n\", \"list_0\"]");
    check_bad(
        &vehicle.replace("\"{vin}\"", "\"who\""),
        &[
            "m.toml:8: `vehicle`: `who` is a field of a point; a message has one vehicle, so name a \
           capture or a field of the message",
        ],
    );
}

#[test]
fn what_has_no_place_in_a_line_must_be_excluded() {
    check_bad(
        &mapping("M", "fields = { exclude = [\"list_0\"] }"),
        &[
            "m.toml:1: `n.again` contains itself (t.M); add \"n.again\" to `fields.exclude`",
            "m.toml:1: `samples` is a list of records; name it in `points = \"samples\"`, or add \
             \"samples\" to `fields.exclude`",
        ],
    );
    check_bad(
        &mapping("M", "fields = { exclude = [\"n.again.*\", \"samples\", \"list_0\", \"dbg.*\"] }"),
        &["m.toml:10: `fields.exclude`: no field is named `dbg.*`"],
    );
    check_bad(
        &mapping("M", &format!("{EXCLUDE}\nfields.rename = {{ spede = \"v\" }}")),
        &["m.toml:11: cannot extend value of type inline table with a dotted key"],
    );
    check_bad(
        &mapping("Plain", "fields = { exclude = [\"*\"], rename = { modell = \"v\" } }"),
        &["m.toml:10: `fields.rename`: no field is named `modell`; did you mean `model`?"],
    );
    check_bad(
        &mapping("Plain", "fields.exclude = [\"*\"]"),
        &["m.toml:1: no field is left to write; exclude less, or include more"],
    );
}

#[test]
fn names_that_meet_in_one_line_are_refused() {
    check_bad(
        &mapping("Plain", ""),
        &[
            "m.toml:1: the field `n.x` and the field `n_x` both give the name `n_x`; rename one with \
           `fields.rename` or exclude it",
        ],
    );
    check_bad(
        &mapping("M", "fields = { exclude = [\"n\", \"samples\"] }"),
        &["m.toml:1: the field `list_0` and an element of the field `list` could both be named \
           `list_0`; rename one with `fields.rename`, or write `repeated = \"json\"`"],
    );
    check_bad(
        &mapping("Small", "fields.rename.v = \"vin\""),
        &[
            "m.toml:1: the field `time` is named `time`, which stores keep for the timestamp; \
             rename it with `fields.rename`, or name it in `time`",
            "m.toml:10: the field `v` and the tag `vin` both give the name `vin`; rename one with \
             `fields.rename` or exclude it",
        ],
    );
    check_bad(
        &mapping("Small", "fields.rename = { v = \"a\\nb\", time = \"map_\" }"),
        &[
            "m.toml:10: the field `v` has a name that cannot be written: empty, with a line break, TAB \
           or NUL, or with a backslash before a separator or at its end",
        ],
    );
}

#[test]
fn a_filter_is_checked_against_the_types() {
    let wrong = |when: &str, expect: &str| {
        check_bad(&mapping("M", &format!("{EXCLUDE}\nwhen = '{when}'")), &[expect]);
    };
    wrong("speed = 1", "m.toml:11: `when`: unexpected `=`; write `==`");
    wrong(
        "spede > 1",
        "m.toml:11: `when`: `spede`: t.M has no field `spede`; did you mean `speed`?",
    );
    wrong(
        "speed > \"fast\"",
        "m.toml:11: `when`: `speed` is a float, which cannot be compared with \"fast\"",
    );
    wrong(
        "at == 1.5",
        "m.toml:11: `when`: `at` is an integer, which cannot be compared with `1.5`",
    );
    wrong(
        "state == \"ONN\"",
        "m.toml:11: `when`: `state` has no symbol \"ONN\"; did you mean \"ON\"?",
    );
    wrong(
        "model > \"a\"",
        "m.toml:11: `when`: `model` is a string; compare it with `==`, `!=` or `in`",
    );
    wrong("list == 1", "m.toml:11: `when`: `list` is not a single value; only `exists` fits it");
    wrong("exists(samples)", "m.toml:11: `when`: `samples` cannot be asked for");
}

#[test]
fn mappings_that_contradict_each_other_are_refused() {
    let first = mapping("Small", "fields.exclude = [\"time\"]");
    check_bad(&format!("{first}{first}"), &["m.toml:12: the name `m` is taken by m.toml:2"]);
    let second = first
        .replace("name = \"m\"", "name = \"o\"")
        .replace("tags = [\"vin\"]", "tags = [\"id\"]")
        .replace("{vin}\"\ntags", "id\"\ntags");
    check_bad(
        &format!("{first}{second}"),
        &[
            "m.toml:17: measurement `m`: `id` is a tag here but a field in m.toml:7; rename one with \
           `fields.rename`",
            "m.toml:17: measurement `m`: its vehicle is the tag `id` here but `vin` in m.toml:7; name \
           the same in `tags` and `vehicle`",
        ],
    );
    let plain =
        mapping("Plain", "fields = { exclude = [\"n\", \"model\"], rename = { x = \"v\" } }");
    check_bad(
        &format!("{first}{}", plain.replace("name = \"m\"", "name = \"o\"")),
        &[
            "m.toml:17: measurement `m`: field `v` is an integer here but a float in m.toml:7; rename \
           one, or write another measurement",
        ],
    );
    let tagged =
        first.replace("name = \"m\"", "name = \"o\"").replace("[\"vin\"]", "[\"vin\", \"id\"]");
    check_bad(
        &format!("{first}{tagged}"),
        &[
            "m.toml:17: measurement `m`: `id` is a tag here but a field in m.toml:7; rename one with \
           `fields.rename`",
        ],
    );
    check_bad(
        &first.replace("v/{vin}/m", "v{vin}"),
        &["m.toml:3: `topic`: `v{vin}`: a capture or a wildcard takes a whole level of the topic"],
    );
    check_bad(
        &first.replace("measurement = \"m\"", "measurement = \"m\\n\""),
        &[
            "m.toml:7: `measurement` has a line break, TAB or NUL, or a backslash before a separator or at its end",
        ],
    );
}

#[test]
fn the_catalog_says_what_the_store_will_hold() {
    let proto = "syntax = \"proto3\"; package t; message M { uint64 u = 1; bool b = 2; bytes y = 3;
                 repeated int32 l = 4; optional string model = 5; }";
    let toml = mapping("M", "").replace("[\"vin\"]", "[\"model\", \"vin\"]");
    for (dialect, unsigned) in
        [(LineDialect::Signed, FieldType::Integer), (LineDialect::Unsigned, FieldType::Unsigned)]
    {
        let plans = load(&[("m.proto", proto), ("m.toml", &toml)], dialect).expect("it is right");
        let expect = Measurement {
            vehicle_tag: Some("vin".to_owned()),
            tags: vec!["model".to_owned(), "vin".to_owned()],
            fields: vec![
                ("u".to_owned(), unsigned),
                ("b".to_owned(), FieldType::Boolean),
                ("y".to_owned(), FieldType::String),
            ],
        };
        assert_eq!(plans.catalog().measurements["m"], expect);
    }
}

#[test]
fn a_plan_set_is_shared_between_threads() {
    fn assert_shared<T: Send + Sync>() {}
    assert_shared::<Plans>();
}

/// The warnings of one mapping file that loads.
#[track_caller]
fn check_warned(toml: &str, expect: &[&str]) {
    let plans = load(&[("m.proto", PROTO), ("m.toml", toml)], LineDialect::Unsigned);
    let plans = plans.unwrap_or_else(|told| panic!("{told:?}"));
    let warned: Vec<String> = plans.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warned, expect, "{toml}");
}

/// `n1-vehicle-not-a-tag`, and both spellings of a capture at both places.
#[test]
fn the_vehicle_is_a_tag_or_the_mapping_is_refused() {
    let plain = mapping("Plain", "fields.exclude = [\"n\"]");
    let bad = "m.toml:8: no tag tells the vehicles apart; add \"vin\" to `tags`";
    check_bad(&plain.replace("tags = [\"vin\"]\n", ""), &[bad]);
    check_bad(&plain.replace("tags = [\"vin\"]", "tags = [\"model\"]"), &[bad]);
    for (vehicle, tag) in [("{vin}", "{vin}"), ("vin", "{vin}"), ("vin", "vin")] {
        let toml = plain
            .replace("vehicle = \"{vin}\"", &format!("vehicle = \"{vehicle}\""))
            .replace("[\"vin\"]", &format!("[\"{tag}\"]"));
        let plans = load(&[("m.proto", PROTO), ("m.toml", &toml)], LineDialect::Signed);
        let plans = plans.unwrap_or_else(|told| panic!("{told:?}"));
        assert_eq!(plans.catalog().measurements["m"].vehicle_tag.as_deref(), Some("vin"));
    }
    check_bad(
        &plain.replace("[\"vin\"]", "[\"{vim}\"]"),
        &["m.toml:9: `tags`: the topic has no capture `{vim}`; it has vin"],
    );
}

/// `n2-measurement-with-a-capture`.
#[test]
fn a_measurement_is_no_template() {
    check_bad(
        &mapping("Plain", "fields.exclude = [\"n\"]").replace("nt = \"m\"", "nt = \"{kind}\""),
        &[
            "m.toml:7: `measurement` is one fixed name, so nothing in braces is filled in; make the \
           capture a tag",
        ],
    );
}

/// `p5-points-share-a-time`: what can only merge is warned of, once.
#[test]
fn a_mapping_whose_points_must_merge_is_warned_of() {
    let points = "points = \"samples\"\nfields.exclude = [\"n\", \"list_0\"]\n";
    let time = "time = { field = \"at\", unit = \"ms\" }\n";
    check_warned(
        &mapping("M", &format!("{points}{time}")),
        &[
            "m.toml:10: `points` have the message's time and no tag of the element, so the points of \
           one message merge into one; name a tag or a time of the element, or say what is meant \
           with `duplicates` (merge, offset-ns, keep-last)",
        ],
    );
    let tagged = mapping("M", &format!("{points}{time}")).replace("\"vin\"]", "\"vin\", \"who\"]");
    for toml in [
        tagged,
        // Each point gets its own time of receipt.
        mapping("M", points),
        mapping("M", &format!("{points}{time}duplicates = \"merge\"")),
        mapping("M", "fields.exclude = [\"n\", \"list_0\", \"samples\"]"),
    ] {
        check_warned(&toml, &[]);
    }
}

/// The form that a newcomer writes is answered with the keys that there are.
#[test]
fn a_text_in_place_of_a_table_is_answered_with_its_keys() {
    let text = mapping("Plain", "time = \"ts\"");
    let told = load(&[("m.proto", PROTO), ("m.toml", &text)], LineDialect::Unsigned);
    let expect = "m.toml:10: `time` is of type string; it must be a table, `time = { field = … }`, \
                  whose keys are field, unit";
    assert!(told.expect_err("it is wrong").iter().any(|told| told.starts_with(expect)));
}
