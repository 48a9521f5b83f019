//! Text in ISO 8601 → nanoseconds since 1970.
//!
//! Dates are year, month and day, in the extended or the basic format; RFC 3339 is read as well.
//! Three common deviations are unambiguous and also accepted: a space before the offset, digits
//! past the nanosecond, and 24:00 for the end of a day. Other known formats are refused with an
//! error that names them.

use jiff::{
    civil::Time,
    fmt::temporal::{DateTimeParser, Pieces},
    tz::{AmbiguousOffset, TimeZone},
};

use super::read::Read;

/// Reads a text without white space around it.
///
/// # Errors
/// What is wrong; the caller puts the text before it.
pub(super) fn read(zone: Option<&TimeZone>, text: &[u8]) -> Result<Read, &'static str> {
    let text = text.trim_ascii();
    let mut tidy = [0; BYTES_MAX];
    // Tidied before it is parsed, because an error of the parser costs an allocation.
    let (text, is_next_day) = tidied(text, &mut tidy).unwrap_or((text, false));
    let pieces = parse(text).ok_or_else(|| why(text))?;
    let date = match is_next_day {
        true => pieces.date().tomorrow().map_err(|_| OUT_OF_RANGE)?,
        false => pieces.date(),
    };
    let at = date.to_datetime(pieces.time().unwrap_or(Time::midnight()));
    let (found, is_repeated) = match (pieces.to_numeric_offset(), zone) {
        (Some(offset), _) if offset.seconds().abs() >= DAY_SECONDS => {
            return Err("has an offset of a day or more");
        }
        (Some(offset), _) => (offset.to_timestamp(at), false),
        (None, _) if pieces.time_zone_annotation().is_some() => {
            return Err("names a zone and has no offset");
        }
        (None, None) => return Err("has no offset, and the mapping names no `zone`"),
        (None, Some(zone)) => {
            let found = zone.to_ambiguous_timestamp(at);
            let offset = found.offset();
            if matches!(offset, AmbiguousOffset::Gap { .. }) {
                return Err("is no time of its zone, whose clocks skip it");
            }
            (found.earlier(), matches!(offset, AmbiguousOffset::Fold { .. }))
        }
    };
    let found = found.map_err(|_| OUT_OF_RANGE)?;
    Ok(Read { nanos: found.as_nanosecond(), is_repeated })
}

/// The text for a time that a line cannot express.
const OUT_OF_RANGE: &str = "does not fit 64-bit nanoseconds";

const DAY_SECONDS: i32 = 24 * 60 * 60;

/// The date, the time and the offset of a text.
fn parse(text: &[u8]) -> Option<Pieces<'_>> {
    const PARSER: DateTimeParser = DateTimeParser::new();
    PARSER.parse_pieces(text).ok()
}

/// Upper bound in bytes of a text that is tidied.
const BYTES_MAX: usize = 64;

/// How many digits nanoseconds have.
const NANO_DIGITS: usize = 9;

/// Brings a text with a known deviation into the form that the parser accepts; returns also whether
/// a day must be added, because 24:00 is the 0:00 of the next day. Digits past the nanosecond are
/// cut, as those of a number.
fn tidied<'b>(text: &[u8], into: &'b mut [u8; BYTES_MAX]) -> Option<(&'b [u8], bool)> {
    let time = time_start(text)?;
    let clock_len = text[time..].iter().take_while(|byte| is_of_clock(**byte)).count();
    let (clock, rest) = text[time..].split_at(clock_len);
    let offset = rest.trim_ascii_start();
    let has_space = offset.len() < rest.len();
    if has_space && !matches!(offset, [b'+' | b'-' | b'Z' | b'z', ..]) {
        // White space is allowed only before an offset, not between digits.
        return None;
    }
    let is_next_day = clock
        .strip_prefix(b"24")
        .is_some_and(|rest| rest.iter().all(|byte| matches!(byte, b'0' | b':' | b'.' | b',')));
    let point = clock.iter().position(|byte| matches!(byte, b'.' | b','));
    if point.is_some_and(|point| !clock[point + 1..].iter().all(u8::is_ascii_digit)) {
        // Only digits are cut: the parser refuses anything else after the fraction.
        return None;
    }
    let kept = point.map_or(clock_len, |point| clock_len.min(point + 1 + NANO_DIGITS));
    if !is_next_day && kept == clock_len && !has_space {
        return None;
    }
    let clock = if is_next_day { &clock[2..kept] } else { &clock[..kept] };
    let hour: &[u8] = if is_next_day { b"00" } else { b"" };
    let parts = [&text[..time], hour, clock, offset];
    let mut len = 0;
    for part in parts {
        into.get_mut(len..len + part.len())?.copy_from_slice(part);
        len += part.len();
    }
    Some((&into[..len], is_next_day))
}

/// Where the time of day begins, after a date in the extended or the basic format.
fn time_start(text: &[u8]) -> Option<usize> {
    let is_between = |at: &usize| matches!(text.get(*at), Some(b'T' | b't' | b' '));
    [10, 8].into_iter().find(is_between).map(|at| at + 1)
}

/// Whether a byte may be part of the time of day, before the offset.
const fn is_of_clock(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b':' | b'.' | b',')
}

/// Why a text is not a time, with the name of its format if that is a known one.
#[cold]
fn why(text: &[u8]) -> &'static str {
    let is_digits = |range: std::ops::Range<usize>| {
        text.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    let has_word = |words: &str| {
        let text = text.to_ascii_lowercase();
        let mut found = words.split(' ').map(str::as_bytes);
        found.any(|word| text.windows(word.len()).any(|part| part == word))
    };
    let last = text.rsplit(|byte| !byte.is_ascii_alphabetic()).next().unwrap_or_default();
    match text {
        _ if has_word("jan feb mar apr may jun jul aug sep oct nov dec") => {
            "is written with the name of a month, as RFC 2822 and HTTP do; ISO 8601 is read"
        }
        [_, _, _, _, b'W' | b'w', ..] | [_, _, _, _, b'-', b'W' | b'w', ..] => {
            "is a date by its week; write year, month and day"
        }
        [_, _, _, _, b'-', ..] if is_digits(5..8) && !is_digits(8..9) => {
            "is a date by its day of the year; write year, month and day"
        }
        _ if is_digits(0..2) && last.len() > 1 => {
            "names its zone; ISO 8601 has `Z` or an offset such as +01:00"
        }
        _ if text.iter().take(10).any(|byte| matches!(byte, b'/' | b'.')) => {
            "is no date of ISO 8601, which is written as 2026-11-22"
        }
        _ => "is no time of ISO 8601",
    }
}
