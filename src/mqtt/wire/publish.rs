//! PUBLISH, read in place and written.

use std::num::NonZeroU16;

use super::{
    Qos, Version, Violation,
    frame::{varint_len, write_header, write_varint},
    properties::{Packet, check_properties},
    text::{read_string, read_u16, write_binary},
};

/// One PUBLISH, borrowed from the read buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Publish<'a> {
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    /// Empty if an alias is used instead.
    pub(crate) topic: &'a str,
    pub(crate) packet_id: Option<NonZeroU16>,
    pub(crate) topic_alias: Option<u16>,
    pub(crate) content_type: Option<&'a str>,
    /// The message expiry interval in seconds.
    pub(crate) message_expiry: Option<u32>,
    pub(crate) user_properties: usize,
    /// Its checked property block.
    pub(crate) properties: &'a [u8],
    pub(crate) payload: &'a [u8],
}

/// Reads the body of a PUBLISH with `flags` in its fixed header.
pub(crate) fn read_publish(
    version: Version,
    flags: u8,
    body: &[u8],
) -> Result<Publish<'_>, Violation> {
    let mut rest = body;
    let topic = read_string(&mut rest)?;
    if topic.bytes().any(|byte| matches!(byte, b'+' | b'#')) {
        return Err(Violation::Malformed); // [MQTT-3.3.2-2]
    }
    let qos = Qos::of((flags >> 1) & 0x03).ok_or(Violation::Malformed)?; // [MQTT-3.3.1-4]
    let packet_id = match qos {
        Qos::AtMostOnce => None,
        // [MQTT-2.2.1-3]
        Qos::AtLeastOnce | Qos::ExactlyOnce => {
            Some(NonZeroU16::new(read_u16(&mut rest)?).ok_or(Violation::Protocol)?)
        }
    };
    let properties = match version {
        Version::V3 => super::properties::Read::default(),
        Version::V5 => check_properties(&mut rest, Packet::Publish)?,
    };
    if topic.is_empty() && properties.topic_alias.is_none() {
        return Err(Violation::Malformed); // [MQTT-4.7.3-1]
    }
    Ok(Publish {
        qos,
        retain: flags & 1 != 0,
        topic,
        packet_id,
        topic_alias: properties.topic_alias,
        content_type: properties.content_type,
        message_expiry: properties.message_expiry,
        user_properties: properties.user_properties,
        properties: properties.block,
        payload: rest,
    })
}

/// The part of a PUBLISH before its payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublishHead<'a> {
    pub(crate) qos: Qos,
    /// DUP: it was sent before, on another connection.
    pub(crate) duplicate: bool,
    pub(crate) topic: &'a str,
    /// Present from QoS 1 on.
    pub(crate) packet_id: Option<NonZeroU16>,
    /// A block of properties; only 5.0 has them.
    pub(crate) properties: &'a [u8],
    pub(crate) payload_len: usize,
}

/// Appends the beginning of a PUBLISH; `payload_len` bytes must follow.
pub(crate) fn write_publish(out: &mut Vec<u8>, version: Version, head: PublishHead<'_>) {
    debug_assert_eq!(head.packet_id.is_some(), head.qos != Qos::AtMostOnce, "[MQTT-2.2.1-2]");
    let duplicate = head.duplicate && head.qos != Qos::AtMostOnce; // [MQTT-3.3.1-2]
    let front = 2 + head.topic.len() + 2 * usize::from(head.packet_id.is_some());
    let properties = match version {
        Version::V3 => 0,
        Version::V5 => varint_len(head.properties.len()) + head.properties.len(),
    };
    let len = front + properties + head.payload_len;
    write_header(out, 0x30 | (u8::from(duplicate) << 3) | ((head.qos as u8) << 1), len);
    write_binary(out, head.topic.as_bytes());
    if let Some(packet_id) = head.packet_id {
        out.extend(packet_id.get().to_be_bytes());
    }
    if version == Version::V5 {
        write_varint(out, head.properties.len());
        out.extend_from_slice(head.properties);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publish_is_written_in_the_specified_layout_and_read_back() {
        let check = |version, qos, duplicate, expect: &[u8]| {
            let packet_id = (qos != Qos::AtMostOnce).then_some(NonZeroU16::new(0x0102)).flatten();
            let properties = if duplicate { &[][..] } else { b"\x09\0\x01c" };
            let topic = "v/a";
            let head = PublishHead { qos, duplicate, topic, packet_id, properties, payload_len: 1 };
            let mut packet = Vec::new();
            write_publish(&mut packet, version, head);
            assert_eq!(packet, expect);
            packet.push(b'x');
            let read = read_publish(version, packet[0] & 0x0f, &packet[2..]).expect("well formed");
            assert_eq!((read.qos, read.packet_id, read.topic), (qos, packet_id, "v/a"));
            assert_eq!(read.payload, b"x");
        };
        let (v3, v5) = (Version::V3, Version::V5);
        check(v3, Qos::AtMostOnce, true, b"\x30\x06\0\x03v/a");
        check(v3, Qos::AtLeastOnce, false, b"\x32\x08\0\x03v/a\x01\x02");
        check(v3, Qos::AtLeastOnce, true, b"\x3a\x08\0\x03v/a\x01\x02");
        check(v5, Qos::ExactlyOnce, true, b"\x3c\x09\0\x03v/a\x01\x02\0");
        check(v5, Qos::ExactlyOnce, false, b"\x34\x0d\0\x03v/a\x01\x02\x04\x09\0\x01c");
    }

    #[test]
    fn a_publish_is_read_without_copying() {
        let body = b"\x00\x03a/b\x04\xd2payload";
        let found = read_publish(Version::V3, 0x02, body).expect("well formed");
        assert_eq!((found.topic, found.payload), ("a/b", &b"payload"[..]));
        assert_eq!(found.packet_id.map(NonZeroU16::get), Some(1234));

        let body = b"\x00\x00\x04\xd2\x0a\x23\x00\x05\x03\x00\x04jsonx";
        let found = read_publish(Version::V5, 0x02, body).expect("well formed");
        assert_eq!((found.topic_alias, found.content_type), (Some(5), Some("json")));
        assert_eq!(found.payload, b"x");
    }

    #[test]
    fn a_violation_is_reported_with_its_reason_code() {
        let check = |version, flags, body: &[u8], expect| {
            assert_eq!(read_publish(version, flags, body), Err(expect), "{body:02x?}");
        };
        check(Version::V3, 0, b"\x00\x05a", Violation::Malformed);
        check(Version::V3, 0, b"\x00\x00x", Violation::Malformed);
        check(Version::V3, 0, b"\x00\x03a/+x", Violation::Malformed);
        check(Version::V3, 0, b"\x00\x02a\x00x", Violation::Malformed);
        check(Version::V3, 0, b"\x00\x02\xed\xa0x", Violation::Malformed);
        check(Version::V3, 2, b"\x00\x01a\x00\x00x", Violation::Protocol);
        check(Version::V3, 2, b"\x00\x01a\x00", Violation::Malformed);
        check(Version::V5, 0, b"\x00\x01a", Violation::Malformed);
    }
}
