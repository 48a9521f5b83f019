//! Five more examples of each kind of an operator's first mistakes: the log's level (o04), an empty
//! folder (o09), a store's address (s3), a number of another unit (q2). The first of each kind is
//! in `config`, `first_day` and `answers`.

use std::fs;

use crate::{config::fleetline, refusals::LINES};

/// Runs `fleetline` in a folder with one mapping and a configuration: exit code, standard error.
fn told(config: &str, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("schemas")).unwrap();
    fs::write(folder.path().join("schemas/lines.toml"), LINES).unwrap();
    fs::write(folder.path().join("f.toml"), config).unwrap();
    let arguments = [arguments, &["--config", "f.toml"]].concat();
    let output = fleetline(folder.path(), &arguments, variables);
    let entries = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(entries, 2, "nothing is made where something is refused");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[track_caller]
fn check((code, error): (i32, String), words: &str) {
    assert!(code == 2 && error.contains(words), "{code} {error}");
}

#[test]
fn an_unknown_log_level_is_refused_from_every_source() {
    let level = |text: &str| told(&format!("[telemetry]\nlog = \"{text}\"\n"), &["check"], &[]);
    check(level("information"), "`information` is no level");
    check(level("fatal"), "`fatal` is no level");
    check(level("info,fleetline::sink=trce"), "did you mean \"trace\"?");
    check(told("", &["check"], &[("FLEETLINE_TELEMETRY__LOG", "verbose")]), "no level");
    check(told("", &["serve", "--set", "telemetry.log=wrn"], &[]), "did you mean \"warn\"?");
}

#[test]
fn an_empty_folder_is_refused_from_every_source() {
    let empty = "empty; expected the path of a folder";
    check(told("data-dir = \"\"\n", &["check"], &[]), empty);
    check(told("", &["serve"], &[("FLEETLINE_DATA_DIR", "")]), empty);
    check(told("", &["spool", "status"], &[("FLEETLINE_DATA_DIR", "")]), empty);
    check(told("", &["dead-letter", "summary", "--set", "data-dir="], &[]), empty);
    check(told("[schemas]\ndir = \"\"\n", &["check"], &[]), empty);
}

#[test]
fn an_address_that_is_not_a_base_address_is_refused_without_its_secret() {
    let at = |url: &str| {
        let store = "kind = \"influxdb2\"\norg = \"o\"\nbucket = \"b\"\ntoken = \"t\"";
        told(&format!("[store]\n{store}\nurls = [\"{url}\"]\n"), &["check"], &[])
    };
    check(at("http://h:8086/api/v3/write_lp"), "write the base address, \"http://h:8086\"");
    check(at("http://h:8428/influx/api/v2/write/"), "the base address, \"http://h:8428/influx\"");
    check(at("http://h:6041/rest/sql"), "`/rest/sql` is an endpoint of a store");
    check(at("h:8086"), "store.urls");
    for url in ["http://u:hush@h:8086/api/v2", "https://h/write?db=d&p=hush", "http://h/#hush"] {
        let (code, error) = at(url);
        assert!(code == 2 && error.contains("store.urls") && !error.contains("hush"), "{error}");
    }
}

#[test]
fn a_number_of_another_unit_is_refused_where_it_would_mean_everything() {
    let of = |arguments: &[&str]| told("", arguments, &[]);
    let seconds = "did you mean 2026-03-27T22:00:00Z?";
    // These would have removed all letters, and sent all points again.
    check(of(&["dead-letter", "delete", "--from", "1774648800"]), seconds);
    check(of(&["dead-letter", "replay", "--from", "1774648800000"]), seconds);
    check(of(&["spool", "replay", "--from", "1774648800"]), seconds);
    // And these would have found none.
    check(of(&["dead-letter", "list", "--to", "1774648800000000"]), seconds);
    check(of(&["query", "m", "--from", "1774648800"]), "2026-03-27T22:00:00Z");
}
