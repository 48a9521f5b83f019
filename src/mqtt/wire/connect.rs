//! CONNECT and CONNACK.
//!
//! The server walks a CONNECT behind its first ten bytes to its end before a codec reads it: the
//! codecs take any UTF-8 for a text, and read no further than the flags tell them to; what follows
//! they do not see. The client writes its CONNECT and reads the CONNACK here.

use super::{
    Version, Violation,
    frame::write_header,
    properties::{Packet, check_properties},
    text::{read_binary, read_string, utf8, write_binary},
};

const CLEAN: u8 = 0x02;

const WILL: u8 = 0x04;
const PASSWORD: u8 = 0x40;
const USER_NAME: u8 = 0x80;

/// What is wrong with a CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectFault {
    /// The identifier is no text; 5.0 has a reason of its own for it.
    ClientId,
    /// Anything else.
    Packet(Violation),
}

impl From<Violation> for ConnectFault {
    fn from(violation: Violation) -> Self {
        Self::Packet(violation)
    }
}

/// Checks what follows the keep alive: properties, identifier, will, user name, password, each
/// there exactly if its flag says so, and nothing behind them.
pub(crate) fn check_connect(version: Version, flags: u8, body: &[u8]) -> Result<(), ConnectFault> {
    let mut rest = body;
    // [MQTT-3.1.2-22] of 3.1.1; in 5.0 a password may come alone.
    if version == Version::V3 && flags & (USER_NAME | PASSWORD) == PASSWORD {
        return Err(Violation::Malformed.into());
    }
    if version == Version::V5 {
        check_properties(&mut rest, Packet::Connect)?;
    }
    // [MQTT-3.1.3-4]
    utf8(read_binary(&mut rest)?).map_err(|_| ConnectFault::ClientId)?;
    if flags & WILL != 0 {
        if version == Version::V5 {
            check_properties(&mut rest, Packet::Will)?;
        }
        // [MQTT-3.1.3-10] of 3.1.1, [MQTT-3.1.3-11] of 5.0; a topic: [MQTT-4.7.3-1], [MQTT-3.3.2-2]
        let topic = read_string(&mut rest)?;
        if topic.is_empty() || topic.contains(['+', '#']) {
            return Err(Violation::Malformed.into());
        }
        read_binary(&mut rest)?;
    }
    // There if the flag is set, [MQTT-3.1.2-19] of 3.1.1 and [MQTT-3.1.2-17] of 5.0, and a text:
    // [MQTT-3.1.3-11] and [MQTT-3.1.3-12].
    if flags & USER_NAME != 0 {
        read_string(&mut rest)?;
    }
    // [MQTT-3.1.2-21] of 3.1.1, [MQTT-3.1.2-19] of 5.0
    if flags & PASSWORD != 0 {
        read_binary(&mut rest)?;
    }
    // Not there if its flag is not set: [MQTT-3.1.2-18] and [-20] of 3.1.1, [-16] and [-18] of 5.0.
    if rest.is_empty() { Ok(()) } else { Err(Violation::Malformed.into()) }
}

/// Who connects, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hello<'a> {
    pub(crate) version: Version,
    pub(crate) client_id: &'a str,
    pub(crate) keep_alive_secs: u16,
    /// User name and password.
    pub(crate) login: Option<(&'a str, &'a str)>,
}

/// Appends a CONNECT with a clean session (3.1.1) or a clean start without expiry (5.0).
pub(crate) fn write_connect(out: &mut Vec<u8>, hello: Hello<'_>) {
    let mut body = Vec::with_capacity(64);
    write_binary(&mut body, b"MQTT");
    body.push(if hello.version == Version::V5 { 5 } else { 4 });
    body.push(CLEAN | if hello.login.is_some() { USER_NAME | PASSWORD } else { 0 });
    body.extend(hello.keep_alive_secs.to_be_bytes());
    if hello.version == Version::V5 {
        body.push(0);
    }
    write_binary(&mut body, hello.client_id.as_bytes());
    if let Some((user, password)) = hello.login {
        write_binary(&mut body, user.as_bytes());
        write_binary(&mut body, password.as_bytes());
    }
    write_header(out, 0x10, body.len());
    out.extend_from_slice(&body);
}

/// What a CONNACK says to a client that publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connack {
    /// 0: welcome.
    pub(crate) reason: u8,
    /// Publishes that may be unacknowledged; 65,535 where nothing is said.
    pub(crate) receive_maximum: u16,
}

/// Reads the body of a CONNACK.
pub(crate) fn read_connack(version: Version, body: &[u8]) -> Result<Connack, Violation> {
    let (&[_flags, reason], mut rest) = body.split_first_chunk().ok_or(Violation::Malformed)?;
    // A server of 3.1.1 refuses a client of 5.0 in its own words, without properties.
    let properties = match version {
        Version::V5 if !rest.is_empty() => check_properties(&mut rest, Packet::Connack)?,
        Version::V3 | Version::V5 => super::properties::Read::default(),
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
    fn a_connect_that_is_written_stands_the_check() {
        let hello =
            Hello { version: Version::V5, client_id: "c", keep_alive_secs: 60, login: None };
        let mut out = Vec::new();
        write_connect(&mut out, hello);
        assert_eq!(out, b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01c");
        assert_eq!(check_connect(Version::V5, out[9], &out[12..]), Ok(()));
        out.clear();
        let login = Some(("u", "p"));
        write_connect(&mut out, Hello { version: Version::V3, login, ..hello });
        assert_eq!(out, b"\x10\x13\0\x04MQTT\x04\xc2\0\x3c\0\x01c\0\x01u\0\x01p");
        assert_eq!(check_connect(Version::V3, out[9], &out[12..]), Ok(()));
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
        assert_eq!(check_connect(version, flags, body), expect, "{flags:02x} {body:02x?}");
    }

    #[test]
    fn every_part_is_there_exactly_if_its_flag_says_so() {
        let malformed = Err(Violation::Malformed.into());
        for (version, properties) in [(Version::V3, &b""[..]), (Version::V5, b"\x00")] {
            let body = |rest: &[u8]| [properties, b"\x00\x01p", rest].concat();
            let will = [properties, b"\x00\x01t\x00\x01m"].concat();
            check(version, 0x02, &body(b""), Ok(()));
            check(version, 0xc2, &body(b"\x00\x01u\x00\x01\x00"), Ok(()));
            check(version, 0x06, &body(&will), Ok(()));
            check(version, 0xc2, &body(b"\x00\x01u"), malformed);
            check(version, 0x82, &body(b""), malformed);
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
    fn texts_are_texts_and_a_will_has_a_topic_to_publish_to() {
        let malformed = Err(Violation::Malformed.into());
        check(Version::V3, 0x82, b"\x00\x01p\x00\x02u\x00", malformed);
        check(Version::V3, 0x82, b"\x00\x01p\x00\x03\xed\xa0\x80", malformed);
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
