//! Exact decimal numbers: for factors, quoted numbers and seconds with a fraction.
//!
//! A value is `digits · 10^exponent`. A result that does not fit is `None`, never rounded; only the
//! conversion to a float rounds, to the nearest one.

/// A decimal number of at most 38 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal {
    digits: i128,
    exponent: i32,
}

/// No real number has an exponent beyond this; sums of two exponents fit an `i32`.
const EXPONENT_MAX: i32 = 1_000_000;

/// Every integer up to this one is exact as a double.
const EXACT_MAX: i128 = 1 << 53;

/// The powers of ten that are exact as doubles.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self { digits: 0, exponent: 0 };

    /// One.
    pub const ONE: Self = Self { digits: 1, exponent: 0 };

    /// An integer.
    #[must_use]
    pub const fn integer(value: i128) -> Self {
        Self { digits: value, exponent: 0 }
    }

    /// Reads a number such as `-12.50e3`, with optional blanks around it; `None` if it is not a
    /// number or has too many digits.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        let (is_negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let mantissa_len = text.iter().position(|byte| matches!(byte, b'e' | b'E'));
        let (mantissa, exponent) = text.split_at(mantissa_len.unwrap_or(text.len()));
        let mut exponent = match exponent {
            [] => 0,
            [_, digits @ ..] => exponent_of(digits)?,
        };
        let (mut digits, mut count, mut is_fraction) = (0_i128, 0_usize, false);
        // Zeros are added only when another digit follows, so that `1.000…0` fits.
        let mut zeros = 0_u32;
        for byte in mantissa {
            match byte {
                b'.' if !is_fraction => is_fraction = true,
                b'0'..=b'9' => {
                    count += 1;
                    exponent -= i32::from(is_fraction);
                    zeros = zeros.checked_add(1)?;
                    if *byte != b'0' {
                        let scale = if digits == 0 { 1 } else { 10_i128.checked_pow(zeros)? };
                        digits = digits.checked_mul(scale)?.checked_add((byte - b'0').into())?;
                        zeros = 0;
                    }
                }
                _ => return None,
            }
        }
        if digits != 0 {
            exponent = exponent.checked_add_unsigned(zeros)?;
        }
        let is_number = count > 0 && exponent.abs() <= EXPONENT_MAX;
        let digits = if is_negative { -digits } else { digits };
        is_number.then_some(if digits == 0 { Self::ZERO } else { Self { digits, exponent } })
    }

    /// The shortest digits that read back as this double; `None` if it is not finite.
    #[must_use]
    pub fn of_f64(value: f64) -> Option<Self> {
        Self::parse(zmij::Buffer::new().format(value).as_bytes())
    }

    /// The shortest digits that read back as this 32-bit float; `None` if it is not finite.
    #[must_use]
    pub fn of_f32(value: f32) -> Option<Self> {
        Self::parse(zmij::Buffer::new().format(value).as_bytes())
    }

    /// The product; `None` if its digits do not fit.
    #[must_use]
    pub fn times(self, other: Self) -> Option<Self> {
        let digits = self.digits.checked_mul(other.digits)?;
        let exponent = self.exponent.checked_add(other.exponent)?;
        Some(if digits == 0 { Self::ZERO } else { Self { digits, exponent } })
    }

    /// The sum; `None` if its digits do not fit.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        if self.digits == 0 {
            return Some(other);
        }
        if other.digits == 0 {
            return Some(self);
        }
        let exponent = self.exponent.min(other.exponent);
        let aligned = |one: Self| {
            let zeros = u32::try_from(one.exponent.checked_sub(exponent)?).ok()?;
            one.digits.checked_mul(10_i128.checked_pow(zeros)?)
        };
        Some(Self { digits: aligned(self)?.checked_add(aligned(other)?)?, exponent })
    }

    /// The value times ten to `power`, rounded down to an integer; `None` if it does not fit.
    #[must_use]
    pub fn floor(self, power: i32) -> Option<i128> {
        let shift = self.exponent.checked_add(power)?;
        if self.digits == 0 || shift >= 0 {
            let shift = if self.digits == 0 { 0 } else { shift.unsigned_abs() };
            return self.digits.checked_mul(10_i128.checked_pow(shift)?);
        }
        match 10_i128.checked_pow(shift.unsigned_abs()) {
            Some(divisor) => Some(self.digits.div_euclid(divisor)),
            None => Some(if self.digits < 0 { -1 } else { 0 }),
        }
    }

    /// The value as an integer; `None` if it has a fraction or does not fit.
    #[must_use]
    pub fn to_integer(self) -> Option<i128> {
        let whole = self.floor(0)?;
        let is_whole = self.exponent >= 0
            || 10_i128
                .checked_pow(self.exponent.unsigned_abs())
                .is_some_and(|divisor| self.digits.rem_euclid(divisor) == 0);
        is_whole.then_some(whole)
    }

    /// Whether it has a fraction.
    #[must_use]
    pub fn has_fraction(self) -> bool {
        self.exponent < 0
            && 10_i128
                .checked_pow(self.exponent.unsigned_abs())
                .is_none_or(|divisor| self.digits.rem_euclid(divisor) != 0)
    }

    /// The nearest double; infinite if it is too large.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        let power = TENS.get(self.exponent.unsigned_abs() as usize);
        if let (true, Some(power)) = (self.digits.abs() <= EXACT_MAX, power) {
            // Both operands are exact, so the one operation rounds correctly.
            let digits = self.digits as f64;
            return if self.exponent < 0 { digits / power } else { digits * power };
        }
        let mut text = [0_u8; 64];
        let mut len = 0;
        let (mut digits, mut exponent) = (itoa::Buffer::new(), itoa::Buffer::new());
        let parts = [digits.format(self.digits), "e", exponent.format(self.exponent)];
        for part in parts {
            text[len..len + part.len()].copy_from_slice(part.as_bytes());
            len += part.len();
        }
        let text = str::from_utf8(&text[..len]).unwrap_or_default();
        text.parse().unwrap_or(f64::NAN)
    }
}

/// The value of an exponent's digits; one beyond the bound stays beyond it.
fn exponent_of(text: &[u8]) -> Option<i32> {
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0_i32, |value, digit| {
        value.saturating_mul(10).saturating_add((digit - b'0').into()).min(2 * EXPONENT_MAX)
    });
    Some(if is_negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is a number"))
    }

    #[test]
    fn text_that_is_not_a_number_is_none() {
        let long = "1".repeat(40);
        let bad =
            ["", "-", ".", "e5", "1e", "1e+", "1.2.3", "0x1", "1 2", "nan", "inf", "1,5", &long];
        for text in bad {
            assert_eq!(Decimal::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Decimal::of_f64(f64::NAN), None);
        assert_eq!(Decimal::of_f32(f32::INFINITY), None);
        assert_eq!(Decimal::parse(b"1e99999999999"), None);
    }

    #[test]
    fn numbers_have_the_value_of_their_digits() {
        let table = [
            ("0", 0.0),
            ("-0.0", 0.0),
            ("1.", 1.0),
            (".5", 0.5),
            (" +12.50e1 ", 125.0),
            ("1.00000000000000000000000000000000000000000000", 1.0),
            ("0.0000000000000000000000000000000000000000001", 1e-43),
            ("1000000000000000000000000000000000000000000000000", 1e48),
            ("1e-400", 0.0),
            ("1e400", f64::INFINITY),
        ];
        for (text, expect) in table {
            assert_eq!(decimal(text).to_f64(), expect, "{text}");
        }
    }

    #[test]
    fn scaling_is_exact_in_decimals() {
        let scaled = |value: i128, factor: &str, offset: &str| {
            let value = Decimal::integer(value).times(decimal(factor)).expect("it fits");
            value.plus(decimal(offset)).expect("it fits").to_f64()
        };
        assert_eq!(scaled(525_000_000, "1e-7", "0"), 52.5);
        assert_eq!(scaled(523, "0.1", "0"), 52.3);
        assert_eq!(scaled(128, "1", "-40"), 88.0);
        assert_eq!(scaled(1_234, "0.001", "-0.234"), 1.0);
        assert_eq!(scaled(i128::from(u64::MAX), "1e-19", "0"), 1.844_674_407_370_955_2);
    }

    #[test]
    fn floor_rounds_down_to_an_integer() {
        assert_eq!(decimal("1795161600.25").floor(9), Some(1_795_161_600_250_000_000));
        assert_eq!(decimal("1.1234567899").floor(9), Some(1_123_456_789));
        assert_eq!(decimal("-1.5").floor(0), Some(-2));
        assert_eq!(decimal("-1e-300").floor(9), Some(-1));
        assert_eq!(decimal("1e-300").floor(9), Some(0));
        assert_eq!(decimal("1e300").floor(9), None);
        assert_eq!(decimal("5.00").to_integer(), Some(5));
        assert_eq!(decimal("5e2").to_integer(), Some(500));
        assert_eq!(decimal("5.01").to_integer(), None);
        assert_eq!(decimal("0e500").to_integer(), Some(0));
        assert!(decimal("1e-300").has_fraction() && !decimal("1e300").has_fraction());
    }

    proptest! {
        /// The digits of a double read back as that double, and any text as the nearest one.
        #[test]
        fn the_nearest_double_is_that_of_the_standard_library(
            value in any::<f64>(), text in "-?[0-9]{1,20}(\\.[0-9]{1,17})?(e-?[0-9]{1,3})?"
        ) {
            if value.is_finite() && value != 0.0 {
                let found = Decimal::of_f64(value).map(Decimal::to_f64);
                prop_assert_eq!(found, Some(value));
            }
            let expect: f64 = text.parse().expect("a float");
            prop_assert_eq!(decimal(&text).to_f64(), expect, "{}", text);
        }
    }
}
