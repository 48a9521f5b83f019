//! The address to which the fleet connects.

use std::net::SocketAddr;

use thiserror::Error;

use super::client::WebPlace;
use crate::env::lookup;

/// The transport to a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Tls,
    WebSocket,
    SecureWebSocket,
}

/// Each scheme with its default port.
const SCHEMES: [(&str, Transport, u16); 6] = [
    ("mqtt", Transport::Tcp, 1883),
    ("tcp", Transport::Tcp, 1883),
    ("mqtts", Transport::Tls, 8883),
    ("ssl", Transport::Tls, 8883),
    ("ws", Transport::WebSocket, 80),
    ("wss", Transport::SecureWebSocket, 443),
];

/// The usual WebSocket path of brokers.
const PATH_USUAL: &str = "/mqtt";

impl Transport {
    pub(crate) const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::SecureWebSocket)
    }

    const fn is_web(self) -> bool {
        matches!(self, Self::WebSocket | Self::SecureWebSocket)
    }
}

/// A broker's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) transport: Transport,
    pub(crate) host: String,
    port: u16,
    /// For WebSocket.
    path: String,
    /// User name and password.
    pub(crate) login: Option<(String, String)>,
}

/// The address of a broker is invalid. Write mqtt://host:port.
#[derive(Debug, Error)]
#[error("{shown}: {reason}")]
pub(crate) struct TargetError {
    /// Without the password.
    shown: String,
    reason: String,
}

impl Target {
    /// Parses `mqtt://[user:password@]host[:port]`, and the same with `mqtts`, `ws` and `wss`, the
    /// last two with a path.
    pub(crate) fn parse(text: &str) -> Result<Self, TargetError> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let wrong = |reason: &str| {
            let shown = match rest.rsplit_once('@') {
                Some((_login, host)) => format!("{scheme}://…@{host}"),
                None => text.to_owned(),
            };
            TargetError { shown, reason: reason.to_owned() }
        };
        let known = SCHEMES.iter().find(|(name, ..)| *name == scheme);
        let unknown = "it does not begin with mqtt://, mqtts://, ws:// or wss://";
        let &(_, transport, port_usual) = known.ok_or_else(|| wrong(unknown))?;
        // A password may contain a slash, a host cannot.
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => {
                let login = login.split_once(':').unwrap_or((login, ""));
                (Some((login.0.to_owned(), login.1.to_owned())), rest)
            }
            None => (None, rest),
        };
        let (place, path) = match rest.find('/') {
            Some(at) => (&rest[..at], &rest[at..]),
            None => (rest, ""),
        };
        if !transport.is_web() && !path.trim_matches('/').is_empty() {
            return Err(wrong("only ws:// and wss:// have a path"));
        }
        let path = if path.trim_matches('/').is_empty() { PATH_USUAL } else { path };
        // The colons of an IPv6 address are in brackets.
        let (host, port) = match place.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
            Some((host, port)) => {
                let wrong = |_| wrong(&format!("{port:?} is not a port from 0 to 65535"));
                (host, port.parse().map_err(wrong)?)
            }
            None => (place, port_usual),
        };
        if host.is_empty() {
            return Err(wrong("it names no host"));
        }
        let (host, path) = (host.to_owned(), path.to_owned());
        Ok(Self { transport, host, port, path, login })
    }

    /// Its WebSocket host and path, if it uses WebSocket.
    pub(crate) fn web(&self) -> Option<WebPlace> {
        let place =
            || WebPlace { host: format!("{}:{}", self.host, self.port), path: self.path.clone() };
        self.transport.is_web().then(place)
    }

    /// Resolves the host name.
    pub(crate) async fn address(&self) -> Result<SocketAddr, TargetError> {
        let wrong = |reason: &dyn std::fmt::Display| TargetError {
            shown: format!("{}:{}", self.host, self.port),
            reason: format!("the host cannot be looked up: {reason}"),
        };
        let found = lookup(&self.host, self.port).await.map_err(|error| wrong(&error))?;
        found.first().copied().ok_or_else(|| wrong(&"it has no address"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_and_without_port_path_and_login() {
        let check = |text: &str, transport, place: (&str, u16), login: Option<(&str, &str)>| {
            let target = Target::parse(text).expect(text);
            let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
            assert_eq!((target.transport, target.login), (transport, login), "{text}");
            assert_eq!((target.host.as_str(), target.port), place, "{text}");
        };
        check("mqtt://127.0.0.1:2883", Transport::Tcp, ("127.0.0.1", 2883), None);
        check("mqtt://127.0.0.1/", Transport::Tcp, ("127.0.0.1", 1883), None);
        check("mqtt://fleet_edge", Transport::Tcp, ("fleet_edge", 1883), None);
        check("mqtt://[::1]:2883", Transport::Tcp, ("[::1]", 2883), None);
        check("tcp://[::1]", Transport::Tcp, ("[::1]", 1883), None);
        let login = Some(("u", "p@/w"));
        check("mqtt://u:p@/w@127.0.0.1", Transport::Tcp, ("127.0.0.1", 1883), login);
        check("mqtts://fleet", Transport::Tls, ("fleet", 8883), None);
        check("ssl://fleet:1", Transport::Tls, ("fleet", 1), None);
        let web = |text: &str| Target::parse(text).expect(text).web().expect("a WebSocket");
        let place =
            |host: &str, path: &str| WebPlace { host: host.to_owned(), path: path.to_owned() };
        assert_eq!(web("ws://fleet"), place("fleet:80", "/mqtt"));
        assert_eq!(web("ws://fleet:8083/"), place("fleet:8083", "/mqtt"));
        assert_eq!(web("wss://u:p@fleet/a/b?t=1"), place("fleet:443", "/a/b?t=1"));
        assert_eq!(Target::parse("mqtts://fleet").expect("one").web(), None);
    }

    #[test]
    fn what_is_no_address_is_told_without_the_password() {
        let check = |text: &str, expect: &str| {
            assert_eq!(Target::parse(text).expect_err(text).to_string(), expect);
        };
        let unknown = "it does not begin with mqtt://, mqtts://, ws:// or wss://";
        check("127.0.0.1:1883", &format!("127.0.0.1:1883: {unknown}"));
        check("http://u:secret@h", &format!("http://…@h: {unknown}"));
        check("mqtt://h:mqtt", "mqtt://h:mqtt: \"mqtt\" is not a port from 0 to 65535");
        check("mqtt://:1883", "mqtt://:1883: it names no host");
        check("mqtts://h/x", "mqtts://h/x: only ws:// and wss:// have a path");
    }

    #[tokio::test]
    async fn a_host_may_be_an_address() {
        let target = Target::parse("mqtt://[::1]:2883").expect("an address");
        assert_eq!(target.address().await.expect("an address"), "[::1]:2883".parse().expect("one"));
    }
}
