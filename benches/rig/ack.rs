//! The least that any MQTT QoS 1 front end has to do: accept, read, find where packets end, write
//! PUBACKs. No decoding, no storing, no sessions, one thread. Its messages per CPU second are the
//! ceiling on a machine.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

use super::{Outcome, frame::frame, process::raise_descriptors};

const LISTENER: Token = Token(usize::MAX);
const READ_BYTES: usize = 64 * 1024;

struct Connection {
    stream: TcpStream,
    /// The front of a packet whose rest has not arrived.
    partial: Vec<u8>,
}

/// Serves for ever.
pub(crate) fn serve(port: &str) -> Outcome {
    raise_descriptors()?;
    let address: SocketAddr = format!("127.0.0.1:{port}").parse()?;
    let mut listener = listen(address)?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut free = Vec::new();
    let mut input = vec![0; READ_BYTES];
    let mut output = Vec::with_capacity(READ_BYTES);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, &poll, &mut connections, &mut free)?;
                continue;
            }
            let idx = event.token().0;
            let Some(Some(connection)) = connections.get_mut(idx) else { continue };
            if connection.answer(&mut input, &mut output).is_err() {
                connections[idx] = None;
                free.push(idx);
            }
        }
    }
}

/// With a backlog that a fleet's connecting does not overrun.
pub(crate) fn listen(address: SocketAddr) -> Outcome<TcpListener> {
    use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    net::bind(&socket, &address)?;
    net::listen(&socket, 4096)?;
    Ok(TcpListener::from_std(std::net::TcpListener::from(socket)))
}

fn accept(
    listener: &TcpListener,
    poll: &Poll,
    connections: &mut Vec<Option<Connection>>,
    free: &mut Vec<usize>,
) -> Outcome {
    loop {
        let mut stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        stream.set_nodelay(true)?;
        let idx = free.pop().unwrap_or_else(|| {
            connections.push(None);
            connections.len() - 1
        });
        poll.registry().register(&mut stream, Token(idx), Interest::READABLE)?;
        connections[idx] = Some(Connection { stream, partial: Vec::new() });
    }
}

impl Connection {
    fn answer(&mut self, input: &mut [u8], output: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let kept = self.partial.len();
            input[..kept].copy_from_slice(&self.partial);
            let n = match self.stream.read(&mut input[kept..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            output.clear();
            let rest = acknowledge(&input[..kept + n], output);
            self.partial.clear();
            self.partial.extend_from_slice(rest);
            if !output.is_empty() {
                self.stream.write_all(output)?;
            }
            // A short read has emptied the socket; what comes next is a new event.
            if kept + n < input.len() {
                return Ok(());
            }
        }
    }
}

/// Answers every whole packet, and returns what is left.
fn acknowledge<'a>(mut bytes: &'a [u8], output: &mut Vec<u8>) -> &'a [u8] {
    while let Some((head, length)) = frame(bytes) {
        let Some(body) = bytes.get(head..head + length) else { break };
        match bytes[0] >> 4 {
            1 => output.extend_from_slice(&[0x20, 2, 0, 0]),
            3 if bytes[0] & 6 != 0 && length >= 2 => {
                let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                if let Some(id) = body.get(2 + topic..4 + topic) {
                    output.extend_from_slice(&[0x40, 2, id[0], id[1]]);
                }
            }
            12 => output.extend_from_slice(&[0xd0, 0]),
            _ => {}
        }
        bytes = &bytes[head + length..];
    }
    bytes
}
