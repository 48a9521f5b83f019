//! The few MQTT packets that a publishing vehicle writes and reads, in 3.1.1 and 5.0.
//!
//! Only bytes: what they mean for a session is in `session.rs`. Nothing is allocated a message.

use thiserror::Error;

/// The protocol that the fleet speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V311,
    V5,
}

/// Quality of service of every publish of a run, in the specification's own words.
#[expect(clippy::enum_variant_names, reason = "so the specification names them")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Qos {
    AtMostOnce,
    AtLeastOnce,
    ExactlyOnce,
}

impl Qos {
    pub(super) fn bits(self) -> u8 {
        match self {
            Self::AtMostOnce => 0,
            Self::AtLeastOnce => 1,
            Self::ExactlyOnce => 2,
        }
    }
}

/// What a broker sent to a vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// `code` 0 is a welcome; `receive_maximum` bounds the window (65,535 where it is not said).
    Connack { code: u8, receive_maximum: u16 },
    /// `code` from 0x80 on means that the message was turned away.
    Puback { id: u16, code: u8 },
    /// As for PUBACK.
    Pubrec { id: u16, code: u8 },
    /// The end of an exactly-once exchange.
    Pubcomp { id: u16 },
    /// The answer to a PINGREQ.
    Pingresp,
    /// A 5.0 broker says goodbye and why.
    Disconnect { code: u8 },
}

/// Bytes that no broker may send to a client that only publishes.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum PacketError {
    /// A remaining length of more than four bytes, or over the bound.
    #[error("a packet of more than {PACKET_BYTES_MAX} bytes")]
    Length,
    /// A packet type that a publisher is never sent.
    #[error("an unexpected packet of type {0}")]
    Kind(u8),
    /// A packet too short for what it must hold.
    #[error("a packet of type {0} is cut short")]
    Short(u8),
}

/// Acknowledgements are a few bytes; a CONNACK with its properties is the longest that is read.
pub(super) const PACKET_BYTES_MAX: usize = 4096;

/// The first packet at the front of `bytes`, and how many bytes it takes; `None` while it is
/// incomplete.
pub(super) fn read(
    version: Version,
    bytes: &[u8],
) -> Result<Option<(Incoming, usize)>, PacketError> {
    let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
    let Some((length, length_bytes)) = varint(rest)? else { return Ok(None) };
    if length > PACKET_BYTES_MAX {
        return Err(PacketError::Length);
    }
    let Some(body) = rest.get(length_bytes..length_bytes + length) else { return Ok(None) };
    let incoming = parse(version, first >> 4, body)?;
    Ok(Some((incoming, 1 + length_bytes + length)))
}

fn parse(version: Version, kind: u8, body: &[u8]) -> Result<Incoming, PacketError> {
    let id = || match body {
        [high, low, ..] => Ok(u16::from_be_bytes([*high, *low])),
        _ => Err(PacketError::Short(kind)),
    };
    let code = body.get(2).copied().unwrap_or(0);
    match kind {
        2 => {
            let &[_, code, ..] = body else { return Err(PacketError::Short(kind)) };
            let properties = if version == Version::V5 { &body[2..] } else { &[][..] };
            let receive_maximum = receive_maximum(properties)?.unwrap_or(u16::MAX);
            Ok(Incoming::Connack { code, receive_maximum })
        }
        4 => Ok(Incoming::Puback { id: id()?, code }),
        5 => Ok(Incoming::Pubrec { id: id()?, code }),
        7 => Ok(Incoming::Pubcomp { id: id()? }),
        13 => Ok(Incoming::Pingresp),
        14 => Ok(Incoming::Disconnect { code: body.first().copied().unwrap_or(0) }),
        other => Err(PacketError::Kind(other)),
    }
}

/// Walks a CONNACK's properties for the one that bounds what may be unacknowledged.
fn receive_maximum(bytes: &[u8]) -> Result<Option<u16>, PacketError> {
    const SHORT: PacketError = PacketError::Short(2);
    if bytes.is_empty() {
        return Ok(None);
    }
    let (length, start) = varint(bytes)?.ok_or(SHORT)?;
    let mut rest = bytes.get(start..start + length).ok_or(SHORT)?;
    while let Some((&property, value)) = rest.split_first() {
        let text = |at: usize| match value.get(at..at + 2) {
            Some(&[high, low]) => Ok(at + 2 + usize::from(u16::from_be_bytes([high, low]))),
            _ => Err(SHORT),
        };
        let value_bytes = match property {
            0x21 => match value {
                &[high, low, ..] => return Ok(Some(u16::from_be_bytes([high, low]))),
                _ => return Err(SHORT),
            },
            // Maximum QoS, retain, wildcard, subscription identifiers, shared subscriptions.
            0x24 | 0x25 | 0x28 | 0x29 | 0x2a => 1,
            // Topic alias maximum, server keep alive.
            0x22 | 0x13 => 2,
            // Session expiry, maximum packet size.
            0x11 | 0x27 => 4,
            // Client id, response information, server reference, reason, authentication.
            0x12 | 0x1a | 0x1c | 0x1f | 0x15 | 0x16 => text(0)?,
            // A user property is a pair.
            0x26 => text(text(0)?)?,
            _ => return Err(PacketError::Kind(2)),
        };
        rest = value.get(value_bytes..).ok_or(SHORT)?;
    }
    Ok(None)
}

fn varint(bytes: &[u8]) -> Result<Option<(usize, usize)>, PacketError> {
    let mut value = 0;
    for (idx, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * idx);
        if byte & 0x80 == 0 {
            return Ok(Some((value, idx + 1)));
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err(PacketError::Length) }
}

/// Who connects, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hello<'a> {
    pub(super) version: Version,
    pub(super) client_id: &'a str,
    pub(super) keep_alive_secs: u16,
    pub(super) login: Option<(&'a str, &'a str)>,
}

/// A CONNECT with a clean session (3.1.1) or a clean start without expiry (5.0).
pub(super) fn write_connect(hello: Hello<'_>, into: &mut Vec<u8>) {
    let mut body = Vec::with_capacity(64);
    write_text(b"MQTT", &mut body);
    body.push(if hello.version == Version::V5 { 5 } else { 4 });
    body.push(if hello.login.is_some() { 0xc2 } else { 0x02 });
    body.extend(hello.keep_alive_secs.to_be_bytes());
    if hello.version == Version::V5 {
        body.push(0);
    }
    write_text(hello.client_id.as_bytes(), &mut body);
    if let Some((user, password)) = hello.login {
        write_text(user.as_bytes(), &mut body);
        write_text(password.as_bytes(), &mut body);
    }
    into.push(0x10);
    write_length(body.len(), into);
    into.extend_from_slice(&body);
}

/// What a PUBLISH says besides its payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Publish<'a> {
    pub(super) version: Version,
    pub(super) qos: Qos,
    /// Sent before on a connection that was lost.
    pub(super) again: bool,
    pub(super) topic: &'a [u8],
    /// Ignored at QoS 0.
    pub(super) id: u16,
    pub(super) payload_bytes: usize,
}

/// The front of a PUBLISH; `payload_bytes` bytes have to follow.
pub(super) fn write_publish(publish: Publish<'_>, into: &mut Vec<u8>) {
    let numbered = publish.qos != Qos::AtMostOnce;
    let is_v5 = publish.version == Version::V5;
    let front = 2 + publish.topic.len() + 2 * usize::from(numbered) + usize::from(is_v5);
    into.push(0x30 | (u8::from(publish.again && numbered) << 3) | (publish.qos.bits() << 1));
    write_length(front + publish.payload_bytes, into);
    write_text(publish.topic, into);
    if numbered {
        into.extend(publish.id.to_be_bytes());
    }
    if is_v5 {
        into.push(0);
    }
}

/// The second half of an exactly-once exchange.
pub(super) fn write_pubrel(id: u16, into: &mut Vec<u8>) {
    into.extend([0x62, 2]);
    into.extend(id.to_be_bytes());
}

/// Keeps a quiet connection alive.
pub(super) fn write_pingreq(into: &mut Vec<u8>) {
    into.extend([0xc0, 0]);
}

/// A clean goodbye.
pub(super) fn write_disconnect(into: &mut Vec<u8>) {
    into.extend([0xe0, 0]);
}

fn write_text(text: &[u8], into: &mut Vec<u8>) {
    let length = u16::try_from(text.len()).expect("arguments bound topics, names and passwords");
    into.extend(length.to_be_bytes());
    into.extend_from_slice(text);
}

fn write_length(mut length: usize, into: &mut Vec<u8>) {
    loop {
        let low = u8::try_from(length & 0x7f).expect("seven bits");
        length >>= 7;
        into.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publish_reads_as_the_specification_lays_it_out() {
        let publish = |version, qos, again| {
            let mut bytes = Vec::new();
            let front =
                Publish { version, qos, again, topic: b"v/a", id: 0x0102, payload_bytes: 1 };
            write_publish(front, &mut bytes);
            bytes
        };
        let (v311, v5) = (Version::V311, Version::V5);
        assert_eq!(publish(v311, Qos::AtMostOnce, true), b"\x30\x06\0\x03v/a");
        assert_eq!(publish(v311, Qos::AtLeastOnce, false), b"\x32\x08\0\x03v/a\x01\x02");
        assert_eq!(publish(v311, Qos::AtLeastOnce, true), b"\x3a\x08\0\x03v/a\x01\x02");
        assert_eq!(publish(v5, Qos::ExactlyOnce, false), b"\x34\x09\0\x03v/a\x01\x02\0");
    }

    #[test]
    fn a_connect_carries_its_login_and_in_5_0_its_empty_properties() {
        let hello =
            Hello { version: Version::V5, client_id: "c", keep_alive_secs: 60, login: None };
        let mut bytes = Vec::new();
        write_connect(hello, &mut bytes);
        assert_eq!(bytes, b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01c");
        bytes.clear();
        let login = Some(("u", "p"));
        write_connect(Hello { version: Version::V311, login, ..hello }, &mut bytes);
        assert_eq!(bytes, b"\x10\x13\0\x04MQTT\x04\xc2\0\x3c\0\x01c\0\x01u\0\x01p");
    }

    #[track_caller]
    fn check_read(version: Version, bytes: &[u8], expect: Incoming) {
        assert_eq!(read(version, bytes), Ok(Some((expect, bytes.len()))));
        for cut in 0..bytes.len() {
            assert_eq!(read(version, &bytes[..cut]), Ok(None), "cut at {cut}");
        }
    }

    #[test]
    fn answers_are_read_whole_or_not_at_all() {
        let (v311, v5) = (Version::V311, Version::V5);
        let plain = Incoming::Connack { code: 0, receive_maximum: u16::MAX };
        check_read(v311, b"\x20\x02\0\0", plain);
        check_read(v5, b"\x20\x03\0\0\0", plain);
        // Session expiry, assigned client id, a user property, then the receive maximum.
        let properties = b"\x20\x17\0\0\x14\x11\0\0\0\0\x12\0\x01x\x26\0\x01a\0\0\x21\0\x20\x25\0";
        check_read(v5, properties, Incoming::Connack { code: 0, receive_maximum: 32 });
        check_read(v311, b"\x40\x02\x01\x02", Incoming::Puback { id: 0x0102, code: 0 });
        check_read(v5, b"\x40\x03\x01\x02\x99", Incoming::Puback { id: 0x0102, code: 0x99 });
        check_read(v5, b"\x50\x04\0\x07\x10\0", Incoming::Pubrec { id: 7, code: 0x10 });
        check_read(v311, b"\x70\x02\0\x07", Incoming::Pubcomp { id: 7 });
        check_read(v311, b"\xd0\0", Incoming::Pingresp);
        check_read(v5, b"\xe0\x01\x8b", Incoming::Disconnect { code: 0x8b });
    }

    #[test]
    fn what_no_broker_may_send_is_an_error() {
        let check = |bytes: &[u8], expect| assert_eq!(read(Version::V5, bytes), Err(expect));
        check(b"\x40\xff\xff\xff\xff\x01", PacketError::Length);
        check(b"\x40\xff\x7f", PacketError::Length);
        check(b"\x10\0", PacketError::Kind(1));
        check(b"\x40\x01\0", PacketError::Short(4));
        check(b"\x20\x04\0\0\x01\x21", PacketError::Short(2));
    }
}
