//! `GET /api/v1/vehicles` and `/api/v1/vehicles/{vin}`: vehicles and their last points.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::Uri,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value as JsonValue, json};

use crate::{
    auth::Caller,
    http::{
        ApiError, HttpState,
        guard::vehicles_of,
        last_values::{self, LastValues},
        parameters::{Parameters, invalid},
    },
    model::{PresenceFilter, SessionAnswer, SessionFacts, SessionQuestion, VehiclePresence},
    query::{self, QueryError, QuestionError},
};

pub(super) const KNOWN_OF_LIST: &[&str] = &["connected", "prefix", "limit", "after"];
pub(super) const KNOWN_OF_ONE: &[&str] = &["from"];

/// Vehicles of a page by default.
pub(super) const LIMIT: usize = 100;
/// Vehicles of a page, at most: about a millisecond of the workers' time, in small pieces.
pub(super) const LIMIT_MAX: usize = 1000;
/// How far back the store is queried for the last values of a vehicle by default.
pub(super) const FROM: &str = "-7d";

/// A vehicle and what its live sessions answered.
#[derive(Debug)]
struct Vehicle {
    sighting: VehiclePresence,
    answers: Vec<SessionAnswer>,
}

pub(super) async fn list(
    State(state): State<HttpState>,
    caller: Caller,
    uri: Uri,
) -> Result<Json<JsonValue>, ApiError> {
    let mut parameters = Parameters::read(&uri, KNOWN_OF_LIST)?;
    let filter = PresenceFilter {
        connected: parameters.parsed("connected", "true or false", |text| text.parse().ok())?,
        prefix: parameters.one("prefix")?.unwrap_or_default(),
        names: caller.vehicles().cloned(),
    };
    let within = |text: &str| text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    let limit = parameters.parsed("limit", &format!("a number from 1 to {LIMIT_MAX}"), within)?;
    let after = parameters.one("after")?;
    let after = after.map(|after| from_after(&after).ok_or(QuestionError::AfterInvalid));
    let after = after.transpose().map_err(QueryError::Question)?;
    let (page, is_more) = state.presence.page(&filter, after.as_deref(), limit.unwrap_or(LIMIT));
    let after = page.last().filter(|_| is_more).map(|last| to_after(&last.vehicle));
    let vehicles: Vec<JsonValue> =
        ask(&state, page, false).await?.iter().map(Vehicle::json).collect();
    Ok(Json(json!({ "vehicles": vehicles, "after": after })))
}

pub(super) async fn one(
    State(state): State<HttpState>,
    caller: Caller,
    vin: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<JsonValue>, ApiError> {
    let Path(vin) = vin.map_err(|error| invalid("vin", error.body_text()))?;
    let vin = vehicles_of(&caller, vec![vin])?.swap_remove(0);
    let mut parameters = Parameters::read(&uri, KNOWN_OF_ONE)?;
    let now = state.clock.wall();
    let from = parameters.read_by("from", |text| query::moment(text, now, None))?;
    let from = from.or_else(|| query::moment(FROM, now, None).ok()).unwrap_or(now);
    let seen: Vec<VehiclePresence> = state.presence.find(&vin).into_iter().collect();
    let vehicle = ask(&state, seen, true).await?.pop();
    let mut values = LastValues::default();
    for answer in vehicle.iter().flat_map(|vehicle| &vehicle.answers) {
        values.add_lines(&answer.lines, &state.catalog.load());
    }
    if values.is_empty() {
        values = last_values::of_store(&state, &vin, from).await?;
    }
    let mut json = match (&vehicle, values.newest()) {
        (Some(vehicle), _) => vehicle.json(),
        // Not seen since the start, but the store knows it.
        (None, Some(newest)) => away(&vin, &newest.to_string()),
        (None, None) => return Err(ApiError::VehicleUnknown { vehicle: vin }),
    };
    json["measurements"] = values.json();
    Ok(Json(json))
}

/// Asks the live sessions of all these vehicles.
async fn ask(
    state: &HttpState,
    sightings: Vec<VehiclePresence>,
    with_lines: bool,
) -> Result<Vec<Vehicle>, ApiError> {
    let questions: Vec<SessionQuestion> = sightings
        .iter()
        .flat_map(|sighting| {
            sighting.sessions.iter().map(|session| SessionQuestion {
                session: *session,
                vehicle: Arc::clone(&sighting.vehicle),
                with_lines,
            })
        })
        .collect();
    let answers = match questions.is_empty() {
        true => Vec::new(),
        false => state.sessions.ask(questions).await.map_err(ApiError::EdgeTimeout)?,
    };
    let mut answers = answers.into_iter();
    let vehicle = |sighting: VehiclePresence| {
        let answers = answers.by_ref().take(sighting.sessions.len()).flatten().collect();
        Vehicle { sighting, answers }
    };
    Ok(sightings.into_iter().map(vehicle).collect())
}

impl Vehicle {
    fn json(&self) -> JsonValue {
        let seen = self.answers.iter().map(|answer| answer.last_seen);
        let last_seen = seen.fold(self.sighting.last_seen, Ord::max);
        json!({
            "vin": &*self.sighting.vehicle,
            "connected": !self.answers.is_empty(),
            "last_seen": last_seen.to_string(),
            "sessions": self.answers.iter().map(|answer| session(&answer.facts)).collect::<Vec<_>>(),
        })
    }
}

fn away(vin: &str, last_seen: &str) -> JsonValue {
    json!({ "vin": vin, "connected": false, "last_seen": last_seen, "sessions": [] })
}

fn session(facts: &SessionFacts) -> JsonValue {
    json!({
        "client_id": facts.client_id,
        "protocol": facts.protocol.as_str(),
        "address": facts.address.map(|address| address.to_string()),
        "connected_at": facts.connected_at.to_string(),
        "last_packet_at": facts.last_packet_at.to_string(),
        "keep_alive_seconds": facts.keep_alive_seconds,
    })
}

/// The opaque token of the next page, safe in a URL.
fn to_after(vehicle: &str) -> String {
    URL_SAFE_NO_PAD.encode(vehicle)
}

fn from_after(after: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(after).ok()?).ok()
}
