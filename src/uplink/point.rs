//! One point: filled slots → one line, in the plan's order.

use crate::{
    mapping::{Field, FieldForm, Plan, SlotIdx, Source, TopicMatch, names},
    model::{Cause, LineDialect, UnixNanos},
    schema::{Scalar, Unit},
    uplink::{DecodeError, Limits, Slot, Slots, filter, line, value},
};

/// What a point needs beside its plan and its slots.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) dialect: LineDialect,
    pub(crate) topic: &'a str,
    pub(crate) matched: &'a TopicMatch,
    pub(crate) received_at: UnixNanos,
    /// What follows the framing.
    pub(crate) payload: &'a [u8],
}

/// What became of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A line was appended.
    Written,
    /// The filter said no.
    Filtered,
    /// It had no field.
    Empty,
}

/// Writes the point that the slots hold. `dropped` counts values that line protocol cannot say.
///
/// # Errors
/// Why the message becomes a dead letter; what was appended is the caller's to cut back.
pub(crate) fn write(
    plan: &Plan,
    slots: &Slots,
    context: &Context<'_>,
    into: &mut Vec<u8>,
    dropped: &mut u32,
) -> Result<Outcome, DecodeError> {
    if plan.filter.as_ref().is_some_and(|filter| !filter::passes(filter, slots, context.payload)) {
        return Ok(Outcome::Filtered);
    }
    let start = into.len();
    into.extend_from_slice(&plan.measurement);
    for tag in &plan.tags {
        push_tag(&tag.key, &tag.source, slots, context, into)?;
    }
    let series_end = into.len();
    let mut writer = FieldWriter { slots, context, into, dropped };
    for field in &plan.fields {
        writer.field(field)?;
    }
    if into.len() == series_end {
        into.truncate(start);
        return Ok(Outcome::Empty);
    }
    // Each field begins with a comma; the first one's is the space after the series.
    into[series_end] = b' ';
    into.push(b' ');
    line::push_digits(into, time_of(plan, slots, context)?);
    into.push(b'\n');
    Ok(Outcome::Written)
}

/// The point's time in nanoseconds.
///
/// # Errors
/// It is absent, out of range or out of bounds.
pub(crate) fn time_of(
    plan: &Plan,
    slots: &Slots,
    context: &Context<'_>,
) -> Result<i64, DecodeError> {
    let Some(time) = &plan.time else { return Ok(context.received_at.0) };
    let slot = slots.slot(time.slot);
    if slot.is_absent() {
        return Err(DecodeError::new(Cause::TimeInvalid, "it is absent").in_slot(time.slot));
    }
    let nanos = value::nanos_of(slots, time.slot, slot, &time.scalar, time.unit)?;
    if is_out_of_bounds(nanos, context) {
        return Err(
            DecodeError::new(Cause::TimeOutOfBounds, "it is out of bounds").in_slot(time.slot)
        );
    }
    Ok(nanos)
}

/// Whether a time lies too far from the time of receipt.
pub(crate) fn is_out_of_bounds(nanos: i64, context: &Context<'_>) -> bool {
    let distance = i128::from(nanos) - i128::from(context.received_at.0);
    let as_nanos =
        |duration: std::time::Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
    distance > as_nanos(context.limits.time_ahead) || -distance > as_nanos(context.limits.time_past)
}

/// Appends `,key=value`, or nothing if the value is absent or empty.
#[inline]
pub(crate) fn push_tag(
    key: &[u8],
    source: &Source,
    slots: &Slots,
    context: &Context<'_>,
    into: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let text = match source {
        Source::Capture(level) => context.matched.level(context.topic, *level).as_bytes(),
        Source::Slot(slot, Scalar::String) => slots.bytes_of(context.payload, slots.slot(*slot)),
        Source::Slot(slot, scalar) => {
            let slot = slots.slot(*slot);
            if !slot.is_absent() {
                into.extend_from_slice(key);
                push_plain(into, scalar, slot);
            }
            return Ok(());
        }
    };
    if text.is_empty() {
        return Ok(());
    }
    check_tag(text, source, context.limits)?;
    into.extend_from_slice(key);
    line::push_tag(into, text);
    Ok(())
}

/// Appends a value that is no text, as it stands in a tag or in a key.
fn push_plain(into: &mut Vec<u8>, scalar: &Scalar, slot: Slot) {
    match scalar {
        Scalar::Boolean => {
            into.extend_from_slice(if slot.to_bits() == 0 { b"false" } else { b"true" });
        }
        Scalar::Unsigned => line::push_digits(into, slot.to_bits()),
        Scalar::Enum(symbols) => match symbols.name(value::i64_of(slot)) {
            Some(name) => line::push_tag(into, name.as_bytes()),
            None => line::push_digits(into, value::i64_of(slot)),
        },
        _ => line::push_digits(into, value::i64_of(slot)),
    }
}

/// Whether a text can be a tag's value.
///
/// # Errors
/// [`Cause::TagInvalid`].
fn check_tag(text: &[u8], source: &Source, limits: &Limits) -> Result<(), DecodeError> {
    let what = if text.len() > limits.tag_bytes_max {
        "a tag is over its bound"
    } else if !names::is_plain(text) {
        "a tag holds CR, LF, TAB or NUL, or a backslash before a separator or at its end"
    } else {
        return Ok(());
    };
    let error = DecodeError::new(Cause::TagInvalid, what);
    Err(match source {
        Source::Slot(slot, _) => error.in_slot(*slot),
        Source::Capture(_) => error,
    })
}

/// Appends fields.
struct FieldWriter<'a, 'b> {
    slots: &'a Slots,
    context: &'a Context<'a>,
    into: &'b mut Vec<u8>,
    dropped: &'b mut u32,
}

impl FieldWriter<'_, '_> {
    /// Appends `,key=value` as often as the field has values.
    #[inline]
    fn field(&mut self, field: &Field) -> Result<(), DecodeError> {
        let slot = self.slots.slot(field.slot);
        if slot.is_absent() {
            return Ok(());
        }
        let mark = self.into.len();
        self.into.push(b',');
        self.into.extend_from_slice(&field.key);
        let written = match &field.form {
            FieldForm::Scalar(scalar) => self.value(scalar, slot, field.slot),
            FieldForm::SpreadList(scalar) => {
                self.into.truncate(mark);
                return self.spread_list(field, scalar);
            }
            FieldForm::SpreadMap(key, scalar) => {
                self.into.truncate(mark);
                return self.spread_map(field, key, scalar);
            }
            FieldForm::JsonList(scalar) => self.json(None, scalar, field.slot),
            FieldForm::JsonMap(key, scalar) => self.json(Some(key), scalar, field.slot),
        };
        self.keep(written, mark)
    }

    /// Cuts a value that cannot be said, with its key, and counts it.
    #[inline]
    fn keep(&mut self, written: Result<bool, DecodeError>, mark: usize) -> Result<(), DecodeError> {
        if !written? {
            self.into.truncate(mark);
            *self.dropped = self.dropped.saturating_add(1);
        }
        Ok(())
    }

    /// Appends one value; false if line protocol cannot say it.
    #[inline]
    fn value(&mut self, scalar: &Scalar, slot: Slot, at: SlotIdx) -> Result<bool, DecodeError> {
        let into = &mut *self.into;
        match scalar {
            Scalar::Float64 => return Ok(line::push_f64(into, value::f64_of(slot))),
            Scalar::Float32 => return Ok(line::push_f32(into, value::f32_of(slot))),
            Scalar::Integer => line::push_integer(into, value::i64_of(slot)),
            Scalar::Unsigned => {
                let dialect = self.context.dialect;
                line::push_unsigned(into, slot.to_bits(), dialect).map_err(|cause| {
                    DecodeError::new(cause, "it is past the store's integers").in_slot(at)
                })?;
            }
            Scalar::Boolean => line::push_boolean(into, slot.to_bits() != 0),
            Scalar::String => {
                line::push_string(into, self.slots.bytes_of(self.context.payload, slot));
            }
            Scalar::Bytes => {
                into.push(b'"');
                line::push_base64(into, self.slots.bytes_of(self.context.payload, slot));
                into.push(b'"');
            }
            Scalar::Enum(symbols) => {
                let number = value::i64_of(slot);
                match symbols.name(number) {
                    Some(name) => line::push_string(into, name.as_bytes()),
                    None => {
                        into.push(b'"');
                        line::push_digits(into, number);
                        into.push(b'"');
                    }
                }
            }
            Scalar::Ticks(_) | Scalar::Timestamp | Scalar::Duration => {
                let nanos = value::nanos_of(self.slots, at, slot, scalar, Unit::Nanos)?;
                line::push_integer(into, nanos);
            }
        }
        Ok(true)
    }

    /// `key_0`, `key_1`…
    fn spread_list(&mut self, field: &Field, scalar: &Scalar) -> Result<(), DecodeError> {
        for (index, item) in self.slots.items(field.slot).enumerate() {
            // Null in a JSON list: it keeps its place and writes nothing.
            if item.value.is_absent() {
                continue;
            }
            let mark = self.into.len();
            self.into.push(b',');
            self.into.extend_from_slice(&field.key);
            line::push_digits(self.into, index);
            self.into.push(b'=');
            let written = self.value(scalar, item.value, field.slot);
            self.keep(written, mark)?;
        }
        Ok(())
    }

    /// One field an entry.
    fn spread_map(
        &mut self,
        field: &Field,
        key: &Scalar,
        scalar: &Scalar,
    ) -> Result<(), DecodeError> {
        for item in self.slots.items(field.slot) {
            let mark = self.into.len();
            self.into.push(b',');
            self.into.extend_from_slice(&field.key);
            match key {
                Scalar::String => {
                    let text = self.slots.bytes_of(self.context.payload, item.key);
                    if !names::is_plain(text) || text.len() > self.context.limits.tag_bytes_max {
                        let what = "a key of the map cannot be a field's key: it holds CR, LF, TAB, \
                                    NUL or a backslash before a separator or at its end, or is \
                                    over the bound of tags";
                        let error = DecodeError::new(Cause::PayloadMismatch, what);
                        return Err(error.in_slot(field.slot));
                    }
                    line::push_tag(self.into, text);
                }
                _ => push_plain(self.into, key, item.key),
            }
            self.into.push(b'=');
            let written = self.value(scalar, item.value, field.slot);
            self.keep(written, mark)?;
        }
        Ok(())
    }

    /// One JSON array or object, as a string field's value. What stands between its quotes is
    /// written plain and escaped in place, so that no second buffer is needed.
    fn json(
        &mut self,
        key: Option<&Scalar>,
        scalar: &Scalar,
        at: SlotIdx,
    ) -> Result<bool, DecodeError> {
        let start = self.into.len();
        self.into.push(if key.is_some() { b'{' } else { b'[' });
        for (index, item) in self.slots.items(at).enumerate() {
            if index > 0 {
                self.into.push(b',');
            }
            match key {
                Some(Scalar::String) => {
                    let text = self.slots.bytes_of(self.context.payload, item.key);
                    line::push_json_string(self.into, text);
                    self.into.push(b':');
                }
                Some(key) => {
                    self.into.push(b'"');
                    push_plain(self.into, key, item.key);
                    self.into.extend_from_slice(b"\":");
                }
                None => {}
            }
            self.json_value(scalar, item.value, at)?;
        }
        self.into.push(if key.is_some() { b'}' } else { b']' });
        quote_in_place(self.into, start);
        Ok(true)
    }

    /// Appends one value as JSON; what JSON cannot say is null, and counted.
    fn json_value(&mut self, scalar: &Scalar, slot: Slot, at: SlotIdx) -> Result<(), DecodeError> {
        if slot.is_absent() {
            self.into.extend_from_slice(b"null");
            return Ok(());
        }
        let into = &mut *self.into;
        let bytes = self.slots.bytes_of(self.context.payload, slot);
        let is_said = match scalar {
            Scalar::Float64 => line::push_f64(into, value::f64_of(slot)),
            Scalar::Float32 => line::push_f32(into, value::f32_of(slot)),
            Scalar::String => {
                line::push_json_string(into, bytes);
                true
            }
            Scalar::Bytes => {
                into.push(b'"');
                line::push_base64(into, bytes);
                into.push(b'"');
                true
            }
            Scalar::Enum(_) => {
                into.push(b'"');
                push_plain(into, scalar, slot);
                into.push(b'"');
                true
            }
            Scalar::Ticks(_) | Scalar::Timestamp | Scalar::Duration => {
                let nanos = value::nanos_of(self.slots, at, slot, scalar, Unit::Nanos)?;
                line::push_digits(into, nanos);
                true
            }
            Scalar::Integer | Scalar::Unsigned | Scalar::Boolean => {
                push_plain(into, scalar, slot);
                true
            }
        };
        if !is_said {
            into.extend_from_slice(b"null");
            *self.dropped = self.dropped.saturating_add(1);
        }
        Ok(())
    }
}

/// Turns everything from `start` on into a quoted string: from the end backward, so that each byte
/// is moved once.
fn quote_in_place(into: &mut Vec<u8>, start: usize) {
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\');
    let escapes = into[start..].iter().filter(|byte| is_special(byte)).count();
    let mut read = into.len();
    into.resize(read + escapes + 2, b'"');
    let mut write = into.len() - 1;
    while read > start {
        read -= 1;
        write -= 1;
        let byte = into[read];
        into[write] = byte;
        if is_special(&byte) {
            write -= 1;
            into[write] = b'\\';
        }
    }
    into[start] = b'"';
}
