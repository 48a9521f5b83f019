//! `/api/v1/sessions`: lists the MQTT sessions in pages, shows one, ends one.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::Uri,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    http::{
        ApiError, HttpState,
        parameters::{Parameters, invalid},
    },
    model::{Protocol, SessionFilter, SessionMark, SessionView, SubscriptionView},
    query::{QueryError, QuestionError},
};

pub(super) const KNOWN_OF_LIST: &[&str] =
    &["vehicle", "client", "user", "connected", "backlog", "drops", "search", "limit", "after"];
pub(super) const KNOWN_OF_ONE: &[&str] = &["user"];

/// Sessions of a page by default.
pub(super) const LIMIT: usize = 100;
/// Sessions of a page, at most: each asks the kernel for an address.
pub(super) const LIMIT_MAX: usize = 1000;
/// Sessions of one client identifier that are searched for: two show that it is ambiguous.
const SAME_ID_MAX: usize = 8;

pub(super) async fn list(
    State(state): State<HttpState>,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    let mut parameters = Parameters::read(&uri, KNOWN_OF_LIST)?;
    let filter = SessionFilter {
        client: parameters.one("client")?,
        user: user(&mut parameters)?,
        vehicle: parameters.one("vehicle")?,
        connected: parameters.parsed("connected", "true or false", |text| text.parse().ok())?,
        backlog_min: least(&mut parameters, "backlog")?,
        dropped_min: least(&mut parameters, "drops")?,
        search: parameters.one("search")?.map(|text| text.to_ascii_lowercase()),
    };
    let within = |text: &str| text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    let limit = parameters.parsed("limit", &format!("a number from 1 to {LIMIT_MAX}"), within)?;
    let after = parameters.one("after")?;
    let after = after.map(|after| from_after(&after).ok_or(QuestionError::AfterInvalid));
    let after = after.transpose().map_err(QueryError::Question)?;
    let page = state.board.page(filter, after, limit.unwrap_or(LIMIT)).await;
    let page = page.map_err(ApiError::EdgeTimeout)?;
    let after = page.sessions.last().filter(|_| page.is_more).map(|last| to_after(&last.mark));
    let sessions: Vec<Value> = page.sessions.iter().map(session).collect();
    Ok(Json(json!({ "sessions": sessions, "after": after })))
}

pub(super) async fn one(
    State(state): State<HttpState>,
    id: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    let (found, _) = find(&state, id, &uri).await?;
    let mut json = session(&found);
    json["filters"] = found.filters.iter().map(filter).collect();
    Ok(Json(json))
}

pub(super) async fn end(
    State(state): State<HttpState>,
    id: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    let (found, client_id) = find(&state, id, &uri).await?;
    let user = found.mark.user.map(|user| user.to_string());
    let filter = SessionFilter {
        client: Some(client_id.clone()),
        user: Some(user),
        ..SessionFilter::default()
    };
    match state.board.end(filter, 1).await.map_err(ApiError::EdgeTimeout)? {
        0 => Err(ApiError::SessionUnknown { client_id }),
        count => Ok(Json(json!({ "count": count }))),
    }
}

/// The one session of a client identifier.
async fn find(
    state: &HttpState,
    id: Result<Path<String>, PathRejection>,
    uri: &Uri,
) -> Result<(SessionView, String), ApiError> {
    let mut parameters = Parameters::read(uri, KNOWN_OF_ONE)?;
    let Path(client_id) = id.map_err(|error| invalid("client-id", error.body_text()))?;
    let user = user(&mut parameters)?;
    let filter =
        SessionFilter { client: Some(client_id.clone()), user, ..SessionFilter::default() };
    let mut found = state.board.show(filter, SAME_ID_MAX).await.map_err(ApiError::EdgeTimeout)?;
    match (found.pop(), found.len()) {
        (Some(one), 0) => Ok((one, client_id)),
        (None, _) => Err(ApiError::SessionUnknown { client_id }),
        (Some(last), _) => {
            found.push(last);
            let user = |view: SessionView| view.mark.user.map(|user| user.to_string());
            Err(ApiError::SessionAmbiguous {
                client_id,
                users: found.into_iter().map(user).collect(),
            })
        }
    }
}

/// Empty: of nobody who was verified.
fn user(parameters: &mut Parameters) -> Result<Option<Option<String>>, ApiError> {
    let mut users = parameters.all("user");
    if users.len() > 1 {
        return Err(invalid("user", "`user` is given twice".to_owned()));
    }
    Ok(users.pop().map(|user| Some(user).filter(|user| !user.is_empty())))
}

/// At least so many; `true` is one.
fn least(parameters: &mut Parameters, name: &str) -> Result<u64, ApiError> {
    let read = |text: &str| match text {
        "true" => Some(1),
        "false" => Some(0),
        number => number.parse().ok(),
    };
    Ok(parameters.parsed(name, "a number, or true for at least one", read)?.unwrap_or(0))
}

fn session(view: &SessionView) -> Value {
    let connection = view.connection.as_ref();
    json!({
        "client_id": &*view.mark.client_id,
        "user": view.mark.user.as_deref(),
        "vehicle": view.vehicle.as_deref(),
        "vehicles": view.vehicles.iter().map(|vehicle| &**vehicle).collect::<Vec<_>>(),
        "protocol": view.protocol.map(Protocol::as_str),
        "connected": connection.is_some(),
        "address": connection.and_then(|it| it.address).map(|address| address.to_string()),
        "connected_at": connection.map(|it| it.connected_at.to_string()),
        "last_packet_at": connection.map(|it| it.last_packet_at.to_string()),
        "keep_alive_seconds": connection.map(|it| it.keep_alive_seconds),
        "paused": connection.is_some_and(|it| it.is_paused),
        "away_since": view.away_since.map(|at| at.to_string()),
        "expiry_seconds": view.expiry_seconds,
        "subscriptions": view.subscriptions,
        "queued": view.queued,
        "queued_bytes": view.queued_bytes,
        "in_flight": view.in_flight,
        "unacknowledged": view.unacknowledged,
        "dropped": view.dropped,
    })
}

fn filter(view: &SubscriptionView) -> Value {
    json!({
        "filter": view.filter,
        "qos": view.qos,
        "no_local": view.no_local,
        "retain_as_published": view.retain_as_published,
        "id": view.id,
    })
}

/// The form for clients: opaque and safe in a URL. MQTT texts contain no NUL.
fn to_after(mark: &SessionMark) -> String {
    let user = mark.user.as_ref().map(|user| format!("\0{user}")).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(format!("{}{user}", mark.client_id))
}

fn from_after(after: &str) -> Option<SessionMark> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(after).ok()?).ok()?;
    Some(match text.split_once('\0') {
        Some((id, user)) => SessionMark { client_id: id.into(), user: Some(user.into()) },
        None => SessionMark { client_id: Arc::from(text), user: None },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_again() {
        for (client_id, user) in [("", None), ("v-1", None), ("v/ü", Some("anna")), ("v", Some(""))]
        {
            let mark = SessionMark { client_id: client_id.into(), user: user.map(Arc::from) };
            assert_eq!(from_after(&to_after(&mark)), Some(mark));
        }
        assert_eq!(from_after("?"), None);
    }
}
