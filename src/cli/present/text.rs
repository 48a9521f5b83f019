//! Strings within a width, and short numbers.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Decimals of a number within a limited width.
const DECIMALS_MAX: usize = 6;

/// A string from outside, safe for a terminal: an escape sequence in a topic must not reach it, nor
/// a mark that changes the direction of the following text.
pub(in crate::cli) fn visible(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let is_turning = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            let (plain, escaped) = match c.is_control() || is_turning {
                true => (None, Some(c.escape_default())),
                false => (Some(c), None),
            };
            plain.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect()
}

/// Terminal columns of the text.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The text, or its beginning and `…`, in at most `max` columns.
pub(super) fn shorten(text: &str, max: usize) -> String {
    if width(text) <= max {
        return text.to_owned();
    }
    let mut room = max.saturating_sub(1);
    let mut end = 0;
    for (at, c) in text.char_indices() {
        let wide = c.width().unwrap_or(0);
        if wide > room {
            break;
        }
        room -= wide;
        end = at + c.len_utf8();
    }
    format!("{}…", &text[..end])
}

/// A float with all digits, as in JSON.
pub(super) fn exact(value: f64) -> String {
    serde_json::json!(value).to_string()
}

/// A float with at most [`DECIMALS_MAX`] decimals. One that would be rounded to zero is written
/// with an exponent.
pub(super) fn rounded(value: f64) -> String {
    let exact = exact(value);
    let (digits, has_exponent) = match exact.split_once('e') {
        Some((digits, _)) => (digits, true),
        None => (exact.as_str(), false),
    };
    let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    if decimals <= DECIMALS_MAX {
        return exact;
    }
    if has_exponent {
        return format!("{value:.DECIMALS_MAX$e}");
    }
    let fixed = format!("{value:.DECIMALS_MAX$}");
    let fixed = fixed.trim_end_matches('0');
    if fixed.ends_with('.') { format!("{fixed}0") } else { fixed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_steer_a_terminal_is_shown_instead() {
        assert_eq!(visible("a\u{1b}[2Jb\tö"), "a\\u{1b}[2Jb\\tö");
        assert_eq!(visible("x\u{202e}y"), "x\\u{202e}y");
    }

    #[test]
    fn a_text_is_shortened_by_the_columns_that_it_takes() {
        let check = |text: &str, max: usize, expect: &str| {
            let short = shorten(text, max);
            assert_eq!(short, expect);
            assert!(width(&short) <= max.max(1), "{text}");
        };
        check("charging", 8, "charging");
        check("charging", 7, "chargi…");
        check("charging", 1, "…");
        check("東京駅", 6, "東京駅");
        check("東京駅", 5, "東京…");
        check("東京駅", 4, "東…");
        check("", 0, "");
    }

    #[test]
    fn a_float_has_at_most_six_decimals_and_never_becomes_nothing() {
        let check = |value: f64, expect: &str| assert_eq!(rounded(value), expect);
        check(3.0, "3.0");
        check(-3.5, "-3.5");
        check(0.1 + 0.2, "0.3");
        check(2.0 / 3.0, "0.666667");
        check(0.999_999_99, "1.0");
        check(0.0, "0.0");
        check(0.000_012_345_678, "0.000012");
        check(0.000_000_123_456, "1.23456e-7");
        check(0.000_000_123_456_789, "1.234568e-7");
        check(f64::MIN, "-1.797693e308");
        check(1e-300, "1e-300");
        check(1e21, "1e+21");
        check(48.137_154_321, "48.137154");
    }
}
