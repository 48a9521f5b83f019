//! The bounds of the HTTP server.

use std::{net::SocketAddr, time::Duration};

/// The address of the HTTP server, and the bounds of its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where to listen; port 0 takes any free one. Default: `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// Host names of the server, besides addresses and loopback names. Default: none.
    pub hosts: Vec<String>,
    /// From accepting a connection, or its last answer, to a complete head. Default: 10 s.
    pub header_timeout: Duration,
    /// From a request's head to its answer. Default: 30 s.
    pub request_timeout: Duration,
    /// Bytes of a request's head. Default: 16 KiB. Minimum: 8 KiB, the read size of the library.
    pub header_bytes_max: usize,
    /// Bytes of a request's body. Default: 1 MiB.
    pub body_bytes_max: usize,
    /// Concurrent connections. A further one replaces the longest silent one, or waits in the
    /// kernel's queue if none is silent. Default: 1024.
    pub connections_max: usize,
    /// Peers that connected at least a second ago and have not sent a complete request; beyond this
    /// number the longest silent one is closed. Default: 512.
    pub silent_max: usize,
    /// The same for one address. Default: 256.
    pub silent_per_address_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            hosts: Vec::new(),
            header_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            header_bytes_max: 16 * 1024,
            body_bytes_max: 1024 * 1024,
            connections_max: 1024,
            silent_max: 512,
            silent_per_address_max: 256,
        }
    }
}
