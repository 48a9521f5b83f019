//! Payloads that are decoded but look wrong: `decode` and `check --payload` warn about them.

use std::{
    path::{Path, PathBuf},
    process::Output,
};

use crate::harness::Setup;

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decode").join(name)
}

/// Runs a command on the schemas of a golden case.
fn run(schemas: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let schemas = case(schemas).join("schemas");
    let setup = Setup::new()
        .store2("http://127.0.0.1:1", "token")
        .set("schemas.dir", schemas.to_str().unwrap());
    let Output { status, stdout, stderr } = setup.command(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// The case p8-delimited: `silent.bin` is a message after its length, which can also be decoded as
/// a message.
#[test]
fn a_length_prefix_that_can_be_read_as_a_field_is_noticed() {
    let silent = case("p8-delimited-one").join("silent");
    let silent = silent.to_str().unwrap();
    let hint = "warning: mapping fix: it looks as if its length stood in front: \
                `framing = \"delimited\"`";
    let bare = "p8-delimited-not-expected";
    let (code, lines, told) = run(bare, &["decode", "--topic", "fix/VIN1", silent]);
    assert_eq!(code, Some(0), "{told}");
    assert!(lines.starts_with("fix,vin=VIN1 "), "{lines}");
    assert!(told.contains(hint), "{told}");
    let arguments = ["check", "--topic", "fix/VIN1", "--payload", silent];
    let (code, said, told) = run(bare, &arguments);
    assert_eq!(code, Some(0), "{told}");
    assert!(said.ends_with("silent: 1 points\n"), "{said}");
    assert!(told.contains("it looks as if its length stood in front"), "{told}");
    // With the framing there is nothing to notice.
    let (code, _, told) = run("p8-delimited-one", &arguments);
    assert_eq!((code, told.as_str()), (Some(0), ""));
}

#[test]
fn check_reports_a_payload_that_fails_and_one_without_a_mapping() {
    let payload = case("p8-delimited-not-expected").join("payload");
    let payload = payload.to_str().unwrap();
    let arguments = ["check", "--topic", "fix/VIN1", "--payload", payload];
    let (code, said, told) = run("p8-delimited-not-expected", &arguments);
    assert_eq!((code, said.as_str()), (Some(1), "all is well: 1 mappings\n"));
    assert!(told.contains("mapping fix: payload-malformed: "), "{told}");
    let arguments = ["check", "--json", "--topic", "other/VIN1", "--payload", payload];
    let (code, said, _) = run("p8-delimited-not-expected", &arguments);
    assert_eq!(code, Some(1));
    assert!(said.contains("no mapping takes the topic `other/VIN1`"), "{said}");
    // Without a topic it is wrong usage.
    let (code, _, _) = run("p8-delimited-one", &["check", "--payload", payload]);
    assert_eq!(code, Some(2));
}
