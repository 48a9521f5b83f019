//! The periods of time by which files are partitioned.

use std::ops::Range;

use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};

use crate::{model::UnixNanos, store::options::Partition};

/// A day or a month in UTC, and the name of its file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Period {
    /// `2026-11-23` or `2026-11`.
    pub(super) label: String,
    /// The first nanosecond, and the one after the last; clamped to the range of 64 bits.
    start: i64,
    end: i64,
}

impl Period {
    /// The period of a timestamp.
    pub(super) fn of(time: UnixNanos, partition: Partition) -> Self {
        let moment = Timestamp::from_nanosecond(i128::from(time.0)).expect("64 bits reach 2262");
        let date = moment.to_zoned(TimeZone::UTC).date();
        Self::from_date(date, partition).expect("dates before 2263 have a next month")
    }

    /// The period of a file's label; `None` if the label is not one of this partition.
    pub(super) fn from_label(label: &str, partition: Partition) -> Option<Self> {
        let date = match partition {
            Partition::Day => label.parse().ok()?,
            Partition::Month => format!("{label}-01").parse().ok()?,
        };
        Self::from_date(date, partition).filter(|period| period.label == label)
    }

    fn from_date(date: Date, partition: Partition) -> Option<Self> {
        let (first, span, label) = match partition {
            Partition::Day => (date, 1.day(), date.strftime("%Y-%m-%d").to_string()),
            Partition::Month => {
                (date.first_of_month(), 1.month(), date.strftime("%Y-%m").to_string())
            }
        };
        let start = midnight(first)?;
        let end = midnight(first.checked_add(span).ok()?)?;
        Some(Self { label, start, end })
    }

    /// Whether a timestamp is in it.
    pub(super) fn contains(&self, time: UnixNanos) -> bool {
        self.start <= time.0 && time.0 < self.end
    }

    /// Whether it overlaps `range`.
    pub(super) fn overlaps(&self, range: &Range<UnixNanos>) -> bool {
        self.start < range.end.0 && range.start.0 < self.end
    }

    /// Whether all of it is before a timestamp.
    pub(super) fn is_before(&self, time: UnixNanos) -> bool {
        self.end <= time.0
    }
}

/// The first nanosecond of a day in UTC, clamped to the range of 64 bits.
fn midnight(date: Date) -> Option<i64> {
    let nanos = date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_nanosecond();
    Some(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(moment: &str, partition: Partition, label: &str) {
        let time: Timestamp = moment.parse().expect("a time");
        let nanos = UnixNanos(i64::try_from(time.as_nanosecond()).expect("in range"));
        let period = Period::of(nanos, partition);
        assert_eq!(period.label, label);
        assert!(period.contains(nanos));
        assert_eq!(Period::from_label(label, partition), Some(period));
    }

    #[test]
    fn a_timestamp_is_in_its_day_and_month_in_utc() {
        check("2026-11-23T03:00:00Z", Partition::Day, "2026-11-23");
        check("2026-11-23T03:00:00Z", Partition::Month, "2026-11");
        check("2024-02-29T23:59:59.999999999Z", Partition::Month, "2024-02");
        check("1969-12-31T23:59:59.999999999Z", Partition::Day, "1969-12-31");
        check("1970-01-01T00:00:00Z", Partition::Month, "1970-01");
        for end in [i64::MIN, i64::MAX] {
            assert!(
                Period::of(UnixNanos(end), Partition::Month).overlaps(
                    &(UnixNanos(end.saturating_sub(1))..UnixNanos(end.saturating_add(1)))
                )
            );
        }
        for foreign in ["2026-11-23", "2026-13", "26-11", "2026-1", "notes", ""] {
            assert_eq!(Period::from_label(foreign, Partition::Month), None, "{foreign}");
        }
    }

    #[test]
    fn periods_follow_each_other_without_a_gap() {
        let november = Period::from_label("2026-11", Partition::Month).expect("a month");
        let december = Period::from_label("2026-12", Partition::Month).expect("a month");
        assert_eq!(november.end, december.start);
        let range = |from: i64, to: i64| UnixNanos(from)..UnixNanos(to);
        assert!(!november.overlaps(&range(december.start, december.end)));
        assert!(november.overlaps(&range(december.start - 1, december.end)));
        assert!(november.is_before(UnixNanos(december.start)));
        assert!(!november.is_before(UnixNanos(december.start - 1)));
    }
}
