//! The point's time, compiled: its slot, how it is read, what it is relative to.

use jiff::tz::{Offset, TimeZone};

use crate::{
    mapping::SlotIdx,
    schema::{Scalar, Unit},
};

/// The payload field that is the point's time.
#[derive(Clone, Debug)]
pub struct Time {
    /// The field itself.
    pub base: TimeValue,
    /// A field that is added to it.
    pub plus: Option<TimeValue>,
    /// Whether the time of receipt replaces a clock that is not set (absent, empty, before
    /// [`UNSET_BEFORE_NANOS`]).
    pub unset_is_received: bool,
}

/// The first nanosecond of 1981. Clocks that are not set yet show 0, 1970 or 1980, depending on
/// their epoch; no connected vehicle was built before 1981.
pub const UNSET_BEFORE_NANOS: i128 = 347_155_200_000_000_000;

/// One field that is a time, or a span of time.
#[derive(Clone, Debug)]
pub struct TimeValue {
    /// Its slot.
    pub slot: SlotIdx,
    /// Its scalar type.
    pub scalar: Scalar,
    /// How it is read.
    pub reading: TimeReading,
}

/// How a time is read.
#[derive(Clone, Debug)]
pub enum TimeReading {
    /// [`Scalar::Integer`] and [`Scalar::Unsigned`] count this unit; [`Scalar::Ticks`],
    /// [`Scalar::Timestamp`] and [`Scalar::Duration`] bring their own.
    Count(Unit),
    /// A number that may have a fraction, read from its digits: a float, or text.
    Decimal(Unit),
    /// Text in ISO 8601. Without an offset it is in this zone, if one is named. In an hour that
    /// occurs twice in a zone the first one is taken.
    Iso8601(Option<TimeZone>),
}

impl Time {
    /// The unit, if the time is one plain count, as in most mappings.
    #[must_use]
    pub fn plain(&self) -> Option<Unit> {
        match (&self.base.reading, &self.plus, self.unset_is_received) {
            (TimeReading::Count(unit), None, false) => Some(*unit),
            _ => None,
        }
    }
}

/// A time zone by its name, such as `Europe/Berlin`, or by its offset, such as `+01:00`.
#[must_use]
pub fn time_zone(text: &str) -> Option<TimeZone> {
    fixed_zone(text).or_else(|| TimeZone::get(text).ok())
}

/// A zone with a fixed offset from UTC: `Z`, `+01:00`, `-0330`, `+01`.
fn fixed_zone(text: &str) -> Option<TimeZone> {
    if text == "Z" {
        return Some(TimeZone::UTC);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits = text.strip_prefix(['+', '-'])?;
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None => digits.split_at_checked(2)?,
    };
    let number = |text: &str, below: i32| {
        let is_plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number: &i32| is_plain && *number < below)
    };
    let minutes = if minutes.is_empty() { 0 } else { number(minutes, 60)? };
    let seconds = sign * (number(hours, 24)? * 3600 + minutes * 60);
    Offset::from_seconds(seconds).ok().map(TimeZone::fixed)
}
