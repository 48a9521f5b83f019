//! Parses one line without a copy.

use std::ops::Range;

use crate::{
    model::{Cause, line::is_separator},
    uplink::{
        DecodeError, Limits,
        key_table::{COMPARED_MAX, KeyTable},
    },
};

/// The parts of one line, as ranges of the payload. Reused: the lists are cleared, not freed.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) measurement: Range<usize>,
    /// Keys and values, still escaped.
    pub(super) tags: Vec<Pair>,
    /// Keys and values, still escaped.
    pub(super) fields: Vec<Pair>,
    /// The keys of a line that has many.
    keys: KeyTable,
    /// Comparisons of keys, of all lines so far.
    pub(super) steps: usize,
    /// The time and its offset in the payload.
    pub(super) time: Option<(i64, usize)>,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) key: Range<usize>,
    pub(super) value: Range<usize>,
    pub(super) form: Form,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it was sent.
    AsSent,
    /// An unsigned integer, whose suffix depends on the dialect.
    Unsigned,
    /// A float such as `1.` and `.5`, which not every database reads.
    IncompleteFloat,
}

/// Parses a payload line by line.
#[derive(Debug)]
pub(super) struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    fields_max: usize,
    tags_max: usize,
}

/// Which part of a line a text outside of quotes is; this decides what ends it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Measurement,
    TagKey,
    TagValue,
    FieldKey,
}

impl<'a> Parser<'a> {
    pub(super) const fn new(text: &'a [u8], limits: &Limits) -> Self {
        let (fields_max, tags_max) = (limits.fields_max as usize, limits.tags_max as usize);
        Self { text, at: 0, fields_max, tags_max }
    }

    /// Parses the next line; false at the end of the payload.
    ///
    /// # Errors
    /// What is wrong, and at which byte.
    pub(super) fn next(&mut self, parts: &mut Parts) -> Result<bool, DecodeError> {
        if !self.skip_empty() {
            return Ok(false);
        }
        parts.tags.clear();
        parts.fields.clear();
        parts.time = None;
        parts.measurement = self.word(Part::Measurement)?;
        while self.take(b',') {
            let key = self.word(Part::TagKey)?;
            self.expect(b'=', "a tag has no value")?;
            let value = self.word(Part::TagValue)?;
            if parts.tags.len() >= self.tags_max {
                let what = "a line has more tags than the bound";
                return Err(DecodeError::new(Cause::TooManyTags, what).at(key.start));
            }
            parts.tags.push(Pair { key, value, form: Form::AsSent });
        }
        self.spaces("the fields are missing")?;
        loop {
            let key = self.word(Part::FieldKey)?;
            self.expect(b'=', "a field has no value")?;
            let (value, form) = self.value()?;
            if parts.fields.len() >= self.fields_max {
                let what = "a line has more fields than the bound";
                return Err(DecodeError::new(Cause::TooManyFields, what).at(key.start));
            }
            parts.fields.push(Pair { key, value, form });
            if !self.take(b',') {
                break;
            }
        }
        self.end(parts)?;
        self.check_keys(parts)?;
        Ok(true)
    }

    /// Skips blank lines and comments; false at the end.
    fn skip_empty(&mut self) -> bool {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                b'#' => {
                    let rest = &self.text[self.at..];
                    let len = rest.iter().position(|byte| *byte == b'\n');
                    self.at += len.unwrap_or(rest.len());
                }
                _ => return true,
            }
        }
        false
    }

    /// Reads a measurement, a key or a tag's value.
    fn word(&mut self, part: Part) -> Result<Range<usize>, DecodeError> {
        let start = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' if self.is_separator(self.at + 1) => {
                    if self.at > start && self.text[self.at - 1] == b'\\' {
                        let what = "two backslashes before `,`, `=` or a space are ambiguous";
                        return Err(self.malformed(what));
                    }
                    self.at += 2;
                }
                b' ' | b'\n' | b'\r' | b',' => break,
                // `=` ends a key, is an error in a value, and may be part of a measurement.
                b'=' if part != Part::Measurement => break,
                // InfluxDB 3 ends a word at a tab, and then refuses the line.
                b'\t' | 0 => return Err(self.unwritable(part)),
                _ => self.at += 1,
            }
        }
        if self.at == start {
            return Err(self.malformed(match part {
                Part::Measurement => "the measurement is missing",
                Part::TagKey => "a tag has no key",
                Part::TagValue => "a tag has no value",
                Part::FieldKey => "a field has no key",
            }));
        }
        if part == Part::TagValue && self.peek() == Some(b'=') {
            return Err(self.malformed("a tag's value holds `=` without a backslash"));
        }
        if matches!(self.peek(), Some(b'\r')) && self.text.get(self.at + 1) != Some(&b'\n') {
            return Err(self.unwritable(part));
        }
        Ok(start..self.at)
    }

    /// Reads a field's value.
    fn value(&mut self) -> Result<(Range<usize>, Form), DecodeError> {
        let start = self.at;
        if self.peek() == Some(b'"') {
            return Ok((self.string()?, Form::AsSent));
        }
        while let Some(byte) = self.peek() {
            if matches!(byte, b',' | b' ' | b'\n' | b'\r') {
                break;
            }
            self.at += 1;
        }
        let text = str::from_utf8(&self.text[start..self.at]).unwrap_or_default();
        let (digits, suffix) = text.split_at(text.len().saturating_sub(1));
        let (form, error) = match suffix {
            "i" => (Form::AsSent, check_digits(digits, digits.parse::<i64>().is_ok())),
            "u" if digits.starts_with('-') => (Form::Unsigned, Some(MALFORMED_VALUE)),
            "u" => (Form::Unsigned, check_digits(digits, digits.parse::<u64>().is_ok())),
            _ if is_boolean(text) => (Form::AsSent, None),
            _ if is_float(text) && is_incomplete_float(text) => (Form::IncompleteFloat, None),
            _ if is_float(text) => (Form::AsSent, None),
            _ => (Form::AsSent, Some(MALFORMED_VALUE)),
        };
        match error {
            None => Ok((start..self.at, form)),
            Some((cause, what)) => Err(DecodeError::new(cause, what).at(start)),
        }
    }

    /// Reads a string in quotes.
    fn string(&mut self) -> Result<Range<usize>, DecodeError> {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'"' => return Ok(start..self.at),
                b'\\' => self.at += 1,
                _ => {}
            }
        }
        let what = "a string does not end";
        Err(DecodeError::new(Cause::PayloadTruncated, what).at(start))
    }

    /// Reads what follows the fields: spaces, a time, the line's end.
    fn end(&mut self, parts: &mut Parts) -> Result<(), DecodeError> {
        self.skip_spaces();
        let start = self.at;
        while matches!(self.peek(), Some(b'-' | b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > start {
            let digits = str::from_utf8(&self.text[start..self.at]).unwrap_or_default();
            let Ok(time) = digits.parse() else {
                let what = "the time is no number of nanoseconds in 64 bits";
                return Err(DecodeError::new(Cause::TimeInvalid, what).at(start));
            };
            if self.text[start - 1] != b' ' {
                return Err(self.malformed("a value is followed by something"));
            }
            parts.time = Some((time, start));
            self.skip_spaces();
        }
        if self.peek() == Some(b'\r') {
            self.at += 1;
            if self.peek().is_some_and(|byte| byte != b'\n') {
                return Err(self.malformed("a CR is not followed by LF"));
            }
        }
        match self.peek() {
            None => Ok(()),
            Some(b'\n') => {
                self.at += 1;
                Ok(())
            }
            Some(_) => Err(self.malformed("the line goes on after its end")),
        }
    }

    /// Checks that no key occurs twice, because databases do not agree on which one counts, and
    /// that no key is `time`.
    fn check_keys(&self, parts: &mut Parts) -> Result<(), DecodeError> {
        let Parts { tags, fields, keys: table, steps, .. } = parts;
        let keys = tags.iter().chain(&*fields).map(|pair| &pair.key);
        if let Some(key) = keys.clone().find(|key| self.text[(*key).clone()] == *b"time") {
            let what = "a key is `time`, which stores keep for the timestamp";
            return Err(DecodeError::new(Cause::PayloadMalformed, what).at(key.start));
        }
        let count = tags.len() + fields.len();
        let twice = if count <= COMPARED_MAX as usize {
            *steps += count * count.saturating_sub(1) / 2;
            self.repeated_by_comparison(keys)
        } else {
            *steps += count;
            self.repeated_by_hash(tags, fields, table)
        };
        let Some(at) = twice else { return Ok(()) };
        Err(DecodeError::new(Cause::PayloadMalformed, "a key comes twice in a line").at(at))
    }

    /// The offset of a key that occurs twice, found by comparing each key with each other.
    fn repeated_by_comparison<'k>(
        &self,
        mut keys: impl Iterator<Item = &'k Range<usize>> + Clone,
    ) -> Option<usize> {
        while let Some(key) = keys.next() {
            let text = &self.text[key.clone()];
            if keys.clone().any(|other| self.text[other.clone()] == *text) {
                return Some(key.start);
            }
        }
        None
    }

    /// The same for many keys, by their hashes.
    fn repeated_by_hash(
        &self,
        tags: &[Pair],
        fields: &[Pair],
        table: &mut KeyTable,
    ) -> Option<usize> {
        table.clear();
        let range = |index: usize| match index.checked_sub(tags.len()) {
            None => tags[index].key.clone(),
            Some(index) => fields[index].key.clone(),
        };
        for index in 0..tags.len() + fields.len() {
            let text = &self.text[range(index)];
            let hash = table.hash(text);
            if let Some(first) = table.find(hash, |at| self.text[range(at as usize)] == *text) {
                return Some(range(first as usize).start);
            }
            // Fields and tags of a line are bounded far below 32 bits.
            table.add(hash, u32::try_from(index).ok()?);
        }
        None
    }

    /// The next byte.
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Takes a byte if it is next.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Takes a byte that must be next.
    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), DecodeError> {
        if self.take(byte) { Ok(()) } else { Err(self.malformed(what)) }
    }

    /// Takes at least one space.
    fn spaces(&mut self, what: &'static str) -> Result<(), DecodeError> {
        self.expect(b' ', what)?;
        self.skip_spaces();
        Ok(())
    }

    /// Takes any number of spaces.
    fn skip_spaces(&mut self) {
        while self.take(b' ') {}
    }

    /// Whether the byte at `at` can be escaped by a backslash.
    fn is_separator(&self, at: usize) -> bool {
        self.text.get(at).is_some_and(|byte| is_separator(*byte))
    }

    /// The error of a line that violates the grammar at the current byte.
    #[cold]
    fn malformed(&self, what: &'static str) -> DecodeError {
        DecodeError::new(Cause::PayloadMalformed, what).at(self.at)
    }

    /// The error of a byte that is not allowed outside of quotes.
    #[cold]
    fn unwritable(&self, part: Part) -> DecodeError {
        match part {
            Part::TagValue => {
                DecodeError::new(Cause::TagInvalid, "a tag holds CR, TAB or NUL").at(self.at)
            }
            Part::Measurement | Part::TagKey | Part::FieldKey => {
                self.malformed("a measurement or key holds CR, TAB or NUL")
            }
        }
    }
}

/// The error of text that is not a value.
const MALFORMED_VALUE: (Cause, &str) =
    (Cause::PayloadMalformed, "a value is no number, boolean or string");

/// What is wrong with the digits of an integer.
fn check_digits(digits: &str, fits: bool) -> Option<(Cause, &'static str)> {
    let plain = digits.strip_prefix('-').unwrap_or(digits);
    if plain.is_empty() || !plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(MALFORMED_VALUE);
    }
    (!fits).then_some((Cause::IntegerOutOfRange, "an integer does not fit 64 bits"))
}

/// Whether a text is a boolean.
fn is_boolean(text: &str) -> bool {
    matches!(text, "t" | "T" | "true" | "True" | "TRUE" | "f" | "F" | "false" | "False" | "FALSE")
}

/// Whether a float is written as all databases read it: Rust's grammar, but finite, without `+`
/// before the digits, and without words.
fn is_float(text: &str) -> bool {
    let is_plain =
        text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'-' | b'+'));
    is_plain && !text.starts_with('+') && text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Whether a digit is missing before or after a float's point.
fn is_incomplete_float(text: &str) -> bool {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let Some((before, after)) = text.split_once('.') else { return false };
    !is_digit(before.as_bytes().last()) || !is_digit(after.as_bytes().first())
}
