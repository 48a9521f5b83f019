//! What is read, overridden and refused, on texts in memory. The messages are tested through the
//! real binary (tests/it/config.rs).

use crate::store;

use super::{keys, resolve::read_text, settings::Settings, value};

const STORE: &str = "[store]\nkind = \"influxdb1\"\nurls = [\"http://127.0.0.1:8086\"]\n\
                     database = \"telemetry\"\n";

#[test]
fn every_default_and_bound_is_a_value_of_its_kind_and_within_its_bounds() {
    for key in keys::all() {
        for text in
            key.default.into_iter().chain(key.min.map(|b| b.value)).chain(key.max.map(|b| b.value))
        {
            if key.kind == super::key::Kind::Text {
                continue; // A bound of a string is its length.
            }
            let given = value::from_argument(key.kind, text);
            let place = super::Place::Default;
            let refused = Settings::default().write(key, given, text, place);
            assert!(refused.is_none(), "{refused:?}");
        }
    }
}

#[test]
fn no_key_comes_twice_and_each_is_documented() {
    let mut paths: Vec<&str> = keys::all().map(|key| key.path).collect();
    let count = paths.len();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), count);
    assert!(keys::all().all(|key| key.doc.ends_with('.') && !key.doc.contains("  ")));
}

#[test]
fn a_store_alone_resolves_to_the_documented_defaults() {
    let resolved = read_text("f.toml", STORE, &[], &[]).expect("nothing is wrong");
    assert_eq!(resolved.offline.data_dir.to_str(), Some("./fleetline-data"));
    assert_eq!(resolved.offline.shards.as_usize(), 2);
    // The defaults of each stage and those in the table of keys must be the same.
    assert_eq!(resolved.http, crate::http::Options::default());
    assert_eq!(resolved.mqtt, crate::mqtt::Options::default());
    assert_eq!(resolved.offline.limits, crate::uplink::Limits::default());
    assert_eq!(resolved.offline.log, crate::telemetry::LogOptions::default());
    assert_eq!(resolved.sink, crate::sink::Options::default());
    let mapping = &resolved.offline.mapping;
    let dir = std::path::PathBuf::from("./schemas");
    let store_names = mapping.store_names;
    let expect = crate::mapping::Options::new(dir, mapping.dialect);
    assert_eq!(*mapping, crate::mapping::Options { store_names, ..expect });
    let commit = (&resolved.spool.commit, crate::spool::CommitOptions::default());
    assert_eq!(commit.0.interval, commit.1.interval);
    assert_eq!(commit.0.group_bytes_max, commit.1.group_bytes_max);
    assert_eq!(commit.0.recheck, commit.1.recheck);
    let dir = resolved.offline.dead_letter_dir();
    assert_eq!(resolved.dead_letter, crate::dead_letter::Options::new(dir));
    let store = &resolved.store;
    assert_eq!(*store, store::Options::new(store.target.clone(), store.urls.clone()));
}

#[test]
fn later_layers_win_file_then_environment_then_arguments() {
    let text = format!("{STORE}[spool]\nshards = 3\n");
    let shards = |variables: &[(&str, &str)], set: &[&str]| {
        let resolved = read_text("f.toml", &text, variables, set).expect("nothing is wrong");
        resolved.offline.shards.as_usize()
    };
    assert_eq!(shards(&[], &[]), 3);
    assert_eq!(shards(&[("FLEETLINE_SPOOL__SHARDS", "4")], &[]), 4);
    assert_eq!(shards(&[("FLEETLINE_SPOOL__SHARDS", "4")], &["spool.shards=5"]), 5);
}

#[test]
fn variables_that_an_orchestrator_injects_are_no_error_and_are_named() {
    let variables =
        [("FLEETLINE_SERVICE_HOST", "10.0.0.1"), ("FLEETLINE_PORT_1883_TCP_PORT", "1883")];
    let resolved = read_text("f.toml", STORE, &variables, &[]).expect("nothing is wrong");
    assert_eq!(resolved.offline.unknown_variables, variables.map(|(name, _)| name));
    let token = [("FLEETLINE_TOKEN", "t"), ("FLEETLINEAGE", "x")];
    let resolved = read_text("f.toml", STORE, &token, &[]).expect("nothing is wrong");
    assert!(resolved.offline.unknown_variables.is_empty());
    check_refused(
        STORE,
        &[("FLEETLINE_STORE_TOKEN", "t")],
        &[],
        "environment variable FLEETLINE_STORE_TOKEN: store-token: unknown key; did you mean \
         FLEETLINE_STORE__TOKEN?",
    );
}

#[test]
fn a_secret_is_never_printed_even_when_it_is_refused() {
    let error =
        read_text("f.toml", STORE, &[], &["store.token=se\u{1}cret", "store.token-file=/x"])
            .expect_err("both are written");
    assert!(!error.to_string().contains("cret"), "{error}");
}

#[test]
fn a_refused_value_is_told_once_and_not_checked_against_others() {
    let error = read_text("f.toml", "[store]\nkind = \"influx\"\n", &[], &[]).expect_err("no such");
    assert_eq!(error.problems().len(), 1, "{error}");
}

fn check_refused(text: &str, variables: &[(&str, &str)], set: &[&str], expect: &str) {
    let error = read_text("f.toml", text, variables, set).expect_err("it is wrong");
    assert_eq!(error.to_string(), expect);
}

#[test]
fn the_shipped_file_says_the_defaults_but_for_the_store() {
    let text = include_str!("../../config/fleetline.toml");
    let (mut settings, mut problems) = (Settings::default(), Vec::new());
    super::source::read_toml("fleetline.toml", text, &mut settings, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    let defaults = Settings::default();
    let written: Vec<&str> = settings.written().filter(|p| !p.starts_with("store.")).collect();
    assert!(written.len() >= 17, "{written:?}");
    for path in written {
        assert_eq!(settings.shown(path), defaults.shown(path), "{path}");
    }
}
