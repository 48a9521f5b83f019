//! A scripted vehicle on a plain socket: the test controls every byte.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use super::Sample;

/// The protocol of a vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// MQTT 3.1.1.
    V3,
    /// MQTT 5.0.
    V5,
}

/// A received packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    /// A whole packet: its first byte, and what follows the remaining length.
    Whole(u8, Vec<u8>),
    /// The connection was closed.
    Closed,
    /// Nothing, or not a whole packet, within the limit.
    Nothing,
}

impl Packet {
    /// The id of a packet that begins with one.
    pub(crate) fn id(&self) -> u16 {
        match self {
            Self::Whole(_, body) if body.len() >= 2 => u16::from_be_bytes([body[0], body[1]]),
            other => panic!("no packet with an id: {other:02x?}"),
        }
    }

    /// The reason code of an acknowledgement; 0 if it is omitted.
    pub(crate) fn reason(&self) -> u8 {
        match self {
            Self::Whole(first, body) if matches!(first >> 4, 4..=7) => {
                body.get(2).copied().unwrap_or(0)
            }
            Self::Whole(first, body) if first >> 4 == 14 => body.first().copied().unwrap_or(0),
            other => panic!("no packet with a reason: {other:02x?}"),
        }
    }
}

/// How long a vehicle waits for an expected answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One connection.
#[derive(Debug)]
pub(crate) struct Vehicle {
    stream: TcpStream,
    version: Version,
    inbox: Vec<u8>,
}

impl Vehicle {
    /// Opens a connection without sending anything.
    pub(crate) fn dial(address: SocketAddr, version: Version) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, version, inbox: Vec::new() })
    }

    /// Connects with a clean session and 60 s of keep alive; it must be accepted.
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr, version: Version, client_id: &str) -> Self {
        let mut vehicle = Self::dial(address, version).unwrap();
        let answer = vehicle.greet(&connect_packet(version, client_id, 60, &[]));
        assert!(
            matches!(&answer, Packet::Whole(0x20, body) if body[..2] == [0, 0]),
            "CONNECT was answered with {answer:02x?}"
        );
        vehicle
    }

    /// As [`Self::connect`], but a refused or broken connection is an error.
    pub(crate) fn try_connect(
        address: SocketAddr,
        version: Version,
        client_id: &str,
    ) -> Option<Self> {
        let mut vehicle = Self::dial(address, version).ok()?;
        vehicle.try_send(&connect_packet(version, client_id, 60, &[])).ok()?;
        matches!(vehicle.receive(PATIENCE), Packet::Whole(0x20, _)).then_some(vehicle)
    }

    /// Connects with an optional user name and password; returns the reason code of the CONNACK.
    #[track_caller]
    pub(crate) fn enter(
        address: SocketAddr,
        version: Version,
        client_id: &str,
        username: Option<&str>,
        password: Option<&str>,
    ) -> (Self, u8) {
        let mut vehicle = Self::dial(address, version).unwrap();
        match vehicle.greet(&connect_as(version, client_id, username, password)) {
            Packet::Whole(0x20, body) => (vehicle, body[1]),
            other => panic!("no CONNACK: {other:02x?}"),
        }
    }

    /// Sends a first packet and returns its answer.
    pub(crate) fn greet(&mut self, packet: &[u8]) -> Packet {
        self.send(packet);
        self.receive(PATIENCE)
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends bytes as they are, to a peer that may be gone.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads one packet.
    pub(crate) fn receive(&mut self, limit: Duration) -> Packet {
        let deadline = Instant::now() + limit;
        loop {
            if let Some((first, body, len)) = split(&self.inbox) {
                self.inbox.drain(..len);
                return Packet::Whole(first, body);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Packet::Nothing;
            }
            self.stream.set_read_timeout(Some(left)).unwrap();
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Packet::Closed,
                Ok(n) => self.inbox.extend_from_slice(&chunk[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                // A reset also counts as closed.
                Err(_) => return Packet::Closed,
            }
        }
    }

    /// Reads one packet that must be there.
    #[track_caller]
    pub(crate) fn expect(&mut self) -> Packet {
        let packet = self.receive(PATIENCE);
        assert!(matches!(packet, Packet::Whole(..)), "expected a packet, got {packet:?}");
        packet
    }

    /// The connection must be closed; returns the packets before that.
    #[track_caller]
    pub(crate) fn expect_close(&mut self) -> Vec<Packet> {
        let mut said = Vec::new();
        loop {
            match self.receive(PATIENCE) {
                Packet::Closed => return said,
                Packet::Nothing => panic!("not closed within {PATIENCE:?}, but said {said:02x?}"),
                packet @ Packet::Whole(..) => said.push(packet),
            }
        }
    }

    /// A PINGREQ must be answered at once, before other outstanding answers.
    #[track_caller]
    pub(crate) fn ping(&mut self) {
        self.send(&[0xc0, 0]);
        assert_eq!(self.expect(), Packet::Whole(0xd0, Vec::new()));
    }

    /// Sends a PUBLISH without waiting for anything; `id` is left out at QoS 0.
    pub(crate) fn publish(&mut self, topic: &str, payload: &[u8], qos: u8, id: u16) {
        let packet = publish_packet(self.version, topic, payload, qos, id, &[]);
        self.send(&packet);
    }

    /// Publishes samples at QoS 1, about a hundred in flight, until no acknowledgement arrives any
    /// more; returns how many were sent and how many acknowledged.
    pub(crate) fn publish_until_stuck(&mut self, vin: &str) -> (u64, u64) {
        let (mut sent, mut acked) = (0, 0);
        loop {
            let mut burst = Vec::new();
            while sent < acked + 500 {
                let id = u16::try_from(sent % 60_000 + 1).unwrap();
                let payload = Sample { seq: sent }.payload();
                let topic = Sample::topic(vin);
                burst.extend(publish_packet(self.version, &topic, &payload, 1, id, &[]));
                sent += 1;
            }
            self.send(&burst);
            while acked < sent {
                match self.receive(Duration::from_secs(3)) {
                    Packet::Whole(0x40, _) => acked += 1,
                    Packet::Nothing => return (sent, acked),
                    other => panic!("instead of an acknowledgement: {other:02x?}"),
                }
            }
        }
    }

    /// Publishes at QoS 1 and returns the acknowledgement.
    #[track_caller]
    pub(crate) fn publish_acked(&mut self, topic: &str, payload: &[u8], id: u16) -> Packet {
        self.publish(topic, payload, 1, id);
        let answer = self.expect();
        assert!(matches!(answer, Packet::Whole(0x40, _)), "no PUBACK: {answer:02x?}");
        assert_eq!(answer.id(), id);
        answer
    }
}

/// The first packet in `bytes`: its first byte, its body, and its length on the wire.
fn split(bytes: &[u8]) -> Option<(u8, Vec<u8>, usize)> {
    let mut remaining = 0_usize;
    for index in 0..4 {
        let byte = *bytes.get(1 + index)?;
        remaining |= usize::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            let start = 2 + index;
            let body = bytes.get(start..start + remaining)?;
            return Some((bytes[0], body.to_vec(), start + remaining));
        }
    }
    panic!("a remaining length of five bytes: {bytes:02x?}");
}

/// A whole packet around a body.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    bytes.extend(variable(body.len()));
    bytes.extend(body);
    bytes
}

/// A variable byte integer.
pub(crate) fn variable(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A string after its length.
pub(crate) fn text(text: &str) -> Vec<u8> {
    let mut bytes = u16::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}

/// A CONNECT with a clean session; `properties` only go into one of 5.0.
pub(crate) fn connect_packet(
    version: Version,
    client_id: &str,
    keep_alive: u16,
    properties: &[u8],
) -> Vec<u8> {
    let mut body = text("MQTT");
    body.push(if version == Version::V5 { 5 } else { 4 });
    body.push(2);
    body.extend(keep_alive.to_be_bytes());
    if version == Version::V5 {
        body.extend(variable(properties.len()));
        body.extend(properties);
    }
    body.extend(text(client_id));
    packet(0x10, &body)
}

/// A CONNECT of a clean session with an optional user name and password.
pub(crate) fn connect_as(
    version: Version,
    client_id: &str,
    username: Option<&str>,
    password: Option<&str>,
) -> Vec<u8> {
    let flag = |part: Option<&str>, flag| if part.is_some() { flag } else { 0 };
    let flags = 2 | flag(username, 0x80) | flag(password, 0x40);
    let level = if version == Version::V5 { 5 } else { 4 };
    let mut body = [&text("MQTT")[..], &[level, flags, 0, 60]].concat();
    if version == Version::V5 {
        body.push(0);
    }
    for part in [Some(client_id), username, password].into_iter().flatten() {
        body.extend(text(part));
    }
    packet(0x10, &body)
}

/// A PUBLISH; `id` is left out at QoS 0, `properties` only go into one of 5.0.
pub(crate) fn publish_packet(
    version: Version,
    topic: &str,
    payload: &[u8],
    qos: u8,
    id: u16,
    properties: &[u8],
) -> Vec<u8> {
    let mut body = text(topic);
    if qos > 0 {
        body.extend(id.to_be_bytes());
    }
    if version == Version::V5 {
        body.extend(variable(properties.len()));
        body.extend(properties);
    }
    body.extend(payload);
    packet(0x30 | (qos << 1), &body)
}
