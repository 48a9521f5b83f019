//! `POST /influxdb/v1/write`: the route of lines, and the meaning of a code in the answer.

use crate::store::{
    Answer,
    options::{Credentials, TdEngine},
    route::{self, Route},
    tdengine::code::{Class, Code},
    verdict::Verdict,
};

/// The text before the code in an answer. The adapter writes its JSON without spaces, and quotes
/// inside a text are escaped, so that no line that is repeated in a message can look like it.
const BEFORE_CODE: &[u8] = br#""message":"[0x"#;

pub(in crate::store) fn route(options: &TdEngine) -> Route {
    Route {
        path: &["influxdb", "v1", "write"],
        // `us`, and any other unknown value, would silently mean nanoseconds, too.
        query: vec![("db", options.database.clone()), ("precision", "ns".to_owned())],
        authorization: Some(match &options.credentials {
            Credentials::Basic { user, password } => route::basic(user, password),
            Credentials::Token(token) => route::token("Bearer", token),
        }),
    }
}

/// The verdict of an answer with a code, with any status; `None` if it has no code.
pub(in crate::store) fn read(answer: &Answer) -> Option<Verdict> {
    let code = code(answer)?;
    let message = answer.message();
    let words = message.split_once(']').map_or("", |(_, words)| words);
    let class = code.of_write(words);
    let quote = answer.quote(&message);
    // Lines that a message repeats are kept only with the dead letter of that line.
    let reason = || answer.quote(&first_words(&message));
    Some(match class {
        // Never with a count: a repeated line must not be read as one.
        Class::Line => Verdict::Rejected { answer: quote, dropped: None },
        Class::Race => Verdict::Doubtful { answer: quote },
        Class::Measurement => Verdict::MeasurementRejected { answer: quote },
        Class::Setting => Verdict::Halted { reason: reason() },
        Class::Wait => Verdict::Unavailable { reason: reason(), retry_after: None },
        Class::Unknown => Verdict::Unclear { reason: reason(), answer: quote },
    })
}

/// The beginning of a message, up to the part that repeats the request: newer servers quote up to
/// 512 bytes from the fault on, which may be lines of other vehicles.
pub(in crate::store) fn first_words(message: &str) -> String {
    const BYTES_MAX: usize = 160;
    let is_plain = |word: &&str| {
        let is_ours = |byte: u8| byte.is_ascii_alphanumeric() || b"[]().,:/_-'".contains(&byte);
        let (_, behind) = word.rsplit_once(':').unwrap_or(("", ""));
        // `type:BIGINT,` and `SML:0x1f,` are the server's own; `key:x=1.5` and `data:abc` are not.
        let is_reported = behind.bytes().all(|byte| !byte.is_ascii_lowercase())
            || behind.strip_prefix("0x").is_some_and(|hex| hex.len() <= 20);
        let is_value = word.contains('[') && !word.starts_with("[0x");
        word.bytes().all(is_ours) && is_reported && !is_value
    };
    let mut words = String::new();
    let mut rest = message.split(' ');
    for word in rest.by_ref().take_while(|word| is_plain(word)) {
        if words.len() + word.len() >= BYTES_MAX {
            break;
        }
        words.push_str(if words.is_empty() { "" } else { " " });
        words.push_str(word);
    }
    if words.len() < message.len() {
        words.push('…');
    }
    words
}

/// Whether a write failed because the database does not exist.
pub(in crate::store) fn is_database_missing(answer: &Answer) -> bool {
    code(answer) == Some(Code::DATABASE_MISSING)
}

/// The code of an answer; it is at the beginning, so that also a body that was cut has it.
fn code(answer: &Answer) -> Option<Code> {
    let at = answer.body.windows(BEFORE_CODE.len()).position(|text| text == BEFORE_CODE)?;
    let rest = &answer.body[at + BEFORE_CODE.len()..];
    let digits = &rest[..rest.iter().take(9).position(|byte| *byte == b']')?];
    let code = u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    Some(Code(code & 0xffff))
}
