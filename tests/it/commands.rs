//! Commands that read files: their output and exit codes.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use serde_json::Value;

use crate::{config::fleetline, harness::Server};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs `fleetline` in the repository, where the shipped schemas are, with this standard input.
fn fed(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fleetline"))
        .current_dir(repository())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[track_caller]
fn check(output: &Output, code: i32, out: &str, error: &str) {
    assert_eq!(String::from_utf8_lossy(&output.stderr), error);
    assert_eq!(String::from_utf8_lossy(&output.stdout), out);
    assert_eq!(output.status.code(), Some(code));
}

const JSON_TOPIC: &str = "vehicles/VIN1/telemetry/json";
const GOOD: &[u8] = br#"{"sampled_at":1619448248000,"model":"Twizy","speed_kmh":3.5}"#;
const GOOD_LINE: &str = "telemetry,vin=VIN1,model=Twizy speed_kmh=3.5 1619448248000000000\n";

#[test]
fn decode_reads_one_payload_from_standard_input() {
    check(&fed(&["decode", "--topic", JSON_TOPIC], GOOD), 0, GOOD_LINE, "");
}

#[test]
fn decode_reports_the_broken_file_and_continues_with_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, payload: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, payload).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (first, broken, last) =
        (write("1", GOOD), write("2", b"{\"sampled_at\":"), write("3", GOOD));
    let output = fed(&["decode", "--topic", JSON_TOPIC, &first, &broken, &last], b"");
    assert_eq!(String::from_utf8_lossy(&output.stdout), [GOOD_LINE, GOOD_LINE].concat());
    let told = String::from_utf8_lossy(&output.stderr);
    let expect = format!("{broken}: mapping telemetry-json: payload-truncated: ");
    assert!(told.starts_with(&expect) && told.lines().count() == 1, "{told}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn decode_fails_for_a_topic_without_a_mapping() {
    let expect = "no mapping takes the topic `nowhere`\n";
    check(&fed(&["decode", "--topic", "nowhere"], GOOD), 1, "", expect);
}

#[test]
fn decode_can_answer_in_json() {
    let output = fed(&["decode", "--json", "--topic", JSON_TOPIC], GOOD);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["lines"], GOOD_LINE);
    assert_eq!(answer["points"], 1);
    assert_eq!(answer["failures"], Value::Array(Vec::new()));
}

#[test]
fn decode_writes_the_dialect_of_the_configured_store() {
    // Without a store, and for InfluxDB 1, there is no unsigned integer.
    let folder = tempfile::tempdir().unwrap();
    let schemas = folder.path().join("schemas");
    fs::create_dir(&schemas).unwrap();
    let schema = "syntax = \"proto3\";\nmessage T { uint64 n = 1; }\n";
    fs::write(schemas.join("a.proto"), schema).unwrap();
    let mapping = "[[mapping]]\nname = \"m\"\ntopic = \"t/{v}\"\nformat = \"protobuf\"\n\
                   schema = \"a.proto\"\nmessage = \"T\"\nmeasurement = \"m\"\nvehicle = \"{v}\"\n\
                   tags = [\"v\"]\n";
    fs::write(schemas.join("m.toml"), mapping).unwrap();
    let payload = folder.path().join("payload");
    fs::write(&payload, [0x08, 7]).unwrap();
    let line = |settings: &[&str]| {
        let payload = payload.to_str().unwrap();
        let at = ["decode", "--topic", "t/V", "--received-at", "1795382379000000000", payload];
        let output = fleetline(folder.path(), &[&at, settings].concat(), &[]);
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(line(&[]), "m,v=V n=7i 1795382379000000000\n");
    assert_eq!(line(&["--set", "store.kind=influxdb1"]), "m,v=V n=7i 1795382379000000000\n");
    assert_eq!(line(&["--set", "store.kind=influxdb2"]), "m,v=V n=7u 1795382379000000000\n");
}

#[test]
fn commands_on_a_missing_data_directory_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let told = "there is no spool in `./fleetline-data/spool`; is data-dir right?\n";
    check(&fleetline(folder.path(), &["spool", "status"], &[]), 1, "", told);
    check(&fleetline(folder.path(), &["spool", "verify", "--json"], &[]), 1, "", told);
    check(&fleetline(folder.path(), &["dead-letter", "list"], &[]), 0, "", "");
    let told = "there is no dead letter 17-0; `fleetline dead-letter list` shows all\n";
    check(&fleetline(folder.path(), &["dead-letter", "show", "17-0"], &[]), 1, "", told);
}

#[test]
fn wrong_usage_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["decode"][..],
        &["decode", "--topic", "t", "--received-at", "yesterday"],
        &["dead-letter", "list", "--cause", "bad-luck"],
        &["dead-letter", "list", "--since", "yesterday"],
        &["dead-letter", "show", "first"],
        &["spool"],
        &["serve", "--drain", "long"],
        &["serve"],
    ] {
        let output = fleetline(folder.path(), arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn every_help_has_an_example() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["serve"][..],
        &["check"],
        &["decode"],
        &["infer"],
        &["health"],
        &["query"],
        &["query", "sql"],
        &["query", "influxql"],
        &["query", "flux"],
        &["simulate"],
        &["spool"],
        &["spool", "status"],
        &["spool", "verify"],
        &["dead-letter"],
        &["dead-letter", "list"],
        &["dead-letter", "show"],
    ] {
        let output = fleetline(folder.path(), &[arguments, &["--help"]].concat(), &[]);
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.contains("Example") && output.status.success(), "{arguments:?}: {help}");
        assert!(help.contains("--config") && help.contains("--set"), "{arguments:?}: {help}");
    }
}

/// Every command that talks to a running appliance sends the token of its file, otherwise that of
/// the variable, and never prints it.
#[test]
fn a_token_is_sent_to_the_appliance() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let server = Server::start(move |request| {
        let header = request.headers.iter().find(|header| header.starts_with("authorization:"));
        hears.lock().unwrap().push(header.cloned().unwrap_or_default());
        let body = r#"{"error":{"code":"unauthorized","message":"no","details":{}}}"#;
        Some((401, body.to_owned()))
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "of-the-file\n").unwrap();
    let file = file.to_str().unwrap();
    let url = server.url();
    for command in [
        &["health"][..],
        &["query", "telemetry"],
        &["query", "--list"],
        &["query", "sql", "SELECT 1"],
        &["dead-letter", "delete", "--all"],
    ] {
        for (option, variable, expect) in [
            (None, None, ""),
            (None, Some("of-the-variable"), "authorization: bearer of-the-variable"),
            (Some(file), Some("of-the-variable"), "authorization: bearer of-the-file"),
            (None, Some(""), ""),
        ] {
            let mut arguments = [command, &["--url", &url]].concat();
            arguments.extend(option.iter().flat_map(|file| ["--token-file", file]));
            let variables: Vec<_> =
                variable.map(|text| ("FLEETLINE_TOKEN", text)).into_iter().collect();
            let output = fleetline(folder.path(), &arguments, &variables);
            assert_eq!(output.status.code(), Some(1), "{arguments:?}");
            let error = String::from_utf8(output.stderr).unwrap();
            assert!(!error.contains("of-the-"), "{error}");
            let found = heard.lock().unwrap().pop();
            assert_eq!(found.as_deref(), Some(expect), "{arguments:?}: {error}");
        }
    }
    fs::write(file, " \n").unwrap();
    let asked = ["health", "--url", &url, "--token-file", file];
    let error = String::from_utf8(fleetline(folder.path(), &asked, &[]).stderr).unwrap();
    assert!(error.contains("is empty"), "{error}");
}
