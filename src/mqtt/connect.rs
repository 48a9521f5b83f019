//! CONNECT: who comes, in which version, and what both sides may do.

use std::num::{NonZeroU16, NonZeroU32};

use ntex_bytes::{ByteString, BytesMut};
use ntex_codec::Decoder;
use ntex_mqtt::{v3::codec as v3, v5::codec as v5};

use super::wire::{ConnectFault, Version, Violation, check_connect};
use crate::model::Protocol;

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
    pub(super) protocol: Protocol,
    /// Whether it asked for a session that outlives its connection.
    pub(super) asked_to_last: bool,
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
    let (protocol, rest) = protocol(body)?;
    // Flags and keep alive stand behind the level in every version.
    let (&[flags, _, _], rest) = rest.split_first_chunk::<3>().ok_or(None)?;
    match protocol {
        Protocol::V31 | Protocol::V311 => {
            accept_v3(protocol, &as_v311(body, rest.len() + 3), rest, flags, assigned)
        }
        Protocol::V5 => accept_v5(packet, rest, flags, announced, assigned),
    }
}

/// The bit of the level with which a bridge (mosquitto's, by default) says that it is one. It is
/// not in the standard; a bridge that is refused with code 1 comes back without it, any other
/// answer it takes for a fault and tries again for ever.
const BRIDGE: u8 = 0x80;

/// Which protocol a CONNECT speaks, and what follows the level. A level that is not known is
/// refused in 3.1.1's words, which are the oldest that all versions know.
fn protocol(body: &[u8]) -> Result<(Protocol, &[u8]), Option<Connack>> {
    let known = [&b"\x00\x04MQTT"[..], b"\x00\x06MQIsdp"];
    let named = known.iter().find_map(|name| Some((name.len() == 6, body.strip_prefix(*name)?)));
    let (is_current, rest) = named.ok_or(None)?;
    let (&level, rest) = rest.split_first().ok_or(None)?;
    let protocol = match (is_current, level) {
        (true, 5) => Protocol::V5,
        (true, _) if level & !BRIDGE == 4 => Protocol::V311,
        (false, _) if level & !BRIDGE == 3 => Protocol::V31,
        _ => return Err(Some(unsupported_v3())),
    };
    Ok((protocol, rest))
}

/// Whether bytes that have come can still become a CONNECT: what they lack is not known, but what
/// is there must be its beginning.
pub(super) fn may_be_connect(bytes: &[u8]) -> bool {
    let Some((&first, rest)) = bytes.split_first() else { return true };
    let begins = |body: &[u8]| {
        [&b"\x00\x04MQTT"[..], b"\x00\x06MQIsdp"].iter().any(|name| {
            let len = name.len().min(body.len());
            name[..len] == body[..len]
        })
    };
    // The length ends with a byte below 0x80; four bytes at most.
    let length = rest.iter().take(4).position(|byte| byte & 0x80 == 0);
    first == 0x10
        && match length {
            Some(last) => begins(&rest[last + 1..]),
            None => rest.len() < 4,
        }
}

/// The body of a CONNECT as a 3.1.1 packet, for the codec, which knows no other name and level: the
/// last `len` bytes of it are the same.
fn as_v311(body: &[u8], len: usize) -> Vec<u8> {
    let same = &body[body.len() - len..];
    let mut packet = vec![0x10];
    let mut left = same.len() + 7;
    while left > 0x7f {
        packet.push(u8::try_from(left & 0x7f).expect("seven bits") | 0x80);
        left >>= 7;
    }
    packet.push(u8::try_from(left).expect("seven bits"));
    packet.extend(b"\x00\x04MQTT\x04");
    packet.extend(same);
    packet
}

/// A broken packet closes the connection without a word ([MQTT-3.1.4-1], [MQTT-4.8.0-1]): the codes
/// of 3.1.1 say only why a good one is not served.
fn accept_v3(
    protocol: Protocol,
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
    // 3.1 has no identifiers that the server makes up.
    if protocol == Protocol::V31 && connect.client_id.is_empty() {
        return Err(Some(refuse_v3(v3::ConnectAckReason::IdentifierRejected)));
    }
    Ok(Accepted {
        protocol,
        asked_to_last: !connect.clean_session,
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
        protocol: Protocol::V5,
        asked_to_last: connect.session_expiry_interval_secs != 0,
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

    fn mqisdp(level: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = b"\x10\x00\x00\x06MQIsdp".to_vec();
        packet.extend([level, 2, 0, 10]);
        packet.extend(rest);
        packet[1] = u8::try_from(packet.len() - 2).expect("short");
        packet
    }

    /// `m1-mosquitto-bridge`: 0x84 and 0x83 are how a bridge says 3.1.1 and 3.1.
    #[test]
    fn every_version_is_known_by_its_name_and_level_and_a_bridge_by_its_bit() {
        let protocol = |packet: &[u8]| {
            let accepted = accept(packet, 2, ANNOUNCED, String::new).expect("accepted");
            assert_eq!((accepted.client_id.as_str(), accepted.keep_alive), ("p", 10));
            accepted.protocol
        };
        assert_eq!(protocol(&connect(4, 2, b"\x00\x01p")), Protocol::V311);
        assert_eq!(protocol(&connect(0x84, 2, b"\x00\x01p")), Protocol::V311);
        assert_eq!(protocol(&mqisdp(3, b"\x00\x01p")), Protocol::V31);
        assert_eq!(protocol(&mqisdp(0x83, b"\x00\x01p")), Protocol::V31);
        assert_eq!(protocol(&connect(5, 2, b"\x00\x00\x01p")), Protocol::V5);
    }

    /// `m8-first-packet`: what cannot become a CONNECT is seen by its first bytes.
    #[test]
    fn what_cannot_become_a_connect_is_seen_as_early_as_it_can_be() {
        for packet in [connect(4, 2, b"\x00\x01p"), mqisdp(3, b"\x00\x01p")] {
            (0..packet.len()).for_each(|len| assert!(may_be_connect(&packet[..len]), "{len}"));
        }
        assert!(may_be_connect(b"\x10\xff\xff\x7f\x00"), "a long one");
        for probe in [
            &b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n"[..],
            b"POST / HTTP/1.1\r\n",
            b"GET / HTTP/1.1\r\n",
            b"\x16\x03\x01\x02\x00\x01",
            b"\xc0\x00",
            b"\x10\xff\xff\xff\xff",
            b"\x10\x0c\x00\x04MQTX",
            b"\x10\x0c\x00\x05",
        ] {
            assert!(!may_be_connect(probe), "{probe:02x?}");
        }
        assert!(!may_be_connect(b"P"), "one byte is enough");
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
        for level in [0, 3, 6, 0x83, 0x85, 0xff] {
            check_refused(&connect(level, 2, b"\x00\x01p"), Some(unsupported_v3()));
        }
        for level in [2, 4, 0x84] {
            check_refused(&mqisdp(level, b"\x00\x01p"), Some(unsupported_v3()));
        }
        check_refused(
            &mqisdp(3, b"\x00\x00"),
            Some(refuse_v3(v3::ConnectAckReason::IdentifierRejected)),
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
