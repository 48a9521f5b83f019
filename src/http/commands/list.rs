//! `GET /api/v1/commands` and `GET|DELETE /api/v1/commands/{id}`.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

use super::{CommandError, send::who};
use crate::{
    auth::Caller,
    downlink::{Cancelling, CommandFilter, Record, Refused, State as CommandState},
    http::{
        ApiError, HttpState,
        guard::vehicles_of,
        parameters::{Parameters, invalid},
    },
    model::CommandId,
    query::{QueryError, QuestionError},
};

pub(in crate::http) const KNOWN_OF_LIST: &[&str] =
    &["vehicle", "state", "name", "push", "limit", "after"];

/// Commands of a page by default.
pub(in crate::http) const LIMIT: usize = 100;
/// Commands of a page, at most.
pub(in crate::http) const LIMIT_MAX: usize = 1000;

pub(in crate::http) async fn list(
    State(state): State<HttpState>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    let mut parameters = Parameters::read(&uri, KNOWN_OF_LIST)?;
    let push = parameters.one("push")?;
    let push = push.map(|text| super::super::pushes::id(&text)).transpose()?;
    page_of(&state, &caller, parameters, push).await
}

/// A page of commands; of one push, if it is named.
pub(in crate::http) async fn page_of(
    state: &HttpState,
    caller: &Caller,
    mut parameters: Parameters,
    push: Option<CommandId>,
) -> Result<Json<Value>, ApiError> {
    let states = parameters.all("state").into_iter().map(|name| {
        let wrong = || {
            let known: Vec<&str> = CommandState::ALL.iter().map(|it| it.as_str()).collect();
            invalid("state", format!("`state` is `{name}`; expected {}", known.join(", ")))
        };
        CommandState::of_name(&name).ok_or_else(wrong)
    });
    let filter = CommandFilter {
        states: states.collect::<Result<_, _>>()?,
        vehicles: vehicles_of(caller, parameters.all("vehicle"))?,
        names: parameters.all("name"),
        push,
    };
    let paging = Paging::read(&mut parameters)?;
    let page = state.downlink.page(filter, paging.after, paging.wanted()).await?;
    Ok(paging.answer("commands", &page, Record::json, |last| last.seq))
}

/// The requested part of a list that is ordered by a number: `limit` and `after`.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Paging {
    pub(in crate::http) after: Option<i64>,
    limit: usize,
}

impl Paging {
    pub(in crate::http) fn read(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let limit = limit(parameters, LIMIT_MAX)?.unwrap_or(LIMIT);
        let after = parameters.one("after")?.map(|after| from_after(&after)).transpose()?;
        Ok(Self { after, limit })
    }

    /// How many to fetch: one more than the page, which shows whether there are more.
    pub(in crate::http) fn wanted(self) -> usize {
        self.limit + 1
    }

    /// The page under its list's name; `found` may have one entry more than the page.
    pub(in crate::http) fn answer<T>(
        self,
        name: &str,
        found: &[T],
        json: impl Fn(&T) -> Value,
        number: impl Fn(&T) -> i64,
    ) -> Json<Value> {
        let page = &found[..found.len().min(self.limit)];
        let last = page.last().filter(|_| found.len() > self.limit);
        let after = last.map(|last| number(last).to_string());
        let page: Vec<Value> = page.iter().map(json).collect();
        Json(json!({ name: page, "after": after }))
    }
}

pub(super) fn limit(parameters: &mut Parameters, max: usize) -> Result<Option<usize>, ApiError> {
    let within = |text: &str| text.parse().ok().filter(|limit| (1..=max).contains(limit));
    parameters.parsed("limit", &format!("a number from 1 to {max}"), within)
}

pub(super) fn from_after(after: &str) -> Result<i64, ApiError> {
    let read = after.parse().ok().filter(|number: &i64| *number >= 0);
    read.ok_or_else(|| QueryError::Question(QuestionError::AfterInvalid).into())
}

fn id(id: Result<Path<String>, PathRejection>) -> Result<CommandId, ApiError> {
    let Path(text) = id.map_err(|error| invalid("id", error.body_text()))?;
    text.parse().map_err(|_no_id| ApiError::Command(CommandError::Unknown { id: text }))
}

pub(in crate::http) async fn one(
    State(state): State<HttpState>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    Parameters::read(&uri, &[])?;
    let id = id(path)?;
    Ok(Json(its_own(&state, &caller, id).await?.json()))
}

/// A command of a vehicle that the caller may address.
async fn its_own(state: &HttpState, caller: &Caller, id: CommandId) -> Result<Record, ApiError> {
    let found = state.downlink.command(id).await?.ok_or(Refused::Unknown(id))?;
    vehicles_of(caller, vec![found.request.vehicle.to_string()])?;
    Ok(found)
}

pub(in crate::http) async fn cancel(
    State(state): State<HttpState>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, ApiError> {
    Parameters::read(&uri, &[])?;
    let id = id(path)?;
    its_own(&state, &caller, id).await?;
    let status = match state.downlink.cancel(id, who(&caller)).await? {
        Cancelling::Cancelled => StatusCode::OK,
        Cancelling::Requested => StatusCode::ACCEPTED,
    };
    let found = state.downlink.command(id).await?.ok_or(Refused::Unknown(id))?;
    Ok((status, Json(found.json())).into_response())
}
