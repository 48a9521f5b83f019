//! Converts a value as its mapping says, exactly in decimals.

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

/// The result of a conversion.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Converted {
    /// May be not finite; then it is left out, as every such float.
    Float(f64),
    Integer(i64),
    Boolean(bool),
    /// The value as text, in its usual form.
    Unchanged,
    /// The value is an empty text: nothing is written.
    Empty,
    /// A time that does not fit 64-bit nanoseconds.
    TimeOutOfRange,
}

impl FieldWriter<'_, '_> {
    /// Appends the converted value; false if there is none.
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
            Converted::Unchanged if matches!(scalar, Scalar::String) => {
                push_string(self.into, self.slots.bytes_of(payload, slot));
            }
            Converted::Unchanged => {
                self.into.push(b'"');
                let is_written = self.push_unchanged(scalar, slot);
                self.into.push(b'"');
                return Ok(is_written);
            }
            Converted::Empty => return Ok(false),
            Converted::TimeOutOfRange => {
                self.left_out.times += 1;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Appends the text of a value that is not itself text; this text needs no escape. Returns
    /// false, and counts it, for a float that is not finite.
    fn push_unchanged(&mut self, scalar: &Scalar, slot: Slot) -> bool {
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

    /// Appends the converted value as JSON; null if there is none.
    pub(super) fn json_converted(
        &mut self,
        conversion: &Conversion,
        scalar: &Scalar,
        slot: Slot,
        at: SlotIdx,
    ) -> Result<(), DecodeError> {
        let (payload, mark) = (self.context.payload, self.into.len());
        let is_written = match convert(conversion, scalar, (slot, at), self.slots, payload)? {
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
            Converted::Unchanged if matches!(scalar, Scalar::String) => {
                line::push_json_string(self.into, self.slots.bytes_of(payload, slot));
                true
            }
            Converted::Unchanged => {
                self.into.push(b'"');
                let is_written = self.push_unchanged(scalar, slot);
                self.into.push(b'"');
                is_written
            }
            Converted::Empty => false,
            Converted::TimeOutOfRange => {
                self.left_out.times += 1;
                false
            }
        };
        if !is_written {
            self.into.truncate(mark);
            self.into.extend_from_slice(b"null");
        }
        Ok(())
    }
}

/// Converts one value, which is not absent.
///
/// # Errors
/// The value cannot be converted to the conversion's type.
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
        return Ok(Converted::Unchanged);
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
                Err(_) => return Ok(Converted::TimeOutOfRange),
            }
        }
        Scalar::String => {
            let text = slots.bytes_of(payload, slot).trim_ascii();
            if text.is_empty() {
                return Ok(Converted::Empty);
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
        // Above 2^53 the shortest digits of a double are not its exact value.
        Ok(number) if conversion.scale.is_none() && conversion.target == Target::Integer => {
            let number = exact(scalar, slot).unwrap_or(number);
            of_number(conversion, number).map_err(placed)
        }
        Ok(number) => of_number(conversion, number).map_err(placed),
        Err(float) => Ok(Converted::Float(float)),
    }
}

/// A double as a decimal; `Err` with the double if it is not finite.
fn of_float(value: f64) -> Result<Decimal, f64> {
    Decimal::of_f64(value).ok_or(value)
}

/// The exact integer value of a double, if it has one of at most 64 bits.
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

/// Scales a number and converts it to the target type.
fn of_number(conversion: &Conversion, number: Decimal) -> Result<Converted, DecodeError> {
    let scaled = match conversion.scale {
        None => Some(number),
        Some((factor, offset)) => number.times(factor).and_then(|scaled| scaled.plus(offset)),
    };
    Ok(match conversion.target {
        Target::Float => Converted::Float(match (scaled, conversion.scale) {
            (Some(scaled), _) => scaled.to_f64(),
            // More digits than a decimal keeps: arithmetic in doubles is as precise.
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
        Target::String => Converted::Unchanged,
    })
}

/// A text for a float that is not finite (`NaN`, `inf`).
fn not_finite(text: &[u8]) -> Option<f64> {
    let is = |word: &str| text.eq_ignore_ascii_case(word.as_bytes());
    let is_word =
        ["nan", "inf", "+inf", "-inf", "infinity", "-infinity"].iter().any(|word| is(word));
    is_word.then_some(f64::NAN)
}

/// The boolean that a text stands for.
fn boolean_of(text: &[u8]) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
    match text {
        _ if is(&["true", "t", "yes", "y", "on"]) => Some(true),
        _ if is(&["false", "f", "no", "n", "off"]) => Some(false),
        _ => None,
    }
}
