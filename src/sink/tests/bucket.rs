//! An InfluxDB 2 whose organisation and bucket are made before the first write.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use super::fake_store::{FakeStore, Play, Request};
use crate::{
    env::{Supervisor, SystemClock},
    model::{Secret, ShardId},
    store::{self, InfluxDb2, ServerReport, Store, Target, Verdict},
    telemetry::{HealthBoard, Metrics},
};

/// A server without anything, as far as these questions go.
#[derive(Default)]
struct Server {
    has_org: AtomicBool,
    has_bucket: AtomicBool,
    asked: Mutex<Vec<String>>,
}

impl Server {
    fn play(&self, request: &Request) -> Play {
        let method = request.head.split(' ').next().expect("a method").to_owned();
        let path = request.target.split('?').next().expect("a path");
        self.asked.lock().expect("no test panics here").push(format!("{method} {path}"));
        assert!(request.head.contains("authorization: token hush"), "{}", request.head);
        match (method.as_str(), path) {
            ("get", "/health") => {
                Play::Answer(200, "", r#"{"name":"influxdb","status":"pass","checks":[]}"#)
            }
            ("get", "/api/v2/orgs") if self.has_org.load(Ordering::SeqCst) => {
                Play::Answer(200, "", r#"{"orgs":[{"id":"0f","name":"fleet"}]}"#)
            }
            ("get", "/api/v2/orgs") => Play::Answer(
                404,
                "",
                r#"{"code":"not found","message":"organization name \"fleet\" not found"}"#,
            ),
            ("post", "/api/v2/orgs") => {
                assert!(request.holds(r#""name":"fleet""#));
                self.has_org.store(true, Ordering::SeqCst);
                Play::Answer(201, "", r#"{"id":"0f","name":"fleet"}"#)
            }
            ("get", "/api/v2/buckets") if self.has_bucket.load(Ordering::SeqCst) => Play::Answer(
                200,
                "",
                r#"{"buckets":[{"id":"0b","name":"b","retentionRules":[{"type":"expire","everySeconds":3600}]}]}"#,
            ),
            ("get", "/api/v2/buckets") => Play::Answer(200, "", r#"{"buckets":[]}"#),
            ("post", "/api/v2/buckets") => {
                assert!(request.holds(r#""orgID":"0f""#) && request.holds(r#""name":"b""#));
                self.has_bucket.store(true, Ordering::SeqCst);
                Play::Answer(201, "", r#"{"id":"0b","name":"b","retentionRules":[]}"#)
            }
            (_, "/api/v2/write") if self.has_bucket.load(Ordering::SeqCst) => Play::Store,
            _ => {
                Play::Answer(404, "", r#"{"code":"not found","message":"bucket \"b\" not found"}"#)
            }
        }
    }
}

async fn store(server: &Arc<Server>, create: bool) -> Store {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let served = Arc::clone(server);
    let fake = FakeStore::start(move |request| served.play(request)).await;
    let target = Target::InfluxDb2(InfluxDb2 {
        org: "fleet".to_owned(),
        bucket: "b".to_owned(),
        token: Some(Secret::new("hush")),
        create,
    });
    let options = store::Options::new(target, vec![format!("http://{}", fake.address)]);
    let metrics = Arc::new(Metrics::new(HealthBoard::default()));
    Store::new(&options, Arc::new(SystemClock::start()), metrics, &Supervisor::default())
        .expect("a store that can be asked")
}

#[tokio::test]
async fn organisation_and_bucket_are_made_once_and_again_when_they_are_gone() {
    let server = Arc::new(Server::default());
    let store = store(&server, true).await;
    assert_eq!(store.ready(ShardId(0)).await, Ok(()));
    assert_eq!(store.write_empty(0).await, Verdict::Accepted);
    let asked = server.asked.lock().expect("no test panics here").clone();
    let expect = [
        "get /api/v2/orgs",
        "post /api/v2/orgs",
        "get /api/v2/orgs",
        "get /api/v2/buckets",
        "post /api/v2/buckets",
        "post /api/v2/write",
    ];
    assert_eq!(asked, expect);
    let kept = Some(std::time::Duration::from_hours(1));
    assert_eq!(store.look(0).await, Ok(Some(ServerReport { fault: None, retention: kept })));

    server.has_bucket.store(false, Ordering::SeqCst);
    assert!(matches!(store.write_empty(0).await, Verdict::Halted { .. }));
    assert_eq!(store.write_empty(0).await, Verdict::Accepted);
}

#[tokio::test]
async fn nothing_is_made_where_that_was_not_asked_for() {
    let server = Arc::new(Server::default());
    let store = store(&server, false).await;
    assert!(matches!(store.write_empty(0).await, Verdict::Halted { .. }));
    assert!(!server.has_org.load(Ordering::SeqCst));
}
