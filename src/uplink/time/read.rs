//! Slots → nanoseconds since 1970.

use std::time::Duration;

use super::iso;
use crate::{
    env::RELEASED,
    mapping::{Plan, Time, TimeReading, TimeValue, UNSET_BEFORE_NANOS},
    model::{Cause, Decimal},
    schema::{Scalar, Unit},
    uplink::{DecodeError, Limits, Slots, point::Context, value},
};

/// The time of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) nanos: i64,
    /// Whether it is the context's stamp; the next point needs another one.
    pub(crate) is_stamped: bool,
    /// Whether it is in an hour that occurs twice in its time zone; the first of the two was taken.
    pub(crate) is_repeated: bool,
}

impl Moment {
    const fn of(nanos: i64) -> Self {
        Self { nanos, is_stamped: false, is_repeated: false }
    }
}

/// The point's time.
///
/// # Errors
/// It is absent, not a time, out of range or out of bounds.
#[inline]
pub(crate) fn of_point(
    plan: &Plan,
    slots: &Slots,
    context: &Context<'_>,
) -> Result<Moment, DecodeError> {
    let stamped = Moment { is_stamped: true, ..Moment::of(context.stamp.0) };
    let Some(time) = &plan.time else { return Ok(stamped) };
    let Some(moment) = of_fields(time, slots, context)? else { return Ok(stamped) };
    if is_out_of_bounds(moment.nanos, context) {
        let error = DecodeError::new(Cause::TimeOutOfBounds, "it is out of bounds");
        return Err(error.in_slot(time.base.slot));
    }
    Ok(moment)
}

/// The time in the fields, without a check of the bounds; `None` if the stamp is used.
#[inline]
pub(super) fn of_fields(
    time: &Time,
    slots: &Slots,
    context: &Context<'_>,
) -> Result<Option<Moment>, DecodeError> {
    let base = &time.base;
    let Some(unit) = time.plain() else { return special(time, slots, context) };
    let slot = *slots.slot(base.slot);
    if slot.is_absent() {
        return Err(absent(base));
    }
    value::nanos_of(slots, base.slot, slot, &base.scalar, unit).map(|nanos| Some(Moment::of(nanos)))
}

/// Whether a time is too far from the time of receipt. A time of receipt before the release date of
/// this version cannot be right. Then the time is compared with the release date, and may be as far
/// after it as before: a machine whose clock starts in 1970 must not refuse the correct times of
/// vehicles.
pub(crate) fn is_out_of_bounds(nanos: i64, context: &Context<'_>) -> bool {
    let Limits { time_past, time_ahead, .. } = context.limits;
    let (now, ahead) = match context.received_at < RELEASED {
        true => (RELEASED, *time_ahead.max(time_past)),
        false => (context.received_at, *time_ahead),
    };
    let distance = i128::from(nanos) - i128::from(now.0);
    let as_nanos = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
    distance > as_nanos(ahead) || -distance > as_nanos(*time_past)
}

/// Reads a time that is not one plain count; `None` if the stamp is used.
fn special(
    time: &Time,
    slots: &Slots,
    context: &Context<'_>,
) -> Result<Option<Moment>, DecodeError> {
    let (mut nanos, mut is_repeated) = (i128::from(context.received_at.0), false);
    let is_zero = time.unset_is_received && is_zero_text(&time.base, slots, context);
    let base = if is_zero { None } else { read(&time.base, slots, context)? };
    match base {
        Some(found) if !time.unset_is_received || found.nanos >= UNSET_BEFORE_NANOS => {
            (nanos, is_repeated) = (found.nanos, found.is_repeated);
        }
        None if !time.unset_is_received => return Err(absent(&time.base)),
        // The clock is not set. A time relative to it becomes relative to the time of receipt.
        _ if time.plus.is_none() => return Ok(None),
        _ => {}
    }
    if let Some(plus) = &time.plus {
        let span = read(plus, slots, context)?.ok_or_else(|| absent(plus))?;
        nanos = nanos.checked_add(span.nanos).ok_or_else(|| out_of_range(&time.base))?;
    }
    let nanos = i64::try_from(nanos).map_err(|_| out_of_range(&time.base))?;
    Ok(Some(Moment { nanos, is_stamped: false, is_repeated }))
}

/// Whether a field is text whose only digits are zeros, such as `0000-00-00 00:00:00`, which some
/// devices send for no time.
fn is_zero_text(value: &TimeValue, slots: &Slots, context: &Context<'_>) -> bool {
    let is_of_time =
        |byte: &u8| matches!(byte, b'0' | b'-' | b':' | b'.' | b'+' | b' ' | b'T' | b'Z');
    matches!(value.scalar, Scalar::String) && text_of(value, slots, context).iter().all(is_of_time)
}

/// The value of one field.
pub(super) struct Read {
    pub(super) nanos: i128,
    /// Whether it is in an hour that occurs twice in its time zone.
    pub(super) is_repeated: bool,
}

/// Reads one field; `None` if it is absent or empty text.
fn read(
    value: &TimeValue,
    slots: &Slots,
    context: &Context<'_>,
) -> Result<Option<Read>, DecodeError> {
    let slot = *slots.slot(value.slot);
    if slot.is_absent() {
        return Ok(None);
    }
    let invalid = |what| DecodeError::new(Cause::TimeInvalid, what).in_slot(value.slot);
    let nanos = match &value.reading {
        TimeReading::Count(unit) => {
            value::wide_nanos_of(slots, value.slot, slot, &value.scalar, *unit)
                .ok_or_else(|| out_of_range(value))?
        }
        TimeReading::Decimal(unit) => {
            let number = match value.scalar {
                Scalar::Float64 => Decimal::of_f64(value::f64_of(slot)),
                Scalar::Float32 => Decimal::of_f32(value::f32_of(slot)),
                _ => {
                    let text = text_of(value, slots, context);
                    if text.trim_ascii().is_empty() {
                        return Ok(None);
                    }
                    Decimal::parse(text)
                }
            };
            let number = number.ok_or_else(|| invalid("is no number"))?;
            number.floor(power_of(*unit)).ok_or_else(|| out_of_range(value))?
        }
        TimeReading::Iso8601(zone) => {
            let text = text_of(value, slots, context);
            if text.trim_ascii().is_empty() {
                return Ok(None);
            }
            return iso::read(zone.as_ref(), text).map(Some).map_err(invalid);
        }
    };
    Ok(Some(Read { nanos, is_repeated: false }))
}

/// The text of a field, or the digits of a number.
pub(super) fn text_of<'a>(value: &TimeValue, slots: &'a Slots, context: &Context<'a>) -> &'a [u8] {
    let at = if matches!(value.scalar, Scalar::Digits) { value.slot.next() } else { value.slot };
    slots.slot_if(at).map_or(&[], |slot| slots.bytes_of(context.payload, slot))
}

/// The power of ten that converts a unit to nanoseconds.
pub(super) const fn power_of(unit: Unit) -> i32 {
    match unit {
        Unit::Seconds => 9,
        Unit::Millis => 6,
        Unit::Micros => 3,
        Unit::Nanos => 0,
    }
}

/// The text for a field without a value.
pub(super) const ABSENT: &str = "it is absent";

/// The error of a field without a value.
fn absent(value: &TimeValue) -> DecodeError {
    DecodeError::new(Cause::TimeInvalid, ABSENT).in_slot(value.slot)
}

/// The error of a field whose value a line cannot express.
fn out_of_range(value: &TimeValue) -> DecodeError {
    DecodeError::new(Cause::TimeInvalid, value::OUT_OF_RANGE).in_slot(value.slot)
}
