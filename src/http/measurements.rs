//! `GET /api/v1/measurements`, `/measurements/{m}/fields` and `/measurements/{m}/tags`: what can be
//! queried, from the mappings and the store.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::Uri,
};
use serde_json::{Value, json};

use crate::{
    http::{
        ApiError, HttpState,
        parameters::{Parameters, invalid},
    },
    model::FieldType,
    query::{self, Known, Seen},
};

pub(super) const KNOWN: &[&str] = &[];

pub(super) async fn list(
    State(state): State<HttpState>,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    Parameters::read(&uri, KNOWN)?;
    let names = state.queries.measurements().await?;
    let listed: Vec<String> = names.keys().cloned().collect();
    let seen = state.queries.seen_measurements(&listed).await;
    let one = |((name, is_mapped), seen): ((String, bool), Option<Seen>)| {
        let [first, last] = told(seen);
        json!({ "name": name, "mapped": is_mapped, "first_seen": first, "last_seen": last })
    };
    let list: Vec<Value> = names.into_iter().zip(seen).map(one).collect();
    Ok(Json(json!({ "measurements": list })))
}

pub(super) async fn fields(
    State(state): State<HttpState>,
    measurement: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    let known = find(&state, measurement, &uri).await?;
    let names: Vec<String> =
        known.measurement.fields.iter().map(|(name, _)| name.clone()).collect();
    let seen = state.queries.seen_fields(&known.name, &names).await;
    let one = |((name, kind), seen): (&(String, FieldType), Option<Seen>)| {
        let kind = query::value_type(*kind).as_str();
        let [first, last] = told(seen);
        json!({
            "name": name,
            "type": kind,
            "mapped": known.is_mapped.contains(name),
            "first_seen": first,
            "last_seen": last,
        })
    };
    let fields: Vec<Value> = known.measurement.fields.iter().zip(seen).map(one).collect();
    Ok(Json(json!({ "fields": fields })))
}

pub(super) async fn tags(
    State(state): State<HttpState>,
    measurement: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    let known = find(&state, measurement, &uri).await?;
    let vehicle = &known.measurement.vehicle_tag;
    let one = |name: &String| {
        json!({
            "name": name,
            "vehicle": vehicle.as_ref() == Some(name),
            "mapped": known.is_mapped.contains(name),
        })
    };
    let tags: Vec<Value> = known.measurement.tags.iter().map(one).collect();
    Ok(Json(json!({ "tags": tags })))
}

/// The first and the last time, as text.
fn told(seen: Option<Seen>) -> [Option<String>; 2] {
    let (first, last) = seen.unzip();
    [first, last].map(|at| at.map(|at| at.to_string()))
}

async fn find(
    state: &HttpState,
    measurement: Result<Path<String>, PathRejection>,
    uri: &Uri,
) -> Result<Known, ApiError> {
    let Path(name) = measurement.map_err(|error| invalid("measurement", error.body_text()))?;
    Parameters::read(uri, KNOWN)?;
    Ok(state.queries.measurement(&name).await?)
}
