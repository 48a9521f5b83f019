//! Timestamps.

use std::fmt;

use jiff::Timestamp;

/// Nanoseconds since 1970-01-01T00:00:00Z; negative before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixNanos(pub i64);

impl UnixNanos {
    /// The moment `nanos` later, saturating at the ends of the range.
    #[must_use]
    pub const fn saturating_add(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

/// RFC 3339 in UTC, without trailing zeros in the fraction.
impl fmt::Display for UnixNanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = Timestamp::from_nanosecond(i128::from(self.0));
        moment.expect("64 bits of nanoseconds reach from 1677 to 2262").fmt(f)
    }
}
