//! One parse: what the seeds share, and what becomes of an error.

use std::ops::Range;

use serde::de::DeserializeSeed;
use serde_json::error::Category;

use super::seeds::Fields;
use crate::{
    mapping::{
        SlotIdx,
        json::{Object, Program},
    },
    model::Cause,
    uplink::{DecodeError, Limits, Slot, Slots},
};

/// Parses a message.
pub(crate) fn message(
    program: &Program,
    payload: &[u8],
    slots: &mut Slots,
    limits: &Limits,
) -> Result<(), DecodeError> {
    parse(&program.message, payload, 0..payload.len(), slots, limits)
}

/// Parses one element of `points`, whose range an earlier parse has found.
pub(crate) fn element(
    program: &Program,
    payload: &[u8],
    range: Range<usize>,
    slots: &mut Slots,
    limits: &Limits,
) -> Result<(), DecodeError> {
    match &program.element {
        Some(element) => parse(element, payload, range, slots, limits),
        None => Ok(()),
    }
}

/// Parses one object of the payload.
fn parse(
    object: &Object,
    payload: &[u8],
    range: Range<usize>,
    slots: &mut Slots,
    limits: &Limits,
) -> Result<(), DecodeError> {
    let text = str::from_utf8(&payload[range.clone()]).map_err(|error| {
        let at = range.start + error.valid_up_to();
        DecodeError::new(Cause::PayloadNotUtf8, "the payload is not UTF-8").at(at)
    })?;
    let mut walk = Walk { payload, slots, depth_max: limits.depth_max, failure: None };
    let mut parser = serde_json::Deserializer::from_str(text);
    let result = Fields { walk: &mut walk, object, depth: 1 }
        .deserialize(&mut parser)
        .and_then(|()| parser.end());
    result.map_err(|error| {
        let at = range.start + offset_of(text, error.line(), error.column());
        let found = walk.failure.unwrap_or(match error.classify() {
            Category::Eof => {
                DecodeError::new(Cause::PayloadTruncated, "the payload ends inside a value")
            }
            Category::Syntax | Category::Io => {
                DecodeError::new(Cause::PayloadMalformed, "the payload is not JSON")
            }
            Category::Data => {
                DecodeError::new(Cause::PayloadMismatch, "the payload is not a JSON object")
            }
        });
        if found.offset.is_some() { found } else { found.at(at) }
    })
}

/// The byte that a line and column of the parser's mean.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let before = text.split_inclusive('\n').take(line.saturating_sub(1));
    let start: usize = before.map(str::len).sum();
    (start + column.saturating_sub(1)).min(text.len())
}

/// What all seeds of one parse share.
pub(super) struct Walk<'a> {
    pub(super) payload: &'a [u8],
    pub(super) slots: &'a mut Slots,
    depth_max: u32,
    /// Why a seed has stopped the parser; its own error says only where.
    failure: Option<DecodeError>,
}

impl Walk<'_> {
    /// Stops the parser.
    #[cold]
    pub(super) fn fail<E: serde::de::Error>(&mut self, error: DecodeError) -> E {
        self.failure = Some(error);
        E::custom("stopped")
    }

    /// Stops the parser at a value that the schema does not allow there.
    #[cold]
    pub(super) fn mismatch<E: serde::de::Error>(
        &mut self,
        what: &'static str,
        slot: Option<SlotIdx>,
    ) -> E {
        let error = DecodeError::new(Cause::PayloadMismatch, what);
        self.fail(match slot {
            Some(slot) => error.in_slot(slot),
            None => error,
        })
    }

    /// Bounds the depth of what is parsed.
    pub(super) fn check_depth<E: serde::de::Error>(&mut self, depth: u32) -> Result<(), E> {
        if depth > self.depth_max {
            let what = "objects and arrays nest deeper than the bound";
            return Err(self.fail(DecodeError::new(Cause::PayloadTooDeep, what)));
        }
        Ok(())
    }

    /// Where text of the payload lies in it.
    pub(super) fn range_of(&self, text: &str) -> Range<usize> {
        let start = text.as_ptr().addr() - self.payload.as_ptr().addr();
        start..start + text.len()
    }

    /// Text that had escapes.
    pub(super) fn unescaped(&mut self, text: &str) -> Slot {
        let made = self.slots.make_text(|out| {
            out.extend_from_slice(text.as_bytes());
            Ok(())
        });
        made.expect("appending does not fail")
    }

    /// Stores an item of a list or map.
    pub(super) fn push<E: serde::de::Error>(
        &mut self,
        slot: SlotIdx,
        key: Slot,
        value: Slot,
    ) -> Result<(), E> {
        let pushed = self.slots.push(self.payload, slot, key, value);
        pushed.map_err(|error| self.fail(error.in_slot(slot)))
    }
}
