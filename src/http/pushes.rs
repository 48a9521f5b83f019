//! `/api/v1/pushes` and related paths.
//!
//! A token that is limited to vehicles can only use portable queries; rows of other vehicles are
//! left out (`not-allowed`), and it only sees its own pushes.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{
        FromRequestParts, Path, State,
        rejection::{BytesRejection, PathRejection},
    },
    http::{StatusCode, Uri, request::Parts},
    response::{IntoResponse as _, Response},
};
use serde_json::Value;

use crate::{
    auth::{Caller, Role},
    downlink::{PushMade, PushRecord, PushRequest, Refused, RunRecord, Sender},
    http::{
        ApiError, CommandError, HttpState, Refused as NotLetIn,
        commands::{self, Paging, who},
        parameters::{Parameters, invalid, json_object},
    },
    model::CommandId,
};

pub(super) const KNOWN_OF_LIST: &[&str] = &["limit", "after"];
/// The filters of commands, except that of the push.
pub(super) const KNOWN_OF_COMMANDS: &[&str] = &["vehicle", "state", "name", "limit", "after"];

type PushPath = Result<Path<String>, PathRejection>;

pub(super) async fn send(
    State(state): State<HttpState>,
    caller: Caller,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    Parameters::read(&uri, &[])?;
    let members = json_object(&body.map_err(ApiError::body_unread)?)?;
    let request: PushRequest = serde_json::from_value(Value::Object(members)).map_err(|error| {
        let message = error.to_string();
        // `unknown field `x`, expected …`: the message contains the member's name.
        let member = message.split('`').nth(1).unwrap_or("body").to_owned();
        invalid(&member, message)
    })?;
    if request.query.get("language").is_some() {
        if caller.role() < Role::Admin {
            return Err(ApiError::Refused(NotLetIn::Role { role: Role::Admin }));
        }
        if caller.vehicles().is_some() {
            return Err(ApiError::Refused(NotLetIn::Fleet));
        }
    }
    let sender = Sender { who: who(&caller), vehicles: caller.vehicles().cloned() };
    if request.dry_run {
        return Ok(Json(state.downlink.try_push(&request, &sender).await?).into_response());
    }
    let PushMade { record, is_repeat } = state.downlink.push(request, sender).await?;
    let status = if is_repeat { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(record.json())).into_response())
}

pub(super) async fn list(
    State(state): State<HttpState>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    let mut parameters = Parameters::read(&uri, KNOWN_OF_LIST)?;
    let paging = Paging::read(&mut parameters)?;
    let own = caller.vehicles().map(|_| who(&caller).to_string());
    let page = state.downlink.push_page(own, paging.after, paging.wanted()).await?;
    Ok(paging.answer("pushes", &page, PushRecord::json, PushRecord::seq))
}

/// Parses the id of a push.
pub(super) fn id(text: &str) -> Result<CommandId, ApiError> {
    let unknown = |_| ApiError::Command(CommandError::PushUnknown { id: text.to_owned() });
    text.parse().map_err(unknown)
}

/// A push that the caller may see.
async fn its_own(
    state: &HttpState,
    caller: &Caller,
    path: PushPath,
) -> Result<(CommandId, PushRecord), ApiError> {
    let Path(text) = path.map_err(|error| invalid("id", error.body_text()))?;
    let id = id(&text)?;
    let found = state.downlink.push_record(id).await?;
    let is_its = |push: &PushRecord| caller.vehicles().is_none() || push.who() == &*who(caller);
    found.filter(is_its).map(|push| (id, push)).ok_or_else(|| Refused::PushUnknown(id).into())
}

/// A push from a path without parameters, which the caller may see.
pub(super) struct Found {
    id: CommandId,
    record: PushRecord,
    who: Arc<str>,
}

impl FromRequestParts<HttpState> for Found {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, ApiError> {
        Parameters::read(&parts.uri, &[])?;
        let caller = Caller::from_request_parts(parts, state).await?;
        let path = Path::from_request_parts(parts, state).await;
        let (id, record) = its_own(state, &caller, path).await?;
        Ok(Self { id, record, who: who(&caller) })
    }
}

pub(super) async fn one(push: Found) -> Json<Value> {
    Json(push.record.json())
}

pub(super) async fn forget(
    State(state): State<HttpState>,
    push: Found,
) -> Result<Json<Value>, ApiError> {
    state.downlink.forget_push(push.id, push.who).await?;
    Ok(Json(push.record.json()))
}

pub(super) async fn pause(
    State(state): State<HttpState>,
    push: Found,
) -> Result<Json<Value>, ApiError> {
    state.downlink.pause_push(push.id, push.who).await?;
    told(&state, push.id).await
}

pub(super) async fn resume(
    State(state): State<HttpState>,
    push: Found,
) -> Result<Json<Value>, ApiError> {
    state.downlink.resume_push(push.id, push.who).await?;
    told(&state, push.id).await
}

pub(super) async fn abort(
    State(state): State<HttpState>,
    push: Found,
) -> Result<Json<Value>, ApiError> {
    state.downlink.abort_push(push.id, push.who).await?;
    told(&state, push.id).await
}

async fn told(state: &HttpState, id: CommandId) -> Result<Json<Value>, ApiError> {
    let record = state.downlink.push_record(id).await?.ok_or(Refused::PushUnknown(id))?;
    Ok(Json(record.json()))
}

pub(super) async fn its_commands(
    State(state): State<HttpState>,
    caller: Caller,
    path: PushPath,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    let parameters = Parameters::read(&uri, KNOWN_OF_COMMANDS)?;
    let (id, _) = its_own(&state, &caller, path).await?;
    commands::page_of(&state, &caller, parameters, Some(id)).await
}

pub(super) async fn runs(
    State(state): State<HttpState>,
    caller: Caller,
    path: PushPath,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    let mut parameters = Parameters::read(&uri, KNOWN_OF_LIST)?;
    let paging = Paging::read(&mut parameters)?;
    let (_, push) = its_own(&state, &caller, path).await?;
    let page = state.downlink.run_page(push.seq(), paging.after, paging.wanted()).await?;
    Ok(paging.answer("runs", &page, RunRecord::json, RunRecord::seq))
}
