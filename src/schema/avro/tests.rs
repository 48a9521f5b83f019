//! Shows that names, fingerprints, shapes and problems of `.avsc` files are as Avro says.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::schema::{Kind, Missing, Problem, Record, Sources};

fn compile(files: &[(&str, &str)]) -> (AvroSchemas, Vec<Problem>) {
    let texts = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    let schemas = AvroSchemas::new(Arc::new(Sources::from_texts(texts)));
    let problems = schemas.problems_of_unreached();
    (schemas, problems)
}

fn check_fingerprint(schema: &str, expect: u64) {
    let (schemas, problems) = compile(&[("x.avsc", schema)]);
    assert_eq!(problems, []);
    let found = schemas.record("x.avsc", "a.R").unwrap().fingerprint;
    assert_eq!(format!("{found:016x}"), format!("{expect:016x}"), "{schema}");
    // An independent implementation of the same.
    let theirs: serde_avro_fast::Schema = schema.parse().unwrap();
    assert_eq!(found, u64::from_le_bytes(*theirs.rabin_fingerprint()), "{schema}");
}

/// The value for text that the specification fixes: the fingerprint of nothing, and of `"int"`,
/// which Java's and Python's test suites share.
#[test]
fn the_checksum_is_the_one_of_the_specification() {
    assert_eq!(fingerprint(""), 0xc15d_213a_a4d7_a795);
    assert_eq!(fingerprint("\"int\""), 0x7275_d51a_3f39_5c8f);
    assert_eq!(fingerprint("\"null\""), 0x63dd_24e7_cc25_8f8a);
}

/// Logical types, docs, defaults, aliases and namespaces must not show in a fingerprint; what is
/// compared is the result of serde_avro_fast.
#[test]
fn fingerprints_do_not_depend_on_how_a_schema_is_written() {
    let plain = r#"{"type":"record","name":"a.R","fields":[
        {"name":"t","type":"long"},{"name":"m","type":{"type":"enum","name":"a.M","symbols":["X"]}},
        {"name":"n","type":["null","a.M"]},{"name":"f","type":{"type":"fixed","name":"F","namespace":"a","size":3}}]}"#;
    let (schemas, _) = compile(&[("x.avsc", plain)]);
    let expect = schemas.record("x.avsc", "a.R").unwrap().fingerprint;
    check_fingerprint(plain, expect);
    check_fingerprint(
        r#"{"namespace":"a","doc":"d","name":"R","type":"record","aliases":["Q"],"fields":[
        {"type":{"logicalType":"timestamp-millis","type":"long"},"name":"t","doc":"x","order":"ignore"},
        {"name":"m","type":{"name":"M","type":"enum","symbols":["X"],"default":"X"}},
        {"name":"n","type":[{"type":"null"},"M"],"default":null},
        {"name":"f","type":{"type":"fixed","size":3,"name":"F","aliases":["G"]}}]}"#,
        expect,
    );
}

#[test]
fn a_type_of_another_file_is_part_of_the_fingerprint() {
    let inline = r#"{"type":"record","name":"R","namespace":"a","fields":[
        {"name":"p","type":{"type":"record","name":"P","fields":[{"name":"x","type":"int"}]}},
        {"name":"q","type":["null","P"]}]}"#;
    let by_name = r#"{"type":"record","name":"R","namespace":"a","fields":[
        {"name":"p","type":"P"},{"name":"q","type":["null","a.P"]}]}"#;
    let other = r#"[{"type":"record","name":"a.P","fields":[{"name":"x","type":"int"}]}]"#;
    let (one, problems) = compile(&[("x.avsc", inline)]);
    assert_eq!(problems, []);
    let (two, problems) = compile(&[("x.avsc", by_name), ("dir/p.avsc", other)]);
    assert_eq!(problems, []);
    assert_eq!(
        one.record("x.avsc", "a.R").unwrap().fingerprint,
        two.record("x.avsc", "a.R").unwrap().fingerprint
    );
}

#[test]
fn the_canonical_form_keeps_what_decides_the_bytes_in_the_fixed_order() {
    let schema = json!({"fields": [{"default": 1, "type": {"type": "map", "values": "int"}, "name": "é\""}],
        "name": "a.R", "type": "record", "doc": "d"});
    assert_eq!(
        canonical_form(&schema),
        r#"{"name":"a.R","type":"record","fields":[{"name":"é\"","type":{"type":"map","values":"int"}}]}"#
    );
}

/// One line a member: `name kind`.
fn told(schemas: &AvroSchemas, record: &str) -> String {
    let shape = &schemas.record("x.avsc", record).unwrap().shape;
    let mut text = String::new();
    tell(shape, &shape.records[shape.root.0], "", &mut text);
    text
}

fn tell(shape: &crate::schema::Shape, record: &Record, prefix: &str, text: &mut String) {
    for member in &record.members {
        let name = format!("{prefix}{}", member.name);
        let kind = match &member.kind {
            Kind::Scalar(scalar) => format!("{scalar:?}"),
            Kind::List(scalar) => format!("list of {scalar:?}"),
            Kind::Map { value, .. } => format!("map of {value:?}"),
            Kind::Unsupported(unsupported) => unsupported.what.clone(),
            Kind::Records(of) => format!("records {}", shape.records[of.0].name),
            Kind::RecordMap { record, .. } => {
                format!("map of records {}", shape.records[record.0].name)
            }
            Kind::Record(of) if *of == shape.root => "the root again".to_owned(),
            Kind::Record(of) => {
                tell(shape, &shape.records[of.0], &format!("{name}."), text);
                continue;
            }
        };
        text.push_str(&format!("{name} {kind}\n"));
    }
}

#[test]
fn every_type_has_its_place_in_a_shape() {
    let schema = r#"{"type":"record","name":"R","fields":[
        {"name":"a","type":"int"},{"name":"b","type":["null","long"]},{"name":"c","type":["float","null"]},
        {"name":"d","type":["null","int","string",{"type":"record","name":"Car","fields":[{"name":"x","type":"double"}]}]},
        {"name":"e","type":{"type":"array","items":"Car"}},{"name":"f","type":{"type":"array","items":"string"}},
        {"name":"g","type":{"type":"map","values":"double"}},{"name":"h","type":{"type":"map","values":"Car"}},
        {"name":"i","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
        {"name":"j","type":{"type":"int","logicalType":"date"}},
        {"name":"k","type":{"type":"long","logicalType":"local-timestamp-micros"}},
        {"name":"l","type":{"type":"string","logicalType":"uuid"}},{"name":"m","type":"null"},
        {"name":"n","type":["null","R"]},{"name":"o","type":["null"]},
        {"name":"p","type":{"type":"array","items":["null","int"]}},
        {"name":"q","type":{"type":"string","logicalType":"no-such"}},
        {"name":"r","type":{"type":"fixed","name":"D","size":12,"logicalType":"duration"}},
        {"name":"s","type":{"type":"array","items":["null","Car"]}},
        {"name":"t","type":{"type":"map","values":["int","string"]}},
        {"name":"u","type":{"type":"map","values":{"type":"array","items":"Car"}}},
        {"name":"v","type":{"type":"array","items":{"type":"array","items":"int"}}}]}"#;
    let (schemas, problems) = compile(&[("x.avsc", schema)]);
    assert_eq!(problems, []);
    let expect = "a Integer\nb Integer\nc Float32\nd.int Integer\nd.string String\nd.Car.x Float64\n\
        e records Car\nf list of String\ng map of Float64\nh map of records Car\ni Float64\n\
        j String\nk Ticks(Micros)\nl String\nm is always null\nn the root again\no is always null\n\
        p list of Integer\nq String\nr String\ns records Car\nt map of records union\n\
        u map of records array\nv is an array of arrays\n";
    assert_eq!(told(&schemas, "R"), expect);
}

#[track_caller]
fn check_problem(files: &[(&str, &str)], expect: &[&str]) {
    let (_, problems) = compile(files);
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(told, expect);
}

#[test]
fn what_is_wrong_is_told_with_file_line_and_what_to_do() {
    check_problem(
        &[("x.avsc", "{\n  \"type\": \"record\",\n  oops")],
        &["x.avsc:3: not the JSON expected here: key must be a string"],
    );
    check_problem(
        &[("x.avsc", "\"int\"")],
        &["x.avsc: it defines nothing; write a record, or an enum or fixed that others share"],
    );
    check_problem(
        &[(
            "x.avsc",
            "{\"type\":\"record\",\"name\":\"R\",\n\"fields\":[{\"name\":\"a\",\n\"type\":\"strng\"}]}",
        )],
        &["x.avsc:3: there is no type `strng`; did you mean `string`?"],
    );
    check_problem(
        &[(
            "x.avsc",
            "{\"type\":\"record\",\"name\":\"R\",\n\"fields\":[{\"name\":\"a\",\n\"type\":\"com.Other\"}]}",
        )],
        &["x.avsc:3: there is no type `com.Other`; define it in this file or in another one"],
    );
    let one = r#"{"type":"record","name":"P","fields":[]}"#;
    let two = r#"{"type":"record","name":"P","fields":[{"name":"x","type":"int"}]}"#;
    let user = r#"{"type":"record","name":"R","fields":[{"name":"p","type":"P"}]}"#;
    check_problem(
        &[("a.avsc", one), ("b.avsc", two), ("x.avsc", user)],
        &["x.avsc:1: type `P` is defined differently in a.avsc and b.avsc; keep one"],
    );
    let twice = r#"{"type":"record","name":"R","fields":[
        {"name":"p","type":{"type":"fixed","name":"F","size":1}},
        {"name":"q","type":{"type":"fixed","name":"F","size":1}}]}"#;
    check_problem(
        &[("x.avsc", twice)],
        &["x.avsc:3: type `F` is defined twice; write only its name the second time"],
    );
}

/// What decides how bytes are read is checked, all of it at once, each with its line and its file.
#[test]
fn all_problems_of_a_record_are_told_at_once() {
    let other =
        "{\"type\":\"record\",\"name\":\"O\",\n\"fields\":[{\"name\":\"x-y\",\"type\":\"int\"}]}";
    let text = r#"{"type":"record","name":"R","fields":[
        {"name":"a","type":"lng"},
        {"name":"b","type":"record","fields":[]},
        {"name":"c","type":{"type":"enum","name":"E","symbols":["A","A","1"]}},
        {"name":"d","type":{"type":"fixed","name":"F","size":"4"}},
        {"name":"e","type":{"type":"array"}},
        {"name":"e","type":["null","int",{"type":"int"},["string"]]},
        {"name":"f"},
        {"name":"g","type":"O"}]}"#;
    let (schemas, _) = compile(&[("o.avsc", other), ("x.avsc", text)]);
    let Err(Missing::Broken(problems)) = schemas.record("x.avsc", "R") else {
        panic!("it is wrong")
    };
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "o.avsc:2: `x-y` is no name; letters, digits and `_` make one",
            "x.avsc:2: there is no type `lng`; did you mean `long`?",
            "x.avsc:3: `record` needs a schema of its own here: write `\"type\": {\"type\": \"record\", …}`",
            "x.avsc:4: `1` is no symbol; letters, digits and `_` make one",
            "x.avsc:4: the symbol `A` stands here twice",
            "x.avsc:5: `size` is a text; it must be a number of bytes",
            "x.avsc:6: this array has no `items`; say its type",
            "x.avsc:7: `int` is a branch of this union twice; keep one",
            "x.avsc:7: a union is a branch of a union; write its branches instead",
            "x.avsc:7: the field `e` stands here twice",
            "x.avsc:8: the field `f` has no `type`",
        ]
    );
}

/// `a1-wrong-default`, `a1-decimal-of-64-digits`: what matters only to readers with another schema
/// is not looked at, and how many digits a value may have is seen when it comes.
#[test]
fn what_does_not_decide_how_bytes_are_read_is_not_held_against_a_schema() {
    let text = r#"{"type":"record","name":"R","aliases":["not a name"],"fields":[
        {"name":"a","type":"int","default":"0"},{"name":"b","type":"string","default":null},
        {"name":"c","type":"boolean","default":"false"},{"name":"d","type":"long","default":0.0},
        {"name":"e","type":{"type":"enum","name":"E","symbols":["A"],"default":"B"},"default":"C"},
        {"name":"f","type":{"type":"array","items":"int"},"default":{}},
        {"name":"g","type":{"type":"map","values":"int"},"default":[]},
        {"name":"h","type":["null","int"],"default":"null"},
        {"name":"i","type":{"type":"bytes","logicalType":"decimal","precision":64,"scale":2},"default":0.0}]}"#;
    let (schemas, problems) = compile(&[("x.avsc", text)]);
    assert_eq!(problems, []);
    let expect = "a Integer\nb String\nc Boolean\nd Integer\ne Enum(Symbols { dense: [Some(\"A\")], \
        sparse: {} })\nf list of Integer\ng map of Integer\nh Integer\ni Float64\n";
    assert_eq!(told(&schemas, "R"), expect);
}

/// Types that hold each other through names, as deep as memory holds.
#[test]
fn no_chain_of_names_goes_deep() {
    let mut files: Vec<(String, String)> = (0..5_000)
        .map(|at| {
            let text = format!(
                "{{\"type\":\"record\",\"name\":\"R{at}\",\"fields\":[{{\"name\":\"f\",\"type\":\"R{}\"}}]}}",
                at + 1
            );
            (format!("r{at}.avsc"), text)
        })
        .collect();
    files.push((
        "x.avsc".to_owned(),
        "{\"type\":\"fixed\",\"name\":\"R5000\",\"size\":1}".to_owned(),
    ));
    let schemas = AvroSchemas::new(Arc::new(Sources::from_texts(files)));
    let Err(Missing::Broken(problems)) = schemas.record("r0.avsc", "R0") else {
        panic!("too deep")
    };
    assert_eq!(problems[0].what, "types hold each other deeper than 64");
}

/// A file of shared types has no payload of its own and is no problem; what is wrong in it is told.
#[test]
fn a_file_may_define_only_an_enum_or_a_fixed_that_others_use() {
    let gear = r#"{"type":"enum","name":"Gear","namespace":"v","symbols":["P","D"]}"#;
    let key = r#"{"type":"fixed","name":"v.Key","size":4}"#;
    let user = r#"{"type":"record","name":"v.R","fields":[
        {"name":"g","type":"Gear"},{"name":"k","type":"Key"}]}"#;
    let files = [("gear.avsc", gear), ("key.avsc", key), ("r.avsc", user)];
    let (schemas, problems) = compile(&files);
    assert_eq!(problems, []);
    assert!(schemas.record("r.avsc", "v.R").is_ok());
    let told = schemas.record("gear.avsc", "v.Gear").map(|_| ()).unwrap_err();
    assert_eq!(told, Missing::Message("`gear.avsc` has no record; a payload is one".to_owned()));
    let (_, problems) = compile(&[("x.avsc", r#"{"type":"enum","name":"E"}"#)]);
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!(problem.to_string(), "x.avsc:1: this enum has no `symbols`; add it");
}

#[test]
fn a_record_is_found_by_its_file_and_full_name() {
    let (schemas, _) = compile(&[("x.avsc", r#"{"type":"record","name":"a.R","fields":[]}"#)]);
    let told = |file, name| schemas.record(file, name).map(|_| ()).unwrap_err();
    assert_eq!(
        told("y.avsc", "a.R"),
        Missing::File("there is no schema `y.avsc`; did you mean `x.avsc`?".to_owned())
    );
    assert_eq!(
        told("x.avsc", "a.S"),
        Missing::Message("`x.avsc` has no record `a.S`; did you mean `a.R`?".to_owned())
    );
    assert!(schemas.record("x.avsc", "a.R").is_ok());
}

/// Zero-byte types must be known as such, or a block of i64::MAX of them would be stepped through.
#[test]
fn types_without_bytes_are_known_even_when_they_hold_themselves() {
    let schema = r#"{"type":"record","name":"R","fields":[
        {"name":"s","type":"R"},{"name":"n","type":"null"},
        {"name":"e","type":{"type":"record","name":"E","fields":[{"name":"z","type":{"type":"fixed","name":"Z","size":0}}]}}]}"#;
    let (schemas, problems) = compile(&[("x.avsc", schema)]);
    assert_eq!(problems, []);
    let record = schemas.record("x.avsc", "R").unwrap();
    assert!(record.types.is_empty(record.root));
}
