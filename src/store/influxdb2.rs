//! InfluxDB 2: `POST /api/v2/write`, errors as `{"code":"…","message":"…"}`.
//!
//! A malformed line fails the whole batch with 400. A conflict or a point outside retention is 422
//! (500 in 2.0), with the rest stored; the answer has only the first such point and their count.

use crate::store::{
    Answer,
    options::InfluxDb2,
    route::{self, Route},
    verdict::Verdict,
};

/// The prefixes of messages about refused points: usually, and in 2.0.
const WRITING: &[&str] =
    &["failure writing points to database: ", "unexpected error writing points to database: "];

/// The beginnings of refusals of lines; the last one is that of InfluxDB Cloud on its newer engine,
/// and of others with this endpoint.
const ABOUT_LINES: &[&str] =
    &["unable to parse '", "partial write: ", "failed to parse line protocol"];

pub(super) fn route(options: &InfluxDb2) -> Route {
    Route {
        path: &["api", "v2", "write"],
        query: vec![
            ("org", options.org.clone()),
            ("bucket", options.bucket.clone()),
            ("precision", "ns".to_owned()),
        ],
        authorization: options.token.as_ref().map(|token| route::token("Token", token)),
    }
}

/// Reads a refusal of lines; `None` if the answer is anything else.
pub(super) fn refusal(answer: &Answer) -> Option<Verdict> {
    let body = answer.error_body();
    let (code, message) = (body.code?, body.message?);
    let about_lines = match (answer.status, code.as_str()) {
        (400, "invalid") | (422, "unprocessable entity") | (500, "internal error") => {
            let words = without(WRITING, &message);
            // A 500 is a refusal only if points were being written into the database.
            let refused = ABOUT_LINES.iter().any(|about| words.starts_with(about));
            refused && (answer.status != 500 || words.len() < message.len())
        }
        (413, "request too large") => true,
        _ => false,
    };
    about_lines.then(|| answer.rejected(&message))
}

/// The text after any number of these prefixes.
fn without<'a>(prefixes: &[&str], text: &'a str) -> &'a str {
    let mut rest = text;
    while let Some(shorter) = prefixes.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
        rest = shorter;
    }
    rest
}
