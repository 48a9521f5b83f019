//! CONNECT: the client, its protocol version, and the limits of both sides.

use std::{fmt, num::NonZeroU16};

use super::wire::{
    ConnackFields, Connect, ConnectFault, ConnectWill, Version, Violation, read_connect,
    write_connack_v3, write_connack_v5,
};
use crate::{auth::IdentityFault, model::Protocol};

/// The limits announced to a 5.0 client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced {
    pub(super) receive_maximum: NonZeroU16,
    pub(super) packet_bytes_max: u32,
    pub(super) topic_alias_max: u16,
    /// The longest keep alive in seconds; 0 imposes none.
    pub(super) keep_alive_max: u16,
}

/// What CONNACK says about the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Granted {
    /// The session is resumed.
    pub(super) is_present: bool,
    /// Its session expiry interval in seconds.
    pub(super) expiry: u32,
}

/// The credentials in a CONNECT.
#[derive(Default)]
pub(super) struct Credentials {
    pub(super) username: Option<Box<str>>,
    pub(super) password: Option<Box<[u8]>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// A valid CONNECT. Its client is not authenticated yet.
#[derive(Debug)]
pub(super) struct Accepted<W> {
    pub(super) protocol: Protocol,
    /// Whether an existing session is discarded (Clean Start).
    pub(super) is_clean: bool,
    /// The requested session expiry interval in seconds; `u32::MAX` means forever.
    pub(super) session_expiry: u32,
    /// As sent by the client, or as assigned.
    pub(super) client_id: String,
    is_assigned: bool,
    pub(super) credentials: Credentials,
    /// Seconds; 0 switches it off.
    pub(super) keep_alive: u16,
    is_imposed: bool,
    /// The client's receive maximum.
    pub(super) receive_maximum: u16,
    /// The client's maximum packet size.
    pub(super) packet_bytes_max: usize,
    /// The client's topic alias maximum.
    pub(super) topic_alias_max: u16,
    /// Whether it requests problem information (reason strings).
    pub(super) wants_reasons: bool,
    /// Created from the packet's will.
    pub(super) will: Option<W>,
}

impl<W> Accepted<W> {
    pub(super) fn version(&self) -> Version {
        version(self.protocol)
    }

    /// Appends the CONNACK; returns whether the client accepts a packet of its size
    /// ([MQTT-3.1.2-24]).
    pub(super) fn write_connack(
        &self,
        announced: Announced,
        granted: Granted,
        out: &mut Vec<u8>,
    ) -> bool {
        let begin = out.len();
        let Granted { is_present, expiry } = granted;
        match self.version() {
            // 3.1 (3.2) has no such flag: its byte is reserved.
            Version::V3 => write_connack_v3(out, is_present && self.protocol != Protocol::V31, 0),
            Version::V5 => {
                let words = ConnackFields {
                    session_expiry: (self.session_expiry != expiry).then_some(expiry),
                    receive_maximum: Some(announced.receive_maximum.get()),
                    packet_bytes_max: Some(announced.packet_bytes_max),
                    assigned_client_id: self.is_assigned.then_some(self.client_id.as_str()),
                    topic_alias_max: Some(announced.topic_alias_max),
                    keep_alive: self.is_imposed.then_some(self.keep_alive),
                    reason: None,
                };
                write_connack_v5(out, is_present, 0, words);
            }
        }
        out.len() - begin <= self.packet_bytes_max
    }

    /// Appends the refusing CONNACK, with a reason string if the client requests one and accepts a
    /// packet of that size.
    pub(super) fn write_refusal(&self, fault: IdentityFault, out: &mut Vec<u8>) {
        let refusal = Refusal::of(self.version(), fault);
        let begin = out.len();
        if let Refusal::V5(code) = refusal
            && self.wants_reasons
        {
            let reason = Some(refusal.words());
            write_connack_v5(
                out,
                false,
                code,
                ConnackFields { reason, ..ConnackFields::default() },
            );
            if out.len() - begin <= self.packet_bytes_max {
                return;
            }
            out.truncate(begin);
        }
        refusal.write(out);
    }
}

/// A refusing CONNACK, with a code of the client's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    V3(u8),
    V5(u8),
}

impl Refusal {
    const VERSION: Self = Self::V3(1);
    const CLIENT_ID: Self = Self::V3(2);

    /// The answer to a valid CONNECT whose client is refused.
    pub(super) fn of(version: Version, fault: IdentityFault) -> Self {
        let (v3, v5) = match fault {
            IdentityFault::Credentials => (4, 0x86),
            IdentityFault::Busy => (3, 0x89),
            IdentityFault::TakenOverTooOften => (3, 0x9f),
            IdentityFault::Nothing
            | IdentityFault::Certificate(_)
            | IdentityFault::OtherName
            | IdentityFault::OtherClientId
            | IdentityFault::TokenName
            | IdentityFault::Will
            | IdentityFault::Removed => (5, 0x87),
        };
        match version {
            Version::V3 => Self::V3(v3),
            Version::V5 => Self::V5(v5),
        }
    }

    /// Appends the CONNACK.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::V3(code) => write_connack_v3(out, false, code),
            Self::V5(reason) => write_connack_v5(out, false, reason, ConnackFields::default()),
        }
    }

    /// The specification's name of the code.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::V3(1) => "unacceptable protocol version",
            Self::V3(2) => "identifier rejected",
            Self::V3(3) => "server unavailable",
            Self::V3(4) => "bad user name or password",
            Self::V3(_) => "not authorized",
            Self::V5(0x81) => "malformed packet",
            Self::V5(0x82) => "protocol error",
            Self::V5(0x84) => "unsupported protocol version",
            Self::V5(0x85) => "client identifier not valid",
            Self::V5(0x86) => "bad user name or password",
            Self::V5(0x87) => "not authorized",
            Self::V5(0x89) => "server busy",
            Self::V5(0x8c) => "bad authentication method",
            Self::V5(0x90) => "topic name invalid",
            Self::V5(0x9f) => "connection rate exceeded",
            Self::V5(_) => "unspecified error",
        }
    }
}

fn version(protocol: Protocol) -> Version {
    match protocol {
        Protocol::V31 | Protocol::V311 => Version::V3,
        Protocol::V5 => Version::V5,
    }
}

/// Checks a whole CONNECT packet, including the fixed header. `assigned` creates an identifier for
/// a client without one, `will` the stored form of a will.
///
/// # Errors
/// The refusal to send before closing; `None` if the peer does not speak MQTT, or its version has
/// no code for the error.
pub(super) fn accept<W>(
    packet: &[u8],
    header: usize,
    announced: Announced,
    assigned: impl FnOnce() -> String,
    will: impl FnOnce(ConnectWill<'_>) -> Result<W, Violation>,
) -> Result<Accepted<W>, Option<Refusal>> {
    let body = &packet[header..];
    let (protocol, rest) = protocol(body)?;
    // Flags and keep alive follow the level in every version.
    let (&[flags, high, low], rest) = rest.split_first_chunk::<3>().ok_or(None)?;
    let version = version(protocol);
    // 3.1 has no reserved bit.
    let flags = if protocol == Protocol::V31 { flags & !1 } else { flags };
    let connect = read_connect(version, flags, rest).map_err(|fault| broken(version, fault))?;
    let keep_alive = u16::from_be_bytes([high, low]);
    judge(protocol, &connect)?;
    let is_assigned = connect.client_id.is_empty();
    let imposed = announced.keep_alive_max;
    let is_imposed =
        version == Version::V5 && imposed != 0 && (keep_alive == 0 || keep_alive > imposed);
    let said = connect.properties;
    let will = connect.will.map(will).transpose();
    let asked = match version {
        Version::V3 if connect.clean => 0,
        Version::V3 => u32::MAX,
        Version::V5 => said.session_expiry.unwrap_or(0),
    };
    Ok(Accepted {
        protocol,
        is_clean: connect.clean,
        session_expiry: asked,
        // The assigned identifier is unique ([MQTT-3.1.3-6]).
        client_id: if is_assigned { assigned() } else { connect.client_id.to_owned() },
        is_assigned,
        credentials: Credentials {
            username: connect.user_name.map(Box::from),
            password: connect.password.map(Box::from),
        },
        keep_alive: if is_imposed { imposed } else { keep_alive },
        is_imposed,
        receive_maximum: said.receive_maximum.unwrap_or(u16::MAX),
        packet_bytes_max: said
            .packet_bytes_max
            .map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX)),
        topic_alias_max: said.topic_alias_max.unwrap_or(0),
        wants_reasons: said.wants_reasons,
        will: will.map_err(|fault| broken(version, fault.into()))?,
    })
}

/// A malformed packet closes a 3.1.1 connection without a CONNACK ([MQTT-3.1.4-1],
/// [MQTT-4.8.0-1]): the codes of 3.1.1 only refuse valid packets.
fn broken(version: Version, fault: ConnectFault) -> Option<Refusal> {
    let reason = match fault {
        ConnectFault::ClientId => 0x85,
        ConnectFault::Packet(violation) => violation as u8,
        ConnectFault::Unanswered => return None,
    };
    (version == Version::V5).then_some(Refusal::V5(reason))
}

/// Refuses a well-formed CONNECT that cannot be served.
fn judge(protocol: Protocol, connect: &Connect<'_>) -> Result<(), Option<Refusal>> {
    let nameless = connect.client_id.is_empty();
    match protocol {
        // 3.1 has no identifiers that the server assigns.
        Protocol::V31 if nameless => Err(Some(Refusal::CLIENT_ID)),
        // [MQTT-3.1.3-8]
        Protocol::V311 if nameless && !connect.clean => Err(Some(Refusal::CLIENT_ID)),
        // Enhanced authentication: [MQTT-4.12.0-1].
        Protocol::V5 if connect.properties.authenticates => Err(Some(Refusal::V5(0x8c))),
        _ => Ok(()),
    }
}

/// The bit of the protocol level with which a bridge (mosquitto's, by default) marks itself. It is
/// not in the standard. A bridge that is refused with code 1 retries without the bit; after any
/// other answer it always retries with the bit.
const BRIDGE: u8 = 0x80;

/// The protocol of a CONNECT, and the bytes after the level. An unknown level is refused with the
/// code of 3.1.1, which clients of all versions understand.
fn protocol(body: &[u8]) -> Result<(Protocol, &[u8]), Option<Refusal>> {
    let known = [&b"\x00\x04MQTT"[..], b"\x00\x06MQIsdp"];
    let named = known.iter().find_map(|name| Some((name.len() == 6, body.strip_prefix(*name)?)));
    let (is_current, rest) = named.ok_or(None)?;
    let (&level, rest) = rest.split_first().ok_or(None)?;
    let protocol = match (is_current, level) {
        (true, 5) => Protocol::V5,
        (true, _) if level & !BRIDGE == 4 => Protocol::V311,
        (false, _) if level & !BRIDGE == 3 => Protocol::V31,
        _ => return Err(Some(Refusal::VERSION)),
    };
    Ok((protocol, rest))
}

/// Whether the bytes received so far can be the beginning of a CONNECT.
pub(super) fn may_be_connect(bytes: &[u8]) -> bool {
    let Some((&first, rest)) = bytes.split_first() else { return true };
    let begins = |body: &[u8]| {
        [&b"\x00\x06MQIsdp"[..], b"\x00\x04MQTT"].iter().any(|name| {
            let len = name.len().min(body.len());
            // In 3.1 the flags of this header have no meaning.
            name[..len] == body[..len] && (first == 0x10 || name.len() == 8)
        })
    };
    // The length ends with a byte below 0x80 and has at most four bytes.
    let length = rest.iter().take(4).position(|byte| byte & 0x80 == 0);
    first >> 4 == 1
        && match length {
            Some(last) => begins(&rest[last + 1..]),
            None => rest.len() < 4,
        }
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

    /// `m1-mosquitto-bridge`: a bridge sends 0x84 and 0x83 for 3.1.1 and 3.1.
    #[test]
    fn every_version_is_recognised_by_its_name_and_level_and_a_bridge_by_its_bit() {
        let protocol = |packet: &[u8]| {
            let accepted = judged(packet).expect("accepted");
            assert_eq!((accepted.client_id.as_str(), accepted.keep_alive), ("p", 10));
            accepted.protocol
        };
        assert_eq!(protocol(&connect(4, 2, b"\x00\x01p")), Protocol::V311);
        assert_eq!(protocol(&connect(0x84, 2, b"\x00\x01p")), Protocol::V311);
        assert_eq!(protocol(&mqisdp(3, b"\x00\x01p")), Protocol::V31);
        assert_eq!(protocol(&mqisdp(0x83, b"\x00\x01p")), Protocol::V31);
        assert_eq!(protocol(&connect(5, 2, b"\x00\x00\x01p")), Protocol::V5);
    }

    /// `m8-first-packet`: the first bytes show that a packet is not a CONNECT.
    #[test]
    fn bytes_that_cannot_become_a_connect_are_detected_as_early_as_possible() {
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

    fn judged(packet: &[u8]) -> Result<Accepted<String>, Option<Refusal>> {
        let will = |will: ConnectWill<'_>| Ok(will.topic.to_owned());
        accept(packet, 2, ANNOUNCED, || "made".to_owned(), will)
    }

    fn check_refused(packet: &[u8], expect: Option<Refusal>) {
        assert_eq!(judged(packet).map(|_| ()).expect_err("refused"), expect, "{packet:02x?}");
    }

    fn connack(accepted: &Accepted<String>) -> Vec<u8> {
        let mut out = Vec::new();
        assert!(accepted.write_connack(ANNOUNCED, Granted::default(), &mut out));
        out
    }

    #[test]
    fn every_version_is_accepted_with_its_keep_alive_and_its_will() {
        for (level, rest) in [(4, &b"\x00\x01p"[..]), (5, b"\x00\x00\x01p")] {
            let accepted = judged(&connect(level, 2, rest)).expect("accepted");
            assert_eq!((accepted.keep_alive, accepted.client_id.as_str()), (10, "p"));
            assert_eq!((accepted.will, accepted.session_expiry), (None, 0));
        }
        let accepted = judged(&connect(4, 4, b"\x00\x01p\x00\x01w\x00\x00")).expect("accepted");
        assert_eq!(accepted.will.as_deref(), Some("w"));
        assert_eq!(accepted.session_expiry, u32::MAX, "3.1.1 without a clean session");
        assert_eq!(connack(&accepted), [0x20, 2, 0, 0]);
    }

    #[test]
    fn session_present_is_sent_to_3_1_1_and_not_to_3_1() {
        for (protocol, expect) in [(Protocol::V31, 0), (Protocol::V311, 1)] {
            let accepted = judged(&connect(4, 0, b"\x00\x01p")).expect("accepted");
            let accepted = Accepted { protocol, ..accepted };
            let (granted, mut out) = (Granted { is_present: true, expiry: 0 }, Vec::new());
            assert!(accepted.write_connack(ANNOUNCED, granted, &mut out));
            assert_eq!(out, [0x20, 2, expect, 0], "{protocol:?}");
        }
    }

    #[test]
    fn a_5_0_client_is_told_which_values_differ_from_its_connect() {
        let accepted = judged(&connect(5, 2, b"\x00\x00\x00")).expect("accepted");
        assert_eq!(accepted.client_id, "made");
        let expect: &[u8] = b"\x20\x15\0\0\x12\x21\0\x01\x27\0\0\x03\xe8\x22\0\x03\x12\0\x04made";
        assert_eq!(connack(&accepted), expect);
        // A session expiry of a minute, and packets of at most eight bytes.
        let properties = b"\x0a\x11\0\0\0\x3c\x27\0\0\0\x08\0\x01p";
        let accepted = judged(&connect(5, 2, properties)).expect("accepted");
        assert_eq!((accepted.session_expiry, accepted.packet_bytes_max), (60, 8));
        let mut out = Vec::new();
        assert!(
            !accepted.write_connack(ANNOUNCED, Granted::default(), &mut out),
            "it takes no packet of that size"
        );
        assert!(out.windows(5).any(|five| five == [0x11, 0, 0, 0, 0]), "no session is kept");
    }

    #[test]
    fn a_refusal_has_a_reason_string_if_the_client_requests_and_accepts_one() {
        for (properties, expect) in [
            (&b"\x02\x17\x01"[..], &b"\x20\x14\0\x87\x11\x1f\0\x0enot authorized"[..]),
            (b"\x00", b"\x20\x03\0\x87\0"),
            (b"\x07\x17\x01\x27\0\0\0\x15", b"\x20\x03\0\x87\0"),
        ] {
            let accepted = judged(&connect(5, 2, &[properties, b"\0\x01p"].concat()));
            let mut out = Vec::new();
            accepted.expect("in order").write_refusal(IdentityFault::Nothing, &mut out);
            assert_eq!(out, expect, "{properties:02x?}");
        }
    }

    #[test]
    fn a_keep_alive_that_is_too_long_is_replaced_in_versions_that_can_say_so() {
        let announced = Announced { keep_alive_max: 5, ..ANNOUNCED };
        for (level, rest, seconds) in [(4, &b"\x00\x01p"[..], 10), (5, b"\x00\x00\x01p", 5)] {
            let packet = connect(level, 2, rest);
            let accepted =
                accept(&packet, 2, announced, String::new, |_| Ok(())).expect("accepted");
            assert_eq!((accepted.keep_alive, accepted.is_imposed), (seconds, level == 5));
        }
    }

    #[test]
    fn a_refusal_has_the_code_of_the_version() {
        check_refused(b"\x10\x03abc", None);
        for level in [0, 3, 6, 0x83, 0x85, 0xff] {
            check_refused(&connect(level, 2, b"\x00\x01p"), Some(Refusal::V3(1)));
        }
        for level in [2, 4, 0x84] {
            check_refused(&mqisdp(level, b"\x00\x01p"), Some(Refusal::V3(1)));
        }
        check_refused(&mqisdp(3, b"\x00\x00"), Some(Refusal::V3(2)));
        check_refused(&connect(4, 3, b"\x00\x01p"), None);
        check_refused(&connect(4, 0x42, b"\x00\x01p\x00\x01p"), None);
        // `f01-session-expiry`: no identifier, but a persistent session.
        check_refused(&connect(4, 0, b"\x00\x00"), Some(Refusal::V3(2)));
        check_refused(&connect(5, 3, b"\x00\x00\x01p"), Some(Refusal::V5(0x81)));
        check_refused(&connect(5, 2, b"\x03\x23\x00\x01\x00\x01p"), Some(Refusal::V5(0x82)));
        check_refused(&connect(5, 2, b"\x00\x00\x02p\x00"), Some(Refusal::V5(0x85)));
        let authenticates = b"\x04\x15\x00\x01m\x00\x01p";
        check_refused(&connect(5, 2, authenticates), Some(Refusal::V5(0x8c)));
    }
}
