//! The PROXY protocol, versions 1 and 2: a header in which a load balancer says who connected.
//!
//! Only configured addresses may send it, and they must. So a header comes from the operator's own
//! balancer; it is nevertheless read with bounds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A complete header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mqtt) struct Header {
    /// Its bytes; what follows is the client's.
    pub(in crate::mqtt) len: usize,
    /// Who connected; `None`: the balancer itself, as for a health check, or it does not know.
    pub(in crate::mqtt) source: Option<SocketAddr>,
    /// The common name of the client's certificate, which the balancer has verified.
    pub(in crate::mqtt) common_name: Option<Vec<u8>>,
}

/// The bytes are not a PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) struct InvalidHeader;

/// What version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\x00\r\nQUIT\n";
/// The maximum bytes of a header of version 1, including its line end.
const TEXT_BYTES_MAX: usize = 107;
/// The maximum bytes of a header of version 2 after its first sixteen; certificates make it long.
const BODY_BYTES_MAX: usize = 4096;

/// Reads a header; `None` while a part of it is missing.
pub(in crate::mqtt) fn parse(bytes: &[u8]) -> Result<Option<Header>, InvalidHeader> {
    let begins = |with: &[u8]| {
        let len = with.len().min(bytes.len());
        bytes[..len] == with[..len]
    };
    if begins(SIGNATURE) {
        binary(bytes)
    } else if begins(b"PROXY ") {
        text(bytes)
    } else {
        Err(InvalidHeader)
    }
}

fn text(bytes: &[u8]) -> Result<Option<Header>, InvalidHeader> {
    let seen = &bytes[..bytes.len().min(TEXT_BYTES_MAX)];
    let Some(end) = seen.windows(2).position(|pair| pair == b"\r\n") else {
        return if seen.len() == TEXT_BYTES_MAX { Err(InvalidHeader) } else { Ok(None) };
    };
    let line = std::str::from_utf8(&seen[..end]).map_err(|_| InvalidHeader)?;
    let header = |source| Header { len: end + 2, source, common_name: None };
    let mut words = line.split(' ').skip(1);
    let family = words.next().ok_or(InvalidHeader)?;
    if family == "UNKNOWN" {
        return Ok(Some(header(None)));
    }
    let words: Vec<&str> = words.collect();
    let [source, target, port, target_port] = words[..] else { return Err(InvalidHeader) };
    let port_of = |text: &str| text.parse::<u16>().map_err(|_| InvalidHeader);
    let (port, _) = (port_of(port)?, port_of(target_port)?);
    let address = |text: &str| text.parse::<IpAddr>().map_err(|_| InvalidHeader);
    let (source, target) = (address(source)?, address(target)?);
    let is_right = match family {
        "TCP4" => source.is_ipv4() && target.is_ipv4(),
        "TCP6" => source.is_ipv6() && target.is_ipv6(),
        _ => false,
    };
    if is_right {
        Ok(Some(header(Some(SocketAddr::new(source, port)))))
    } else {
        Err(InvalidHeader)
    }
}

fn binary(bytes: &[u8]) -> Result<Option<Header>, InvalidHeader> {
    let Some(&[version, family, high, low]) = bytes.get(12..16) else { return Ok(None) };
    let len = usize::from(u16::from_be_bytes([high, low]));
    if version >> 4 != 2 || version & 0x0f > 1 || len > BODY_BYTES_MAX {
        return Err(InvalidHeader);
    }
    let Some(body) = bytes.get(16..16 + len) else { return Ok(None) };
    let mut header = Header { len: 16 + len, source: None, common_name: None };
    let is_local = version & 0x0f == 0;
    // Over TCP; anything else (UDP, a local socket) has no usable address.
    let addresses = match family {
        0x11 => 12,
        0x21 => 36,
        _ => return Ok(Some(header)),
    };
    if is_local {
        return Ok(Some(header));
    }
    let (addresses, mut rest) = body.split_at_checked(addresses).ok_or(InvalidHeader)?;
    header.source = Some(match addresses {
        [a, b, c, d, .., p0, p1, _, _] if family == 0x11 => {
            let port = u16::from_be_bytes([*p0, *p1]);
            SocketAddr::new(Ipv4Addr::new(*a, *b, *c, *d).into(), port)
        }
        long => {
            let ip: [u8; 16] = long[..16].try_into().map_err(|_| InvalidHeader)?;
            let port = u16::from_be_bytes([long[32], long[33]]);
            SocketAddr::new(Ipv6Addr::from(ip).into(), port)
        }
    });
    while !rest.is_empty() {
        let (kind, value, behind) = field(rest)?;
        if kind == FIELD_SSL {
            header.common_name = common_name(value)?;
        }
        rest = behind;
    }
    Ok(Some(header))
}

/// The field with the results of TLS.
const FIELD_SSL: u8 = 0x20;
/// In it, the common name of the client's certificate.
const FIELD_SSL_CN: u8 = 0x22;
/// The client sent a certificate on this connection, or on the one that it resumes.
const CLIENT_CERTIFICATE: u8 = 0x02 | 0x04;

/// One field: its kind, its value, and what follows.
fn field(bytes: &[u8]) -> Result<(u8, &[u8], &[u8]), InvalidHeader> {
    let (&[kind, high, low], rest) = bytes.split_first_chunk::<3>().ok_or(InvalidHeader)?;
    let len = usize::from(u16::from_be_bytes([high, low]));
    let (value, behind) = rest.split_at_checked(len).ok_or(InvalidHeader)?;
    Ok((kind, value, behind))
}

/// The name of a certificate that was sent and verified; with any other flag or result the name is
/// not verified.
fn common_name(value: &[u8]) -> Result<Option<Vec<u8>>, InvalidHeader> {
    let (&[client, verify @ ..], mut rest) = value.split_first_chunk::<5>().ok_or(InvalidHeader)?;
    let is_verified = client & CLIENT_CERTIFICATE != 0 && u32::from_be_bytes(verify) == 0;
    let mut name = None;
    while !rest.is_empty() {
        let (kind, value, behind) = field(rest)?;
        if kind == FIELD_SSL_CN && is_verified {
            name = Some(value.to_vec());
        }
        rest = behind;
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0x20 | command, family]);
        bytes.extend(u16::try_from(body.len()).expect("short").to_be_bytes());
        bytes.extend(body);
        bytes
    }

    fn ssl(client: u8, verify: u32) -> Vec<u8> {
        let mut value = vec![client];
        value.extend(verify.to_be_bytes());
        value.extend(b"\x22\x00\x02V1");
        let mut body = vec![1, 2, 3, 4, 5, 6, 7, 8, 0, 80, 0, 90, 0x20, 0];
        body.push(u8::try_from(value.len()).expect("short"));
        body.extend(value);
        v2(1, 0x11, &body)
    }

    /// Every beginning of a header waits for its rest, and exactly the header is consumed.
    #[track_caller]
    fn check(bytes: &[u8], source: Option<&str>, name: Option<&str>) {
        for len in 0..bytes.len() {
            assert_eq!(parse(&bytes[..len]), Ok(None), "{len} of {bytes:02x?}");
        }
        let followed = [bytes, b"\x10\x0c"].concat();
        let header = parse(&followed).expect("a header").expect("whole");
        assert_eq!(header.len, bytes.len());
        assert_eq!(header.source.map(|source| source.to_string()).as_deref(), source);
        assert_eq!(header.common_name.as_deref(), name.map(str::as_bytes));
    }

    #[test]
    fn both_versions_are_read_and_nothing_after_them() {
        check(b"PROXY TCP4 1.2.3.4 5.6.7.8 80 90\r\n", Some("1.2.3.4:80"), None);
        check(b"PROXY TCP6 ::1 ::2 80 90\r\n", Some("[::1]:80"), None);
        check(b"PROXY UNKNOWN\r\n", None, None);
        check(b"PROXY UNKNOWN ::1 ::2 80 90\r\n", None, None);
        check(&v2(0, 0, b""), None, None);
        check(&v2(1, 0x11, &[1, 2, 3, 4, 5, 6, 7, 8, 0, 80, 0, 90]), Some("1.2.3.4:80"), None);
        let mut long = [0; 36];
        (long[15], long[33]) = (1, 80);
        check(&v2(1, 0x21, &long), Some("[::1]:80"), None);
        check(&v2(1, 0x31, &[0; 216]), None, None);
    }

    #[test]
    fn a_name_counts_only_with_its_client_flag_and_a_verification_that_went_well() {
        check(&ssl(0x07, 0), Some("1.2.3.4:80"), Some("V1"));
        check(&ssl(0x05, 0), Some("1.2.3.4:80"), Some("V1"));
        check(&ssl(0x01, 0), Some("1.2.3.4:80"), None);
        check(&ssl(0x07, 1), Some("1.2.3.4:80"), None);
        check(&ssl(0x00, 0), Some("1.2.3.4:80"), None);
    }

    #[test]
    fn bytes_that_are_not_a_header_are_detected_as_early_as_possible() {
        let many = format!("PROXY TCP4 {}", "1".repeat(200));
        let wrong: [&[u8]; 12] = [
            b"\x10",
            b"GET /",
            b"\r\n\r\n\x01",
            b"PROXZ",
            b"PROXY TCP4 1.2.3.4 ::1 80 90\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 80\r\n",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 80 99999\r\n",
            b"PROXY UDP4 1.2.3.4 5.6.7.8 80 90\r\n",
            many.as_bytes(),
            b"\r\n\r\n\x00\r\nQUIT\n\x11\x11\x00\x00",
            b"\r\n\r\n\x00\r\nQUIT\n\x22\x11\x00\x00",
            b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff",
        ];
        for bytes in wrong {
            assert_eq!(parse(bytes), Err(InvalidHeader), "{bytes:02x?}");
        }
        assert_eq!(parse(&v2(1, 0x11, &[0; 11])), Err(InvalidHeader));
        let mut cut = ssl(7, 0);
        let last = cut.len() - 1;
        cut[last - 2] = 9; // The name claims more than there is.
        assert_eq!(parse(&cut), Err(InvalidHeader));
    }
}
