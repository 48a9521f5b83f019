//! The least that any broker has to do to deliver: accept, read, look a topic up by its text, write
//! the packet on with a new identifier. One thread; no levels, sessions, bounds or acknowledgements
//! awaited. Its deliveries per CPU second are the ceiling on a machine.
//!
//! A wildcard is taken for the level `1`; what no subscription names goes to one of those that have
//! a wildcard, in turns.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::SocketAddr,
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

use super::{Outcome, ack::listen, frame, process::raise_descriptors};

const LISTENER: Token = Token(usize::MAX);
const READ_BYTES: usize = 64 * 1024;

struct Connection {
    stream: TcpStream,
    /// The front of a packet whose rest has not arrived.
    partial: Vec<u8>,
    output: Vec<u8>,
    is_dirty: bool,
    packet_id: u16,
}

#[derive(Default)]
struct Loop {
    connections: Vec<Option<Connection>>,
    by_topic: HashMap<Vec<u8>, Vec<usize>>,
    /// Those with a wildcard, and whose turn it is.
    wildcards: Vec<usize>,
    turn: usize,
    dirty: Vec<usize>,
}

/// Serves for ever.
pub(crate) fn serve(port: &str) -> Outcome {
    raise_descriptors()?;
    let address: SocketAddr = format!("127.0.0.1:{port}").parse()?;
    let mut listener = listen(address)?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut all = Loop::default();
    let mut input = vec![0; READ_BYTES];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            let Token(idx) = event.token();
            if event.token() == LISTENER {
                all.accept(&listener, &poll)?;
                continue;
            }
            if event.is_readable() && all.read(idx, &mut input).is_err() {
                all.connections[idx] = None;
            } else if event.is_writable() {
                all.touch(idx);
            }
        }
        all.flush();
    }
}

impl Loop {
    fn accept(&mut self, listener: &TcpListener, poll: &Poll) -> Outcome {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            stream.set_nodelay(true)?;
            let idx = self.connections.len();
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(idx), interest)?;
            self.connections.push(Some(Connection {
                stream,
                partial: Vec::new(),
                output: Vec::new(),
                is_dirty: false,
                packet_id: 0,
            }));
        }
    }

    fn read(&mut self, idx: usize, input: &mut [u8]) -> io::Result<()> {
        loop {
            let Some(connection) = &mut self.connections[idx] else { return Ok(()) };
            let kept = connection.partial.len();
            input[..kept].copy_from_slice(&connection.partial);
            let read = match connection.stream.read(&mut input[kept..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let mut rest = &input[..kept + read];
            while let Some((first, body, behind)) = frame::packet(rest) {
                self.packet(idx, first, body);
                rest = behind;
            }
            if let Some(connection) = &mut self.connections[idx] {
                connection.partial.clear();
                connection.partial.extend_from_slice(rest);
            }
            if kept + read < input.len() {
                return Ok(());
            }
        }
    }

    fn packet(&mut self, idx: usize, first: u8, body: &[u8]) {
        match first >> 4 {
            1 => self.send(idx, 0x20, &[&[0, 0]]),
            3 => {
                if let Some(id) = self.publish(first, body) {
                    self.send(idx, 0x40, &[&id]);
                }
            }
            8 => {
                let codes = self.subscribe(idx, body);
                self.send(idx, 0x90, &[&body[..2], &codes]);
            }
            _ => {}
        }
    }

    fn subscribe(&mut self, idx: usize, body: &[u8]) -> Vec<u8> {
        let (mut codes, mut rest) = (Vec::new(), &body[2..]);
        while let Some((filter, [qos, behind @ ..])) = frame::text(rest) {
            if filter.contains(&b'+') && !self.wildcards.contains(&idx) {
                self.wildcards.push(idx);
            }
            let topic = filter.iter().map(|byte| if *byte == b'+' { b'1' } else { *byte });
            self.by_topic.entry(topic.collect()).or_default().push(idx);
            codes.push(*qos);
            rest = behind;
        }
        codes
    }

    /// Writes it to whoever has it; gives its packet identifier, if it has one.
    fn publish(&mut self, first: u8, body: &[u8]) -> Option<[u8; 2]> {
        let (topic, rest) = frame::text(body)?;
        let head = &body[..2 + topic.len()];
        let (id, payload) = if first & 6 == 0 {
            (None, rest)
        } else {
            (Some([*rest.first()?, *rest.get(1)?]), &rest[2..])
        };
        let receivers = match self.by_topic.get(topic) {
            Some(all) => all.clone(),
            None if self.wildcards.is_empty() => Vec::new(),
            None => {
                self.turn = (self.turn + 1) % self.wildcards.len();
                vec![self.wildcards[self.turn]]
            }
        };
        for receiver in receivers {
            let Some(connection) = &mut self.connections[receiver] else { continue };
            if id.is_none() {
                self.send(receiver, first, &[head, payload]);
            } else {
                connection.packet_id = connection.packet_id.checked_add(1).unwrap_or(1);
                let id = connection.packet_id.to_be_bytes();
                self.send(receiver, first, &[head, &id, payload]);
            }
        }
        id
    }

    fn send(&mut self, idx: usize, first: u8, body: &[&[u8]]) {
        if let Some(connection) = &mut self.connections[idx] {
            frame::write(&mut connection.output, first, body);
            self.touch(idx);
        }
    }

    fn touch(&mut self, idx: usize) {
        if let Some(connection) = &mut self.connections[idx]
            && !std::mem::replace(&mut connection.is_dirty, true)
        {
            self.dirty.push(idx);
        }
    }

    /// One write a connection and turn.
    fn flush(&mut self) {
        for idx in std::mem::take(&mut self.dirty) {
            let Some(connection) = &mut self.connections[idx] else { continue };
            connection.is_dirty = false;
            // What does not fit, or fails, is told by an event.
            if !connection.output.is_empty()
                && let Ok(written) = connection.stream.write(&connection.output)
            {
                drop(connection.output.drain(..written));
            }
        }
    }
}
