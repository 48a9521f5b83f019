//! `/api/v1/commands` with its own file of commands, and without connected vehicles.
#![expect(clippy::disallowed_methods, reason = "schemas are files that the test writes")]

use std::{pin::Pin, sync::Arc, time::Duration};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::edge::{ask, edge, get};
use crate::{
    downlink::{self, Downlink, Running},
    env::{Clock, Supervisor},
    mapping::{Options as MappingOptions, Plans},
    model::{
        CommandEdge, EdgeTimeout, LineDialect, OutgoingCommand, Presence, Publication, QueuePlace,
        Reach, ReceiptTicket, SessionAnswer, SessionId, SessionQuestion, Sessions,
    },
    query::QueryEngine,
    schema::{Bounds, Sources},
    telemetry::{Critical, HealthBoard, Metrics},
};

/// No vehicle is connected.
#[derive(Debug)]
struct Empty;

impl CommandEdge for Empty {
    fn reach(&self, _vehicle: &str, _topic: &str, _qos: u8) -> Reach {
        Reach::Away
    }
    fn is_here(&self, _lasting: u64) -> bool {
        false
    }
    fn dequeue(&self, _places: Vec<QueuePlace>) {}
    fn send(&self, _session: SessionId, _outgoing: OutgoingCommand) {}
    fn publish(&self, _publication: Publication) {}
    fn publish_retained(&self, _topic: &str, _text: &str) -> bool {
        true
    }
    fn acknowledge(&self, _receipts: Vec<ReceiptTicket>) {}
}

impl Sessions for Empty {
    fn ask(
        &self,
        questions: Vec<SessionQuestion>,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Option<SessionAnswer>>, EdgeTimeout>> + Send + '_>>
    {
        Box::pin(async move { Ok(questions.iter().map(|_| None).collect()) })
    }
}

/// The file of commands and its thread, for as long as a test runs.
pub(super) struct CommandRoom {
    _dir: TempDir,
    _running: Running,
}

const DECLARED: &str = r#"
[[command]]
name     = "limit-charge"
format   = "json"
schema   = "limit.schema.json"
id       = "id"
"#;
const SCHEMA: &str = r#"{"type":"object","required":["limit_percent"],"properties":{
    "id":{"type":"string"},
    "limit_percent":{"type":"integer","minimum":50,"maximum":100}}}"#;

pub(super) fn downlink(
    queries: &QueryEngine,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> (Downlink, CommandRoom) {
    let dir = TempDir::new().expect("a folder");
    let files = TempDir::new().expect("a folder");
    std::fs::write(files.path().join("c.toml"), DECLARED).expect("a file");
    std::fs::write(files.path().join("limit.schema.json"), SCHEMA).expect("a file");
    let sources = Sources::read(files.path(), &Bounds::default(), &mut Vec::new());
    let options = MappingOptions::new(files.path().to_owned(), LineDialect::Signed);
    let plans = Plans::from_sources(&sources, &options).expect("they are well");
    let hour = Duration::from_hours(1);
    let parts = downlink::Parts {
        options: downlink::Options {
            dir: dir.path().to_owned(),
            open_max: 2,
            total_open_max: 1000,
            schedules_max: 2,
            empty_runs_max: 3,
            payload_bytes_max: 100,
            expires_in: hour,
            keep: hour,
            audit_keep: hour,
            topic_rows_max: 1000,
            topic_bytes_max: 1000,
            still_interval: hour,
            alarms_waiting_max: 10,
            webhook: None,
            webhook_timeout: hour,
        },
        edge: Arc::new(Empty),
        commands: Arc::clone(plans.commands()),
        queries: queries.clone(),
        presence: Arc::new(Presence::new(10)),
        sessions: Arc::new(Empty),
        clock: Arc::clone(clock),
        metrics: Arc::clone(metrics),
        health: HealthBoard::default().cell("downlink", Critical::Yes),
    };
    let runtime = tokio::runtime::Handle::current();
    let running = downlink::start(parts, &runtime, &Supervisor::default()).expect("it starts");
    (running.downlink.clone(), CommandRoom { _dir: dir, _running: running })
}

async fn post(address: std::net::SocketAddr, path: &str, body: &Json) -> (u16, Json) {
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    split(&ask(address, &request).await)
}

fn split(answer: &str) -> (u16, Json) {
    let status = answer.split(' ').nth(1).expect("a status").parse().expect("a number");
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    (status, serde_json::from_str(body).expect("JSON"))
}

#[tokio::test]
async fn a_command_is_accepted_listed_followed_and_taken_back() {
    let edge = edge(|_| {}).await;
    let path = "/api/v1/vehicles/V1/commands";
    let limit = json!({ "command": "limit-charge", "fields": { "limit_percent": 60 } });
    let (status, sent) = post(edge.address, path, &limit).await;
    assert_eq!((status, &sent["state"], &sent["cause"]), (202, &"queued".into(), &"away".into()));
    assert_eq!(sent["topic"], "vehicles/V1/commands/limit-charge");
    let id = sent["id"].as_str().expect("an id");
    let payload = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        sent["payload"].as_str().expect("a text"),
    );
    let payload: Json = serde_json::from_slice(&payload.expect("base64")).expect("JSON");
    assert_eq!(payload, json!({ "id": id, "limit_percent": 60 }));
    // Tesla's notes: clients took 200 for executed. Waiting does not change that.
    let (status, raw) = post(
        edge.address,
        &format!("{path}?wait=20ms"),
        &json!({ "topic": "x/V1", "payload": "AA==", "qos": 2, "expires-in": "1m" }),
    )
    .await;
    assert_eq!((status, &raw["command"], &raw["raw"]), (202, &Json::Null, &true.into()));
    let (status, refused) = post(edge.address, path, &limit).await;
    assert_eq!((status, &refused["error"]["code"]), (429, &"too-many-open".into()));

    let (_, one) = split(&get(edge.address, &format!("/api/v1/commands/{id}")).await);
    assert_eq!(one, sent);
    let (_, page) = split(&get(edge.address, "/api/v1/commands?limit=1").await);
    assert_eq!(page["commands"][0]["id"], raw["id"], "the newest first");
    let after = page["after"].as_str().expect("there is more");
    let (_, page) = split(&get(edge.address, &format!("/api/v1/commands?after={after}")).await);
    assert_eq!((&page["commands"][0]["id"], &page["after"]), (&id.into(), &Json::Null));
    for (filter, count) in [
        ("vehicle=V1", 2),
        ("vehicle=V2", 0),
        ("state=queued&state=sent", 2),
        ("state=done", 0),
        ("name=limit-charge", 1),
    ] {
        let (_, page) = split(&get(edge.address, &format!("/api/v1/commands?{filter}")).await);
        assert_eq!(page["commands"].as_array().expect("a list").len(), count, "{filter}");
    }
    let request = format!(
        "DELETE /api/v1/commands/{id} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    );
    let (status, cancelled) = split(&ask(edge.address, &request).await);
    assert_eq!((status, &cancelled["state"]), (200, &"cancelled".into()));
    let (_, feed) = split(&get(edge.address, "/api/v1/commands/events").await);
    let told: Vec<_> = feed["events"].as_array().expect("a list").iter().collect();
    let states: Vec<_> = told.iter().map(|it| it["state"].as_str().unwrap_or_default()).collect();
    assert_eq!(states, ["queued", "queued", "cancelled"]);
    let after = feed["after"].as_str().expect("a cursor");
    let path = format!("/api/v1/commands/events?after={after}");
    assert_eq!(split(&get(edge.address, &path).await).1["events"], json!([]));
    let (_, audit) = split(&get(edge.address, "/api/v1/audit").await);
    let actions: Vec<_> = audit["audit"].as_array().expect("a list").iter().collect();
    assert_eq!((actions.len(), &actions[2]["action"]), (3, &"cancel".into()));
}

#[tokio::test]
async fn what_is_wrong_names_the_member_or_the_field() {
    let edge = edge(|_| {}).await;
    let check = async |body: Json, status: u16, code: &str, message: &str| {
        let (found, answer) = post(edge.address, "/api/v1/vehicles/V1/commands", &body).await;
        let error = &answer["error"];
        assert_eq!((found, error["code"].as_str()), (status, Some(code)), "{body} {answer}");
        let told = error["message"].as_str().expect("a message");
        assert!(told.contains(message), "{told}");
    };
    let limit = |fields: Json| json!({ "command": "limit-charge", "fields": fields });
    check(limit(json!({ "limit_percent": 20 })), 400, "field-invalid", "`limit_percent` is 20")
        .await;
    check(limit(json!({ "limit_percent": "60" })), 400, "field-invalid", "must be a whole number")
        .await;
    check(limit(json!({ "limit": 60 })), 400, "field-invalid", "known are id, limit_percent").await;
    check(limit(json!({})), 400, "field-invalid", "`limit_percent` is missing").await;
    let own_id = json!({ "limit_percent": 60, "id": "x" });
    check(limit(own_id), 400, "field-invalid", "takes the command's id").await;
    check(json!({ "command": "limit-charg" }), 400, "command-undeclared", "did you mean").await;
    check(json!({}), 400, "parameter-invalid", "nothing says what to send").await;
    check(json!({ "comand": "x" }), 400, "parameter-invalid", "comand").await;
    let raw = |payload: &str, qos: u8| json!({ "topic": "a/b", "payload": payload, "qos": qos });
    check(raw("!", 1), 400, "parameter-invalid", "no base64").await;
    check(raw("", 0), 400, "parameter-invalid", "must be 1 or 2").await;
    check(json!({ "topic": "a/+" }), 400, "parameter-invalid", "no topic to publish on").await;
    let large = raw(&"AAAA".repeat(40), 1);
    check(large, 413, "payload-too-large", "at most 100").await;
    let (status, answer) = split(&get(edge.address, "/api/v1/commands/x").await);
    assert_eq!((status, &answer["error"]["code"]), (404, &"command-unknown".into()));
}

#[tokio::test]
async fn a_list_of_vehicles_is_answered_in_its_order_with_an_error_for_each_that_fails() {
    let edge = edge(|_| {}).await;
    let body = json!({
        "vehicles": ["V1", "V/2", "V3", "V1", "V1"],
        "command": "limit-charge", "fields": { "limit_percent": 60 },
    });
    let (status, answer) = post(edge.address, "/api/v1/commands", &body).await;
    assert_eq!(status, 202);
    let told = answer["commands"].as_array().expect("a list");
    let vehicles: Vec<_> = told.iter().map(|it| it["vehicle"].as_str()).collect();
    assert_eq!(vehicles, [Some("V1"), None, Some("V3"), Some("V1"), None]);
    assert_eq!(told[1]["error"]["code"], "parameter-invalid");
    assert_eq!(told[4]["error"]["code"], "too-many-open");
    let wrong = json!({ "vehicles": ["V9"], "command": "nothing" });
    assert_eq!(post(edge.address, "/api/v1/commands", &wrong).await.0, 400);
}

/// The same key twice: the answer is the first command; with different content 409.
#[tokio::test]
async fn an_idempotency_key_makes_one_command() {
    let edge = edge(|_| {}).await;
    let path = "/api/v1/vehicles/V1/commands";
    let body = |limit: u8| {
        let fields = json!({ "limit_percent": limit });
        json!({ "command": "limit-charge", "fields": fields, "idempotency-key": "k-17" })
    };
    let (status, first) = post(edge.address, path, &body(60)).await;
    assert_eq!(status, 202);
    let (status, again) = post(edge.address, path, &body(60)).await;
    assert_eq!((status, &again["id"]), (200, &first["id"]));
    let (status, refused) = post(edge.address, path, &body(70)).await;
    assert_eq!((status, &refused["error"]["code"]), (409, &"idempotency-key-taken".into()));
}
