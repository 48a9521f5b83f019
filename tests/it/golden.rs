//! `fleetline decode` on kept payloads: byte for byte the kept lines, or the kept cause; and
//! `fleetline check` on kept schemas.
//!
//! A case of `check` is a folder of `tests/golden/check`: `schemas/`, `store` if another kind than
//! InfluxDB 2 is needed, and `told`, the expected standard error, including warnings.
//!
//! A case is a folder of `tests/golden/decode`: `schemas/` (otherwise the shipped ones), `topic`,
//! `content-type` if needed, `payload`, and `lines`, the expected standard output, or `cause`, the
//! expected standard error after the mapping's name, with exit code 1. The time of receipt is
//! fixed.
//!
//! `twizy-*` are one recorded reading in each format. With `UPDATE=1` their payloads are encoded
//! again, by independent encoders; the expected output is always written by hand.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::harness::{
    Setup,
    twizy::{self, Encoder},
};

const RECEIVED_AT: &str = "2026-11-22T21:19:39Z";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn golden() -> PathBuf {
    root().join("tests/golden/decode")
}

/// The folders below a folder, by name.
fn cases(folder: &Path) -> Vec<PathBuf> {
    let mut cases: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

/// Writes one reading in the formats of independent encoders.
fn update() {
    let drives = twizy::drives();
    let drive = drives.iter().find(|drive| drive.name == "T2_04_26_2021").unwrap();
    let reading = &drive.readings[0];
    let encoder = Encoder::new();
    let payloads = [
        ("twizy-protobuf", encoder.protobuf(reading)),
        ("twizy-avro", encoder.avro(reading)),
        ("twizy-json", Encoder::json(reading)),
    ];
    for (name, payload) in payloads {
        fs::write(golden().join(name).join("payload"), payload).unwrap();
    }
}

fn check_case(case: &Path) {
    let read = |name: &str| fs::read_to_string(case.join(name)).ok();
    let own = case.join("schemas");
    let schemas = if own.is_dir() { own } else { root().join("schemas") };
    let setup = Setup::new()
        .store2("http://127.0.0.1:1", "token")
        .set("schemas.dir", schemas.to_str().unwrap());
    let topic = read("topic").unwrap();
    let mut arguments = vec!["decode", "--topic", topic.trim(), "--received-at", RECEIVED_AT];
    let content_type = read("content-type");
    if let Some(content_type) = &content_type {
        arguments.extend(["--content-type", content_type.trim()]);
    }
    let output = setup.command(&arguments).arg(case.join("payload")).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complained = String::from_utf8(output.stderr).unwrap();
    let name = case.display();
    match (read("lines"), read("cause")) {
        (Some(lines), None) => {
            assert_eq!(said, lines, "{name}: {complained}");
            assert_eq!(output.status.code(), Some(0), "{name}: {complained}");
        }
        (None, Some(cause)) => {
            // `fleetline: FILE: mapping NAME: CAUSE: DETAIL`
            let told: Vec<&str> = complained
                .lines()
                .filter_map(|line| line.split_once(": mapping ")?.1.split_once(": "))
                .map(|(_, cause)| cause)
                .collect();
            assert_eq!(told.join("\n"), cause.trim_end(), "{name}: {complained}");
            assert_eq!(said, "", "{name}");
            assert_eq!(output.status.code(), Some(1), "{name}");
        }
        _ => panic!("{name}: either `lines` or `cause`"),
    }
}

#[test]
fn kept_payloads_become_their_lines_byte_for_byte() {
    if env::var_os("UPDATE").is_some() {
        update();
    }
    let cases = cases(&golden());
    assert!(cases.len() >= 200, "{} cases", cases.len());
    for case in cases {
        check_case(&case);
    }
}

/// The exact messages of `check` about schemas and mappings, and whether it refuses them.
#[test]
fn kept_schemas_give_the_exact_messages() {
    let cases = cases(&root().join("tests/golden/check"));
    assert!(cases.len() >= 20, "{} cases", cases.len());
    for case in cases {
        let schemas = case.join("schemas");
        let setup = match fs::read_to_string(case.join("store")) {
            Ok(kind) => Setup::new().set("store.kind", kind.trim()),
            Err(_) => Setup::new().store2("http://127.0.0.1:1", "token"),
        };
        let setup = setup.set("schemas.dir", schemas.to_str().unwrap());
        let output = setup.command(&["check"]).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        let told = told.replace(&format!("{}/", schemas.display()), "");
        let expect = fs::read_to_string(case.join("told")).unwrap();
        assert_eq!(told, expect, "{}", case.display());
        let is_refused = expect.lines().any(|line| !line.starts_with("warning: "));
        let code = if is_refused { 2 } else { 0 };
        assert_eq!(output.status.code(), Some(code), "{}: {told}", case.display());
    }
}

/// Public reports that are cases here, by their names; a report with several inputs has a folder
/// for each, with a suffix.
const REPORTS: &[&str] = &[
    "a2-what-the-bytes-look-like",
    "d2-timestamp-field-out-of-range",
    "j1-map-of-objects",
    "j3-kinds-on-one-topic",
    "j6-list-at-the-top",
    "j6-names-of-list-elements",
    "j6-values-of-several-types",
    "j7-time-invalid-shows-the-value",
    "j8-excluded-parts",
    "j8-references",
    "p1-dead-letter-names-the-element",
    "p3-lists-in-lists",
];

#[test]
fn every_listed_report_has_its_case() {
    let names: Vec<String> = fs::read_dir(golden())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for report in REPORTS {
        assert!(names.iter().any(|name| name.starts_with(report)), "{report} has no case");
    }
}
