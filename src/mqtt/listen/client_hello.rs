//! Whether a complete TLS ClientHello has arrived: with it a TLS client is no longer silent.

/// Bytes of a record before its payload: kind, version, length (RFC 8446, 5.1).
const RECORD: usize = 5;
/// Bytes of a message of the handshake before its body: kind, length (RFC 8446, 4).
const MESSAGE: usize = 4;
/// The kind of the records of a handshake.
const HANDSHAKE: u8 = 22;
/// A larger ClientHello is not waited for here; TLS itself accepts up to 64 KiB.
const BYTES_MAX: usize = 8 * 1024;

/// Whether TLS should process the received bytes: a complete ClientHello, or something else.
pub(in crate::mqtt) fn has_client_hello(source: &[u8]) -> bool {
    let (mut rest, mut have, mut need) = (source, 0, None);
    loop {
        if rest.first().is_some_and(|kind| *kind != HANDSHAKE) {
            return true;
        }
        let Some((head, behind)) = rest.split_at_checked(RECORD) else { return false };
        let len = usize::from(u16::from_be_bytes([head[3], head[4]]));
        let payload = &behind[..len.min(behind.len())];
        need = need.or_else(|| {
            let message = payload.first_chunk::<MESSAGE>()?;
            let body = u32::from_be_bytes([0, message[1], message[2], message[3]]);
            Some(MESSAGE + usize::try_from(body).unwrap_or(usize::MAX / 2))
        });
        have += payload.len();
        match need {
            Some(need) if have >= need || need > BYTES_MAX => return true,
            // The first record is too short to hold the length.
            None if payload.len() == len => return true,
            _ if payload.len() < len => return false,
            _ => rest = &behind[len..],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ClientHello with a body of `body` bytes, in records of `record` bytes.
    fn hello(body: u16, record: usize) -> Vec<u8> {
        let [high, low] = body.to_be_bytes();
        let mut message = vec![1, 0, high, low];
        message.resize(MESSAGE + usize::from(body), 7);
        let mut bytes = Vec::new();
        for part in message.chunks(record) {
            let [high, low] = u16::try_from(part.len()).expect("16 bits").to_be_bytes();
            bytes.extend([HANDSHAKE, 3, 1, high, low]);
            bytes.extend(part);
        }
        bytes
    }

    #[test]
    fn a_client_hello_is_waited_for_to_its_last_byte_in_records_of_any_size() {
        for record in [4, 5, 100, 600] {
            let whole = hello(500, record);
            for len in 0..whole.len() {
                assert!(!has_client_hello(&whole[..len]), "{len} in records of {record}");
            }
            assert!(has_client_hello(&whole));
            assert!(has_client_hello(&[&whole[..], b"more"].concat()));
        }
    }

    #[test]
    fn other_bytes_and_too_large_client_hellos_are_left_to_tls() {
        for bytes in [&b"\x15\x03\x03\x00\x02\x01\x00"[..], b"\x10", b"\x16\x03\x01\x00\x00"] {
            assert!(has_client_hello(bytes), "{bytes:x?}");
        }
        assert!(has_client_hello(&hello(9_000, 4_000)[..20]));
        assert!(!has_client_hello(b"") && !has_client_hello(b"\x16\x03"));
    }
}
