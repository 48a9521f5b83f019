//! The description is checked for consistency and against the router. Answers are compared with it
//! in the tests of the HTTP server.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::document::document;
use crate::{
    http::{Code, commands, dead_letters, native, pushes, routes, sessions, telemetry, vehicles},
    model::Cause,
};

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// Calls `see` with every value of the document.
fn walk<'a>(value: &'a Value, see: &mut impl FnMut(&'a Value)) {
    see(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, see)),
        Value::Object(members) => members.values().for_each(|member| walk(member, see)),
        _ => {}
    }
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let document = document();
    let described: BTreeSet<&str> =
        document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let served: BTreeSet<&str> = routes::routes().iter().map(|(path, ..)| *path).collect();
    assert_eq!(described, served);
}

#[test]
fn each_operation_is_well_formed() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let tags: Vec<&Value> =
        document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let mut ids = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(METHODS.contains(&method.as_str()), "{path}: {method}");
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "{id} twice");
            assert!(tags.contains(&&operation["tags"][0]), "{path}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses.contains_key("200"), "{path}");
            for (status, response) in responses {
                let is_told = response["description"].is_string() || response["$ref"].is_string();
                assert!(is_told, "{path} {status}");
            }
            let mut in_path = BTreeSet::new();
            for parameter in operation["parameters"].as_array().unwrap() {
                let name = parameter["name"].as_str().unwrap();
                assert!(parameter["schema"].is_object(), "{path} {name}");
                assert!(parameter["description"].is_string(), "{path} {name}");
                if parameter["in"] == "path" {
                    assert_eq!(parameter["required"], true, "{path} {name}");
                    in_path.insert(format!("{{{name}}}"));
                }
            }
            let captures = path.split('/').filter(|part| part.starts_with('{'));
            assert_eq!(captures.map(str::to_owned).collect::<BTreeSet<_>>(), in_path, "{path}");
        }
    }
}

#[test]
fn each_parameter_that_a_handler_knows_is_described_and_no_other() {
    let document = document();
    let known: BTreeMap<&str, &[&str]> = [
        ("getTelemetry", telemetry::KNOWN),
        ("query", native::KNOWN),
        ("listVehicles", vehicles::KNOWN_OF_LIST),
        ("getVehicle", vehicles::KNOWN_OF_ONE),
        ("listDeadLetters", dead_letters::KNOWN_OF_LIST),
        ("summarizeDeadLetters", dead_letters::KNOWN_OF_SUMMARY),
        ("deleteDeadLetters", dead_letters::KNOWN_OF_DELETE),
        ("listCommands", commands::KNOWN_OF_LIST),
        ("sendCommand", commands::KNOWN_OF_SEND),
        ("listPushes", pushes::KNOWN_OF_LIST),
        ("listPushRuns", pushes::KNOWN_OF_LIST),
        ("listPushCommands", pushes::KNOWN_OF_COMMANDS),
        ("listCommandEvents", commands::KNOWN_OF_FEED),
        ("listAudit", commands::KNOWN_OF_AUDIT),
        ("listSessions", sessions::KNOWN_OF_LIST),
        ("getSession", sessions::KNOWN_OF_ONE),
        ("endSession", sessions::KNOWN_OF_ONE),
    ]
    .into();
    for methods in document["paths"].as_object().unwrap().values() {
        for operation in methods.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            let parameters = operation["parameters"].as_array().unwrap().iter();
            let described: BTreeSet<&str> = parameters
                .filter(|parameter| parameter["in"] == "query")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            let mut known: BTreeSet<&str> =
                known.get(id).copied().unwrap_or_default().iter().copied().collect();
            // Any name may follow the dot.
            known.extend((id == "getTelemetry").then_some("tag.NAME"));
            assert_eq!(described, known, "{id}");
        }
    }
}

#[test]
fn every_reference_leads_to_something_and_every_shape_is_described() {
    let document = document();
    let mut seen = BTreeSet::new();
    walk(&document, &mut |value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').expect("a reference within the document");
            assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            seen.insert(reference.to_owned());
        }
    });
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        // Named in the text of /metrics, whose labels have no schema.
        let is_used = seen.contains(&format!("#/components/schemas/{name}"));
        assert!(is_used || name == "DeadLetterCause", "{name} is used by nothing");
    }
}

#[test]
fn the_closed_lists_are_those_of_the_code() {
    let document = document();
    let words = |schema: &str| -> Vec<String> {
        let list = document["components"]["schemas"][schema]["oneOf"].as_array().unwrap();
        list.iter()
            .map(|word| {
                assert!(!word["description"].as_str().unwrap().is_empty());
                word["const"].as_str().unwrap().to_owned()
            })
            .collect()
    };
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(words("ErrorCode"), codes);
    assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len(), "none twice");
    let causes: Vec<&str> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
    assert_eq!(words("DeadLetterCause"), causes);
}
