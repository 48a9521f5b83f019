//! SUBSCRIBE, UNSUBSCRIBE and their answers.

use std::num::NonZeroU16;

use super::{
    Qos, Version, Violation,
    ack::REASON_STRING,
    codes::reason_text,
    frame::{varint_len, write_header, write_varint},
    properties::{Packet, check_properties},
    text::{read_string, read_u16, write_binary},
};

/// The subscription options (5.0, 3.8.3.1); 3.1.1 has only the QoS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SubscribeOptions {
    /// The maximum QoS.
    pub(crate) qos: Qos,
    /// No Local: not its own publishes.
    pub(crate) no_local: bool,
    /// Retain As Published: with the publisher's retain flag.
    pub(crate) retain_as_published: bool,
    pub(crate) retain_handling: RetainHandling,
}

/// Retain Handling: when retained messages are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetainHandling {
    Always,
    IfNew,
    Never,
}

impl SubscribeOptions {
    /// The options byte of 5.0.
    pub(crate) fn byte(self) -> u8 {
        let handling: u8 = match self.retain_handling {
            RetainHandling::Always => 0,
            RetainHandling::IfNew => 1,
            RetainHandling::Never => 2,
        };
        let (no_local, as_published) = (self.no_local, self.retain_as_published);
        self.qos as u8 | u8::from(no_local) << 2 | u8::from(as_published) << 3 | handling << 4
    }

    /// From the options byte.
    pub(crate) fn of(byte: u8) -> Option<Self> {
        options(Version::V5, byte).ok()
    }
}

/// A SUBSCRIBE, borrowed from the read buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Subscribe<'a> {
    pub(crate) packet_id: NonZeroU16,
    pub(crate) id: Option<u32>,
    /// At least one.
    pub(crate) filters: Vec<(&'a str, SubscribeOptions)>,
}

/// An UNSUBSCRIBE, borrowed from the read buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unsubscribe<'a> {
    pub(crate) packet_id: NonZeroU16,
    /// At least one.
    pub(crate) filters: Vec<&'a str>,
}

/// Reads the body of a SUBSCRIBE; its filters are non-empty texts, not checked further.
pub(crate) fn read_subscribe(version: Version, body: &[u8]) -> Result<Subscribe<'_>, Violation> {
    let (packet_id, id, mut rest) = read_front(version, body, Packet::Subscribe)?;
    let mut filters = Vec::new();
    while !rest.is_empty() {
        let filter = read_filter(&mut rest)?;
        let (&bits, after) = rest.split_first().ok_or(Violation::Malformed)?;
        rest = after;
        filters.push((filter, options(version, bits)?));
    }
    // [MQTT-3.8.3-3] of 3.1.1, [MQTT-3.8.3-2] of 5.0
    if filters.is_empty() {
        return Err(Violation::Malformed);
    }
    Ok(Subscribe { packet_id, id, filters })
}

/// Reads the body of an UNSUBSCRIBE.
pub(crate) fn read_unsubscribe(
    version: Version,
    body: &[u8],
) -> Result<Unsubscribe<'_>, Violation> {
    let (packet_id, _, mut rest) = read_front(version, body, Packet::Unsubscribe)?;
    let mut filters = Vec::new();
    while !rest.is_empty() {
        filters.push(read_filter(&mut rest)?);
    }
    // [MQTT-3.10.3-2]
    if filters.is_empty() {
        return Err(Violation::Malformed);
    }
    Ok(Unsubscribe { packet_id, filters })
}

/// Packet identifier, subscription identifier, and the filters.
fn read_front(
    version: Version,
    body: &[u8],
    packet: Packet,
) -> Result<(NonZeroU16, Option<u32>, &[u8]), Violation> {
    let mut rest = body;
    // [MQTT-2.3.1-1] of 3.1.1, [MQTT-2.2.1-3] of 5.0
    let packet_id = NonZeroU16::new(read_u16(&mut rest)?).ok_or(Violation::Malformed)?;
    let properties = match version {
        Version::V3 => super::properties::Read::default(),
        Version::V5 => check_properties(&mut rest, packet)?,
    };
    Ok((packet_id, properties.subscription_id, rest))
}

/// [MQTT-4.7.3-1]: at least one character.
fn read_filter<'a>(rest: &mut &'a [u8]) -> Result<&'a str, Violation> {
    let filter = read_string(rest)?;
    if filter.is_empty() { Err(Violation::Malformed) } else { Ok(filter) }
}

/// Reserved bits must be zero: [MQTT-3.8.3-4] of 3.1.1, [MQTT-3.8.3-5] of 5.0.
fn options(version: Version, bits: u8) -> Result<SubscribeOptions, Violation> {
    let reserved = if version == Version::V3 { 0xfc } else { 0xc0 };
    let qos = Qos::of(bits & 0x03).ok_or(Violation::Malformed)?;
    let retain_handling = match (bits >> 4) & 0x03 {
        0 => RetainHandling::Always,
        1 => RetainHandling::IfNew,
        2 => RetainHandling::Never,
        _ => return Err(Violation::Malformed),
    };
    if bits & reserved != 0 {
        return Err(Violation::Malformed);
    }
    Ok(SubscribeOptions {
        qos,
        no_local: bits & 0x04 != 0,
        retain_as_published: bits & 0x08 != 0,
        retain_handling,
    })
}

/// Appends a SUBACK.
pub(crate) fn write_suback(out: &mut Vec<u8>, version: Version, id: NonZeroU16, reasons: &[u8]) {
    write_answer(out, 0x90, version, id, reasons, &[]);
}

/// Appends a SUBACK of 5.0 with a reason string for the first refusal; without it if the packet
/// would exceed the client's maximum packet size ([MQTT-3.9.2-1]).
pub(crate) fn write_suback_with_reason(
    out: &mut Vec<u8>,
    id: NonZeroU16,
    reasons: &[u8],
    packet_bytes_max: usize,
) {
    let begin = out.len();
    if let Some(refusal) = reasons.iter().find(|reason| **reason >= 0x80) {
        let mut block = vec![REASON_STRING];
        write_binary(&mut block, reason_text(*refusal).as_bytes());
        write_answer(out, 0x90, Version::V5, id, reasons, &block);
        if out.len() - begin <= packet_bytes_max {
            return;
        }
        out.truncate(begin);
    }
    write_suback(out, Version::V5, id, reasons);
}

/// Appends a SUBSCRIBE to at least one filter.
pub(crate) fn write_subscribe(
    out: &mut Vec<u8>,
    version: Version,
    id: NonZeroU16,
    filters: &[impl AsRef<str>],
    qos: Qos,
) {
    let properties = usize::from(version == Version::V5);
    let filters = filters.iter().map(AsRef::as_ref);
    let len = filters.clone().map(|filter| 2 + filter.len() + 1).sum::<usize>();
    write_header(out, 0x82, 2 + properties + len);
    out.extend(id.get().to_be_bytes());
    out.extend(std::iter::repeat_n(0, properties));
    for filter in filters {
        write_binary(out, filter.as_bytes());
        out.push(qos as u8);
    }
}

/// Reads the body of a SUBACK: a reason code for each filter.
pub(crate) fn read_suback(version: Version, body: &[u8]) -> Result<&[u8], Violation> {
    let mut rest = body;
    read_u16(&mut rest)?;
    if version == Version::V5 {
        check_properties(&mut rest, Packet::Ack)?;
    }
    if rest.is_empty() { Err(Violation::Malformed) } else { Ok(rest) }
}

/// Appends an UNSUBACK; 3.1.1 has no reason codes in it.
pub(crate) fn write_unsuback(out: &mut Vec<u8>, version: Version, id: NonZeroU16, reasons: &[u8]) {
    let reasons = if version == Version::V3 { &[] } else { reasons };
    write_answer(out, 0xb0, version, id, reasons, &[]);
}

/// `block` holds the properties of 5.0.
fn write_answer(
    out: &mut Vec<u8>,
    first: u8,
    version: Version,
    id: NonZeroU16,
    reasons: &[u8],
    block: &[u8],
) {
    let properties = match version {
        Version::V3 => 0,
        Version::V5 => varint_len(block.len()) + block.len(),
    };
    write_header(out, first, 2 + properties + reasons.len());
    out.extend(id.get().to_be_bytes());
    if version == Version::V5 {
        write_varint(out, block.len());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(reasons);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscribe_that_is_written_is_read_back_and_so_is_its_answer() {
        let id = NonZeroU16::new(7).expect("not zero");
        for version in [Version::V3, Version::V5] {
            let mut out = Vec::new();
            write_subscribe(&mut out, version, id, &["a/+", "b"], Qos::AtLeastOnce);
            let read = read_subscribe(version, &out[2..]).expect("well formed");
            let filters: Vec<_> = read.filters.iter().map(|(filter, _)| *filter).collect();
            assert_eq!((read.packet_id, &*filters), (id, &["a/+", "b"][..]));
            out.clear();
            write_suback(&mut out, version, id, &[1, 0x80]);
            assert_eq!(read_suback(version, &out[2..]), Ok(&[1, 0x80][..]));
        }
        let mut told = Vec::new();
        write_suback_with_reason(&mut told, id, &[0, 0x87], 100);
        assert_eq!(read_suback(Version::V5, &told[2..]), Ok(&[0, 0x87][..]));
        assert!(told.ends_with(b"\x11\x1f\0\x0enot authorized\0\x87"), "{told:02x?}");
        let len = told.len();
        told.clear();
        write_suback_with_reason(&mut told, id, &[0, 0x87], len - 1);
        assert_eq!(told, b"\x90\x05\0\x07\0\0\x87");
        assert_eq!(read_suback(Version::V3, &[0, 7]), Err(Violation::Malformed));
    }

    #[test]
    fn a_subscribe_is_read_with_its_identifier_and_filters() {
        let id = NonZeroU16::new(7).expect("not zero");
        let read = read_subscribe(Version::V3, b"\0\x07\0\x03a/+\x02").expect("well formed");
        assert_eq!((read.packet_id, read.id, read.filters.len()), (id, None, 1));
        assert_eq!((read.filters[0].0, read.filters[0].1.qos), ("a/+", Qos::ExactlyOnce));
        let read = read_subscribe(Version::V5, b"\0\x07\x02\x0b\x05\0\x01a\x01\0\x01b\0");
        let read = read.expect("well formed");
        assert_eq!((read.id, read.filters.len()), (Some(5), 2));
    }

    #[test]
    fn every_option_of_5_0_is_read_and_reserved_bits_are_refused() {
        let read = options(Version::V5, 0x2d).expect("known bits");
        assert_eq!((read.byte(), SubscribeOptions::of(0x2d)), (0x2d, Some(read)));
        let expect = SubscribeOptions {
            qos: Qos::AtLeastOnce,
            no_local: true,
            retain_as_published: true,
            retain_handling: RetainHandling::Never,
        };
        assert_eq!(read, expect);
        for (version, bits) in [
            (Version::V3, 0x03),
            (Version::V3, 0x04),
            (Version::V3, 0x10),
            (Version::V5, 0x30),
            (Version::V5, 0x40),
            (Version::V5, 0x80),
        ] {
            assert_eq!(options(version, bits), Err(Violation::Malformed), "{bits:02x}");
        }
    }

    #[test]
    fn a_packet_without_a_filter_or_with_half_of_one_is_malformed() {
        for body in
            [&b""[..], b"\0", b"\0\x07", b"\0\0\0\x01a\0", b"\0\x07\0\x01a", b"\0\x07\0\0\0"]
        {
            assert_eq!(read_subscribe(Version::V3, body), Err(Violation::Malformed), "{body:02x?}");
        }
        for body in [&b"\0\x07"[..], b"\0\x07\0\0", b"\0\x07\0\x05a"] {
            let read = read_unsubscribe(Version::V3, body);
            assert_eq!(read, Err(Violation::Malformed), "{body:02x?}");
        }
        let two = read_unsubscribe(Version::V5, b"\0\x07\0\0\x01a\0\x01b").expect("well formed");
        assert_eq!(two.filters, ["a", "b"]);
    }

    #[test]
    fn answers_are_written_in_the_form_of_the_version() {
        let id = NonZeroU16::new(0x1234).expect("not zero");
        let written = |write: fn(&mut Vec<u8>, Version, NonZeroU16, &[u8]), version| {
            let mut out = Vec::new();
            write(&mut out, version, id, &[1, 0x80]);
            out
        };
        assert_eq!(written(write_suback, Version::V3), [0x90, 4, 0x12, 0x34, 1, 0x80]);
        assert_eq!(written(write_suback, Version::V5), [0x90, 5, 0x12, 0x34, 0, 1, 0x80]);
        assert_eq!(written(write_unsuback, Version::V3), [0xb0, 2, 0x12, 0x34]);
        assert_eq!(written(write_unsuback, Version::V5), [0xb0, 5, 0x12, 0x34, 0, 1, 0x80]);
    }
}
