//! A value → what its mapping's conversion makes of it, exact in decimals.

use crate::{
    mapping::{Conversion, SlotIdx, Target},
    model::{Cause, Decimal, line::push_string},
    schema::{Scalar, Unit},
    uplink::{
        DecodeError, Slot, Slots, State, float, line,
        point::{FieldWriter, push_plain},
        value,
    },
};

/// What a value became.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Converted {
    /// Perhaps not finite, which is left out as any such float is.
    Float(f64),
    Integer(i64),
    Boolean(bool),
    /// The value as a text, in its own words.
    Words,
    /// A text that is empty says nothing.
    Nothing,
    /// A time that does not fit.
    Unfit,
}

impl FieldWriter<'_, '_> {
    /// Appends what a conversion makes of a value; false if that is nothing.
    pub(super) fn converted(
        &mut self,
        conversion: &Conversion,
        scalar: &Scalar,
        slot: Slot,
        at: SlotIdx,
    ) -> Result<bool, DecodeError> {
        let payload = self.context.payload;
        match convert(conversion, scalar, (slot, at), self.slots, payload)? {
            Converted::Float(value) => {
                let is_finite = float::push_f64(self.into, value);
                return Ok(self.finite(is_finite));
            }
            Converted::Integer(value) => line::push_integer(self.into, value),
            Converted::Boolean(value) => line::push_boolean(self.into, value),
            Converted::Words if matches!(scalar, Scalar::String) => {
                push_string(self.into, self.slots.bytes_of(payload, slot));
            }
            Converted::Words => {
                self.into.push(b'"');
                let is_said = self.words(scalar, slot);
                self.into.push(b'"');
                return Ok(is_said);
            }
            Converted::Nothing => return Ok(false),
            Converted::Unfit => {
                self.left_out.times += 1;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Appends a value that is no text in its own words, which need no escape; false, and counted,
    /// for a float that is not finite.
    fn words(&mut self, scalar: &Scalar, slot: Slot) -> bool {
        let is_finite = match scalar {
            Scalar::Float64 | Scalar::Digits => float::push_f64(self.into, value::f64_of(slot)),
            Scalar::Float32 => float::push_f32(self.into, value::f32_of(slot)),
            _ => {
                push_plain(self.into, scalar, slot);
                true
            }
        };
        self.finite(is_finite)
    }

    /// Appends what a conversion makes of a value as JSON; null for nothing.
    pub(super) fn json_converted(
        &mut self,
        conversion: &Conversion,
        scalar: &Scalar,
        slot: Slot,
        at: SlotIdx,
    ) -> Result<(), DecodeError> {
        let (payload, mark) = (self.context.payload, self.into.len());
        let is_said = match convert(conversion, scalar, (slot, at), self.slots, payload)? {
            Converted::Float(value) => {
                let is_finite = float::push_f64(self.into, value);
                self.finite(is_finite)
            }
            Converted::Integer(value) => {
                line::push_digits(self.into, value);
                true
            }
            Converted::Boolean(value) => {
                self.into.extend_from_slice(if value { b"true" } else { b"false" });
                true
            }
            Converted::Words if matches!(scalar, Scalar::String) => {
                line::push_json_string(self.into, self.slots.bytes_of(payload, slot));
                true
            }
            Converted::Words => {
                self.into.push(b'"');
                let is_said = self.words(scalar, slot);
                self.into.push(b'"');
                is_said
            }
            Converted::Nothing => false,
            Converted::Unfit => {
                self.left_out.times += 1;
                false
            }
        };
        if !is_said {
            self.into.truncate(mark);
            self.into.extend_from_slice(b"null");
        }
        Ok(())
    }
}

/// Converts one value, which is there.
///
/// # Errors
/// It is nothing that the conversion could make its type of.
fn convert(
    conversion: &Conversion,
    scalar: &Scalar,
    (slot, at): (Slot, SlotIdx),
    slots: &Slots,
    payload: &[u8],
) -> Result<Converted, DecodeError> {
    let placed = |error: DecodeError| match slot.state() {
        State::Payload => error.at(slot.range().start).in_slot(at),
        _ => error.in_slot(at),
    };
    let mismatch = |what| placed(DecodeError::new(Cause::PayloadMismatch, what));
    if conversion.target == Target::String {
        return Ok(Converted::Words);
    }
    let number = match scalar {
        Scalar::Float64 | Scalar::Digits => of_float(value::f64_of(slot)),
        Scalar::Float32 => {
            Decimal::of_f32(value::f32_of(slot)).ok_or_else(|| value::f32_of(slot).into())
        }
        Scalar::Unsigned => Ok(Decimal::integer(slot.to_bits().into())),
        Scalar::Ticks(_) | Scalar::Timestamp | Scalar::Duration => {
            match value::nanos_of(slots, at, slot, scalar, Unit::Nanos) {
                Ok(nanos) => Ok(Decimal::integer(nanos.into())),
                Err(_) => return Ok(Converted::Unfit),
            }
        }
        Scalar::String => {
            let text = slots.bytes_of(payload, slot).trim_ascii();
            if text.is_empty() {
                return Ok(Converted::Nothing);
            }
            let boolean = boolean_of(text);
            match (Decimal::parse(text), conversion.target) {
                (None, Target::Boolean) => {
                    let boolean = boolean.ok_or_else(|| mismatch("a text is no boolean"))?;
                    return Ok(Converted::Boolean(boolean));
                }
                (Some(number), _) => Ok(number),
                (None, _) => Err(not_finite(text).ok_or_else(|| mismatch("a text is no number"))?),
            }
        }
        Scalar::Integer | Scalar::Boolean | Scalar::Enum(_) | Scalar::Bytes => {
            Ok(Decimal::integer(value::i64_of(slot).into()))
        }
    };
    match number {
        // Past 2^53 a double's shortest digits are not its value.
        Ok(number) if conversion.scale.is_none() && conversion.target == Target::Integer => {
            let number = exact(scalar, slot).unwrap_or(number);
            of_number(conversion, number).map_err(placed)
        }
        Ok(number) => of_number(conversion, number).map_err(placed),
        Err(float) => Ok(Converted::Float(float)),
    }
}

/// A double in decimals, or as it is if it is not finite.
fn of_float(value: f64) -> Result<Decimal, f64> {
    Decimal::of_f64(value).ok_or(value)
}

/// The whole number that a double of at most 64 bits is.
fn exact(scalar: &Scalar, slot: Slot) -> Option<Decimal> {
    /// 2^63.
    const END: f64 = 9_223_372_036_854_775_808.0;
    let float = match scalar {
        Scalar::Float64 | Scalar::Digits => value::f64_of(slot),
        Scalar::Float32 => value::f32_of(slot).into(),
        _ => return None,
    };
    #[expect(clippy::cast_possible_truncation, reason = "whole and in range by the condition")]
    let whole = (float.fract() == 0.0 && (-END..END).contains(&float)).then_some(float as i64);
    whole.map(|whole| Decimal::integer(whole.into()))
}

/// A number, scaled and of its type.
fn of_number(conversion: &Conversion, number: Decimal) -> Result<Converted, DecodeError> {
    let scaled = match conversion.scale {
        None => Some(number),
        Some((factor, offset)) => number.times(factor).and_then(|scaled| scaled.plus(offset)),
    };
    Ok(match conversion.target {
        Target::Float => Converted::Float(match (scaled, conversion.scale) {
            (Some(scaled), _) => scaled.to_f64(),
            // More digits than are kept: the double is as near as its own digits.
            (None, Some((factor, offset))) => {
                number.to_f64().mul_add(factor.to_f64(), offset.to_f64())
            }
            (None, None) => number.to_f64(),
        }),
        Target::Integer => {
            if scaled.is_some_and(Decimal::has_fraction) {
                let what = "a number is not whole, and the mapping makes it an integer";
                return Err(DecodeError::new(Cause::PayloadMismatch, what));
            }
            let whole = scaled.and_then(Decimal::to_integer);
            let whole = whole.and_then(|whole| i64::try_from(whole).ok());
            let what = "a number is past 64 bits, and the mapping makes it an integer";
            Converted::Integer(
                whole.ok_or_else(|| DecodeError::new(Cause::IntegerOutOfRange, what))?,
            )
        }
        Target::Boolean => Converted::Boolean(number != Decimal::ZERO),
        Target::String => Converted::Words,
    })
}

/// What a text says that is no number's digits and yet a float.
fn not_finite(text: &[u8]) -> Option<f64> {
    let is = |word: &str| text.eq_ignore_ascii_case(word.as_bytes());
    let is_word =
        ["nan", "inf", "+inf", "-inf", "infinity", "-infinity"].iter().any(|word| is(word));
    is_word.then_some(f64::NAN)
}

/// What a text says of yes or no.
fn boolean_of(text: &[u8]) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
    match text {
        _ if is(&["true", "t", "yes", "y", "on"]) => Some(true),
        _ if is(&["false", "f", "no", "n", "off"]) => Some(false),
        _ => None,
    }
}
