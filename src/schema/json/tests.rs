//! Shows what is refused in JSON Schemas; `uplink::tests::json` shows what is made of the others.

use super::JsonSchemas;
use crate::schema::{Kind, Problem, Sources};

fn compile(text: &str) -> (JsonSchemas, Vec<String>) {
    let sources = Sources::from_texts([("x.schema.json".to_owned(), text.to_owned())]);
    let mut problems: Vec<Problem> = Vec::new();
    let schemas = JsonSchemas::compile(&sources, &mut problems);
    (schemas, problems.iter().map(ToString::to_string).collect())
}

#[track_caller]
fn check_problem(text: &str, expect: &[&str]) {
    assert_eq!(compile(text).1, expect);
}

#[test]
fn what_is_wrong_is_told_with_file_line_and_what_to_do() {
    check_problem(
        "{\n\"type\": }",
        &["x.schema.json:2: not the JSON expected here: expected value"],
    );
    check_problem(
        "{\"properties\":{\n\"a\":{\"type\":\"int\"},\n\"b\":{},\"c\":{\"properties\":{\n\"d\":{\"type\":[\"string\",\"integer\"]}}}}}",
        &[
            "x.schema.json:2: `a` has the type `int`, which there is not; did you mean integer, number, string or boolean?",
            "x.schema.json:3: `b` has no `type`; say which",
            "x.schema.json:4: `c.d` is a union of string and integer; a field has one type, so say one (`null` may stand beside it)",
        ],
    );
    check_problem(
        "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}",
        &["x.schema.json:1: it must be an object with `properties`: a payload is one"],
    );
    check_problem(
        "{\"properties\":{\"a\":{\"$ref\":\"other.json\"},\"b\":{\"$ref\":\"#/$defs/B\"},\"c\":{\"allOf\":[]}},\"$defs\":{\"B\":{\"$ref\":\"#/$defs/B\"}}}",
        &[
            "x.schema.json:1: `a` refers to `other.json`, which is not in this file; use `#/$defs/…`",
            "x.schema.json:1: `b` refers to itself",
            "x.schema.json:1: `c` uses `allOf`; write all its properties in one place",
        ],
    );
    check_problem(
        "{\"properties\":{\"a\":{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"number\"}]}}}",
        &[
            "x.schema.json:1: `a` is a union; a field has one type, so say one (`null` may stand beside it)",
        ],
    );
    check_problem(
        "{\"properties\":{\"a\":{\"type\":\"string\"},\n\"a\":{\"type\":\"string\"}}}",
        &["x.schema.json:2: not the JSON expected here: `a` is declared twice"],
    );
}

#[test]
fn a_schema_that_holds_itself_has_one_record() {
    let (schemas, problems) = compile(
        "{\"properties\":{\"a\":{\"type\":\"integer\"},\"child\":{\"$ref\":\"#\"},\"any\":{\"type\":\"object\"}}}",
    );
    assert_eq!(problems, [""; 0]);
    let shape = &schemas.schema("x.schema.json").unwrap().shape;
    assert_eq!(shape.records.len(), 1);
    let members = &shape.records[0].members;
    assert!(matches!(members[1].kind, Kind::Record(child) if child == shape.root));
    assert!(matches!(&members[2].kind, Kind::Unsupported(why) if why.contains("`properties`")));
}
