//! WebSocket frames as bytes (RFC 6455): what a client sends becomes a stream of MQTT's bytes.
//!
//! Payloads are passed on as they arrive, so that a frame of any length takes no memory of its own;
//! only control frames, of at most 125 bytes, are kept until they are complete.
//!
//! Why not ntex's codec: it keeps a frame until it is complete, so that an unknown peer, before its
//! CONNECT, could make us hold as many bytes as the largest packet.

use ntex_bytes::BytesMut;

/// Why a WebSocket ends, as its close code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) struct CloseCode(pub(in crate::mqtt) u16);

impl CloseCode {
    pub(in crate::mqtt) const NORMAL: Self = Self(1000);
    const PROTOCOL: Self = Self(1002);
    /// MQTT uses binary frames ([MQTT-6.0.0-1]).
    const NOT_BINARY: Self = Self(1003);
}

/// The longest header: two bytes, a length of eight, a mask of four.
const HEADER_BYTES_MAX: usize = 14;
/// Bytes of a control frame's payload.
const CONTROL_BYTES_MAX: usize = 125;

/// The kind of frame that the payload belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Data,
    Ping,
    Pong,
    Close,
}

/// Decodes a client's frames.
#[derive(Debug, Default)]
pub(in crate::mqtt) struct Deframer {
    /// The frame whose payload is being received.
    frame: Option<Coming>,
    /// A message has begun and its last frame has not arrived.
    is_open: bool,
    /// The payload of a control frame.
    control: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Coming {
    kind: Kind,
    left: u64,
    mask: [u8; 4],
    /// The index in the mask for the next byte.
    at: usize,
}

impl Deframer {
    /// Takes received bytes: appends MQTT's bytes to `data` and answers to `answers`.
    ///
    /// # Errors
    /// The code with which the WebSocket ends; nothing more may be given after that.
    pub(in crate::mqtt) fn take(
        &mut self,
        source: &mut BytesMut,
        data: &mut BytesMut,
        answers: &mut Vec<u8>,
    ) -> Result<(), CloseCode> {
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.header(source)? {
                    Some(frame) => frame,
                    None => return Ok(()),
                },
            };
            let len = usize::try_from(frame.left).unwrap_or(usize::MAX).min(source.len());
            for byte in &mut source[..len] {
                *byte ^= frame.mask[frame.at];
                frame.at = (frame.at + 1) % 4;
            }
            let payload = source.split_to(len);
            match frame.kind {
                Kind::Data => data.extend_from_slice(&payload),
                _ => self.control.extend_from_slice(&payload),
            }
            frame.left -= len as u64;
            if frame.left > 0 {
                self.frame = Some(frame);
                return Ok(());
            }
            self.whole(frame.kind, answers)?;
        }
    }

    /// A control frame is complete.
    fn whole(&mut self, kind: Kind, answers: &mut Vec<u8>) -> Result<(), CloseCode> {
        let control = std::mem::take(&mut self.control);
        match kind {
            Kind::Data | Kind::Pong => {}
            Kind::Ping => write_control(answers, OPCODE_PONG, &control),
            Kind::Close => {
                let code = control.first_chunk::<2>().map(|code| u16::from_be_bytes(*code));
                return Err(match code {
                    // Codes that a client may send are sent back.
                    Some(code @ (1000..=1003 | 1007..=1014 | 3000..=4999)) => CloseCode(code),
                    None if control.is_empty() => CloseCode::NORMAL,
                    _ => CloseCode::PROTOCOL,
                });
            }
        }
        Ok(())
    }

    /// The header of the next frame, if it is complete.
    fn header(&mut self, source: &mut BytesMut) -> Result<Option<Coming>, CloseCode> {
        let seen = &source[..source.len().min(HEADER_BYTES_MAX)];
        let Some(&first) = seen.first() else { return Ok(None) };
        let (is_last, opcode) = (first & 0x80 != 0, first & 0x0f);
        if first & 0x70 != 0 {
            return Err(CloseCode::PROTOCOL); // No extension was agreed on.
        }
        let kind = match opcode {
            OPCODE_CONTINUE if self.is_open => Kind::Data,
            OPCODE_BINARY if !self.is_open => Kind::Data,
            OPCODE_TEXT if !self.is_open => return Err(CloseCode::NOT_BINARY),
            OPCODE_PING if is_last => Kind::Ping,
            OPCODE_PONG if is_last => Kind::Pong,
            OPCODE_CLOSE if is_last => Kind::Close,
            _ => return Err(CloseCode::PROTOCOL),
        };
        let Some(&second) = seen.get(1) else { return Ok(None) };
        if second & 0x80 == 0 {
            return Err(CloseCode::PROTOCOL); // A client masks.
        }
        let (at, left) = match second & 0x7f {
            126 => match seen.get(2..4) {
                Some(&[a, b]) => (4, u64::from(u16::from_be_bytes([a, b]))),
                _ => return Ok(None),
            },
            127 => match seen.get(2..10).and_then(|bytes| bytes.first_chunk::<8>()) {
                Some(bytes) => (10, u64::from_be_bytes(*bytes)),
                None => return Ok(None),
            },
            short => (2, u64::from(short)),
        };
        let is_shortest = match at {
            2 => true,
            4 => left > 125,
            _ => left > 0xffff && left >> 63 == 0,
        };
        let is_long = kind != Kind::Data && left > CONTROL_BYTES_MAX as u64;
        if !is_shortest || is_long {
            return Err(CloseCode::PROTOCOL);
        }
        let Some(&mask) = seen.get(at..).and_then(|bytes| bytes.first_chunk::<4>()) else {
            return Ok(None);
        };
        if kind == Kind::Data {
            self.is_open = !is_last;
        }
        drop(source.split_to(at + 4));
        Ok(Some(Coming { kind, left, mask, at: 0 }))
    }
}

const OPCODE_CONTINUE: u8 = 0;
const OPCODE_TEXT: u8 = 1;
const OPCODE_BINARY: u8 = 2;
const OPCODE_CLOSE: u8 = 8;
const OPCODE_PING: u8 = 9;
const OPCODE_PONG: u8 = 10;

/// The header of a binary frame with a payload of `len` bytes, as the server sends it.
pub(in crate::mqtt) fn binary_header(len: usize) -> ([u8; 10], usize) {
    let mut header = [0; 10];
    header[0] = 0x80 | OPCODE_BINARY;
    let used = match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short @ ..=125), _) => {
            header[1] = short;
            2
        }
        (_, Ok(middle)) => {
            header[1] = 126;
            header[2..4].copy_from_slice(&middle.to_be_bytes());
            4
        }
        _ => {
            header[1] = 127;
            header[2..].copy_from_slice(&(len as u64).to_be_bytes());
            10
        }
    };
    (header, used)
}

/// A close frame.
pub(in crate::mqtt) fn close_frame(code: CloseCode) -> [u8; 4] {
    let [high, low] = code.0.to_be_bytes();
    [0x80 | OPCODE_CLOSE, 2, high, low]
}

fn write_control(into: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    let len = u8::try_from(payload.len()).expect("a control frame has at most 125 bytes");
    into.extend([0x80 | opcode, len]);
    into.extend(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let (header, used) = binary_header(payload.len());
        let mut bytes = header[..used].to_vec();
        bytes[0] = first;
        bytes[1] |= 0x80;
        bytes.extend([1, 2, 3, 4]);
        bytes.extend(payload.iter().zip([1, 2, 3, 4].iter().cycle()).map(|(byte, key)| byte ^ key));
        bytes
    }

    /// Checks the result of bytes, given at once and byte by byte.
    #[track_caller]
    fn check(bytes: &[u8], data: &[u8], answers: &[u8], ends: Result<(), CloseCode>) {
        for piece in [1, 7, bytes.len().max(1)] {
            let mut deframer = Deframer::default();
            let (mut source, mut got, mut out) = (BytesMut::new(), BytesMut::new(), Vec::new());
            let mut ended = Ok(());
            for piece in bytes.chunks(piece) {
                source.extend_from_slice(piece);
                ended = deframer.take(&mut source, &mut got, &mut out);
                assert!(source.len() < HEADER_BYTES_MAX || ended.is_err(), "bytes pile up");
                if ended.is_err() {
                    break;
                }
            }
            assert_eq!((&got[..], &out[..], ended), (data, answers, ends), "{bytes:02x?}");
        }
    }

    /// `f13-websocket`: packets across frames and several in one, fragments with a ping between.
    #[test]
    fn the_payloads_of_binary_frames_are_one_stream_of_bytes() {
        let long = vec![7; 70_000];
        check(&frame(0x82, b"abc"), b"abc", b"", Ok(()));
        check(
            &[frame(0x82, b"ab"), frame(0x82, b""), frame(0x82, b"c")].concat(),
            b"abc",
            b"",
            Ok(()),
        );
        check(&frame(0x82, &long), &long, b"", Ok(()));
        check(&frame(0x82, &long[..300]), &long[..300], b"", Ok(()));
        let parts = [
            frame(0x02, b"a"),
            frame(0x89, b"ping"),
            frame(0x00, b"b"),
            frame(0x8a, b"pong"),
            frame(0x80, b"c"),
            frame(0x82, b"d"),
        ];
        check(&parts.concat(), b"abcd", b"\x8a\x04ping", Ok(()));
    }

    #[test]
    fn a_close_is_answered_with_its_code() {
        let code = |code| Err(CloseCode(code));
        check(&frame(0x88, b""), b"", b"", code(1000));
        check(&frame(0x88, b"\x03\xe9bye"), b"", b"", code(1001));
        check(&frame(0x88, b"\x03\xed"), b"", b"", code(1002));
        check(&frame(0x88, b"\x03"), b"", b"", code(1002));
    }

    /// `f13-websocket`: text is closed with 1003, a missing mask with 1002.
    #[test]
    fn what_breaks_the_protocol_ends_with_its_code() {
        let refused = Err(CloseCode::PROTOCOL);
        check(&frame(0x81, b"text"), b"", b"", Err(CloseCode::NOT_BINARY));
        check(&frame(0x01, b"text"), b"", b"", Err(CloseCode::NOT_BINARY));
        check(b"\x82\x03abc", b"", b"", refused);
        check(&frame(0xc2, b"a"), b"", b"", refused);
        check(&frame(0x83, b"a"), b"", b"", refused);
        check(&frame(0x8b, b"a"), b"", b"", refused);
        check(&frame(0x80, b"a"), b"", b"", refused);
        check(&frame(0x09, b"a"), b"", b"", refused);
        check(&frame(0x89, &[0; 126]), b"", b"", refused);
        check(&[frame(0x02, b"a"), frame(0x82, b"b")].concat(), b"a", b"", refused);
        check(b"\x82\xfe\x00\x05\0\0\0\0hello", b"", b"", refused);
        check(b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"", b"", refused);
    }
}
