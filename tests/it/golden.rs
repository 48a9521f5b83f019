//! `fleetline decode` on kept payloads: byte for byte the kept lines, by the schemas that are
//! shipped.
//!
//! A case is a folder of `tests/golden/decode`: `payload`, `topic`, and `lines`, what standard
//! output must be; or `error`, what standard error must hold, with exit code 1. With `UPDATE=1` the
//! payloads that encoders can make are written anew; what is expected is always written by hand.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::harness::{
    Setup,
    twizy::{self, Encoder},
};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/decode")
}

/// One reading, as the formats that an encoder of somebody else's can write.
fn update() {
    let drives = twizy::drives();
    let drive = drives.iter().find(|drive| drive.name == "T2_04_26_2021").unwrap();
    let reading = &drive.readings[0];
    let encoder = Encoder::new();
    let payloads = [
        ("protobuf", encoder.protobuf(reading)),
        ("avro", encoder.avro(reading)),
        ("json", Encoder::json(reading)),
    ];
    for (name, payload) in payloads {
        fs::write(golden().join(name).join("payload"), payload).unwrap();
    }
}

fn check_case(setup: &Setup, case: &Path) {
    let read = |name: &str| fs::read_to_string(case.join(name)).ok();
    let topic = read("topic").unwrap();
    let payload = case.join("payload");
    let output = setup
        .command(&["decode", "--topic", topic.trim(), "--received-at", "2026-01-02T03:04:05Z"])
        .arg(&payload)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complained = String::from_utf8(output.stderr).unwrap();
    let name = case.display();
    match (read("lines"), read("error")) {
        (Some(lines), None) => {
            assert_eq!(said, lines, "{name}: {complained}");
            assert_eq!(output.status.code(), Some(0), "{name}: {complained}");
        }
        (None, Some(error)) => {
            assert!(complained.contains(error.trim()), "{name}: {complained}");
            assert_eq!(said, "", "{name}");
            assert_eq!(output.status.code(), Some(1), "{name}");
        }
        _ => panic!("{name}: either `lines` or `error`"),
    }
}

#[test]
fn payloads_become_their_lines_byte_for_byte() {
    if env::var_os("UPDATE").is_some() {
        update();
    }
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let setup = Setup::new()
        .store2("http://127.0.0.1:1", "token")
        .set("schemas.dir", schemas.to_str().unwrap());
    let mut cases: Vec<_> =
        fs::read_dir(golden()).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 5);
    for case in cases {
        check_case(&setup, &case);
    }
}
