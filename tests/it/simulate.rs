//! The fleet checks itself: it compares what was acknowledged with the ledger and with the store.

use std::{fs, process::Stdio};

use serde_json::{Value, json};

use crate::harness::{Authority, Setup};

/// Two fleets on one appliance, which shows that only the vehicles of the run are counted.
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

/// The last row of s3-store-addresses: like every other command, verification connects to the
/// appliance and its store directly, even if the environment names a proxy.
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

/// Certificates of a server and of three vehicles, and a password of each vehicle.
fn certify_fleet(setup: &Setup, authority: &Authority) {
    let home = setup.home();
    authority.certify("server", 1, (2020, 2090)).write(home, "server");
    fs::write(home.join("ca.pem"), authority.pem()).unwrap();
    let mut passwords = String::from("# of the fleet\n");
    for number in 1..=3 {
        let vin = format!("FLSIM{number:012}");
        authority.certify(&vin, number, (2020, 2090)).write(home, &vin);
        let secret = format!("0123456789012345678901234567890{number}");
        fs::write(home.join("secret"), &secret).unwrap();
        let mut add = setup.command(&["user", "add", &vin, "--file", "users"]);
        assert!(add.args(["--password-file", "secret"]).status().unwrap().success());
        passwords += &format!("{vin}:{secret}\n");
    }
    fs::write(home.join("passwords"), &passwords).unwrap();
    fs::write(home.join("short"), "FLSIM000000000002:x\n").unwrap();
}

/// The fleet over TLS and both WebSockets: each vehicle has its own password or certificate and its
/// own topics; wrong credentials get a clear error.
#[test]
fn vehicles_log_in_over_every_transport() {
    let schemas = fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas")).unwrap();
    let authority = Authority::new("Fleet CA");
    let setup = Setup::new().set("schemas.dir", schemas.to_str().unwrap());
    certify_fleet(&setup, &authority);
    let appliance = setup
        .set(
            "mqtt.listen",
            r#"["127.0.0.1:0", "mqtts://127.0.0.1:0", "ws://127.0.0.1:0", "wss://127.0.0.1:0"]"#,
        )
        .set("mqtt.tls.certificate", "server.pem")
        .set("mqtt.tls.key", "server.key")
        .set("mqtt.tls.client-certificate", "optional")
        .set("mqtt.tls.client-ca", "ca.pem")
        .set("auth.users", "users")
        .start();
    let target =
        |scheme: &str| format!("{scheme}://localhost:{}", appliance.listener(scheme).port());
    let simulate = |target: &str, more: &[&str]| {
        let run = ["simulate", "--vehicles", "3", "--rate", "10", "--duration", "1s", "--json"];
        appliance.cli(&[&run[..], &["--target", target], more].concat())
    };
    let (users, ca) = (["--users", "passwords"], ["--ca", "ca.pem"]);
    let own = ["--cert", "{vin}.pem", "--key", "{vin}.key"];
    for (scheme, more) in [
        ("mqtt", &users[..]),
        ("ws", &users),
        ("mqtts", &[&users[..], &ca].concat()),
        ("wss", &[&users[..], &ca].concat()),
        ("mqtts", &[&own[..], &ca].concat()),
        ("wss", &[&own[..], &ca].concat()),
    ] {
        let output = simulate(&target(scheme), more);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{scheme} {more:?}: {error}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["acknowledged"], 30, "{scheme}: {report}");
        assert_eq!(report["refused"], 0, "{scheme}: {report}");
    }
    let plain = target("mqtt");
    for (target, more, code, told) in [
        (target("mqtts"), &users[..], 1, "name the server's authority with --ca"),
        (target("wss") + "/x", &[&users[..], &ca].concat(), 1, "answered 404"),
        (plain.clone(), &[], 1, "CONNACK with code 0x05"),
        (plain.clone(), &["--users", "none"], 2, "--users none: cannot be read"),
        (
            plain.clone(),
            &["--users", "short"],
            2,
            "2 vehicles have no line in it, the first is FLSIM",
        ),
        (plain, &ca, 2, "for a --target with mqtts:// or wss://"),
        (target("mqtts"), &["--ca", "server.key"], 2, "server.key holds no certificate in PEM"),
    ] {
        let output = simulate(&target, more);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{target} {more:?}: {error}");
        assert!(error.contains(told), "{target} {more:?}: {error}");
        assert!(!error.contains("0123456789"), "{error}");
    }
}

/// Subscribers beside the fleet: each acknowledged message reaches every one of them, or one of
/// those that share a subscription, in order.
#[test]
fn subscribers_get_what_is_acknowledged_once_and_in_order() {
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

/// What an operator sees of commands to driving vehicles: done, rejected with the reason,
/// delivered; and how the fleet reports them.
#[test]
fn vehicles_obey_or_reject_with_a_reason() {
    let schemas = fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas")).unwrap();
    let appliance = Setup::new().set("schemas.dir", schemas.to_str().unwrap()).start();
    let target = format!("mqtt://{}", appliance.mqtt());
    // Messages of a given size are encoded beforehand: their content cannot change.
    for (version, first, more) in [("3.1.1", "1", &[][..]), ("5", "3", &["--size", "200"])] {
        let fleet = ["simulate", "--vehicles", "2", "--rate", "5", "--json", "--target", &target];
        let mut fleet = appliance.setup().command(&fleet);
        fleet
            .args(["--version", version, "--first-vehicle", first])
            .args(more)
            .stdout(Stdio::piped());
        let fleet = fleet.spawn().unwrap();
        let vin = format!("FLSIM00000000000{first}");
        // The vehicle may not have subscribed yet.
        let send = |name: &str, fields: &[&str]| {
            let command = ["command", "send", &vin, name, "--wait", "25s", "--json"];
            let output = appliance.cli(&[&command[..], fields].concat());
            let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
            let states = answer["history"].as_array().unwrap().iter();
            let state = states.last().unwrap()["state"].as_str().unwrap().to_owned();
            (state, answer)
        };
        let (state, answer) = send("identify", &["seconds=1"]);
        assert_eq!(state, "done", "{answer}");
        for (name, fields, why) in [
            ("identify", "seconds=61", "`seconds` is from 1 to 60"),
            ("lock", "locked=true", "knows no lock"),
        ] {
            let (state, answer) = send(name, &[fields]);
            assert_eq!(state, "rejected", "{answer}");
            assert!(answer.to_string().contains(why), "{answer}");
        }
        let (state, answer) = send("limit-charge", &["limit_percent=60"]);
        let expect = if more.is_empty() { "done" } else { "rejected" };
        assert_eq!(state, expect, "{answer}");
        assert_eq!(answer.to_string().contains("recorded before"), state == "rejected", "{answer}");
        let (state, answer) = send("precondition", &[]);
        assert_eq!(state, "delivered", "{answer}");
        interrupt(fleet.id());
        let said = fleet.wait_with_output().unwrap();
        let report: Value = serde_json::from_slice(&said.stdout).unwrap();
        let done = 1 + u64::from(more.is_empty());
        let expect = json!({ "received": 5, "done": done, "rejected": 5 - done });
        assert_eq!(report["commands"], expect);
        assert_eq!(report["unacknowledged"], 0, "{report}");
    }
    // A fleet without that option receives no commands.
    let deaf = ["--duration", "1s", "--no-commands", "--vehicles", "1", "--target", &target];
    let deaf = appliance.setup().command(&["simulate", "--json"]).args(deaf).output().unwrap();
    let report: Value = serde_json::from_slice(&deaf.stdout).unwrap();
    assert_eq!(report["commands"]["received"], 0);
}

fn interrupt(process: u32) {
    let kill =
        std::process::Command::new("kill").args(["-s", "INT", &process.to_string()]).status();
    assert!(kill.unwrap().success());
}
