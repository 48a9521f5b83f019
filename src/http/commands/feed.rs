//! `GET /api/v1/commands/events` and `GET /api/v1/audit`.

use std::{io, time::Duration};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Uri, header},
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::list::{LIMIT, Paging, from_after, limit};
use crate::{
    downlink::{AuditEntry, Downlink, FeedEntry},
    http::{ApiError, HttpState, parameters::Parameters},
};

pub(in crate::http) const KNOWN_OF_FEED: &[&str] = &["after", "limit"];
pub(in crate::http) const KNOWN_OF_AUDIT: &[&str] = &["after", "limit"];

/// The maximum of changes of a page, and of one read of a stream.
pub(in crate::http) const FEED_MAX: usize = 1000;
/// The interval of keep-alives on a stream without changes.
const ALIVE: Duration = Duration::from_secs(15);

pub(in crate::http) async fn feed(
    State(state): State<HttpState>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let mut parameters = Parameters::read(&uri, KNOWN_OF_FEED)?;
    let changes = state.downlink.changes();
    let last = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let is_stream = last(header::ACCEPT).is_some_and(|accept| accept.contains("text/event-stream"));
    let resumed = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let after = parameters.one("after")?.or_else(|| resumed.map(str::to_owned));
    let after = match after.as_deref() {
        None => 0,
        Some("now") => *changes.borrow(),
        Some(after) => from_after(after)?,
    };
    let limit = limit(&mut parameters, FEED_MAX)?;
    if is_stream {
        return Ok(stream_from(Downlink::clone(&state.downlink), changes, after));
    }
    let page = state.downlink.feed(after, limit.unwrap_or(LIMIT)).await?;
    let after = page.last().map_or(after, |last| last.change.number);
    let events: Vec<Value> = page.iter().map(FeedEntry::json).collect();
    Ok(Json(json!({ "events": events, "after": after.to_string() })).into_response())
}

/// Endless server-sent events.
fn stream_from(downlink: Downlink, changes: watch::Receiver<i64>, after: i64) -> Response {
    let body =
        stream::unfold((downlink, changes, after), |(downlink, mut changes, after)| async move {
            loop {
                changes.borrow_and_update();
                let page = match downlink.feed(after, FEED_MAX).await {
                    Ok(page) => page,
                    Err(error) => {
                        // HT-2
                        tracing::warn!(%error, "a stream of changes is cut off");
                        let error = io::Error::other(error);
                        return Some((Err(error), (downlink, changes, after)));
                    }
                };
                if let Some(last) = page.last().map(|last| last.change.number) {
                    let text: String = page.iter().map(told).collect();
                    return Some((Ok(Bytes::from(text)), (downlink, changes, last)));
                }
                match tokio::time::timeout(ALIVE, changes.changed()).await {
                    Ok(Ok(())) => {}
                    // The appliance is stopping.
                    Ok(Err(_)) => return None,
                    Err(_) => {
                        let alive = Bytes::from_static(b": alive\n\n");
                        return Some((Ok(alive), (downlink, changes, after)));
                    }
                }
            }
        });
    let kind = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (kind, Body::from_stream(body)).into_response()
}

fn told(entry: &FeedEntry) -> String {
    format!("id: {}\ndata: {}\n\n", entry.change.number, entry.json())
}

pub(in crate::http) async fn audit(
    State(state): State<HttpState>,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    let mut parameters = Parameters::read(&uri, KNOWN_OF_AUDIT)?;
    let paging = Paging::read(&mut parameters)?;
    let page = state.downlink.audit(paging.after.unwrap_or(0), paging.wanted()).await?;
    Ok(paging.answer("audit", &page, AuditEntry::json, |last| last.number))
}
