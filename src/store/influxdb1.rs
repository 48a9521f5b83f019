//! InfluxDB 1: `POST /write`, errors as `{"error":"…"}`.
//!
//! A 400 is a parse error (nothing of the batch may be stored) or a `partial write` (all good
//! points are). Neither lists every bad point, so both are refusals of the whole request.

use crate::store::{
    Answer,
    options::{Credentials, InfluxDb1},
    route::{self, Route},
    verdict::Verdict,
};

/// The beginnings of refusals of lines. A `partial write` has stored the rest, unless its reason is
/// again `unable to parse`.
const ABOUT_LINES: &[&str] = &["unable to parse '", "partial write: "];

/// The whole answer to a request that is larger than `max-body-size`.
const TOO_LARGE: &str = "Request Entity Too Large";

pub(super) fn route(options: &InfluxDb1) -> Route {
    let mut query = vec![("db", options.database.clone())];
    if let Some(policy) = &options.retention_policy {
        query.push(("rp", policy.clone()));
    }
    query.push(("precision", "n".to_owned()));
    let authorization = options.credentials.as_ref().map(|credentials| match credentials {
        Credentials::Basic { user, password } => route::basic(user, password),
        Credentials::Token(token) => route::token("Token", token),
    });
    Route { path: &["write"], query, authorization }
}

/// Reads a refusal of lines; `None` if the answer is anything else.
pub(super) fn refusal(answer: &Answer) -> Option<Verdict> {
    let error = answer.error_body().error?;
    let about_lines = match answer.status {
        400 | 422 => ABOUT_LINES.iter().any(|words| error.starts_with(words)),
        413 => error == TOO_LARGE,
        _ => false,
    };
    about_lines.then(|| answer.rejected(&error))
}

/// Whether a 500 says that a setting names something that does not exist.
pub(super) fn is_wrong_setting(answer: &Answer) -> bool {
    answer.status == 500 && answer.message().starts_with("retention policy not found")
}
