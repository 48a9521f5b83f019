//! The fixed header: whether a whole packet is in the buffer, and its type.

use thiserror::Error;

use super::Violation;

/// The packets that a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Connect,
    /// With its flags: DUP, QoS, RETAIN.
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

/// The packets that a server may send to a client that publishes and subscribes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerKind {
    ConnAck,
    PubAck,
    PubRec,
    PubComp,
    /// With its flags.
    Publish(u8),
    PubRel,
    SubAck,
    PingResp,
    Disconnect,
}

/// One whole packet at the start of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<K = Kind> {
    pub(crate) kind: K,
    /// Bytes of the fixed header.
    pub(crate) header: usize,
    /// Bytes of the whole packet, including the fixed header.
    pub(crate) len: usize,
}

/// Why the bytes cannot be a packet from the peer.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// The length has five bytes, so that no packet boundary can be found any more, or it is
    /// impossible for the packet type.
    #[error("a packet length that cannot be")]
    Length,
    /// A packet type or flags that the peer may not send.
    #[error(transparent)]
    Packet(#[from] Violation),
    /// Longer than the bound.
    #[error("a packet that is longer than allowed")]
    TooLarge,
}

/// A PINGREQ, which keeps an idle connection alive.
pub(crate) const PINGREQ: [u8; 2] = [0xc0, 0];

/// Looks for a client's packet at the start of the buffer; `None` until a whole one is there.
///
/// The type is checked before the length, and the length before the rest arrives, so that a peer
/// costs no more memory than it has sent.
pub(crate) fn peek(buffer: &[u8], packet_max: usize) -> Result<Option<Frame>, FrameError> {
    peek_kind(buffer, packet_max, kind)
}

/// As [`peek`], for a server's packet.
pub(crate) fn peek_server(
    buffer: &[u8],
    packet_max: usize,
) -> Result<Option<Frame<ServerKind>>, FrameError> {
    peek_kind(buffer, packet_max, server_kind)
}

#[inline]
fn peek_kind<K>(
    buffer: &[u8],
    packet_max: usize,
    kind: impl Fn(u8) -> Result<K, FrameError>,
) -> Result<Option<Frame<K>>, FrameError> {
    let Some((&first, rest)) = buffer.split_first() else {
        return Ok(None);
    };
    if first >> 4 == 0 {
        return Err(FrameError::Packet(Violation::Protocol)); // 2.1.2: forbidden.
    }
    let mut remaining = 0_usize;
    for (index, &byte) in rest.iter().take(4).enumerate() {
        remaining |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            // Neither PINGREQ nor PINGRESP has a body.
            if matches!(first, 0xc0 | 0xd0) && remaining > 0 {
                return Err(FrameError::Length);
            }
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
        // In 3.1 its flags have no meaning.
        1 => Ok(Kind::Connect),
        3 => publish(flags),
        4 => expected(0, Kind::PubAck),
        5 => expected(0, Kind::PubRec),
        6 => expected(2, Kind::PubRel),
        7 => expected(0, Kind::PubComp),
        8 => expected(2, Kind::Subscribe),
        10 => expected(2, Kind::Unsubscribe),
        12 => expected(0, Kind::PingReq),
        14 => expected(0, Kind::Disconnect),
        // Not used without enhanced authentication; its flags do not matter.
        15 => Ok(Kind::Auth),
        2 => Err(FrameError::Packet(Violation::Protocol)),
        // CONNACK, SUBACK, UNSUBACK, PINGRESP: only a server sends these.
        _ => expected(0, Kind::PingReq).and(Err(FrameError::Packet(Violation::Protocol))),
    }
}

fn server_kind(first: u8) -> Result<ServerKind, FrameError> {
    Ok(match first {
        0x30..=0x3f => match publish(first & 0x0f)? {
            Kind::Publish(flags) => ServerKind::Publish(flags),
            _ => return Err(FrameError::Packet(Violation::Malformed)),
        },
        0x62 => ServerKind::PubRel,
        0x90 => ServerKind::SubAck,
        0x20 => ServerKind::ConnAck,
        0x40 => ServerKind::PubAck,
        0x50 => ServerKind::PubRec,
        0x70 => ServerKind::PubComp,
        0xd0 => ServerKind::PingResp,
        0xe0 => ServerKind::Disconnect,
        _ => return Err(FrameError::Packet(Violation::Protocol)),
    })
}

/// Appends a fixed header.
pub(super) fn write_header(out: &mut Vec<u8>, first: u8, len: usize) {
    out.push(first);
    write_varint(out, len);
}

/// Appends a variable byte integer; packets are bounded far below the maximum of its four bytes.
pub(super) fn write_varint(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = u8::try_from(value & 0x7f).expect("seven bits");
        value >>= 7;
        out.push(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return;
        }
    }
}

/// Bytes of a variable byte integer.
pub(super) fn varint_len(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

fn publish(flags: u8) -> Result<Kind, FrameError> {
    let (duplicate, qos) = (flags & 0x08 != 0, (flags >> 1) & 0x03);
    if qos == 3 || (qos == 0 && duplicate) {
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
    fn a_packet_is_complete_when_its_last_byte_has_arrived() {
        check(&[], Ok(None));
        check(&[0xc0], Ok(None));
        check(&[0xc0, 0], Ok(Some((Kind::PingReq, 2))));
        check(&[0x30, 2, 0], Ok(None));
        check(&[0x30, 2, 0, 0, 9], Ok(Some((Kind::Publish(0), 4))));
    }

    #[test]
    fn a_client_recognises_the_packets_of_a_server() {
        let check = |bytes: &[u8], expect| {
            let found = peek_server(bytes, 100);
            assert_eq!(found.map(|frame| frame.map(|frame| frame.kind)), expect, "{bytes:02x?}");
        };
        check(&[0x20, 2, 0, 0], Ok(Some(ServerKind::ConnAck)));
        check(&[0x40, 2, 0], Ok(None));
        check(&[0xd0, 0, 0x40], Ok(Some(ServerKind::PingResp)));
        check(&[0x3a, 0], Ok(Some(ServerKind::Publish(0x0a))));
        check(&[0x36, 0], Err(FrameError::Packet(Violation::Malformed)));
        check(&[0x90, 0], Ok(Some(ServerKind::SubAck)));
        check(&[0xb0, 0], Err(FrameError::Packet(Violation::Protocol)));
        check(&[0x40, 0xff, 0x7f], Err(FrameError::TooLarge));
        check(&[0x40, 0xff, 0xff, 0xff, 0xff, 1], Err(FrameError::Length));
    }

    #[test]
    fn packets_that_no_client_may_send_are_refused_before_they_are_complete() {
        check(&[0x20, 0x7f], Err(FrameError::Packet(Violation::Protocol)));
        check(&[0x00], Err(FrameError::Packet(Violation::Protocol)));
        check(&[0x21, 0x7f], Err(FrameError::Packet(Violation::Protocol)));
        check(&[0x91, 0x7f], Err(FrameError::Packet(Violation::Malformed)));
        check(&[0xc0, 1], Err(FrameError::Length));
        check(&[0xc1, 0], Err(FrameError::Packet(Violation::Malformed)));
        check(&[0x36, 9], Err(FrameError::Packet(Violation::Malformed)));
        check(&[0x38, 9], Err(FrameError::Packet(Violation::Malformed)));
        check(&[0x30, 0x80, 0x80, 0x80, 0x80], Err(FrameError::Length));
        check(&[0x30, 0xff, 0xff, 0xff, 0x7f], Err(FrameError::TooLarge));
        check(&[0x30, 99], Err(FrameError::TooLarge));
        check(&[0x30, 98], Ok(None));
    }
}
