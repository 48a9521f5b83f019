//! Reads tags, varints, lengths and groups.

use std::ops::Range;

use super::walk::Walk;
use crate::{
    mapping::protobuf::Wire,
    model::Cause,
    uplink::{DecodeError, Slot},
};

/// Wire types.
pub(super) const VARINT: u8 = 0;
const FIXED64: u8 = 1;
pub(super) const LENGTH: u8 = 2;
pub(super) const GROUP_START: u8 = 3;
pub(super) const GROUP_END: u8 = 4;
const FIXED32: u8 = 5;

/// The largest field number that protobuf has.
const NUMBER_MAX: u64 = (1 << 29) - 1;

/// The unread rest of a message: the bytes from `at` on. It is passed by value, so that `at` stays
/// in a register. Functions that are not inlined return only the new `at`, because a whole span
/// would be returned through memory, written in parts and read as a whole, for which the processor
/// stalls.
#[derive(Clone, Copy)]
pub(super) struct Span<'a> {
    /// The payload up to the end of the message.
    bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Span<'a> {
    /// A span of a range of the payload, which contains that range.
    pub(super) fn new(payload: &'a [u8], range: Range<usize>) -> Self {
        Self { bytes: &payload[..range.end], at: range.start }
    }

    /// Where it ends in the payload.
    pub(super) const fn end(self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is left.
    #[inline]
    pub(super) const fn is_empty(self) -> bool {
        self.at >= self.bytes.len()
    }

    /// What is left.
    fn rest(self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

// The functions that every field passes through are inlined, for the cases that most fields take.
impl<'a> Walk<'a> {
    /// Reads one value of a known wire type.
    #[inline(always)]
    pub(super) fn scalar(&self, wire: Wire, span: &mut Span<'a>) -> Result<Slot, DecodeError> {
        Ok(match wire {
            Wire::Double | Wire::Fixed64 | Wire::Sfixed64 => Slot::bits(self.fixed64(span)?),
            Wire::Float | Wire::Fixed32 => Slot::bits(u64::from(self.fixed32(span)?)),
            Wire::String => {
                let text = self.length_delimited(span)?;
                if str::from_utf8(text.rest()).is_err() {
                    return Err(not_utf8(text.at));
                }
                Slot::payload(text.at..text.end())
            }
            Wire::Bytes => {
                let bytes = self.length_delimited(span)?;
                Slot::payload(bytes.at..bytes.end())
            }
            Wire::Sfixed32 => Slot::bits(sign_extended(self.fixed32(span)?)),
            _ => Slot::bits(of_varint(wire, self.varint(span)?)),
        })
    }

    /// Reads a field's number and wire type.
    #[inline(always)]
    pub(super) fn tag(&self, span: &mut Span<'a>) -> Result<(u32, u8), DecodeError> {
        let start = span.at;
        let key = self.varint(span)?;
        let number = key >> 3;
        if number == 0 || number > NUMBER_MAX {
            return Err(malformed("a field number is out of range", start));
        }
        Ok((low_half(number), low_half(key).to_le_bytes()[0] & 7))
    }

    /// A varint.
    #[inline(always)]
    pub(super) fn varint(&self, span: &mut Span<'a>) -> Result<u64, DecodeError> {
        if let Some(byte) = span.bytes.get(span.at)
            && *byte < 0x80
        {
            span.at += 1;
            return Ok(u64::from(*byte));
        }
        let (value, at) = self.long_varint(*span)?;
        span.at = at;
        Ok(value)
    }

    /// Reads a varint of more than one byte; returns also where it ends.
    fn long_varint(&self, span: Span<'a>) -> Result<(u64, usize), DecodeError> {
        let mut value = 0_u64;
        let bytes = span.rest();
        for (index, byte) in bytes.iter().take(10).enumerate() {
            if index == 9 && *byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                return Ok((value, span.at + index + 1));
            }
        }
        if bytes.len() < 10 {
            return Err(self.overrun(span.end()));
        }
        Err(malformed("a varint does not fit 64 bits", span.at))
    }

    /// Reads four bytes, little-endian.
    #[inline(always)]
    pub(super) fn fixed32(&self, span: &mut Span<'a>) -> Result<u32, DecodeError> {
        let bytes = span.rest().first_chunk().ok_or_else(|| self.overrun(span.end()))?;
        span.at += 4;
        Ok(u32::from_le_bytes(*bytes))
    }

    /// Reads eight bytes, little-endian.
    #[inline(always)]
    pub(super) fn fixed64(&self, span: &mut Span<'a>) -> Result<u64, DecodeError> {
        let bytes = span.rest().first_chunk().ok_or_else(|| self.overrun(span.end()))?;
        span.at += 8;
        Ok(u64::from_le_bytes(*bytes))
    }

    /// Reads a length and takes that many bytes.
    #[inline(always)]
    pub(super) fn length_delimited(&self, span: &mut Span<'a>) -> Result<Span<'a>, DecodeError> {
        let length = self.varint(span)?;
        let end = usize::try_from(length).ok().and_then(|length| span.at.checked_add(length));
        let Some(bytes) = end.and_then(|end| span.bytes.get(..end)) else {
            return Err(self.overrun(span.end()));
        };
        let inner = Span { bytes, at: span.at };
        span.at = inner.end();
        Ok(inner)
    }

    /// Skips a field that is not needed; returns where it ends. `depth` is the number of open
    /// groups.
    pub(super) fn skip(
        &self,
        number: u32,
        wire_type: u8,
        mut span: Span<'a>,
        depth: u32,
    ) -> Result<usize, DecodeError> {
        match wire_type {
            VARINT => self.varint(&mut span).map(drop)?,
            FIXED64 => self.fixed64(&mut span).map(drop)?,
            FIXED32 => self.fixed32(&mut span).map(drop)?,
            LENGTH => self.length_delimited(&mut span).map(drop)?,
            GROUP_START => return Ok(self.group(number, span, depth + 1)?.1),
            _ => return Err(malformed("there is no such wire type", span.at)),
        }
        Ok(span.at)
    }

    /// A group whose start tag has been read: returns its content and where it ends.
    pub(super) fn group(
        &self,
        number: u32,
        start: Span<'a>,
        depth: u32,
    ) -> Result<(Range<usize>, usize), DecodeError> {
        if depth > self.depth_max {
            let error = DecodeError::new(Cause::PayloadTooDeep, "groups nest too deep");
            return Err(error.at(start.at));
        }
        let mut span = start;
        while !span.is_empty() {
            let end = span.at;
            match self.tag(&mut span)? {
                (ended, GROUP_END) if ended == number => return Ok((start.at..end, span.at)),
                (_, GROUP_END) => return Err(malformed("a group ends that was not begun", end)),
                (inner, wire_type) => span.at = self.skip(inner, wire_type, span, depth)?,
            }
        }
        Err(self.overrun(span.end()))
    }

    /// The error of a value that extends past `end`: past the payload's end the payload is
    /// truncated, past the end of an inner message a length is wrong.
    #[cold]
    pub(super) fn overrun(&self, end: usize) -> DecodeError {
        if end == self.payload.len() {
            DecodeError::new(Cause::PayloadTruncated, "the payload ends inside a value").at(end)
        } else {
            malformed("a value goes on past the end of its message", end)
        }
    }
}

/// The slot bits of a varint's number.
#[inline]
fn of_varint(wire: Wire, value: u64) -> u64 {
    match wire {
        Wire::Int32 => sign_extended(low_half(value)),
        Wire::Uint32 => u64::from(low_half(value)),
        Wire::Sint32 => {
            let zigzag = low_half(value);
            sign_extended((zigzag >> 1) ^ (zigzag & 1).wrapping_neg())
        }
        Wire::Sint64 => (value >> 1) ^ (value & 1).wrapping_neg(),
        Wire::Bool => u64::from(value != 0),
        _ => value,
    }
}

/// The error of bytes that violate protobuf's encoding.
#[cold]
pub(super) fn malformed(what: &'static str, at: usize) -> DecodeError {
    DecodeError::new(Cause::PayloadMalformed, what).at(at)
}

/// The error of a string that is not UTF-8.
#[cold]
fn not_utf8(at: usize) -> DecodeError {
    DecodeError::new(Cause::PayloadNotUtf8, "text is not UTF-8").at(at)
}

/// The name of a wire type.
pub(super) const fn wire_word(wire_type: u8) -> &'static str {
    match wire_type {
        VARINT => "a varint",
        FIXED64 => "eight bytes",
        LENGTH => "a length and bytes",
        GROUP_START => "a group",
        FIXED32 => "four bytes",
        _ => "no wire type that there is",
    }
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
