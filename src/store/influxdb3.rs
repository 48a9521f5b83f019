//! InfluxDB 3: `POST /api/v3/write_lp`, the only one that lists the refused lines.
//!
//! `accept_partial` stores the good lines and answers 400 (422 where a line hit a limit) with each
//! bad one's number. The number is the key: `original_line` is cut to 20 bytes by the server.
//! The compatible endpoints of the older versions are not used: they answer overload with 400.

use serde::Deserialize;

use crate::store::{
    Answer,
    options::InfluxDb3,
    route::{self, Route},
    verdict::{Refusal, Verdict},
};

/// How the answer begins where the rest was stored.
const PARTIAL: &str = "partial write of line protocol occurred";

/// How a refusal of lines begins.
const ABOUT_LINES: &[&str] =
    &[PARTIAL, "line protocol parsing error", "parsing failed for write_lp endpoint"];

/// How a listed line's message begins where it is about the database, which has to be made first.
const ABOUT_THE_DATABASE: &str = "Adding a new database would exceed";

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
struct Body {
    data: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    error_message: String,
    line_number: usize,
}

/// Reads a refusal of lines; nothing where the answer is anything else.
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

/// The lines that the answer lists; none where it lists none, or was cut.
fn listed(answer: &Answer) -> Vec<Listed> {
    let body = answer.whole_body().and_then(|body| serde_json::from_slice(body).ok());
    body.map_or(Vec::new(), |Body { data }| data)
}
