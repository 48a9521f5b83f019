//! The checks of the fuzz target for the framing below MQTT.

use ntex_bytes::BytesMut;

use super::{frames::Deframer, proxy, upgrade};

/// Returns bytes to everything that reads a peer's bytes before MQTT does.
///
/// # Panics
/// If the result depends on how the bytes are cut into pieces.
pub fn check_framing(bytes: &[u8]) {
    check_proxy(bytes);
    check_upgrade(bytes);
    assert_eq!(frames(bytes, bytes.len().max(1)), frames(bytes, 1), "frames in one piece, in many");
    assert_eq!(frames(bytes, 7), frames(bytes, 1), "frames in pieces of seven, in many");
}

/// After a decision about the first bytes, more bytes do not change it.
fn check_proxy(bytes: &[u8]) {
    let whole = proxy::parse(bytes);
    for len in 0..bytes.len().min(600) {
        match proxy::parse(&bytes[..len]) {
            Ok(None) => {}
            judged => assert_eq!(judged, whole, "a PROXY header of {len} bytes"),
        }
    }
    if let Ok(Some(header)) = whole {
        assert!(header.len <= bytes.len());
    }
}

fn check_upgrade(bytes: &[u8]) {
    let origins = ["https://panel.example".to_owned()];
    if let Ok(Some(upgrade)) = upgrade::read(bytes, "/mqtt", &origins) {
        assert!(upgrade.len <= bytes.len());
        assert!(upgrade.answer.starts_with("HTTP/1.1 101 "), "{}", upgrade.answer);
        assert!(upgrade.answer.ends_with("\r\n\r\n"));
    }
}

/// The result of frames that arrive in pieces of `len` bytes.
fn frames(bytes: &[u8], len: usize) -> (Vec<u8>, Vec<u8>, Option<u16>) {
    let mut deframer = Deframer::default();
    let (mut source, mut data, mut answers) = (BytesMut::new(), BytesMut::new(), Vec::new());
    for piece in bytes.chunks(len) {
        source.extend_from_slice(piece);
        if let Err(code) = deframer.take(&mut source, &mut data, &mut answers) {
            return (data.to_vec(), answers, Some(code.0));
        }
    }
    (data.to_vec(), answers, None)
}
