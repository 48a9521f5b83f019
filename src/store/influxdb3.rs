//! InfluxDB 3: `POST /api/v3/write_lp`, the only one that lists the refused lines.
//!
//! With `accept_partial` the server stores the good lines and answers 400 (422 if a line hit a
//! limit) with the number of each bad one. The number identifies the line: the server cuts
//! `original_line` to 20 bytes. The endpoints that are compatible with older versions are not used:
//! they answer overload with 400.

use serde::Deserialize;

use crate::store::{
    Answer,
    options::InfluxDb3,
    route::{self, Route},
    verdict::{Refusal, Verdict},
};

/// The beginning of the answer if the rest was stored.
const PARTIAL: &str = "partial write of line protocol occurred";

/// The beginnings of refusals of lines.
const ABOUT_LINES: &[&str] =
    &[PARTIAL, "line protocol parsing error", "parsing failed for write_lp endpoint"];

/// The beginning of a listed line's message if it is about the database, which must be created
/// first.
const ABOUT_THE_DATABASE: &str = "Adding a new database would exceed";

/// According to the documentation a list has at most this many lines: a list of this length may be
/// incomplete, and a line that is not listed would count as stored.
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
struct Body {
    data: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    error_message: String,
    line_number: usize,
}

/// Reads a refusal of lines; `None` if the answer is anything else.
pub(super) fn refusal(answer: &Answer) -> Option<Verdict> {
    let error = answer.error_body().error?;
    let about_lines = matches!(answer.status, 400 | 422)
        && ABOUT_LINES.iter().any(|words| error.starts_with(words));
    if !about_lines {
        return None;
    }
    let listed = listed(answer);
    let full = listed.iter().find(|line| line.error_message.starts_with(ABOUT_THE_DATABASE));
    if let Some(full) = full {
        return Some(Verdict::Halted { reason: answer.quote(&full.error_message) });
    }
    let complete = !listed.is_empty() && listed.len() < LISTED_MAX && error.starts_with(PARTIAL);
    let refuse = |listed: &Listed| {
        let line = listed.line_number.checked_sub(1)?;
        Some(Refusal { line, answer: answer.quote(&listed.error_message) })
    };
    let refused = complete.then(|| listed.iter().map(refuse).collect()).flatten();
    Some(match refused {
        Some(refused) => Verdict::Partial { refused },
        None => answer.rejected(&error),
    })
}

/// The lines that the answer lists; empty if it lists none, or was cut.
fn listed(answer: &Answer) -> Vec<Listed> {
    let body = answer.whole_body().and_then(|body| serde_json::from_slice(body).ok());
    body.map_or(Vec::new(), |Body { data }| data)
}
