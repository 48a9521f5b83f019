//! One vehicle's connection: its stream, its state, and bytes in transit; and how thousands of
//! connections are opened without running out of ports.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use mio::net::TcpStream;
use rustix::{
    net::{self, AddressFamily, SocketFlags, SocketType, sockopt},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

use super::{super::obey::Agenda, session::Session, stream::Stream};
use crate::mqtt::wire::Qos;

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No connection; the next attempt is in the queue.
    Away,
    /// The TCP handshake started at this time.
    Connecting { since: u64 },
    /// CONNECT was sent at this time; no CONNACK yet.
    Greeting { since: u64 },
    /// Connected; may publish.
    Live,
}

/// A vehicle and its connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) state: State,
    pub(super) stream: Option<Stream>,
    pub(super) session: Session,
    /// The vehicle's commands, from its first one on.
    pub(super) agenda: Option<Box<Agenda>>,
    /// Bytes that the socket has not accepted yet; nothing else may be written before them.
    pub(super) unsent: Vec<u8>,
    /// The beginning of an incomplete packet.
    pub(super) partial: Vec<u8>,
    /// The minimum of the requested window and the broker's receive maximum.
    pub(super) window: usize,
    /// Messages that are due by the rate but not sent.
    pub(super) owed: u64,
    pub(super) last_sent: u64,
    /// Attempts to connect since the last CONNACK.
    pub(super) attempts: u32,
    pub(super) was_live: bool,
}

impl Link {
    pub(super) fn new(qos: Qos) -> Self {
        Self {
            state: State::Away,
            stream: None,
            session: Session::new(qos),
            agenda: None,
            unsent: Vec::new(),
            partial: Vec::new(),
            window: 0,
            owed: 0,
            last_sent: 0,
            attempts: 0,
            was_live: false,
        }
    }

    /// Drops the connection and its bytes in transit.
    pub(super) fn close(&mut self) {
        self.state = State::Away;
        self.stream = None;
        self.unsent = Vec::new();
        self.partial = Vec::new();
        if let Some(agenda) = &mut self.agenda {
            agenda.lost();
        }
    }

    /// Whether another message may be sent: a receipt in flight uses one place of the window.
    pub(super) fn has_room(&self) -> bool {
        let receipts = self.agenda.as_ref().is_some_and(|agenda| agenda.is_in_flight());
        self.session.has_room(self.window.saturating_sub(usize::from(receipts)))
    }

    /// Whether bytes wait for the socket.
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty() || self.stream.as_ref().is_some_and(Stream::has_unsent)
    }

    /// Whether a receipt is not acknowledged yet.
    pub(super) fn owes_receipts(&self) -> bool {
        self.agenda.as_ref().is_some_and(|agenda| !agenda.is_settled())
    }

    /// Closes, with the close messages of TLS and WebSocket.
    pub(super) fn end(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.end();
        }
        self.close();
    }

    /// Writes what the socket accepts and keeps the rest.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return self.flush();
        }
        let taken = self.write_some(bytes)?;
        if taken < bytes.len() {
            self.unsent.extend_from_slice(&bytes[taken..]);
        }
        Ok(())
    }

    /// Writes the kept bytes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if let Some(stream) = &mut self.stream {
            stream.flush()?;
        }
        if self.unsent.is_empty() {
            return Ok(());
        }
        let mut unsent = std::mem::take(&mut self.unsent);
        let taken = self.write_some(&unsent)?;
        if taken < unsent.len() {
            unsent.drain(..taken);
            self.unsent = unsent;
        }
        Ok(())
    }

    /// Reads once: how many bytes are now at the front of `into`, including those of an incomplete
    /// packet, and whether more may be available. `None`: nothing to read.
    pub(super) fn receive(&mut self, into: &mut [u8]) -> io::Result<Option<(usize, bool)>> {
        let Some(stream) = &mut self.stream else { return Ok(None) };
        let is_layered = stream.is_layered();
        let kept = self.partial.len();
        into[..kept].copy_from_slice(&self.partial);
        loop {
            match stream.read(&mut into[kept..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    self.partial.clear();
                    return Ok(Some((kept + n, is_layered || kept + n == into.len())));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.as_mut().map_or(Ok(bytes.len()), |stream| stream.write(bytes))
    }
}

/// One local address has about 28,000 ports, and those of closed connections are blocked for a
/// minute.
const CONNECTIONS_A_SOURCE: usize = 2000;
const SOURCES_MAX: usize = 200;

/// The source addresses: on loopback one address for each 2,000 connections, else the system's
/// choice.
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

/// Starts to connect; the stream becomes writable when that succeeds or fails.
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

/// Raises the limit of open files to the allowed maximum, and returns it.
pub(super) fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(_) => limit.current.unwrap_or(u64::MAX),
    }
}
