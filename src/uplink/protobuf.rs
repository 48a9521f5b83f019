//! Protobuf wire bytes → slots: one walk, no tree.
//!
//! What the wire may do and still be well formed: fields in any order, a field twice (of a scalar
//! the last counts, messages merge), repeated scalars packed, unpacked or both, members of a oneof
//! after each other (the last wins), unknown fields and groups. All of it ends in the slots as a
//! full decoder would have it; the tests compare the two value for value.
//!
//! Lengths are compared with what is there before they are believed, nothing is allocated by a
//! length of the wire, and skipping a nested group is bounded in depth.

use std::ops::Range;

use crate::{
    mapping::{
        SlotIdx,
        protobuf::{Action, MapOp, MessageProgram, Nested, Op, Program, Wire},
    },
    model::Cause,
    uplink::{DecodeError, Limits, Slot, Slots},
};

/// Walks a message.
pub(crate) fn message(
    program: &Program,
    payload: &[u8],
    slots: &mut Slots,
    limits: &Limits,
) -> Result<(), DecodeError> {
    let mut walk = Walk { payload, slots, depth_max: limits.depth_max };
    walk.fields(&program.message, Span { at: 0, end: payload.len() }, None)?;
    Ok(())
}

/// Walks one element of `points`.
pub(crate) fn element(
    program: &Program,
    payload: &[u8],
    range: Range<usize>,
    slots: &mut Slots,
    limits: &Limits,
) -> Result<(), DecodeError> {
    let mut walk = Walk { payload, slots, depth_max: limits.depth_max };
    if let Some(element) = &program.element {
        walk.fields(element, Span { at: range.start, end: range.end }, None)?;
    }
    Ok(())
}

/// What is left of a message: `at <= end <= payload.len()`.
#[derive(Clone, Copy)]
struct Span {
    at: usize,
    end: usize,
}

/// One walk over one payload.
struct Walk<'a> {
    payload: &'a [u8],
    slots: &'a mut Slots,
    depth_max: u32,
}

/// Wire types.
const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH: u8 = 2;
const GROUP_START: u8 = 3;
const GROUP_END: u8 = 4;
const FIXED32: u8 = 5;

/// The largest field number that protobuf has.
const NUMBER_MAX: u64 = (1 << 29) - 1;

impl Walk<'_> {
    /// Applies a program to the fields of a span; inside a group, up to its end. Answers where it
    /// stopped.
    fn fields(
        &mut self,
        program: &MessageProgram,
        mut span: Span,
        group: Option<u32>,
    ) -> Result<usize, DecodeError> {
        while span.at < span.end {
            let start = span.at;
            let (number, wire_type) = self.tag(&mut span)?;
            if wire_type == GROUP_END {
                if group == Some(number) {
                    return Ok(span.at);
                }
                return Err(malformed("a group ends that was not begun", start));
            }
            match program.op(number) {
                Some(op) => self.apply(op, number, wire_type, &mut span)?,
                None => self.skip(number, wire_type, &mut span, 0)?,
            }
        }
        match group {
            Some(_) => Err(self.overrun(span.end)),
            None => Ok(span.at),
        }
    }

    /// Does what the plan says with one field.
    #[inline]
    fn apply(
        &mut self,
        op: &Op,
        number: u32,
        wire_type: u8,
        span: &mut Span,
    ) -> Result<(), DecodeError> {
        if !op.clears.is_empty() || op.clears_points {
            self.clear(op);
        }
        match &op.action {
            Action::Scalar(slot, wire) => {
                expect_wire(wire.wire_type(), wire_type, span.at)?;
                let value = self.scalar(*wire, span).map_err(|error| error.in_slot(*slot))?;
                self.slots.set(*slot, value);
                Ok(())
            }
            Action::Skip => self.skip(number, wire_type, span, 0),
            Action::SecondsNanos(slot) => {
                expect_wire(LENGTH, wire_type, span.at)?;
                let inner = self.length_delimited(span)?;
                self.seconds_nanos(*slot, inner).map_err(|error| error.in_slot(*slot))
            }
            Action::Wrapper(slot, wire) => {
                expect_wire(LENGTH, wire_type, span.at)?;
                let inner = self.length_delimited(span)?;
                self.wrapper(*slot, *wire, inner).map_err(|error| error.in_slot(*slot))
            }
            Action::Message(nested) => self.nested(nested, number, wire_type, span),
            Action::List(slot, wire) => {
                self.list(*slot, *wire, wire_type, span).map_err(|error| error.in_slot(*slot))
            }
            Action::Map(map) => {
                expect_wire(LENGTH, wire_type, span.at)?;
                let inner = self.length_delimited(span)?;
                self.map_entry(map, inner).map_err(|error| error.in_slot(map.slot))
            }
            Action::Points { is_group } => self.point(*is_group, number, wire_type, span),
        }
    }

    /// Empties what the other members of a oneof had stored.
    #[cold]
    fn clear(&mut self, op: &Op) {
        for range in &op.clears {
            self.slots.clear(range.clone());
        }
        if op.clears_points {
            self.slots.clear_elements();
        }
    }

    /// A nested message: merged into what an earlier copy of it has stored.
    fn nested(
        &mut self,
        nested: &Nested,
        number: u32,
        wire_type: u8,
        span: &mut Span,
    ) -> Result<(), DecodeError> {
        if self.slots.slot(nested.presence).is_absent() {
            self.slots.set_bits(nested.presence, 1);
            self.slots.set_implicit(&nested.implicit);
        }
        if nested.is_group {
            expect_wire(GROUP_START, wire_type, span.at)?;
            span.at = self.fields(&nested.program, *span, Some(number))?;
            return Ok(());
        }
        expect_wire(LENGTH, wire_type, span.at)?;
        let inner = self.length_delimited(span)?;
        self.fields(&nested.program, inner, None)?;
        Ok(())
    }

    /// Notes where an element of `points` lies.
    fn point(
        &mut self,
        is_group: bool,
        number: u32,
        wire_type: u8,
        span: &mut Span,
    ) -> Result<(), DecodeError> {
        if is_group {
            expect_wire(GROUP_START, wire_type, span.at)?;
            let start = span.at;
            let end = self.skip_group(number, span, 1)?;
            return self.slots.push_element(start..end);
        }
        expect_wire(LENGTH, wire_type, span.at)?;
        let inner = self.length_delimited(span)?;
        self.slots.push_element(inner.at..inner.end)
    }

    /// `google.protobuf.Timestamp` or `Duration`.
    fn seconds_nanos(&mut self, slot: SlotIdx, mut span: Span) -> Result<(), DecodeError> {
        if self.slots.slot(slot).is_absent() {
            self.slots.set_bits(slot, 0);
            self.slots.set_bits(slot.next(), 0);
        }
        while span.at < span.end {
            let start = span.at;
            match self.tag(&mut span)? {
                (1, wire_type) => {
                    expect_wire(VARINT, wire_type, start)?;
                    let seconds = self.scalar(Wire::Int64, &mut span)?;
                    self.slots.set(slot, seconds);
                }
                (2, wire_type) => {
                    expect_wire(VARINT, wire_type, start)?;
                    let nanos = self.scalar(Wire::Int32, &mut span)?;
                    self.slots.set(slot.next(), nanos);
                }
                (number, wire_type) => self.skip(number, wire_type, &mut span, 0)?,
            }
        }
        Ok(())
    }

    /// A wrapper: present with its default until its field 1 says otherwise.
    fn wrapper(&mut self, slot: SlotIdx, wire: Wire, mut span: Span) -> Result<(), DecodeError> {
        if self.slots.slot(slot).is_absent() {
            self.slots.set(slot, default_of(wire));
        }
        while span.at < span.end {
            let start = span.at;
            match self.tag(&mut span)? {
                (1, wire_type) => {
                    expect_wire(wire.wire_type(), wire_type, start)?;
                    let value = self.scalar(wire, &mut span)?;
                    self.slots.set(slot, value);
                }
                (number, wire_type) => self.skip(number, wire_type, &mut span, 0)?,
            }
        }
        Ok(())
    }

    /// One element of a repeated scalar, or a packed run of them.
    fn list(
        &mut self,
        slot: SlotIdx,
        wire: Wire,
        wire_type: u8,
        span: &mut Span,
    ) -> Result<(), DecodeError> {
        if wire_type == wire.wire_type() {
            let value = self.scalar(wire, span)?;
            return self.slots.push(self.payload, slot, Slot::ABSENT, value);
        }
        expect_wire(LENGTH, wire_type, span.at)?;
        let mut packed = self.length_delimited(span)?;
        while packed.at < packed.end {
            let value = self.scalar(wire, &mut packed)?;
            self.slots.push(self.payload, slot, Slot::ABSENT, value)?;
        }
        Ok(())
    }

    /// One entry of a map: absent key and value are the defaults.
    fn map_entry(&mut self, map: &MapOp, mut span: Span) -> Result<(), DecodeError> {
        let mut key = default_of(map.key);
        let mut value = if map.value.is_range() {
            default_of(map.value)
        } else {
            Slot::bits(map.value_default)
        };
        while span.at < span.end {
            let start = span.at;
            match self.tag(&mut span)? {
                (1, wire_type) => {
                    expect_wire(map.key.wire_type(), wire_type, start)?;
                    key = self.scalar(map.key, &mut span)?;
                }
                (2, wire_type) => {
                    expect_wire(map.value.wire_type(), wire_type, start)?;
                    value = self.scalar(map.value, &mut span)?;
                }
                (number, wire_type) => self.skip(number, wire_type, &mut span, 0)?,
            }
        }
        self.slots.push(self.payload, map.slot, key, value)
    }

    /// One value of a known wire type.
    #[inline]
    fn scalar(&self, wire: Wire, span: &mut Span) -> Result<Slot, DecodeError> {
        Ok(match wire {
            Wire::Double | Wire::Fixed64 | Wire::Sfixed64 => Slot::bits(self.fixed64(span)?),
            Wire::Float | Wire::Fixed32 => Slot::bits(u64::from(self.fixed32(span)?)),
            Wire::Sfixed32 => Slot::bits(sign_extended(self.fixed32(span)?)),
            Wire::Int32 => Slot::bits(sign_extended(low_half(self.varint(span)?))),
            Wire::Int64 | Wire::Uint64 => Slot::bits(self.varint(span)?),
            Wire::Uint32 => Slot::bits(u64::from(low_half(self.varint(span)?))),
            Wire::Sint32 => {
                let zigzag = low_half(self.varint(span)?);
                Slot::bits(sign_extended((zigzag >> 1) ^ (zigzag & 1).wrapping_neg()))
            }
            Wire::Sint64 => {
                let zigzag = self.varint(span)?;
                Slot::bits((zigzag >> 1) ^ (zigzag & 1).wrapping_neg())
            }
            Wire::Bool => Slot::bits(u64::from(self.varint(span)? != 0)),
            Wire::String => {
                let text = self.length_delimited(span)?;
                if std::str::from_utf8(&self.payload[text.at..text.end]).is_err() {
                    return Err(
                        DecodeError::new(Cause::PayloadNotUtf8, "text is not UTF-8").at(text.at)
                    );
                }
                Slot::payload(text.at..text.end)
            }
            Wire::Bytes => {
                let bytes = self.length_delimited(span)?;
                Slot::payload(bytes.at..bytes.end)
            }
        })
    }

    /// A field's number and wire type.
    #[inline]
    fn tag(&self, span: &mut Span) -> Result<(u32, u8), DecodeError> {
        let start = span.at;
        let key = self.varint(span)?;
        let number = key >> 3;
        if number == 0 || number > NUMBER_MAX {
            return Err(malformed("a field number is out of range", start));
        }
        Ok((low_half(number), low_half(key).to_le_bytes()[0] & 7))
    }

    /// A varint.
    #[inline]
    fn varint(&self, span: &mut Span) -> Result<u64, DecodeError> {
        if span.at < span.end {
            let byte = self.payload[span.at];
            if byte < 0x80 {
                span.at += 1;
                return Ok(u64::from(byte));
            }
        }
        self.long_varint(span)
    }

    /// A varint of more than one byte.
    fn long_varint(&self, span: &mut Span) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        let bytes = &self.payload[span.at..span.end];
        for (index, byte) in bytes.iter().take(10).enumerate() {
            if index == 9 && *byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                span.at += index + 1;
                return Ok(value);
            }
        }
        if bytes.len() < 10 {
            return Err(self.overrun(span.end));
        }
        Err(malformed("a varint does not fit 64 bits", span.at))
    }

    /// Four bytes, little endian.
    #[inline]
    fn fixed32(&self, span: &mut Span) -> Result<u32, DecodeError> {
        let bytes = self.payload[span.at..span.end].first_chunk();
        let bytes = bytes.ok_or_else(|| self.overrun(span.end))?;
        span.at += 4;
        Ok(u32::from_le_bytes(*bytes))
    }

    /// Eight bytes, little endian.
    #[inline]
    fn fixed64(&self, span: &mut Span) -> Result<u64, DecodeError> {
        let bytes = self.payload[span.at..span.end].first_chunk();
        let bytes = bytes.ok_or_else(|| self.overrun(span.end))?;
        span.at += 8;
        Ok(u64::from_le_bytes(*bytes))
    }

    /// A length and as many bytes.
    #[inline]
    fn length_delimited(&self, span: &mut Span) -> Result<Span, DecodeError> {
        let length = self.varint(span)?;
        let room = span.end - span.at;
        match usize::try_from(length) {
            Ok(length) if length <= room => {
                let inner = Span { at: span.at, end: span.at + length };
                span.at = inner.end;
                Ok(inner)
            }
            _ => Err(self.overrun(span.end)),
        }
    }

    /// Passes a field that nobody wants. `depth` is how many groups are open.
    fn skip(
        &self,
        number: u32,
        wire_type: u8,
        span: &mut Span,
        depth: u32,
    ) -> Result<(), DecodeError> {
        match wire_type {
            VARINT => self.varint(span).map(drop),
            FIXED64 => self.fixed64(span).map(drop),
            FIXED32 => self.fixed32(span).map(drop),
            LENGTH => self.length_delimited(span).map(drop),
            GROUP_START => self.skip_group(number, span, depth + 1).map(drop),
            _ => Err(malformed("there is no such wire type", span.at)),
        }
    }

    /// Passes a group whose start has been read; answers where its content ends.
    fn skip_group(&self, number: u32, span: &mut Span, depth: u32) -> Result<usize, DecodeError> {
        if depth > self.depth_max {
            return Err(DecodeError::new(Cause::PayloadTooDeep, "groups nest too deep").at(span.at));
        }
        while span.at < span.end {
            let start = span.at;
            match self.tag(span)? {
                (ended, GROUP_END) if ended == number => return Ok(start),
                (_, GROUP_END) => return Err(malformed("a group ends that was not begun", start)),
                (inner, wire_type) => self.skip(inner, wire_type, span, depth)?,
            }
        }
        Err(self.overrun(span.end))
    }

    /// Something goes on past `end`: past the payload it was cut, past an inner message it lies.
    #[cold]
    fn overrun(&self, end: usize) -> DecodeError {
        if end == self.payload.len() {
            DecodeError::new(Cause::PayloadTruncated, "the payload ends inside a value").at(end)
        } else {
            malformed("a value goes on past the end of its message", end)
        }
    }
}

/// The value of an absent key or value of an entry, and of an empty wrapper.
fn default_of(wire: Wire) -> Slot {
    if wire.is_range() { Slot::payload(0..0) } else { Slot::bits(0) }
}

/// The payload breaks the rules.
#[cold]
fn malformed(what: &'static str, at: usize) -> DecodeError {
    DecodeError::new(Cause::PayloadMalformed, what).at(at)
}

/// A field must have the wire type that its schema says.
#[inline]
fn expect_wire(expected: u8, actual: u8, at: usize) -> Result<(), DecodeError> {
    if expected == actual {
        return Ok(());
    }
    Err(malformed("a field has another wire type than its schema says", at))
}

/// The low 32 bits, as protobuf truncates a long varint of a 32-bit field.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "truncation is the rule here")]
const fn low_half(value: u64) -> u32 {
    value as u32
}

/// A 32-bit signed value as 64 bits.
#[inline]
const fn sign_extended(value: u32) -> u64 {
    value.cast_signed() as i64 as u64
}
