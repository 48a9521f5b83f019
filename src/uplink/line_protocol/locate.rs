//! Locates an error in a payload of lines: which line, which field, which value.

use std::ops::Range;

use crate::uplink::trouble::shown;

/// The location of a byte of the payload.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Location {
    /// Number of the line, from 1; 0 if unknown.
    line: usize,
    /// The key whose value begins there.
    key: Option<String>,
    /// The value that begins there; the line if no value does.
    value: Option<String>,
}

impl Location {
    /// The beginning of a sentence about the location.
    pub(crate) fn subject(&self) -> String {
        match (self.line, &self.key) {
            (0, _) => String::new(),
            (line, None) => format!("line {line}: "),
            (line, Some(key)) => format!("line {line}: `{key}`: "),
        }
    }

    /// The value or line at the location.
    pub(crate) fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }
}

/// Locates a byte.
#[cold]
pub(crate) fn at(payload: &[u8], offset: usize) -> Location {
    let (before, rest) = payload.split_at(offset.min(payload.len()));
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let (key, value) = match key_before(&payload[start..offset.min(payload.len())]) {
        Some(key) => (Some(shown(&payload[start + key.start..start + key.end])), word(rest)),
        None => (None, &payload[start..]),
    };
    let end = value.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    let value = &value[..end.unwrap_or(value.len())];
    let is_text = str::from_utf8(value).is_ok() && !value.is_empty();
    Location { line, key, value: is_text.then(|| shown(value)) }
}

/// The key before the `=` at the end of a part of a line.
fn key_before(line: &[u8]) -> Option<Range<usize>> {
    let end = line.len().checked_sub(1).filter(|end| line[*end] == b'=')?;
    let is_escaped = |at: usize| at > 0 && line[at - 1] == b'\\';
    let mut starts =
        (0..end).rev().filter(|at| matches!(line[*at], b',' | b' ') && !is_escaped(*at));
    let start = starts.next().map_or(0, |at| at + 1);
    Some(start..end)
}

/// A value up to the byte that ends it; a string up to the line's end, because its end is missing.
fn word(rest: &[u8]) -> &[u8] {
    let is_end = |byte: &u8| matches!(byte, b',' | b' ' | b'\n' | b'\r');
    let end = if rest.first() == Some(&b'"') { None } else { rest.iter().position(is_end) };
    &rest[..end.unwrap_or(rest.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_located_by_its_line_and_its_key() {
        let payload = b"m a=1\nm,t\\ x=v a\\,b=1i2,c=2 5\nbad line";
        let told = |offset| {
            let place = at(payload, offset);
            format!("{}{}", place.subject(), place.value().unwrap_or_default())
        };
        assert_eq!(told(4), "line 1: `a`: 1");
        assert_eq!(told(20), "line 2: `a\\\\,b`: 1i2");
        assert_eq!(told(13), "line 2: `t\\\\ x`: v");
        assert_eq!(told(35), "line 3: bad line");
        assert_eq!(told(400), "line 3: bad line");
        assert_eq!(at(b"", 0), Location { line: 1, key: None, value: None });
        assert_eq!(at(b"\xff", 0).value(), None);
    }
}
