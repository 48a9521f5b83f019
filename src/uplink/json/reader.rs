//! Reads the text byte by byte; the walk over a payload is built on it.
//!
//! Everything here stops at the end of the text and reads each byte a bounded number of times.
//! Values that are not needed are checked against JSON's grammar too, and their depth is bounded.

use std::ops::Range;

use super::{
    mistakes,
    number::{Whole, whole},
};
use crate::{
    model::Cause,
    uplink::{DecodeError, Slot, Slots},
};

/// A position in a payload that is known to be UTF-8.
pub(super) struct Reader<'a> {
    /// The payload up to where the text ends.
    pub(super) text: &'a [u8],
    pub(super) at: usize,
    pub(super) slots: &'a mut Slots,
    pub(super) depth_max: u32,
    /// Whether a value of another type than the schema's counts as absent.
    pub(super) is_lenient: bool,
}

/// 10 to the power of the index: all powers that a double represents exactly.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Up to here a double represents every integer exactly.
const EXACT_MAX: u64 = 1 << 53;

impl<'a> Reader<'a> {
    /// The next byte that is not white space, without taking it.
    ///
    /// # Errors
    /// The text ends.
    #[inline]
    pub(super) fn peek(&mut self) -> Result<u8, DecodeError> {
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                _ => return Ok(*byte),
            }
        }
        Err(self.truncated())
    }

    /// Takes the byte that was peeked if it is this one.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> Result<bool, DecodeError> {
        let is_next = self.peek()? == byte;
        self.at += usize::from(is_next);
        Ok(is_next)
    }

    /// Takes what follows a member or an item: true for a comma and another one after it, false for
    /// the end.
    ///
    /// # Errors
    /// Neither follows, or nothing follows the comma.
    #[inline]
    pub(super) fn more(&mut self, end: u8) -> Result<bool, DecodeError> {
        let byte = self.peek()?;
        if byte == end {
            self.at += 1;
            return Ok(false);
        }
        if byte != b',' {
            return Err(self.malformed());
        }
        self.at += 1;
        if self.peek()? == end {
            return Err(self.malformed());
        }
        Ok(true)
    }

    /// Reads a member's name and the colon after it. The name is a range of the payload or, if it
    /// has escapes, of the scratch.
    #[inline]
    pub(super) fn name(&mut self) -> Result<Slot, DecodeError> {
        if self.peek()? != b'"' {
            return Err(self.malformed());
        }
        let name = self.string()?;
        if !self.take(b':')? {
            return Err(self.malformed());
        }
        Ok(name)
    }

    /// Reads a string.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Slot, DecodeError> {
        let start = self.at + 1;
        let rest = self.text.get(start..).unwrap_or_default();
        match rest.iter().position(|byte| !is_plain(*byte)) {
            Some(len) if rest[len] == b'"' => {
                self.at = start + len + 1;
                Ok(Slot::payload(start..start + len))
            }
            Some(len) if rest[len] == b'\\' => self.escaped(start, start + len),
            Some(len) => {
                self.at = start + len;
                Err(self.malformed())
            }
            None => Err(self.truncated()),
        }
    }

    /// Reads the rest of a string that has an escape at `at`.
    fn escaped(&mut self, start: usize, at: usize) -> Result<Slot, DecodeError> {
        let text = self.text;
        let mut at = at;
        let made = self.slots.make_text(|out| {
            out.extend_from_slice(&text[start..at]);
            while let Some(byte) = text.get(at) {
                match byte {
                    b'"' => return Ok(()),
                    b'\\' => at = unescape(text, at, out)?,
                    0..0x20 => return Err(malformed(at)),
                    byte => {
                        out.push(*byte);
                        at += 1;
                    }
                }
            }
            Err(ended(text.len()))
        });
        match made {
            Ok(slot) => {
                self.at = at + 1;
                Ok(slot)
            }
            Err(error) => Err(self.with_mistake(error)),
        }
    }

    /// Reads a number's text and checks it against the grammar.
    pub(super) fn number(&mut self) -> Result<Range<usize>, DecodeError> {
        let start = self.at;
        self.at += usize::from(self.text[start] == b'-');
        match self.text.get(self.at) {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(self.text.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        // `01`, `1.2.3`, `0x1f`, `12abc`: refused here, at the first byte that is not part of a
        // number.
        match self.text.get(self.at) {
            Some(b'0'..=b'9' | b'.' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-') => {
                Err(self.malformed())
            }
            _ => Ok(start..self.at),
        }
    }

    /// Takes one digit or more.
    fn digits(&mut self) -> Result<(), DecodeError> {
        let rest = &self.text[self.at..];
        let len = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        self.at += len;
        match len {
            0 if self.at == self.text.len() => Err(self.truncated()),
            0 => Err(self.malformed()),
            _ => Ok(()),
        }
    }

    /// Reads a number as the nearest double; `None` if it is larger than the largest one.
    #[inline]
    pub(super) fn float(&mut self) -> Result<Option<f64>, DecodeError> {
        let start = self.at;
        let range = self.number()?;
        let text = &self.text[range];
        if let Some(value) = short_float(text) {
            return Ok(Some(value));
        }
        let text = str::from_utf8(text).expect("a number is ASCII");
        let value: f64 = text.parse().map_err(|_| malformed(start))?;
        Ok(value.is_finite().then_some(value))
    }

    /// Reads a number as an exact integer.
    #[inline]
    pub(super) fn whole(&mut self) -> Result<Whole, DecodeError> {
        let range = self.number()?;
        let text = &self.text[range];
        Ok(short_integer(text).map_or_else(|| whole(text), |value| Whole::Fits(value.into())))
    }

    /// Takes `true`, `false` or `null`.
    pub(super) fn literal(&mut self, word: &[u8]) -> Result<(), DecodeError> {
        let rest = &self.text[self.at..];
        if rest.starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        if word.starts_with(rest) {
            return Err(self.truncated());
        }
        Err(self.malformed())
    }

    /// Skips a value that is not needed, and checks its grammar. `depth` is the depth of a
    /// container that begins here.
    pub(super) fn skip(&mut self, depth: u32) -> Result<(), DecodeError> {
        match self.peek()? {
            b'{' => {
                self.enter(depth)?;
                if self.take(b'}')? {
                    return Ok(());
                }
                loop {
                    let name = self.name()?;
                    self.slots.drop_text(name);
                    self.skip(depth + 1)?;
                    if !self.more(b'}')? {
                        return Ok(());
                    }
                }
            }
            b'[' => {
                self.enter(depth)?;
                if self.take(b']')? {
                    return Ok(());
                }
                loop {
                    self.skip(depth + 1)?;
                    if !self.more(b']')? {
                        return Ok(());
                    }
                }
            }
            b'"' => self.skip_string(),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => Err(self.malformed()),
        }
    }

    /// Skips a string. Escapes are checked; half a surrogate pair is accepted, because JSON's
    /// grammar allows it.
    fn skip_string(&mut self) -> Result<(), DecodeError> {
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let Some(len) = rest.iter().position(|byte| !is_plain(*byte)) else {
                return Err(self.truncated());
            };
            self.at += len;
            match (rest[len], rest.get(len + 1)) {
                (b'"', _) => {
                    self.at += 1;
                    return Ok(());
                }
                (b'\\', Some(b'u')) if hex(self.text, self.at + 2).is_some() => self.at += 6,
                (b'\\', Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')) => {
                    self.at += 2;
                }
                _ => return Err(self.malformed()),
            }
        }
    }

    /// Finds the end of an object or array, which is read in full later.
    pub(super) fn find_end(&mut self, depth: u32) -> Result<(), DecodeError> {
        let mut open = 0;
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b'"' => {
                    self.find_string_end()?;
                    continue;
                }
                b'{' | b'[' => {
                    self.check_depth(depth + open)?;
                    open += 1;
                }
                b'}' | b']' if open == 1 => {
                    self.at += 1;
                    return Ok(());
                }
                b'}' | b']' => open -= 1,
                _ => {}
            }
            self.at += 1;
        }
        Err(self.truncated())
    }

    /// Finds the end of a string, which is read in full later.
    fn find_string_end(&mut self) -> Result<(), DecodeError> {
        self.at += 1;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            match memchr::memchr2(b'"', b'\\', rest) {
                None => return Err(self.truncated()),
                Some(len) if rest[len] == b'"' => {
                    self.at += len + 1;
                    return Ok(());
                }
                Some(len) => self.at += len + 2,
            }
        }
    }

    /// Takes the bracket that opens a container.
    #[inline]
    pub(super) fn enter(&mut self, depth: u32) -> Result<(), DecodeError> {
        self.check_depth(depth)?;
        self.at += 1;
        Ok(())
    }

    /// Checks the bound on depth.
    fn check_depth(&self, depth: u32) -> Result<(), DecodeError> {
        if depth > self.depth_max {
            let what = "objects and arrays nest deeper than the bound";
            return Err(DecodeError::new(Cause::PayloadTooDeep, what).at(self.at));
        }
        Ok(())
    }

    /// Checks that nothing but white space is left.
    pub(super) fn end(&mut self) -> Result<(), DecodeError> {
        match self.peek() {
            Err(_) => Ok(()),
            Ok(_) => {
                self.slots.trouble.say(format_args!("{}", mistakes::after(&self.text[self.at..])));
                Err(malformed(self.at))
            }
        }
    }

    /// The error of text that is not JSON at the current position, with the mistake named.
    #[cold]
    pub(super) fn malformed(&mut self) -> DecodeError {
        let error = malformed(self.at);
        self.with_mistake(error)
    }

    /// Names the mistake of a grammar error; an error at the end of the text is one of truncation.
    #[cold]
    fn with_mistake(&mut self, error: DecodeError) -> DecodeError {
        if error.cause == Cause::PayloadMalformed {
            let at = error.offset.map_or(self.at, |at| at as usize);
            if let Some(words) = mistakes::at_byte(self.text, at) {
                self.slots.trouble.say(format_args!("{words}"));
            }
        }
        error
    }

    /// The text ends too early.
    #[cold]
    pub(super) fn truncated(&mut self) -> DecodeError {
        self.slots.trouble.clear();
        ended(self.text.len())
    }
}

/// Whether a byte of a string needs no unescaping.
const fn is_plain(byte: u8) -> bool {
    !matches!(byte, b'"' | b'\\' | 0..0x20)
}

/// The error of a payload that violates JSON's grammar at a byte.
#[cold]
fn malformed(at: usize) -> DecodeError {
    DecodeError::new(Cause::PayloadMalformed, "the payload is not JSON").at(at)
}

/// The error of a payload that ends inside a value.
#[cold]
fn ended(at: usize) -> DecodeError {
    DecodeError::new(Cause::PayloadTruncated, "the payload ends inside a value").at(at)
}

/// An integer of few enough digits, without a fraction or an exponent.
#[inline]
fn short_integer(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    // 18 digits fit without an overflow check.
    if digits.len() > 18 {
        return None;
    }
    let mut value = 0_i64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(digit - b'0');
    }
    Some(if is_negative { -value } else { value })
}

/// A number of few enough digits, without an exponent. Its digits and the power of ten that divides
/// them are exact doubles, so one division gives the correctly rounded result.
#[inline]
fn short_float(text: &[u8]) -> Option<f64> {
    let (is_negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    // 18 digits and a point, or 19 digits, fit a u64 without an overflow check.
    if rest.len() > 19 {
        return None;
    }
    let mut digits = 0_u64;
    let mut decimals = None;
    for byte in rest {
        match byte {
            b'0'..=b'9' => {
                digits = digits * 10 + u64::from(byte - b'0');
                decimals = decimals.map(|count| count + 1);
            }
            b'.' => decimals = Some(0),
            _ => return None,
        }
    }
    if digits > EXACT_MAX {
        return None;
    }
    let value = digits as f64 / TENS[decimals.unwrap_or(0)];
    Some(if is_negative { -value } else { value })
}

/// Appends the character of the escape at `at`; returns the end of the escape.
fn unescape(text: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize, DecodeError> {
    let byte = match text.get(at + 1) {
        Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
        Some(b'b') => 0x08,
        Some(b'f') => 0x0c,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'u') => return unescape_hex(text, at, out),
        Some(_) => return Err(malformed(at)),
        None => return Err(ended(text.len())),
    };
    out.push(byte);
    Ok(at + 2)
}

/// The same for `\u` and four digits, twice for a character past the first 65,536.
fn unescape_hex(text: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize, DecodeError> {
    let Some(first) = hex(text, at + 2) else {
        return Err(if text.len() < at + 6 { ended(text.len()) } else { malformed(at) });
    };
    let (code, end) = match first {
        0xd800..0xdc00 if text.get(at + 6..at + 8) == Some(b"\\u") => match hex(text, at + 8) {
            Some(second @ 0xdc00..0xe000) => {
                (0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00), at + 12)
            }
            _ => (first, at),
        },
        _ => (first, at + 6),
    };
    let one = char::from_u32(code).ok_or_else(|| malformed(at))?;
    out.extend_from_slice(one.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(end)
}

/// Four hexadecimal digits.
pub(super) fn hex(text: &[u8], at: usize) -> Option<u32> {
    let digits = text.get(at..at + 4)?;
    let mut code = 0;
    for digit in digits {
        code = code << 4 | char::from(*digit).to_digit(16)?;
    }
    Some(code)
}
