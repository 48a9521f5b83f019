//! Gateways, which receive commands for their vehicles; tokens, which are limited in what they
//! send.

use std::{io::Write as _, process::Stdio};

use serde_json::{Value, json};

use super::fleet::{Car, MINUTE, history, sent, setup, state};
use crate::harness::{
    Appliance, Sample, Setup, http, until,
    vehicle::{Vehicle, Version},
};

const RULES: &str = r##"
[[rule]]
who = ["depot"]
allow = ["publish", "subscribe"]
topics = ["#"]
[[rule]]
allow = ["publish", "subscribe"]
topics = ["vehicles/{vehicle}/#"]
"##;

fn with_user(setup: &Setup, name: &str) {
    let mut adding = setup
        .command(&["user", "add", name, "--file", "users"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    adding.stdin.take().unwrap().write_all(b"secret\n").unwrap();
    assert!(adding.wait().unwrap().success());
}

#[test]
fn a_gateway_receives_commands_for_its_vehicles_and_answers_for_them() {
    let setup = setup().set("auth.gateways", r#"["depot"]"#);
    std::fs::write(setup.home().join("rules.toml"), RULES).unwrap();
    with_user(&setup, "depot");
    with_user(&setup, "V9");
    let appliance = setup.set("auth.users", "users").set("auth.rules", "rules.toml").start();
    let enter = |client: &str, user: &str| {
        let (line, reason) =
            Vehicle::enter(appliance.mqtt(), Version::V3, client, Some(user), Some("secret"));
        assert_eq!(reason, 0);
        Car::of(line, Version::V3, "V1")
    };
    let mut gateway = enter("gateway", "depot");
    assert_eq!(gateway.subscribe("vehicles/+/commands/+", 1), 1);
    let id = sent(&appliance, "V1", "limit-charge");
    gateway.takes_nothing();
    assert_eq!(state(&appliance, &id), "queued");
    // From its first stored message on, the vehicle is the gateway's.
    gateway.line.publish(&Sample::topic("V1"), &Sample { seq: 1 }.payload(), 1, 1);
    // Its PUBACK and the command come in any order.
    let taken = gateway.take_among_acknowledgements();
    assert_eq!(taken.command(), id);
    gateway.acknowledge(taken.id, 0);
    until("it is delivered", MINUTE, || state(&appliance, &id) == "delivered");
    assert_eq!(gateway.receipt(&id, "DONE"), 0);
    assert_eq!(history(&appliance, &id), ["queued", "sent", "delivered", "done"]);
    // A session that publishes for the vehicle and is not a gateway gets nothing.
    let mut other = enter("other", "V9");
    assert_eq!(other.subscribe("vehicles/V9/commands/+", 1), 1);
    let id = sent(&appliance, "V2", "limit-charge");
    other.takes_nothing();
    gateway.takes_nothing();
    assert_eq!(state(&appliance, &id), "queued");
}

fn token(setup: &Setup, arguments: &[&str]) -> String {
    let all = [&["token", "create"], arguments, &["--file", "tokens"]].concat();
    let output = setup.command(&all).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn ask_as(
    appliance: &Appliance,
    method: &str,
    path: &str,
    token: &str,
    body: &str,
) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", &*bearer), ("content-type", "application/json")];
    let url = format!("{}/api/v1{path}", appliance.url());
    let (status, text) = http::send(method, &url, &headers, body).unwrap();
    (status, serde_json::from_str(&text).unwrap_or_default())
}

#[test]
fn a_token_sends_as_its_role_and_its_vehicles_allow_and_is_named_in_the_audit() {
    let setup = setup();
    let token = |arguments: &[&str]| token(&setup, arguments);
    let reader = token(&["reader", "--role", "read"]);
    let depot = token(&["depot", "--role", "command", "--vehicles", "V1"]);
    let admin = token(&["boss", "--role", "admin"]);
    let appliance = setup.set("auth.tokens", "tokens").start();
    let ask = |method: &str, path: &str, token: &str, body: &str| {
        ask_as(&appliance, method, path, token, body)
    };
    let horn = r#"{"command":"horn"}"#;
    assert_eq!(ask("POST", "/vehicles/V1/commands", &reader, horn).0, 403);
    assert_eq!(ask("POST", "/vehicles/V2/commands", &depot, horn).0, 403);
    let raw = r#"{"topic":"a/b"}"#;
    assert_eq!(
        ask("POST", "/vehicles/V1/commands", &depot, raw).0,
        403,
        "a topic may be anybody's"
    );
    let (status, sent) = ask("POST", "/vehicles/V1/commands", &depot, horn);
    assert_eq!((status, &sent["by"]), (202, &json!("depot")));
    let (_, other) = ask("POST", "/vehicles/V2/commands", &admin, horn);
    let path = |command: &Value| format!("/commands/{}", command["id"].as_str().unwrap());
    assert_eq!(ask("GET", &path(&sent), &depot, "").0, 200);
    assert_eq!(ask("GET", &path(&other), &depot, "").0, 403);
    assert_eq!(ask("DELETE", &path(&other), &depot, "").0, 403);
    assert_eq!(ask("GET", "/commands", &depot, "").1["commands"].as_array().unwrap().len(), 1);
    assert_eq!(ask("GET", "/commands/events", &depot, "").0, 403);
    let (_, audit) = ask("GET", "/audit", &reader, "");
    let who: Vec<_> = audit["audit"].as_array().unwrap().iter().map(|it| &it["by"]).collect();
    assert_eq!(who, ["depot", "boss"]);
}

/// Other vehicles in the rows are left out. The token sees and controls only its own pushes.
#[test]
fn a_token_that_is_limited_to_vehicles_pushes_to_those_only() {
    let setup = setup();
    let token = |arguments: &[&str]| token(&setup, arguments);
    let reader = token(&["reader", "--role", "read"]);
    let depot = token(&["depot", "--role", "admin", "--vehicles", "V001"]);
    let garage = token(&["garage", "--role", "command", "--vehicles", "V00*"]);
    let admin = token(&["boss", "--role", "admin"]);
    let appliance = setup.set("auth.tokens", "tokens").start();
    let ask = |method: &str, path: &str, token: &str, body: &str| {
        ask_as(&appliance, method, path, token, body)
    };
    let mut line = Vehicle::connect(appliance.mqtt(), Version::V3, "store");
    for number in 0..11_u16 {
        let topic = Sample::topic(&format!("V{number:03}"));
        line.publish_acked(&topic, &Sample { seq: number.into() }.payload(), number + 1);
    }
    let stored = || ask("GET", "/stats", &admin, "").1["points"]["stored"] == 11;
    until("they are stored", MINUTE, stored);
    let of =
        |query: &Value| json!({ "query": query, "command": "horn", "vehicle": "vin" }).to_string();
    let portable = of(&json!({ "measurement": "sample", "from": "-2h", "fn": "last" }));
    let native = of(&json!({ "language": "sql", "text": "SELECT vin FROM sample" }));
    assert_eq!(ask("POST", "/pushes", &reader, &portable).0, 403);
    assert_eq!(ask("POST", "/pushes", &depot, &native).0, 403);
    assert_eq!(ask("POST", "/pushes", &garage, &native).0, 403, "it is no admin");
    let (status, some) = ask("POST", "/pushes", &garage, &portable);
    assert_eq!((status, &some["report"]["targeted"]), (202, &json!(10)), "{some}");
    assert_eq!(some["report"]["left-out"]["not-allowed"], 1);
    let (status, whole) = ask("POST", "/pushes", &admin, &native);
    assert_eq!((status, &whole["report"]["targeted"]), (202, &json!(11)), "{whole}");
    let path = |push: &Value| format!("/pushes/{}", push["id"].as_str().unwrap());
    assert_eq!(ask("GET", "/pushes", &garage, "").1["pushes"].as_array().unwrap().len(), 1);
    assert_eq!(ask("GET", "/pushes", &admin, "").1["pushes"].as_array().unwrap().len(), 2);
    assert_eq!(ask("GET", &path(&some), &garage, "").0, 200);
    for below in ["", "/commands", "/runs"] {
        assert_eq!(ask("GET", &format!("{}{below}", path(&whole)), &garage, "").0, 404);
    }
    for below in ["/pause", "/resume", "/abort"] {
        assert_eq!(ask("POST", &format!("{}{below}", path(&whole)), &garage, "{}").0, 404);
    }
    assert_eq!(ask("DELETE", &path(&whole), &garage, "").0, 404);
    assert_eq!(ask("POST", &format!("{}/abort", path(&some)), &reader, "{}").0, 403);
    assert_eq!(ask("POST", &format!("{}/abort", path(&some)), &garage, "{}").0, 200);
}
