//! Decimal digits → the exact integer.

/// The result of reading a number's text as an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    /// An integer of at most 64 bits and its sign.
    Fits(i128),
    /// An integer that is larger.
    TooLarge,
    /// It has a fraction.
    Fraction,
}

/// More decimal digits than a `u64` has.
const DIGITS_MAX: i64 = 20;

/// Reads a number that JSON's grammar allows, or digits with a sign, without rounding. The work is
/// proportional to the length of the text, whatever its exponent.
pub(super) fn whole(text: &[u8]) -> Whole {
    let (is_negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let exponent_at = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = text.split_at(exponent_at.unwrap_or(text.len()));
    let point = mantissa.iter().position(|byte| *byte == b'.');
    let decimals = point.map_or(0, |point| mantissa.len() - point - 1);
    let digits = || mantissa.iter().filter(|byte| byte.is_ascii_digit());
    let count = digits().count();
    let leading = digits().take_while(|digit| **digit == b'0').count();
    if leading == count {
        return Whole::Fits(0);
    }
    let trailing = digits().rev().take_while(|digit| **digit == b'0').count();
    // The value is the digits without trailing zeros, times ten to this power.
    let scale =
        exponent_of(exponent).saturating_sub(signed(decimals)).saturating_add(signed(trailing));
    if scale < 0 {
        return Whole::Fraction;
    }
    let kept = count - leading - trailing;
    if signed(kept).saturating_add(scale) > DIGITS_MAX {
        return Whole::TooLarge;
    }
    let significant = digits().skip(leading).take(kept);
    let value = significant.fold(0_u128, |value, digit| value * 10 + u128::from(digit - b'0'));
    let value = (0..scale).fold(value, |value, _| value * 10);
    match i128::from(u64::MAX).cast_unsigned() < value {
        true => Whole::TooLarge,
        false if is_negative => Whole::Fits(-value.cast_signed()),
        false => Whole::Fits(value.cast_signed()),
    }
}

/// The exponent after its `e`; one that is out of range saturates.
fn exponent_of(text: &[u8]) -> i64 {
    let digits = text.iter().filter(|byte| byte.is_ascii_digit());
    let value = digits.fold(0_i64, |value, digit| {
        value.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
    });
    if text.contains(&b'-') { -value } else { value }
}

/// The length of a payload, which is smaller than 4 GiB.
fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_never_rounded() {
        let table = [
            ("0", Whole::Fits(0)),
            ("-0.000e99999999999999999999", Whole::Fits(0)),
            ("5.0", Whole::Fits(5)),
            ("5e0", Whole::Fits(5)),
            ("-5E+1", Whole::Fits(-50)),
            ("120e-1", Whole::Fits(12)),
            ("1.25e2", Whole::Fits(125)),
            ("1795161600350000001.0", Whole::Fits(1_795_161_600_350_000_001)),
            ("9007199254740993.0", Whole::Fits(9_007_199_254_740_993)),
            ("9223372036854775807e0", Whole::Fits(i128::from(i64::MAX))),
            ("-9223372036854775808", Whole::Fits(i128::from(i64::MIN))),
            ("18446744073709551615", Whole::Fits(i128::from(u64::MAX))),
            ("1.8446744073709551615e19", Whole::Fits(i128::from(u64::MAX))),
            ("0000000000000000000000000000007", Whole::Fits(7)),
            ("18446744073709551616", Whole::TooLarge),
            ("1e30", Whole::TooLarge),
            ("1e99999999999999999999", Whole::TooLarge),
            ("4503599627370497.5", Whole::Fraction),
            ("1.0000000000000000000001", Whole::Fraction),
            ("125e-1", Whole::Fraction),
            ("1e-99999999999999999999", Whole::Fraction),
        ];
        for (text, expect) in table {
            assert_eq!(whole(text.as_bytes()), expect, "{text}");
        }
    }
}
