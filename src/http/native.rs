//! `POST /api/v1/query`: a query in one of the store's own languages.

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::Uri,
    response::Response,
};
use serde_json::Value as Json;

use crate::{
    http::{
        ApiError, HttpState,
        answer::{self, Style},
        parameters::{Parameters, invalid, json_members},
    },
    model::Value,
    query::{Language, StoreQuery},
};

pub(super) const KNOWN: &[&str] = &["format", "epoch"];

/// The maximum parameters of one query: each is searched by its name.
const PARAMS_MAX: usize = 1000;

const MEMBERS: &[&str] = &["language", "text", "params"];

pub(super) async fn ask(
    State(state): State<HttpState>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let body = body.map_err(ApiError::body_unread)?;
    let mut parameters = Parameters::read(&uri, KNOWN)?;
    let style = Style::read(&mut parameters)?;
    answer::respond(state.queries.native(read(&body)?).await?, style).await
}

fn read(body: &[u8]) -> Result<StoreQuery, ApiError> {
    let mut members = json_members(body, MEMBERS)?;
    let mut text = |name: &str| match members.remove(name) {
        Some(Json::String(text)) => Ok(text),
        _ => Err(invalid(name, format!("`{name}` is missing, or no text"))),
    };
    let language = text("language")?;
    let text = text("text")?;
    let language: Language = language.parse().map_err(|()| {
        let words: Vec<&str> = Language::ALL.iter().map(|it| it.as_str()).collect();
        invalid("language", format!("`{language}` is none of {}", words.join(", ")))
    })?;
    let mut ask = StoreQuery::new(language, text);
    ask.params = match members.remove("params") {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Object(params)) if params.len() > PARAMS_MAX => {
            let message =
                format!("`params` has {} members and {PARAMS_MAX} are the most", params.len());
            return Err(invalid("params", message));
        }
        Some(Json::Object(params)) => {
            params.into_iter().map(|(name, value)| param(name, value)).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(invalid("params", "`params` is no object".to_owned())),
    };
    Ok(ask)
}

fn param(name: String, value: Json) -> Result<(String, Value), ApiError> {
    let is_name = !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_name {
        let message = format!("parameter `{name}` is not of letters, digits and underscores");
        return Err(invalid("params", message));
    }
    let value = match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Boolean(value),
        Json::String(value) => Value::String(value),
        Json::Number(number) => number
            .as_i64()
            .map(Value::Integer)
            .or_else(|| number.as_u64().map(Value::Unsigned))
            .or_else(|| number.as_f64().map(Value::Float))
            .ok_or_else(|| invalid("params", format!("parameter `{name}` is no 64-bit number")))?,
        Json::Array(_) | Json::Object(_) => {
            return Err(invalid("params", format!("parameter `{name}` is no single value")));
        }
    };
    Ok((name, value))
}
