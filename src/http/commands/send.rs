//! `POST /api/v1/vehicles/{vin}/commands` and `POST /api/v1/commands`.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection, rejection::PathRejection},
    http::{StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use serde_json::{Map, Value, json};

use crate::{
    auth::Caller,
    downlink::{CommandRequest, Placed, Record, RequestError},
    http::{
        ApiError, HttpState, Refused,
        guard::vehicles_of,
        parameters::{Parameters, invalid, json_object},
    },
    model::parse_duration,
};

pub(in crate::http) const KNOWN_OF_SEND: &[&str] = &["wait"];

/// The maximum time for which an answer waits for the command's end.
pub(in crate::http) const WAIT_MAX: Duration = Duration::from_secs(25);
/// The maximum of vehicles of one request.
pub(in crate::http) const VEHICLES_MAX: usize = 100_000;
/// Commands that are made durable together; more would delay the commands of other requests.
const TOGETHER: usize = 1000;

pub(in crate::http) async fn send(
    State(state): State<HttpState>,
    caller: Caller,
    vin: Result<Path<String>, PathRejection>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let Path(vin) = vin.map_err(|error| invalid("vin", error.body_text()))?;
    let mut parameters = Parameters::read(&uri, KNOWN_OF_SEND)?;
    let within = |text: &str| parse_duration(text).filter(|wait| *wait <= WAIT_MAX);
    let wait = parameters.parsed("wait", "a duration of at most 25s", within)?;
    let vin = vehicles_of(&caller, vec![vin])?.swap_remove(0);
    let ask = ask(json_object(&body.map_err(ApiError::body_unread)?)?, &caller)?;
    let request = state.downlink.prepare(&ask, &vin, &who(&caller))?;
    let id = request.id;
    let placed = state.downlink.create(vec![Arc::new(request)]).await.pop();
    let Placed { mut record, is_repeat } =
        placed.unwrap_or(Err(crate::downlink::Refused::Unknown(id)))?;
    if let Some(wait) = wait
        && !record.has_ended()
    {
        let id = record.request.id;
        // The answer contains the current state, final or not.
        drop(tokio::time::timeout(wait, state.downlink.ended(id)).await);
        record = state.downlink.command(id).await?.unwrap_or(record);
    }
    let is_told = is_repeat || record.has_ended();
    let status = if is_told { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(record.json())).into_response())
}

pub(in crate::http) async fn send_many(
    State(state): State<HttpState>,
    caller: Caller,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    Parameters::read(&uri, &[])?;
    let mut members = json_object(&body.map_err(ApiError::body_unread)?)?;
    let vehicles = members.remove("vehicles");
    let vehicles: Option<Vec<String>> =
        vehicles.and_then(|vehicles| serde_json::from_value(vehicles).ok());
    let vehicles = vehicles.filter(|vehicles| (1..=VEHICLES_MAX).contains(&vehicles.len()));
    let Some(vehicles) = vehicles else {
        let message = format!("`vehicles` must be a list of 1 to {VEHICLES_MAX} names");
        return Err(invalid("vehicles", message));
    };
    let vehicles = vehicles_of(&caller, vehicles)?;
    let ask = ask(members, &caller)?;
    let who = who(&caller);
    let mut told = Vec::with_capacity(vehicles.len());
    for vehicles in vehicles.chunks(TOGETHER) {
        let mut requests = Vec::with_capacity(vehicles.len());
        let mut errors = Vec::new();
        for vehicle in vehicles {
            match state.downlink.prepare(&ask, vehicle, &who) {
                Ok(request) => {
                    requests.push(Arc::new(request));
                    errors.push(None);
                }
                Err(RequestError::Member { member, message }) if member == "vehicle" => {
                    errors.push(Some(ApiError::from(RequestError::Member { member, message })));
                }
                // The error applies to all of them.
                Err(error) => return Err(error.into()),
            }
        }
        let mut placed = state.downlink.create(requests).await.into_iter();
        for error in errors {
            let placed = match error {
                Some(error) => Err(error),
                None => placed.next().expect("each request has its answer").map_err(ApiError::from),
            };
            told.push(match placed {
                Ok(Placed { record, .. }) => Record::json(&record),
                Err(error) => error.json(),
            });
        }
    }
    Ok((StatusCode::ACCEPTED, Json(json!({ "commands": told }))).into_response())
}

/// The caller, for the audit.
pub(in crate::http) fn who(caller: &Caller) -> Arc<str> {
    caller.name().unwrap_or("anonymous").into()
}

/// A token that is limited to vehicles cannot send a raw command, whose topic may belong to any
/// vehicle.
fn ask(members: Map<String, Value>, caller: &Caller) -> Result<CommandRequest, ApiError> {
    let ask: CommandRequest = serde_json::from_value(Value::Object(members)).map_err(|error| {
        let message = error.to_string();
        // `unknown field `x`, expected …`: the message contains the member's name.
        let member = message.split('`').nth(1).unwrap_or("body").to_owned();
        invalid(&member, message)
    })?;
    match ask.topic.is_some() && caller.vehicles().is_some() {
        true => Err(ApiError::Refused(Refused::Fleet)),
        false => Ok(ask),
    }
}
