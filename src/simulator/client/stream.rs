//! The transport of one connection: TCP, and the layers that the server requires, TLS and
//! WebSocket.
//!
//! With TCP alone nothing is buffered here: the caller keeps what the socket does not accept. The
//! layers accept all bytes, and buffer the part of their output that the socket does not accept.

use std::{
    io::{self, Read, Write},
    sync::Arc,
};

use mio::net::TcpStream;
use rustls::{ClientConnection, pki_types::ServerName};

use super::{
    super::tls::TlsClients,
    web::{WebPlace, WebSocket},
};

/// The layers over TCP.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers {
    pub(crate) tls: Option<Arc<TlsClients>>,
    pub(crate) web: Option<WebPlace>,
}

/// Bytes of one read of a layer.
const READ_BYTES: usize = 16 * 1024;

/// One connection.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) tcp: TcpStream,
    tls: Option<Box<ClientConnection>>,
    web: Option<Box<WebSocket>>,
    /// Output of the layers that the socket has not accepted yet; with TLS rustls holds it.
    out: Vec<u8>,
}

impl Stream {
    /// Adds the layers that the server requires to a connection; `connection` selects its
    /// certificate.
    pub(super) fn open(tcp: TcpStream, layers: &Layers, connection: usize) -> io::Result<Self> {
        let mut stream = Self { tcp, tls: None, web: None, out: Vec::new() };
        if let Some(clients) = &layers.tls {
            let name: ServerName<'static> = clients.server().clone();
            let session = ClientConnection::new(Arc::clone(clients.config(connection)), name);
            let mut session = session.map_err(io::Error::other)?;
            // The window bounds the bytes in transit, as without TLS.
            session.set_buffer_limit(None);
            stream.tls = Some(Box::new(session));
        }
        if let Some(place) = &layers.web {
            let (web, request) = WebSocket::open(place);
            stream.web = Some(Box::new(web));
            stream.push(&request)?;
        }
        Ok(stream)
    }

    /// Whether to read until nothing more is available, regardless of a read's size.
    pub(super) fn is_layered(&self) -> bool {
        self.tls.is_some() || self.web.is_some()
    }

    /// Whether bytes for the socket are buffered here.
    pub(super) fn has_unsent(&self) -> bool {
        !self.out.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Writes what the socket accepts; with a layer, all bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.web {
            Some(web) => {
                let mut framed = Vec::with_capacity(bytes.len() + 14);
                web.write(bytes, &mut framed);
                self.push(&framed)?;
            }
            None if self.tls.is_some() => self.push(bytes)?,
            None => return write_some(&mut self.tcp, bytes),
        }
        self.flush()?;
        Ok(bytes.len())
    }

    /// Writes buffered bytes, as far as the socket accepts them.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                match tls.write_tls(&mut self.tcp) {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        } else if !self.out.is_empty() {
            let taken = write_some(&mut self.tcp, &self.out)?;
            self.out.drain(..taken);
        }
        Ok(())
    }

    /// Reads some available bytes; [`io::ErrorKind::WouldBlock`]: none. 0 is the end.
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.web.is_none() {
            return self.read_below(into);
        }
        loop {
            let (filled, replies) = match &mut self.web {
                Some(web) => (web.read(into)?, web.replies()),
                None => return Ok(0),
            };
            if !replies.is_empty() {
                self.push(&replies)?;
                self.flush()?;
            }
            if filled > 0 {
                return Ok(filled);
            }
            let mut raw = [0; READ_BYTES];
            let len = self.read_below(&mut raw)?;
            if len == 0 {
                return Ok(0);
            }
            if let Some(web) = &mut self.web {
                web.came(&raw[..len]);
            }
        }
    }

    /// Sends the close messages of the layers, if the socket accepts them at once.
    pub(super) fn end(&mut self) {
        let mut goodbye = Vec::new();
        if let Some(web) = &self.web {
            web.close(&mut goodbye);
        }
        let pushed = self.push(&goodbye);
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        // An error no longer matters at the end of a connection.
        drop(pushed.and_then(|()| self.flush()));
    }

    /// Reads from the layer below WebSocket.
    fn read_below(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(tls) = &mut self.tls else { return self.tcp.read(into) };
            match tls.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            if tls.read_tls(&mut self.tcp)? == 0 {
                return Ok(0);
            }
            let processed = tls.process_new_packets();
            // The handshake continues, or an alert reports the error.
            let flushed = self.flush();
            processed.map_err(|error| io::Error::other(told(&error)))?;
            flushed?;
        }
    }

    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.writer().write_all(bytes),
            None => {
                self.out.extend_from_slice(bytes);
                Ok(())
            }
        }
    }
}

/// The error of rustls, and the option that helps.
fn told(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer) => {
            format!("TLS: {error}; name the server's authority with --ca")
        }
        _ => format!("TLS: {error}"),
    }
}

fn write_some(tcp: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    loop {
        #[expect(clippy::disallowed_methods, reason = "the rest is kept by the callers")]
        match tcp.write(bytes) {
            Ok(n) => return Ok(n),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
