//! `fleetline infer`: sample payloads become a schema and a mapping that accept them.

use std::{fs, path::Path, process::Output};

use crate::harness::Setup;

struct Run {
    code: Option<i32>,
    said: String,
    told: String,
}

/// Runs a command with its schemas in this folder.
fn run(dir: &Path, arguments: &[&str]) -> Run {
    let setup = Setup::new()
        .store2("http://127.0.0.1:1", "token")
        .set("schemas.dir", dir.join("schemas").to_str().unwrap());
    let Output { status, stdout, stderr } = setup.command(arguments).output().unwrap();
    Run {
        code: status.code(),
        said: String::from_utf8(stdout).unwrap(),
        told: String::from_utf8(stderr).unwrap(),
    }
}

/// A folder with one sample file; its path.
fn sample(dir: &Path, name: &str, bytes: &[u8]) -> String {
    let file = dir.join(name);
    fs::write(&file, bytes).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_sample_becomes_a_schema_and_a_mapping_that_accept_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = sample(
        dir.path(),
        "sample.json",
        br#"{"ts":1795382378500,"speed":47.4,"model":"Q7","battery":{"soc":63.5},"cells":[1,2],"on":true}
           {"ts":1795382379500,"speed":3,"model":"Q7","battery":{"soc":null},"cells":[],"big":18446744073709551615}"#,
    );
    let topic = ["--topic", "vehicles/VIN1/state"];
    let made = run(dir.path(), &["infer", &file, topic[0], topic[1], "--name", "state"]);
    assert_eq!(made.code, Some(0), "{}", made.told);
    assert_eq!(made.said.lines().count(), 2, "{}", made.said);
    let mapping = fs::read_to_string(dir.path().join("schemas/state.toml")).unwrap();
    for expect in [
        "topic       = \"vehicles/{vin}/state\"",
        "vehicle     = \"{vin}\"",
        "perhaps tags: model",
        "time        = { field = \"ts\", unit = \"ms\" }",
    ] {
        assert!(mapping.contains(expect), "{expect}: {mapping}");
    }
    let checked = run(dir.path(), &["check"]);
    assert_eq!((checked.code, checked.said.as_str()), (Some(0), "all is well: 1 mappings\n"));
    let first = sample(
        dir.path(),
        "one.json",
        br#"{"ts":1795382378500,"speed":47.4,"model":"Q7","battery":{"soc":63.5},"cells":[1,2],"on":true}"#,
    );
    let received = ["--received-at", "2026-11-22T21:19:39Z"];
    let decode = ["decode", topic[0], topic[1], received[0], received[1], &first];
    assert_eq!(
        run(dir.path(), &decode).said,
        "state,vin=VIN1 speed=47.4,model=\"Q7\",battery_soc=63.5,cells_0=1i,cells_1=2i,on=t \
         1795382378500000000\n"
    );
    // Existing files are not overwritten.
    let again = run(dir.path(), &["infer", &file, topic[0], topic[1], "--name", "state"]);
    assert_eq!(again.code, Some(1), "{}", again.said);
    assert!(again.told.contains("state.toml"), "{}", again.told);
}

#[test]
fn lists_of_samples_identity_and_doubts_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let file = sample(
        dir.path(),
        "batch.json",
        br#"{"vin":"WDB1","time":"not one","sent_at":1795382379,"either":1,"none":null,
            "samples":[{"at":1795382300,"v":1},{"at":1795382301,"v":2.5}],"alarms":[{"code":"A"}],
            "grid":[[1]]}
           {"vin":"WDB1","time":"nor this","sent_at":1795382380,"either":"x","samples":[]}"#,
    );
    let made = run(dir.path(), &["infer", &file, "--topic", "fleet/data"]);
    assert_eq!(made.code, Some(0), "{}", made.told);
    for expect in [
        "`either` has values of several types",
        "`none` is null or empty",
        "`alarms` is one more list of objects",
        "`grid` is a list of lists",
    ] {
        assert!(made.told.contains(&format!("doubt: {expect}")), "{expect}: {}", made.told);
    }
    let mapping = fs::read_to_string(dir.path().join("schemas/batch.toml")).unwrap();
    for expect in [
        "vehicle     = \"vin\"",
        "points      = \"samples\"",
        "time        = { field = \"samples.at\", unit = \"s\" }",
        "exclude = [\"alarms\"]",
        "rename = { \"time\" = \"sent_time\" }",
    ] {
        assert!(mapping.contains(expect), "{expect}: {mapping}");
    }
    let received = ["--received-at", "2026-11-22T21:19:39Z"];
    let one =
        sample(dir.path(), "one.json", br#"{"vin":"WDB1","samples":[{"at":1795382300,"v":1}]}"#);
    let decoded =
        run(dir.path(), &["decode", "--topic", "fleet/data", received[0], received[1], &one]);
    assert_eq!(decoded.said, "batch,vin=WDB1 v=1 1795382300000000000\n", "{}", decoded.told);
}

#[test]
fn unreadable_samples_are_reported_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let table: [(&str, &[u8], &str); 5] = [
        ("value.json", b"17", "a sample is no object"),
        ("cut.json", b"{\"a\":", "it is not JSON"),
        ("packed.json", &[0x1f, 0x8b, 8, 0], "it looks like gzip"),
        ("empty.json", b"", "it is empty"),
        ("nothing.json", b"{\"a\":null}", "the samples hold no value"),
    ];
    for (name, bytes, expect) in table {
        let file = sample(dir.path(), name, bytes);
        let made = run(dir.path(), &["infer", &file]);
        assert_eq!(made.code, Some(1), "{name}: {}", made.said);
        assert!(made.told.contains(expect), "{name}: {}", made.told);
    }
    let deep = format!("{}{}", "{\"a\":".repeat(40), "1".to_owned() + &"}".repeat(40));
    let file = sample(dir.path(), "deep.json", deep.as_bytes());
    let made = run(dir.path(), &["infer", &file]);
    assert!(made.told.contains("deeper than 32 levels"), "{}", made.told);
    let file = sample(dir.path(), "ok.json", b"{\"a\":1}");
    let made = run(dir.path(), &["infer", &file, "--topic", "fleet/data"]);
    assert!(made.told.contains("write the topic with {vin}"), "{}", made.told);
    assert!(!dir.path().join("schemas").exists());
    let made = run(dir.path(), &["infer", &file, "--json"]);
    assert_eq!(made.code, Some(0), "{}", made.told);
    assert!(made.said.contains("vehicles/{vin}/ok"), "{}", made.said);
}

/// Settings that cannot be derived from the samples are reported, not guessed.
#[test]
fn what_only_the_operator_knows_is_reported_as_a_doubt() {
    let table = [
        (
            r#"{"v": 1, "@ts": "2026-11-22 21:19:38"}"#,
            "`@ts` is a time without an offset; if it is the point's, say of which zone",
        ),
        (
            r#"{"ts": 1795382378500, "data": {"soc": {"v": 1}, "rpm": {"v": 2}, "gear": {"v": 3}}}"#,
            "`data` holds objects of one shape; if their names are data",
        ),
        (
            r#"{"s": [{"ts": 1795382378500, "v": 1.5}, {"ts": 1795382378500, "v": 2.5}]}"#,
            "1 points of the samples have the series and time of another",
        ),
    ];
    for (text, expect) in table {
        let dir = tempfile::tempdir().unwrap();
        let file = sample(dir.path(), "sample.json", text.as_bytes());
        let made = run(dir.path(), &["infer", &file, "--topic", "t/{vin}"]);
        assert_eq!(made.code, Some(0), "{text}: {}", made.told);
        assert!(made.told.contains(&format!("doubt: {expect}")), "{expect}: {}", made.told);
    }
}

/// Realistic samples, one per line, each followed by what its line must contain.
const ODD_SAMPLES: &str = include_str!("../golden/infer.txt");

/// Realistic samples: for any content, the result loads and accepts them.
#[test]
fn odd_samples_become_a_mapping_that_loads_and_accepts_them() {
    let lines: Vec<&str> = ODD_SAMPLES.lines().collect();
    let (pairs, rest) = lines.as_chunks::<2>();
    assert!(rest.is_empty() && pairs.len() >= 14, "{}", pairs.len());
    for (number, [text, expect]) in pairs.iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let file = sample(dir.path(), "sample.json", text.as_bytes());
        let topic = ["--topic", "vehicles/VIN1/state"];
        let made = run(dir.path(), &["infer", &file, topic[0], topic[1], "--name", "state"]);
        assert_eq!(made.code, Some(0), "{number}: {}", made.told);
        let checked = run(dir.path(), &["check"]);
        assert_eq!(checked.said, "all is well: 1 mappings\n", "{number}: {}", checked.told);
        assert_eq!(checked.told, "", "{number}");
        let mut lines = String::new();
        for one in
            serde_json::Deserializer::from_str(text).into_iter::<&serde_json::value::RawValue>()
        {
            let one = sample(dir.path(), "one.json", one.unwrap().get().as_bytes());
            let received = ["--received-at", "2026-11-22T21:19:39Z"];
            let decode = ["decode", topic[0], topic[1], received[0], received[1], &one];
            lines.push_str(&run(dir.path(), &decode).said);
        }
        assert!(lines.contains(expect), "{number}: {lines}");
    }
    for (text, expect) in [
        ("[1, 2]", "lists of something else than objects"),
        ("{\"a\":1} [{\"a\":1}]", "some samples are objects and some are lists"),
        ("\u{feff}{\"a\":1}", "begins with a byte order mark"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let file = sample(dir.path(), "sample.json", text.as_bytes());
        let made = run(dir.path(), &["infer", &file, "--topic", "t/{vin}", "--name", "state"]);
        assert_eq!(made.code, Some(1), "{text}");
        assert!(made.told.contains(expect), "{}", made.told);
    }
}
