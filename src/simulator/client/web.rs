//! The client side of WebSocket: bytes to and from the server, without a socket.
//!
//! Bytes that are written before the server has answered the upgrade wait for the answer, as RFC
//! 6455 requires. Each write is one binary frame; received frames are read as a stream, independent
//! of their boundaries.

use std::io;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::digest;

/// The string that a server appends to the key before hashing (RFC 6455, 1.3).
const ACCEPT_GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The maximum bytes of the answer to the upgrade.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// The maximum headers of that answer.
const HEADERS_MAX: usize = 64;
/// The maximum payload of a control frame (RFC 6455, 5.5).
const CONTROL_BYTES_MAX: u64 = 125;

const CONTINUATION: u8 = 0x0;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

/// Host and path of a WebSocket server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebPlace {
    /// The value of the `Host` header.
    pub(crate) host: String,
    pub(crate) path: String,
}

/// One connection.
#[derive(Debug)]
pub(super) struct WebSocket {
    /// The expected proof that the server has read our key; `None` once verified.
    awaited: Option<String>,
    /// Bytes to send after the upgrade.
    waiting: Vec<u8>,
    /// Received bytes that are not parsed yet.
    input: Vec<u8>,
    /// Missing bytes of the message's current frame.
    rest: u64,
    /// Replies to received frames.
    replies: Vec<u8>,
}

impl WebSocket {
    /// A connection, and the request that must be sent first.
    pub(super) fn open(place: &WebPlace) -> (Self, Vec<u8>) {
        let key = STANDARD.encode(rand::random::<[u8; 16]>());
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\
             Sec-WebSocket-Key: {key}\r\n\r\n",
            place.path, place.host
        );
        let hashed = digest::digest(
            &digest::SHA1_FOR_LEGACY_USE_ONLY,
            format!("{key}{ACCEPT_GUID}").as_bytes(),
        );
        let web = Self {
            awaited: Some(STANDARD.encode(hashed)),
            waiting: Vec::new(),
            input: Vec::new(),
            rest: 0,
            replies: Vec::new(),
        };
        (web, request.into_bytes())
    }

    /// Appends the frame for these bytes; nothing before the server has answered.
    pub(super) fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self.awaited {
            Some(_) => self.waiting.extend_from_slice(bytes),
            None => frame(FINAL | BINARY, bytes, out),
        }
    }

    /// Appends a close frame.
    pub(super) fn close(&self, out: &mut Vec<u8>) {
        if self.awaited.is_none() {
            frame(FINAL | CLOSE, &1000_u16.to_be_bytes(), out);
        }
    }

    /// Adds received bytes.
    pub(super) fn came(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Takes the replies to received frames.
    pub(super) fn replies(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.replies)
    }

    /// Copies the received message bytes; 0: nothing more yet.
    ///
    /// # Errors
    /// The server refuses the upgrade, closes, or does not speak WebSocket.
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut used = 0;
        if self.awaited.is_some() {
            let Some(len) = self.answered()? else { return Ok(0) };
            used = len;
        }
        let mut filled = 0;
        while filled < into.len() {
            let input = &self.input[used..];
            if self.rest > 0 {
                let rest = usize::try_from(self.rest).unwrap_or(usize::MAX);
                let some = rest.min(input.len()).min(into.len() - filled);
                if some == 0 {
                    break;
                }
                into[filled..filled + some].copy_from_slice(&input[..some]);
                (filled, used, self.rest) = (filled + some, used + some, self.rest - some as u64);
                continue;
            }
            let Some(head) = head(input)? else { break };
            match head.opcode {
                BINARY | CONTINUATION => (used, self.rest) = (used + head.len, head.payload),
                opcode => {
                    let payload = usize::try_from(head.payload).unwrap_or(usize::MAX);
                    let Some(payload) = input[head.len..].get(..payload) else { break };
                    used += head.len + payload.len();
                    match opcode {
                        PING => frame(FINAL | PONG, payload, &mut self.replies),
                        PONG => {}
                        CLOSE => return Err(closed(payload)),
                        _ => return Err(broken("a frame that is no binary one")),
                    }
                }
            }
        }
        self.input.drain(..used);
        Ok(filled)
    }

    /// The length of the server's answer to the upgrade, if it is complete.
    fn answered(&mut self) -> io::Result<Option<usize>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut answer = httparse::Response::new(&mut headers);
        let len = match answer.parse(&self.input) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) if self.input.len() < HEAD_BYTES_MAX => return Ok(None),
            Ok(httparse::Status::Partial) | Err(_) => {
                return Err(broken("an answer to the upgrade that is no HTTP"));
            }
        };
        let code = answer.code.unwrap_or_default();
        if code != 101 {
            let reason = answer.reason.unwrap_or_default();
            return Err(io::Error::other(format!("the upgrade was answered {code} {reason}")));
        }
        let value = |name: &str| {
            let header = answer.headers.iter().find(|it| it.name.eq_ignore_ascii_case(name));
            header.and_then(|header| std::str::from_utf8(header.value).ok())
        };
        if value("Sec-WebSocket-Accept") != self.awaited.as_deref() {
            return Err(broken("an upgrade that does not answer the request"));
        }
        if value("Sec-WebSocket-Protocol") != Some("mqtt") {
            return Err(broken("an upgrade to something else than mqtt"));
        }
        self.awaited = None;
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            frame(FINAL | BINARY, &waiting, &mut self.replies);
        }
        Ok(Some(len))
    }
}

/// The header of a server's frame.
struct Head {
    opcode: u8,
    /// Bytes of the header.
    len: usize,
    payload: u64,
}

fn head(input: &[u8]) -> io::Result<Option<Head>> {
    let &[first, second, ref rest @ ..] = input else { return Ok(None) };
    let opcode = first & 0x0f;
    if first & 0x70 != 0 || second & MASKED != 0 {
        return Err(broken("a frame that no server may send"));
    }
    let (len, payload) = match second {
        126 => match rest.first_chunk() {
            Some(bytes) => (4, u16::from_be_bytes(*bytes).into()),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(bytes) => (10, u64::from_be_bytes(*bytes)),
            None => return Ok(None),
        },
        short => (2, short.into()),
    };
    if opcode >= CLOSE && (payload > CONTROL_BYTES_MAX || first & FINAL == 0) {
        return Err(broken("a frame that no server may send"));
    }
    Ok(Some(Head { opcode, len, payload }))
}

/// Appends a masked frame.
fn frame(first: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(first);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len), _) if len < 126 => out.push(MASKED | len),
        (_, Ok(len)) => {
            out.push(MASKED | 126);
            out.extend(len.to_be_bytes());
        }
        (_, Err(_)) => {
            out.push(MASKED | 127);
            out.extend((payload.len() as u64).to_be_bytes());
        }
    }
    let mask: [u8; 4] = rand::random();
    out.extend(mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
}

fn closed(payload: &[u8]) -> io::Error {
    let what = match payload.first_chunk() {
        Some(code) => format!("the server closed with code {}", u16::from_be_bytes(*code)),
        None => "the server closed".to_owned(),
    };
    io::Error::new(io::ErrorKind::UnexpectedEof, what)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the server sent {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> (WebSocket, String) {
        let place = WebPlace { host: "fleet:8083".to_owned(), path: "/mqtt".to_owned() };
        let (web, request) = WebSocket::open(&place);
        let request = String::from_utf8(request).expect("text");
        assert!(request.starts_with("GET /mqtt HTTP/1.1\r\nHost: fleet:8083\r\n"), "{request}");
        let accept = web.awaited.clone().expect("it is awaited");
        (web, accept)
    }

    fn answer(accept: &str) -> String {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             sec-websocket-accept: {accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
        )
    }

    /// The output if the bytes arrive one by one.
    fn drip(web: &mut WebSocket, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let (mut all, mut into) = (Vec::new(), [0; 2]);
        for byte in bytes {
            web.came(&[*byte]);
            loop {
                match web.read(&mut into)? {
                    0 => break,
                    some => all.extend(&into[..some]),
                }
            }
        }
        Ok(all)
    }

    fn unmasked(frame: &[u8]) -> (u8, Vec<u8>) {
        assert_eq!(usize::from(frame[1] & 0x7f), frame.len() - 6);
        let mask = frame[2..6].iter().cycle();
        (frame[0], frame[6..].iter().zip(mask).map(|(byte, key)| byte ^ key).collect())
    }

    #[test]
    fn what_is_said_early_follows_the_upgrade_and_frames_are_a_stream() {
        let (mut web, accept) = open();
        let mut out = Vec::new();
        web.write(b"CONNECT", &mut out);
        assert!(out.is_empty());
        let mut came = answer(&accept).into_bytes();
        came.extend(b"\x02\x01a\x89\x02hi\x80\x02bc\x82\x00\x8a\x00\x82\x7e\x00\x80");
        came.extend([b'd'; 128]);
        assert_eq!(drip(&mut web, &came).expect("in order"), [&b"abc"[..], &[b'd'; 128]].concat());
        let replies = web.replies();
        let (connect, pong) = replies.split_at(6 + 7);
        assert_eq!(unmasked(connect), (0x82, b"CONNECT".to_vec()));
        assert_eq!(unmasked(pong), (0x8a, b"hi".to_vec()));
        web.write(&[7; 126], &mut out);
        assert_eq!(out[..4], [0x82, 0xfe, 0, 126]);
    }

    #[test]
    fn what_is_no_websocket_is_told() {
        let refused = |made: fn(&str) -> String, frames: &[u8]| {
            let (mut web, accept) = open();
            let bytes = [made(&accept).as_bytes(), frames].concat();
            drip(&mut web, &bytes).expect_err("refused").to_string()
        };
        let not_found = |_: &str| "HTTP/1.1 404 Not Found\r\n\r\n".to_owned();
        assert_eq!(refused(not_found, b""), "the upgrade was answered 404 Not Found");
        let other = |_: &str| answer("something else");
        assert!(refused(other, b"").contains("does not answer the request"));
        let unasked = |accept: &str| answer(accept).replace("Protocol: mqtt", "Protocol: x");
        assert!(refused(unasked, b"").contains("something else than mqtt"));
        assert!(refused(|_| "\x20\x02\0\0".to_owned(), b"").contains("no HTTP"));
        assert_eq!(refused(answer, b"\x88\x02\x03\xeb"), "the server closed with code 1003");
        for wrong in [&b"\x81\x01a"[..], b"\x82\x81", b"\xc2\x00", b"\x89\x7e\x00\x80", b"\x09\x00"]
        {
            let told = refused(answer, wrong);
            assert!(told.starts_with("the server sent a frame that"), "{wrong:02x?}: {told}");
        }
    }
}
