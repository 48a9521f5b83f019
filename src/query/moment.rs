//! Moments and windows as people write them in a question.

use jiff::{SignedDuration, Timestamp};

use crate::model::UnixNanos;

/// What [`moment`] reads, for whoever wrote something else.
pub const MOMENT: &str =
    "a time like 2026-01-31T12:00:00Z, nanoseconds since 1970, or relative like -1h";

/// RFC 3339, nanoseconds since 1970, or relative to `now`: `-1h`, `-90s`, `-2d`, `now`.
#[must_use]
pub fn moment(text: &str, now: UnixNanos) -> Option<UnixNanos> {
    if text == "now" {
        return Some(now);
    }
    if let Ok(nanos) = text.parse() {
        return Some(UnixNanos(nanos));
    }
    // In a URL a `+` that nobody escaped is a space.
    if let Ok(at) = text.replace(' ', "+").parse::<Timestamp>() {
        return i64::try_from(at.as_nanosecond()).ok().map(UnixNanos);
    }
    let (sign, length) = match text.split_at_checked(1)? {
        ("-", length) => (-1, length),
        ("+" | " ", length) => (1, length),
        _ => return None,
    };
    Some(now.saturating_add(nanos(length)?.checked_mul(sign)?))
}

/// A window's length, `1m` or `500ms`, in nanoseconds; at least one.
#[must_use]
pub fn every(text: &str) -> Option<i64> {
    nanos(text).filter(|nanos| *nanos > 0)
}

fn nanos(text: &str) -> Option<i64> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    // Days and weeks are not exact in every calendar, so the library leaves them to us: UTC's are.
    const DAY: i128 = 86_400_000_000_000;
    let whole = |number: &str, unit: i128| Some(i128::from(number.parse::<u32>().ok()?) * unit);
    let nanos = match (text.strip_suffix('d'), text.strip_suffix('w')) {
        (Some(days), _) => whole(days, DAY)?,
        (_, Some(weeks)) => whole(weeks, 7 * DAY)?,
        _ => text.parse::<SignedDuration>().ok()?.as_nanos(),
    };
    i64::try_from(nanos).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_a_number_or_relative() {
        let now = UnixNanos(1_795_382_379_000_000_000);
        let check = |text: &str, nanos: i64| {
            assert_eq!(moment(text, now), Some(UnixNanos(nanos)), "{text}");
        };
        check("2026-11-22T21:59:39Z", 1_795_384_779_000_000_000);
        check("2026-11-22T22:59:39 01:00", 1_795_384_779_000_000_000);
        check("2026-11-22T21:59:39.000000001Z", 1_795_384_779_000_000_001);
        check("1795382379000000000", 1_795_382_379_000_000_000);
        check("-1", -1);
        check("-1h", now.0 - 3_600_000_000_000);
        check("-1h30m", now.0 - 5_400_000_000_000);
        check("+2d", now.0 + 172_800_000_000_000);
        check("now", now.0);
        for wrong in ["", "-", "1h", "yesterday", "--1h", "2026-11-22", "-1y", "-99999999999d"] {
            assert_eq!(moment(wrong, now), None, "{wrong}");
        }
    }

    #[test]
    fn a_window_has_a_length() {
        assert_eq!(every("1m"), Some(60_000_000_000));
        assert_eq!(every("1w"), Some(604_800_000_000_000));
        assert_eq!(every("250ms"), Some(250_000_000));
        assert_eq!(every("1ns"), Some(1));
        for wrong in ["", "0s", "-1m", "m", "1", "1 fortnight"] {
            assert_eq!(every(wrong), None, "{wrong}");
        }
    }
}
