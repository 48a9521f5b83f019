//! Stores each value of a payload as the plan says.

use std::ops::Range;

use super::{mistakes, number::Whole, reader::Reader};
use crate::{
    mapping::{
        SlotIdx,
        json::{Body, List, Nested, Object, Op, Program, Union},
    },
    model::Cause,
    schema::Scalar,
    uplink::{DecodeError, Limits, Slot, Slots},
};

/// Reads a message.
pub(crate) fn message(
    program: &Program,
    payload: &[u8],
    slots: &mut Slots,
    limits: &Limits,
) -> Result<(), DecodeError> {
    if let Err(error) = str::from_utf8(payload) {
        let what = mistakes::of_start(payload).unwrap_or("the payload is not UTF-8");
        slots.trouble.say(format_args!("{what}"));
        return Err(DecodeError::new(Cause::PayloadNotUtf8, what).at(error.valid_up_to()));
    }
    let mut reader = reader(program, payload, 0..payload.len(), slots, limits);
    reader.body(&program.message)?;
    reader.end()
}

/// Reads one element of a list of `points`, whose range an earlier walk has found.
pub(crate) fn element(
    program: &Program,
    payload: &[u8],
    level: usize,
    range: Range<usize>,
    slots: &mut Slots,
    limits: &Limits,
) -> Result<(), DecodeError> {
    let element = &program.levels[level];
    let mut reader = reader(program, payload, range, slots, limits);
    if let Some(slot) = element.key {
        let key = reader.name()?;
        reader.slots.set(slot, key);
        reader.peek()?;
    }
    reader.body(&element.body)
}

/// Reads a part of the payload.
fn reader<'a>(
    program: &Program,
    payload: &'a [u8],
    range: Range<usize>,
    slots: &'a mut Slots,
    limits: &Limits,
) -> Reader<'a> {
    let (depth_max, is_lenient) = (limits.depth_max, program.is_lenient);
    Reader { text: &payload[..range.end], at: range.start, slots, depth_max, is_lenient }
}

impl Reader<'_> {
    /// A payload, or an element of `points`.
    fn body(&mut self, body: &Body) -> Result<(), DecodeError> {
        let first = self.peek()?;
        match body {
            Body::Object(object) if first == object.open() => self.object(object, 1),
            Body::Object(object) => Err(self.mismatch(opened(object.open()))),
            Body::Points(list) if first == list.open() => self.points(*list, 1),
            Body::Points(list) => Err(self.mismatch(opened(list.open()))),
            Body::Union(union) => self.union(union, first, 1),
        }
    }

    /// Reads a tuple: an array with a type for each index. The position is at its bracket.
    fn places(&mut self, object: &Object, depth: u32) -> Result<(), DecodeError> {
        self.enter(depth)?;
        let mut places = object.properties.iter();
        let mut has_more = !self.take(b']')?;
        while has_more {
            match places.next() {
                Some(place) => {
                    let value = self.value(&place.op, depth + 1);
                    value.map_err(|error| self.within(&place.name, error))?;
                }
                None => {
                    self.slots.unknown = self.slots.unknown.saturating_add(1);
                    self.skip(depth + 1)?;
                }
            }
            has_more = self.more(b']')?;
        }
        Ok(())
    }

    /// Reads an object with declared properties. The position is at its bracket.
    fn object(&mut self, object: &Object, depth: u32) -> Result<(), DecodeError> {
        if object.is_list {
            return self.places(object, depth);
        }
        self.enter(depth)?;
        let mut seen = 0;
        let mut next = 0;
        let mut has_more = !self.take(b'}')?;
        while has_more {
            let name = self.name()?;
            let found = object.find(self.slots.bytes_of(self.text, name), next);
            self.slots.drop_text(name);
            match found {
                Some(index) => {
                    next = index + 1;
                    let property = &object.properties[index];
                    let value = self.value(&property.op, depth + 1);
                    let is_value = value.map_err(|error| self.within(&property.name, error))?;
                    if is_value || property.nullable {
                        seen |= property.required;
                    } else {
                        seen &= !property.required;
                    }
                }
                None => {
                    self.slots.unknown = self.slots.unknown.saturating_add(1);
                    self.skip(depth + 1)?;
                }
            }
            has_more = self.more(b'}')?;
        }
        match object.missing(seen) {
            Some(missing) => Err(self.missing(&missing.name)),
            None => Ok(()),
        }
    }

    /// Reads the value of a declared property; false if it is null.
    #[inline]
    fn value(&mut self, op: &Op, depth: u32) -> Result<bool, DecodeError> {
        let start = self.at;
        match self.strict_value(op, depth) {
            Err(error) if self.is_lenient => self.other_value(op, depth, start, error),
            value => value,
        }
    }

    /// Treats a value of another type than the schema's as absent.
    #[cold]
    fn other_value(
        &mut self,
        op: &Op,
        depth: u32,
        start: usize,
        error: DecodeError,
    ) -> Result<bool, DecodeError> {
        if !matches!(error.cause, Cause::PayloadMismatch | Cause::IntegerOutOfRange) {
            return Err(error);
        }
        self.slots.trouble.clear();
        self.empty(op)?;
        self.at = start;
        self.skip(depth)?;
        Ok(false)
    }

    /// The same, if the type must be the schema's.
    #[inline]
    fn strict_value(&mut self, op: &Op, depth: u32) -> Result<bool, DecodeError> {
        let first = self.peek()?;
        match op {
            Op::Scalar(slot, scalar) => {
                let value = self.scalar(scalar, first).map_err(|error| error.in_slot(*slot))?;
                self.slots.set(*slot, value);
                Ok(!value.is_absent())
            }
            Op::Skip => {
                self.skip(depth)?;
                Ok(first != b'n')
            }
            Op::Digits(slot) => self.digits_of(*slot, first).map_err(|error| error.in_slot(*slot)),
            _ => self.container(op, first, depth),
        }
    }

    /// Reads a number, and stores its digits in the slot beside it.
    fn digits_of(&mut self, slot: SlotIdx, first: u8) -> Result<bool, DecodeError> {
        let start = self.at;
        let value = self.scalar(&Scalar::Float64, first)?;
        let digits = if value.is_absent() { value } else { Slot::payload(start..self.at) };
        self.slots.set(slot, value);
        self.slots.set(slot.next(), digits);
        Ok(!value.is_absent())
    }

    /// The same for a value that is not a scalar. If a name occurs twice, the last value counts, so
    /// what the first has stored is cleared.
    fn container(&mut self, op: &Op, first: u8, depth: u32) -> Result<bool, DecodeError> {
        self.empty(op)?;
        match (op, first) {
            (_, b'n') => {
                self.literal(b"null")?;
                return Ok(false);
            }
            (Op::Object(nested), first) if first == nested.object.open() => {
                self.slots.set_bits(nested.presence, 1);
                self.object(&nested.object, depth)?;
            }
            (Op::Union(union), _) => self.union(union, first, depth)?,
            (Op::List(slot, scalar), b'[') => {
                self.enter(depth)?;
                let mut has_more = !self.take(b']')?;
                for index in 0_u32.. {
                    if !has_more {
                        break;
                    }
                    let value = self.item(scalar);
                    let pushed = value
                        .and_then(|value| self.slots.push(self.text, *slot, Slot::ABSENT, value));
                    pushed.map_err(|error| self.within_item(index, error.in_slot(*slot)))?;
                    has_more = self.more(b']')?;
                }
            }
            (Op::Map(slot, scalar), b'{') => {
                self.enter(depth)?;
                let mut has_more = !self.take(b'}')?;
                while has_more {
                    let key = self.name()?;
                    let value = self.item(scalar);
                    let pushed = value.and_then(|value| match value.is_absent() {
                        true => Ok(()),
                        false => self.slots.push(self.text, *slot, key, value),
                    });
                    pushed.map_err(|error| self.within_key(key, error.in_slot(*slot)))?;
                    has_more = self.more(b'}')?;
                }
            }
            (Op::Points(list), first) if first == list.open() => self.points(*list, depth)?,
            (Op::Object(nested), _) => return Err(self.mismatch(opened(nested.object.open()))),
            (Op::Points(list), _) => return Err(self.mismatch(opened(list.open()))),
            (Op::Map(..), _) => return Err(self.mismatch("an object")),
            (Op::List(..), _) => return Err(self.mismatch("a list")),
            (Op::Scalar(..) | Op::Digits(_) | Op::Skip, _) => {
                unreachable!("these are no containers")
            }
        }
        Ok(true)
    }

    /// Reads a value of one of several types.
    fn union(&mut self, union: &Union, first: u8, depth: u32) -> Result<(), DecodeError> {
        let branch = match first {
            b'0'..=b'9' | b'-' => &union.number,
            b'"' => &union.string,
            b't' | b'f' => &union.boolean,
            b'{' => &union.object,
            b'[' => &union.array,
            _ => &None,
        };
        let Some(op) = branch else { return Err(self.mismatch(&union.expected)) };
        self.slots.set_bits(union.presence, 1);
        self.value(op, depth).map(drop)
    }

    /// Notes the range of each element, including its name.
    fn points(&mut self, list: List, depth: u32) -> Result<(), DecodeError> {
        let end = if list == List::Array { b']' } else { b'}' };
        self.enter(depth)?;
        self.slots.note_list();
        let mut has_more = !self.take(end)?;
        while has_more {
            self.peek()?;
            let start = self.at;
            if list == List::ByName {
                let name = self.name()?;
                self.slots.drop_text(name);
            }
            match self.peek()? {
                // Null is not an element.
                b'n' => {
                    self.skip(depth + 1)?;
                    has_more = self.more(end)?;
                    continue;
                }
                b'{' | b'[' => self.find_end(depth + 1)?,
                _ => self.skip(depth + 1)?,
            }
            self.slots.push_element(start..self.at)?;
            has_more = self.more(end)?;
        }
        Ok(())
    }

    /// Reads a scalar of a list or map; absent for null.
    fn item(&mut self, scalar: &Scalar) -> Result<Slot, DecodeError> {
        let first = self.peek()?;
        self.scalar(scalar, first)
    }

    /// Reads a scalar as a slot; absent for null.
    #[inline]
    fn scalar(&mut self, scalar: &Scalar, first: u8) -> Result<Slot, DecodeError> {
        let start = self.at;
        match (scalar, first) {
            (Scalar::Float64, b'0'..=b'9' | b'-') => match self.float()? {
                Some(value) => Ok(Slot::bits(value.to_bits())),
                None => {
                    let number = String::from_utf8_lossy(&self.text[start..self.at]);
                    let number = crate::uplink::trouble::shown(number.as_bytes());
                    self.slots.trouble.say(format_args!("{number} is past the doubles"));
                    Err(DecodeError::new(Cause::PayloadMismatch, "past the doubles").at(start))
                }
            },
            (Scalar::Integer | Scalar::Unsigned, b'0'..=b'9' | b'-') => {
                let whole = self.whole()?;
                self.integer(scalar, whole, start..self.at)
            }
            (Scalar::Integer | Scalar::Unsigned, b'"') => self.quoted_integer(scalar),
            (Scalar::String, b'"') => self.string(),
            (Scalar::Boolean, b't') => {
                self.literal(b"true")?;
                Ok(Slot::bits(1))
            }
            (Scalar::Boolean, b'f') => {
                self.literal(b"false")?;
                Ok(Slot::bits(0))
            }
            (_, b'n') => {
                self.literal(b"null")?;
                Ok(Slot::ABSENT)
            }
            _ => Err(self.mismatch(expected(scalar))),
        }
    }

    /// Reads an integer, which must be whole and fit.
    #[inline]
    fn integer(
        &mut self,
        scalar: &Scalar,
        whole: Whole,
        text: Range<usize>,
    ) -> Result<Slot, DecodeError> {
        let bits = match (scalar, whole) {
            (Scalar::Unsigned, Whole::Fits(value)) => u64::try_from(value).ok(),
            (_, Whole::Fits(value)) => i64::try_from(value).ok().map(i64::cast_unsigned),
            (_, Whole::TooLarge | Whole::Fraction) => None,
        };
        match bits {
            Some(bits) => Ok(Slot::bits(bits)),
            None => Err(self.no_integer(scalar, whole, text)),
        }
    }

    /// The error of a number that is not an integer of its type.
    #[cold]
    fn no_integer(&mut self, scalar: &Scalar, whole: Whole, text: Range<usize>) -> DecodeError {
        let start = text.start;
        let number = crate::uplink::trouble::shown(&self.text[text]);
        if whole == Whole::Fraction {
            let words = format_args!("{number} is not whole and the schema has an integer");
            self.slots.trouble.say(words);
            return DecodeError::new(Cause::PayloadMismatch, "not whole").at(start);
        }
        let bounds = match scalar {
            Scalar::Unsigned => "from 0 to 18446744073709551615",
            _ => {
                "an integer has more than 64 bits with its sign; `minimum` 0 and `maximum` \
                 18446744073709551615 in the schema make it unsigned"
            }
        };
        self.slots.trouble.say(format_args!("{number} is out of range: {bounds}"));
        DecodeError::new(Cause::IntegerOutOfRange, "an integer is out of range").at(start)
    }

    /// Reads an integer in quotes, as protobuf's JSON mapping writes 64-bit integers.
    fn quoted_integer(&mut self, scalar: &Scalar) -> Result<Slot, DecodeError> {
        let start = self.at;
        let text = self.string()?;
        let range = start + 1..self.at.max(start + 2) - 1;
        let digits = self.slots.bytes_of(self.text, text);
        let unsigned = digits.strip_prefix(b"-").unwrap_or(digits);
        if unsigned.is_empty() || !unsigned.iter().all(u8::is_ascii_digit) {
            self.at = start;
            return Err(self.mismatch(expected(scalar)));
        }
        let whole = super::number::whole(digits);
        self.slots.drop_text(text);
        self.integer(scalar, whole, range)
    }

    /// Clears what an earlier property of the same name has stored.
    fn empty(&mut self, op: &Op) -> Result<(), DecodeError> {
        match op {
            Op::Skip => {}
            Op::Scalar(slot, _) | Op::List(slot, _) | Op::Map(slot, _) => {
                self.slots.set(*slot, Slot::ABSENT);
            }
            Op::Digits(slot) => {
                self.slots.set(*slot, Slot::ABSENT);
                self.slots.set(slot.next(), Slot::ABSENT);
            }
            Op::Object(nested) => self.empty_object(nested)?,
            Op::Union(union) => {
                self.slots.set(union.presence, Slot::ABSENT);
                self.slots.clear(union.slots.clone())?;
                if union.holds_points {
                    self.slots.clear_elements();
                }
            }
            Op::Points(_) => self.slots.clear_elements(),
        }
        Ok(())
    }

    /// The same for everything in an object.
    fn empty_object(&mut self, nested: &Nested) -> Result<(), DecodeError> {
        if self.slots.slot(nested.presence).is_absent() {
            return Ok(());
        }
        self.slots.set(nested.presence, Slot::ABSENT);
        self.slots.clear(nested.slots.clone()).map_err(|error| error.at(self.at))?;
        if nested.holds_points {
            self.slots.clear_elements();
        }
        Ok(())
    }

    /// The error of a value that is of another type than the schema's, or is not JSON.
    #[cold]
    fn mismatch(&mut self, expected: &str) -> DecodeError {
        let start = self.at;
        let found = match self.text.get(start) {
            Some(b'{') => "an object",
            Some(b'[') => "a list",
            Some(b'"') => "a string",
            Some(b'0'..=b'9' | b'-') => "a number",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => return self.malformed(),
        };
        // If it only begins like a value, the grammar error is returned.
        if let Err(error) = self.skip(1) {
            return error;
        }
        self.slots.trouble.say(format_args!("{found} where the schema has {expected}"));
        let value = self.text.get(start..self.at).unwrap_or_default();
        self.slots.trouble.show(value);
        DecodeError::new(Cause::PayloadMismatch, "a value of another type").at(start)
    }

    /// The error of a missing required property.
    #[cold]
    fn missing(&mut self, name: &str) -> DecodeError {
        self.slots.trouble.say(format_args!("is required and absent"));
        self.slots.trouble.within(name);
        DecodeError::new(Cause::PayloadMismatch, "a required property is absent")
            .at(self.at.saturating_sub(1))
    }

    /// Adds this property to the path of the error.
    #[cold]
    fn within(&mut self, name: &str, error: DecodeError) -> DecodeError {
        self.slots.trouble.within(name);
        error
    }

    /// Adds this item of a list to the path of the error.
    #[cold]
    fn within_item(&mut self, index: u32, error: DecodeError) -> DecodeError {
        self.within(itoa::Buffer::new().format(index), error)
    }

    /// Adds this entry of a map to the path of the error.
    #[cold]
    fn within_key(&mut self, key: Slot, error: DecodeError) -> DecodeError {
        let key = String::from_utf8_lossy(self.slots.bytes_of(self.text, key)).into_owned();
        self.within(&key, error)
    }
}

/// The name of a value that begins with this bracket.
const fn opened(bracket: u8) -> &'static str {
    if bracket == b'[' { "a list" } else { "an object" }
}

/// A scalar's type in the terms of JSON Schema.
fn expected(scalar: &Scalar) -> &'static str {
    match scalar {
        Scalar::Float64 => "a number",
        other => other.word(),
    }
}
