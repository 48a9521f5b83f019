//! Values → text, appended to a reused buffer. Text that needs escapes in a line is written by
//! [`crate::model::line`], floats by [`super::float`].

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::model::{Cause, LineDialect};

/// Appends the digits of an integer.
pub(crate) fn push_digits(into: &mut Vec<u8>, value: impl itoa::Integer) {
    into.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends an integer field's value.
pub(crate) fn push_integer(into: &mut Vec<u8>, value: i64) {
    push_digits(into, value);
    into.push(b'i');
}

/// Appends an unsigned field's value.
///
/// # Errors
/// [`Cause::IntegerOutOfRange`] if the dialect has no unsigned integers and the value is above
/// `i64::MAX`.
pub(crate) fn push_unsigned(
    into: &mut Vec<u8>,
    value: u64,
    dialect: LineDialect,
) -> Result<(), Cause> {
    let suffix = match dialect {
        LineDialect::Unsigned => b'u',
        LineDialect::Signed if i64::try_from(value).is_ok() => b'i',
        LineDialect::Signed => return Err(Cause::IntegerOutOfRange),
    };
    push_digits(into, value);
    into.push(suffix);
    Ok(())
}

/// Appends a boolean field's value.
pub(crate) fn push_boolean(into: &mut Vec<u8>, value: bool) {
    into.push(if value { b't' } else { b'f' });
}

/// Appends bytes as base64, without quotes: nothing in it needs an escape.
pub(crate) fn push_base64(into: &mut Vec<u8>, bytes: &[u8]) {
    let start = into.len();
    // Four characters for each three bytes, the last group padded.
    into.resize(start + bytes.len().div_ceil(3) * 4, b'=');
    let written = STANDARD.encode_slice(bytes, &mut into[start..]);
    debug_assert_eq!(written, Ok(into.len() - start), "the room is exact");
}

/// Appends a JSON string.
pub(crate) fn push_json_string(into: &mut Vec<u8>, text: &[u8]) {
    into.push(b'"');
    for byte in text {
        match byte {
            b'"' | b'\\' => into.extend_from_slice(&[b'\\', *byte]),
            b'\n' => into.extend_from_slice(b"\\n"),
            b'\r' => into.extend_from_slice(b"\\r"),
            b'\t' => into.extend_from_slice(b"\\t"),
            0..0x20 => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let digits = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
                into.extend_from_slice(b"\\u00");
                into.extend_from_slice(&digits);
            }
            _ => into.push(*byte),
        }
    }
    into.push(b'"');
}
