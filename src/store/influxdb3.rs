//! InfluxDB 3: `POST /api/v3/write_lp`, the only one that lists the refused lines.
//!
//! `accept_partial` stores the good lines and answers 400 (422 where a line hit a limit) with each
//! bad one's number. The number is the key: `original_line` is cut to 20 bytes by the server.
//! The compatible endpoints of the older versions are not used: they answer overload with 400.

use serde::Deserialize;

use crate::store::{
    options::InfluxDb3,
    route::{self, Route},
    verdict::{Answer, Refusal, Verdict},
};

/// What a 400 says when it is about the request and not about a line of it.
const ABOUT_THE_REQUEST: &[&str] =
    &["precision", "gzip", "query param", "db name", "database name", "mime type"];

/// The documentation says that a list ends at this many lines: one as long may not be complete, and
/// a line that is not listed would count as stored.
const LISTED_MAX: usize = 100;

pub(super) fn route(options: &InfluxDb3) -> Route {
    Route {
        path: &["api", "v3", "write_lp"],
        query: vec![
            ("db", options.database.clone()),
            ("precision", "nanosecond".to_owned()),
            ("accept_partial", "true".to_owned()),
            ("no_sync", "false".to_owned()),
        ],
        authorization: options.token.as_ref().map(|token| route::token("Bearer", token)),
    }
}

#[derive(Deserialize)]
struct Partial {
    error: String,
    data: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    error_message: String,
    line_number: usize,
}

/// Reads a 400 or a 422.
pub(super) fn refusal(answer: &Answer) -> Verdict {
    match listed(answer) {
        Some(refused) => Verdict::Partial { refused },
        None => answer.refusal_unless(ABOUT_THE_REQUEST),
    }
}

/// The refused lines, where the answer lists all of them.
fn listed(answer: &Answer) -> Option<Vec<Refusal>> {
    let partial: Partial = serde_json::from_slice(answer.whole_body()?).ok()?;
    let complete = !partial.data.is_empty() && partial.data.len() < LISTED_MAX;
    if !complete || !partial.error.starts_with("partial write") {
        return None;
    }
    let refuse = |listed: &Listed| {
        let line = listed.line_number.checked_sub(1)?;
        Some(Refusal { line, answer: answer.quote(&listed.error_message) })
    };
    partial.data.iter().map(refuse).collect()
}
