//! InfluxDB 2: `POST /api/v2/write`, errors as `{"code":"…","message":"…"}`.
//!
//! A malformed line fails the whole batch with 400. A conflict or a point outside retention is 422
//! (500 in 2.0), with the rest stored; only the first such point and their count are told.

use crate::store::{
    options::InfluxDb2,
    route::{self, Route},
    verdict::{Answer, Verdict},
};

/// What a 400 says when it is about the request and not about a line of it.
const ABOUT_THE_REQUEST: &[&str] =
    &["invalid precision", "gzip", "provide either orgID or org", "bucket not specified"];

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

/// Reads a 400 or a 422.
pub(super) fn refusal(answer: &Answer) -> Verdict {
    answer.refusal_unless(ABOUT_THE_REQUEST)
}

/// Whether a 500 is the refusal of points that InfluxDB 2.0 reported so.
pub(super) fn is_refusal_in_disguise(answer: &Answer) -> bool {
    answer.status == 500 && answer.message().contains("partial write: ")
}
