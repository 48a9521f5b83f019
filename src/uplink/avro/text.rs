//! Formats logical types as text, and reads decimals.

use std::{fmt, io::Write as _};

use jiff::{Span, civil::Date};

use crate::{model::Cause, uplink::DecodeError};

/// The day that dates count from.
const EPOCH: Date = Date::constant(1970, 1, 1);

/// Appends formatted text.
fn write(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes everything");
}

/// The error of a value that its logical type does not allow.
fn mismatch(what: &'static str) -> DecodeError {
    DecodeError::new(Cause::PayloadMismatch, what)
}

/// Days since the epoch: `2026-11-22`.
pub(super) fn date(days: i64, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let span = Span::new().try_days(days).ok();
    let date = span.and_then(|span| EPOCH.checked_add(span).ok());
    let date = date.ok_or_else(|| mismatch("a date lies outside the years -9999 to 9999"))?;
    write(out, format_args!("{date}"));
    Ok(())
}

/// Units of a second since midnight, with as many decimals as the unit has: `23:59:59.999`.
pub(super) fn time(ticks: i64, decimals: usize, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let unit: i64 = if decimals == 3 { 1_000 } else { 1_000_000 };
    let seconds = ticks.div_euclid(unit);
    if !(0..24 * 60 * 60).contains(&seconds) {
        return Err(mismatch("a time of day lies outside the day"));
    }
    let [hour, minute, second] = [seconds / 3600, seconds / 60 % 60, seconds % 60];
    let part = ticks.rem_euclid(unit);
    write(out, format_args!("{hour:02}:{minute:02}:{second:02}.{part:0decimals$}"));
    Ok(())
}

/// Months, days and milliseconds: `P1M2DT3.004S`.
pub(super) fn duration(bytes: [u8; 12], out: &mut Vec<u8>) {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = bytes;
    let months = u32::from_le_bytes([a, b, c, d]);
    let days = u32::from_le_bytes([e, f, g, h]);
    let millis = u32::from_le_bytes([i, j, k, l]);
    let [seconds, part] = [millis / 1000, millis % 1000];
    write(out, format_args!("P{months}M{days}DT{seconds}.{part:03}S"));
}

/// 16 bytes: 32 hex digits with hyphens.
pub(super) fn uuid(bytes: [u8; 16], out: &mut Vec<u8>) {
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        write(out, format_args!("{byte:02x}"));
    }
}

/// Big-endian two's complement and a scale: the nearest double.
pub(super) fn decimal(bytes: &[u8], scale: usize) -> Result<f64, DecodeError> {
    let is_negative = bytes.first().is_some_and(|first| *first >= 0x80);
    let fill = if is_negative { 0xff } else { 0 };
    let mut wide = [fill; 16];
    let extra = bytes.len().saturating_sub(wide.len());
    let (sign, kept) = bytes.split_at(extra);
    let start = wide.len() - kept.len();
    wide[start..].copy_from_slice(kept);
    let unscaled = i128::from_be_bytes(wide);
    if sign.iter().any(|byte| *byte != fill) || (unscaled < 0) != is_negative {
        return Err(mismatch("a decimal has more digits than can be read"));
    }
    // 40 characters of an i128, `e-` and 20 of a scale. Parsing rounds correctly, which dividing
    // would not.
    let mut text = [0_u8; 64];
    let mut rest = text.as_mut_slice();
    write!(rest, "{unscaled}e-{scale}").expect("it fits by the count above");
    let unused = rest.len();
    let text = str::from_utf8(&text[..text.len() - unused]).expect("digits are UTF-8");
    Ok(text.parse().expect("this is how a float is written"))
}
