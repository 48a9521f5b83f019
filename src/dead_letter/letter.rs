//! One letter as one line of JSON.
//!
//! Keys are written in the order in which people read them. Unknown keys are skipped when reading,
//! so that an older build can list what a newer one wrote; an unknown cause is reported.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Cause, DeadLetter, LetterId, UnixNanos};

/// The longest detail that is kept, in bytes.
pub const DETAIL_BYTES_MAX: usize = 1024;

/// The longest answer of a store that is kept, in bytes.
pub const ANSWER_BYTES_MAX: usize = 1024;

/// The contract's keys, and two of our own that a replay needs.
#[derive(Debug, Serialize, Deserialize)]
struct Json<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// RFC 3339 in UTC, with as many decimals as it has.
    time: String,
    #[serde(borrow)]
    vehicle: Option<Cow<'a, str>>,
    #[serde(borrow)]
    topic: Option<Cow<'a, str>>,
    #[serde(borrow)]
    mapping: Option<Cow<'a, str>>,
    cause: Cow<'a, str>,
    detail: Cow<'a, str>,
    /// Base64.
    payload: Option<String>,
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    content_type: Option<Cow<'a, str>>,
    /// As text; a line that is not UTF-8 shows with replacement characters.
    #[serde(borrow)]
    line: Option<Cow<'a, str>>,
    /// Base64; only if `line` is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line_bytes: Option<String>,
    #[serde(borrow)]
    answer: Option<Cow<'a, str>>,
}

/// Why a stored letter cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// It is not a letter's JSON, though its checksum holds: a newer version wrote it, or it is a
    /// bug of ours.
    #[error("the letter is not one that this version reads")]
    Malformed {
        /// Where it breaks off.
        #[source]
        source: serde_json::Error,
    },
    /// Its cause is not of this version's list; a newer version reads it.
    #[error("the letter's cause `{cause}` is unknown to this version")]
    CauseUnknown {
        /// As stored.
        cause: String,
    },
    /// Its time is not one of this version's; a newer version reads it.
    #[error("the letter's time is not a timestamp")]
    TimeMalformed {
        /// What is wrong with it.
        #[source]
        source: jiff::Error,
    },
    /// Its payload or line is not base64: a bug of ours.
    #[error("the letter's bytes are not base64")]
    BytesMalformed {
        /// What is wrong with them.
        #[source]
        source: base64::DecodeError,
    },
}

/// Appends a letter and a newline.
pub(super) fn write(letter: &DeadLetter, into: &mut Vec<u8>) {
    serde_json::to_writer(&mut *into, &json(None, letter))
        .expect("text and numbers always serialise into memory");
    into.push(b'\n');
}

/// A letter with its id as one line of JSON, without a newline: the form of the contract.
#[must_use]
pub fn to_json(id: LetterId, letter: &DeadLetter) -> String {
    serde_json::to_string(&json(Some(id), letter))
        .expect("text and numbers always serialise into memory")
}

/// Reads a letter back.
pub(super) fn read(line: &[u8]) -> Result<DeadLetter, LetterError> {
    let json: Json<'_> =
        serde_json::from_slice(line).map_err(|source| LetterError::Malformed { source })?;
    let bytes = |text: Option<String>| {
        text.map(|text| STANDARD.decode(text))
            .transpose()
            .map_err(|source| LetterError::BytesMalformed { source })
    };
    let cause: Cause = json
        .cause
        .parse()
        .map_err(|_unknown| LetterError::CauseUnknown { cause: json.cause.to_string() })?;
    let time: Timestamp =
        json.time.parse().map_err(|source| LetterError::TimeMalformed { source })?;
    let text = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
    let line = match bytes(json.line_bytes)? {
        Some(bytes) => Some(bytes),
        None => text(json.line).map(String::into_bytes),
    };
    Ok(DeadLetter {
        time: UnixNanos(i64::try_from(time.as_nanosecond()).unwrap_or_default()),
        vehicle: text(json.vehicle),
        topic: text(json.topic),
        mapping: text(json.mapping),
        cause,
        detail: json.detail.into_owned(),
        payload: bytes(json.payload)?,
        content_type: text(json.content_type),
        line,
        answer: text(json.answer),
    })
}

/// Whose the letter in a stored line is, for its share of the log, and its cause.
///
/// It is its vehicle's, else its topic's; and nobody's if it is about a point, or cannot be read.
pub(super) fn about(line: &[u8]) -> (Option<String>, Option<Cause>) {
    #[derive(Deserialize)]
    struct About<'a> {
        #[serde(borrow)]
        vehicle: Option<Cow<'a, str>>,
        #[serde(borrow)]
        topic: Option<Cow<'a, str>>,
        #[serde(borrow)]
        cause: Cow<'a, str>,
    }
    let Ok(About { vehicle, topic, cause }) = serde_json::from_slice(line) else {
        return (None, None);
    };
    let owner = topic.map(|topic| vehicle.unwrap_or(topic).into_owned());
    (owner, cause.parse().ok())
}

fn json(id: Option<LetterId>, letter: &DeadLetter) -> Json<'_> {
    fn text(text: &Option<String>) -> Option<Cow<'_, str>> {
        text.as_deref().map(Cow::Borrowed)
    }
    let line = letter.line.as_deref().map(String::from_utf8_lossy);
    let lossy = matches!(line, Some(Cow::Owned(_)));
    Json {
        id: id.map(|id| id.to_string()),
        time: letter.time.to_string(),
        vehicle: text(&letter.vehicle),
        topic: text(&letter.topic),
        mapping: text(&letter.mapping),
        cause: Cow::Borrowed(letter.cause.as_str()),
        detail: Cow::Borrowed(bounded(&letter.detail, DETAIL_BYTES_MAX)),
        payload: letter.payload.as_ref().map(|bytes| STANDARD.encode(bytes)),
        content_type: text(&letter.content_type),
        line_bytes: letter.line.as_ref().filter(|_| lossy).map(|bytes| STANDARD.encode(bytes)),
        line,
        answer: letter.answer.as_deref().map(|text| Cow::Borrowed(bounded(text, ANSWER_BYTES_MAX))),
    }
}

/// The beginning of a text, cut at a whole character.
pub(super) fn bounded(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}
