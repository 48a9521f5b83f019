//! CONNECT: who comes, in which version, and what both sides may do.

use std::num::{NonZeroU16, NonZeroU32};

use ntex_bytes::{ByteString, BytesMut};
use ntex_codec::Decoder;
use ntex_mqtt::{v3::codec as v3, v5::codec as v5};

use super::wire::{ConnectFault, Version, Violation, check_connect};

/// What is announced to a 5.0 vehicle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced {
    pub(super) receive_maximum: NonZeroU16,
    pub(super) packet_bytes_max: u32,
    pub(super) topic_alias_max: u16,
    /// The longest keep alive in seconds; 0 imposes none.
    pub(super) keep_alive_max: u16,
}

/// A CONNECT that is accepted.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) version: Version,
    /// As it was brought, or as it was assigned.
    pub(super) client_id: String,
    /// Seconds; 0 switches it off.
    pub(super) keep_alive: u16,
    pub(super) has_will: bool,
    pub(super) answer: Connack,
    /// The largest packet that the client takes; 0: any.
    pub(super) answer_bytes_max: u32,
}

/// A CONNACK of either version, for its codec.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Connack {
    V3(v3::ConnectAck),
    V5(Box<v5::ConnectAck>),
}

/// Judges the whole CONNECT packet, fixed header included. `assigned` makes an identifier for a
/// client that brings none.
///
/// # Errors
/// The refusal to send before closing; `None` where the peer does not speak MQTT at all, or in a
/// version that has no word for what is wrong.
pub(super) fn accept(
    packet: &[u8],
    header: usize,
    announced: Announced,
    assigned: impl FnOnce() -> String,
) -> Result<Accepted, Option<Connack>> {
    let body = &packet[header..];
    let fixed = body.first_chunk::<10>().ok_or(None)?;
    // Protocol name, level, flags, keep alive: the same ten bytes in both versions.
    let [0, 4, b'M', b'Q', b'T', b'T', level, flags, _, _] = *fixed else {
        // MQTT 3.1 called itself MQIsdp and knows this answer.
        return Err(body.starts_with(b"\x00\x06MQIsdp").then(unsupported_v3));
    };
    match level {
        4 => accept_v3(packet, &body[10..], flags, assigned),
        5 => accept_v5(packet, &body[10..], flags, announced, assigned),
        0..=3 => Err(Some(unsupported_v3())),
        _ => Err(Some(refuse_v5(v5::ConnectAckReason::UnsupportedProtocolVersion))),
    }
}

/// A broken packet closes the connection without a word ([MQTT-3.1.4-1], [MQTT-4.8.0-1]): the codes
/// of 3.1.1 say only why a good one is not served.
fn accept_v3(
    packet: &[u8],
    rest: &[u8],
    flags: u8,
    assigned: impl FnOnce() -> String,
) -> Result<Accepted, Option<Connack>> {
    if !flags_agree(flags) || check_connect(Version::V3, flags, rest).is_err() {
        return Err(None);
    }
    let decoded = v3::Codec::new().decode(&mut BytesMut::copy_from_slice(packet));
    let connect = match decoded {
        Ok(Some(v3::Decoded::Packet(v3::Packet::Connect(connect), _))) => connect,
        Err(ntex_mqtt::error::DecodeError::InvalidClientId) => {
            return Err(Some(refuse_v3(v3::ConnectAckReason::IdentifierRejected)));
        }
        _ => return Err(None),
    };
    Ok(Accepted {
        version: Version::V3,
        client_id: id_or(&connect.client_id, assigned),
        keep_alive: connect.keep_alive,
        has_will: connect.last_will.is_some(),
        answer: refuse_v3(v3::ConnectAckReason::ConnectionAccepted),
        answer_bytes_max: 0,
    })
}

fn accept_v5(
    packet: &[u8],
    rest: &[u8],
    flags: u8,
    announced: Announced,
    assigned: impl FnOnce() -> String,
) -> Result<Accepted, Option<Connack>> {
    let malformed = || Some(refuse_v5(v5::ConnectAckReason::MalformedPacket));
    if !flags_agree(flags) {
        return Err(malformed());
    }
    check_connect(Version::V5, flags, rest).map_err(|fault| match fault {
        ConnectFault::ClientId => Some(refuse_v5(v5::ConnectAckReason::ClientIdentifierNotValid)),
        ConnectFault::Packet(Violation::Protocol) => {
            Some(refuse_v5(v5::ConnectAckReason::ProtocolError))
        }
        ConnectFault::Packet(_) => malformed(),
    })?;
    let decoded = v5::Codec::new().decode(&mut BytesMut::copy_from_slice(packet));
    let Ok(Some(v5::Decoded::Packet(v5::Packet::Connect(connect), _))) = decoded else {
        return Err(malformed());
    };
    if connect.auth_method.is_some() {
        return Err(Some(refuse_v5(v5::ConnectAckReason::BadAuthenticationMethod)));
    }
    let imposed = announced.keep_alive_max;
    let over = imposed != 0 && (connect.keep_alive == 0 || connect.keep_alive > imposed);
    let keep_alive = if over { imposed } else { connect.keep_alive };
    let is_assigned = connect.client_id.is_empty();
    let client_id = id_or(&connect.client_id, assigned);
    Ok(Accepted {
        version: Version::V5,
        keep_alive,
        has_will: connect.last_will.is_some(),
        answer_bytes_max: connect.max_packet_size.map_or(0, NonZeroU32::get),
        answer: Connack::V5(Box::new(v5::ConnectAck {
            session_expiry_interval_secs: Some(0),
            receive_max: announced.receive_maximum,
            max_packet_size: Some(announced.packet_bytes_max),
            assigned_client_id: is_assigned.then(|| ByteString::from(client_id.as_str())),
            topic_alias_max: announced.topic_alias_max,
            wildcard_subscription_available: false,
            subscription_identifiers_available: false,
            shared_subscription_available: false,
            server_keepalive_sec: over.then_some(imposed),
            ..v5::ConnectAck::default()
        })),
        client_id,
    })
}

/// The identifier that was brought, or a new one: no two sessions share one ([MQTT-3.1.3-6]).
fn id_or(brought: &str, assigned: impl FnOnce() -> String) -> String {
    if brought.is_empty() { assigned() } else { brought.to_owned() }
}

/// The reserved bit is zero, and the will's bits are zero where there is no will
/// ([MQTT-3.1.2-3], [MQTT-3.1.2-11] to [MQTT-3.1.2-15]).
fn flags_agree(flags: u8) -> bool {
    let (reserved, will, qos, retain) =
        (flags & 1, flags & 0x04, (flags >> 3) & 0x03, flags & 0x20);
    reserved == 0 && qos != 3 && (will != 0 || (qos == 0 && retain == 0))
}

fn unsupported_v3() -> Connack {
    refuse_v3(v3::ConnectAckReason::UnacceptableProtocolVersion)
}

fn refuse_v3(return_code: v3::ConnectAckReason) -> Connack {
    Connack::V3(v3::ConnectAck { return_code, session_present: false })
}

fn refuse_v5(reason_code: v5::ConnectAckReason) -> Connack {
    Connack::V5(Box::new(v5::ConnectAck { reason_code, ..v5::ConnectAck::default() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNOUNCED: Announced = Announced {
        receive_maximum: NonZeroU16::MIN,
        packet_bytes_max: 1000,
        topic_alias_max: 3,
        keep_alive_max: 0,
    };

    fn connect(level: u8, flags: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x10, 0, 0, 4, b'M', b'Q', b'T', b'T', level, flags, 0, 10];
        packet.extend(rest);
        packet[1] = u8::try_from(packet.len() - 2).expect("short");
        packet
    }

    fn check_refused(packet: &[u8], expect: Option<Connack>) {
        let refused = accept(packet, 2, ANNOUNCED, String::new).map(|_| ()).expect_err("refused");
        assert_eq!(refused, expect, "{packet:02x?}");
    }

    #[test]
    fn both_versions_are_accepted_with_their_keep_alive() {
        for (level, rest) in [(4, &b"\x00\x01p"[..]), (5, b"\x00\x00\x01p")] {
            let accepted =
                accept(&connect(level, 2, rest), 2, ANNOUNCED, String::new).expect("accepted");
            assert_eq!(accepted.keep_alive, 10);
            assert_eq!(accepted.client_id, "p");
            assert!(!accepted.has_will);
        }
    }

    #[test]
    fn an_empty_identifier_is_given_one_in_5_0() {
        let accepted = accept(&connect(5, 2, b"\x00\x00\x00"), 2, ANNOUNCED, || "made".to_owned())
            .expect("accepted");
        let Connack::V5(answer) = accepted.answer else { panic!("a 5.0 answer") };
        assert_eq!(answer.assigned_client_id.as_deref(), Some("made"));
        assert_eq!(accepted.client_id, "made");
    }

    #[test]
    fn a_refusal_is_said_in_the_words_of_the_version() {
        let v5 = |reason| Some(refuse_v5(reason));
        check_refused(b"\x10\x03abc", None);
        check_refused(b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x0a\x00\x01p", Some(unsupported_v3()));
        check_refused(&connect(3, 2, b"\x00\x01p"), Some(unsupported_v3()));
        check_refused(
            &connect(6, 2, b"\x00\x01p"),
            v5(v5::ConnectAckReason::UnsupportedProtocolVersion),
        );
        check_refused(&connect(4, 3, b"\x00\x01p"), None);
        check_refused(&connect(4, 0x42, b"\x00\x01p\x00\x01p"), None);
        check_refused(
            &connect(4, 0, b"\x00\x00"),
            Some(refuse_v3(v3::ConnectAckReason::IdentifierRejected)),
        );
        check_refused(&connect(5, 3, b"\x00\x00\x01p"), v5(v5::ConnectAckReason::MalformedPacket));
        check_refused(
            &connect(5, 2, b"\x03\x23\x00\x01\x00\x01p"),
            v5(v5::ConnectAckReason::ProtocolError),
        );
        check_refused(
            &connect(5, 2, b"\x00\x00\x02p\x00"),
            v5(v5::ConnectAckReason::ClientIdentifierNotValid),
        );
        check_refused(
            &connect(5, 2, b"\x04\x15\x00\x01m\x00\x01p"),
            v5(v5::ConnectAckReason::BadAuthenticationMethod),
        );
    }
}
