//! Stores each field of a message as the plan says.

use std::ops::Range;

use super::wire::{GROUP_END, GROUP_START, LENGTH, Span, VARINT, malformed, wire_word};
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
    let span = Span::new(payload, 0..payload.len());
    Walk::new(program, payload, slots, limits).fields(&program.message, span, None).map(drop)
}

/// Walks one element of a list of `points`.
pub(crate) fn element(
    program: &Program,
    payload: &[u8],
    level: usize,
    range: Range<usize>,
    slots: &mut Slots,
    limits: &Limits,
) -> Result<(), DecodeError> {
    let span = Span::new(payload, range);
    Walk::new(program, payload, slots, limits).fields(&program.levels[level], span, None).map(drop)
}

/// One walk over one payload.
pub(super) struct Walk<'a> {
    pub(super) payload: &'a [u8],
    pub(super) slots: &'a mut Slots,
    pub(super) depth_max: u32,
    /// Whether a field of another wire type than the schema's is skipped.
    is_lenient: bool,
}

impl<'a> Walk<'a> {
    fn new(program: &Program, payload: &'a [u8], slots: &'a mut Slots, limits: &Limits) -> Self {
        let (depth_max, is_lenient) = (limits.depth_max, program.is_lenient);
        Self { payload, slots, depth_max, is_lenient }
    }

    /// Applies a program to the fields of a span or, inside a group, up to the group's end. Returns
    /// where it stopped.
    fn fields(
        &mut self,
        program: &MessageProgram,
        mut span: Span<'a>,
        group: Option<u32>,
    ) -> Result<usize, DecodeError> {
        while !span.is_empty() {
            let start = span.at;
            let (number, wire_type) = self.tag(&mut span)?;
            if wire_type == GROUP_END {
                if group == Some(number) {
                    return Ok(span.at);
                }
                return Err(malformed("a group ends that was not begun", start));
            }
            span.at = match program.op(number) {
                Some(op) => match self.apply(op, number, wire_type, span) {
                    Ok(rest) => rest,
                    Err(error) if !self.is_lenient || is_bound(error.cause) => {
                        return Err(self.within(program, number, start, error));
                    }
                    Err(_) => self.skip(number, wire_type, span, 0)?,
                },
                None => self.skip(number, wire_type, span, 0)?,
            };
        }
        match group {
            Some(_) => Err(self.overrun(span.end())),
            None => Ok(span.at),
        }
    }

    /// Applies the plan to one field; returns where the field ends.
    #[inline(always)]
    fn apply(
        &mut self,
        op: &Op,
        number: u32,
        wire_type: u8,
        mut span: Span<'a>,
    ) -> Result<usize, DecodeError> {
        if !op.clears.is_empty() || op.clears_points {
            self.clear(op).map_err(|error| error.at(span.at))?;
        }
        let Action::Scalar(slot, wire) = op.action else {
            return self.compound(&op.action, number, wire_type, span);
        };
        self.expect_wire(wire.wire_type(), wire_type)?;
        let value = self.scalar(wire, &mut span).map_err(|error| error.in_slot(slot))?;
        self.slots.set(slot, value);
        Ok(span.at)
    }

    /// The same for a field that is not a single scalar.
    fn compound(
        &mut self,
        action: &Action,
        number: u32,
        wire_type: u8,
        mut span: Span<'a>,
    ) -> Result<usize, DecodeError> {
        match action {
            Action::Scalar(..) => unreachable!("it is one scalar"),
            Action::Skip => return self.skip(number, wire_type, span, 0),
            Action::SecondsNanos(slot) => {
                self.expect_wire(LENGTH, wire_type)?;
                let inner = self.length_delimited(&mut span)?;
                self.seconds_nanos(*slot, inner).map_err(|error| error.in_slot(*slot))?;
            }
            Action::Wrapper(slot, wire) => {
                self.expect_wire(LENGTH, wire_type)?;
                let inner = self.length_delimited(&mut span)?;
                self.wrapper(*slot, *wire, inner).map_err(|error| error.in_slot(*slot))?;
            }
            Action::Message(nested) => return self.nested(nested, number, wire_type, span),
            Action::List(slot, wire) => {
                let rest = self.list(*slot, *wire, wire_type, span);
                return rest.map_err(|error| error.in_slot(*slot));
            }
            Action::Map(map) => {
                self.expect_wire(LENGTH, wire_type)?;
                let inner = self.length_delimited(&mut span)?;
                self.map_entry(map, inner).map_err(|error| error.in_slot(map.slot))?;
            }
            Action::Points { is_group } => return self.point(*is_group, number, wire_type, span),
        }
        Ok(span.at)
    }

    /// Clears what the other members of a oneof have stored.
    #[cold]
    fn clear(&mut self, op: &Op) -> Result<(), DecodeError> {
        for range in &op.clears {
            self.slots.clear(range.clone())?;
        }
        if op.clears_points {
            self.slots.clear_elements();
        }
        Ok(())
    }

    /// A nested message: merged into what an earlier copy of it has stored.
    fn nested(
        &mut self,
        nested: &Nested,
        number: u32,
        wire_type: u8,
        mut span: Span<'a>,
    ) -> Result<usize, DecodeError> {
        if self.slots.slot(nested.presence).is_absent() {
            self.slots.set_bits(nested.presence, 1);
            self.slots.set_implicit(&nested.implicit);
        }
        if nested.is_group {
            self.expect_wire(GROUP_START, wire_type)?;
            return self.fields(&nested.program, span, Some(number));
        }
        self.expect_wire(LENGTH, wire_type)?;
        let inner = self.length_delimited(&mut span)?;
        self.fields(&nested.program, inner, None)?;
        Ok(span.at)
    }

    /// Notes the range of an element of `points`.
    fn point(
        &mut self,
        is_group: bool,
        number: u32,
        wire_type: u8,
        mut span: Span<'a>,
    ) -> Result<usize, DecodeError> {
        if is_group {
            self.expect_wire(GROUP_START, wire_type)?;
            let (range, rest) = self.group(number, span, 1)?;
            self.slots.push_element(range)?;
            return Ok(rest);
        }
        self.expect_wire(LENGTH, wire_type)?;
        let inner = self.length_delimited(&mut span)?;
        self.slots.push_element(inner.at..inner.end())?;
        Ok(span.at)
    }

    /// `google.protobuf.Timestamp` or `Duration`.
    fn seconds_nanos(&mut self, slot: SlotIdx, mut span: Span<'a>) -> Result<(), DecodeError> {
        if self.slots.slot(slot).is_absent() {
            self.slots.set_bits(slot, 0);
            self.slots.set_bits(slot.next(), 0);
        }
        while !span.is_empty() {
            match self.tag(&mut span)? {
                (1, wire_type) => {
                    self.expect_wire(VARINT, wire_type)?;
                    let seconds = self.scalar(Wire::Int64, &mut span)?;
                    self.slots.set(slot, seconds);
                }
                (2, wire_type) => {
                    self.expect_wire(VARINT, wire_type)?;
                    let nanos = self.scalar(Wire::Int32, &mut span)?;
                    self.slots.set(slot.next(), nanos);
                }
                (number, wire_type) => span.at = self.skip(number, wire_type, span, 0)?,
            }
        }
        Ok(())
    }

    /// Reads a wrapper message: it has its default value unless its field 1 is present.
    fn wrapper(
        &mut self,
        slot: SlotIdx,
        wire: Wire,
        mut span: Span<'a>,
    ) -> Result<(), DecodeError> {
        if self.slots.slot(slot).is_absent() {
            self.slots.set(slot, default_of(wire));
        }
        while !span.is_empty() {
            match self.tag(&mut span)? {
                (1, wire_type) => {
                    self.expect_wire(wire.wire_type(), wire_type)?;
                    let value = self.scalar(wire, &mut span)?;
                    self.slots.set(slot, value);
                }
                (number, wire_type) => span.at = self.skip(number, wire_type, span, 0)?,
            }
        }
        Ok(())
    }

    /// Reads one element of a repeated scalar, or a packed run of elements.
    fn list(
        &mut self,
        slot: SlotIdx,
        wire: Wire,
        wire_type: u8,
        mut span: Span<'a>,
    ) -> Result<usize, DecodeError> {
        if wire_type == wire.wire_type() {
            let value = self.scalar(wire, &mut span)?;
            self.slots.push(self.payload, slot, Slot::ABSENT, value)?;
            return Ok(span.at);
        }
        if wire_type != LENGTH {
            return Err(self.other_wire(wire.wire_type(), wire_type));
        }
        let mut packed = self.length_delimited(&mut span)?;
        while !packed.is_empty() {
            let value = self.scalar(wire, &mut packed)?;
            self.slots.push(self.payload, slot, Slot::ABSENT, value)?;
        }
        Ok(span.at)
    }

    /// Reads one entry of a map; an absent key or value is its default.
    fn map_entry(&mut self, map: &MapOp, mut span: Span<'a>) -> Result<(), DecodeError> {
        let mut key = default_of(map.key);
        let mut value = if map.value.is_range() {
            default_of(map.value)
        } else {
            Slot::bits(map.value_default)
        };
        while !span.is_empty() {
            match self.tag(&mut span)? {
                (1, wire_type) => {
                    self.expect_wire(map.key.wire_type(), wire_type)?;
                    key = self.scalar(map.key, &mut span)?;
                }
                (2, wire_type) => {
                    self.expect_wire(map.value.wire_type(), wire_type)?;
                    value = self.scalar(map.value, &mut span)?;
                }
                (number, wire_type) => span.at = self.skip(number, wire_type, span, 0)?,
            }
        }
        self.slots.push(self.payload, map.slot, key, value)
    }

    /// Checks that a field has the wire type of its schema.
    #[inline]
    fn expect_wire(&mut self, expected: u8, actual: u8) -> Result<(), DecodeError> {
        if expected == actual { Ok(()) } else { Err(self.other_wire(expected, actual)) }
    }

    /// The error of a field of another wire type; the caller adds where.
    #[cold]
    fn other_wire(&mut self, expected: u8, actual: u8) -> DecodeError {
        let [expected, actual] = [wire_word(expected), wire_word(actual)];
        self.slots.trouble.say(format_args!("{actual} where the schema has {expected}"));
        let what = "a field has another wire type than its schema says";
        DecodeError::new(Cause::PayloadMalformed, what)
    }

    /// Adds this field, whose tag is at `start`, to the path of the error.
    #[cold]
    fn within(
        &mut self,
        program: &MessageProgram,
        number: u32,
        start: usize,
        error: DecodeError,
    ) -> DecodeError {
        if let Some(name) = program.name(number) {
            self.slots.trouble.within_numbered(name, number);
        }
        if error.offset.is_some() { error } else { error.at(start) }
    }
}

/// The default of an absent key or value of an entry, and of an empty wrapper.
fn default_of(wire: Wire) -> Slot {
    if wire.is_range() { Slot::payload(0..0) } else { Slot::bits(0) }
}

/// Whether a bound was reached: the rest has not been read and may be of any kind.
fn is_bound(cause: Cause) -> bool {
    matches!(cause, Cause::TooManyPoints | Cause::TooManyElements | Cause::TooManySteps)
}
