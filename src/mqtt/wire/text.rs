//! Strings and integers of the protocol; strings are borrowed from the buffer.

use super::Violation;

/// Takes a two-byte integer from the front.
pub(super) fn read_u16(rest: &mut &[u8]) -> Result<u16, Violation> {
    let (bytes, after) = rest.split_first_chunk::<2>().ok_or(Violation::Malformed)?;
    *rest = after;
    Ok(u16::from_be_bytes(*bytes))
}

/// Takes bytes with a two-byte length from the front.
pub(super) fn read_binary<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Violation> {
    let len = usize::from(read_u16(rest)?);
    let (bytes, after) = rest.split_at_checked(len).ok_or(Violation::Malformed)?;
    *rest = after;
    Ok(bytes)
}

/// Takes a string from the front.
pub(super) fn read_string<'a>(rest: &mut &'a [u8]) -> Result<&'a str, Violation> {
    utf8(read_binary(rest)?)
}

/// Takes a variable byte integer from the front.
pub(super) fn read_varint(rest: &mut &[u8]) -> Result<u32, Violation> {
    let mut value = 0;
    for shift in [0, 7, 14, 21] {
        let (&byte, after) = rest.split_first().ok_or(Violation::Malformed)?;
        *rest = after;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            // [MQTT-1.5.5-1]: as few bytes as can be.
            return if byte == 0 && shift > 0 { Err(Violation::Malformed) } else { Ok(value) };
        }
    }
    Err(Violation::Malformed)
}

/// Appends bytes after their two-byte length; the caller has bounded them to 65,535.
pub(super) fn write_binary(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = u16::try_from(bytes.len()).expect("bounded by who wrote the topic or name");
    out.extend(len.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// The bytes as text, without control characters.
///
/// NUL must close the connection ([MQTT-1.5.4-2]); the specification lets the server decide about
/// other control characters and non-characters, and no proper client sends them.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Violation> {
    let text = std::str::from_utf8(bytes).map_err(|_| Violation::Malformed)?;
    let printable = bytes.iter().all(|byte| (0x20..0x7f).contains(byte))
        || text.chars().all(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}'));
    if printable { Ok(text) } else { Err(Violation::Malformed) }
}

/// The number of levels of a topic.
pub(crate) fn level_count(topic: &str) -> usize {
    1 + topic.bytes().filter(|byte| *byte == b'/').count()
}
