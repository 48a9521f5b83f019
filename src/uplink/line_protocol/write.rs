//! Appends checked lines with the mapping's tags to the shard's buffer.

use std::ops::Range;

use super::parse::{Form, Pair, Parser, Parts};
use crate::{
    mapping::{Plan, Tag},
    model::{Cause, LineDialect, UnixNanos},
    uplink::{
        DecodeError, Slots, float, line,
        point::{self, Context, Line},
        time,
    },
};

/// Scratch memory for line-protocol payloads: one per worker.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    parts: Parts,
    /// The mapping's tags as appended to each line: `,key=value…`.
    tags: Vec<u8>,
    /// The end of each tag in `tags`; an absent tag is empty.
    tag_ends: Vec<usize>,
    /// Which of the tags the current line has already.
    placed: Vec<bool>,
}

/// The lines of one payload, one at a time.
#[derive(Debug)]
pub(crate) struct Next<'a> {
    writer: &'a mut Writer,
    parser: Parser<'a>,
    plan: &'a Plan,
    context: Context<'a>,
}

impl Writer {
    /// Begins a payload.
    ///
    /// # Errors
    /// The payload is not UTF-8, or one of the mapping's tags cannot be written.
    pub(crate) fn begin<'a>(
        &'a mut self,
        plan: &'a Plan,
        slots: &Slots,
        context: Context<'a>,
    ) -> Result<Next<'a>, DecodeError> {
        if let Err(error) = str::from_utf8(context.payload) {
            let what = "the payload is not UTF-8";
            return Err(DecodeError::new(Cause::PayloadNotUtf8, what).at(error.valid_up_to()));
        }
        self.tags.clear();
        self.tag_ends.clear();
        for tag in &plan.tags {
            point::push_tag(&tag.key, &tag.source, slots, &context, &mut self.tags)?;
            self.tag_ends.push(self.tags.len());
        }
        Ok(Next {
            writer: self,
            parser: Parser::new(context.payload, context.limits),
            plan,
            context,
        })
    }
}

impl Next<'_> {
    /// Appends the next line; `None` when there is none left. A line without a time gets `stamp`.
    ///
    /// # Errors
    /// Why the message becomes a dead letter. The caller must truncate what was appended.
    pub(crate) fn write(
        &mut self,
        into: &mut Vec<u8>,
        stamp: UnixNanos,
    ) -> Result<Option<Line>, DecodeError> {
        if !self.parser.next(&mut self.writer.parts)? {
            return Ok(None);
        }
        let start = into.len();
        let payload = self.context.payload;
        into.extend_from_slice(&payload[self.writer.parts.measurement.clone()]);
        self.push_tags(into)?;
        let series_end = into.len();
        // Each sent key is compared with the keys of the mapping's tags.
        let parts = &mut self.writer.parts;
        parts.steps += (parts.tags.len() + parts.fields.len()) * self.plan.tags.len();
        let parts = &self.writer.parts;
        into.push(b' ');
        for (index, field) in parts.fields.iter().enumerate() {
            if index > 0 {
                into.push(b',');
            }
            if self.ours(&field.key).is_some() {
                let what = "a field has the key of one of the mapping's tags";
                return Err(DecodeError::new(Cause::PayloadMismatch, what).at(field.key.start));
            }
            into.extend_from_slice(&payload[field.key.start..field.value.end]);
            match field.form {
                Form::AsSent => {}
                Form::Unsigned => self.end_unsigned(field, into)?,
                Form::IncompleteFloat => {
                    into.truncate(into.len() - field.value.len());
                    let text = str::from_utf8(&payload[field.value.clone()]).unwrap_or_default();
                    float::push_f64(into, text.parse().unwrap_or_default());
                }
            }
        }
        into.push(b' ');
        let (time, is_stamped) = match &parts.time {
            Some((time, start)) if time::is_out_of_bounds(*time, &self.context) => {
                let what = "the time of a line is out of bounds";
                return Err(DecodeError::new(Cause::TimeOutOfBounds, what).at(*start));
            }
            Some((time, _)) => (*time, false),
            None => (stamp.0, true),
        };
        let time_start = into.len();
        line::push_digits(into, time);
        into.push(b'\n');
        let end = into.len();
        Ok(Some(Line { start, series_end, time_start, end, time, is_stamped }))
    }

    /// Comparisons of keys since the last call.
    pub(crate) fn take_steps(&mut self) -> usize {
        std::mem::take(&mut self.writer.parts.steps)
    }

    /// Appends the sent tags, each replaced by the mapping's tag of the same key, then the other
    /// tags of the mapping.
    fn push_tags(&mut self, into: &mut Vec<u8>) -> Result<(), DecodeError> {
        let payload = self.context.payload;
        let mut placed = std::mem::take(&mut self.writer.placed);
        placed.clear();
        placed.resize(self.plan.tags.len(), false);
        for tag in &self.writer.parts.tags {
            if let Some(ours) = self.ours(&tag.key) {
                placed[ours] = true;
                into.extend_from_slice(self.tag(ours));
                continue;
            }
            if tag.value.len() > self.context.limits.tag_bytes_max {
                let what = "a tag is over its bound";
                return Err(DecodeError::new(Cause::TagInvalid, what).at(tag.value.start));
            }
            into.push(b',');
            into.extend_from_slice(&payload[tag.key.start..tag.value.end]);
        }
        let is_added = |ours: usize| !placed[ours] && !self.tag(ours).is_empty();
        let added = (0..placed.len()).filter(|ours| is_added(*ours)).count();
        if self.writer.parts.tags.len() + added > self.context.limits.tags_max as usize {
            let what = "a line has, with those of the mapping, more tags than the bound";
            let at = self.writer.parts.measurement.start;
            return Err(DecodeError::new(Cause::TooManyTags, what).at(at));
        }
        for (ours, is_placed) in placed.iter().enumerate() {
            if !is_placed {
                into.extend_from_slice(self.tag(ours));
            }
        }
        self.writer.placed = placed;
        Ok(())
    }

    /// The index of the mapping's tag with the same key as a sent tag.
    fn ours(&self, key: &Range<usize>) -> Option<usize> {
        let key = &self.context.payload[key.clone()];
        // The plan's key is `,key=`, escaped.
        let is_ours =
            |ours: &Tag| matches!(ours.key.as_bytes(), [b',', ours @ .., b'='] if ours == key);
        self.plan.tags.iter().position(is_ours)
    }

    /// One of the mapping's tags, as `,key=value`.
    fn tag(&self, index: usize) -> &[u8] {
        let Writer { tags, tag_ends, .. } = &*self.writer;
        let start = index.checked_sub(1).map_or(0, |before| tag_ends[before]);
        &tags[start..tag_ends[index]]
    }

    /// Appends the dialect's suffix to an unsigned value that was just appended.
    fn end_unsigned(&self, field: &Pair, into: &mut Vec<u8>) -> Result<(), DecodeError> {
        if self.context.dialect == LineDialect::Unsigned {
            return Ok(());
        }
        let digits = &self.context.payload[field.value.start..field.value.end - 1];
        let digits = str::from_utf8(digits).unwrap_or_default();
        if digits.parse::<i64>().is_err() {
            let what = "an unsigned integer is past the store's integers";
            return Err(DecodeError::new(Cause::IntegerOutOfRange, what).at(field.value.start));
        }
        into.pop();
        into.push(b'i');
        Ok(())
    }
}
