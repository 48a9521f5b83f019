//! Many MQTT connections in one thread: what the load sources of the delivering half are made of.

use std::{
    io::{self, Read, Write},
    mem,
    net::SocketAddr,
    time::Duration,
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};

use super::{Outcome, fault, frame};

const READ_BYTES: usize = 64 * 1024;

/// Takes a packet: whose it is, its first byte, its body, and where that member's answer goes.
pub(crate) type Hear<'a> = &'a mut dyn FnMut(usize, u8, &[u8], &mut Vec<u8>) -> Outcome;

/// Connections by their numbers.
#[derive(Debug)]
pub(crate) struct Crowd {
    poll: Poll,
    members: Vec<Option<Member>>,
    here: usize,
    dirty: Vec<usize>,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Member {
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
    is_dirty: bool,
    /// It has said that it goes, and waits for its connection to be closed.
    is_leaving: bool,
}

impl Crowd {
    pub(crate) fn new() -> Outcome<Self> {
        Ok(Self {
            poll: Poll::new()?,
            members: Vec::new(),
            here: 0,
            dirty: Vec::new(),
            scratch: vec![0; READ_BYTES],
        })
    }

    /// Members that are connected or on their way.
    pub(crate) fn here(&self) -> usize {
        self.here
    }

    /// Begins to connect a client of 3.1.1.
    pub(crate) fn enter(&mut self, idx: usize, address: SocketAddr, is_clean: bool) -> Outcome {
        // From several addresses: one has too few ports.
        let own = SocketAddr::from(([127, 0, 0, u8::try_from(2 + idx % 8)?], 0));
        let mut stream = dial(own, address)?;
        self.poll.registry().register(
            &mut stream,
            Token(idx),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        let mut output = Vec::new();
        let id = frame::with_length(&format!("c{idx:07}"));
        let head = [&b"\0\x04MQTT\x04"[..], &[u8::from(is_clean) << 1], b"\x01\x2c"].concat();
        frame::write(&mut output, 0x10, &[&head, &id]);
        if self.members.len() <= idx {
            self.members.resize_with(idx + 1, || None);
        }
        let member =
            Member { stream, input: Vec::new(), output, is_dirty: false, is_leaving: false };
        self.members[idx] = Some(member);
        self.here += 1;
        Ok(())
    }

    /// Says goodbye; the member has gone once its connection is closed.
    pub(crate) fn leave(&mut self, idx: usize) {
        self.write(idx, 0xe0, &[]);
        if let Some(member) = &mut self.members[idx] {
            member.is_leaving = true;
        }
    }

    /// A packet of a member, written in the next turn.
    pub(crate) fn write(&mut self, idx: usize, first: u8, body: &[&[u8]]) {
        if let Some(member) = &mut self.members[idx] {
            frame::write(&mut member.output, first, body);
            member.touch(idx, &mut self.dirty);
        }
    }

    /// Writes what there is to write, and handles what has come.
    pub(crate) fn turn(&mut self, wait: Option<Duration>, hear: Hear<'_>) -> Outcome {
        for idx in mem::take(&mut self.dirty) {
            if let Some(member) = &mut self.members[idx] {
                member.is_dirty = false;
                member.flush()?;
            }
        }
        let mut events = Events::with_capacity(1024);
        self.poll.poll(&mut events, wait)?;
        for event in &events {
            let Token(idx) = event.token();
            if event.is_writable()
                && let Some(member) = &mut self.members[idx]
            {
                member.flush()?;
            }
            if event.is_readable() {
                self.read(idx, hear)?;
            }
        }
        Ok(())
    }

    fn read(&mut self, idx: usize, hear: Hear<'_>) -> Outcome {
        let Self { members, scratch, dirty, here, .. } = self;
        let Some(member) = &mut members[idx] else { return Ok(()) };
        loop {
            let kept = member.input.len();
            scratch[..kept].copy_from_slice(&member.input);
            let read = match member.stream.read(&mut scratch[kept..]) {
                Ok(0) if member.is_leaving => {
                    members[idx] = None;
                    *here -= 1;
                    return Ok(());
                }
                Ok(0) => return Err(fault(format!("the connection of client {idx} was closed"))),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let mut rest = &scratch[..kept + read];
            let written = member.output.len();
            while let Some((first, body, behind)) = frame::packet(rest) {
                hear(idx, first, body, &mut member.output)?;
                rest = behind;
            }
            if member.output.len() > written {
                member.touch(idx, dirty);
            }
            member.input.clear();
            member.input.extend_from_slice(rest);
            if kept + read < scratch.len() {
                return Ok(());
            }
        }
    }
}

impl Member {
    fn touch(&mut self, idx: usize, dirty: &mut Vec<usize>) {
        if !mem::replace(&mut self.is_dirty, true) {
            dirty.push(idx);
        }
    }

    fn flush(&mut self) -> Outcome {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(written) => drop(self.output.drain(..written)),
                // It has not connected yet, or the kernel's buffer is full: an event will say.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected
                    ) =>
                {
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Begins to connect, from that address of ours.
pub(crate) fn dial(own: SocketAddr, to: SocketAddr) -> Outcome<TcpStream> {
    use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    net::bind(&socket, &own)?;
    match net::connect(&socket, &to) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(TcpStream::from_std(std::net::TcpStream::from(socket)))
}
