//! The text about a wrong time for the operator: the value, the two clocks, and the unit that was
//! most likely meant.

use std::fmt::Write as _;

use super::read::{ABSENT, is_out_of_bounds, of_fields, power_of, text_of};
use crate::{
    mapping::{Time, TimeReading, TimeValue},
    model::{Cause, Decimal, UnixNanos},
    schema::{Scalar, Unit},
    uplink::{DecodeError, Slots, point::Context, value},
};

/// How many characters of a text are shown.
const TEXT_CHARS_MAX: usize = 64;

/// What is wrong with the point's time, if the error is about one of the time's fields. `place`
/// says where it is, with a leading space.
#[cold]
pub(crate) fn detail(
    time: &Time,
    slots: &Slots,
    context: &Context<'_>,
    error: DecodeError,
    place: &str,
) -> Option<String> {
    if !matches!(error.cause, Cause::TimeInvalid | Cause::TimeOutOfBounds) {
        return None;
    }
    let slot = error.slot?;
    let is_base = slot == time.base.slot;
    let value = match &time.plus {
        _ if is_base => &time.base,
        Some(plus) if slot == plus.slot => plus,
        _ => return None,
    };
    let mut text = (if is_base { "time: " } else { "time: plus: " }).to_owned();
    let shown = shown(value, slots, context);
    match error.cause {
        Cause::TimeOutOfBounds => {
            let point = of_fields(time, slots, context).ok().flatten();
            let point = point.map_or(0, |moment| moment.nanos);
            let (point, received) = (UnixNanos(point), context.received_at);
            add(&mut text, format_args!("{}{place}", error.what));
            add(&mut text, format_args!(": the point says {point}, it was received {received}"));
        }
        _ if error.what == ABSENT => add(&mut text, format_args!("{ABSENT}{place}")),
        _ => add(&mut text, format_args!("{shown} {}{place}", error.what)),
    }
    if let (true, Some((unit, meant))) = (is_base, meant(value, slots, context)) {
        add(&mut text, format_args!("; in {} it would be {meant}", word_of(unit)));
    }
    Some(text)
}

fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("writing to a string does not fail");
}

/// A field's value with its unit.
fn shown(value: &TimeValue, slots: &Slots, context: &Context<'_>) -> String {
    let Some(slot) = slots.slot_if(value.slot) else { return String::new() };
    match (&value.reading, &value.scalar) {
        (TimeReading::Count(unit), Scalar::Unsigned) => {
            format!("{} {}", slot.to_bits(), word_of(*unit))
        }
        (TimeReading::Count(_), Scalar::Ticks(unit))
        | (TimeReading::Count(unit), Scalar::Integer) => {
            format!("{} {}", value::i64_of(slot), word_of(*unit))
        }
        (TimeReading::Count(_), _) => format!("{} s", value::i64_of(slot)),
        (TimeReading::Decimal(unit), Scalar::Float64) => {
            format!("{} {}", value::f64_of(slot), word_of(*unit))
        }
        (TimeReading::Decimal(unit), Scalar::Float32) => {
            format!("{} {}", value::f32_of(slot), word_of(*unit))
        }
        (TimeReading::Decimal(unit), Scalar::Digits) => {
            format!("{} {}", quoted(value, slots, context).trim_matches('"'), word_of(*unit))
        }
        (TimeReading::Decimal(_) | TimeReading::Iso8601(_), _) => quoted(value, slots, context),
    }
}

/// A text in quotes, shortened.
fn quoted(value: &TimeValue, slots: &Slots, context: &Context<'_>) -> String {
    let text = String::from_utf8_lossy(text_of(value, slots, context)).into_owned();
    let shown: String = text.chars().take(TEXT_CHARS_MAX).flat_map(char::escape_debug).collect();
    format!("\"{shown}\"")
}

/// The only other unit in which the value would be a time within the bounds, and that time; `None`
/// if there is not exactly one.
fn meant(value: &TimeValue, slots: &Slots, context: &Context<'_>) -> Option<(Unit, UnixNanos)> {
    let slot = slots.slot_if(value.slot).filter(|slot| !slot.is_absent())?;
    let (unit, number) = match (&value.reading, &value.scalar) {
        (TimeReading::Count(unit), Scalar::Integer) => {
            (Some(*unit), Decimal::integer(value::i64_of(slot).into()))
        }
        (TimeReading::Count(unit), Scalar::Unsigned) => {
            (Some(*unit), Decimal::integer(slot.to_bits().into()))
        }
        (TimeReading::Decimal(unit), Scalar::Float64) => {
            (Some(*unit), Decimal::of_f64(value::f64_of(slot))?)
        }
        (TimeReading::Decimal(unit), _) => {
            (Some(*unit), Decimal::parse(text_of(value, slots, context))?)
        }
        (TimeReading::Iso8601(_), _) => (None, Decimal::parse(text_of(value, slots, context))?),
        _ => return None,
    };
    [Unit::Seconds, Unit::Millis, Unit::Micros, Unit::Nanos].into_iter().find_map(|other| {
        let nanos = number.floor(power_of(other)).and_then(|nanos| i64::try_from(nanos).ok())?;
        let is_meant = Some(other) != unit && !is_out_of_bounds(nanos, context);
        is_meant.then_some((other, UnixNanos(nanos)))
    })
}

const fn word_of(unit: Unit) -> &'static str {
    match unit {
        Unit::Seconds => "s",
        Unit::Millis => "ms",
        Unit::Micros => "us",
        Unit::Nanos => "ns",
    }
}
