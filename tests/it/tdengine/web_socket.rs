//! TDengine over its adapter's WebSocket: the same points, dead letters and answers as over HTTP,
//! and nothing is lost when the client gives up.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use serde_json::{Value, json};

use super::{
    MINUTE,
    delivery::{T, check_another_writer, letters, publish, setup, shipped},
    poison, readings, start_nanos,
};
use crate::{
    answers::check_table,
    harness::{
        Authority, Database, Setup, TdEngine, TlsRelay, Vehicle, Version, tdengine::Condition,
        until,
    },
};

fn server() -> TdEngine {
    TdEngine::start().over_web_socket()
}

#[test]
fn the_answers_of_the_table_come_over_the_web_socket() {
    check_table(&Database::TdEngine(server()));
}

#[test]
fn good_points_are_stored_and_bad_ones_are_set_aside_over_the_web_socket() {
    poison::check_classes(&poison::database().over_web_socket());
}

#[test]
fn any_mix_of_good_lines_bad_lines_and_races_ends_over_the_web_socket() {
    poison::check_mix(&poison::database().over_web_socket());
}

/// An answer that means a race over HTTP means one here, too.
#[test]
fn another_writer_loses_no_point_over_the_web_socket() {
    check_another_writer(&server());
}

/// An adapter of 2023: two paths, statements as JSON, blocks in two steps, long tags not sent.
#[test]
fn an_older_adapter_gets_its_own_protocol() {
    let database = TdEngine::start_old().over_web_socket();
    let appliance = super::setup().tdengine(&database.url()).start();
    let readings = readings(start_nanos());
    super::publish(&appliance, &readings);
    assert_eq!(database.rows("readings"), i64::try_from(readings.len()).unwrap());
    let (status, told) = appliance.query(
        "sql",
        "SELECT `_ts`, `vin`, `odometer`, `charging` FROM `readings` WHERE `vin` = $vin \
         ORDER BY `_ts` LIMIT 1",
        &json!({ "vin": "日本" }),
    );
    assert_eq!(status, 200, "{told}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["rows"][0][1], &told["rows"][0][3]), (&json!("日本"), &json!(true)));
}

#[test]
fn a_refused_login_is_reported_and_nothing_is_lost() {
    let database = server();
    let with = |key: &str, value: &str| setup(&database).set(key, value);
    for (key, value, words) in [
        ("store.password", "another", "\"[0x357] Authentication failure"),
        ("store.username", "nobody", "\"[0x351] Invalid user"),
        ("store.create", "false", "\"[0x388] Database not exist"),
    ] {
        let appliance = with(key, value).start();
        let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "A");
        publish(&mut vehicle, "A", &format!("m x=1i {T}"));
        until("readyz to show the reason", MINUTE, || appliance.get("/readyz").1.contains(words));
        assert_eq!(appliance.count("points.in_spool"), 1);
        assert_eq!(letters(&appliance), [] as [Value; 0]);
    }
}

/// The client trusts the machine's certificate authorities, which `SSL_CERT_FILE` names.
#[test]
fn points_and_questions_go_over_tls_only_to_a_trusted_server() {
    let database = server();
    let authority = Authority::new("fleet-ca");
    let certified = authority.certify("adapter", 1, (2020, 2090));
    let behind = database.url().trim_start_matches("ws://").parse().unwrap();
    let relay = TlsRelay::start(&certified, behind);
    let secured = |setup: Setup, trusted: &Authority| {
        let file = setup.home().join("trusted.pem");
        fs::write(&file, trusted.pem()).unwrap();
        setup
            .set("store.urls", &format!("[\"wss://localhost:{}\"]", relay.port()))
            .variable("SSL_CERT_FILE", file.to_str().unwrap())
    };

    let appliance = secured(setup(&database), &Authority::new("another")).start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "A");
    publish(&mut vehicle, "A", &format!("m x=1i {T}"));
    until("readyz to show the reason", MINUTE, || {
        appliance.get("/readyz").1.contains("SSL_CERT_FILE")
    });
    assert_eq!(appliance.count("points.in_spool"), 1);
    assert_eq!(database.asked(), [""; 0], "nothing was sent to an untrusted server");

    let appliance = secured(super::setup().tdengine(&database.url()), &authority).start();
    let readings = readings(start_nanos());
    super::publish(&appliance, &readings);
    assert_eq!(database.rows("readings"), i64::try_from(readings.len()).unwrap());
    let text = "SELECT count(*) FROM `readings`";
    let (status, told) = appliance.query("sql", text, &json!({}));
    assert_eq!(status, 200, "{told}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["rows"][0][0], readings.len());
}

/// The client would wait forever on a broken connection.
#[test]
fn connections_that_break_during_a_write_are_opened_again() {
    let database = server();
    let appliance = setup(&database).start();
    let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "A");
    publish(&mut vehicle, "A", &format!("m x=1i {T}"));
    shipped(&appliance);
    database.be(Condition::Frozen);
    publish(&mut vehicle, "A", &format!("m x=2i {}", T + 1));
    until("a write waits", MINUTE, || database.written().len() == 2);
    database.break_off();
    until("readyz to show the reason", MINUTE, || {
        appliance.metric("fleetline_sink_retried_requests_total").is_some_and(|count| count > 0.0)
    });
    database.be(Condition::Running);
    shipped(&appliance);
    assert_eq!(database.rows("m"), 2);
    assert_eq!(letters(&appliance), [] as [Value; 0]);
}

/// A server that is not an adapter makes the client library panic or hang: the appliance retries
/// and logs it.
#[test]
fn a_server_that_is_not_an_adapter_stops_nothing() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "\0\u{1}\u{2}",
        "",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut head = [0; 64];
                // The result does not matter.
                drop(stream.read(&mut head));
                drop(stream.write_all(answer.as_bytes()));
            }
        });
        let database = TdEngine::start();
        let appliance =
            setup(&database).set("store.urls", &format!("[\"ws://{address}\"]")).start();
        let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, "A");
        publish(&mut vehicle, "A", &format!("m x=1i {T}"));
        until("readyz to show the reason", MINUTE, || {
            let (_, ready) = appliance.get("/readyz");
            ready.contains("waiting") || ready.contains("failed")
        });
        assert_eq!(appliance.count("points.in_spool"), 1);
        publish(&mut vehicle, "A", &format!("m x=2i {}", T + 1));
    }
}
