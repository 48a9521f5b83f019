//! `POST /influxdb/v1/write`: where lines go, and what a code in the answer means.

use crate::store::{
    Answer,
    options::{Credentials, TdEngine},
    route::{self, Route},
    tdengine::code::{Class, Code},
    verdict::Verdict,
};

/// What stands before the code in an answer's raw text. The adapter writes its JSON without
/// spaces, and a quote inside of a text is escaped, so that no line that a message repeats can
/// look like it.
const BEFORE_CODE: &[u8] = br#""message":"[0x"#;

pub(in crate::store) fn route(options: &TdEngine) -> Route {
    Route {
        path: &["influxdb", "v1", "write"],
        // `us`, and whatever else it does not know, would silently mean nanoseconds too.
        query: vec![("db", options.database.clone()), ("precision", "ns".to_owned())],
        authorization: Some(match &options.credentials {
            Credentials::Basic { user, password } => route::basic(user, password),
            Credentials::Token(token) => route::token("Bearer", token),
        }),
    }
}

/// What an answer with a code means, whatever its status; nothing where it has none.
pub(in crate::store) fn read(answer: &Answer) -> Option<Verdict> {
    let class = code(answer)?.of_write();
    let quote = answer.quote(&answer.message());
    Some(match class {
        // Never with a count: what a message repeats of a line must not be taken for one.
        Class::Line => Verdict::Rejected { answer: quote, dropped: None },
        Class::Setting => Verdict::Halted { reason: quote },
        Class::Question | Class::Wait => Verdict::Unavailable { reason: quote, retry_after: None },
    })
}

/// Whether a write ended because there is no such database.
pub(in crate::store) fn is_database_missing(answer: &Answer) -> bool {
    code(answer) == Some(Code::DATABASE_MISSING)
}

/// The code of an answer; it stands at the front, so that a body that was cut has it too.
fn code(answer: &Answer) -> Option<Code> {
    let at = answer.body.windows(BEFORE_CODE.len()).position(|text| text == BEFORE_CODE)?;
    let rest = &answer.body[at + BEFORE_CODE.len()..];
    let digits = &rest[..rest.iter().take(9).position(|byte| *byte == b']')?];
    let code = u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    Some(Code(code & 0xffff))
}
