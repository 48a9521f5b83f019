//! MQTT packets as the benchmarks' own clients and bare loops need them, by hand, so that what
//! measures shares no code with what is measured.

/// How long the head and the body of the first packet are.
pub(crate) fn frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for idx in 1..5 {
        let byte = *bytes.get(idx)?;
        length |= usize::from(byte & 0x7f) << (7 * (idx - 1));
        if byte & 0x80 == 0 {
            return Some((idx + 1, length));
        }
    }
    None
}

/// Takes the first packet off: its first byte and its body, and what is behind it.
pub(crate) fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (head, length) = frame(bytes)?;
    let body = bytes.get(head..head + length)?;
    Some((bytes[0], body, &bytes[head + length..]))
}

/// A text with its length in front, and what is behind it.
pub(crate) fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(number(bytes)?);
    Some((bytes.get(2..2 + length)?, &bytes[2 + length..]))
}

/// A number of two bytes.
pub(crate) fn number(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]))
}

/// A packet with that first byte.
pub(crate) fn write(out: &mut Vec<u8>, first: u8, body: &[&[u8]]) {
    out.push(first);
    let mut length = body.iter().map(|part| part.len()).sum::<usize>();
    loop {
        let low = u8::try_from(length % 128).unwrap_or(0);
        length /= 128;
        out.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    for part in body {
        out.extend_from_slice(part);
    }
}

/// A text with its length in front.
pub(crate) fn with_length(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}
