//! A time as written on a command line, and as displayed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::{
    cli::failure::Failure,
    model::{UnixNanos, parse_duration},
    query,
};

/// RFC 3339, nanoseconds since 1970, or how long ago: `1h`, `-90s`, `2d 4h`.
pub(super) fn parse(text: &str, now: UnixNanos) -> Result<UnixNanos, Failure> {
    if let Ok(number) = text.parse() {
        return query::nanos(number).map_err(|wrong| Failure::Usage(format!("`{text}` {wrong}")));
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return i64::try_from(moment.as_nanosecond())
            .map(UnixNanos)
            .map_err(|_| Failure::Usage(format!("`{text}` does not fit nanoseconds since 1970")));
    }
    if let Some(ago) = ago(text) {
        return Ok(now.saturating_add(-ago));
    }
    Err(Failure::Usage(format!(
        "`{text}` is no time; write it like 2026-01-31T12:00:00Z, or how long ago like 1h"
    )))
}

fn ago(text: &str) -> Option<i64> {
    // Days do not have the same length in every calendar, so the library does not parse them.
    let text = text.trim().trim_start_matches('-');
    let nanos = match text.strip_suffix('d') {
        Some(days) => i128::from(days.parse::<u32>().ok()?) * 86_400_000_000_000,
        None => text.parse::<SignedDuration>().ok()?.as_nanos(),
    };
    i64::try_from(nanos).ok()
}

/// A duration as an option's value.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    // The configuration's format, and also "1h 30m" and ISO 8601.
    let signed = || text.parse::<SignedDuration>().ok();
    parse_duration(text)
        .or_else(|| signed().and_then(|duration| Duration::try_from(duration).ok()))
        .ok_or_else(|| "expected a duration such as \"10s\"".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_a_number_or_how_long_ago() {
        let now = UnixNanos(1_795_382_379_000_000_000);
        let check = |text: &str, nanos: i64| {
            assert_eq!(parse(text, now).expect(text), UnixNanos(nanos), "{text}");
        };
        check("2026-11-22T21:59:39Z", 1_795_384_779_000_000_000);
        check("1795382379000000000", 1_795_382_379_000_000_000);
        check("1h", now.0 - 3_600_000_000_000);
        check("-90s", now.0 - 90_000_000_000);
        check("2d", now.0 - 172_800_000_000_000);
        // A bare number is nanoseconds; one in the 1970s was probably meant in another unit.
        for wrong in ["", "yesterday", "1", "1774648800", "2026-11-22"] {
            assert!(parse(wrong, now).is_err(), "{wrong}");
        }
    }
}
