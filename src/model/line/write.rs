//! Writes the texts of a line: escaped names and tag values, quoted string fields.

/// The characters that end a text outside quotes, and are therefore escaped there.
const SEPARATORS: [u8; 3] = [b',', b'=', b' '];

/// The characters that end a measurement.
const MEASUREMENT_SEPARATORS: [u8; 2] = [b',', b' '];

/// The characters that are escaped inside quotes.
const QUOTED_SPECIALS: [u8; 2] = [b'"', b'\\'];

/// Whether a byte ends a text outside quotes, and is therefore escaped there.
#[inline]
#[must_use]
pub const fn is_separator(byte: u8) -> bool {
    is_among(byte, &SEPARATORS)
}

/// Whether a text can be written outside quotes so that every store reads it back unchanged.
///
/// Line protocol has no way to write a line break or a NUL there, and InfluxDB 3 ends a value at a
/// tab. A backslash before most characters stands for itself. But stores disagree about one at the
/// end, before a separator or before another backslash: InfluxDB 1 and 2 take `\\,` for a backslash
/// and an escaped comma, InfluxDB 3 for an escaped backslash and the end of the value.
#[must_use]
pub fn is_plain(text: &[u8]) -> bool {
    if !holds(text, &[b'\n', b'\r', b'\t', 0, b'\\']) {
        return true;
    }
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'\n' | b'\r' | b'\t' | 0 => return false,
            b'\\' => match rest.as_slice().first() {
                None | Some(b'\\') => return false,
                Some(next) if is_separator(*next) => return false,
                Some(_) => {}
            },
            _ => {}
        }
    }
    true
}

/// Appends a measurement, escaped. The caller has checked [`is_plain`].
pub fn push_measurement(into: &mut Vec<u8>, name: &[u8]) {
    push_escaped(into, name, &MEASUREMENT_SEPARATORS);
}

/// Appends a tag's key, a tag's value or a field's key, escaped. The caller has checked
/// [`is_plain`].
pub fn push_key(into: &mut Vec<u8>, text: &[u8]) {
    push_escaped(into, text, &SEPARATORS);
}

/// Appends a string field's value: quoted, `"` and `\` escaped, line breaks kept.
pub fn push_string(into: &mut Vec<u8>, text: &[u8]) {
    into.push(b'"');
    push_escaped(into, text, &QUOTED_SPECIALS);
    into.push(b'"');
}

/// Turns everything from `start` on into a string field's value: from the end backwards, so that
/// each byte is moved once.
pub fn quote_in_place(into: &mut Vec<u8>, start: usize) {
    let escapes = into[start..].iter().filter(|byte| is_among(**byte, &QUOTED_SPECIALS)).count();
    let mut read = into.len();
    into.resize(read + escapes + 2, b'"');
    let mut write = into.len() - 1;
    while read > start {
        read -= 1;
        write -= 1;
        let byte = into[read];
        into[write] = byte;
        if is_among(byte, &QUOTED_SPECIALS) {
            write -= 1;
            into[write] = b'\\';
        }
    }
    into[start] = b'"';
}

/// Appends a text with a backslash before each of these bytes. Most texts hold none.
#[inline]
fn push_escaped<const N: usize>(into: &mut Vec<u8>, text: &[u8], specials: &[u8; N]) {
    if !holds(text, specials) {
        return into.extend_from_slice(text);
    }
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| is_among(*byte, specials)) {
        into.extend_from_slice(&rest[..at]);
        into.extend_from_slice(&[b'\\', rest[at]]);
        rest = &rest[at + 1..];
    }
    into.extend_from_slice(rest);
}

/// Whether a text holds any of these bytes. It is examined in chunks that the processor compares
/// with one instruction; the last chunk may overlap the one before it.
#[inline]
fn holds<const N: usize>(text: &[u8], wanted: &[u8; N]) -> bool {
    if let Some(last) = text.last_chunk::<16>() {
        let (chunks, _) = text.as_chunks::<16>();
        let in_last = chunk_holds(last, wanted);
        return chunks.iter().fold(in_last, |found, chunk| found | chunk_holds(chunk, wanted));
    }
    if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk()) {
        return chunk_holds(first, wanted) || chunk_holds::<8, N>(last, wanted);
    }
    text.iter().any(|byte| is_among(*byte, wanted))
}

/// The same for one chunk, without branches.
#[inline]
fn chunk_holds<const M: usize, const N: usize>(chunk: &[u8; M], wanted: &[u8; N]) -> bool {
    chunk.iter().fold(false, |found, byte| found | is_among(*byte, wanted))
}

/// Whether a byte is one of these. Plain comparisons, which the compiler can vectorize; a table or
/// a bit mask would examine one byte at a time.
#[inline]
const fn is_among<const N: usize>(byte: u8, wanted: &[u8; N]) -> bool {
    let (mut found, mut at) = (false, 0);
    while at < N {
        found |= byte == wanted[at];
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::line::{FieldValue, fields, measurement, tag};

    proptest! {
        /// What one half of this module writes, the other half reads back.
        #[test]
        fn every_text_that_can_be_written_is_read_back(
            name in "[a,= \\\\\"é]{1,12}",
            text in "[a,= \\\\\"\né]{0,12}",
        ) {
            prop_assume!(is_plain(name.as_bytes()));
            let mut line = Vec::new();
            push_measurement(&mut line, name.as_bytes());
            line.push(b',');
            push_key(&mut line, name.as_bytes());
            line.push(b'=');
            push_key(&mut line, name.as_bytes());
            line.extend_from_slice(b" f=");
            push_string(&mut line, text.as_bytes());
            line.extend_from_slice(b",g=");
            let start = line.len();
            line.extend_from_slice(text.as_bytes());
            quote_in_place(&mut line, start);
            line.extend_from_slice(b" 5\n");
            prop_assert_eq!(measurement(&line), name.clone());
            prop_assert_eq!(tag(&line, &name), Some(name));
            let mut fields = fields(&line);
            for (_, written) in fields.by_ref() {
                let read = FieldValue::read(written);
                prop_assert_eq!(read, Some(FieldValue::String(text.as_str().into())));
            }
            prop_assert_eq!(fields.time(), Some(5));
        }
    }
}
