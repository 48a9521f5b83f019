//! What the parser is told at each place of the payload.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::walk::Walk;
use crate::{
    mapping::{
        SlotIdx,
        json::{Nested, Object, Op},
    },
    model::Cause,
    schema::Scalar,
    uplink::{DecodeError, Slot},
};

/// An object with declared properties; a payload, an element or a nested one.
pub(super) struct Fields<'w, 'a, 'p> {
    pub(super) walk: &'w mut Walk<'a>,
    pub(super) object: &'p Object,
    pub(super) depth: u32,
}

impl<'de> DeserializeSeed<'de> for Fields<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Fields { walk, object, depth } = self;
        walk.check_depth(depth)?;
        let mut seen = 0;
        let mut next = 0;
        while let Some(found) = map.next_key_seed(Name { object, next })? {
            let Some(index) = found else {
                walk.slots.unknown = walk.slots.unknown.saturating_add(1);
                map.next_value_seed(Skip { walk, depth: depth + 1 })?;
                continue;
            };
            next = index + 1;
            let property = &object.properties[index];
            let is_value =
                map.next_value_seed(Value { walk, op: &property.op, depth: depth + 1 })?;
            if is_value || property.nullable {
                seen |= property.required;
            } else {
                seen &= !property.required;
            }
        }
        if let Some(missing) = object.missing(seen) {
            let slot = match &missing.op {
                Op::Scalar(slot, _) | Op::List(slot, _) | Op::Map(slot, _) => Some(*slot),
                Op::Skip | Op::Object(_) | Op::Points => None,
            };
            return Err(walk.mismatch("a required property is absent or null", slot));
        }
        Ok(())
    }
}

/// A property's name: its index, if it is declared.
struct Name<'p> {
    object: &'p Object,
    next: usize,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.object.find(name, self.next))
    }
}

/// The value of a declared property: whether there is one (and not null).
struct Value<'w, 'a, 'p> {
    walk: &'w mut Walk<'a>,
    op: &'p Op,
    depth: u32,
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_, '_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Value<'_, '_, '_> {
    /// Stores a scalar.
    #[inline]
    fn store<E: Error>(
        self,
        made: impl FnOnce(&mut Walk<'_>, &Scalar) -> Option<Result<Slot, DecodeError>>,
    ) -> Result<bool, E> {
        match self.op {
            Op::Skip => Ok(true),
            Op::Scalar(slot, scalar) => {
                let value = scalar_value(self.walk, Some(*slot), scalar, made)?;
                self.walk.slots.set(*slot, value);
                Ok(true)
            }
            Op::Object(_) | Op::List(..) | Op::Map(..) | Op::Points => {
                Err(self.walk.mismatch(OTHER_TYPE, None))
            }
        }
    }
}

/// What is told of a value that is not of its type.
const OTHER_TYPE: &str = "a value has another type than its schema says";

/// A scalar as it lies in its slot, or why not.
fn scalar_value<E: Error>(
    walk: &mut Walk<'_>,
    slot: Option<SlotIdx>,
    scalar: &Scalar,
    made: impl FnOnce(&mut Walk<'_>, &Scalar) -> Option<Result<Slot, DecodeError>>,
) -> Result<Slot, E> {
    match made(walk, scalar) {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(walk.fail(match slot {
            Some(slot) => error.in_slot(slot),
            None => error,
        })),
        None => Err(walk.mismatch(OTHER_TYPE, slot)),
    }
}

/// A whole number that is not negative.
fn of_u64(value: u64, scalar: &Scalar) -> Option<Result<Slot, DecodeError>> {
    match scalar {
        Scalar::Integer if i64::try_from(value).is_err() => Some(Err(out_of_range())),
        Scalar::Integer => Some(Ok(Slot::bits(value))),
        Scalar::Float64 => Some(Ok(Slot::bits((value as f64).to_bits()))),
        _ => None,
    }
}

/// A whole number.
fn of_i64(value: i64, scalar: &Scalar) -> Option<Result<Slot, DecodeError>> {
    match scalar {
        Scalar::Integer => Some(Ok(Slot::bits(value.cast_unsigned()))),
        Scalar::Float64 => Some(Ok(Slot::bits((value as f64).to_bits()))),
        _ => None,
    }
}

/// A number with a fraction or an exponent, or one that is too long for 64 bits.
fn of_f64(value: f64, scalar: &Scalar) -> Option<Result<Slot, DecodeError>> {
    /// 2^63.
    const END: f64 = 9_223_372_036_854_775_808.0;
    match scalar {
        Scalar::Float64 => Some(Ok(Slot::bits(value.to_bits()))),
        Scalar::Integer if value.fract() != 0.0 => None,
        Scalar::Integer if !(-END..END).contains(&value) => Some(Err(out_of_range())),
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range by the arms above")]
        Scalar::Integer => Some(Ok(Slot::bits((value as i64).cast_unsigned()))),
        _ => None,
    }
}

/// A truth value.
fn of_bool(value: bool, scalar: &Scalar) -> Option<Result<Slot, DecodeError>> {
    matches!(scalar, Scalar::Boolean).then(|| Ok(Slot::bits(u64::from(value))))
}

/// An integer that the stores have no place for.
fn out_of_range() -> DecodeError {
    DecodeError::new(Cause::IntegerOutOfRange, "an integer has more than 64 bits with its sign")
}

impl<'de> Visitor<'de> for Value<'_, '_, '_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<bool, E> {
        self.store(|_, scalar| of_u64(value, scalar))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<bool, E> {
        self.store(|_, scalar| of_i64(value, scalar))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<bool, E> {
        self.store(|_, scalar| of_f64(value, scalar))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<bool, E> {
        self.store(|_, scalar| of_bool(value, scalar))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<bool, E> {
        self.store(|walk, scalar| {
            matches!(scalar, Scalar::String).then(|| Ok(Slot::payload(walk.range_of(text))))
        })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
        self.store(|walk, scalar| {
            matches!(scalar, Scalar::String).then(|| Ok(walk.unescaped(text)))
        })
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        empty(self.walk, self.op);
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let Value { walk, op, depth } = self;
        empty(walk, op);
        match op {
            Op::Object(nested) => {
                walk.slots.set_bits(nested.presence, 1);
                Fields { walk, object: &nested.object, depth }.visit_map(map)?;
            }
            Op::Map(slot, scalar) => {
                walk.check_depth(depth)?;
                let slot = *slot;
                while let Some(key) = map.next_key_seed(Key { walk })? {
                    let value = map.next_value_seed(Item { walk, slot, scalar })?;
                    if !value.is_absent() {
                        walk.push(slot, key, value)?;
                    }
                }
            }
            Op::Skip => Skip { walk, depth }.visit_map(map)?,
            Op::Scalar(slot, _) | Op::List(slot, _) => {
                return Err(walk.mismatch(OTHER_TYPE, Some(*slot)));
            }
            Op::Points => return Err(walk.mismatch(OTHER_TYPE, None)),
        }
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        let Value { walk, op, depth } = self;
        empty(walk, op);
        match op {
            Op::List(slot, scalar) => {
                walk.check_depth(depth)?;
                let slot = *slot;
                while let Some(value) = seq.next_element_seed(Item { walk, slot, scalar })? {
                    walk.push(slot, Slot::ABSENT, value)?;
                }
            }
            Op::Points => {
                walk.check_depth(depth)?;
                while let Some(item) = seq.next_element::<&RawValue>()? {
                    if !item.get().starts_with('{') {
                        return Err(walk.mismatch("an element of `points` is no object", None));
                    }
                    let pushed = walk.slots.push_element(walk.range_of(item.get()));
                    pushed.map_err(|error| walk.fail(error))?;
                }
            }
            Op::Skip => Skip { walk, depth }.visit_seq(seq)?,
            Op::Scalar(slot, _) | Op::Map(slot, _) => {
                return Err(walk.mismatch(OTHER_TYPE, Some(*slot)));
            }
            Op::Object(_) => return Err(walk.mismatch(OTHER_TYPE, None)),
        }
        Ok(true)
    }
}

/// Forgets what an earlier property of the same name has stored.
fn empty(walk: &mut Walk<'_>, op: &Op) {
    match op {
        Op::Skip => {}
        Op::Scalar(slot, _) | Op::List(slot, _) | Op::Map(slot, _) => {
            walk.slots.set(*slot, Slot::ABSENT);
        }
        Op::Object(nested) => empty_object(walk, nested),
        Op::Points => walk.slots.clear_elements(),
    }
}

/// The same for all that lies in an object.
fn empty_object(walk: &mut Walk<'_>, nested: &Nested) {
    if walk.slots.slot(nested.presence).is_absent() {
        return;
    }
    walk.slots.set(nested.presence, Slot::ABSENT);
    walk.slots.clear(nested.slots.clone());
    if nested.holds_points {
        walk.slots.clear_elements();
    }
}

/// A scalar of a list or map; absent for null.
struct Item<'w, 'a, 'p> {
    walk: &'w mut Walk<'a>,
    slot: SlotIdx,
    scalar: &'p Scalar,
}

impl<'de> DeserializeSeed<'de> for Item<'_, '_, '_> {
    type Value = Slot;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Slot, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Item<'_, '_, '_> {
    type Value = Slot;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Slot, E> {
        scalar_value(self.walk, Some(self.slot), self.scalar, |_, scalar| of_u64(value, scalar))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Slot, E> {
        scalar_value(self.walk, Some(self.slot), self.scalar, |_, scalar| of_i64(value, scalar))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Slot, E> {
        scalar_value(self.walk, Some(self.slot), self.scalar, |_, scalar| of_f64(value, scalar))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Slot, E> {
        scalar_value(self.walk, Some(self.slot), self.scalar, |_, scalar| of_bool(value, scalar))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Slot, E> {
        scalar_value(self.walk, Some(self.slot), self.scalar, |walk, scalar| {
            matches!(scalar, Scalar::String).then(|| Ok(Slot::payload(walk.range_of(text))))
        })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Slot, E> {
        scalar_value(self.walk, Some(self.slot), self.scalar, |walk, scalar| {
            matches!(scalar, Scalar::String).then(|| Ok(walk.unescaped(text)))
        })
    }

    fn visit_unit<E: Error>(self) -> Result<Slot, E> {
        Ok(Slot::ABSENT)
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Slot, A::Error> {
        Err(self.walk.mismatch(OTHER_TYPE, Some(self.slot)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Slot, A::Error> {
        Err(self.walk.mismatch(OTHER_TYPE, Some(self.slot)))
    }
}

/// A name in a map, as text.
struct Key<'w, 'a> {
    walk: &'w mut Walk<'a>,
}

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = Slot;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Slot, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'_, '_> {
    type Value = Slot;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Slot, E> {
        Ok(Slot::payload(self.walk.range_of(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Slot, E> {
        Ok(self.walk.unescaped(text))
    }
}

/// A value that nobody wants: its depth is bounded all the same.
struct Skip<'w, 'a> {
    walk: &'w mut Walk<'a>,
    depth: u32,
}

impl<'de> DeserializeSeed<'de> for Skip<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Skip<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Skip { walk, depth } = self;
        walk.check_depth(depth)?;
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(Skip { walk, depth: depth + 1 })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Skip { walk, depth } = self;
        walk.check_depth(depth)?;
        while seq.next_element_seed(Skip { walk, depth: depth + 1 })?.is_some() {}
        Ok(())
    }
}
