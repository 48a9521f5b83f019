//! Floats → text: the shortest decimal that reads back equal.
//!
//! A sensor's value is usually a decimal with few places, and the digits of such a float need no
//! search. If the float is `n / 10^k`, rounded, for an integer `n`, and if decimals of `k` places
//! are further apart there than floats, then no other decimal of `k` places reads back as this
//! float. No decimal with fewer places does either, because each of them is also one of `k` places.
//! So the digits of `n`, without trailing zeros, are the shortest. One multiplication finds `n`,
//! and one division proves it. Other floats are formatted by the library.

/// 10^8: a 64-bit float is tried with 8 places, and at most 8 places are printed for both types.
const ONE: u64 = 100_000_000;
const ONE_F64: f64 = 100_000_000.0;

/// 2^52. From there to 2^53 the floats are exactly the integers. So adding it rounds a smaller
/// float to an integer, which is then in the low bits. Below `WHOLE / ONE`, 45 million, floats are
/// less than 10^-8 apart.
const WHOLE: f64 = 4_503_599_627_370_496.0;

/// Values smaller than 10^-5, except zero, are written with an exponent.
const FIXED_FROM: u64 = ONE / 100_000;

/// Powers of ten by the size of a 32-bit float: below the first bound the first power, and so on.
/// In each range decimals of that many places are further apart than floats.
const BOUNDS: [f32; 8] = [1.0, 16.0, 128.0, 1024.0, 8192.0, 131_072.0, 1_048_576.0, 8_388_608.0];
const POWERS: [(f32, u64); 8] = [
    (1e7, 10),
    (1e6, 100),
    (1e5, 1_000),
    (1e4, 10_000),
    (1e3, 100_000),
    (1e2, 1_000_000),
    (1e1, 10_000_000),
    (1e0, ONE),
];

/// Appends a float in the shortest form that reads back equal; false if it is NaN or infinite,
/// which line protocol cannot express.
pub(crate) fn push_f64(into: &mut Vec<u8>, value: f64) -> bool {
    let size = value.abs();
    let scaled = size * ONE_F64;
    if scaled < WHOLE {
        let (whole, number) = rounded(scaled);
        if whole / ONE_F64 == size && (number >= FIXED_FROM || number == 0) {
            push_decimal(into, value.is_sign_negative(), number);
            return true;
        }
    }
    if value.is_finite() {
        push_shortest(into, zmij::Buffer::new().format_finite(value));
    }
    value.is_finite()
}

/// Appends a 32-bit float in the shortest form that reads back equal as a 32-bit float.
pub(crate) fn push_f32(into: &mut Vec<u8>, value: f32) -> bool {
    let size = value.abs();
    let at = BOUNDS.iter().filter(|bound| size >= **bound).count();
    if let Some((power, rest)) = POWERS.get(at) {
        // The product is exact: each has at most 24 bits.
        let (whole, number) = rounded(f64::from(size) * f64::from(*power));
        if as_f32(whole) / power == size && (number * rest >= FIXED_FROM || number == 0) {
            push_decimal(into, value.is_sign_negative(), number * rest);
            return true;
        }
    }
    if value.is_finite() {
        push_shortest(into, zmij::Buffer::new().format_finite(value));
    }
    value.is_finite()
}

/// The integer nearest to a float below [`WHOLE`], as a float and as an integer.
#[inline]
fn rounded(value: f64) -> (f64, u64) {
    let moved = value + WHOLE;
    (moved - WHOLE, moved.to_bits() - WHOLE.to_bits())
}

/// Converts an integer of at most 24 bits.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "such a number fits")]
fn as_f32(whole: f64) -> f32 {
    whole as f32
}

/// Appends `number` / 10^8 without trailing zeros; `number` is less than 10^16.
#[inline]
fn push_decimal(into: &mut Vec<u8>, is_negative: bool, number: u64) {
    const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
    if is_negative {
        into.push(b'-');
    }
    let whole = digits(number / ONE);
    let places = digits(number % ONE);
    // The first digit is in the lowest byte. All eight are appended, and then the unwanted ones are
    // truncated, so that no loop depends on their count.
    let unwanted = (whole | 1 << 56).trailing_zeros() / 8;
    let end = into.len() + 8 - unwanted as usize;
    into.extend_from_slice(&((whole | ZEROS) >> (8 * unwanted)).to_le_bytes());
    into.truncate(end);
    if places != 0 {
        let end = end + 1 + 8 - places.leading_zeros() as usize / 8;
        into.push(b'.');
        into.extend_from_slice(&(places | ZEROS).to_le_bytes());
        into.truncate(end);
    }
}

/// The eight digits of a number below 10^8, one per byte, the first in the lowest byte. The number
/// is split into numbers of four, two and one digits, all of one size at once. One multiplication
/// by the inverse divides them all; each quotient moves to the lower half and the remainder stays
/// in the upper half.
#[inline]
const fn digits(number: u64) -> u64 {
    let fours = number / 10_000;
    let fours = (number << 32) - fours * ((10_000 << 32) - 1);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = (fours << 16) - hundreds * ((100 << 16) - 1);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    (twos << 8) - tens * ((10 << 8) - 1)
}

/// The library writes `146.0` and `1e+21` where `146` and `1e21` read back equal; without a suffix
/// either is a float.
fn push_shortest(into: &mut Vec<u8>, text: &str) {
    let text = text.strip_suffix(".0").unwrap_or(text).as_bytes();
    // An exponent has two or three digits, so its sign is the third or fourth byte from the end.
    let sign = [3, 4]
        .into_iter()
        .filter_map(|from_end| text.len().checked_sub(from_end))
        .find(|&at| text[at] == b'+');
    match sign {
        Some(at) => {
            into.extend_from_slice(&text[..at]);
            into.extend_from_slice(&text[at + 1..]);
        }
        None => into.extend_from_slice(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The library's digits in the form of a line.
    fn shortest(float: impl zmij::Float) -> String {
        let text = zmij::Buffer::new().format_finite(float).replace("e+", "e");
        text.strip_suffix(".0").unwrap_or(&text).to_owned()
    }

    fn written(push: impl FnOnce(&mut Vec<u8>) -> bool) -> String {
        let mut text = b"a=".to_vec();
        assert!(push(&mut text));
        String::from_utf8(text).expect("digits")[2..].to_owned()
    }

    #[track_caller]
    fn check_f64(value: f64) {
        assert_eq!(written(|into| push_f64(into, value)), shortest(value), "{:x}", value.to_bits());
    }

    #[track_caller]
    fn check_f32(value: f32) {
        assert_eq!(written(|into| push_f32(into, value)), shortest(value), "{:x}", value.to_bits());
    }

    #[test]
    fn floats_are_written_in_their_shortest_form() {
        let table = [
            (0.0, "0"),
            (-0.0, "-0"),
            (146.0, "146"),
            (-47.36, "-47.36"),
            (50.109_15, "50.10915"),
            (8.0e-5, "0.00008"),
            (1e-5, "0.00001"),
            (9.9e-6, "9.9e-6"),
            (0.123_456_78, "0.12345678"),
            (0.1 + 0.2, "0.30000000000000004"),
            (45_035_995.99, "45035995.99"),
            (45_035_996.5, "45035996.5"),
            (1_795_388_399.123, "1795388399.123"),
            (1e15, "1000000000000000"),
            (1e16, "1e16"),
            (f64::MAX, "1.7976931348623157e308"),
            (5e-324, "5e-324"),
        ];
        for (value, expect) in table {
            assert_eq!(written(|into| push_f64(into, value)), expect);
        }
        let table =
            [(0.1, "0.1"), (-48_211.94, "-48211.94"), (1e-6, "0.000001"), (1e7, "10000000")];
        for (value, expect) in table {
            assert_eq!(written(|into| push_f32(into, value)), expect);
        }
    }

    #[test]
    fn floats_that_are_not_finite_are_not_written() {
        let mut text = Vec::new();
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!push_f64(&mut text, value));
        }
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(!push_f32(&mut text, value));
        }
        assert_eq!(text, b"");
    }

    /// Where another power of ten, another exponent or the library begins, and the floats around.
    #[test]
    fn at_each_bound_floats_are_written_as_by_the_library() {
        let bounds = BOUNDS.map(f64::from);
        let powers = (-9..=17).map(|power| 10_f64.powi(power));
        let doubles = (-30..=60).map(|power| 2_f64.powi(power));
        for bound in bounds.into_iter().chain(powers).chain(doubles).chain([WHOLE / ONE_F64]) {
            for step in 0..200 {
                check_f64(f64::from_bits(bound.to_bits() - 100 + step));
                check_f32(f32::from_bits(
                    as_f32(bound).to_bits() - 100 + u32::try_from(step).unwrap(),
                ));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(50_000))]

        #[test]
        fn every_float_is_written_as_by_the_library(double in any::<u64>(), float in any::<u32>()) {
            let (double, float) = (f64::from_bits(double), f32::from_bits(float));
            if double.is_finite() {
                check_f64(double);
            }
            if float.is_finite() {
                check_f32(float);
            }
        }

        /// Also the float next to it, which is not such a decimal.
        #[test]
        fn every_decimal_is_written_as_by_the_library(
            digits in 0_u32..16,
            number in any::<u64>(),
            places in 0..12,
            beside in -2_i8..=2,
        ) {
            #[expect(clippy::cast_precision_loss, reason = "any float will do")]
            let value = (number % 10_u64.pow(digits)) as f64 / 10_f64.powi(places);
            check_f64(f64::from_bits(value.to_bits().saturating_add_signed(beside.into())));
            let value = as_f32(value);
            check_f32(f32::from_bits(value.to_bits().saturating_add_signed(beside.into())));
        }
    }
}
