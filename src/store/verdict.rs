//! What a store said about one request, in words that do not depend on the store.
//!
//! This file and the one of each store are the only places that know what an answer means. Reading
//! is pure: an [`Answer`] and the time in, a [`Verdict`] out.

use std::time::Duration;

use serde::Deserialize;

use crate::{
    model::UnixNanos,
    store::{influxdb1, influxdb2, influxdb3, options::Kind, tdengine},
};

/// An answer as it came, its body bounded: a store repeats whole lines in what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Retry-After` header, as sent.
    pub retry_after: Option<String>,
    /// The first bytes of the body, at most [`Answer::BODY_BYTES_MAX`].
    pub body: Vec<u8>,
    /// Whether the body goes on past those bytes.
    pub cut: bool,
}

/// What is to be done about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every line is stored.
    Accepted,
    /// Every line is stored but these, each exactly as the store told.
    Partial {
        /// The refused lines, at least one.
        refused: Vec<Refusal>,
    },
    /// The request as it stands will never be stored whole. What of it was stored is not known;
    /// writing those lines again changes nothing.
    Rejected {
        /// What the store said, bounded.
        answer: String,
        /// How many points the store says that it dropped, where it says so.
        dropped: Option<usize>,
    },
    /// The store cannot take it now: keep it, wait, send the same bytes again.
    Unavailable {
        /// Why, for the operator, bounded.
        reason: String,
        /// How long the store asks to be left alone; unbounded, as it said.
        retry_after: Option<Duration>,
    },
    /// Nothing will be stored until somebody changes a setting, ours or the store's: keep
    /// everything, tell, try again slowly.
    Halted {
        /// Why, for the operator, bounded.
        reason: String,
    },
}

/// One line that the store refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The line's index in its request, from 0.
    pub line: usize,
    /// What the store said about it, bounded.
    pub answer: String,
}

/// The verdict on a request that `kind` answered at `now`.
#[must_use]
pub fn verdict(kind: Kind, answer: &Answer, now: UnixNanos) -> Verdict {
    if kind == Kind::TdEngine
        && answer.status != 204
        && let Some(verdict) = tdengine::read(answer)
    {
        return verdict;
    }
    match answer.status {
        204 => Verdict::Accepted,
        400 | 422 if answer.is_page() => Verdict::Halted { reason: answer.summary() },
        400 | 422 => match kind {
            Kind::InfluxDb1 => influxdb1::refusal(answer),
            Kind::InfluxDb2 => influxdb2::refusal(answer),
            Kind::InfluxDb3 => influxdb3::refusal(answer),
            // Without a code of the server it is the adapter's, about the address.
            Kind::TdEngine => Verdict::Halted { reason: answer.summary() },
            Kind::Embedded => unreachable!("the embedded store answers no HTTP"),
        },
        413 => answer.rejected(),
        401 | 403 | 404 => Verdict::Halted { reason: answer.summary() },
        _ if kind == Kind::InfluxDb1 && influxdb1::is_wrong_setting(answer) => {
            Verdict::Halted { reason: answer.summary() }
        }
        _ if kind == Kind::InfluxDb2 && influxdb2::is_refusal_in_disguise(answer) => {
            answer.rejected()
        }
        _ => Verdict::Unavailable {
            reason: answer.summary(),
            retry_after: answer.retry_after.as_deref().and_then(|text| retry_after(text, now)),
        },
    }
}

/// An error body of any InfluxDB, and of TDengine's adapter.
#[derive(Deserialize)]
struct ErrorBody {
    #[serde(alias = "message")]
    error: String,
}

impl Answer {
    /// How much of a body is read: room for the hundred refused lines that InfluxDB 3 lists.
    pub const BODY_BYTES_MAX: usize = 64 * 1024;
    /// How much of what a store said is kept with a dead letter or shown to the operator.
    pub const QUOTE_BYTES_MAX: usize = 1024;

    /// The message inside the body, or the body where it is none of a store's.
    pub(super) fn message(&self) -> String {
        match self.whole_body().map(serde_json::from_slice::<ErrorBody>) {
            Some(Ok(body)) => body.error,
            _ => String::from_utf8_lossy(&self.body).trim().to_owned(),
        }
    }

    /// The body, if all of it is here.
    pub(super) fn whole_body(&self) -> Option<&[u8]> {
        (!self.cut).then_some(self.body.as_slice())
    }

    /// Status and message, bounded.
    fn summary(&self) -> String {
        self.quote(&self.message())
    }

    /// Status and some text of the answer, bounded.
    pub(super) fn quote(&self, text: &str) -> String {
        let mut quote = format!("HTTP {}", self.status);
        if !text.is_empty() {
            quote.push_str(": ");
            quote.push_str(text);
        }
        quote.truncate(quote.floor_char_boundary(Self::QUOTE_BYTES_MAX));
        quote
    }

    /// Whether something between us and the store answered with a page for people: no refusal of
    /// a line looks so, and a fleet's data must not be set aside because of a proxy.
    pub(super) fn is_page(&self) -> bool {
        self.body.trim_ascii_start().first() == Some(&b'<')
    }

    fn rejected(&self) -> Verdict {
        Verdict::Rejected { answer: self.summary(), dropped: dropped(&self.message()) }
    }

    /// A refusal of lines, unless the message is about the request: that would set aside line after
    /// line of good data. A message that quotes a line is always about the line.
    pub(super) fn refusal_unless(&self, about_the_request: &[&str]) -> Verdict {
        let message = self.message();
        let about_a_line = ["unable to parse", "partial write", "line protocol"]
            .iter()
            .any(|words| message.contains(words));
        if !about_a_line && about_the_request.iter().any(|words| message.contains(words)) {
            return Verdict::Halted { reason: self.quote(&message) };
        }
        self.rejected()
    }
}

/// The count in `partial write: … dropped=N`, which InfluxDB 1 and 2 put last or before the name of
/// the database.
fn dropped(message: &str) -> Option<usize> {
    let partial = message.split_once("partial write: ")?.1;
    let (_, count) = partial.rsplit_once(" dropped=")?;
    count.split_ascii_whitespace().next()?.parse().ok()
}

/// Seconds, or an HTTP date that lies ahead of `now`.
fn retry_after(text: &str, now: UnixNanos) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let nanos = date.as_nanosecond().saturating_sub(i128::from(now.0));
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}
