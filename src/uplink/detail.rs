//! The text about a failed mapping for the operator. Cold path: it may allocate.

use std::fmt::Write as _;

use crate::{
    mapping::{Decoder, Plan, SlotIdx, Source},
    model::{Cause, UnixNanos},
    schema::Scalar,
    uplink::{
        DecodeError, Failure, Limits, Slots, State, float,
        line_protocol::locate,
        point::{Context, push_plain},
        time, trouble, value,
    },
};

/// How many characters of a vehicle's identity are kept: the identity itself may be what is wrong.
const VEHICLE_CHARS_MAX: usize = 128;

/// Makes a mapping's failure from its error.
#[cold]
pub(crate) fn failure(
    plan: &Plan,
    slots: &Slots,
    context: &Context<'_>,
    error: DecodeError,
) -> Failure {
    let mut digits = itoa::Buffer::new();
    let vehicle = vehicle(&plan.vehicle, slots, context, &mut digits);
    let vehicle = vehicle
        .filter(|vehicle| !vehicle.is_empty())
        .map(|vehicle| String::from_utf8_lossy(vehicle).chars().take(VEHICLE_CHARS_MAX).collect());
    Failure {
        mapping: std::sync::Arc::clone(&plan.name),
        vehicle,
        cause: error.cause,
        detail: detail(plan, slots, context, error),
    }
}

/// The vehicle's identity; an identity that is a number is formatted into `digits`.
pub(crate) fn vehicle<'a>(
    source: &'a Source,
    slots: &'a Slots,
    context: &Context<'a>,
    digits: &'a mut itoa::Buffer,
) -> Option<&'a [u8]> {
    match source {
        Source::Constant(text) => Some(text.as_bytes()),
        Source::Capture(level) => Some(context.matched.level(context.topic, *level).as_bytes()),
        Source::Slot(at, scalar) => {
            // After a panic the table is empty.
            let slot = slots.slot_if(*at).filter(|slot| !slot.is_absent())?;
            Some(match scalar {
                Scalar::String => slots.bytes_of(context.payload, slot),
                Scalar::Unsigned => digits.format(slot.to_bits()).as_bytes(),
                _ => digits.format(value::i64_of(slot)).as_bytes(),
            })
        }
    }
}

/// Names the field, what is wrong, the byte, and both clocks if it is a time.
fn detail(plan: &Plan, slots: &Slots, context: &Context<'_>, error: DecodeError) -> String {
    let trouble = &slots.trouble;
    let elements = trouble.elements().map(|elements| format!(" in element {elements} (from 0),"));
    let place = match (&elements, error.offset) {
        (Some(elements), Some(offset)) => format!("{elements} at byte {offset}"),
        _ => String::new(),
    };
    let of_time = |time| time::detail(time, slots, context, error, &place);
    if let Some(text) = plan.time.as_ref().and_then(of_time) {
        return text;
    }
    let mut text = String::new();
    let line = match (&plan.decoder, error.offset) {
        (Decoder::LineProtocol, Some(offset)) => locate::at(context.payload, offset as usize),
        _ => locate::Location::default(),
    };
    text.push_str(&line.subject());
    if let Some(slot) = error.slot.filter(|_| !trouble.has_path()) {
        text.push_str(&subject(plan, slot, item_name(slots, context, error)));
    }
    text.push_str(&trouble.describe(error.what));
    let mut add = |more: std::fmt::Arguments<'_>| {
        text.write_fmt(more).expect("writing to a string does not fail");
    };
    if let Some(bound) = bound(error.cause, context.limits) {
        add(format_args!(" of {bound}"));
    }
    if error.cause == Cause::PayloadTooDeep {
        add(format_args!("; the bound is {}", context.limits.depth_max));
    }
    if let Some(elements) = elements {
        add(format_args!("{elements}"));
    }
    if let Some(offset) = error.offset {
        add(format_args!(" at byte {offset}"));
    }
    if error.cause == Cause::TimeOutOfBounds {
        let nanos = digits_at(context.payload, error.offset);
        let point = UnixNanos(nanos.unwrap_or_default());
        let received = context.received_at;
        add(format_args!(": the point says {point}, it was received {received}"));
    }
    let tag = error.slot.filter(|_| error.cause == Cause::TagInvalid);
    let tag = tag.and_then(|slot| slots.slot_if(slot));
    let tag = tag.map(|slot| trouble::shown(slots.bytes_of(context.payload, slot)));
    let of_field = error.slot.and_then(|slot| value_of_field(plan, slot, slots, context, error));
    let found = trouble.value().or(tag.as_deref()).or(of_field.as_deref());
    if let Some(value) = found.or(line.value()) {
        add(format_args!(": {value}"));
    }
    text
}

/// The bound that was exceeded, if the cause is one of a count or size.
fn bound(cause: Cause, limits: &Limits) -> Option<String> {
    Some(match cause {
        Cause::TooManyPoints => limits.points_max.to_string(),
        Cause::TooManyBytes => format!("{} bytes", limits.bytes_max),
        Cause::TooManyElements => limits.repeated_max.to_string(),
        Cause::TooManyFields => limits.fields_max.to_string(),
        Cause::TooManyTags => limits.tags_max.to_string(),
        Cause::TooManySteps => limits.steps_max.to_string(),
        _ => return None,
    })
}

/// The time of a line in a line-protocol payload.
fn digits_at(payload: &[u8], offset: Option<u32>) -> Option<i64> {
    let text = payload.get(usize::try_from(offset?).ok()?..)?;
    let is_digit = |byte: &u8| byte.is_ascii_digit() || *byte == b'-';
    let len = text.iter().position(|byte| !is_digit(byte)).unwrap_or(text.len());
    str::from_utf8(&text[..len]).ok()?.parse().ok()
}

/// The key or the index of the wrong item in a map or list.
fn item_name(slots: &Slots, context: &Context<'_>, error: DecodeError) -> Option<String> {
    let (slot, index) = (error.slot?, error.item?);
    slots.slot_if(slot)?;
    let item = slots.items(slot).nth(usize::try_from(index).ok()?)?;
    Some(match item.key.state() {
        State::Absent => index.to_string(),
        State::Bits => value::i64_of(item.key).to_string(),
        _ => trouble::shown(slots.bytes_of(context.payload, item.key)),
    })
}

/// The received value of a field that could not be converted, or that the store's integers cannot
/// hold.
fn value_of_field(
    plan: &Plan,
    slot: SlotIdx,
    slots: &Slots,
    context: &Context<'_>,
    error: DecodeError,
) -> Option<String> {
    let field = plan.fields.iter().find(|field| field.slot == slot)?;
    if field.conversion.is_none() && error.cause != Cause::IntegerOutOfRange {
        return None;
    }
    let whole = slots.slot_if(slot).filter(|slot| !slot.is_absent())?;
    let value = match error.item {
        None => whole,
        Some(index) => slots.items(slot).nth(usize::try_from(index).ok()?)?.value,
    };
    let mut text = Vec::new();
    match field.form.scalar() {
        Scalar::String => return Some(trouble::shown(slots.bytes_of(context.payload, value))),
        Scalar::Float64 | Scalar::Digits => drop(float::push_f64(&mut text, value::f64_of(value))),
        Scalar::Float32 => drop(float::push_f32(&mut text, value::f32_of(value))),
        scalar => push_plain(&mut text, scalar, value),
    }
    Some(trouble::shown(&text))
}

/// Names the field of a slot.
fn subject(plan: &Plan, slot: SlotIdx, item: Option<String>) -> String {
    let is_slot = |source: &Source| matches!(source, Source::Slot(at, _) if *at == slot);
    if plan.time.as_ref().is_some_and(|time| time.base.slot == slot) {
        return "time: ".to_owned();
    }
    if let Some(tag) = plan.tags.iter().find(|tag| is_slot(&tag.source)) {
        return format!("tag `{}`: ", tag.name);
    }
    if let Some(field) = plan.fields.iter().find(|field| field.slot == slot) {
        let item = item.map(|item| format!(".{item}")).unwrap_or_default();
        return format!("field `{}{item}`: ", field.name);
    }
    String::new()
}
