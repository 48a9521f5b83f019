//! The meaning of a store's answer to one write request, independent of the store.
//!
//! Only this file and the one of each store know the meaning of an answer. Reading is pure: an
//! [`Answer`] and the time in, a [`Verdict`] out. Each store's file lists the messages with which
//! it refuses lines; the tests check them against observed answers and the servers' source.

use std::time::Duration;

use crate::{
    model::UnixNanos,
    store::{Answer, influxdb1, influxdb2, influxdb3, options::Kind, tdengine},
};

/// What to do about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every line is stored.
    Accepted,
    /// Every line is stored except these, which the store has named exactly.
    Partial {
        /// The refused lines, at least one.
        refused: Vec<Refusal>,
    },
    /// This request will never be stored completely. Which of its lines were stored is not known;
    /// writing those again changes nothing.
    Rejected {
        /// The store's message, bounded.
        answer: String,
        /// The number of dropped points, if the store reports it.
        dropped: Option<usize>,
    },
    /// Refused like bad lines, but good lines are also refused in this way when two writers add
    /// columns at the same time: the same bytes, sent again, may be accepted.
    Doubtful {
        /// The store's message, bounded.
        answer: String,
    },
    /// The store refuses every line of a measurement in this request.
    MeasurementRejected {
        /// The store's message, bounded.
        answer: String,
    },
    /// The store refused with an unknown message: it may be down, or may never accept these lines.
    /// Retry as for an unavailable store, but not forever.
    Unclear {
        /// The reason for the operator: the message without repeated lines, bounded.
        reason: String,
        /// The whole message of the store, bounded.
        answer: String,
    },
    /// Something on the way does not accept a request of this size: send smaller requests. This
    /// says nothing about lines, so a single line is kept.
    TooLarge {
        /// The reason, for the operator, bounded.
        reason: String,
    },
    /// The store cannot accept it now: keep it, wait, send the same bytes again.
    Unavailable {
        /// The reason, for the operator, bounded.
        reason: String,
        /// How long the store asks to wait; as received, without a bound.
        retry_after: Option<Duration>,
    },
    /// Nothing will be stored until an operator changes a setting, ours or the store's: keep
    /// everything, report it, retry slowly.
    Halted {
        /// The reason, for the operator, bounded.
        reason: String,
    },
}

/// One line that the store refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The line's index in its request, from 0.
    pub line: usize,
    /// The store's message about it, bounded.
    pub answer: String,
}

/// The verdict on a request that `kind` answered at `now`.
///
/// A line counts as refused only by a message that this kind of store is known to use for lines.
/// Any other refusal (by a proxy, a gateway, a TLS port, a quota) holds everything: no line is set
/// aside because of it.
#[must_use]
pub fn verdict(kind: Kind, answer: &Answer, now: UnixNanos) -> Verdict {
    if answer.status == 204 {
        return Verdict::Accepted;
    }
    let about_lines = match kind {
        Kind::InfluxDb1 => influxdb1::refusal(answer),
        Kind::InfluxDb2 => influxdb2::refusal(answer),
        Kind::InfluxDb3 => influxdb3::refusal(answer),
        Kind::TdEngine => tdengine::read(answer),
        Kind::Embedded => None,
    };
    if let Some(verdict) = about_lines {
        return verdict;
    }
    let reason = answer.summary();
    match answer.status {
        413 => Verdict::TooLarge { reason },
        // Request timeout, too early, too many requests.
        408 | 425 | 429 => answer.unavailable(now),
        300..=499 => Verdict::Halted { reason },
        _ if kind == Kind::InfluxDb1 && influxdb1::is_wrong_setting(answer) => {
            Verdict::Halted { reason }
        }
        _ => answer.unavailable(now),
    }
}

/// The verdict on a request whose answer was cut off. Half a message refuses no line, but the
/// received part is reported: a TLS port resets the connection after its message.
pub(super) fn broken_off(answer: &Answer, why: &str) -> Verdict {
    let mut reason = format!("{} (the answer broke off: {why})", answer.summary());
    reason.truncate(reason.floor_char_boundary(Answer::QUOTE_BYTES_MAX));
    match answer.speaks_tls() {
        true => Verdict::Halted { reason },
        false => Verdict::Unavailable { reason, retry_after: None },
    }
}

impl Answer {
    /// The whole request is refused, with the store's message.
    pub(super) fn rejected(&self, message: &str) -> Verdict {
        Verdict::Rejected { answer: self.quote(message), dropped: dropped(message) }
    }

    fn unavailable(&self, now: UnixNanos) -> Verdict {
        Verdict::Unavailable {
            reason: self.summary(),
            retry_after: self.retry_after.as_deref().and_then(|text| retry_after(text, now)),
        }
    }
}

/// The count in `partial write: … dropped=N`, which InfluxDB 1 and 2 put last or before the name of
/// the database.
fn dropped(message: &str) -> Option<usize> {
    let partial = message.split_once("partial write: ")?.1;
    let (_, count) = partial.rsplit_once(" dropped=")?;
    count.split_ascii_whitespace().next()?.parse().ok()
}

/// Seconds, or an HTTP date after `now`.
fn retry_after(text: &str, now: UnixNanos) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let nanos = date.as_nanosecond().saturating_sub(i128::from(now.0));
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}
