//! Parses moments and window lengths as written in a query.

use jiff::{Span, Timestamp, tz::TimeZone};

use crate::{model::UnixNanos, query::EpochUnit};

/// What [`moment`] accepts, for the error text.
const MOMENT: &str =
    "a time like 2026-01-31T12:00:00Z, nanoseconds since 1970, or relative like -1h";
/// What [`every`] accepts.
const EVERY: &str = "a length of time like 1m";
/// 1980 in nanoseconds since 1970: a smaller number, except 0, is in another unit.
const PLAUSIBLE_NANOS: i64 = 315_532_800_000_000_000;
/// Units that are used by mistake instead of nanoseconds: name, nanoseconds.
const OTHER_UNITS: [(&str, i64); 3] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];

/// RFC 3339, a number since 1970, or relative to `now`: `-1h`, `-90s`, `-2d`, `-1mo`, `now`.
///
/// A number is in the unit that the query names. Without one it is in nanoseconds, and then a
/// number that gives a time in the 1970s is refused, because another unit was intended.
///
/// # Errors
/// What is wrong with it, in a sentence without its subject.
pub fn moment(text: &str, now: UnixNanos, unit: EpochUnit) -> Result<UnixNanos, String> {
    if text == "now" {
        return Ok(now);
    }
    if let Ok(number) = text.parse::<i64>()
        && !text.starts_with('+')
    {
        return of_number(number, unit);
    }
    // In a URL an unescaped `+` is a space.
    if let Ok(at) = text.replace(' ', "+").parse::<Timestamp>() {
        return i64::try_from(at.as_nanosecond())
            .map(UnixNanos)
            .map_err(|_| "does not fit nanoseconds since 1970".to_owned());
    }
    let (is_ago, length) = match text.split_at_checked(1) {
        Some(("-", length)) => (true, length),
        Some(("+" | " ", length)) => (false, length),
        _ => return Err(format!("is no time; expected {MOMENT}")),
    };
    let span = span(length).ok_or_else(|| format!("is no time; expected {MOMENT}"))?;
    let span = if is_ago { span.negate() } else { span };
    let shifted = Timestamp::from_nanosecond(i128::from(now.0))
        .map(|now| now.to_zoned(TimeZone::UTC))
        .and_then(|now| now.checked_add(span));
    let nanos = shifted.ok().and_then(|at| i64::try_from(at.timestamp().as_nanosecond()).ok());
    nanos.map(UnixNanos).ok_or_else(|| "does not fit nanoseconds since 1970".to_owned())
}

fn of_number(number: i64, unit: EpochUnit) -> Result<UnixNanos, String> {
    if let Some(unit) = unit {
        let nanos = number.checked_mul(unit.get());
        return nanos.map(UnixNanos).ok_or_else(|| {
            "does not fit nanoseconds since 1970 in the unit of `epoch`".to_owned()
        });
    }
    nanos(number).map_err(|wrong| match meant(number) {
        Some((word, _)) => format!("{} (`epoch={word}`)?", wrong.trim_end_matches('?')),
        None => format!("{wrong}; with `epoch` it is read in another unit"),
    })
}

/// A number of nanoseconds since 1970, for an input without a unit: a number that gives a time in
/// the 1970s is refused, because another unit was intended.
///
/// # Errors
/// What the number is and what was probably intended, in a sentence without its subject.
pub fn nanos(number: i64) -> Result<UnixNanos, String> {
    if number == 0 || number >= PLAUSIBLE_NANOS {
        return Ok(UnixNanos(number));
    }
    let meant = meant(number).map(|(_, meant)| format!("; did you mean {meant}?"));
    let was = UnixNanos(number);
    Err(format!("is {was} in nanoseconds since 1970{}", meant.unwrap_or_default()))
}

/// The unit in which a number is a plausible time, and that time.
fn meant(number: i64) -> Option<(&'static str, UnixNanos)> {
    OTHER_UNITS.iter().find_map(|(word, unit)| {
        let nanos = number.checked_mul(*unit).filter(|nanos| *nanos >= PLAUSIBLE_NANOS)?;
        Some((*word, UnixNanos(nanos)))
    })
}

/// A window's length, `1m` or `500ms`, in nanoseconds; at least one.
///
/// # Errors
/// What is wrong with it, in a sentence without its subject.
pub fn every(text: &str) -> Result<i64, String> {
    let wrong = || format!("is no length of a window; expected {EVERY}");
    let span = span(text).ok_or_else(wrong)?;
    if span.get_months() != 0 || span.get_years() != 0 {
        return Err("has no fixed length; write it in days, as 30d or 365d".to_owned());
    }
    // In UTC all days and all weeks have the same length.
    let days = i64::from(span.get_weeks()) * 7 + i64::from(span.get_days());
    let rest = span.weeks(0).days(0);
    let rest = rest.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    let nanos = i128::from(days) * 86_400_000_000_000 + rest.as_nanos();
    i64::try_from(nanos).ok().filter(|nanos| *nanos > 0).ok_or_else(wrong)
}

/// A positive length of time: without `ago` and without a sign.
fn span(text: &str) -> Option<Span> {
    let is_plain = text.starts_with(|c: char| c.is_ascii_digit())
        && !text.contains(['-', '+'])
        && !text.to_ascii_lowercase().ends_with("ago");
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroI64;

    use super::*;

    const NOW: UnixNanos = UnixNanos(1_795_382_379_000_000_000);

    #[test]
    fn a_moment_is_a_date_a_number_or_relative() {
        let check = |text: &str, nanos: i64| {
            assert_eq!(moment(text, NOW, None), Ok(UnixNanos(nanos)), "{text}");
        };
        check("2026-11-22T21:59:39Z", 1_795_384_779_000_000_000);
        check("2026-11-22T22:59:39 01:00", 1_795_384_779_000_000_000);
        check("2026-11-22T21:59:39.000000001Z", 1_795_384_779_000_000_001);
        check("1795382379000000000", 1_795_382_379_000_000_000);
        check("0", 0);
        check("-1h", NOW.0 - 3_600_000_000_000);
        check("-1h30m", NOW.0 - 5_400_000_000_000);
        check("+1h", NOW.0 + 3_600_000_000_000);
        check(" 1h", NOW.0 + 3_600_000_000_000);
        check("+2d", NOW.0 + 172_800_000_000_000);
        check("now", NOW.0);
        // By the calendar: from the 22nd of November to the 22nd of October, and of last year.
        check("-1mo", NOW.0 - 31 * 86_400_000_000_000);
        check("-1y", NOW.0 - 365 * 86_400_000_000_000);
        for wrong in [
            "",
            "-",
            "1h",
            "yesterday",
            "--1h",
            "2026-11-22",
            "-99999999999d",
            "-1h ago",
            "+1h ago",
            "-1h -2m",
            "- 1h",
        ] {
            assert!(moment(wrong, NOW, None).is_err(), "{wrong}");
        }
    }

    /// Case q2-epoch-units.
    #[test]
    fn a_number_of_another_unit_is_refused_or_read_in_the_unit_that_is_named() {
        let check = |text: &str, expect: &str| {
            assert_eq!(moment(text, NOW, None), Err(expect.to_owned()), "{text}");
        };
        check(
            "1774648800",
            "is 1970-01-01T00:00:01.7746488Z in nanoseconds since 1970; did you mean \
             2026-03-27T22:00:00Z (`epoch=s`)?",
        );
        check(
            "1774648800000",
            "is 1970-01-01T00:29:34.6488Z in nanoseconds since 1970; did you mean \
             2026-03-27T22:00:00Z (`epoch=ms`)?",
        );
        check(
            "1774648800000000",
            "is 1970-01-21T12:57:28.8Z in nanoseconds since 1970; did you mean \
             2026-03-27T22:00:00Z (`epoch=us`)?",
        );
        check(
            "7",
            "is 1970-01-01T00:00:00.000000007Z in nanoseconds since 1970; with `epoch` it is read \
             in another unit",
        );
        assert_eq!(
            nanos(1_774_648_800),
            Err("is 1970-01-01T00:00:01.7746488Z in nanoseconds since 1970; did you mean \
                 2026-03-27T22:00:00Z?"
                .to_owned())
        );
        // No number at all: neither taken for one nor cut.
        for other in ["1774648800.5", "1774648800s", "1.7e9", "0x69c6f7e0", "1_774_648_800"] {
            assert!(moment(other, NOW, None).is_err(), "{other}");
        }
        assert!(moment("-1", NOW, None).is_err());
        let unit = NonZeroI64::new;
        let at = UnixNanos(1_774_648_800_000_000_000);
        assert_eq!(moment("1774648800", NOW, unit(1_000_000_000)), Ok(at));
        assert_eq!(moment("1774648800000", NOW, unit(1_000_000)), Ok(at));
        assert_eq!(moment("1", NOW, unit(1)), Ok(UnixNanos(1)), "whoever says so means it");
        assert!(moment("9223372036854775807", NOW, unit(1_000)).is_err());
    }

    #[test]
    fn a_window_has_a_length() {
        assert_eq!(every("1m"), Ok(60_000_000_000));
        assert_eq!(every("1w"), Ok(604_800_000_000_000));
        assert_eq!(every("1d"), Ok(86_400_000_000_000));
        assert_eq!(every("250ms"), Ok(250_000_000));
        assert_eq!(every("1ns"), Ok(1));
        for wrong in ["", "0s", "-1m", "m", "1", "1 fortnight", "1m ago"] {
            assert!(every(wrong).is_err(), "{wrong}");
        }
        for calendar in ["1mo", "2 months", "1y"] {
            let told = every(calendar).expect_err("no fixed length");
            assert!(told.contains("30d"), "{told}");
        }
    }
}
