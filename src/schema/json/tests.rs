//! Shows what is refused in JSON Schemas; `uplink::tests::json` shows what is made of the others.

use std::sync::Arc;

use super::{JsonSchema, JsonSchemas};
use crate::schema::{Kind, Missing, Sources, Unsupported};

/// The schema, or the problem of the file; and what no field can hold.
fn compile(text: &str) -> (Option<Arc<JsonSchema>>, Vec<String>) {
    let sources = Sources::from_texts([("x.schema.json".to_owned(), text.to_owned())]);
    let schemas = JsonSchemas::new(Arc::new(sources));
    match schemas.schema("x.schema.json") {
        Ok(schema) => {
            let mut told = Vec::new();
            for member in schema.shape.records.iter().flat_map(|record| &record.members) {
                if let Kind::Unsupported(Unsupported { what, line: Some(line), .. }) = &member.kind
                {
                    told.push(format!("x.schema.json:{line}: `{}` {what}", member.name));
                }
            }
            told.sort();
            (Some(schema), told)
        }
        Err(Missing::Broken(problems)) => {
            (None, problems.iter().map(ToString::to_string).collect())
        }
        Err(other) => panic!("{other:?}"),
    }
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
        "{\"properties\":{\n\"a\":{\"type\":\"int\"},\n\"b\":{},\"c\":{\"properties\":{\n\"d\":{\"anyOf\":[{\"properties\":{}},{\"properties\":{\"x\":{\"type\":\"string\"}}}]}}}}}",
        &[
            "x.schema.json:2: `a` has the type `int`, which is unknown; did you mean integer, number, string or boolean?",
            "x.schema.json:3: `b` has no `type`; say which",
            "x.schema.json:4: `d` is a union of two objects",
        ],
    );
    check_problem(
        "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}",
        &[
            "x.schema.json:1: it must be an object with `properties`, or a list or a map of such objects: a payload is one",
        ],
    );
    check_problem("[]", &["x.schema.json:1: the payload has no `type`; say which"]);
    check_problem(
        "{\"properties\":{\"a\":{\"$ref\":\"#/$defs/B\"},\"b\":{\"allOf\":[]}},\n\"$defs\":{\"B\":{\"$ref\":\"#/$defs/C\"},\"C\":{\"allOf\":[{\"$ref\":\"#/$defs/B\"}]}}}",
        &["x.schema.json:1: `a` refers to itself", "x.schema.json:1: `b` has no `type`; say which"],
    );
    check_problem(
        "{\"properties\":{\"a\":{\"anyOf\":[{\"properties\":{}},{\"properties\":{\"x\":{\"type\":\"string\"}}}]}}}",
        &["x.schema.json:1: `a` is a union of two objects"],
    );
    check_problem(
        "{\"properties\":{\"a\":{\"type\":\"string\"},\n\"a\":{\"type\":\"number\"}}}",
        &["x.schema.json:2: `a` is declared twice"],
    );
}

/// The line of a problem is its own: not that of `required` (`j8-line-of-a-problem`), nor, inside a
/// definition, that of the property that refers to it.
#[test]
fn a_problem_has_its_own_line() {
    check_problem(
        "{\n\"required\": [\"gear\"],\n\"properties\": {\n\"gear\": {\"enum\": [\"P\"]},\n\"fix\": {\"$ref\": \"#/d/Fix\"}},\n\"d\": {\"Fix\": {\"properties\": {\n\"gear\": {\"type\": \"strin\"}}}}}",
        &[
            "x.schema.json:4: `gear` has no `type`; say which",
            "x.schema.json:7: `gear` has the type `strin`, which is unknown; did you mean string?",
        ],
    );
}

#[test]
fn a_schema_that_holds_itself_has_one_record() {
    let (schema, _) = compile(
        "{\"properties\":{\"a\":{\"type\":\"integer\"},\"child\":{\"$ref\":\"#\"},\"any\":{\"type\":\"object\"}}}",
    );
    let shape = &schema.unwrap().shape;
    assert_eq!(shape.records.len(), 1);
    let members = &shape.records[0].members;
    assert!(matches!(members[1].kind, Kind::Record(child) if child == shape.root));
    assert!(
        matches!(&members[2].kind, Kind::Unsupported(why) if why.what.contains("`properties`"))
    );
}

/// `j8-recursive-schema`, and its relatives: what holds itself ends, and so does what nests far.
#[test]
fn an_array_or_a_map_that_holds_itself_is_told_as_that() {
    let holder =
        |of: &str| format!("{{\"properties\":{{\"z\":{{\"$ref\":\"#/d\"}}}},\n\"d\":{of}}}");
    let itself = "{\"$ref\":\"#/d\"}";
    let list = format!("{{\"type\":\"array\",\"items\":{itself}}}");
    let map = format!("{{\"type\":\"object\",\"additionalProperties\":{itself}}}");
    let both = format!("{{\"type\":\"array\",\"items\":{map}}}");
    for of in [list, map, both] {
        let (_, told) = compile(&holder(&of));
        let [told] = told.as_slice() else { panic!("{told:?}") };
        assert!(told.starts_with("x.schema.json:2: `z` is a"), "{told}");
        assert!(told.ends_with(" contains itself"), "{told}");
    }
    // Chains of references that no nesting of the text bounds.
    for (kind, step) in [("array", "items"), ("object", "additionalProperties")] {
        let mut text = "{\"properties\":{\"z\":{\"$ref\":\"#/d/0\"}},\"d\":[".to_owned();
        for next in 1..10_000 {
            text.push_str(&format!(
                "{{\"type\":\"{kind}\",\"{step}\":{{\"$ref\":\"#/d/{next}\"}}}},"
            ));
        }
        text.push_str("{\"type\":\"number\"}]}");
        let (_, told) = compile(&text);
        assert!(told[0].contains("holds more than 32 arrays or maps in each other"), "{told:?}");
    }
    let mut text = "{\"$ref\":\"#/d/0\",\"d\":[".to_owned();
    for next in 1..10_000 {
        text.push_str(&format!("{{\"properties\":{{\"a\":{{\"$ref\":\"#/d/{next}\"}}}}}},"));
    }
    text.push_str("{\"properties\":{}}]}");
    let (schema, told) = compile(&text);
    assert_eq!(told, [""; 0]);
    assert_eq!(schema.unwrap().shape.records.len(), 10_000);
}

/// `allOf` joins what several schemas say; names that many objects share are still bounded.
#[test]
fn all_of_joins_the_properties_of_its_schemas() {
    let (schema, told) = compile(
        "{\"allOf\":[{\"$ref\":\"#/d/Base\"},{\"properties\":{\"b\":{\"type\":\"string\"},\n\"a\":{\"type\":\"number\"},\"c\":{\"allOf\":[{\"$ref\":\"#/d/Base\"}],\"default\":{}}},\"required\":[\"b\"]}],\n\"d\":{\"Base\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"number\"}},\"required\":[\"a\"]}}}",
    );
    assert_eq!(told, [""; 0]);
    let schema = schema.unwrap();
    let names = |record: usize| {
        let members = &schema.shape.records[record].members;
        members.iter().map(|member| member.name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(names(schema.shape.root.0), ["a", "b", "c"]);
    assert_eq!(schema.rules(schema.shape.root).required, ["a", "b"]);
    assert_eq!(names(1), ["a"]);

    let many: String = (0..2_000).map(|at| format!("\"p{at}\":{{\"type\":\"number\"}},")).collect();
    let mut text = format!("{{\"d\":{{\"properties\":{{{many}\"q\":true}}}},\"properties\":{{");
    for at in 0..2_000 {
        text.push_str(&format!(
            "\"r{at}\":{{\"allOf\":[{{\"$ref\":\"#/d\"}},{{\"properties\":{{}}}}]}},"
        ));
    }
    text.push_str("\"s\":true}}");
    let (_, told) = compile(&text);
    let expect = "x.schema.json: its objects have more than 100000 properties in all";
    assert_eq!(told, [expect]);
}
