//! Alarms that a written point raises.
//!
//! Conditions are evaluated after the point's line is written, while its slots are still filled. A
//! plan without alarms pays for one check of an empty list. Nothing is allocated unless a condition
//! holds.

use std::sync::Arc;

use crate::{
    mapping::{Plan, PlanAlarm, SlotIdx, Source},
    model::{UnixNanos, Value},
    schema::{Scalar, Unit},
    uplink::{
        Slots, detail, filter,
        point::{Context, Line},
        value,
    },
};

/// An alarm that a message raises.
#[derive(Clone, Debug, PartialEq)]
pub struct Raised {
    /// Its name.
    pub alarm: Arc<str>,
    /// The vehicle of the message.
    pub vehicle: Arc<str>,
    /// The time of the point.
    pub time: UnixNanos,
    /// Whether the time comes from the payload, and is not the time of receipt.
    pub has_time: bool,
    /// Why the alarm is not raised, although its condition holds.
    pub refusal: Option<RaiseRefusal>,
    /// The values of the message that the alarm's action uses, by name.
    pub values: Vec<(Arc<str>, Value)>,
}

/// Why a point raises no alarm, although the alarm's condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RaiseRefusal {
    /// The point is older than the alarm's `max-age`.
    TooOld,
    /// The texts that the action uses are larger than their bound.
    TooLarge,
}

impl RaiseRefusal {
    /// The label under which it is counted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooOld => "too-old",
            Self::TooLarge => "too-large",
        }
    }
}

/// Upper bound in bytes of the texts that an alarm takes from a message: they are held in memory
/// until its command is stored.
const TEXT_BYTES_MAX: usize = 16 << 10;

/// Evaluates the alarms of a plan for a point that was written. Each alarm is raised at most once
/// per message, by the first point that is young enough. `raised` holds what the same mapping
/// raised before.
pub(super) fn ask(
    plan: &Plan,
    slots: &Slots,
    context: &Context<'_>,
    line: &Line,
    (raised, mark): (&mut Vec<Raised>, usize),
) {
    for alarm in &plan.alarms {
        let known = raised[mark..].iter().position(|one| Arc::ptr_eq(&one.alarm, &alarm.name));
        let known = known.map(|place| mark + place);
        if known.is_some_and(|place| raised[place].refusal.is_none())
            || !filter::passes(&alarm.filter, slots, context.payload)
        {
            continue;
        }
        let age = context.received_at.0.saturating_sub(line.time);
        let is_old = !line.is_stamped && age > alarm.max_age_nanos;
        match known {
            Some(_) if is_old => {}
            Some(place) => raised[place] = raise(plan, alarm, slots, context, line, is_old),
            None => raised.push(raise(plan, alarm, slots, context, line, is_old)),
        }
    }
}

#[cold]
fn raise(
    plan: &Plan,
    alarm: &PlanAlarm,
    slots: &Slots,
    context: &Context<'_>,
    line: &Line,
    is_old: bool,
) -> Raised {
    let mut digits = itoa::Buffer::new();
    let vehicle = detail::vehicle(&plan.vehicle, slots, context, &mut digits).unwrap_or_default();
    let value = |source: &Source| match source {
        Source::Constant(text) => Value::String(text.to_string()),
        Source::Capture(level) => {
            Value::String(context.matched.level(context.topic, *level).to_owned())
        }
        Source::Slot(slot, scalar) => value_of(*slot, scalar, slots, context),
    };
    let values = alarm.values.iter().map(|(name, source)| (Arc::clone(name), value(source)));
    let mut values: Vec<(Arc<str>, Value)> = if is_old { Vec::new() } else { values.collect() };
    let bytes =
        |(_, value): &(_, Value)| if let Value::String(text) = value { text.len() } else { 0 };
    let is_large = values.iter().map(bytes).sum::<usize>() > TEXT_BYTES_MAX;
    if is_large {
        values.clear();
    }
    let refusal = match (is_old, is_large) {
        (true, _) => Some(RaiseRefusal::TooOld),
        (_, true) => Some(RaiseRefusal::TooLarge),
        _ => None,
    };
    Raised {
        alarm: Arc::clone(&alarm.name),
        vehicle: String::from_utf8_lossy(vehicle).into(),
        time: UnixNanos(line.time),
        has_time: !line.is_stamped,
        refusal,
        values,
    }
}

/// The value of a slot with its type; null if the slot is absent or its time is invalid.
fn value_of(at: SlotIdx, scalar: &Scalar, slots: &Slots, context: &Context<'_>) -> Value {
    let slot = *slots.slot(at);
    if slot.is_absent() {
        return Value::Null;
    }
    let nanos = || value::nanos_of(slots, at, slot, scalar, Unit::Nanos).ok();
    let text = || String::from_utf8_lossy(slots.bytes_of(context.payload, slot)).into_owned();
    match scalar {
        Scalar::Float64 | Scalar::Digits => Value::Float(value::f64_of(slot)),
        // The shortest digits that read back equal, as in a line.
        Scalar::Float32 => {
            let narrow = value::f32_of(slot);
            Value::Float(narrow.to_string().parse().unwrap_or(narrow.into()))
        }
        Scalar::Integer => Value::Integer(value::i64_of(slot)),
        Scalar::Unsigned => Value::Unsigned(slot.to_bits()),
        Scalar::Boolean => Value::Boolean(slot.to_bits() != 0),
        Scalar::String => Value::String(text()),
        Scalar::Bytes => {
            use base64::{Engine as _, engine::general_purpose::STANDARD};
            Value::String(STANDARD.encode(slots.bytes_of(context.payload, slot)))
        }
        Scalar::Enum(symbols) => {
            let number = value::i64_of(slot);
            Value::String(symbols.name(number).map_or_else(|| number.to_string(), str::to_owned))
        }
        Scalar::Ticks(_) | Scalar::Timestamp => {
            nanos().map_or(Value::Null, |nanos| Value::Timestamp(UnixNanos(nanos)))
        }
        Scalar::Duration => nanos().map_or(Value::Null, Value::Integer),
    }
}
