//! Evaluates a mapping's `when` for a point, over filled slots.

use std::cmp::Ordering;

use crate::{
    mapping::{Comparison, Filter, Operand, SlotIdx},
    schema::{Scalar, Unit},
    uplink::{Slots, value},
};

/// Whether the point is to be written. A comparison with an absent value, with NaN or with a time
/// out of range is false.
pub(crate) fn passes(filter: &Filter, slots: &Slots, payload: &[u8]) -> bool {
    match filter {
        Filter::And(all) => all.iter().all(|filter| passes(filter, slots, payload)),
        Filter::Or(any) => any.iter().any(|filter| passes(filter, slots, payload)),
        Filter::Not(inner) => !passes(inner, slots, payload),
        Filter::Exists(slot) => !slots.slot(*slot).is_absent(),
        Filter::Compare { slot, scalar, comparison, operand } => {
            let found = compare(slots, payload, *slot, scalar, operand);
            found.is_some_and(|ordering| holds(*comparison, ordering))
        }
        Filter::In { slot, scalar, operands } => operands.iter().any(|operand| {
            compare(slots, payload, *slot, scalar, operand) == Some(Ordering::Equal)
        }),
    }
}

/// Whether an ordering satisfies the comparison.
const fn holds(comparison: Comparison, ordering: Ordering) -> bool {
    match comparison {
        Comparison::Equal => ordering.is_eq(),
        Comparison::NotEqual => ordering.is_ne(),
        Comparison::Less => ordering.is_lt(),
        Comparison::LessOrEqual => ordering.is_le(),
        Comparison::Greater => ordering.is_gt(),
        Comparison::GreaterOrEqual => ordering.is_ge(),
    }
}

/// Compares a slot's value with an operand; `None` if the value is absent or has no order.
fn compare(
    slots: &Slots,
    payload: &[u8],
    at: SlotIdx,
    scalar: &Scalar,
    operand: &Operand,
) -> Option<Ordering> {
    let slot = *slots.slot(at);
    if slot.is_absent() {
        return None;
    }
    match (scalar, operand) {
        (Scalar::Float64 | Scalar::Digits, Operand::Float(other)) => {
            value::f64_of(slot).partial_cmp(other)
        }
        (Scalar::Float32, Operand::Float(other)) => {
            // Compared as 32-bit floats, so that `x == 0.1` is true for the 32-bit float nearest to
            // 0.1.
            value::f32_of(slot).partial_cmp(&narrowed(*other))
        }
        (Scalar::Unsigned, Operand::Integer(other)) => Some(i128::from(slot.to_bits()).cmp(other)),
        (Scalar::Ticks(_) | Scalar::Timestamp | Scalar::Duration, Operand::Integer(other)) => {
            let nanos = value::nanos_of(slots, at, slot, scalar, Unit::Nanos).ok()?;
            Some(i128::from(nanos).cmp(other))
        }
        (_, Operand::Integer(other)) => Some(i128::from(value::i64_of(slot)).cmp(other)),
        (_, Operand::Boolean(other)) => Some((slot.to_bits() != 0).cmp(other)),
        (Scalar::Enum(symbols), Operand::Text(other)) => {
            // A number without a name equals no name.
            let name = symbols.name(value::i64_of(slot)).unwrap_or_default();
            Some(name.cmp(other))
        }
        (_, Operand::Text(other)) => Some(slots.bytes_of(payload, slot).cmp(other.as_bytes())),
        (_, Operand::Float(_)) => None,
    }
}

/// The nearest 32-bit float.
#[expect(clippy::cast_possible_truncation, reason = "rounding is what is wanted")]
const fn narrowed(value: f64) -> f32 {
    value as f32
}
