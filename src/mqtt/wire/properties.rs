//! The properties of MQTT 5.0: in which packets they are allowed, how often, and their types.

use super::{
    Violation,
    text::{read_binary, read_string, read_u16, read_varint, write_binary},
};

/// The packets (and the will) that carry properties, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Packet {
    Connect = 1,
    Publish = 2,
    Ack = 4,
    Subscribe = 8,
    Unsubscribe = 16,
    Disconnect = 32,
    Auth = 64,
    Will = 128,
    Connack = 256,
}

impl Packet {
    /// The violation of a property that belongs to another packet. The specification allows both
    /// codes (5.0, 2.2.2.2 and 4.13); these are the ones that client test suites expect.
    const fn misplaced(self) -> Violation {
        match self {
            Self::Subscribe | Self::Unsubscribe => Violation::Malformed,
            _ => Violation::Protocol,
        }
    }
}

#[derive(Clone, Copy)]
enum Shape {
    Flag,
    Two,
    Four,
    Varint,
    Text,
    Binary,
    Pair,
}

/// The type of a property and the packets that may have it; `None` if there is no such property.
const fn rule(id: u8) -> Option<(Shape, u16)> {
    const CONNECT_BOTH: u16 = Packet::Connect as u16 | Packet::Connack as u16;
    use Shape::{Binary, Flag, Four, Pair, Text, Two, Varint};
    Some(match id {
        0x01 => (Flag, Packet::Publish as u16 | Packet::Will as u16),
        0x02 => (Four, Packet::Publish as u16 | Packet::Will as u16),
        0x03 | 0x08 => (Text, Packet::Publish as u16 | Packet::Will as u16),
        0x09 => (Binary, Packet::Publish as u16 | Packet::Will as u16),
        0x0b => (Varint, Packet::Subscribe as u16),
        0x11 => (Four, CONNECT_BOTH | Packet::Disconnect as u16),
        0x12 | 0x1a => (Text, Packet::Connack as u16),
        0x13 => (Two, Packet::Connack as u16),
        0x15 => (Text, CONNECT_BOTH | Packet::Auth as u16),
        0x16 => (Binary, CONNECT_BOTH | Packet::Auth as u16),
        0x17 | 0x19 => (Flag, Packet::Connect as u16),
        0x18 => (Four, Packet::Will as u16),
        0x1c => (Text, Packet::Connack as u16 | Packet::Disconnect as u16),
        0x1f => {
            let said = Packet::Ack as u16 | Packet::Disconnect as u16 | Packet::Auth as u16;
            (Text, said | Packet::Connack as u16)
        }
        0x21 | 0x22 => (Two, CONNECT_BOTH),
        0x23 => (Two, Packet::Publish as u16),
        0x24 | 0x25 | 0x28 | 0x29 | 0x2a => (Flag, Packet::Connack as u16),
        0x26 => (Pair, u16::MAX),
        0x27 => (Four, CONNECT_BOTH),
        _ => return None,
    })
}

/// The values that are read from a property block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Read<'a> {
    /// The whole block, checked, without its length.
    pub(crate) block: &'a [u8],
    pub(crate) topic_alias: Option<u16>,
    pub(crate) content_type: Option<&'a str>,
    /// Seconds.
    pub(crate) message_expiry: Option<u32>,
    /// Seconds.
    pub(crate) session_expiry: Option<u32>,
    pub(crate) receive_maximum: Option<u16>,
    pub(crate) packet_bytes_max: Option<u32>,
    pub(crate) topic_alias_max: Option<u16>,
    /// Seconds.
    pub(crate) will_delay: Option<u32>,
    pub(crate) subscription_id: Option<u32>,
    pub(crate) authenticates: bool,
    /// Request Problem Information is 1.
    pub(crate) wants_reasons: bool,
    pub(crate) user_properties: usize,
}

/// Appends the properties of a checked block of a PUBLISH or will that are forwarded to receivers,
/// in their order ([MQTT-3.3.2-17]): payload format, content type, response topic, correlation
/// data, user properties.
pub(crate) fn forward_properties(mut block: &[u8], out: &mut Vec<u8>) {
    while let Some((&id, _)) = block.split_first() {
        let mut rest = &block[1..];
        let Some((shape, _)) = rule(id) else { return };
        if take(&mut rest, id, shape, &mut Read::default()).is_err() {
            return;
        }
        let (property, after) = block.split_at(block.len() - rest.len());
        if matches!(id, 0x01 | 0x03 | 0x08 | 0x09 | 0x26) {
            out.extend_from_slice(property);
        }
        block = after;
    }
}

/// The properties of a command or its receipt, as those of a PUBLISH: response topic and
/// correlation data.
pub(crate) fn command_properties(response_topic: Option<&str>, correlation: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    if let Some(topic) = response_topic {
        block.push(0x08);
        write_binary(&mut block, topic.as_bytes());
    }
    block.push(0x09);
    write_binary(&mut block, correlation);
    block
}

/// The properties of a PUBLISH with JSON: the payload is UTF-8, and its content type.
pub(crate) const JSON_PROPERTIES: &[u8] = b"\x01\x01\x03\x00\x10application/json";

/// The correlation data in a checked block of a PUBLISH.
pub(crate) fn correlation_data(mut block: &[u8]) -> Option<&[u8]> {
    while let Some((&id, rest)) = block.split_first() {
        let mut rest = rest;
        if id == 0x09 {
            return read_binary(&mut rest).ok();
        }
        let (shape, _) = rule(id)?;
        take(&mut rest, id, shape, &mut Read::default()).ok()?;
        block = rest;
    }
    None
}

/// The content type in a checked block.
pub(crate) fn content_type(mut block: &[u8]) -> Option<&str> {
    let mut read = Read::default();
    while let Some((&id, mut rest)) = block.split_first() {
        let (shape, _) = rule(id)?;
        take(&mut rest, id, shape, &mut read).ok()?;
        block = rest;
    }
    read.content_type
}

/// Takes a property block from the front and checks it for the type of packet.
pub(crate) fn check_properties<'a>(
    rest: &mut &'a [u8],
    packet: Packet,
) -> Result<Read<'a>, Violation> {
    let len = usize::try_from(read_varint(rest)?).map_err(|_| Violation::Malformed)?;
    let (mut block, after) = rest.split_at_checked(len).ok_or(Violation::Malformed)?;
    *rest = after;
    let mut read = Read { block, ..Read::default() };
    let mut seen = 0_u64;
    while let Some((&id, value)) = block.split_first() {
        block = value;
        // Every known id is below 0x40, so one 64-bit word records which were seen.
        let (shape, homes) = rule(id).ok_or(Violation::Malformed)?;
        take(&mut block, id, shape, &mut read)?;
        let again = seen & (1 << id) != 0;
        seen |= 1 << id;
        if homes & (packet as u16) == 0 {
            return Err(packet.misplaced());
        }
        if again && !matches!(shape, Shape::Pair) {
            return Err(Violation::Protocol);
        }
    }
    read.authenticates = seen & (1 << 0x15) != 0;
    // Authentication data without a method (5.0, 3.1.2.11.10).
    if seen & (1 << 0x16) != 0 && seen & (1 << 0x15) == 0 {
        return Err(Violation::Protocol);
    }
    Ok(read)
}

fn take<'a>(
    block: &mut &'a [u8],
    id: u8,
    shape: Shape,
    read: &mut Read<'a>,
) -> Result<(), Violation> {
    match shape {
        Shape::Flag => {
            let (&value, after) = block.split_first().ok_or(Violation::Malformed)?;
            *block = after;
            if value > 1 {
                return Err(Violation::Protocol);
            }
            read.wants_reasons |= id == 0x17 && value == 1;
        }
        Shape::Two => {
            let value = read_u16(block)?;
            match id {
                // A receive maximum of 0 (5.0, 3.1.2.11.3).
                0x21 if value == 0 => return Err(Violation::Protocol),
                0x21 => read.receive_maximum = Some(value),
                0x22 => read.topic_alias_max = Some(value),
                0x23 => read.topic_alias = Some(value),
                _ => {}
            }
        }
        Shape::Four => {
            let (value, after) = block.split_first_chunk::<4>().ok_or(Violation::Malformed)?;
            *block = after;
            let value = u32::from_be_bytes(*value);
            match id {
                0x02 => read.message_expiry = Some(value),
                0x11 => read.session_expiry = Some(value),
                0x18 => read.will_delay = Some(value),
                // A maximum packet size of 0 (5.0, 3.1.2.11.4).
                0x27 if value == 0 => return Err(Violation::Protocol),
                0x27 => read.packet_bytes_max = Some(value),
                _ => {}
            }
        }
        Shape::Varint => {
            let value = read_varint(block)?;
            if value == 0 {
                return Err(Violation::Protocol);
            }
            read.subscription_id = Some(value);
        }
        Shape::Text => {
            let value = read_string(block)?;
            match id {
                0x03 => read.content_type = Some(value),
                // An invalid response topic ([MQTT-3.3.2-14], [MQTT-4.7.3-1]).
                0x08 if value.is_empty() || value.contains(['+', '#']) => {
                    return Err(Violation::Protocol);
                }
                _ => {}
            }
        }
        Shape::Binary => {
            read_binary(block)?;
        }
        Shape::Pair => {
            read_string(block)?;
            read_string(block)?;
            read.user_properties += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(packet: Packet, block: &[u8], expect: Result<Read<'_>, Violation>) {
        let expect = expect.map(|expect| Read { block: &block[1..], ..expect });
        assert_eq!(check_properties(&mut &*block, packet), expect, "{block:02x?}");
    }

    #[test]
    fn receivers_get_the_forwarded_properties_in_the_senders_order() {
        let block = b"\x26\0\x01a\0\x01b\x02\0\0\0\x09\x03\0\x01j\x23\0\x01\x26\0\x01a\0\x01c";
        let mut out = Vec::new();
        forward_properties(block, &mut out);
        assert_eq!(out, b"\x26\0\x01a\0\x01b\x03\0\x01j\x26\0\x01a\0\x01c");
    }

    #[test]
    fn correlation_data_are_found_at_any_position() {
        let block = b"\x03\0\x01j\x02\0\0\0\x09\x09\0\x02id\x26\0\x01a\0\x01c";
        assert_eq!(correlation_data(block), Some(&b"id"[..]));
        assert_eq!(correlation_data(&block[..4]), None);
        assert_eq!(correlation_data(b""), None);
    }

    #[test]
    fn a_property_is_read_in_its_packets_and_refused_in_others() {
        let read = |alias| Read { topic_alias: alias, ..Read::default() };
        check(Packet::Publish, &[0], Ok(Read::default()));
        check(Packet::Publish, &[3, 0x23, 0, 7], Ok(read(Some(7))));
        check(Packet::Publish, &[6, 0x23, 0, 7, 0x23, 0, 8], Err(Violation::Protocol));
        check(Packet::Publish, &[2, 0x17, 0], Err(Violation::Protocol));
        check(Packet::Publish, &[2, 0x01, 2], Err(Violation::Protocol));
        check(Packet::Publish, &[2, 0x04, 0], Err(Violation::Malformed));
        check(Packet::Publish, &[1, 0x17], Err(Violation::Malformed));
        check(Packet::Publish, &[9, 0x23], Err(Violation::Malformed));
        check(Packet::Publish, &[2, 0xff, 0], Err(Violation::Malformed));
    }

    #[test]
    fn values_that_the_specification_forbids_are_protocol_errors() {
        check(Packet::Connect, &[3, 0x21, 0, 0], Err(Violation::Protocol));
        check(Packet::Connect, &[5, 0x27, 0, 0, 0, 0], Err(Violation::Protocol));
        check(Packet::Connect, &[4, 0x16, 0, 1, 7], Err(Violation::Protocol));
        let expect = Read { authenticates: true, ..Read::default() };
        check(Packet::Connect, &[8, 0x16, 0, 1, 7, 0x15, 0, 1, b'm'], Ok(expect));
        check(Packet::Publish, &[3, 0x08, 0, 0], Err(Violation::Protocol));
        check(Packet::Publish, &[4, 0x08, 0, 1, b'#'], Err(Violation::Protocol));
    }

    #[test]
    fn user_properties_may_repeat_and_are_counted() {
        let block = [14, 0x26, 0, 1, b'a', 0, 1, b'b', 0x26, 0, 1, b'a', 0, 1, b'c'];
        let expect = Read { user_properties: 2, ..Read::default() };
        check(Packet::Disconnect, &block, Ok(expect));
    }
}
