//! One point: filled slots → one line, in the plan's order.

use std::ops::Range;

use crate::{
    mapping::{Field, FieldForm, Plan, SlotIdx, Source, TopicMatch},
    model::{
        Cause, LineDialect, UnixNanos,
        line::{Label, is_plain, push_key, push_string, quote_in_place},
    },
    schema::{Scalar, Unit},
    uplink::{DecodeError, Limits, Slot, Slots, filter, float, line, time, value},
};

/// What a point needs in addition to its plan and its slots.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) dialect: LineDialect,
    pub(crate) topic: &'a str,
    pub(crate) matched: &'a TopicMatch,
    pub(crate) received_at: UnixNanos,
    /// The time for a point without a time of its own: a time of receipt that no other point has.
    pub(crate) stamp: UnixNanos,
    /// The payload after its framing.
    pub(crate) payload: &'a [u8],
}

/// A line that was appended, as offsets in its buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) start: usize,
    /// End of measurement and tags.
    pub(crate) series_end: usize,
    pub(crate) time_start: usize,
    /// After the line's newline.
    pub(crate) end: usize,
    pub(crate) time: i64,
    /// Whether the time is the context's stamp; the next point needs another one.
    pub(crate) is_stamped: bool,
}

impl Line {
    /// Measurement and tags.
    pub(crate) const fn series(&self) -> Range<usize> {
        self.start..self.series_end
    }
}

/// The result of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A line was appended.
    Written(Line),
    /// The filter excluded it.
    Filtered,
    /// It had no field.
    Empty,
}

/// Counts of values that were left out of a message's points, and of ambiguous times that were not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// NaN and infinities, which line protocol cannot express.
    pub(crate) not_finite: u32,
    /// Values of time fields (not the point's own time) that do not fit 64-bit nanoseconds.
    pub(crate) times: u32,
    /// Not left out: points' own times in an hour that occurs twice in their time zone.
    pub(crate) repeated_times: u32,
}

/// Writes the point that the slots hold. `left_out` counts values that could not be written.
///
/// # Errors
/// Why the message becomes a dead letter. The caller must truncate what was appended.
pub(crate) fn write(
    plan: &Plan,
    slots: &Slots,
    context: &Context<'_>,
    into: &mut Vec<u8>,
    left_out: &mut LeftOut,
) -> Result<Outcome, DecodeError> {
    if plan.filter.as_ref().is_some_and(|filter| !filter::passes(filter, slots, context.payload)) {
        return Ok(Outcome::Filtered);
    }
    let start = into.len();
    plan.measurement.push_to(into);
    for tag in &plan.tags {
        push_tag(&tag.key, &tag.source, slots, context, into)?;
    }
    let series_end = into.len();
    let mut writer = FieldWriter { slots, context, into, left_out, written: 0 };
    for field in &plan.fields {
        writer.field(field)?;
    }
    if writer.written > context.limits.fields_max {
        return Err(DecodeError::new(
            Cause::TooManyFields,
            "a point has more fields than the bound",
        ));
    }
    if into.len() == series_end {
        into.truncate(start);
        return Ok(Outcome::Empty);
    }
    plan.constant_fields.push_to(into);
    // Each field begins with a comma; that of the first one is replaced by the space after the
    // series.
    into[series_end] = b' ';
    into.push(b' ');
    let moment = time::of_point(plan, slots, context)?;
    left_out.repeated_times += u32::from(moment.is_repeated);
    let time_start = into.len();
    line::push_digits(into, moment.nanos);
    into.push(b'\n');
    Ok(Outcome::Written(Line {
        start,
        series_end,
        time_start,
        end: into.len(),
        time: moment.nanos,
        is_stamped: moment.is_stamped,
    }))
}

/// Appends `,key=value`, or nothing if the value is absent or empty.
#[inline]
pub(crate) fn push_tag(
    key: &Label,
    source: &Source,
    slots: &Slots,
    context: &Context<'_>,
    into: &mut Vec<u8>,
) -> Result<(), DecodeError> {
    let text = match source {
        Source::Constant(text) => text.as_bytes(),
        Source::Capture(level) => context.matched.level(context.topic, *level).as_bytes(),
        Source::Slot(slot, Scalar::String) => slots.bytes_of(context.payload, *slots.slot(*slot)),
        Source::Slot(slot, scalar) => {
            let slot = *slots.slot(*slot);
            if !slot.is_absent() {
                key.push_to(into);
                push_plain(into, scalar, slot);
            }
            return Ok(());
        }
    };
    if text.is_empty() {
        return Ok(());
    }
    check_tag(text, source, context.limits)?;
    key.push_to(into);
    push_key(into, text);
    Ok(())
}

/// Appends a value that is not text, in the form for a tag or a key.
pub(super) fn push_plain(into: &mut Vec<u8>, scalar: &Scalar, slot: Slot) {
    match scalar {
        Scalar::Boolean => {
            into.extend_from_slice(if slot.to_bits() == 0 { b"false" } else { b"true" });
        }
        Scalar::Unsigned => line::push_digits(into, slot.to_bits()),
        Scalar::Enum(symbols) => match symbols.name(value::i64_of(slot)) {
            Some(name) => push_key(into, name.as_bytes()),
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
    } else if !is_plain(text) {
        "a tag holds CR, LF, TAB or NUL, or a backslash before a separator or at its end"
    } else {
        return Ok(());
    };
    let error = DecodeError::new(Cause::TagInvalid, what);
    Err(match source {
        Source::Slot(slot, _) => error.in_slot(*slot),
        Source::Capture(_) | Source::Constant(_) => error,
    })
}

/// Appends fields.
pub(super) struct FieldWriter<'a, 'b> {
    pub(super) slots: &'a Slots,
    pub(super) context: &'a Context<'a>,
    pub(super) into: &'b mut Vec<u8>,
    pub(super) left_out: &'b mut LeftOut,
    /// How many fields the point has so far.
    written: u32,
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
        field.key.push_to(self.into);
        let written = match &field.form {
            FieldForm::Scalar(scalar) => match &field.conversion {
                None => self.value(scalar, slot, field.slot),
                Some(conversion) => self.converted(conversion, scalar, *slot, field.slot),
            },
            FieldForm::SpreadList(scalar) => {
                self.into.truncate(mark);
                return self.spread_list(field, scalar);
            }
            FieldForm::SpreadMap(key, scalar) => {
                self.into.truncate(mark);
                return self.spread_map(field, key, scalar);
            }
            FieldForm::JsonList(scalar) => self.json(field, None, scalar),
            FieldForm::JsonMap(key, scalar) => self.json(field, Some(key), scalar),
        };
        self.keep(written, mark)
    }

    /// Counts a field that was written, or removes the key of one whose value cannot be written;
    /// such a value has been counted already.
    #[inline]
    fn keep(&mut self, written: Result<bool, DecodeError>, mark: usize) -> Result<(), DecodeError> {
        if written? {
            self.written += 1;
        } else {
            self.into.truncate(mark);
        }
        Ok(())
    }

    /// Returns `is_finite`; counts a float that is not finite as left out.
    #[inline]
    pub(super) fn finite(&mut self, is_finite: bool) -> bool {
        self.left_out.not_finite += u32::from(!is_finite);
        is_finite
    }

    /// The value of a time field in nanoseconds. `None`, and counted, if it does not fit: only this
    /// field is left out, not the point.
    fn nanos(&mut self, scalar: &Scalar, slot: Slot, at: SlotIdx) -> Option<i64> {
        let nanos = value::nanos_of(self.slots, at, slot, scalar, Unit::Nanos).ok();
        self.left_out.times += u32::from(nanos.is_none());
        nanos
    }

    /// Appends one value of a list or map.
    fn element(
        &mut self,
        field: &Field,
        scalar: &Scalar,
        slot: &Slot,
    ) -> Result<bool, DecodeError> {
        match &field.conversion {
            None => self.value(scalar, slot, field.slot),
            Some(conversion) => self.converted(conversion, scalar, *slot, field.slot),
        }
    }

    /// Appends one value; false, and counted, if line protocol cannot express it.
    #[inline]
    fn value(&mut self, scalar: &Scalar, slot: &Slot, at: SlotIdx) -> Result<bool, DecodeError> {
        let into = &mut *self.into;
        match scalar {
            Scalar::Float64 | Scalar::Digits => {
                let is_finite = float::push_f64(into, value::f64_of(*slot));
                return Ok(self.finite(is_finite));
            }
            Scalar::Float32 => {
                let is_finite = float::push_f32(into, value::f32_of(*slot));
                return Ok(self.finite(is_finite));
            }
            Scalar::Integer => line::push_integer(into, value::i64_of(*slot)),
            Scalar::Unsigned => {
                let dialect = self.context.dialect;
                line::push_unsigned(into, slot.to_bits(), dialect).map_err(|cause| {
                    DecodeError::new(cause, "it is past the store's integers").in_slot(at)
                })?;
            }
            Scalar::Boolean => line::push_boolean(into, slot.to_bits() != 0),
            Scalar::String => {
                push_string(into, self.slots.bytes_of(self.context.payload, *slot));
            }
            Scalar::Bytes => {
                into.push(b'"');
                line::push_base64(into, self.slots.bytes_of(self.context.payload, *slot));
                into.push(b'"');
            }
            Scalar::Enum(symbols) => {
                let number = value::i64_of(*slot);
                match symbols.name(number) {
                    Some(name) => push_string(into, name.as_bytes()),
                    None => {
                        into.push(b'"');
                        line::push_digits(into, number);
                        into.push(b'"');
                    }
                }
            }
            Scalar::Ticks(_) | Scalar::Timestamp | Scalar::Duration => {
                let Some(nanos) = self.nanos(scalar, *slot, at) else { return Ok(false) };
                line::push_integer(self.into, nanos);
            }
        }
        Ok(true)
    }

    /// `key_0`, `key_1`…
    fn spread_list(&mut self, field: &Field, scalar: &Scalar) -> Result<(), DecodeError> {
        for (index, item) in self.slots.items(field.slot).enumerate() {
            // Null in a JSON list keeps its index and writes nothing.
            if item.value.is_absent() || field.has_picked(index) {
                continue;
            }
            let mark = self.into.len();
            field.key.push_to(self.into);
            line::push_digits(self.into, index);
            self.into.push(b'=');
            let written = self.element(field, scalar, &item.value);
            self.keep(written.map_err(|error| error.in_item(index)), mark)?;
        }
        Ok(())
    }

    /// Appends one field per entry.
    fn spread_map(
        &mut self,
        field: &Field,
        key: &Scalar,
        scalar: &Scalar,
    ) -> Result<(), DecodeError> {
        for (index, item) in self.slots.items(field.slot).enumerate() {
            let mark = self.into.len();
            field.key.push_to(self.into);
            match key {
                Scalar::String => {
                    let text = self.slots.bytes_of(self.context.payload, item.key);
                    if !is_plain(text) || text.len() > self.context.limits.tag_bytes_max {
                        let what = "a key of the map cannot be a field's key: it holds CR, LF, TAB, \
                                    NUL or a backslash before a separator or at its end, or is \
                                    over the bound of tags";
                        let error = DecodeError::new(Cause::PayloadMismatch, what);
                        return Err(error.in_slot(field.slot));
                    }
                    push_key(self.into, text);
                }
                _ => push_plain(self.into, key, item.key),
            }
            self.into.push(b'=');
            let written = self.element(field, scalar, &item.value);
            self.keep(written.map_err(|error| error.in_item(index)), mark)?;
        }
        Ok(())
    }

    /// Appends one JSON array or object as the value of a string field. The JSON is written
    /// unescaped and then escaped in place, so that no second buffer is needed.
    fn json(
        &mut self,
        field: &Field,
        key: Option<&Scalar>,
        scalar: &Scalar,
    ) -> Result<bool, DecodeError> {
        let at = field.slot;
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
            match &field.conversion {
                Some(conversion) if !item.value.is_absent() => {
                    let said = self.json_converted(conversion, scalar, item.value, at);
                    said.map_err(|error| error.in_item(index))?;
                }
                _ => self.json_value(scalar, item.value, at),
            }
        }
        self.into.push(if key.is_some() { b'}' } else { b']' });
        quote_in_place(self.into, start);
        Ok(true)
    }

    /// Appends one value as JSON; a value that JSON cannot express is null, and counted.
    fn json_value(&mut self, scalar: &Scalar, slot: Slot, at: SlotIdx) {
        if slot.is_absent() {
            self.into.extend_from_slice(b"null");
            return;
        }
        let into = &mut *self.into;
        let bytes = self.slots.bytes_of(self.context.payload, slot);
        let is_said = match scalar {
            Scalar::Float64 | Scalar::Digits => {
                let is_finite = float::push_f64(into, value::f64_of(slot));
                self.finite(is_finite)
            }
            Scalar::Float32 => {
                let is_finite = float::push_f32(into, value::f32_of(slot));
                self.finite(is_finite)
            }
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
                let nanos = self.nanos(scalar, slot, at);
                nanos.inspect(|nanos| line::push_digits(self.into, *nanos)).is_some()
            }
            Scalar::Integer | Scalar::Unsigned | Scalar::Boolean => {
                push_plain(into, scalar, slot);
                true
            }
        };
        if !is_said {
            self.into.extend_from_slice(b"null");
        }
    }
}
