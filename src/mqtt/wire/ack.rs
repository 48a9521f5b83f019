//! The acknowledgements of a PUBLISH, read and written by hand, and DISCONNECT.

use std::num::NonZeroU16;

use super::{
    Version, Violation,
    codes::reason_text,
    properties::{Packet, check_properties},
    text::{read_u16, write_binary},
};

/// The acknowledgements, by their first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum AckKind {
    /// PUBACK.
    Ack = 0x40,
    /// PUBREC.
    Rec = 0x50,
    /// PUBREL, whose flags are 2.
    Rel = 0x62,
    /// PUBCOMP.
    Comp = 0x70,
}

/// Appends an acknowledgement. A reason code is written only to a 5.0 client, and success is
/// omitted.
pub(crate) fn write_ack(
    out: &mut Vec<u8>,
    version: Version,
    kind: AckKind,
    packet_id: NonZeroU16,
    reason: u8,
) {
    let [high, low] = packet_id.get().to_be_bytes();
    match version {
        Version::V5 if reason != 0 => out.extend([kind as u8, 3, high, low, reason]),
        Version::V3 | Version::V5 => out.extend([kind as u8, 2, high, low]),
    }
}

/// A received acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) packet_id: NonZeroU16,
    /// A refusal from 0x80 on; 3.1.1 has no reason codes.
    pub(crate) reason: u8,
}

impl AckKind {
    /// Whether it may have this reason code (5.0, 3.4.2.1, 3.5.2.1, 3.6.2.1, 3.7.2.1).
    const fn knows(self, reason: u8) -> bool {
        match self {
            Self::Ack | Self::Rec => {
                matches!(reason, 0 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99)
            }
            Self::Rel | Self::Comp => matches!(reason, 0 | 0x92),
        }
    }
}

/// Reads the body of a PUBACK, PUBREC, PUBREL or PUBCOMP.
pub(crate) fn read_ack(version: Version, kind: AckKind, body: &[u8]) -> Result<Ack, Violation> {
    let mut rest = body;
    let packet_id = NonZeroU16::new(read_u16(&mut rest)?).ok_or(Violation::Protocol)?;
    let mut reason = 0;
    if version == Version::V5
        && let Some((&said, properties)) = rest.split_first()
    {
        (reason, rest) = (said, properties);
        if !rest.is_empty() {
            check_properties(&mut rest, Packet::Ack)?;
        }
    }
    if !rest.is_empty() {
        return Err(Violation::Malformed);
    }
    if kind.knows(reason) { Ok(Ack { packet_id, reason }) } else { Err(Violation::Protocol) }
}

/// A client's DISCONNECT without a reason code.
pub(crate) const DISCONNECT: [u8; 2] = [0xe0, 0];

/// A received DISCONNECT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Disconnect {
    /// Its reason code; 0: normal, 4: publish the will.
    pub(crate) reason: u8,
    /// The requested session expiry interval.
    pub(crate) session_expiry: Option<u32>,
}

/// Reads the body of a DISCONNECT.
pub(crate) fn read_disconnect(version: Version, body: &[u8]) -> Result<Disconnect, Violation> {
    let Some((&reason, mut rest)) = body.split_first() else {
        return Ok(Disconnect::default());
    };
    if version == Version::V3 {
        return Err(Violation::Malformed);
    }
    let mut session_expiry = None;
    if !rest.is_empty() {
        session_expiry = check_properties(&mut rest, Packet::Disconnect)?.session_expiry;
    }
    if rest.is_empty() {
        Ok(Disconnect { reason, session_expiry })
    } else {
        Err(Violation::Malformed)
    }
}

/// Appends a DISCONNECT of 5.0 with its reason code.
pub(crate) fn write_disconnect(out: &mut Vec<u8>, reason: u8) {
    out.extend([0xe0, 1, reason]);
}

/// Appends an acknowledgement of 5.0 with a reason string; without it if the packet would exceed
/// the client's maximum packet size ([MQTT-3.4.2-2]).
pub(crate) fn write_ack_with_reason(
    out: &mut Vec<u8>,
    kind: AckKind,
    packet_id: NonZeroU16,
    reason: u8,
    packet_bytes_max: usize,
) {
    let [high, low] = packet_id.get().to_be_bytes();
    if !write_with_reason(out, kind as u8, &[high, low, reason], reason, packet_bytes_max) {
        write_ack(out, Version::V5, kind, packet_id, reason);
    }
}

/// The same for a DISCONNECT ([MQTT-3.14.2-3]).
pub(crate) fn write_disconnect_with_reason(out: &mut Vec<u8>, reason: u8, packet_bytes_max: usize) {
    if !write_with_reason(out, 0xe0, &[reason], reason, packet_bytes_max) {
        write_disconnect(out, reason);
    }
}

/// Appends a packet whose only property is its reason string, if it is not too large.
fn write_with_reason(
    out: &mut Vec<u8>,
    first: u8,
    head: &[u8],
    reason: u8,
    packet_bytes_max: usize,
) -> bool {
    let mut block = vec![REASON_STRING];
    write_binary(&mut block, reason_text(reason).as_bytes());
    let remaining = head.len() + 1 + block.len();
    let (Ok(len), Ok(remaining)) = (u8::try_from(block.len()), u8::try_from(remaining)) else {
        return false;
    };
    // Both lengths are one byte: the strings are short.
    if remaining > 0x7f || usize::from(remaining) + 2 > packet_bytes_max {
        return false;
    }
    out.extend([first, remaining]);
    out.extend_from_slice(head);
    out.push(len);
    out.extend(block);
    true
}

/// The identifier of the property Reason String.
pub(super) const REASON_STRING: u8 = 0x1f;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_code_is_written_only_to_5_0_clients() {
        let id = NonZeroU16::new(0x1234).expect("not zero");
        let written = |version, reason| {
            let mut out = Vec::new();
            write_ack(&mut out, version, AckKind::Ack, id, reason);
            out
        };
        assert_eq!(written(Version::V3, 0x99), [0x40, 2, 0x12, 0x34]);
        assert_eq!(written(Version::V5, 0), [0x40, 2, 0x12, 0x34]);
        assert_eq!(written(Version::V5, 0x99), [0x40, 3, 0x12, 0x34, 0x99]);
    }

    #[test]
    fn a_reason_string_is_written_if_it_fits() {
        let id = NonZeroU16::new(7).expect("not zero");
        let mut out = Vec::new();
        write_ack_with_reason(&mut out, AckKind::Ack, id, 0x87, 100);
        assert_eq!(out, b"\x40\x15\0\x07\x87\x11\x1f\0\x0enot authorized");
        let len = out.len();
        out.clear();
        write_ack_with_reason(&mut out, AckKind::Ack, id, 0x87, len - 1);
        assert_eq!(out, b"\x40\x03\0\x07\x87");
        let mut out = Vec::new();
        for reason in 0x80..=0xff {
            out.clear();
            write_disconnect_with_reason(&mut out, reason, usize::MAX);
            assert_eq!((out[0], usize::from(out[1]), out[2]), (0xe0, out.len() - 2, reason));
            assert!(read_disconnect(Version::V5, &out[2..]).is_ok(), "{out:02x?}");
        }
        out.clear();
        write_disconnect_with_reason(&mut out, 0x82, 10);
        assert_eq!(out, [0xe0, 1, 0x82]);
    }

    #[test]
    fn an_acknowledgement_with_anything_left_over_is_malformed() {
        assert!(read_ack(Version::V3, AckKind::Ack, &[0, 1]).is_ok());
        assert_eq!(read_ack(Version::V3, AckKind::Ack, &[0, 1, 0]), Err(Violation::Malformed));
        assert_eq!(read_ack(Version::V3, AckKind::Ack, &[0, 0]), Err(Violation::Protocol));
        assert!(read_ack(Version::V5, AckKind::Ack, &[0, 1, 0, 0]).is_ok());
        assert_eq!(
            read_ack(Version::V5, AckKind::Ack, &[0, 1, 0, 0, 0]),
            Err(Violation::Malformed)
        );
        assert_eq!(
            read_ack(Version::V5, AckKind::Ack, &[0, 1, 0, 2, 1, 0]),
            Err(Violation::Protocol)
        );
    }
}
