//! `/api/v1/sessions` with a board that holds four sessions.

use std::sync::Mutex;

use serde_json::Value as Json;

use super::edge::{ask, edge, get};
use crate::model::{
    AdminAnswer, ConnectionView, Protocol, SessionAdmin, SessionFilter, SessionMark, SessionPage,
    SessionView, SubscriptionView, UnixNanos,
};

/// Holds sessions, and executes requests; it knows no vehicles and does not support search.
#[derive(Debug)]
pub(super) struct Board(Mutex<Vec<SessionView>>);

impl Default for Board {
    fn default() -> Self {
        let all = [("away", None), ("one", None), ("twice", None), ("twice", Some("anna"))];
        Self(Mutex::new(all.map(|(id, user)| view(id, user)).to_vec()))
    }
}

fn view(client_id: &str, user: Option<&str>) -> SessionView {
    let is_away = client_id == "away";
    let filter = SubscriptionView {
        filter: "a/+".to_owned(),
        qos: 1,
        no_local: false,
        retain_as_published: true,
        id: Some(7),
    };
    SessionView {
        mark: SessionMark { client_id: client_id.into(), user: user.map(Into::into) },
        vehicle: Some("A".into()),
        vehicles: vec!["A".into(), "B".into()],
        protocol: Some(Protocol::V5),
        connection: (!is_away).then_some(ConnectionView {
            address: Some("10.0.0.1:2".parse().unwrap()),
            connected_at: UnixNanos(1_000_000_000),
            last_packet_at: UnixNanos(2_000_000_000),
            keep_alive_seconds: 60,
            is_paused: false,
        }),
        away_since: is_away.then_some(UnixNanos(3_000_000_000)),
        expiry_seconds: 3600,
        subscriptions: 1,
        filters: vec![filter],
        queued: if is_away { 5 } else { 0 },
        queued_bytes: 500,
        in_flight: 0,
        unacknowledged: 0,
        dropped: 2,
    }
}

impl Board {
    fn found(&self, filter: &SessionFilter) -> Vec<SessionView> {
        let mut found = self.0.lock().unwrap().clone();
        found.retain(|view| {
            let user = view.mark.user.as_deref();
            filter.client.as_ref().is_none_or(|id| **id == *view.mark.client_id)
                && filter.user.as_ref().is_none_or(|wanted| wanted.as_deref() == user)
                && filter.connected.is_none_or(|is| is == view.connection.is_some())
                && view.queued as u64 >= filter.backlog_min
                && view.dropped >= filter.dropped_min
        });
        found
    }
}

impl SessionAdmin for Board {
    fn page(
        &self,
        filter: SessionFilter,
        after: Option<SessionMark>,
        limit: usize,
    ) -> AdminAnswer<'_, SessionPage> {
        let mut sessions = self.found(&filter);
        sessions.retain(|view| after.as_ref().is_none_or(|after| view.mark > *after));
        let is_more = sessions.len() > limit;
        sessions.truncate(limit);
        Box::pin(std::future::ready(Ok(SessionPage { sessions, is_more })))
    }

    fn show(&self, filter: SessionFilter, limit: usize) -> AdminAnswer<'_, Vec<SessionView>> {
        let mut found = self.found(&filter);
        found.truncate(limit);
        Box::pin(std::future::ready(Ok(found)))
    }

    fn end(&self, filter: SessionFilter, limit: usize) -> AdminAnswer<'_, usize> {
        let ended = self.found(&filter);
        assert!(ended.len() <= limit);
        self.0.lock().unwrap().retain(|view| ended.iter().all(|it| it.mark != view.mark));
        Box::pin(std::future::ready(Ok(ended.len())))
    }
}

fn json(answer: &str) -> Json {
    serde_json::from_str(answer.split_once("\r\n\r\n").expect("a head and a body").1).unwrap()
}

#[tokio::test]
async fn pages_put_together_are_all_sessions_that_match() {
    let edge = edge(|_| {}).await;
    let ids = async |path: String| -> (Vec<String>, Option<String>) {
        let page = json(&get(edge.address, &path).await);
        let sessions = page["sessions"].as_array().expect("a page").iter();
        let ids = sessions.map(|it| it["client_id"].as_str().unwrap().to_owned()).collect();
        (ids, page["after"].as_str().map(ToOwned::to_owned))
    };
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let (page, next) = ids(format!("/api/v1/sessions?limit=1&after={after}")).await;
        all.extend(page);
        match next {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(all, ["away", "one", "twice", "twice"]);
    for (parameters, expect) in [
        ("connected=false", &["away"][..]),
        ("backlog=true", &["away"]),
        ("backlog=6", &[]),
        ("drops=3", &[]),
        ("user=anna", &["twice"]),
        ("user=&client=twice", &["twice"]),
        ("client=one&connected=true&drops=2", &["one"]),
    ] {
        let (found, _) = ids(format!("/api/v1/sessions?{parameters}")).await;
        assert_eq!(found, expect, "{parameters}");
    }
}

#[tokio::test]
async fn one_session_is_shown_and_ended_by_its_client_identifier() {
    let edge = edge(|_| {}).await;
    let session = json(&get(edge.address, "/api/v1/sessions/away").await);
    assert_eq!(session["away_since"], "1970-01-01T00:00:03Z");
    assert_eq!((&session["connected"], &session["address"]), (&Json::Bool(false), &Json::Null));
    assert_eq!(session["filters"][0]["filter"], "a/+");
    let end = async |path: &str| {
        let line = format!("DELETE /api/v1/sessions/{path} HTTP/1.1\r\nhost: localhost\r\n");
        ask(edge.address, &format!("{line}connection: close\r\n\r\n")).await
    };
    assert_eq!(json(&end("away").await), serde_json::json!({ "count": 1 }));
    assert_eq!(json(&end("away").await)["error"]["code"], "session-unknown");
    let told = end("twice").await;
    assert!(told.starts_with("HTTP/1.1 409"), "{told}");
    assert_eq!(json(&told)["error"]["details"]["users"], serde_json::json!([null, "anna"]));
    assert_eq!(json(&end("twice?user=anna").await)["count"], 1);
    assert_eq!(json(&end("twice?user=anna").await)["error"]["code"], "session-unknown");
    assert_eq!(json(&end("twice").await)["count"], 1, "only one is left");
}

#[tokio::test]
async fn a_wrong_question_about_sessions_says_what_is_wrong_with_it() {
    let edge = edge(|_| {}).await;
    for (path, says) in [
        ("?limit=0", "expected a number from 1 to 1000"),
        ("?backlog=many", "expected a number, or true for at least one"),
        ("?conected=true", "did you mean `connected`?"),
        ("?user=a&user=b", "`user` is given twice"),
        ("?after=%25", r#""code":"after-invalid""#),
        ("/one?limit=1", "unknown parameter `limit`"),
    ] {
        let answer = get(edge.address, &format!("/api/v1/sessions{path}")).await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains(says), "{path}: {answer}");
    }
}
