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
    let code = code(answer)?;
    let message = answer.message();
    let words = message.split_once(']').map_or("", |(_, words)| words);
    let class = code.of_write(words);
    let quote = answer.quote(&message);
    // What a message repeats of lines is for the dead letter of that line, and for nobody else.
    let told = || answer.quote(&first_words(&message));
    Some(match class {
        // Never with a count: what a message repeats of a line must not be taken for one.
        Class::Line => Verdict::Rejected { answer: quote, dropped: None },
        Class::Race => Verdict::Doubtful { answer: quote },
        Class::Measurement => Verdict::MeasurementRejected { answer: quote },
        Class::Setting => Verdict::Halted { reason: told() },
        Class::Wait => Verdict::Unavailable { reason: told(), retry_after: None },
        Class::Unknown => Verdict::Unclear { reason: told(), answer: quote },
    })
}

/// The words of a message up to where it repeats what it was sent: newer servers quote up to 512
/// bytes from the fault on, which may be lines of other vehicles.
pub(in crate::store) fn first_words(message: &str) -> String {
    const BYTES_MAX: usize = 160;
    let is_plain = |word: &&str| {
        let is_ours = |byte: u8| byte.is_ascii_alphanumeric() || b"[]().,:/_-'".contains(&byte);
        let (_, behind) = word.rsplit_once(':').unwrap_or(("", ""));
        // `type:BIGINT,` and `SML:0x1f,` are the server's own; `key:x=1.5` and `data:abc` are not.
        let is_told = behind.bytes().all(|byte| !byte.is_ascii_lowercase())
            || behind.strip_prefix("0x").is_some_and(|hex| hex.len() <= 20);
        let is_value = word.contains('[') && !word.starts_with("[0x");
        word.bytes().all(is_ours) && is_told && !is_value
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
