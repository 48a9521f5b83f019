//! The point's time, compiled: where it lies, how it is read, what it is relative to.

use jiff::tz::TimeZone;

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
    /// Whether a clock that is not set (absent, empty, before [`UNSET_BEFORE_NANOS`]) means the
    /// time of receipt.
    pub unset_is_received: bool,
}

/// Clocks that are not set yet tell 0, 1970 or 1980, by the epoch that they were made for; no
/// vehicle that this program sees was built before 1981 (its first nanosecond).
pub const UNSET_BEFORE_NANOS: i128 = 347_155_200_000_000_000;

/// One field that is a time, or a span of time.
#[derive(Clone, Debug)]
pub struct TimeValue {
    /// Its slot.
    pub slot: SlotIdx,
    /// How it lies there.
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
    /// A number that may have a fraction, out of its digits: a float, or text.
    Decimal(Unit),
    /// Text as ISO 8601 writes it; without an offset it is of this zone, if one is named. Of an
    /// hour that a zone has twice the first is meant.
    Iso8601(Option<TimeZone>),
}

impl Time {
    /// Whether it is one count and nothing else: what most mappings have.
    #[must_use]
    pub fn plain(&self) -> Option<Unit> {
        match (&self.base.reading, &self.plus, self.unset_is_received) {
            (TimeReading::Count(unit), None, false) => Some(*unit),
            _ => None,
        }
    }
}
