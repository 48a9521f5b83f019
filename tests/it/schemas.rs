//! Wrong schemas and mappings, each with the exact message that `fleetline check` gives.

use std::fs;

use crate::config::fleetline;

/// A correct schema.
const SCHEMA: &str = "syntax = \"proto3\";\npackage p;\n\
                      message T { int64 at = 1; double v = 2; string s = 3; }\n";

/// A correct mapping of it, without a time. Nine lines.
const MAPPING: &str = "[[mapping]]\nname = \"m\"\ntopic = \"v/{vin}\"\nformat = \"protobuf\"\n\
                       schema = \"a.proto\"\nmessage = \"p.T\"\nmeasurement = \"m\"\n\
                       vehicle = \"{vin}\"\ntags = [\"vin\"]\n";

/// Runs `check` on these files in `schemas`; `expect` is all of standard error.
#[track_caller]
fn check(files: &[(&str, &str)], expect: &str) {
    let folder = tempfile::tempdir().unwrap();
    let schemas = folder.path().join("schemas");
    fs::create_dir(&schemas).unwrap();
    for (name, text) in files {
        fs::write(schemas.join(name), text).unwrap();
    }
    let mut arguments = vec!["check"];
    for setting in
        ["store.kind=influxdb1", "store.urls=http://127.0.0.1:8086", "store.database=telemetry"]
    {
        arguments.extend(["--set", setting]);
    }
    let output = fleetline(folder.path(), &arguments, &[]);
    let told = String::from_utf8(output.stderr).unwrap();
    // `check` also warns when there is no mapping.
    let told: Vec<&str> =
        told.lines().filter(|line| !line.starts_with("warning: there is no mapping")).collect();
    assert_eq!(told.join("\n"), expect);
    assert_eq!(output.status.code(), Some(if expect.is_empty() { 0 } else { 2 }));
}

/// Runs `check` on a mapping beside the correct schema.
#[track_caller]
fn check_mapping(mapping: &str, expect: &str) {
    check(&[("a.proto", SCHEMA), ("m.toml", mapping)], expect);
}

#[test]
fn a_correct_schema_and_mapping_give_no_error() {
    check_mapping(MAPPING, "");
}

#[test]
fn a_schema_that_does_not_compile_is_reported_with_its_line() {
    check(
        &[("a.proto", "syntax = \"proto3\";\nmessage T { int64 at = 1; double v = 2 }\n")],
        "./schemas/a.proto:2: expected ';' or '[', but found '}'",
    );
    check(
        &[("a.proto", "syntax = \"proto3\";\nimport \"absent.proto\";\n")],
        "./schemas/a.proto:2: import 'absent.proto' not found; imports are looked up below the \
         schemas directory, below `schemas.import-roots` and in the folders above the importing \
         file",
    );
    check(
        &[(
            "a.avsc",
            "{\"type\":\"record\",\"name\":\"R\",\n\"fields\":[{\"name\":\"a\",\"type\":\"lng\"}]}",
        )],
        "./schemas/a.avsc:2: there is no type `lng`; did you mean `long`?",
    );
    check(
        &[("a.avsc", "{\"type\":\"record\",\n")],
        "./schemas/a.avsc:2: not the JSON expected here: EOF while parsing a value",
    );
}

#[test]
fn a_mapping_of_an_unknown_name_gets_a_suggestion() {
    check_mapping(
        &MAPPING.replace("p.T", "p.U"),
        "./schemas/m.toml:6: `a.proto` has no message `p.U`; did you mean `p.T`?",
    );
    check_mapping(
        &MAPPING.replace("a.proto", "b.proto"),
        "./schemas/m.toml:5: there is no schema `b.proto`; did you mean `a.proto`?",
    );
    check_mapping(
        &MAPPING.replace("\"protobuf\"", "\"xml\""),
        "./schemas/m.toml:4: `format` cannot be `xml`; write one of protobuf, avro, json, \
         line-protocol",
    );
    check_mapping(
        &format!("{MAPPING}tiem = {{ field = \"at\", unit = \"ms\" }}\n"),
        "./schemas/m.toml:10: unknown key `tiem`; did you mean `time`?",
    );
    check_mapping(
        &MAPPING.replace("{vin}\"\ntags", "{vni}\"\ntags"),
        "./schemas/m.toml:8: `vehicle`: the topic has no capture `{vni}`; it has vin",
    );
}

#[test]
fn all_errors_are_reported_at_once() {
    check_mapping(
        &format!("{MAPPING}time = {{ field = \"at\" }}\nwhen = \"w > 3\"\n"),
        "./schemas/m.toml:10: `time`: `at` is an integer; say what it counts with `unit` (s, ms, \
         us, ns)\n\
         ./schemas/m.toml:11: `when`: `w`: p.T has no field `w`; it has at, v, s",
    );
    check_mapping(
        &format!("{MAPPING}{MAPPING}"),
        "./schemas/m.toml:11: the name `m` is taken by m.toml:2",
    );
}

#[test]
fn a_missing_schemas_folder_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["check", "--set", "schemas.dir=absent", "--set", "store.kind=influxdb3"];
    let output = fleetline(folder.path(), &arguments, &[]);
    let told = String::from_utf8(output.stderr).unwrap();
    let last = told.lines().last().unwrap();
    assert_eq!(last, "absent: it does not exist; create it or set `schemas.dir`");
}
