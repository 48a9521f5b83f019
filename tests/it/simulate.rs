//! The fleet's own proof: what it saw acknowledged, against the ledger and against the store.

use std::fs;

use serde_json::Value;

use crate::harness::Setup;

/// Two fleets on one appliance, so that the count is of the run's vehicles and not of all.
#[test]
fn what_was_acknowledged_is_counted_in_the_store_behind_the_appliance() {
    let schemas = fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas")).unwrap();
    let appliance = Setup::new().set("schemas.dir", schemas.to_str().unwrap()).start();
    let (target, url) = (format!("mqtt://{}", appliance.mqtt()), appliance.url());
    for (first, format) in [("1", "protobuf"), ("100", "avro")] {
        let said = appliance.cli_ok(&[
            "simulate",
            "--vehicles",
            "3",
            "--rate",
            "20",
            "--duration",
            "1s",
            "--first-vehicle",
            first,
            "--format",
            format,
            "--target",
            &target,
            "--verify",
            &url,
            "--json",
        ]);
        let report: Value = serde_json::from_str(&said).unwrap();
        let found = &report["verification"];
        assert_eq!(found["acknowledged"], 60, "{report}");
        assert_eq!(found["stored"], 60, "{report}");
        assert_eq!(found["in_store"], 60, "{report}");
        assert_eq!(found["problems"].as_array().unwrap().len(), 0, "{report}");
    }
}

/// s3-store-addresses, its last row: an appliance and its store are asked directly, as by every
/// other command, whatever proxy the environment names.
#[test]
fn verification_asks_no_proxy_of_the_environment() {
    let schemas = fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas")).unwrap();
    let appliance = Setup::new().set("schemas.dir", schemas.to_str().unwrap()).start();
    let (target, url) = (format!("mqtt://{}", appliance.mqtt()), appliance.url());
    let mut command = appliance.setup().command(&["simulate", "--vehicles", "1", "--rate", "20"]);
    command.args(["--duration", "1s", "--target", &target, "--verify", &url, "--json"]);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        // Nobody listens on port 9.
        command.env(name, "http://127.0.0.1:9");
    }
    let output = command.env_remove("NO_PROXY").env_remove("no_proxy").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Subscribers beside the fleet: what is acknowledged reaches each of them, or one of those that
/// share a subscription, in its order.
#[test]
fn subscribers_get_what_is_acknowledged_once_and_in_its_order() {
    let schemas = fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas")).unwrap();
    let appliance = Setup::new().set("schemas.dir", schemas.to_str().unwrap()).start();
    let target = format!("mqtt://{}", appliance.mqtt());
    for (version, qos, more, subscribers, expect) in [
        ("3.1.1", "1", &[][..], "5", 5 * 80),
        ("5", "2", &[], "2", 2 * 80),
        ("3.1.1", "0", &[], "3", 3 * 80),
        ("5", "1", &["--shared", "g"], "3", 80),
        ("3.1.1", "1", &["--filter", "vehicles/{vin}/#"], "4", 80),
    ] {
        let mut arguments = vec!["simulate", "--vehicles", "4", "--rate", "20", "--duration", "1s"];
        arguments.extend(["--version", version, "--qos", qos, "--target", &target, "--json"]);
        arguments.extend(["--subscribers", subscribers]);
        arguments.extend(more);
        let report: Value = serde_json::from_str(&appliance.cli_ok(&arguments)).unwrap();
        let found = &report["deliveries"];
        assert_eq!(found["delivered"], expect, "{report}");
        for none in ["lost", "disordered", "unexpected", "connections_lost"] {
            assert_eq!(found[none], 0, "{none}: {report}");
        }
        assert!(found["latency_ms"]["p99"].as_f64().unwrap() > 0.0, "{report}");
    }
    let said = appliance.cli_ok(&[
        "simulate",
        "--vehicles",
        "1",
        "--rate",
        "10",
        "--duration",
        "1s",
        "--target",
        &target,
        "--subscribers",
        "1",
    ]);
    assert!(said.contains("subscribed      1 of 1; 0 lost"), "{said}");
    assert!(said.contains("0 lost, 0 out of order, 0 unexpected"), "{said}");
}
