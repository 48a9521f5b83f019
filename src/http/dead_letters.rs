//! `/api/v1/dead-letters`: lists dead letters in pages, shows one, replays or deletes them.

use std::str::FromStr;

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{
        Path, State,
        rejection::{BytesRejection, PathRejection},
    },
    http::{Uri, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    http::{
        ApiError, HttpState,
        parameters::{Parameters, invalid},
    },
    model::{Cause, LetterFilter, LetterId, LetterMark, LettersError, Replayed, UnixNanos},
    query::{self, QueryError, QuestionError},
};

pub(super) const KNOWN_OF_LIST: &[&str] =
    &["cause", "vehicle", "mapping", "from", "to", "id", "limit", "after"];
pub(super) const KNOWN_OF_DELETE: &[&str] =
    &["cause", "vehicle", "mapping", "from", "to", "id", "all"];

pub(super) const KNOWN_OF_SUMMARY: &[&str] =
    &["cause", "vehicle", "mapping", "from", "to", "id", "limit"];

/// Vehicles that a summary names per cause by default.
pub(super) const VEHICLES: usize = 10;

/// Letters of a page by default.
pub(super) const LIMIT: usize = 100;
/// Letters of a page, at most: a letter may be 1.5 times as large as a message.
pub(super) const LIMIT_MAX: usize = 1000;

pub(super) async fn list(State(state): State<HttpState>, uri: Uri) -> Result<Response, ApiError> {
    let mut parameters = Parameters::read(&uri, KNOWN_OF_LIST)?;
    let filter = filter(&mut parameters, state.clock.wall())?;
    let limit = limit(&mut parameters)?;
    let after = after(&mut parameters)?;
    let page = state.dead_letters.page(filter, after, limit.unwrap_or(LIMIT)).await?;
    let after = page.after.map(|mark| URL_SAFE_NO_PAD.encode(mark.to_string()));
    Ok(as_json(format!(
        r#"{{"dead_letters":[{}],"after":{}}}"#,
        page.letters.join(","),
        json!(after)
    )))
}

pub(super) async fn summary(
    State(state): State<HttpState>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let mut parameters = Parameters::read(&uri, KNOWN_OF_SUMMARY)?;
    let filter = filter(&mut parameters, state.clock.wall())?;
    let vehicles = limit(&mut parameters)?.unwrap_or(VEHICLES);
    Ok(as_json(state.dead_letters.summary(filter, vehicles).await?))
}

pub(super) async fn one(
    State(state): State<HttpState>,
    id: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Response, ApiError> {
    Parameters::read(&uri, &[])?;
    let Path(text) = id.map_err(|error| invalid("id", error.body_text()))?;
    let unknown = || ApiError::DeadLetterUnknown { id: text.clone() };
    let id: LetterId = text.parse().map_err(|_no_id| unknown())?;
    let letter = state.dead_letters.find(id).await?;
    letter.map(as_json).ok_or_else(unknown)
}

pub(super) async fn delete(
    State(state): State<HttpState>,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    let mut parameters = Parameters::read(&uri, KNOWN_OF_DELETE)?;
    let filter = filter(&mut parameters, state.clock.wall())?;
    let all = parameters.parsed("all", "true", |text| (text == "true").then_some(()))?;
    says_which(&filter, all.is_some())?;
    let count = state.dead_letters.remove(filter).await?;
    Ok(Json(json!({ "count": count })))
}

/// The members of a replay request: those of a filter, as strings or lists of strings.
pub(super) const KNOWN_OF_REPLAY: &[&str] =
    &["cause", "vehicle", "mapping", "from", "to", "id", "all", "limit", "after"];

pub(super) async fn replay(
    State(state): State<HttpState>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, ApiError> {
    Parameters::read(&uri, &[])?;
    let body = body.map_err(ApiError::body_unread)?;
    let mut parameters = Parameters::of_json(&body, KNOWN_OF_REPLAY)?;
    let filter = filter(&mut parameters, state.clock.wall())?;
    let all = parameters.parsed("all", "true", |text| (text == "true").then_some(()))?;
    says_which(&filter, all.is_some())?;
    let limit = parameters
        .parsed("limit", "a number from 1", |text| text.parse().ok().filter(|limit| *limit > 0))?;
    let after = after(&mut parameters)?;
    let replayed = state.replay.replay(filter, after, limit.unwrap_or(usize::MAX)).await?;
    let Replayed { count, failed, after } = replayed;
    let after = after.map(|mark| URL_SAFE_NO_PAD.encode(mark.to_string()));
    Ok(Json(json!({ "count": count, "failed": failed, "after": after })))
}

/// All letters are only selected if the request says so explicitly.
fn says_which(filter: &LetterFilter, all: bool) -> Result<(), ApiError> {
    let message = match (filter.is_all(), all) {
        (true, false) => "nothing says which dead letters; `all=true` means all of them",
        (false, true) => "`all=true` does not go with a filter",
        _ => return Ok(()),
    };
    Err(invalid("all", message.to_owned()))
}

fn limit(parameters: &mut Parameters) -> Result<Option<usize>, ApiError> {
    let within = |text: &str| text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    parameters.parsed("limit", &format!("a number from 1 to {LIMIT_MAX}"), within)
}

/// Where a list continues.
fn after(parameters: &mut Parameters) -> Result<LetterMark, ApiError> {
    let after = parameters.one("after")?;
    let after = after.map(|after| from_after(&after).ok_or(QuestionError::AfterInvalid));
    Ok(after.transpose().map_err(QueryError::Question)?.unwrap_or_default())
}

/// Each name may occur several times and then matches any of its values. An empty value is refused,
/// because a value left out by mistake must not select all letters.
fn filter(parameters: &mut Parameters, now: UnixNanos) -> Result<LetterFilter, ApiError> {
    // The API shows a letter's time in nanoseconds, so a number is such a time.
    let moment = |text: &str| match text.parse() {
        Ok(number) => query::nanos(number),
        Err(_) => query::moment(text, now, None),
    };
    let mut moment = |name| parameters.read_by(name, moment);
    let (from, to) = (moment("from")?, moment("to")?);
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        return Err(invalid("to", "`to` is not after `from`".to_owned()));
    }
    Ok(LetterFilter {
        causes: values::<Cause>(parameters, "cause")?,
        vehicles: values(parameters, "vehicle")?,
        mappings: values(parameters, "mapping")?,
        from,
        to,
        ids: values(parameters, "id")?.into_iter().collect(),
    })
}

fn values<T>(parameters: &mut Parameters, name: &str) -> Result<Vec<T>, ApiError>
where
    T: FromStr<Err: std::fmt::Display>,
{
    let read = |text: String| match text.is_empty() {
        true => Err(invalid(name, format!("`{name}` is empty"))),
        false => text.parse().map_err(|error| invalid(name, format!("`{name}`: {error}"))),
    };
    parameters.all(name).into_iter().map(read).collect()
}

fn from_after(after: &str) -> Option<LetterMark> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(after).ok()?).ok()?.parse().ok()
}

fn as_json(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], Body::from(text)).into_response()
}

impl From<LettersError> for ApiError {
    fn from(error: LettersError) -> Self {
        Self::DeadLetters(error)
    }
}
