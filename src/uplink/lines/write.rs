//! Checked lines with the mapping's tags, appended to the shard's buffer.

use std::ops::Range;

use super::parse::{Pair, Parser, Parts};
use crate::{
    mapping::Plan,
    model::{Cause, LineDialect},
    uplink::{
        DecodeError, Slots, line,
        point::{self, Context},
    },
};

/// The scratch of line-protocol payloads: one a worker.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    parts: Parts,
    /// The mapping's tags as each line has them: `,key=value…`.
    tags: Vec<u8>,
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
        for tag in &plan.tags {
            point::push_tag(&tag.key, &tag.source, slots, &context, &mut self.tags)?;
        }
        Ok(Next { writer: self, parser: Parser::new(context.payload), plan, context })
    }
}

impl Next<'_> {
    /// Appends the next line; false when there is none left.
    ///
    /// # Errors
    /// Why the message becomes a dead letter; what was appended is the caller's to cut back.
    pub(crate) fn write(&mut self, into: &mut Vec<u8>) -> Result<bool, DecodeError> {
        if !self.parser.next(&mut self.writer.parts)? {
            return Ok(false);
        }
        let Writer { parts, tags } = &*self.writer;
        let payload = self.context.payload;
        into.extend_from_slice(&payload[parts.measurement.clone()]);
        into.extend_from_slice(tags);
        for tag in &parts.tags {
            self.push_tag(tag, into)?;
        }
        into.push(b' ');
        for (index, field) in parts.fields.iter().enumerate() {
            if index > 0 {
                into.push(b',');
            }
            if self.is_ours(&field.key) {
                let what = "a field has the key of one of the mapping's tags";
                return Err(DecodeError::new(Cause::PayloadMismatch, what).at(field.key.start));
            }
            into.extend_from_slice(&payload[field.key.start..field.value.end]);
            if parts.unsigned.contains(&index) {
                self.end_unsigned(field, into)?;
            }
            if parts.loose.contains(&index) {
                into.truncate(into.len() - field.value.len());
                let text = str::from_utf8(&payload[field.value.clone()]).unwrap_or_default();
                line::push_f64(into, text.parse().unwrap_or_default());
            }
        }
        into.push(b' ');
        match &parts.time {
            Some((time, start)) if point::is_out_of_bounds(*time, &self.context) => {
                let what = "the time of a line is out of bounds";
                return Err(DecodeError::new(Cause::TimeOutOfBounds, what).at(*start));
            }
            Some((time, _)) => line::push_digits(into, *time),
            None => line::push_digits(into, self.context.received_at.0),
        }
        into.push(b'\n');
        Ok(true)
    }

    /// Appends a sent tag, unless the mapping has one of its key.
    fn push_tag(&self, tag: &Pair, into: &mut Vec<u8>) -> Result<(), DecodeError> {
        let payload = self.context.payload;
        if self.is_ours(&tag.key) {
            return Ok(());
        }
        if tag.value.len() > self.context.limits.tag_bytes_max {
            let what = "a tag is over its bound";
            return Err(DecodeError::new(Cause::TagInvalid, what).at(tag.value.start));
        }
        into.push(b',');
        into.extend_from_slice(&payload[tag.key.start..tag.value.end]);
        Ok(())
    }

    /// Whether a sent key is that of one of the mapping's tags.
    fn is_ours(&self, key: &Range<usize>) -> bool {
        let key = &self.context.payload[key.clone()];
        // The plan's key is `,key=`, escaped.
        self.plan.tags.iter().any(|ours| ours.key.get(1..ours.key.len() - 1) == Some(key))
    }

    /// Gives an unsigned value, which has just been appended, the suffix of the dialect.
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
