//! Reads varints, lengths and block headers.

use std::ops::Range;

use super::walk::Walk;
use crate::{model::Cause, uplink::DecodeError};

/// One block of an array or map.
pub(super) struct Block {
    /// How many items it claims to have; this is not trusted.
    pub(super) items: u64,
    /// Where it ends, if it states its size.
    pub(super) end: Option<usize>,
}

impl Walk<'_> {
    /// The next block; none at the end of the array or map.
    pub(super) fn block(&mut self) -> Result<Option<Block>, DecodeError> {
        let count = self.long()?;
        if count == 0 {
            return Ok(None);
        }
        let mut block = Block { items: count.unsigned_abs(), end: None };
        if count < 0 {
            block.end = Some(self.sized_at()?.end);
        }
        Ok(Some(block))
    }

    /// Checks that a block ends where its size says.
    pub(super) fn end_of(&self, block: &Block) -> Result<(), DecodeError> {
        match block.end {
            Some(end) if end != self.at => {
                Err(malformed("a block has another size than it says", self.at))
            }
            _ => Ok(()),
        }
    }

    /// Takes a length and that many bytes.
    pub(super) fn sized(&mut self) -> Result<Range<usize>, DecodeError> {
        let range = self.sized_at()?;
        self.at = range.end;
        Ok(range)
    }

    /// Takes a length, and checks that so many bytes follow, without taking them.
    #[inline]
    pub(super) fn sized_at(&mut self) -> Result<Range<usize>, DecodeError> {
        let start = self.at;
        let len = self.long()?;
        let Ok(len) = usize::try_from(len) else {
            return Err(malformed("a length is negative", start));
        };
        if len > self.payload.len() - self.at {
            return Err(self.truncated());
        }
        Ok(self.at..self.at + len)
    }

    /// Takes `len` bytes.
    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Result<Range<usize>, DecodeError> {
        if len > self.payload.len() - self.at {
            return Err(self.truncated());
        }
        let start = self.at;
        self.at += len;
        Ok(start..self.at)
    }

    /// Takes `N` bytes and returns them by value.
    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.payload[self.at..].first_chunk() {
            Some(bytes) => {
                self.at += N;
                Ok(*bytes)
            }
            None => Err(self.truncated()),
        }
    }

    /// Reads the index of a branch or symbol.
    #[inline]
    pub(super) fn index(&mut self) -> Result<usize, DecodeError> {
        let start = self.at;
        usize::try_from(self.long()?).map_err(|_| malformed("an index is negative", start))
    }

    /// Reads a zigzag varint of 32 bits.
    #[inline]
    pub(super) fn int(&mut self) -> Result<i64, DecodeError> {
        let start = self.at;
        let value = self.long()?;
        if i32::try_from(value).is_err() {
            self.slots.trouble.say(format_args!("an int has more than 32 bits: it is {value}"));
            return Err(malformed("an int has more than 32 bits", start));
        }
        Ok(value)
    }

    /// Reads a zigzag varint.
    #[inline]
    pub(super) fn long(&mut self) -> Result<i64, DecodeError> {
        let zigzag = match self.payload.get(self.at) {
            Some(byte @ 0..=0x7f) => {
                self.at += 1;
                u64::from(*byte)
            }
            _ => self.long_varint()?,
        };
        Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    /// Reads a varint of any length.
    pub(super) fn long_varint(&mut self) -> Result<u64, DecodeError> {
        let start = self.at;
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            // The tenth byte has room for one bit.
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(malformed("a number has more than 64 bits", start))
    }

    /// The error of a payload that ends too early.
    #[cold]
    fn truncated(&self) -> DecodeError {
        let what = "the payload ends inside a value";
        DecodeError::new(Cause::PayloadTruncated, what).at(self.payload.len())
    }
}

/// The error of bytes that violate Avro's encoding.
#[cold]
pub(super) fn malformed(what: &'static str, at: usize) -> DecodeError {
    DecodeError::new(Cause::PayloadMalformed, what).at(at)
}
