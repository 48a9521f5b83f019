//! `GET /api/v1/measurements`, `/measurements/{m}/fields` and `/measurements/{m}/tags`: what can be
//! asked, as mappings and store know it.

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
    query::{self, Known},
};

pub(super) const KNOWN: &[&str] = &[];

pub(super) async fn list(
    State(state): State<HttpState>,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    Parameters::read(&uri, KNOWN)?;
    let names = state.queries.measurements().await?;
    let one = |(name, is_mapped)| json!({ "name": name, "mapped": is_mapped });
    Ok(Json(json!({ "measurements": names.into_iter().map(one).collect::<Vec<_>>() })))
}

pub(super) async fn fields(
    State(state): State<HttpState>,
    measurement: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    let known = find(&state, measurement, &uri).await?;
    let one = |(name, kind): &(String, FieldType)| {
        let kind = query::value_type(*kind).as_str();
        json!({ "name": name, "type": kind, "mapped": known.is_mapped.contains(name) })
    };
    let fields: Vec<Value> = known.measurement.fields.iter().map(one).collect();
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

async fn find(
    state: &HttpState,
    measurement: Result<Path<String>, PathRejection>,
    uri: &Uri,
) -> Result<Known, ApiError> {
    let Path(name) = measurement.map_err(|error| invalid("measurement", error.body_text()))?;
    Parameters::read(uri, KNOWN)?;
    Ok(state.queries.measurement(&name).await?)
}
