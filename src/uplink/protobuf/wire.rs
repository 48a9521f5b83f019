//! Tags, varints, lengths: the bytes below the fields.

use super::walk::{Span, Walk};
use crate::{
    mapping::protobuf::Wire,
    model::Cause,
    uplink::{DecodeError, Slot, slot::pack},
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

impl Walk<'_> {
    /// One value of a known wire type. Inlined, because a slot that is answered goes through
    /// memory: written in parts and read as a whole, it makes the processor wait.
    #[inline(always)]
    pub(super) fn scalar(&self, wire: Wire, span: &mut Span) -> Result<Slot, DecodeError> {
        let bits = self.bits(wire, span)?;
        Ok(if wire.is_range() { Slot::packed(bits) } else { Slot::bits(bits) })
    }

    /// The bits of a number, or the range of a text or of bytes, packed.
    fn bits(&self, wire: Wire, span: &mut Span) -> Result<u64, DecodeError> {
        Ok(match wire {
            Wire::Double | Wire::Fixed64 | Wire::Sfixed64 => self.fixed64(span)?,
            Wire::Float | Wire::Fixed32 => u64::from(self.fixed32(span)?),
            Wire::Sfixed32 => sign_extended(self.fixed32(span)?),
            Wire::Int32 => sign_extended(low_half(self.varint(span)?)),
            Wire::Uint32 => u64::from(low_half(self.varint(span)?)),
            Wire::Sint32 => {
                let zigzag = low_half(self.varint(span)?);
                sign_extended((zigzag >> 1) ^ (zigzag & 1).wrapping_neg())
            }
            Wire::Sint64 => {
                let zigzag = self.varint(span)?;
                (zigzag >> 1) ^ (zigzag & 1).wrapping_neg()
            }
            Wire::Bool => u64::from(self.varint(span)? != 0),
            Wire::Int64 | Wire::Uint64 => self.varint(span)?,
            Wire::Bytes => {
                let bytes = self.length_delimited(span)?;
                pack(bytes.at..bytes.end)
            }
            Wire::String => {
                let text = self.length_delimited(span)?;
                if str::from_utf8(&self.payload[text.at..text.end]).is_err() {
                    let error = DecodeError::new(Cause::PayloadNotUtf8, "text is not UTF-8");
                    return Err(error.at(text.at));
                }
                pack(text.at..text.end)
            }
        })
    }

    /// A field's number and wire type.
    #[inline]
    pub(super) fn tag(&self, span: &mut Span) -> Result<(u32, u8), DecodeError> {
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
    pub(super) fn varint(&self, span: &mut Span) -> Result<u64, DecodeError> {
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
    pub(super) fn long_varint(&self, span: &mut Span) -> Result<u64, DecodeError> {
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
    pub(super) fn fixed32(&self, span: &mut Span) -> Result<u32, DecodeError> {
        let bytes = self.payload[span.at..span.end].first_chunk();
        let bytes = bytes.ok_or_else(|| self.overrun(span.end))?;
        span.at += 4;
        Ok(u32::from_le_bytes(*bytes))
    }

    /// Eight bytes, little endian.
    #[inline]
    pub(super) fn fixed64(&self, span: &mut Span) -> Result<u64, DecodeError> {
        let bytes = self.payload[span.at..span.end].first_chunk();
        let bytes = bytes.ok_or_else(|| self.overrun(span.end))?;
        span.at += 8;
        Ok(u64::from_le_bytes(*bytes))
    }

    /// A length and as many bytes.
    #[inline]
    pub(super) fn length_delimited(&self, span: &mut Span) -> Result<Span, DecodeError> {
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
    pub(super) fn skip(
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
    pub(super) fn skip_group(
        &self,
        number: u32,
        span: &mut Span,
        depth: u32,
    ) -> Result<usize, DecodeError> {
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
    pub(super) fn overrun(&self, end: usize) -> DecodeError {
        if end == self.payload.len() {
            DecodeError::new(Cause::PayloadTruncated, "the payload ends inside a value").at(end)
        } else {
            malformed("a value goes on past the end of its message", end)
        }
    }
}

/// The payload breaks the rules.
#[cold]
pub(super) fn malformed(what: &'static str, at: usize) -> DecodeError {
    DecodeError::new(Cause::PayloadMalformed, what).at(at)
}

/// What a wire type is, in words.
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
