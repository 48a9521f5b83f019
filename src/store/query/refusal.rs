//! The meaning of an answer that is not 200.
//!
//! A query counts as refused only if the message is the store's own. An answer of a gateway, a
//! proxy or another port says nothing about the query; then the caller gets an error that the store
//! cannot be queried.

use reqwest::Response;
use serde_json::Value as Json;

use crate::store::{
    Answer, Kind,
    query::{
        packed::{self, Packed},
        tdengine,
        terms::StoreQueryError,
    },
};

/// The codes with which InfluxDB 2 refuses a query.
const INFLUXDB2_CODES: &[&str] = &["invalid", "unprocessable entity"];

/// The beginnings of InfluxDB 3's plain-text messages about a query.
const INFLUXDB3_BEGINNINGS: &[&str] = &[
    "query error",
    "error while planning",
    "error in",
    "datafusion",
    "sql error",
    "schema error",
    "arrow error",
    "parser error",
    "error during planning",
];

/// The header of all answers of InfluxDB 3.
const INFLUXDB3_HEADER: &str = "cluster-uuid";

/// Reads the needed part of the answer.
pub(super) async fn read(kind: Kind, mut response: Response) -> StoreQueryError {
    let mut answer = Answer { status: response.status().as_u16(), ..Answer::default() };
    let has_header = response.headers().contains_key(INFLUXDB3_HEADER);
    while let Ok(Some(piece)) = response.chunk().await {
        let room = Answer::BODY_BYTES_MAX - answer.body.len();
        answer.cut = piece.len() > room;
        answer.body.extend_from_slice(&piece[..piece.len().min(room)]);
        if answer.cut {
            break;
        }
    }
    refusal(kind, &answer, has_header)
}

/// `has_header`: whether it has InfluxDB 3's own header.
fn refusal(kind: Kind, answer: &Answer, has_header: bool) -> StoreQueryError {
    let fault = (kind == Kind::TdEngine).then(|| tdengine::refusal(&answer.body)).flatten();
    if let Some(error) = fault {
        return error;
    }
    let is_refusal = matches!(answer.status, 400 | 422);
    if let Some(message) = own_words(kind, answer, has_header).filter(|_| is_refusal) {
        return StoreQueryError::refused(message);
    }
    let reason = answer.summary();
    match answer.status {
        300..=399 | 400 | 401 | 403 | 404 | 405 | 422 => StoreQueryError::Halted { reason },
        _ => StoreQueryError::Unavailable { reason },
    }
}

/// The store's message about the query; `None` if the message is not the store's own.
fn own_words(kind: Kind, answer: &Answer, has_header: bool) -> Option<String> {
    match kind {
        Kind::InfluxDb1 => packed_error(&answer.body).or_else(|| only_error(answer)),
        Kind::InfluxDb2 => {
            let body = answer.error_body();
            let is_known = body.code.is_some_and(|code| INFLUXDB2_CODES.contains(&code.as_str()));
            body.message.filter(|_| is_known)
        }
        Kind::InfluxDb3 => only_error(answer).or_else(|| {
            let text = str::from_utf8(&answer.body).ok()?.trim();
            let lower = text.to_ascii_lowercase();
            let begins = INFLUXDB3_BEGINNINGS.iter().any(|words| lower.starts_with(words));
            let is_own = has_header || begins;
            (is_own && !text.is_empty() && !answer.is_page()).then(|| text.to_owned())
        }),
        // Its codes are read above; the embedded store is not queried over HTTP.
        Kind::TdEngine | Kind::Embedded => None,
    }
}

/// InfluxDB 1's error in the requested format.
fn packed_error(body: &[u8]) -> Option<String> {
    let (mut body, _) = packed::first(body).ok()?;
    body.take("error").and_then(Packed::into_text)
}

/// The error of a JSON object that holds nothing else, as InfluxDB 1 and 3 write it.
fn only_error(answer: &Answer) -> Option<String> {
    let Ok(Json::Object(members)) = serde_json::from_slice(&answer.body) else { return None };
    match members.get("error") {
        Some(Json::String(text)) if members.len() == 1 => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: Kind, status: u16, body: &str) -> StoreQueryError {
        let answer = Answer { status, body: body.as_bytes().to_vec(), ..Answer::default() };
        refusal(kind, &answer, false)
    }

    const HTTP_KINDS: [Kind; 4] =
        [Kind::InfluxDb1, Kind::InfluxDb2, Kind::InfluxDb3, Kind::TdEngine];

    #[test]
    fn a_query_is_refused_with_the_message_of_its_store() {
        let cases = [
            (Kind::InfluxDb1, r#"{"error":"error parsing query: found FORM"}"#),
            (Kind::InfluxDb2, r#"{"code":"invalid","message":"undefined identifier x"}"#),
            (Kind::InfluxDb3, "Error during planning: table 'x' not found"),
            (Kind::InfluxDb3, r#"{"error":"query error: no such column"}"#),
            (Kind::TdEngine, r#"{"code":534,"desc":"syntax error near \"x\""}"#),
        ];
        for (kind, body) in cases {
            let read = read(kind, 400, body);
            assert!(matches!(read, StoreQueryError::Refused { .. }), "{kind:?} {body}: {read:?}");
        }
        let answer = Answer { status: 400, body: b"anything".to_vec(), ..Answer::default() };
        assert!(matches!(refusal(Kind::InfluxDb3, &answer, true), StoreQueryError::Refused { .. }));
    }

    /// As the case o01-answers-that-are-not-the-stores, for queries.
    #[test]
    fn a_proxy_or_gateway_before_the_store_refuses_no_query() {
        let bodies = [
            r#"{"message":"no Route matched with those values"}"#,
            r#"{"error":"Bad Request","status":400,"path":"/query"}"#,
            r#"{"code":400,"message":"invalid"}"#,
            r#"{"code":"bad_request","message":"limit"}"#,
            r#"{"error":{"code":"invalid"}}"#,
            "Client sent an HTTP request to an HTTPS server.",
            "<html><h1>400 Bad Request</h1></html>",
            "Bad Request",
            "",
        ];
        for kind in HTTP_KINDS {
            for body in bodies {
                for status in [400, 422] {
                    let read = read(kind, status, body);
                    let is_reported = matches!(&read, StoreQueryError::Halted { reason }
                        if reason.starts_with(&format!("HTTP {status}")));
                    assert!(is_reported, "{kind:?} {body}: {read:?}");
                }
            }
        }
        let tls = read(Kind::InfluxDb2, 400, bodies[5]);
        assert!(tls.to_string().contains("write https:// in store.urls"), "{tls}");
        assert!(matches!(read(Kind::InfluxDb1, 502, "x"), StoreQueryError::Unavailable { .. }));
    }
}
