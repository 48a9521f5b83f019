//! When a row was recorded.

use jiff::{Timestamp, civil, tz::TimeZone};

/// Nanoseconds since the Unix epoch of a text: RFC 3339, or an integer whose size tells its unit.
pub(super) fn moment(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(count) = text.parse::<i64>() {
        // Seconds reach 10^11 in the year 5138; milliseconds were there in 1973.
        let nanos_a_step = match count.unsigned_abs() {
            0..100_000_000_000 => 1_000_000_000,
            100_000_000_000..100_000_000_000_000 => 1_000_000,
            100_000_000_000_000..100_000_000_000_000_000 => 1000,
            _ => 1,
        };
        return count.checked_mul(nanos_a_step);
    }
    i64::try_from(text.parse::<Timestamp>().ok()?.as_nanosecond()).ok()
}

/// The same of a date (`M/D/Y` or `Y-M-D`) and a time of day (`H:M:S`, with or without decimals) on
/// the clocks of a time zone.
pub(super) fn civil_moment(date: &str, time: &str, zone: &TimeZone) -> Option<i64> {
    let (year, month, day) = if let Some((month, rest)) = date.trim().split_once('/') {
        let (day, year) = rest.split_once('/')?;
        (year, month, day)
    } else {
        let (year, rest) = date.trim().split_once('-')?;
        let (month, day) = rest.split_once('-')?;
        (year, month, day)
    };
    let date = civil::Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    let (hour, rest) = time.trim().split_once(':')?;
    let (minute, second) = rest.split_once(':')?;
    let (second, decimals) = second.split_once('.').unwrap_or((second, ""));
    if !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let nanos = format!("{decimals:0<9}").get(..9)?.parse().ok()?;
    let time =
        civil::Time::new(hour.parse().ok()?, minute.parse().ok()?, second.parse().ok()?, nanos);
    let moment = date.to_datetime(time.ok()?).to_zoned(zone.clone()).ok()?;
    i64::try_from(moment.timestamp().as_nanosecond()).ok()
}
