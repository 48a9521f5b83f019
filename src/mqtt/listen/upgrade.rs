//! The HTTP request with which a WebSocket begins, and its answer.
//!
//! The first of the client's subprotocols that is MQTT's is echoed (`mqtt`, or `mqttv3.1` of old
//! clients). A client that offers none is refused, because MQTT requires one ([MQTT-6.0.0-3]) and
//! it is probably not an MQTT client. Extensions are not used. A query after the path is ignored. A
//! browser sends the page that opens the WebSocket (`Origin`): pages of this server are allowed,
//! and those that are configured.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

/// The maximum bytes of a request; a browser's cookies must fit.
const BYTES_MAX: usize = 8 * 1024;
/// The maximum header lines of a request.
const HEADERS_MAX: usize = 64;
/// The text that RFC 6455 appends to a client's key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Subprotocols that are MQTT.
const PROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];

/// A complete request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mqtt) struct Upgrade {
    /// Its bytes; what follows are frames.
    pub(in crate::mqtt) len: usize,
    /// The response to send.
    pub(in crate::mqtt) answer: String,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mqtt) enum UpgradeFault {
    NotHttp,
    TooLarge,
    NotGet,
    Path,
    NotWebSocket,
    Version,
    Key,
    Protocol,
    Origin,
}

impl UpgradeFault {
    /// The reason, for the log.
    pub(in crate::mqtt) const fn why(self) -> &'static str {
        match self {
            Self::NotHttp => "not an HTTP request",
            Self::TooLarge => "the request is too large",
            Self::NotGet => "only GET opens a WebSocket",
            Self::Path => "there is no WebSocket at this path",
            Self::NotWebSocket => "the request does not ask for a WebSocket",
            Self::Version => "only version 13 of WebSocket is spoken",
            Self::Key => "Sec-WebSocket-Key is not 16 bytes in base64",
            Self::Protocol => "Sec-WebSocket-Protocol offers neither mqtt nor mqttv3.1",
            Self::Origin => "pages of this origin may not open a WebSocket here",
        }
    }

    /// The response to send.
    pub(in crate::mqtt) fn answer(self) -> String {
        let (status, header) = match self {
            Self::NotHttp | Self::Key | Self::Protocol => ("400 Bad Request", ""),
            Self::TooLarge => ("431 Request Header Fields Too Large", ""),
            Self::NotGet => ("405 Method Not Allowed", "Allow: GET\r\n"),
            Self::Path => ("404 Not Found", ""),
            Self::NotWebSocket => ("426 Upgrade Required", "Upgrade: websocket\r\n"),
            Self::Version => ("426 Upgrade Required", "Sec-WebSocket-Version: 13\r\n"),
            Self::Origin => ("403 Forbidden", ""),
        };
        let why = self.why();
        let len = why.len() + 1;
        format!(
            "HTTP/1.1 {status}\r\n{header}Connection: close\r\nContent-Type: text/plain\r\n\
             Content-Length: {len}\r\n\r\n{why}\n"
        )
    }
}

/// Reads a request; `None` while a part of it is missing.
///
/// # Errors
/// The reason why it is refused.
pub(in crate::mqtt) fn read(
    bytes: &[u8],
    path: &str,
    origins: &[String],
) -> Result<Option<Upgrade>, UpgradeFault> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let seen = &bytes[..bytes.len().min(BYTES_MAX)];
    let len = match request.parse(seen) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if bytes.len() < BYTES_MAX => return Ok(None),
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Err(UpgradeFault::TooLarge);
        }
        Err(_) => return Err(UpgradeFault::NotHttp),
    };
    if request.method != Some("GET") {
        return Err(UpgradeFault::NotGet);
    }
    let asked = request.path.unwrap_or_default();
    let asked = asked.split_once('?').map_or(asked, |(path, _)| path);
    if asked != path && asked != "/" {
        return Err(UpgradeFault::Path);
    }
    let headers = Headers(request.headers);
    if !headers.has_word("connection", "upgrade") || !headers.has_word("upgrade", "websocket") {
        return Err(UpgradeFault::NotWebSocket);
    }
    if headers.one("sec-websocket-version") != Some("13") {
        return Err(UpgradeFault::Version);
    }
    let key = headers.one("sec-websocket-key").ok_or(UpgradeFault::Key)?;
    if BASE64_STANDARD.decode(key).map_or(0, |key| key.len()) != 16 {
        return Err(UpgradeFault::Key);
    }
    let offered = headers.words("sec-websocket-protocol");
    let protocol = offered.into_iter().find(|offered| PROTOCOLS.contains(offered));
    let protocol = protocol.ok_or(UpgradeFault::Protocol)?;
    if !may_open(headers.one("origin"), headers.one("host"), origins) {
        return Err(UpgradeFault::Origin);
    }
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n",
        accept(key)
    );
    Ok(Some(Upgrade { len, answer }))
}

/// The value of `Sec-WebSocket-Accept`.
fn accept(key: &str) -> String {
    let mut digest = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    digest.update(key.as_bytes());
    digest.update(GUID);
    BASE64_STANDARD.encode(digest.finish())
}

/// Whether a page may open a WebSocket; clients that are not browsers send no origin.
fn may_open(origin: Option<&str>, host: Option<&str>, origins: &[String]) -> bool {
    let Some(origin) = origin else { return true };
    let is_listed = |listed: &String| {
        listed == "*" || listed.trim_end_matches('/').eq_ignore_ascii_case(origin)
    };
    let is_own = origin
        .split_once("://")
        .is_some_and(|(_, page)| host.is_some_and(|host| host.eq_ignore_ascii_case(page)));
    is_own || origins.iter().any(is_listed)
}

struct Headers<'a>(&'a [httparse::Header<'a>]);

impl<'a> Headers<'a> {
    fn all(&self, name: &'static str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.filter_map(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
    }

    /// The value of a header that occurs once.
    fn one(&self, name: &'static str) -> Option<&'a str> {
        let mut all = self.all(name);
        let one = all.next()?;
        all.next().is_none().then_some(one)
    }

    /// All comma-separated values of a header that may occur several times.
    fn words(&self, name: &'static str) -> Vec<&'a str> {
        self.all(name).flat_map(|value| value.split(',')).map(str::trim).collect()
    }

    fn has_word(&self, name: &'static str, word: &str) -> bool {
        self.words(name).iter().any(|found| found.eq_ignore_ascii_case(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

    fn request(path: &str, more: &[&str]) -> Vec<u8> {
        let mut text = format!(
            "GET {path} HTTP/1.1\r\nHost: fleet:8083\r\nUpgrade: WebSocket\r\n\
             Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        );
        for line in more {
            text.push_str(line);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        text.into_bytes()
    }

    fn ask(path: &str, more: &[&str]) -> Result<Option<Upgrade>, UpgradeFault> {
        read(&request(path, more), "/mqtt", &["https://panel.example".to_owned()])
    }

    /// The table of `f13-websocket`.
    #[test]
    fn the_subprotocol_that_is_chosen_is_echoed() {
        for (offers, chosen) in [
            (&["Sec-WebSocket-Protocol: mqtt"][..], Ok("mqtt")),
            (&["Sec-WebSocket-Protocol: mqttv3.1"], Ok("mqttv3.1")),
            (&["sec-websocket-protocol: mqttv3.1, mqtt"], Ok("mqttv3.1")),
            (&["Sec-WebSocket-Protocol: x", "Sec-WebSocket-Protocol: mqtt"], Ok("mqtt")),
            (&[], Err(UpgradeFault::Protocol)),
            (&["Sec-WebSocket-Protocol: mqttv5"], Err(UpgradeFault::Protocol)),
        ] {
            let more = [&[KEY], offers].concat();
            let answer = ask("/mqtt", &more).map(|upgrade| upgrade.expect("whole").answer);
            match (answer, chosen) {
                (Ok(answer), Ok(chosen)) => {
                    assert!(answer.starts_with("HTTP/1.1 101 "));
                    assert!(answer.contains("Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
                    assert!(answer.contains(&format!("Protocol: {chosen}\r\n\r\n")), "{answer}");
                    assert!(!answer.contains("Extensions"));
                }
                (answer, chosen) => assert_eq!(answer.err(), chosen.err(), "{offers:?}"),
            }
        }
    }

    #[test]
    fn a_request_is_refused_with_the_status_that_says_why() {
        let protocol = "Sec-WebSocket-Protocol: mqtt";
        let good = [KEY, protocol];
        let with = |origin: &'static str| ask("/mqtt", &[KEY, protocol, origin]).map(|_| ());
        assert_eq!(with("Origin: http://fleet:8083"), Ok(()));
        assert_eq!(with("Origin: https://panel.example"), Ok(()));
        assert_eq!(with("Origin: https://evil.example"), Err(UpgradeFault::Origin));
        assert_eq!(with("Origin: null"), Err(UpgradeFault::Origin));
        assert!(ask("/?token=secret", &good).is_ok());
        assert!(ask("/mqtt?token=secret", &good).is_ok());
        assert!(
            ask("/mqtt", &[KEY, protocol, "Sec-WebSocket-Extensions: permessage-deflate"]).is_ok()
        );
        assert_eq!(ask("/other", &good), Err(UpgradeFault::Path));
        assert_eq!(ask("/mqtt", &[protocol]), Err(UpgradeFault::Key));
        assert_eq!(
            ask("/mqtt", &["Sec-WebSocket-Key: c2hvcnQ=", protocol]),
            Err(UpgradeFault::Key)
        );
        assert_eq!(ask("/mqtt", &[KEY, KEY, protocol]), Err(UpgradeFault::Key));
        let whole = request("/mqtt", &good);
        for len in 0..whole.len() {
            assert_eq!(read(&whole[..len], "/mqtt", &[]), Ok(None), "{len}");
        }
        let followed = [&whole[..], b"\x82\x80"].concat();
        let upgrade = read(&followed, "/mqtt", &[]).expect("good").expect("whole");
        assert_eq!(upgrade.len, whole.len());
        let text = String::from_utf8(whole).expect("text");
        let refused = |text: &str| read(text.as_bytes(), "/mqtt", &[]).expect_err("refused");
        assert_eq!(refused(&text.replace("GET", "POST")), UpgradeFault::NotGet);
        assert_eq!(refused(&text.replace("WebSocket\r\n", "h2c\r\n")), UpgradeFault::NotWebSocket);
        assert_eq!(refused(&text.replace(": 13", ": 8")), UpgradeFault::Version);
        assert_eq!(refused("\x10\x0c\0\x04MQTT"), UpgradeFault::NotHttp);
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(BYTES_MAX));
        assert_eq!(refused(&long), UpgradeFault::TooLarge);
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(HEADERS_MAX + 1));
        assert_eq!(refused(&many), UpgradeFault::TooLarge);
    }
}
