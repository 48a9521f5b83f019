//! Names what is wrong with text that is not JSON: the usual mistakes of devices.

use super::reader::hex;

/// What follows the one value of a payload.
pub(super) fn after(rest: &[u8]) -> &'static str {
    match rest {
        [0, ..] => "a NUL byte follows the JSON text",
        [b'{' | b'[' | b'"' | b'0'..=b'9' | b'-', ..] => {
            "a second value follows the JSON text (a message is one)"
        }
        [b',', ..] => "a comma follows the JSON text",
        [b'}' | b']', ..] => "a bracket closes that was not opened",
        _ => "something follows the JSON text",
    }
}

/// The known mistake at a byte of a text, if it is one.
pub(super) fn at_byte(text: &[u8], at: usize) -> Option<String> {
    let is_utf16 = || at == 1 && text.get(1) == Some(&0);
    if let Some(what) = of_start(text).filter(|_| at == 0 || is_utf16()) {
        return Some(what.to_owned());
    }
    let rest = text.get(at..).unwrap_or_default();
    if let Some(word) = WORDS.iter().find(|word| rest.starts_with(word.as_bytes())) {
        return Some(format!("`{word}` is no JSON value"));
    }
    let what = match rest {
        [0, ..] => "a NUL byte stands in the JSON text",
        [b'}' | b']', ..] if last_byte(text, at) == Some(b',') => {
            "a comma stands before the closing bracket"
        }
        [b'}' | b']' | b',', ..] if is_in_number(text, at) => "a number ends in its middle",
        [b'}' | b']', ..] => "a bracket closes where a value is expected",
        [b',', ..] => "a comma stands where a value is expected",
        [b'\'', ..] => "a single quote: JSON has double ones",
        [b'/', b'/' | b'*', ..] | [b'#', ..] => "a comment, which JSON has not",
        [b'\\', b'u', ..] if hex(text, at + 2).is_some_and(is_surrogate) => "half a surrogate pair",
        [b'\\', ..] => "an escape that JSON has not",
        [b'+', ..] => "a number begins with a plus",
        [b'-', ..] if last_byte(text, at) == Some(b'-') => "a number has two signs",
        [b'0'..=b'9', ..] if last_byte(text, at) == Some(b',') && is_after_digit(text, at) => {
            "a comma in a number: JSON has a point (or a name is missing)"
        }
        [b'0'..=b'9' | b'"' | b'{' | b'[', ..] if last_byte(text, at) == Some(b'"') => {
            "a colon is missing"
        }
        [b';', ..] => "a semicolon where a comma is expected",
        [0xe2, 0x80, 0x98..=0x9f, ..] => "a typographic quote: JSON has straight ones",
        [b'.', ..] if !follows_digit(text, at) => "a number begins with its point",
        [b'0'..=b'9', ..] if last_byte(text, at) == Some(b'0') => "a number begins with a zero",
        [b'.' | b'x' | b'X', ..] if follows_digit(text, at) => {
            "a number that JSON has not: only decimal digits, one point, one exponent"
        }
        [b'\n' | b'\r' | b'\t', ..] => {
            "a line break or a TAB stands unescaped in a text, or its closing quote is missing"
        }
        [1..0x20, ..] => "a control character stands unescaped in a text",
        [b'"', ..] if is_value_end(last_byte(text, at)) => "a comma is missing",
        [b'=', ..] => "an equals sign where a colon is expected",
        [b'a'..=b'z' | b'A'..=b'Z' | b'_', ..] => "a word without quotes",
        _ => return None,
    };
    Some(what.to_owned())
}

/// Words that other languages print for values.
const WORDS: [&str; 11] = [
    "NaN",
    "nan",
    "Infinity",
    "-Infinity",
    "inf",
    "-inf",
    "None",
    "True",
    "False",
    "undefined",
    "nil",
];

/// What is wrong with the first bytes of a payload.
pub(super) fn of_start(text: &[u8]) -> Option<&'static str> {
    Some(match text {
        [0xef, 0xbb, 0xbf, ..] => "begins with a byte order mark (send the text without it)",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, b'{' | b'[', ..] | [b'{' | b'[', 0, ..] => {
            "is UTF-16 (JSON payloads are UTF-8)"
        }
        [0x1f, 0x8b, ..] => "is gzip (send it uncompressed)",
        [0, ..] => "begins with a NUL byte",
        _ => return None,
    })
}

/// Whether a code is half of a pair.
fn is_surrogate(code: u32) -> bool {
    (0xd800..0xe000).contains(&code)
}

/// The last byte before `at` that is not white space.
fn last_byte(text: &[u8], at: usize) -> Option<u8> {
    text.get(..at)?.iter().rev().copied().find(|byte| !byte.is_ascii_whitespace())
}

/// Whether `at` directly follows the sign, the point or the exponent of an unfinished number.
fn is_in_number(text: &[u8], at: usize) -> bool {
    match text[..at].last() {
        Some(b'-' | b'.' | b'+') => true,
        Some(b'e' | b'E') => at >= 2 && text[at - 2].is_ascii_digit(),
        _ => false,
    }
}

/// Whether a digit precedes the comma before `at`.
fn is_after_digit(text: &[u8], at: usize) -> bool {
    at >= 2 && text[at - 1] == b',' && text[at - 2].is_ascii_digit()
}

/// Whether a digit precedes `at` directly.
fn follows_digit(text: &[u8], at: usize) -> bool {
    text[..at].last().is_some_and(u8::is_ascii_digit)
}

/// Whether a value may end with this byte.
fn is_value_end(byte: Option<u8>) -> bool {
    matches!(byte, Some(b'"' | b'}' | b']' | b'0'..=b'9' | b'e' | b'l'))
}
