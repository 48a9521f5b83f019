//! InfluxDB 2: `POST /api/v2/write`, errors as `{"code":"…","message":"…"}`.
//!
//! A malformed line fails the whole batch with 400. A conflict or a point outside retention is 422
//! (500 in 2.0), with the rest stored; only the first such point and their count are told.

use crate::store::{
    Answer,
    options::InfluxDb2,
    route::{self, Route},
    verdict::Verdict,
};

/// What stands before the words in which points are refused: as a rule, and in 2.0.
const WRITING: &[&str] =
    &["failure writing points to database: ", "unexpected error writing points to database: "];

/// How a refusal of lines begins; the last one is how InfluxDB Cloud on its newer engine, and
/// others behind this endpoint, begin theirs.
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

/// Reads a refusal of lines; nothing where the answer is anything else.
pub(super) fn refusal(answer: &Answer) -> Option<Verdict> {
    let body = answer.error_body();
    let (code, message) = (body.code?, body.message?);
    let about_lines = match (answer.status, code.as_str()) {
        (400, "invalid") | (422, "unprocessable entity") | (500, "internal error") => {
            let words = without(WRITING, &message);
            // A 500 is a refusal only where points were on their way into the database.
            let refused = ABOUT_LINES.iter().any(|about| words.starts_with(about));
            refused && (answer.status != 500 || words.len() < message.len())
        }
        (413, "request too large") => true,
        _ => false,
    };
    about_lines.then(|| answer.rejected(&message))
}

/// The text behind any of the prefixes, however many of them stand before it.
fn without<'a>(prefixes: &[&str], text: &'a str) -> &'a str {
    let mut rest = text;
    while let Some(shorter) = prefixes.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
        rest = shorter;
    }
    rest
}
