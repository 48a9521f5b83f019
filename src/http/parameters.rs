//! The parameters of a request: known names are read once each, unknown names are refused.

use axum::{extract::Query, http::Uri};
use serde_json::{Map, Value as Json};

use crate::http::ApiError;

/// The query string.
#[derive(Debug)]
pub(super) struct Parameters {
    pairs: Vec<(String, String)>,
}

impl Parameters {
    /// Refuses names that are not in `known`, with the name that was most likely intended.
    pub(super) fn read(uri: &Uri, known: &[&str]) -> Result<Self, ApiError> {
        Self::read_with(uri, known, &[])
    }

    /// As [`Parameters::read`], with names of which only the prefixes are known.
    pub(super) fn read_with(
        uri: &Uri,
        known: &[&str],
        beginnings: &[&str],
    ) -> Result<Self, ApiError> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| invalid("?", error.to_string()))?;
        for (name, _) in &pairs {
            let is_begun =
                |begin: &&str| name.strip_prefix(begin).is_some_and(|rest| !rest.is_empty());
            if !known.contains(&name.as_str()) && !beginnings.iter().any(is_begun) {
                return Err(unknown("parameter", name, known));
            }
        }
        Ok(Self { pairs })
    }

    /// The members of a JSON object, each a text, a number, `true`, or a list of these: the same
    /// names with the same meaning as behind a `?`.
    pub(super) fn of_json(body: &[u8], known: &[&str]) -> Result<Self, ApiError> {
        let members = json_members(body, known)?;
        let mut pairs = Vec::new();
        for (name, value) in members {
            let values = match value {
                Json::Null => Vec::new(),
                Json::Array(values) => values,
                value => vec![value],
            };
            for value in values {
                let text = match value {
                    Json::String(text) => text,
                    Json::Number(_) | Json::Bool(true) => value.to_string(),
                    _ => {
                        let message = format!("`{name}` is neither text nor a list of texts");
                        return Err(invalid(&name, message));
                    }
                };
                pairs.push((name.clone(), text));
            }
        }
        Ok(Self { pairs })
    }

    /// Every value of a parameter that may occur several times.
    pub(super) fn all(&mut self, name: &str) -> Vec<String> {
        let taken = self.pairs.extract_if(.., |(known, _)| known == name);
        taken.map(|(_, value)| value).collect()
    }

    /// Every parameter whose name begins so: the rest of its name, and its value.
    pub(super) fn all_behind(&mut self, begin: &str) -> Vec<(String, String)> {
        let taken = self.pairs.extract_if(.., |(known, _)| known.starts_with(begin));
        taken.map(|(name, value)| (name[begin.len()..].to_owned(), value)).collect()
    }

    /// The value of a parameter that may occur once; an empty value counts as absent.
    pub(super) fn one(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        let mut values = self.all(name);
        if values.len() > 1 {
            return Err(invalid(name, format!("`{name}` is given twice")));
        }
        Ok(values.pop().filter(|value| !value.is_empty()))
    }

    /// The value of a parameter, read by `read`.
    pub(super) fn parsed<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let wrong = || invalid(name, format!("`{name}` is `{text}`; expected {expected}"));
        read(&text).ok_or_else(wrong).map(Some)
    }
}

impl Parameters {
    /// The value of a parameter, read by a function that returns the error text.
    pub(super) fn read_by<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let value =
            read(&text).map_err(|wrong| invalid(name, format!("`{name}`: `{text}` {wrong}")));
        value.map(Some)
    }
}

/// The members of the JSON object in a body, all of them known.
pub(super) fn json_members(body: &[u8], known: &[&str]) -> Result<Map<String, Json>, ApiError> {
    let members = json_object(body)?;
    match members.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(unknown("member", name, known)),
        None => Ok(members),
    }
}

/// The members of the JSON object in a body.
pub(super) fn json_object(body: &[u8]) -> Result<Map<String, Json>, ApiError> {
    match serde_json::from_slice(body) {
        Ok(Json::Object(members)) => Ok(members),
        Ok(_) => Err(invalid("body", "the body is no JSON object".to_owned())),
        Err(error) => Err(invalid("body", format!("the body is no JSON: {error}"))),
    }
}

pub(super) fn invalid(parameter: &str, message: String) -> ApiError {
    ApiError::ParameterInvalid { parameter: parameter.to_owned(), message }
}

/// The error for a name that is not in `known`.
pub(super) fn unknown(what: &str, name: &str, known: &[&str]) -> ApiError {
    let scored = known.iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
    let meant = match scored.min() {
        Some((distance, known)) if distance <= 2 => format!("; did you mean `{known}`?"),
        _ => format!("; known are {}", known.join(", ")),
    };
    invalid(name, format!("unknown {what} `{name}`{meant}"))
}
