//! Reads a slot as its scalar type.

use crate::{
    mapping::SlotIdx,
    model::Cause,
    schema::{Scalar, Unit},
    uplink::{DecodeError, Slot, Slots},
};

/// One billion: nanoseconds in a second.
const NANOS: i64 = 1_000_000_000;

/// The seconds that `google.protobuf.Timestamp` allows: the years 1 to 9999. Times that do not fit
/// 64-bit nanoseconds are refused later.
const TIMESTAMP_SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// The bits as a float.
#[inline]
pub(crate) fn f64_of(slot: Slot) -> f64 {
    f64::from_bits(slot.to_bits())
}

/// The low bits as a 32-bit float.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the high half is zero by contract")]
pub(crate) fn f32_of(slot: Slot) -> f32 {
    f32::from_bits(slot.to_bits() as u32)
}

/// The bits as a signed integer.
#[inline]
pub(crate) const fn i64_of(slot: Slot) -> i64 {
    slot.to_bits().cast_signed()
}

/// A time or a duration in nanoseconds. `slot` is the value; `at` is its index, which is used only
/// for scalars of two slots (a list never holds those).
///
/// # Errors
/// [`Cause::TimeInvalid`] if it is out of its range or does not fit.
#[inline]
pub(crate) fn nanos_of(
    slots: &Slots,
    at: SlotIdx,
    slot: Slot,
    scalar: &Scalar,
    unit: Unit,
) -> Result<i64, DecodeError> {
    let nanos = match scalar {
        Scalar::Timestamp | Scalar::Duration => {
            let nanos = i64_of(*slots.slot(at.next()));
            joined(i64_of(slot), nanos, matches!(scalar, Scalar::Timestamp))
        }
        Scalar::Ticks(unit) => i64_of(slot).checked_mul(unit.nanos()),
        Scalar::Unsigned => {
            let count = i64::try_from(slot.to_bits()).ok();
            count.and_then(|count| count.checked_mul(unit.nanos()))
        }
        _ => i64_of(slot).checked_mul(unit.nanos()),
    };
    nanos.ok_or_else(|| {
        DecodeError::new(Cause::TimeInvalid, why_out_of_range(slots, at, scalar)).in_slot(at)
    })
}

/// Why a time or duration is out of range.
#[cold]
fn why_out_of_range(slots: &Slots, at: SlotIdx, scalar: &Scalar) -> &'static str {
    let nanos = || i64_of(*slots.slot(at.next()));
    let is_broken = match scalar {
        Scalar::Timestamp => wide_joined(0, nanos(), true).is_none(),
        Scalar::Duration => wide_joined(i64_of(*slots.slot(at)), nanos(), false).is_none(),
        _ => false,
    };
    if is_broken {
        "has nanos that protobuf does not allow beside its seconds"
    } else {
        OUT_OF_RANGE
    }
}

/// The text for a time that a line cannot express; its value is put before it.
pub(crate) const OUT_OF_RANGE: &str = "does not fit 64-bit nanoseconds";

/// The same with 128 bits; `None` if it violates protobuf's rules.
pub(crate) fn wide_nanos_of(
    slots: &Slots,
    at: SlotIdx,
    slot: Slot,
    scalar: &Scalar,
    unit: Unit,
) -> Option<i128> {
    let unit = if let Scalar::Ticks(unit) = scalar { *unit } else { unit };
    let count = match scalar {
        Scalar::Timestamp | Scalar::Duration => {
            let nanos = i64_of(*slots.slot(at.next()));
            return wide_joined(i64_of(slot), nanos, matches!(scalar, Scalar::Timestamp));
        }
        Scalar::Unsigned => i128::from(slot.to_bits()),
        _ => i128::from(i64_of(slot)),
    };
    Some(count * i128::from(unit.nanos()))
}

/// Seconds and nanoseconds as one number; `None` if they violate protobuf's rules or do not fit.
fn joined(seconds: i64, nanos: i64, is_timestamp: bool) -> Option<i64> {
    i64::try_from(wide_joined(seconds, nanos, is_timestamp)?).ok()
}

/// The same with 128 bits.
fn wide_joined(seconds: i64, nanos: i64, is_timestamp: bool) -> Option<i128> {
    let is_valid = if is_timestamp {
        TIMESTAMP_SECONDS.contains(&seconds) && (0..NANOS).contains(&nanos)
    } else {
        nanos.abs() < NANOS && seconds.signum() * nanos.signum() >= 0
    };
    is_valid.then(|| i128::from(seconds) * i128::from(NANOS) + i128::from(nanos))
}
