//! What a store said about one request, in words that do not depend on the store.
//!
//! This file and the one of each store are the only places that know what an answer means. Reading
//! is pure: an [`Answer`] and the time in, a [`Verdict`] out. Each store's file lists the words in
//! which it refuses lines, and holds them against what servers were seen or read to say.

use std::time::Duration;

use crate::{
    model::UnixNanos,
    store::{Answer, influxdb1, influxdb2, influxdb3, options::Kind, tdengine},
};

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
    /// Refused as bad lines are, but good ones are refused so too where two writers meet: the same
    /// bytes, sent again, may be taken.
    Doubtful {
        /// What the store said, bounded.
        answer: String,
    },
    /// Whatever lines of a measurement of this request say, the store takes none of them.
    MeasurementRejected {
        /// What the store said, bounded.
        answer: String,
    },
    /// The store refused in words that are in no list: it may be away, or may never take these
    /// lines. Wait as for one that is unavailable, but not for ever.
    Unclear {
        /// Why, for the operator: the words without what they repeat of lines, bounded.
        reason: String,
        /// All that the store said, bounded.
        answer: String,
    },
    /// Something on the way does not take a request of this size: send less at once. It says
    /// nothing about lines, so a single line is kept.
    TooLarge {
        /// Why, for the operator, bounded.
        reason: String,
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
///
/// A line is blamed only in words that this kind of store is known to use for lines. Whatever else
/// refuses, a proxy, a gateway, a TLS port, a quota, holds everything: no line is set aside for it.
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
        // Too slow, too early, too much at once.
        408 | 425 | 429 => answer.unavailable(now),
        300..=499 => Verdict::Halted { reason },
        _ if kind == Kind::InfluxDb1 && influxdb1::is_wrong_setting(answer) => {
            Verdict::Halted { reason }
        }
        _ => answer.unavailable(now),
    }
}

/// The verdict on a request whose answer broke off. Half a sentence blames no line, but what came
/// of it is told: a port that speaks TLS resets the connection behind what it says.
pub(super) fn broken_off(answer: &Answer, why: &str) -> Verdict {
    let mut reason = format!("{} (the answer broke off: {why})", answer.summary());
    reason.truncate(reason.floor_char_boundary(Answer::QUOTE_BYTES_MAX));
    match answer.speaks_tls() {
        true => Verdict::Halted { reason },
        false => Verdict::Unavailable { reason, retry_after: None },
    }
}

impl Answer {
    /// The request as it stands is refused, in the store's own words.
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
