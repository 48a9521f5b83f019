//! CONNECT and CONNACK.
//!
//! The server reads a CONNECT from its flags on and writes the CONNACK; the client writes CONNECT
//! and reads CONNACK.

use super::{
    Qos, Version, Violation,
    ack::REASON_STRING,
    frame::{varint_len, write_header, write_varint},
    properties::{Packet, Read, check_properties},
    text::{read_binary, read_string, utf8, write_binary},
};

const RESERVED: u8 = 0x01;
const CLEAN: u8 = 0x02;
const WILL_RETAIN: u8 = 0x20;

const WILL: u8 = 0x04;
const PASSWORD: u8 = 0x40;
const USER_NAME: u8 = 0x80;

/// What is wrong with a CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectFault {
    /// The identifier is not valid UTF-8; 5.0 has a reason code for it.
    ClientId,
    /// An error for which 5.0 lets a server choose whether to send a reason code. It sends none, as
    /// client test suites expect: a will of QoS 3, a missing or invalid user name or password.
    Unanswered,
    /// Anything else.
    Packet(Violation),
}

impl From<Violation> for ConnectFault {
    fn from(violation: Violation) -> Self {
        Self::Packet(violation)
    }
}

/// A CONNECT after its keep alive, borrowed from the read buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Connect<'a> {
    /// Clean session (3.1.1) or clean start (5.0).
    pub(crate) clean: bool,
    pub(crate) client_id: &'a str,
    pub(crate) properties: Read<'a>,
    pub(crate) will: Option<ConnectWill<'a>>,
    pub(crate) user_name: Option<&'a str>,
    pub(crate) password: Option<&'a [u8]>,
}

/// The will of a CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectWill<'a> {
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    pub(crate) topic: &'a str,
    pub(crate) properties: Read<'a>,
    pub(crate) payload: &'a [u8],
}

/// Reads flags, properties, identifier, will, user name and password: each is present exactly if
/// its flag is set, and nothing follows them. `body` begins after the keep alive.
pub(crate) fn read_connect(
    version: Version,
    flags: u8,
    body: &[u8],
) -> Result<Connect<'_>, ConnectFault> {
    let mut rest = body;
    let has = |flag| flags & flag != 0;
    let will_qos = Qos::of((flags >> 3) & 0x03).ok_or(ConnectFault::Unanswered)?;
    // [MQTT-3.1.2-3]; [MQTT-3.1.2-11] to [MQTT-3.1.2-15]: no will bits without a will.
    let strays = !has(WILL) && (will_qos != Qos::AtMostOnce || has(WILL_RETAIN));
    // [MQTT-3.1.2-22] of 3.1.1; in 5.0 a password is allowed without a user name.
    let alone = version == Version::V3 && has(PASSWORD) && !has(USER_NAME);
    if has(RESERVED) || strays || alone {
        return Err(Violation::Malformed.into());
    }
    let mut connect = Connect { clean: has(CLEAN), ..Connect::default() };
    if version == Version::V5 {
        connect.properties = check_properties(&mut rest, Packet::Connect)?;
    }
    // [MQTT-3.1.3-4]
    connect.client_id = utf8(read_binary(&mut rest)?).map_err(|_| ConnectFault::ClientId)?;
    if has(WILL) {
        connect.will = Some(read_will(version, will_qos, has(WILL_RETAIN), &mut rest)?);
    }
    // Present if the flag is set, [MQTT-3.1.2-19] of 3.1.1 and [MQTT-3.1.2-17] of 5.0, and UTF-8:
    // [MQTT-3.1.3-11] and [MQTT-3.1.3-12].
    if has(USER_NAME) {
        let user_name = read_string(&mut rest).map_err(|_| ConnectFault::Unanswered)?;
        connect.user_name = Some(user_name);
    }
    // [MQTT-3.1.2-21] of 3.1.1, [MQTT-3.1.2-19] of 5.0
    if has(PASSWORD) {
        connect.password = Some(read_binary(&mut rest).map_err(|_| ConnectFault::Unanswered)?);
    }
    // Absent if its flag is not set: [MQTT-3.1.2-18] and [-20] of 3.1.1, [-16] and [-18] of 5.0.
    if rest.is_empty() { Ok(connect) } else { Err(Violation::Malformed.into()) }
}

fn read_will<'a>(
    version: Version,
    qos: Qos,
    retain: bool,
    rest: &mut &'a [u8],
) -> Result<ConnectWill<'a>, Violation> {
    let properties = match version {
        Version::V3 => Read::default(),
        Version::V5 => check_properties(rest, Packet::Will)?,
    };
    // [MQTT-3.1.3-10] of 3.1.1, [MQTT-3.1.3-11] of 5.0; a topic: [MQTT-4.7.3-1], [MQTT-3.3.2-2]
    let topic = read_string(rest)?;
    if topic.is_empty() || topic.contains(['+', '#']) {
        return Err(Violation::Malformed);
    }
    Ok(ConnectWill { qos, retain, topic, properties, payload: read_binary(rest)? })
}

/// Appends a CONNACK of 3.1.1.
pub(crate) fn write_connack_v3(out: &mut Vec<u8>, session_present: bool, code: u8) {
    out.extend([0x20, 2, u8::from(session_present), code]);
}

/// The fields of a CONNACK of 5.0 after session present and reason code.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ConnackFields<'a> {
    /// Only if it differs from the requested value.
    pub(crate) session_expiry: Option<u32>,
    pub(crate) receive_maximum: Option<u16>,
    pub(crate) packet_bytes_max: Option<u32>,
    pub(crate) assigned_client_id: Option<&'a str>,
    pub(crate) topic_alias_max: Option<u16>,
    /// The server keep alive in seconds, if imposed.
    pub(crate) keep_alive: Option<u16>,
    /// The reason string.
    pub(crate) reason: Option<&'a str>,
}

/// Appends a CONNACK of 5.0.
pub(crate) fn write_connack_v5(
    out: &mut Vec<u8>,
    session_present: bool,
    reason: u8,
    words: ConnackFields<'_>,
) {
    let mut block = Vec::with_capacity(32);
    let mut put = |id: u8, value: &[u8]| {
        block.push(id);
        block.extend_from_slice(value);
    };
    if let Some(expiry) = words.session_expiry {
        put(0x11, &expiry.to_be_bytes());
    }
    if let Some(maximum) = words.receive_maximum {
        put(0x21, &maximum.to_be_bytes());
    }
    if let Some(bytes) = words.packet_bytes_max {
        put(0x27, &bytes.to_be_bytes());
    }
    if let Some(maximum) = words.topic_alias_max {
        put(0x22, &maximum.to_be_bytes());
    }
    if let Some(seconds) = words.keep_alive {
        put(0x13, &seconds.to_be_bytes());
    }
    for (id, text) in [(0x12, words.assigned_client_id), (REASON_STRING, words.reason)] {
        if let Some(text) = text {
            block.push(id);
            write_binary(&mut block, text.as_bytes());
        }
    }
    write_header(out, 0x20, 2 + varint_len(block.len()) + block.len());
    out.extend([u8::from(session_present), reason]);
    write_varint(out, block.len());
    out.extend_from_slice(&block);
}

/// The parameters of a client's CONNECT.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectRequest<'a> {
    pub(crate) version: Version,
    pub(crate) client_id: &'a str,
    pub(crate) keep_alive_secs: u16,
    /// User name and password.
    pub(crate) login: Option<(&'a str, &'a str)>,
}

/// Appends a CONNECT with a clean session (3.1.1) or a clean start without expiry (5.0).
pub(crate) fn write_connect(out: &mut Vec<u8>, connect: ConnectRequest<'_>) {
    let mut body = Vec::with_capacity(64);
    write_binary(&mut body, b"MQTT");
    body.push(if connect.version == Version::V5 { 5 } else { 4 });
    body.push(CLEAN | if connect.login.is_some() { USER_NAME | PASSWORD } else { 0 });
    body.extend(connect.keep_alive_secs.to_be_bytes());
    if connect.version == Version::V5 {
        body.push(0);
    }
    write_binary(&mut body, connect.client_id.as_bytes());
    if let Some((user, password)) = connect.login {
        write_binary(&mut body, user.as_bytes());
        write_binary(&mut body, password.as_bytes());
    }
    write_header(out, 0x10, body.len());
    out.extend_from_slice(&body);
}

/// The fields of a CONNACK that a publishing client uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connack {
    /// 0: accepted.
    pub(crate) reason: u8,
    /// The receive maximum; 65,535 if it is absent.
    pub(crate) receive_maximum: u16,
}

/// Reads the body of a CONNACK.
pub(crate) fn read_connack(version: Version, body: &[u8]) -> Result<Connack, Violation> {
    let (&[_flags, reason], mut rest) = body.split_first_chunk().ok_or(Violation::Malformed)?;
    // A 3.1.1 server refuses a 5.0 client with its own code, without properties.
    let properties = match version {
        Version::V5 if !rest.is_empty() => check_properties(&mut rest, Packet::Connack)?,
        Version::V3 | Version::V5 => Read::default(),
    };
    if !rest.is_empty() {
        return Err(Violation::Malformed);
    }
    let receive_maximum = properties.receive_maximum.unwrap_or(u16::MAX);
    Ok(Connack { reason, receive_maximum })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connect_that_is_written_is_read_back() {
        let connect = ConnectRequest {
            version: Version::V5,
            client_id: "c",
            keep_alive_secs: 60,
            login: None,
        };
        let mut out = Vec::new();
        write_connect(&mut out, connect);
        assert_eq!(out, b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01c");
        let read = read_connect(Version::V5, out[9], &out[12..]).expect("well formed");
        assert_eq!((read.client_id, read.clean, read.user_name), ("c", true, None));
        out.clear();
        let login = Some(("u", "p"));
        write_connect(&mut out, ConnectRequest { version: Version::V3, login, ..connect });
        assert_eq!(out, b"\x10\x13\0\x04MQTT\x04\xc2\0\x3c\0\x01c\0\x01u\0\x01p");
        let read = read_connect(Version::V3, out[9], &out[12..]).expect("well formed");
        assert_eq!((read.user_name, read.password), (Some("u"), Some(&b"p"[..])));
    }

    #[test]
    fn a_connack_says_how_much_may_be_unacknowledged() {
        let check = |version, body: &[u8], expect| {
            assert_eq!(read_connack(version, body), expect, "{body:02x?}");
        };
        let plain = |reason| Ok(Connack { reason, receive_maximum: u16::MAX });
        check(Version::V3, b"\0\0", plain(0));
        check(Version::V5, b"\0\0\0", plain(0));
        check(Version::V5, b"\0\x01", plain(1));
        // Session expiry, assigned client id, a user property, then the receive maximum.
        let properties = b"\0\0\x14\x11\0\0\0\0\x12\0\x01x\x26\0\x01a\0\0\x21\0\x20\x25\0";
        check(Version::V5, properties, Ok(Connack { reason: 0, receive_maximum: 32 }));
        check(Version::V3, b"\0", Err(Violation::Malformed));
        check(Version::V3, b"\0\0\0", Err(Violation::Malformed));
        check(Version::V5, b"\0\0\x01\x21", Err(Violation::Malformed));
        check(Version::V5, b"\0\0\x03\x23\0\x01", Err(Violation::Protocol));
    }

    fn check(version: Version, flags: u8, body: &[u8], expect: Result<(), ConnectFault>) {
        assert_eq!(
            read_connect(version, flags, body).map(|_| ()),
            expect,
            "{flags:02x} {body:02x?}"
        );
    }

    #[test]
    fn every_field_is_present_exactly_if_its_flag_is_set() {
        let malformed = Err(Violation::Malformed.into());
        for (version, properties) in [(Version::V3, &b""[..]), (Version::V5, b"\x00")] {
            let body = |rest: &[u8]| [properties, b"\x00\x01p", rest].concat();
            let will = [properties, b"\x00\x01t\x00\x01m"].concat();
            check(version, 0x02, &body(b""), Ok(()));
            check(version, 0xc2, &body(b"\x00\x01u\x00\x01\x00"), Ok(()));
            check(version, 0x06, &body(&will), Ok(()));
            check(version, 0xc2, &body(b"\x00\x01u"), Err(ConnectFault::Unanswered));
            check(version, 0x82, &body(b""), Err(ConnectFault::Unanswered));
            check(version, 0x82, &body(b"\x00\x01u\x00\x01w"), malformed);
            check(version, 0x02, &body(b"\x00\x01u"), malformed);
            check(version, 0x02, &body(b"\x00"), malformed);
            check(version, 0x06, &body(&will[..will.len() - 1]), malformed);
        }
        // A password alone.
        check(Version::V3, 0x42, b"\x00\x01p\x00\x01w", malformed);
        check(Version::V5, 0x42, b"\x00\x00\x01p\x00\x01w", Ok(()));
    }

    #[test]
    fn texts_are_utf_8_and_a_will_has_a_topic() {
        let malformed = Err(Violation::Malformed.into());
        let unanswered = Err(ConnectFault::Unanswered);
        check(Version::V3, 0x82, b"\x00\x01p\x00\x02u\x00", unanswered);
        check(Version::V3, 0x82, b"\x00\x01p\x00\x03\xed\xa0\x80", unanswered);
        check(Version::V3, 0x02, b"\x00\x01\x00", Err(ConnectFault::ClientId));
        for topic in [&b"\x00\x00"[..], b"\x00\x02t\x00", b"\x00\x02t+", b"\x00\x01#"] {
            check(Version::V3, 0x06, &[b"\x00\x01p", topic, b"\x00\x00"].concat(), malformed);
        }
    }

    #[test]
    fn properties_of_a_will_are_those_of_a_will() {
        let protocol = Err(Violation::Protocol.into());
        let will = |block: &[u8]| [b"\x00\x00\x01p", block, b"\x00\x01t\x00\x00"].concat();
        check(Version::V5, 0x06, &will(b"\x05\x18\x00\x00\x00\x09"), Ok(()));
        check(Version::V5, 0x06, &will(b"\x04\x03\x00\x01j"), Ok(()));
        check(Version::V5, 0x06, &will(b"\x03\x21\x00\x01"), protocol);
        check(Version::V5, 0x06, &will(b"\x04\x01\x00\x01\x00"), protocol);
        check(Version::V5, 0x06, &will(b"\x03\x08\x00\x00"), protocol);
    }
}
