//! The fixed header: whether a whole packet is buffered, and of which kind.

use super::Violation;

/// The packets that a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) enum Kind {
    Connect,
    /// With its flags: duplicate, quality of service, retain.
    Publish(u8),
    PubAck,
    PubRec,
    PubRel,
    PubComp,
    Subscribe,
    Unsubscribe,
    PingReq,
    Disconnect,
    Auth,
}

/// One whole packet at the start of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) struct Frame {
    pub(in crate::mqtt) kind: Kind,
    /// Bytes of the fixed header.
    pub(in crate::mqtt) header: usize,
    /// Bytes of the whole packet, the fixed header included.
    pub(in crate::mqtt) len: usize,
}

/// Why the bytes cannot be a packet from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) enum FrameError {
    /// The length has five bytes: no packet boundary can be found any more.
    Length,
    /// A packet type or flags that a client may not send.
    Packet(Violation),
    /// Longer than the bound.
    TooLarge,
}

/// Looks at the start of the buffer; `None` until a whole packet is there.
///
/// The type is judged before the length, and the length before any of it is waited for, so that a
/// peer that never sends a packet costs no more than it has sent.
pub(in crate::mqtt) fn peek(buffer: &[u8], packet_max: usize) -> Result<Option<Frame>, FrameError> {
    let Some((&first, rest)) = buffer.split_first() else {
        return Ok(None);
    };
    let mut remaining = 0_usize;
    for (index, &byte) in rest.iter().take(4).enumerate() {
        remaining |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let kind = kind(first)?;
            let header = index + 2;
            let len = header + remaining;
            if len > packet_max {
                return Err(FrameError::TooLarge);
            }
            return Ok((buffer.len() >= len).then_some(Frame { kind, header, len }));
        }
    }
    if rest.len() >= 4 {
        return Err(FrameError::Length);
    }
    Ok(None)
}

fn kind(first: u8) -> Result<Kind, FrameError> {
    let (packet, flags) = (first >> 4, first & 0x0f);
    let expected = |wanted: u8, kind: Kind| {
        if flags == wanted { Ok(kind) } else { Err(FrameError::Packet(Violation::Malformed)) }
    };
    match packet {
        1 => expected(0, Kind::Connect),
        3 => publish(flags),
        4 => expected(0, Kind::PubAck),
        5 => expected(0, Kind::PubRec),
        6 => expected(2, Kind::PubRel),
        7 => expected(0, Kind::PubComp),
        8 => expected(2, Kind::Subscribe),
        10 => expected(2, Kind::Unsubscribe),
        12 => expected(0, Kind::PingReq),
        14 => expected(0, Kind::Disconnect),
        15 => expected(0, Kind::Auth),
        0 => Err(FrameError::Packet(Violation::Malformed)),
        // CONNACK, SUBACK, UNSUBACK, PINGRESP: only a server sends these.
        _ => Err(FrameError::Packet(Violation::Protocol)),
    }
}

fn publish(flags: u8) -> Result<Kind, FrameError> {
    let (duplicate, quality) = (flags & 0x08 != 0, (flags >> 1) & 0x03);
    if quality == 3 || (quality == 0 && duplicate) {
        return Err(FrameError::Packet(Violation::Malformed));
    }
    Ok(Kind::Publish(flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expect: Result<Option<(Kind, usize)>, FrameError>) {
        let found = peek(bytes, 100).map(|frame| frame.map(|frame| (frame.kind, frame.len)));
        assert_eq!(found, expect, "{bytes:02x?}");
    }

    #[test]
    fn a_packet_is_seen_when_its_last_byte_is_there() {
        check(&[], Ok(None));
        check(&[0xc0], Ok(None));
        check(&[0xc0, 0], Ok(Some((Kind::PingReq, 2))));
        check(&[0x30, 2, 0], Ok(None));
        check(&[0x30, 2, 0, 0, 9], Ok(Some((Kind::Publish(0), 4))));
    }

    #[test]
    fn what_no_client_may_send_is_refused_before_its_length_is_waited_for() {
        check(&[0x20, 0x7f], Err(FrameError::Packet(Violation::Protocol)));
        check(&[0x00, 2], Err(FrameError::Packet(Violation::Malformed)));
        check(&[0xc1, 0], Err(FrameError::Packet(Violation::Malformed)));
        check(&[0x36, 9], Err(FrameError::Packet(Violation::Malformed)));
        check(&[0x38, 9], Err(FrameError::Packet(Violation::Malformed)));
        check(&[0x30, 0x80, 0x80, 0x80, 0x80], Err(FrameError::Length));
        check(&[0x30, 0xff, 0xff, 0xff, 0x7f], Err(FrameError::TooLarge));
        check(&[0x30, 99], Err(FrameError::TooLarge));
        check(&[0x30, 98], Ok(None));
    }
}
