//! Connections that do not run out of ports.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use mio::net::TcpStream;
use rustix::{
    net::{self, AddressFamily, SocketFlags, SocketType, sockopt},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

/// One local address has some 28,000 ports, and those of closed connections rest for a minute.
const CONNECTIONS_A_SOURCE: usize = 2000;
const SOURCES_MAX: usize = 200;

/// Where connections come from: on loopback one address for each 2,000, else as the system likes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sources {
    count: Option<usize>,
}

impl Sources {
    pub(super) fn for_target(target: SocketAddr, connections: usize) -> Self {
        let is_loopback = matches!(target.ip(), IpAddr::V4(address) if address.is_loopback());
        let count = connections.div_ceil(CONNECTIONS_A_SOURCE).clamp(1, SOURCES_MAX);
        Self { count: is_loopback.then_some(count) }
    }

    fn of(self, connection: usize) -> Option<SocketAddr> {
        let last = u8::try_from(2 + connection % self.count?).expect("bounded by SOURCES_MAX");
        Some(SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)))
    }
}

/// Starts to connect; the stream becomes writable when it is done, one way or the other.
pub(super) fn connect(
    target: SocketAddr,
    sources: Sources,
    connection: usize,
) -> io::Result<TcpStream> {
    let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if let Some(source) = sources.of(connection) {
        sockopt::set_socket_reuseaddr(&socket, true)?;
        net::bind(&socket, &source)?;
    }
    match net::connect(&socket, &target) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(TcpStream::from_std(std::net::TcpStream::from(socket)))
}

/// Raises the limit of open files to what is allowed, and returns it.
pub(super) fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(_) => limit.current.unwrap_or(u64::MAX),
    }
}
