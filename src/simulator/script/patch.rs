//! Rewrites the time inside an encoded payload.
//!
//! The position is searched, not known: the payload is encoded with a marker time, and the marker's
//! bytes are searched. A time keeps its width from 1971 to 2039 in milliseconds, so nothing else
//! moves.

use super::super::shape::Format;

/// The encoding of a time in a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeForm {
    /// Protobuf `int64`: seven bits a byte, low bits first.
    Varint,
    /// Avro `long`: the same for the ZigZag value, which is twice the time.
    ZigZag,
    /// JSON: decimal digits.
    Digits,
}

impl TimeForm {
    pub(super) fn of(format: Format) -> Self {
        match format {
            Format::Protobuf => Self::Varint,
            Format::Avro => Self::ZigZag,
            Format::Json => Self::Digits,
        }
    }

    /// Writes `time` (not negative) over the bytes at `into`, which hold a time of this form; only
    /// the low digits that fit.
    pub(super) fn write(self, time: i64, into: &mut [u8]) {
        let mut left = match self {
            Self::ZigZag => time.unsigned_abs() << 1,
            Self::Varint | Self::Digits => time.unsigned_abs(),
        };
        if self == Self::Digits {
            for byte in into.iter_mut().rev() {
                *byte = b'0' + u8::try_from(left % 10).expect("a digit");
                left /= 10;
            }
            return;
        }
        let last = into.len() - 1;
        for (idx, byte) in into.iter_mut().enumerate() {
            let more = if idx < last { 0x80 } else { 0 };
            *byte = u8::try_from(left & 0x7f).expect("seven bits") | more;
            left >>= 7;
        }
    }

    fn bytes(self, time: i64) -> Vec<u8> {
        let width = match self {
            Self::Digits => time.to_string().len(),
            Self::Varint => significant_bits(time).div_ceil(7),
            Self::ZigZag => (significant_bits(time) + 1).div_ceil(7),
        };
        let mut bytes = vec![0; width];
        self.write(time, &mut bytes);
        bytes
    }

    /// The position of the only occurrence of `time` in a payload.
    pub(super) fn find(self, time: i64, payload: &[u8]) -> Option<(usize, usize)> {
        let wanted = self.bytes(time);
        let mut places = payload.windows(wanted.len()).enumerate().filter(|(_, at)| *at == wanted);
        let (start, _) = places.next()?;
        places.next().is_none().then_some((start, wanted.len()))
    }
}

fn significant_bits(time: i64) -> usize {
    usize::try_from(i64::BITS - time.leading_zeros()).expect("at most 64").max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_over_another_in_every_form() {
        let (then, now) = (1_795_382_379_001, 1_795_999_999_999);
        for form in [TimeForm::Varint, TimeForm::ZigZag, TimeForm::Digits] {
            let mut payload = [b"..".to_vec(), form.bytes(then), b"..".to_vec()].concat();
            let (start, width) = form.find(then, &payload).unwrap();
            assert_eq!(start, 2);
            form.write(now, &mut payload[start..start + width]);
            assert_eq!(payload, [b"..".to_vec(), form.bytes(now), b"..".to_vec()].concat());
            assert_eq!(form.find(then, &payload), None);
        }
        assert_eq!(TimeForm::Varint.bytes(300), [0xac, 0x02]);
        assert_eq!(TimeForm::ZigZag.bytes(64), [0x80, 0x01]);
        assert_eq!(TimeForm::Digits.bytes(300), b"300");
    }
}
