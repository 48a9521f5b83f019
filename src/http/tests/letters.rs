//! `/api/v1/dead-letters` with a keeper that holds two letters.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use serde_json::Value as Json;

use super::edge::{ask, edge, get};
use crate::model::{
    DeadLetters, LetterFilter, LetterId, LetterMark, LetterPage, LetterReplay, LettersAnswer,
    LettersError, Replayed,
};

const LETTERS: [(&str, &str); 2] = [
    (
        "1-0",
        r#"{"id":"1-0","time":"2026-01-01T00:00:00Z","vehicle":"A","topic":"v/A","mapping":"m","cause":"payload-truncated","detail":"d","payload":"AA==","content_type":"a/b","line":null,"answer":null}"#,
    ),
    (
        "p1-0",
        r#"{"id":"p1-0","time":"2026-01-01T00:00:01Z","vehicle":null,"topic":null,"mapping":null,"cause":"store-refused","detail":"d","payload":null,"line":"m x=1 1","answer":"no"}"#,
    ),
];

/// Holds two letters and remembers the requests.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    removed: AtomicU64,
    asked: Mutex<Vec<LetterFilter>>,
}

impl DeadLetters for Keeper {
    fn page(
        &self,
        filter: LetterFilter,
        after: LetterMark,
        limit: usize,
    ) -> LettersAnswer<'_, LetterPage> {
        let skip = usize::from(after.message.is_some());
        let meant =
            LETTERS.iter().skip(skip).filter(|(id, _)| filter.matches_id(id.parse().unwrap()));
        let letters: Vec<String> = meant.map(|(_, json)| (*json).to_owned()).take(limit).collect();
        let mut mark = after;
        mark.pass(LETTERS[0].0.parse().unwrap());
        let is_more = skip == 0 && letters.len() == 1;
        let page = LetterPage { letters, after: is_more.then_some(mark) };
        Box::pin(std::future::ready(Ok(page)))
    }

    fn find(&self, id: LetterId) -> LettersAnswer<'_, Option<String>> {
        let found = LETTERS.iter().find(|(known, _)| *known == id.to_string());
        Box::pin(std::future::ready(Ok(found.map(|(_, json)| (*json).to_owned()))))
    }

    fn summary(&self, filter: LetterFilter, vehicles_max: usize) -> LettersAnswer<'_, String> {
        let text = format!(r#"{{"ids":{},"vehicles":{vehicles_max}}}"#, filter.ids.len());
        Box::pin(std::future::ready(Ok(text)))
    }

    fn remove(&self, filter: LetterFilter) -> LettersAnswer<'_, u64> {
        self.asked.lock().unwrap().push(filter);
        let count = self.removed.fetch_add(1, Ordering::Relaxed) + 2;
        let answer = if count < 4 { Ok(count) } else { Err(LettersError::Halted) };
        Box::pin(std::future::ready(answer))
    }
}

impl LetterReplay for Keeper {
    fn replay(
        &self,
        filter: LetterFilter,
        after: LetterMark,
        limit: usize,
    ) -> LettersAnswer<'_, Replayed> {
        let mut mark = after;
        mark.pass(LETTERS[0].0.parse().unwrap());
        let count = filter.ids.len() as u64 + filter.causes.len() as u64;
        let failed = u64::from(filter.is_all());
        let after = (limit == 1).then_some(mark);
        Box::pin(std::future::ready(Ok(Replayed { count, failed, after })))
    }
}

fn body(answer: &str) -> Json {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn letters_come_in_pages_and_one_by_one() {
    let edge = edge(|_| {}).await;
    let all = body(&get(edge.address, "/api/v1/dead-letters").await);
    assert_eq!(all["dead_letters"].as_array().unwrap().len(), 2);
    assert!(all["after"].is_null());
    let first = body(&get(edge.address, "/api/v1/dead-letters?limit=1").await);
    assert_eq!(first["dead_letters"][0]["id"], "1-0");
    let after = first["after"].as_str().unwrap();
    let path = format!("/api/v1/dead-letters?limit=1&after={after}");
    let second = body(&get(edge.address, &path).await);
    assert_eq!((&second["dead_letters"][0]["id"], &second["after"]), (&"p1-0".into(), &Json::Null));
    let one = body(&get(edge.address, "/api/v1/dead-letters/p1-0").await);
    assert_eq!(one, all["dead_letters"][1]);
    let summary = body(&get(edge.address, "/api/v1/dead-letters/summary?id=1-0&limit=3").await);
    assert_eq!(summary, serde_json::json!({ "ids": 1, "vehicles": 3 }));
    for (path, code) in [
        ("/api/v1/dead-letters/summary?limit=0", "parameter-invalid"),
        ("/api/v1/dead-letters/summary?after=what", "parameter-invalid"),
        ("/api/v1/dead-letters/2-0", "dead-letter-unknown"),
        ("/api/v1/dead-letters/what", "dead-letter-unknown"),
        ("/api/v1/dead-letters?vehicle=", "parameter-invalid"),
        ("/api/v1/dead-letters?cause=what", "parameter-invalid"),
        ("/api/v1/dead-letters?id=what", "parameter-invalid"),
        ("/api/v1/dead-letters?from=2&to=1", "parameter-invalid"),
        ("/api/v1/dead-letters?from=1774648800", "parameter-invalid"),
        ("/api/v1/dead-letters?to=1774648800000", "parameter-invalid"),
        ("/api/v1/dead-letters?since=1h", "parameter-invalid"),
        ("/api/v1/dead-letters?limit=0", "parameter-invalid"),
        ("/api/v1/dead-letters?after=what", "after-invalid"),
    ] {
        assert_eq!(body(&get(edge.address, path).await)["error"]["code"], code, "{path}");
    }
}

#[tokio::test]
async fn deleting_answers_how_many_and_wants_a_filter_or_all() {
    let edge = edge(|_| {}).await;
    let delete = async |query: &str| {
        let path = format!("/api/v1/dead-letters{query}");
        let request =
            format!("DELETE {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        body(&ask(edge.address, &request).await)
    };
    for refused in ["", "?vehicle=", "?all=false", "?all=true&vehicle=A", "?everything=true"] {
        assert_eq!(delete(refused).await["error"]["code"], "parameter-invalid", "{refused}");
    }
    assert_eq!(delete("?all=true").await, serde_json::json!({ "count": 2 }));
    let some = "?cause=store-refused&cause=panic&vehicle=A&mapping=m&from=0&to=1774648800000000000&id=1-0&id=p1-0";
    assert_eq!(delete(some).await, serde_json::json!({ "count": 3 }));
    assert_eq!(delete("?all=true").await["error"]["code"], "dead-letters-halted");
}

#[tokio::test]
async fn a_replay_wants_a_filter_or_all_and_says_where_to_go_on() {
    let edge = edge(|_| {}).await;
    let replay = async |text: &str| {
        let head = "POST /api/v1/dead-letters/replay HTTP/1.1\r\nhost: localhost\r\n\
                    content-type: application/json\r\nconnection: close\r\n";
        let request = format!("{head}content-length: {}\r\n\r\n{text}", text.len());
        body(&ask(edge.address, &request).await)
    };
    for refused in [
        "",
        "[]",
        "{}",
        r#"{"vehicle":""}"#,
        r#"{"vehicle":{}}"#,
        r#"{"all":false}"#,
        r#"{"all":true,"vehicle":"A"}"#,
        r#"{"cause":"what"}"#,
        r#"{"vehicles":"A"}"#,
        r#"{"all":true,"limit":0}"#,
    ] {
        assert_eq!(replay(refused).await["error"]["code"], "parameter-invalid", "{refused}");
    }
    let some = r#"{"cause":["store-refused","panic"],"id":"1-0","from":"-1h","mapping":null}"#;
    let answer = serde_json::json!({ "count": 3, "failed": 0, "after": null });
    assert_eq!(replay(some).await, answer);
    let first = replay(r#"{"all":true,"limit":1}"#).await;
    assert_eq!((&first["count"], &first["failed"]), (&0.into(), &1.into()));
    let after = first["after"].as_str().unwrap();
    let next = replay(&format!(r#"{{"all":true,"after":"{after}"}}"#)).await;
    assert!(next["after"].is_null(), "{next}");
}
