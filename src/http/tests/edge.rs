//! The operator edge over a real socket.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use serde_json::Value as Json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::super::*;
use crate::{
    auth::{self, Access},
    env::{Clock, Supervisor, SystemClock},
    model::{
        Catalog, EdgeTimeout, FieldType, Measurement, Presence, Protocol, SessionAnswer,
        SessionFacts, SessionId, SessionQuestion, Sessions, UnixNanos,
    },
    query::{self, EngineParts, QueryEngine},
    store::{self, InfluxDb1, Store, Target},
    telemetry::{Critical, Health, HealthBoard, MessageCounts, Metrics},
};

pub(super) struct Edge {
    pub(super) address: SocketAddr,
    server: Server,
    health: HealthBoard,
    metrics: Arc<Metrics>,
    presence: Arc<Presence>,
    sessions: Arc<Script>,
    _commands: super::commands::CommandRoom,
}

/// Sessions with these answers, by vehicle.
#[derive(Debug, Default)]
struct Script {
    told: Mutex<BTreeMap<String, SessionAnswer>>,
    is_silent: AtomicBool,
}

impl Sessions for Script {
    fn ask(
        &self,
        questions: Vec<SessionQuestion>,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<Option<SessionAnswer>>, EdgeTimeout>> + Send + '_>>
    {
        let told = self.told.lock().unwrap();
        let answer = questions.iter().map(|question| told.get(&*question.vehicle).cloned());
        let answer = match self.is_silent.load(Ordering::Relaxed) {
            true => Err(EdgeTimeout { waited_ms: 7 }),
            false => Ok(answer.collect()),
        };
        Box::pin(std::future::ready(answer))
    }
}

/// The types for the query engine and the routes.
fn catalog() -> Arc<ArcSwap<Catalog>> {
    let mut catalog = Catalog::default();
    let measurement = Measurement {
        vehicle_tag: Some("vin".to_owned()),
        tags: vec!["vin".to_owned()],
        fields: vec![("soc".to_owned(), FieldType::Float), ("mode".to_owned(), FieldType::String)],
    };
    catalog.measurements.insert("telemetry".to_owned(), measurement);
    Arc::new(ArcSwap::from_pointee(catalog))
}

/// A query engine with an unavailable store.
fn queries(
    metrics: &Arc<Metrics>,
    clock: &Arc<dyn Clock>,
    catalog: Arc<ArcSwap<Catalog>>,
) -> QueryEngine {
    drop(rustls::crypto::ring::default_provider().install_default());
    let one = InfluxDb1 { database: "d".to_owned(), retention_policy: None, credentials: None };
    let target = Target::InfluxDb1(one);
    let options = store::Options::new(target, vec!["http://127.0.0.1:1".to_owned()]);
    QueryEngine::new(EngineParts {
        options: query::Options::default(),
        store: Arc::new(
            Store::new(&options, Arc::clone(clock), Arc::clone(metrics), &Supervisor::default())
                .unwrap(),
        ),
        bucket: String::new(),
        catalog,
        metrics: Arc::clone(metrics),
    })
}

/// Access for every caller.
fn access() -> Arc<Access> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let metrics = Arc::new(Metrics::new(HealthBoard::default()));
    let options = auth::Options::default();
    let access = Access::load(&options, &clock, &metrics, &Supervisor::default());
    Arc::new(access.expect("no file is read"))
}

pub(super) async fn edge(change: impl FnOnce(&mut Options)) -> Edge {
    let mut options = Options { listen: "127.0.0.1:0".parse().unwrap(), ..Options::default() };
    change(&mut options);
    let listener = bind(&options).await.expect("a free port");
    let address = listener.local_addr().unwrap();
    let health = HealthBoard::default();
    let metrics = Arc::new(Metrics::new(health.clone()));
    let sessions = Arc::new(Script::default());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let catalog = catalog();
    let presence = Arc::new(Presence::new(10));
    let queries = queries(&metrics, &clock, Arc::clone(&catalog));
    let (downlink, commands) = super::commands::downlink(&queries, &clock, &metrics);
    let state = HttpState {
        health: health.clone(),
        metrics: Arc::clone(&metrics),
        queries,
        catalog,
        presence: Arc::clone(&presence),
        sessions: Arc::clone(&sessions) as _,
        board: Arc::new(super::sessions::Board::default()),
        dead_letters: Arc::new(super::letters::Keeper::default()),
        replay: Arc::new(super::letters::Keeper::default()),
        access: access(),
        downlink: Arc::new(downlink),
        clock,
    };
    let server = serve(listener, state, &options, None, &Supervisor::default());
    Edge { address, server, health, metrics, presence, sessions, _commands: commands }
}

/// Sends raw bytes and reads until the server closes.
pub(super) async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

pub(super) async fn get(address: SocketAddr, path: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"))
        .await
}

fn check(answer: &str, status: &str, body: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    let (_, got) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert_eq!(got, body);
}

#[tokio::test]
async fn ready_means_every_critical_part_and_the_body_tells_all() {
    let edge = edge(|_| {}).await;
    let spool = edge.health.cell("spool-0", Critical::Yes);
    let store = edge.health.cell("store", Critical::No);
    spool.set(Health::Ready);
    store.set(Health::Waiting("connection refused".to_owned()));
    check(
        &get(edge.address, "/readyz").await,
        "200",
        r#"{"components":[{"critical":true,"name":"spool-0","reason":null,"state":"ready"},{"critical":false,"name":"store","reason":"connection refused","state":"waiting"}],"ready":true}"#,
    );
    store.set(Health::Ready);
    spool.set(Health::Failed("fdatasync failed".to_owned()));
    check(
        &get(edge.address, "/readyz").await,
        "503",
        r#"{"components":[{"critical":true,"name":"spool-0","reason":"fdatasync failed","state":"failed"},{"critical":false,"name":"store","reason":null,"state":"ready"}],"ready":false}"#,
    );
    check(&get(edge.address, "/healthz").await, "200", r#"{"alive":true}"#);
}

#[tokio::test]
async fn stats_and_metrics_show_the_same_equations() {
    let edge = edge(|_| {}).await;
    let worker = edge.metrics.ledgers().worker();
    worker.publish(MessageCounts { received: 3, spooled: 2, pending: 1, ..Default::default() });
    edge.metrics.ledgers().shard(crate::model::ShardId(0)).spooled(2, 2);
    check(
        &get(edge.address, "/api/v1/stats").await,
        "200",
        r#"{"deliveries":{"delivered":0,"dropped":0,"expired":0,"queued":0,"recovered":0,"routed":0},"messages":{"dead_lettered":0,"filtered":0,"pending":1,"received":3,"refused":0,"spooled":2,"unmapped":0},"points":{"damaged":0,"dead_lettered":0,"in_spool":2,"merged":0,"recovered":0,"spooled":2,"stored":0}}"#,
    );
    let metrics = get(edge.address, "/metrics").await;
    assert!(metrics.contains("text/plain; version=0.0.4"), "{metrics}");
    assert!(metrics.contains("fleetline_messages_received_total 3\n"), "{metrics}");
    assert!(metrics.contains("fleetline_http_requests_total{status=\"200\"} 1\n"), "{metrics}");
    assert!(!metrics.contains("# EOF") && !metrics.contains("# UNIT"), "{metrics}");
    let request = "GET /metrics HTTP/1.1\r\nhost: localhost\r\naccept: application/openmetrics-text\r\n\
                   connection: close\r\n\r\n";
    let metrics = ask(edge.address, request).await;
    assert!(metrics.contains("application/openmetrics-text; version=1.0.0"), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_told_in_one_shape() {
    let edge = edge(|_| {}).await;
    check(
        &get(edge.address, "/api/v1/nothing?x=1").await,
        "404",
        r#"{"error":{"code":"not-found","details":{"path":"/api/v1/nothing"},"message":"there is nothing at /api/v1/nothing"}}"#,
    );
    let request = "DELETE /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    check(
        &ask(edge.address, request).await,
        "405",
        r#"{"error":{"code":"method-not-allowed","details":{"method":"DELETE","path":"/readyz"},"message":"/readyz cannot be asked with DELETE"}}"#,
    );
}

#[tokio::test]
async fn a_head_that_is_too_large_or_too_slow_ends_the_connection() {
    let edge = edge(|options| {
        options.header_bytes_max = 8 * 1024;
        options.header_timeout = Duration::from_millis(50);
    })
    .await;
    let long = "a".repeat(32 * 1024);
    let request = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-long: {long}\r\n\r\n");
    let mut stream = TcpStream::connect(edge.address).await.unwrap();
    // The server may close before everything is sent.
    let sent = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer).await;
    let refused = answer.starts_with(b"HTTP/1.1 431") || sent.is_err() || read.is_err();
    assert!(refused, "{}", String::from_utf8_lossy(&answer));

    // Half a head and then silence: the server closes, the client reads to the end.
    let answer = ask(edge.address, "GET /healthz HTTP/1.1\r\nhost:").await;
    assert!(!answer.contains("200 OK"), "{answer}");
}

#[tokio::test]
async fn one_connection_more_than_the_bound_waits_for_room() {
    let edge = edge(|options| options.connections_max = 1).await;
    let mut first = TcpStream::connect(edge.address).await.unwrap();
    first.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    let second = tokio::spawn(get(edge.address, "/healthz"));
    drop(first);
    assert!(second.await.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn half_sent_requests_do_not_keep_an_operator_out() {
    let edge = edge(|options| {
        (options.connections_max, options.silent_max, options.silent_per_address_max) = (50, 30, 20)
    })
    .await;
    let mut half = Vec::new();
    for _ in 0..120 {
        let mut peer = TcpStream::connect(edge.address).await.unwrap();
        peer.write_all(b"GET /healthz HT").await.unwrap();
        half.push(peer);
    }
    // At once, while all are young and every place is used, and when they count as silent.
    for pause in [Duration::ZERO, Duration::from_millis(1600)] {
        tokio::time::sleep(pause).await;
        let answer = tokio::time::timeout(Duration::from_secs(5), get(edge.address, "/healthz"));
        let answer = answer.await.expect("it has its answer before any of them times out");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let closed = edge.metrics.http_closed_silent_connections.get();
    assert!(closed >= 100, "of 120 of one address 20 may stay: {closed}");
    // The newest connection is one of those that stay.
    let mut newest = half.pop().unwrap();
    newest.write_all(b"TP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    newest.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_stop_closes_idle_connections_and_frees_the_port() {
    let edge = edge(|_| {}).await;
    let mut idle = TcpStream::connect(edge.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut byte = [0];
    idle.read_exact(&mut byte).await.unwrap();
    edge.server.stop(Duration::from_secs(10)).await;
    let mut rest = String::new();
    idle.read_to_string(&mut rest).await.unwrap();
    assert!(rest.ends_with(r#"{"alive":true}"#), "{rest}");
    assert!(TcpStream::connect(edge.address).await.is_err());
}

#[tokio::test]
async fn a_question_that_cannot_be_asked_says_what_is_wrong_with_it() {
    let edge = edge(|_| {}).await;
    for (path, status, told) in [
        (
            "/telemetry/telemetri",
            "404",
            r#""code":"measurement-unknown","details":{"measurement":"telemetri","nearest":"telemetry"}"#,
        ),
        (
            "/telemetry/telemetry?fields=soc,mod",
            "400",
            r#""code":"field-unknown","details":{"field":"mod","measurement":"telemetry","nearest":"mode"}"#,
        ),
        (
            "/telemetry/telemetry?fn=mean&fields=mode",
            "400",
            r#""code":"function-unfit","details":{"field":"mode","fn":"mean","type":"string"}"#,
        ),
        (
            "/telemetry/telemetry?vehicel=A",
            "400",
            "unknown parameter `vehicel`; did you mean `vehicle`?",
        ),
        ("/telemetry/telemetry?limit=0", "400", "`limit` is from 1 to 100000"),
        ("/telemetry/telemetry?limit=100001", "400", r#""details":{"parameter":"limit"}"#),
        ("/telemetry/telemetry?limit=x", "400", "`limit` is `x`; expected a whole number"),
        ("/telemetry/telemetry?from=-1h&from=-2h", "400", "`from` is given twice"),
        ("/telemetry/telemetry?from=yesterday", "400", r#""details":{"parameter":"from"}"#),
        ("/telemetry/telemetry?from=2&to=1&epoch=ns", "400", "`to` lies before `from`"),
        ("/telemetry/telemetry?every=1m", "400", "`every` needs a function `fn`"),
        ("/telemetry/telemetry?every=0s&fn=min", "400", r#""details":{"parameter":"every"}"#),
        ("/telemetry/telemetry?fn=median", "400", r#""details":{"parameter":"fn"}"#),
        ("/telemetry/telemetry?after=x", "400", r#""code":"after-invalid""#),
        ("/telemetry/telemetry?epoch=h", "400", r#""details":{"parameter":"epoch"}"#),
        ("/telemetry/telemetry", "503", r#""code":"store-unavailable""#),
    ] {
        let answer = get(edge.address, &format!("/api/v1{path}")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        assert!(answer.contains(told), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_native_question_is_read_strictly_and_only_reads() {
    let edge = edge(|_| {}).await;
    for (body, status, told) in [
        ("", "400", "the body is no JSON"),
        ("[]", "400", "the body is no JSON object"),
        (r#"{"languag":"sql"}"#, "400", "unknown member `languag`; did you mean `language`?"),
        (r#"{"language":"sql"}"#, "400", "`text` is missing"),
        (r#"{"language":"cobol","text":""}"#, "400", "`cobol` is none of sql, influxql, flux"),
        (
            r#"{"language":"sql","text":"SELECT 1"}"#,
            "400",
            r#""details":{"languages":["influxql"]}"#,
        ),
        (
            r#"{"language":"influxql","text":"DROP SERIES FROM m"}"#,
            "400",
            r#""code":"query-refused""#,
        ),
        (
            r#"{"language":"influxql","text":"SELECT a FROM m","params":{"1":2}}"#,
            "400",
            "parameter `1`",
        ),
        (
            r#"{"language":"influxql","text":"SELECT a FROM m","params":{"a":[]}}"#,
            "400",
            "no single value",
        ),
        (
            r#"{"language":"influxql","text":"SELECT a FROM m"}"#,
            "503",
            r#""code":"store-unavailable""#,
        ),
    ] {
        let request = format!(
            "POST /api/v1/query HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = ask(edge.address, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{body}: {answer}");
        assert!(answer.contains(told), "{body}: {answer}");
    }
}

/// Makes a vehicle present, with a session that returns its last line.
fn drive(edge: &Edge, vin: &str, line: &str) {
    edge.presence.enter(vin, SessionId { worker: 0, number: 0 }, UnixNanos(0));
    let facts = SessionFacts {
        client_id: "c".to_owned(),
        protocol: Protocol::V5,
        address: Some("127.0.0.1:9".parse().unwrap()),
        connected_at: UnixNanos(1_000_000_000),
        last_packet_at: UnixNanos(3_000_000_000),
        keep_alive_seconds: 60,
    };
    let lines = vec![line.as_bytes().to_vec()];
    let told = SessionAnswer { facts, last_seen: UnixNanos(2_000_000_000), lines };
    edge.sessions.told.lock().unwrap().insert(vin.to_owned(), told);
}

#[tokio::test]
async fn a_connected_vehicle_is_told_by_its_session_whatever_the_store() {
    let edge = edge(|_| {}).await;
    drive(&edge, "A/1", "telemetry,vin=A/1 soc=5i,mode=\"eco\" 4000000000\n");
    let vehicle = r#""connected":true,"last_seen":"1970-01-01T00:00:02Z""#;
    let rest = r#""sessions":[{"address":"127.0.0.1:9","client_id":"c","connected_at":"1970-01-01T00:00:01Z","keep_alive_seconds":60,"last_packet_at":"1970-01-01T00:00:03Z","protocol":"5.0"}],"vin":"A/1"}"#;
    check(
        &get(edge.address, "/api/v1/vehicles").await,
        "200",
        &format!(r#"{{"after":null,"vehicles":[{{{vehicle},{rest}]}}"#),
    );
    let values = r#""measurements":{"telemetry":{"fields":{"mode":"eco","soc":5.0},"source":"session","time":"1970-01-01T00:00:04Z"}}"#;
    check(
        &get(edge.address, "/api/v1/vehicles/A%2F1").await,
        "200",
        &format!("{{{vehicle},{values},{rest}"),
    );
    edge.sessions.is_silent.store(true, Ordering::Relaxed);
    let answer = get(edge.address, "/api/v1/vehicles").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains(r#""code":"edge-silent","details":{"waited_ms":7}"#), "{answer}");
}

#[tokio::test]
async fn joined_pages_of_vehicles_are_all_of_them() {
    let edge = edge(|_| {}).await;
    let names: Vec<String> = (0..7).map(|number| format!("V{number}")).collect();
    for name in &names {
        drive(&edge, name, "telemetry soc=1 1\n");
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/vehicles?limit=3&connected=true&prefix=V&after={after}");
        let answer = get(edge.address, &path).await;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let page: serde_json::Value = serde_json::from_str(body).unwrap();
        let page_of = page["vehicles"].as_array().unwrap();
        seen.extend(page_of.iter().map(|vehicle| vehicle["vin"].as_str().unwrap().to_owned()));
        match page["after"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
        assert_eq!(page_of.len(), 3);
    }
    assert_eq!(seen, names);
}

#[tokio::test]
async fn a_wrong_question_about_vehicles_says_what_is_wrong_with_it() {
    let edge = edge(|_| {}).await;
    for (path, status, told) in [
        ("/vehicles?limit=0", "400", "expected a number from 1 to 1000"),
        ("/vehicles?limit=1001", "400", r#""details":{"parameter":"limit"}"#),
        ("/vehicles?conected=true", "400", "did you mean `connected`?"),
        ("/vehicles?connected=maybe", "400", "expected true or false"),
        ("/vehicles?after=%25", "400", r#""code":"after-invalid""#),
        ("/vehicles/A?from=yesterday", "400", r#""details":{"parameter":"from"}"#),
        // Only the store knows whether it is unknown, and the store is unavailable.
        ("/vehicles/A", "503", r#""code":"store-unavailable""#),
    ] {
        let answer = get(edge.address, &format!("/api/v1{path}")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        assert!(answer.contains(told), "{path}: {answer}");
    }
}

/// Deviations from the description: members that are not described, are missing, or have another
/// type.
fn mismatches(document: &Json, schema: &Json, value: &Json, at: &str, wrong: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document.pointer(reference.trim_start_matches('#')).unwrap();
        return mismatches(document, schema, value, at, wrong);
    }
    let kind = match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(number) if number.is_f64() => "number",
        Json::Number(_) => "integer",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    let is_kind = |wanted: &Json| wanted == kind || (kind == "integer" && wanted == "number");
    let is_typed = match &schema["type"] {
        Json::Array(kinds) => kinds.iter().any(is_kind),
        wanted => is_kind(wanted),
    };
    let words = schema["oneOf"].as_array().map(|words| words.iter().map(|it| &it["const"]));
    let is_word = words.is_none_or(|mut words| words.any(|word| word == value));
    let listed = schema["enum"].as_array();
    if !is_typed || !is_word || listed.is_some_and(|listed| !listed.contains(value)) {
        wrong.push(format!("{at}: {value} is not {schema}"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        mismatches(document, &schema["items"], item, &format!("{at}[{index}]"), wrong);
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let at = format!("{at}.{name}");
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Json::Null, Json::Null) if schema["properties"].is_null() => {}
            (Json::Null, Json::Null) => wrong.push(format!("{at} is not described")),
            (Json::Null, other) => mismatches(document, other, member, &at, wrong),
            (described, _) => mismatches(document, described, member, &at, wrong),
        }
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            wrong.push(format!("{at}: {name} is missing"));
        }
    }
}

#[tokio::test]
async fn answers_are_what_the_description_says() {
    let edge = edge(|_| {}).await;
    edge.health.cell("store", Critical::No).set(Health::Waiting("away".to_owned()));
    drive(&edge, "A", "telemetry,vin=A soc=5.5,mode=\"eco\" 4000000000\n");
    // Rows are streamed, here in one chunk: its length surrounds them.
    let json = |answer: &str| -> Json {
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(&body[body.find('{').unwrap()..=body.rfind('}').unwrap()]).unwrap()
    };
    let document = json(&get(edge.address, "/openapi.json").await);
    let mut told = Vec::new();
    for (path, described) in [
        ("/healthz", "/healthz"),
        ("/readyz", "/readyz"),
        ("/api/v1/stats", "/api/v1/stats"),
        ("/api/v1/vehicles", "/api/v1/vehicles"),
        ("/api/v1/vehicles/A", "/api/v1/vehicles/{vin}"),
        // The store is unavailable.
        ("/api/v1/vehicles/B", "/api/v1/vehicles/{vin}"),
        ("/api/v1/telemetry/telemetri", "/api/v1/telemetry/{measurement}"),
        ("/api/v1/dead-letters", "/api/v1/dead-letters"),
        ("/api/v1/dead-letters?limit=1", "/api/v1/dead-letters"),
        ("/api/v1/dead-letters?cause=none", "/api/v1/dead-letters"),
        ("/api/v1/dead-letters/1-0", "/api/v1/dead-letters/{id}"),
        ("/api/v1/dead-letters/9-9", "/api/v1/dead-letters/{id}"),
        ("/api/v1/sessions", "/api/v1/sessions"),
        ("/api/v1/sessions?limit=2&connected=true", "/api/v1/sessions"),
        ("/api/v1/sessions/one", "/api/v1/sessions/{client-id}"),
        ("/api/v1/sessions/twice", "/api/v1/sessions/{client-id}"),
        ("/api/v1/sessions/nobody", "/api/v1/sessions/{client-id}"),
        // Without any window the store is not queried.
        ("/api/v1/telemetry/telemetry?from=1&to=1&epoch=ns", "/api/v1/telemetry/{measurement}"),
    ] {
        let answer = get(edge.address, path).await;
        let status = answer.split(' ').nth(1).unwrap();
        let responses = &document["paths"][described]["get"]["responses"];
        let range = format!("{}XX", &status[..1]);
        let response = responses.get(status).unwrap_or(&responses[range.as_str()]);
        let response = match response["$ref"].as_str() {
            Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
            None => response,
        };
        let schema = &response["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{path}: no schema for {status}");
        mismatches(&document, schema, &json(&answer), path, &mut told);
    }
    assert_eq!(told, Vec::<String>::new());
    // The check itself must find errors.
    let wrong = serde_json::json!({"error": {"code": "no-such-code", "message": 1, "more": null}});
    let schema = serde_json::json!({"$ref": "#/components/schemas/Error"});
    mismatches(&document, &schema, &wrong, "", &mut told);
    assert_eq!(told.len(), 4, "{told:#?}");
}

#[tokio::test]
async fn each_path_takes_the_methods_that_are_described_and_no_other() {
    let edge = edge(|_| {}).await;
    let answer = get(edge.address, "/openapi.json").await;
    let document: Json = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    for (path, described) in document["paths"].as_object().unwrap() {
        for method in ["get", "put", "post", "delete", "patch"] {
            let line = format!("{} {path}", method.to_uppercase()).replace(['{', '}'], "");
            let request = format!(
                "{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            );
            let answer = ask(edge.address, &request).await;
            let is_taken = !answer.starts_with("HTTP/1.1 405 ");
            assert_eq!(is_taken, described.get(method).is_some(), "{line}: {answer}");
        }
    }
}
