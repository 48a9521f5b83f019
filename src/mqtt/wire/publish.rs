//! PUBLISH, read in place.

use std::num::NonZeroU16;

use super::{
    Version, Violation,
    properties::{Packet, check_properties},
    text::{read_string, read_u16},
};

/// One PUBLISH, borrowed from the read buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) struct Publish<'a> {
    /// 0, 1 or 2.
    pub(in crate::mqtt) quality: u8,
    pub(in crate::mqtt) retain: bool,
    /// Empty where an alias stands for it.
    pub(in crate::mqtt) topic: &'a str,
    pub(in crate::mqtt) packet_id: Option<NonZeroU16>,
    pub(in crate::mqtt) topic_alias: Option<u16>,
    pub(in crate::mqtt) content_type: Option<&'a str>,
    pub(in crate::mqtt) user_properties: usize,
    pub(in crate::mqtt) payload: &'a [u8],
}

/// Reads the body of a PUBLISH whose fixed header said `flags`.
pub(in crate::mqtt) fn read_publish(
    version: Version,
    flags: u8,
    body: &[u8],
) -> Result<Publish<'_>, Violation> {
    let mut rest = body;
    let topic = read_string(&mut rest)?;
    if topic.bytes().any(|byte| matches!(byte, b'+' | b'#')) {
        return Err(Violation::Malformed); // [MQTT-3.3.2-2]
    }
    let quality = (flags >> 1) & 0x03;
    let packet_id = match quality {
        0 => None,
        // [MQTT-2.2.1-3]
        _ => Some(NonZeroU16::new(read_u16(&mut rest)?).ok_or(Violation::Protocol)?),
    };
    let properties = match version {
        Version::V3 => super::properties::Read::default(),
        Version::V5 => check_properties(&mut rest, Packet::Publish)?,
    };
    if topic.is_empty() && properties.topic_alias.is_none() {
        return Err(Violation::Malformed); // [MQTT-4.7.3-1]
    }
    Ok(Publish {
        quality,
        retain: flags & 1 != 0,
        topic,
        packet_id,
        topic_alias: properties.topic_alias,
        content_type: properties.content_type,
        user_properties: properties.user_properties,
        payload: rest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_breaks_a_rule_names_the_rule_by_its_reason() {
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
