//! Operators' tokens: created and revoked on the command line, required over HTTP.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Appliance, PATIENCE, Sample, Setup, Vehicle, Version, http, until};

/// Creates a token and returns it.
#[track_caller]
fn create(setup: &Setup, arguments: &[&str]) -> String {
    let words = [&["token", "create", "--file", "tokens"], arguments].concat();
    let output = setup.command(&words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let token = String::from_utf8(output.stdout).unwrap().trim_end().to_owned();
    assert!(token.starts_with("flt_") && token.len() > 40, "the token alone: {token}");
    token
}

/// Status and code of an answer.
fn ask(appliance: &Appliance, method: &str, path: &str, token: Option<&str>) -> (u16, String) {
    let headers = token.map(|token| ("Authorization", format!("Bearer {token}")));
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    send(appliance, method, path, &headers, "{}")
}

fn send(
    appliance: &Appliance,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String) {
    let url = format!("{}{path}", appliance.url());
    let (status, text) = http::send(method, &url, headers, body).unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    (status, answer["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_token_gives_the_access_of_its_role_until_it_is_revoked() {
    let setup = Setup::new().set("store.kind", "embedded");
    let read = create(&setup, &["reader", "--role", "read"]);
    let command = create(&setup, &["sender", "--role", "command"]);
    let admin = create(&setup, &["ops", "--role", "admin"]);
    let kept = fs::read_to_string(setup.home().join("tokens")).unwrap();
    assert!([&read, &command, &admin].iter().all(|token| !kept.contains(*token)));
    let appliance = setup.set("auth.tokens", "tokens").start();
    let status = |method: &str, path: &str, token: &str| ask(&appliance, method, path, Some(token));
    for path in ["/healthz", "/metrics", "/openapi.json"] {
        assert_eq!(ask(&appliance, "GET", path, None).0, 200, "{path}");
    }
    for path in ["/api/v1/stats", "/api/v1/vehicles", "/api/v1/measurements", "/api/v1/sessions"] {
        assert_eq!(ask(&appliance, "GET", path, None), (401, "unauthorized".to_owned()), "{path}");
        assert_eq!(status("GET", path, "flt_wrong"), (401, "unauthorized".to_owned()), "{path}");
        for token in [&read, &command, &admin] {
            assert_eq!(status("GET", path, token).0, 200, "{path}");
        }
    }
    let native = json!({ "language": "sql", "text": "SELECT 1 AS one" }).to_string();
    for (token, expect) in [(&read, 403), (&command, 403), (&admin, 200)] {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str())];
        assert_eq!(send(&appliance, "POST", "/api/v1/query", &headers, &native).0, expect);
        let path = "/api/v1/dead-letters?all=true";
        assert_eq!(status("DELETE", path, token).0, expect, "{path}");
    }
    // The command line sends one; a revoked one gives no access any more.
    fs::write(appliance.setup().home().join("ops.token"), &admin).unwrap();
    appliance.cli_ok(&["session", "list", "--json", "--token-file", "ops.token"]);
    appliance.cli_ok(&["token", "revoke", "reader", "--file", "tokens"]);
    until("it is gone", PATIENCE, || status("GET", "/api/v1/stats", &read).0 == 401);
    assert_eq!(status("GET", "/api/v1/stats", &admin).0, 200);
    let refused = appliance.metric("fleetline_http_refused_requests_total").unwrap();
    let log = appliance.log();
    assert!(refused > 10.0 && log.contains("a request is refused"));
    assert!([&read, &command, &admin].iter().all(|token| !log.contains(*token)));

    // Attack A12: an empty file gives no access and replaces nothing.
    fs::write(appliance.setup().home().join("tokens"), "").unwrap();
    appliance.signal("HUP");
    until("it is told", PATIENCE, || appliance.log().contains("no token in it"));
    assert_eq!(ask(&appliance, "GET", "/api/v1/stats", None).0, 401);
    assert_eq!(status("GET", "/api/v1/stats", &admin).0, 200);
}

/// A token that is limited to vehicles: it shows only those, and nothing about the fleet.
#[test]
fn a_token_that_is_limited_to_vehicles_sees_those_only() {
    let setup = Setup::new().set("store.kind", "embedded");
    let read = create(&setup, &["reader", "--role", "read"]);
    let limited = create(&setup, &["shop", "--role", "admin", "--vehicles", "V1"]);
    let many = create(&setup, &["w", "--role", "read", "--vehicles", "V*", "--vehicles", "W1"]);
    let appliance = setup.set("auth.tokens", "tokens").start();
    let mut vehicles = Vec::new();
    for vin in ["V1", "V2", "W1", "X1"] {
        let mut vehicle = Vehicle::connect(appliance.mqtt(), Version::V5, vin);
        vehicle.publish_acked(&Sample::topic(vin), &Sample { seq: 1 }.payload(), 1);
        vehicles.push(vehicle);
    }
    let seen = |token: &str| {
        let bearer = format!("Bearer {token}");
        let url = format!("{}/api/v1/vehicles", appliance.url());
        let answer = http::send("GET", &url, &[("Authorization", &bearer)], "").unwrap();
        let answer: Value = serde_json::from_str(&answer.1).unwrap();
        let list = answer["vehicles"].as_array().unwrap().iter();
        list.map(|vehicle| vehicle["vin"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(seen(&read), ["V1", "V2", "W1", "X1"]);
    assert_eq!(seen(&limited), ["V1"]);
    assert_eq!(seen(&many), ["V1", "V2", "W1"]);
    let rows = "/api/v1/telemetry/sample";
    for (token, method, path, expect) in [
        (&limited, "GET", "/api/v1/vehicles/V1".to_owned(), 200),
        (&limited, "GET", "/api/v1/vehicles/V2".to_owned(), 403),
        (&limited, "GET", rows.to_owned(), 200),
        (&limited, "GET", format!("{rows}?vehicle=V1"), 200),
        (&limited, "GET", format!("{rows}?vehicle=V1&vehicle=V2"), 403),
        (&many, "GET", format!("{rows}?vehicle=V2"), 200),
        (&many, "GET", format!("{rows}?vehicle=X1"), 403),
        (&many, "GET", rows.to_owned(), 403),
        (&limited, "GET", "/api/v1/measurements".to_owned(), 200),
        (&limited, "GET", "/api/v1/stats".to_owned(), 403),
        (&limited, "GET", "/api/v1/sessions".to_owned(), 403),
        (&limited, "GET", "/api/v1/dead-letters".to_owned(), 403),
        (&limited, "DELETE", "/api/v1/dead-letters?all=true".to_owned(), 403),
        (&limited, "POST", "/api/v1/query".to_owned(), 403),
        (&read, "GET", rows.to_owned(), 200),
    ] {
        let told = ask(&appliance, method, &path, Some(token));
        assert_eq!(told.0, expect, "{path}: {told:?}");
        assert!(expect == 200 || told.1 == "forbidden", "{told:?}");
    }
}

/// A foreign page in a browser must not change anything.
#[test]
fn without_tokens_a_change_must_have_this_servers_host() {
    let setup =
        Setup::new().set("store.kind", "embedded").set("http.hosts", r#"["fleet.example"]"#);
    let appliance = setup.start();
    let path = "/api/v1/dead-letters?all=true";
    for (host, expect) in [
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("localhost", 200),
        ("Fleet.example:80", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
    ] {
        let told = send(&appliance, "DELETE", path, &[("Host", host)], "");
        assert_eq!(told.0, expect, "{host}: {told:?}");
    }
    // Read requests do not need it.
    assert_eq!(send(&appliance, "GET", "/api/v1/stats", &[("Host", "evil.example")], "").0, 200);
}

#[test]
fn the_command_says_what_is_wrong_with_a_token() {
    let setup = Setup::new();
    create(&setup, &["a", "--role", "read", "--expires", "90d"]);
    create(&setup, &["b", "--role", "command", "--vehicles", "V*"]);
    let run = |arguments: &[&str]| {
        let output = setup.command(&[&["token"], arguments].concat()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, list, _) = run(&["list", "--json", "--file", "tokens"]);
    let list: Vec<Value> = list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((code, list.len()), (Some(0), 2));
    assert_eq!((&list[0]["name"], &list[0]["role"]), (&json!("a"), &json!("read")));
    assert!(list[0]["expires"].is_string() && list[1]["expires"].is_null());
    assert_eq!(list[1]["vehicles"], json!(["V*"]));
    for (arguments, expect, told) in [
        (&["create", "a", "--role", "read", "--file", "tokens"][..], 1, "there is a token `a`"),
        (&["create", "c", "--role", "root", "--file", "tokens"], 2, "invalid value 'root'"),
        (&["create", "c", "--role", "read", "--vehicles", "a*b", "--file", "tokens"], 2, "a * may"),
        (&["create", "c", "--role", "read", "--expires", "0s", "--file", "tokens"], 2, "at once"),
        (&["create", "", "--role", "read", "--file", "tokens"], 2, "name is empty"),
        (&["revoke", "z", "--file", "tokens"], 1, "there is no token `z`"),
        (&["list"], 2, "no tokens file: name it with --file"),
    ] {
        let (code, out, error) = run(arguments);
        assert_eq!(code, Some(expect), "{arguments:?}: {error}");
        assert!(error.contains(told) && out.is_empty(), "{error}");
    }
}
