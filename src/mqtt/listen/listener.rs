//! A listener: its transport and address, and what it requires of a connection.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::Arc,
};

use prometheus_client::metrics::gauge::Gauge;

use super::accept_rate::AcceptRate;
use crate::auth::Tls;

/// The transport of a listener, below MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// `mqtt://`: TCP.
    Tcp,
    /// `mqtts://`: TLS.
    Tls,
    /// `ws://`: WebSocket.
    WebSocket,
    /// `wss://`: WebSocket on TLS.
    SecureWebSocket,
}

impl Transport {
    /// All transports, in the order in which they are reported.
    pub const ALL: [Self; 4] = [Self::Tcp, Self::Tls, Self::WebSocket, Self::SecureWebSocket];

    /// The scheme in a URL.
    #[must_use]
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Tcp => "mqtt",
            Self::Tls => "mqtts",
            Self::WebSocket => "ws",
            Self::SecureWebSocket => "wss",
        }
    }

    /// Whether a TLS handshake comes first.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::SecureWebSocket)
    }

    /// Whether an HTTP upgrade comes first.
    #[must_use]
    pub const fn is_web(self) -> bool {
        matches!(self, Self::WebSocket | Self::SecureWebSocket)
    }
}

/// Where vehicles connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its transport.
    pub transport: Transport,
    /// Its address.
    pub address: SocketAddr,
    /// The path of a WebSocket; empty for others.
    pub path: String,
}

impl Listener {
    /// The default path of a WebSocket.
    const PATH: &str = "/mqtt";
}

impl From<SocketAddr> for Listener {
    fn from(address: SocketAddr) -> Self {
        Self { transport: Transport::Tcp, address, path: String::new() }
    }
}

impl FromStr for Listener {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("mqtt", text));
        let known = Transport::ALL.into_iter().find(|transport| transport.scheme() == scheme);
        let Some(transport) = known else {
            return Err(format!("`{scheme}` is none of mqtt, mqtts, ws and wss"));
        };
        let (address, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let address =
            address.parse().map_err(|_| format!("`{address}` is not an IP address with a port"))?;
        let path = match (transport.is_web(), path) {
            (true, "") => Self::PATH.to_owned(),
            (true, path) if !path.contains(['?', '#', ' ']) => path.to_owned(),
            (true, path) => return Err(format!("`{path}` is no path of a WebSocket")),
            (false, "" | "/") => String::new(),
            (false, path) => return Err(format!("`{path}`: only ws and wss have a path")),
        };
        Ok(Self { transport, address, path })
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.transport.scheme(), self.address, self.path)
    }
}

/// An address, or all addresses with a common prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u32,
}

impl Network {
    /// Whether it contains an address; an IPv4-mapped IPv6 address counts as the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        fn same(a: u128, b: u128, width: u32, bits: u32) -> bool {
            bits == 0 || (a ^ b) >> (width - bits) == 0
        }
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                same(base.to_bits().into(), address.to_bits().into(), 32, self.bits)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                same(base.to_bits(), address.to_bits(), 128, self.bits)
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is neither an address nor a network such as \"10.0.0.0/8\"");
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(width), str::parse).map_err(|_| wrong())?;
        if bits > width { Err(wrong()) } else { Ok(Self { base, bits }) }
    }
}

/// The settings and counters that all listeners share.
#[derive(Debug)]
pub(in crate::mqtt) struct ListenerShared {
    /// For TLS listeners.
    pub(in crate::mqtt) tls: Option<Arc<Tls>>,
    /// Peers that must send a PROXY header; no other may.
    pub(in crate::mqtt) proxies: Vec<Network>,
    /// Origins that may open a WebSocket, besides this server's own; `*`: all.
    pub(in crate::mqtt) origins: Vec<String>,
    /// The limit of connections per second.
    pub(in crate::mqtt) accept_rate: AcceptRate,
    /// TLS handshakes under way.
    pub(in crate::mqtt) handshakes: Gauge,
}

/// One listener and the shared settings.
#[derive(Clone, Debug)]
pub(in crate::mqtt) struct BoundListener {
    pub(in crate::mqtt) transport: Transport,
    pub(in crate::mqtt) path: String,
    pub(in crate::mqtt) shared: Arc<ListenerShared>,
}

impl BoundListener {
    /// Whether a peer must begin with a PROXY header.
    pub(in crate::mqtt) fn expects_header(&self, peer: IpAddr) -> bool {
        self.shared.proxies.iter().any(|network| network.contains(peer))
    }

    /// Counts a handshake as long as the returned value exists.
    pub(in crate::mqtt) fn handshake(&self) -> Handshake {
        self.shared.handshakes.inc();
        Handshake(Arc::clone(&self.shared))
    }
}

/// One handshake under way.
pub(in crate::mqtt) struct Handshake(Arc<ListenerShared>);

impl Drop for Handshake {
    fn drop(&mut self) {
        self.0.handshakes.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_a_url_or_a_bare_address() {
        for (text, shown) in [
            ("127.0.0.1:1883", "mqtt://127.0.0.1:1883"),
            ("mqtt://[::1]:1/", "mqtt://[::1]:1"),
            ("mqtts://0.0.0.0:8883", "mqtts://0.0.0.0:8883"),
            ("ws://127.0.0.1:8083", "ws://127.0.0.1:8083/mqtt"),
            ("wss://127.0.0.1:8084/fleet/mqtt", "wss://127.0.0.1:8084/fleet/mqtt"),
        ] {
            assert_eq!(text.parse::<Listener>().expect(text).to_string(), shown);
        }
        for wrong in
            ["", "localhost:1883", "http://127.0.0.1:1", "mqtt://1.2.3.4:1/x", "ws://1.2.3.4:1/a?b"]
        {
            assert!(wrong.parse::<Listener>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_network_holds_the_addresses_that_begin_like_it() {
        let holds = |network: &str, address: &str| {
            let network: Network = network.parse().expect(network);
            network.contains(address.parse().expect("an address"))
        };
        assert!(holds("10.0.0.0/8", "10.255.1.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("10.1.2.3", "::ffff:10.1.2.3") && !holds("10.1.2.3", "10.1.2.4"));
        assert!(holds("fd00::/8", "fd12::1") && !holds("fd00::/8", "fe80::1"));
        assert!(holds("0.0.0.0/0", "1.2.3.4") && !holds("0.0.0.0/0", "::1"));
        for wrong in ["", "10.0.0.0/33", "10.0.0.0/-1", "x/8", "10.0.0.0/8/8"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
