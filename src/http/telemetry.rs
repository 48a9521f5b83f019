//! `GET /api/v1/telemetry/{measurement}`: the portable question.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::Uri,
    response::Response,
};

use crate::{
    http::{
        ApiError, HttpState,
        answer::{self, Style},
        parameters::{Parameters, invalid},
    },
    query::{self, Function, Order, QueryRequest},
};

pub(super) const KNOWN: &[&str] = &[
    "vehicle", "fields", "from", "to", "every", "fn", "order", "limit", "after", "format", "epoch",
];

/// How far back a range without `from` reaches.
pub(super) const FROM: &str = "-1h";

pub(super) async fn ask(
    State(state): State<HttpState>,
    measurement: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let Path(measurement) =
        measurement.map_err(|error| invalid("measurement", error.body_text()))?;
    let mut parameters = Parameters::read(&uri, KNOWN)?;
    let style = Style::read(&mut parameters)?;
    let request = request(measurement, &mut parameters, &state)?;
    answer::respond(state.queries.portable(request).await?, style).await
}

fn request(
    measurement: String,
    parameters: &mut Parameters,
    state: &HttpState,
) -> Result<QueryRequest, ApiError> {
    let now = state.clock.wall();
    let names = parameters.all("fields");
    let names = names.iter().flat_map(|names| names.split(',')).map(str::trim);
    let function = |word: &str| Function::ALL.iter().copied().find(|it| it.as_str() == word);
    let functions: Vec<&str> = Function::ALL.iter().map(|it| it.as_str()).collect();
    let from = parameters.parsed("from", query::MOMENT, |text| query::moment(text, now))?;
    Ok(QueryRequest {
        measurement,
        vehicles: parameters.all("vehicle"),
        fields: names.filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        from: from.or_else(|| query::moment(FROM, now)).unwrap_or(now),
        to: parameters.parsed("to", query::MOMENT, |text| query::moment(text, now))?.unwrap_or(now),
        every: parameters.parsed("every", "a length of time like 1m", query::every)?,
        function: parameters.parsed("fn", &functions.join(", "), function)?,
        order: parameters
            .parsed("order", "asc or desc", |word| match word {
                "asc" => Some(Order::Ascending),
                "desc" => Some(Order::Descending),
                _ => None,
            })?
            .unwrap_or_default(),
        limit: parameters
            .parsed("limit", "a whole number", |text| text.parse().ok())?
            .unwrap_or(QueryRequest::LIMIT),
        after: parameters.one("after")?,
    })
}
