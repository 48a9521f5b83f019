//! `GET /api/v1/telemetry/{measurement}`: the portable query.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::Uri,
    response::Response,
};

use crate::{
    auth::Caller,
    http::{
        ApiError, HttpState,
        answer::{self, Style},
        guard::vehicles_of,
        parameters::{Parameters, invalid},
    },
    query::{self, Function, Order, QueryRequest},
};

pub(super) const KNOWN: &[&str] = &[
    "vehicle", "fields", "from", "to", "every", "fn", "group-by", "order", "limit", "after",
    "format", "epoch",
];
/// The prefix of a filter on a tag; the rest is the tag's name.
const TAG: &str = "tag.";

/// The range without `from`.
pub(super) const FROM: &str = "-1h";

pub(super) async fn ask(
    State(state): State<HttpState>,
    caller: Caller,
    measurement: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let Path(measurement) =
        measurement.map_err(|error| invalid("measurement", error.body_text()))?;
    let mut parameters = Parameters::read_with(&uri, KNOWN, &[TAG])?;
    let style = Style::read(&mut parameters)?;
    let mut request = request(measurement, &mut parameters, style, &state)?;
    request.vehicles = vehicles_of(&caller, request.vehicles)?;
    answer::respond(state.queries.portable(request).await?, style).await
}

fn request(
    measurement: String,
    parameters: &mut Parameters,
    style: Style,
    state: &HttpState,
) -> Result<QueryRequest, ApiError> {
    let now = state.clock.wall();
    let fields = names(parameters, "fields");
    let group_by = names(parameters, "group-by");
    let function = |word: &str| Function::ALL.iter().copied().find(|it| it.as_str() == word);
    let functions: Vec<&str> = Function::ALL.iter().map(|it| it.as_str()).collect();
    let moment = |text: &str| query::moment(text, now, style.epoch());
    let from = parameters.read_by("from", moment)?;
    Ok(QueryRequest {
        measurement,
        vehicles: vehicles(parameters)?,
        tags: tags(parameters),
        group_by,
        fields,
        from: from.or_else(|| moment(FROM).ok()).unwrap_or(now),
        to: parameters.read_by("to", moment)?.unwrap_or(now),
        every: parameters.read_by("every", query::every)?,
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

/// Each is one name: commas and spaces may be part of it. An empty one is refused: most likely a
/// script's variable is empty by mistake.
fn vehicles(parameters: &mut Parameters) -> Result<Vec<String>, ApiError> {
    let names = parameters.all("vehicle");
    match names.iter().any(String::is_empty) {
        true => Err(invalid("vehicle", "`vehicle` is empty; leave it out for all".to_owned())),
        false => Ok(names),
    }
}

/// Names separated by commas.
fn names(parameters: &mut Parameters, name: &str) -> Vec<String> {
    let lists = parameters.all(name);
    let names = lists.iter().flat_map(|names| names.split(',')).map(str::trim);
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Tags with their wanted values; an empty value matches points without the tag.
fn tags(parameters: &mut Parameters) -> Vec<(String, Vec<String>)> {
    let mut tags: Vec<(String, Vec<String>)> = Vec::new();
    for (tag, value) in parameters.all_behind(TAG) {
        match tags.iter_mut().find(|(known, _)| *known == tag) {
            Some((_, values)) => values.push(value),
            None => tags.push((tag, vec![value])),
        }
    }
    tags
}
