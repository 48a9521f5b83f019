//! PUBLISH to a receiver: the part that is equal for all receivers is encoded once, the rest is
//! written around it.

use std::num::NonZeroU16;

use super::{
    Qos, Version,
    frame::{varint_len, write_header, write_varint},
    properties::forward_properties,
    text::write_binary,
};

/// The longest header, identifier, alias and expiry of a PUBLISH, without subscription
/// identifiers.
const FRONT_MAX: usize = 5 + 2 + 4 + 3 + 5;

/// Topic, properties and payload of a message, encoded for sending.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Body {
    /// The topic with its length, the forwarded properties, the payload.
    bytes: Box<[u8]>,
    topic_end: u32,
    properties_end: u32,
}

impl Body {
    /// Copies a message; `properties` is the checked block of the received packet.
    pub(crate) fn new(topic: &str, properties: &[u8], payload: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(2 + topic.len() + properties.len() + payload.len());
        write_binary(&mut bytes, topic.as_bytes());
        let topic_end = len32(&bytes);
        forward_properties(properties, &mut bytes);
        let properties_end = len32(&bytes);
        bytes.extend_from_slice(payload);
        Self { bytes: bytes.into(), topic_end, properties_end }
    }

    /// The topic with its length.
    fn topic_field(&self) -> &[u8] {
        &self.bytes[..self.topic_end as usize]
    }

    pub(crate) fn topic(&self) -> &str {
        std::str::from_utf8(&self.topic_field()[2..]).expect("copied from a text")
    }

    pub(crate) fn properties(&self) -> &[u8] {
        &self.bytes[self.topic_end as usize..self.properties_end as usize]
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.bytes[self.properties_end as usize..]
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

fn len32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("packets are bounded far below")
}

/// One PUBLISH to one receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) version: Version,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    /// DUP: it was sent before, on another connection.
    pub(crate) duplicate: bool,
    /// Present from QoS 1 on.
    pub(crate) packet_id: Option<NonZeroU16>,
    /// The remaining seconds ([MQTT-3.3.2-6]).
    pub(crate) message_expiry: Option<u32>,
    /// The identifiers of all matching subscriptions ([MQTT-3.3.4-3]).
    pub(crate) subscription_ids: &'a [u32],
    /// The alias of its topic, and whether the receiver knows it already.
    pub(crate) alias: Option<(u16, bool)>,
    pub(crate) body: &'a Body,
}

impl Outgoing<'_> {
    /// The maximum length of the whole packet, to compare with a receiver's bound.
    pub(crate) fn len_max(&self) -> usize {
        FRONT_MAX + 5 * self.subscription_ids.len() + self.body.len()
    }

    /// Appends the packet. Its length must not exceed the maximum of a packet (268,435,455).
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let body = self.body;
        let topic: &[u8] = match self.alias {
            Some((_, true)) => &[0, 0],
            _ => body.topic_field(),
        };
        let id = 2 * usize::from(self.packet_id.is_some());
        let block = self.properties_len();
        let front = topic.len() + id + block.map_or(0, |len| varint_len(len) + len);
        let first = 0x30
            | (u8::from(self.duplicate) << 3)
            | ((self.qos as u8) << 1)
            | u8::from(self.retain);
        out.reserve(5 + front + body.payload().len());
        write_header(out, first, front + body.payload().len());
        out.extend_from_slice(topic);
        if let Some(id) = self.packet_id {
            out.extend(id.get().to_be_bytes());
        }
        if let Some(len) = block {
            write_varint(out, len);
            self.write_properties(out);
        }
        out.extend_from_slice(body.payload());
    }

    /// Bytes of the property block, without its length; none before 5.0.
    fn properties_len(&self) -> Option<usize> {
        (self.version == Version::V5).then(|| {
            let ids = self.subscription_ids.iter();
            self.body.properties().len()
                + 5 * usize::from(self.message_expiry.is_some())
                + 3 * usize::from(self.alias.is_some())
                + ids.map(|id| 1 + varint_len(*id as usize)).sum::<usize>()
        })
    }

    fn write_properties(&self, out: &mut Vec<u8>) {
        if let Some(seconds) = self.message_expiry {
            out.push(0x02);
            out.extend(seconds.to_be_bytes());
        }
        if let Some((alias, _)) = self.alias {
            out.push(0x23);
            out.extend(alias.to_be_bytes());
        }
        for id in self.subscription_ids {
            out.push(0x0b);
            write_varint(out, *id as usize);
        }
        out.extend_from_slice(self.body.properties());
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{peek, read_publish},
        *,
    };

    fn written(outgoing: Outgoing<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        outgoing.write(&mut out);
        assert!(out.len() <= outgoing.len_max(), "{out:02x?}");
        out
    }

    #[test]
    fn a_receiver_of_3_1_1_gets_topic_and_payload() {
        let body = Body::new("v/a", b"\x03\0\x01j", b"x");
        assert_eq!((body.topic(), body.payload()), ("v/a", &b"x"[..]));
        let outgoing = Outgoing {
            version: Version::V3,
            qos: Qos::AtLeastOnce,
            retain: true,
            duplicate: true,
            packet_id: NonZeroU16::new(0x0102),
            message_expiry: Some(7),
            subscription_ids: &[1],
            alias: None,
            body: &body,
        };
        assert_eq!(written(outgoing), b"\x3b\x08\0\x03v/a\x01\x02x");
    }

    #[test]
    fn a_5_0_receiver_gets_the_senders_properties_and_its_subscription_identifiers() {
        let body = Body::new("v/a", b"\x02\0\0\0\x09\x03\0\x01j", b"x");
        let outgoing = Outgoing {
            version: Version::V5,
            qos: Qos::AtMostOnce,
            retain: false,
            duplicate: false,
            packet_id: None,
            message_expiry: Some(7),
            subscription_ids: &[1, 0x80],
            alias: Some((2, false)),
            body: &body,
        };
        let expect: &[u8] =
            b"\x30\x18\0\x03v/a\x11\x02\0\0\0\x07\x23\0\x02\x0b\x01\x0b\x80\x01\x03\0\x01jx";
        assert_eq!(written(outgoing), expect);
        let known = written(Outgoing { alias: Some((2, true)), ..outgoing });
        assert_eq!(known[2..5], [0, 0, 0x11], "the alias stands for the topic");
    }

    #[test]
    fn lengths_are_correct_around_every_boundary_of_the_variable_byte_integer() {
        for len in [0, 100, 119, 120, 121, 127, 128, 16_370, 16_376, 16_383, 16_384, 2_097_140] {
            let body = Body::new("t", b"", &vec![b'x'; len]);
            let outgoing = Outgoing {
                version: Version::V3,
                qos: Qos::AtMostOnce,
                retain: false,
                duplicate: false,
                packet_id: None,
                message_expiry: None,
                subscription_ids: &[],
                alias: None,
                body: &body,
            };
            let packet = written(outgoing);
            let frame = peek(&packet, usize::MAX).expect("a packet").expect("whole");
            assert_eq!(frame.len, packet.len());
            let read = read_publish(Version::V3, 0, &packet[frame.header..]).expect("well formed");
            assert_eq!(read.payload.len(), len);
        }
    }
}
