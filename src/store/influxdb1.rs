//! InfluxDB 1: `POST /write`, errors as `{"error":"…"}`.
//!
//! A 400 is a parse error (nothing of the batch may be stored) or a `partial write` (all good
//! points are). Neither lists every bad point, so both are refusals of the request as it stands.

use crate::store::{
    options::{Credentials, InfluxDb1},
    route::{self, Route},
    verdict::{Answer, Verdict},
};

/// What a 400 says when it is about the request and not about a line of it.
const ABOUT_THE_REQUEST: &[&str] =
    &["invalid precision", "database is required", "gzip", "unexpected EOF", "consistency level"];

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

/// Reads a 400 or a 422.
pub(super) fn refusal(answer: &Answer) -> Verdict {
    answer.refusal_unless(ABOUT_THE_REQUEST)
}

/// Whether a 500 says that a setting names something which is not there.
pub(super) fn is_wrong_setting(answer: &Answer) -> bool {
    answer.status == 500 && answer.message().starts_with("retention policy not found")
}
