//! Shows that names, fingerprints, shapes and problems of `.avsc` files are as Avro says.

use serde_json::json;

use super::*;
use crate::schema::{Kind, Problem, Record, Sources};

fn compile(files: &[(&str, &str)]) -> (AvroSchemas, Vec<Problem>) {
    let texts = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    let mut problems = Vec::new();
    let schemas = AvroSchemas::compile(&Sources::from_texts(texts), &mut problems);
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
            Kind::Unsupported(why) => why.clone(),
            Kind::Records(of) => format!("records {}", shape.records[of.0].name),
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
        {"name":"r","type":{"type":"fixed","name":"D","size":12,"logicalType":"duration"}}]}"#;
    let (schemas, problems) = compile(&[("x.avsc", schema)]);
    assert_eq!(problems, []);
    let expect = "a Integer\nb Integer\nc Float32\nd.int Integer\nd.string String\nd.Car.x Float64\n\
        e records Car\nf list of String\ng map of Float64\nh is a map of records\ni Float64\n\
        j String\nk Ticks(Micros)\nl String\nm is always null\nn the root again\no is always null\n\
        p is an array of unions\nq String\nr String\n";
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
        &["x.avsc:2: type `F` is defined twice; write only its name the second time"],
    );
    let digits = r#"{"type":"record","name":"R","fields":[{"name":"p",
        "type":{"type":"bytes","logicalType":"decimal","precision":39,"scale":2}}]}"#;
    check_problem(
        &[("x.avsc", digits)],
        &["x.avsc:1: `R`: a decimal of 39 digits; at most 38 can be read"],
    );
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
    assert_eq!(told.as_deref(), Some("`gear.avsc` has no record; a payload is one"));
    let (_, problems) = compile(&[("x.avsc", r#"{"type":"enum","name":"E"}"#)]);
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert!(problem.to_string().starts_with("x.avsc:1: `E`: "), "{problem}");
}

#[test]
fn a_record_is_found_by_its_file_and_full_name() {
    let (schemas, _) = compile(&[("x.avsc", r#"{"type":"record","name":"a.R","fields":[]}"#)]);
    let told = |file, name| schemas.record(file, name).map(|_| ()).unwrap_err();
    assert_eq!(
        told("y.avsc", "a.R").as_deref(),
        Some("there is no schema `y.avsc`; did you mean `x.avsc`?")
    );
    assert_eq!(
        told("x.avsc", "a.S").as_deref(),
        Some("`x.avsc` has no record `a.S`; did you mean `a.R`?")
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
