//! Connects beside peers that say nothing, and peers of whose CONNECT a byte comes now and then.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use super::{Outcome, fault, frame, process::raise_descriptors};

/// Peers, of whom every other one says its CONNECT byte by byte.
pub(crate) const PEERS: usize = 5000;
/// Clients that connect, one after another.
const CONNECTS: usize = 1000;
/// A byte of every dripping peer comes in so many connects.
const DRIP_EVERY: usize = 100;

/// Milliseconds from dialling to CONNACK, of half the clients and of all but one percent.
pub(crate) fn measure(port: u16) -> Outcome<(f64, f64)> {
    raise_descriptors()?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let slow = connect("a client with a name that is longer than it has time to say");
    let mut peers = Vec::new();
    for _ in 0..PEERS {
        peers.push(TcpStream::connect(address)?);
    }
    let mut waits = Vec::new();
    for number in 0..CONNECTS {
        let drips = peers.iter_mut().skip(1).step_by(2);
        for peer in drips.skip(number % DRIP_EVERY).step_by(DRIP_EVERY) {
            peer.write_all(&slow[number / DRIP_EVERY..][..1])?;
        }
        let dialled = Instant::now();
        let mut client = TcpStream::connect(address)?;
        client.write_all(&connect(&format!("c{number}")))?;
        let mut connack = [0; 4];
        client.read_exact(&mut connack)?;
        waits.push(dialled.elapsed());
        if connack != [0x20, 2, 0, 0] {
            return Err(fault(format!("a client got {connack:02x?}")));
        }
    }
    for peer in &peers {
        peer.set_nonblocking(true)?;
        if !peer.peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
            return Err(fault("a silent peer was closed while others connected"));
        }
    }
    waits.sort_unstable();
    let ms = |wait: Duration| wait.as_secs_f64() * 1e3;
    Ok((ms(waits[CONNECTS / 2]), ms(waits[CONNECTS * 99 / 100])))
}

fn connect(id: &str) -> Vec<u8> {
    let mut packet = Vec::new();
    frame::write(&mut packet, 0x10, &[b"\0\x04MQTT\x04\x02\x01\x2c", &frame::with_length(id)]);
    packet
}
