//! What a build without the optional features refuses, and its messages: the binary of the
//! container image has none of them, all other binaries here have them.

use std::{fs, process::Command};

use crate::harness::program;

const TEST: &str = "real::features";

/// The messages of `check` about a store's configuration.
fn told(store: &str) -> Option<String> {
    let binary = program(TEST, "FLEETLINE_TEST_STATIC_BINARY")?;
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("schemas")).unwrap();
    fs::write(folder.path().join("schemas/any.toml"), crate::refusals::LINES).unwrap();
    fs::write(folder.path().join("f.toml"), format!("[store]\n{store}")).unwrap();
    let mut check = Command::new(binary);
    // Without this it would warn of the tests' variables, which are not keys.
    let variables = std::env::vars().filter(|(name, _)| name.starts_with("FLEETLINE_"));
    variables.for_each(|(name, _)| {
        check.env_remove(name);
    });
    let output =
        check.current_dir(folder.path()).args(["check", "--config", "f.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    Some(String::from_utf8(output.stderr).unwrap().trim_end().to_owned())
}

#[test]
fn an_address_of_a_web_socket_names_the_feature_that_it_needs() {
    for scheme in ["ws", "wss"] {
        let store = format!(
            "kind = \"tdengine\"\nurls = [\"{scheme}://127.0.0.1:6041\"]\ndatabase = \"fleet\"\n\
             username = \"root\"\npassword = \"p\"\n"
        );
        let Some(told) = told(&store) else { return };
        let expect = format!(
            "f.toml:3: store.urls = [\"{scheme}://127.0.0.1:6041\"]: this build speaks no \
             WebSocket; build it with `--features taos-ws`, or write http:// or https://"
        );
        assert_eq!(told, expect);
    }
}

#[test]
fn a_bucket_that_is_to_be_made_names_the_feature_that_it_needs() {
    let store = "kind = \"influxdb2\"\nurls = [\"http://127.0.0.1:8086\"]\norg = \"o\"\n\
                 bucket = \"b\"\ntoken = \"t\"\ncreate = true\n";
    let Some(told) = told(store) else { return };
    let words = "build it with `--features influxdb2`, or create the bucket yourself";
    assert!(told.starts_with("f.toml:7: store.create = true: ") && told.ends_with(words), "{told}");
}
