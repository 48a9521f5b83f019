//! An HTTP server for stand-ins: it passes requests on and sends their answers.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// A received request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// The headers, one per line, in lower case.
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
    /// The body as bytes.
    pub(crate) bytes: Vec<u8>,
}

/// Status and body; `None` closes the connection without an answer.
pub(crate) type Reply = Option<(u16, String)>;

/// What is sent for a request.
#[derive(Debug)]
pub(crate) enum Sent {
    /// An answer, or none.
    Reply(Reply),
    /// These bytes; then the connection is closed.
    Bytes(&'static [u8]),
    /// The head of an answer, and then a byte of its body now and then, as long as the peer waits.
    Slow,
    /// The head of an answer, and an endless body.
    Endless,
    /// The connection is reset.
    Reset,
}

impl From<Reply> for Sent {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// A server on a free port; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    gone: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start<T: Into<Sent>>(
        reply: impl Fn(&Request) -> T + Send + Sync + 'static,
    ) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), reply)
    }

    /// Starts a server on the port of an earlier one.
    pub(crate) fn start_at<T: Into<Sent>>(
        address: SocketAddr,
        reply: impl Fn(&Request) -> T + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let gone = Arc::new(AtomicBool::new(false));
        let is_gone = Arc::clone(&gone);
        let reply: Arc<dyn Fn(&Request) -> Sent + Send + Sync> =
            Arc::new(move |request| reply(request).into());
        thread::spawn(move || {
            for stream in listener.incoming() {
                if is_gone.load(Ordering::Relaxed) {
                    return;
                }
                let (is_gone, reply) = (Arc::clone(&is_gone), Arc::clone(&reply));
                let Ok(stream) = stream else { continue };
                thread::spawn(move || converse(&stream, &is_gone, &*reply));
            }
        });
        Self { address, gone }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
        // Wakes the accepting thread, so that it closes the port.
        drop(TcpStream::connect(self.address));
    }
}

/// Serves one connection, request after request, as long as the server exists.
fn converse(stream: &TcpStream, is_gone: &AtomicBool, reply: &dyn Fn(&Request) -> Sent) {
    if stream.set_read_timeout(Some(Duration::from_mins(2))).is_err() {
        return;
    }
    let mut reader = BufReader::new(stream);
    while let Some(request) = request(&mut reader) {
        let sent = reply(&request);
        if is_gone.load(Ordering::Relaxed) || send(stream, sent).is_err() {
            return;
        }
    }
}

/// Sends it; an error if the connection is then over.
fn send(mut stream: &TcpStream, sent: Sent) -> io::Result<()> {
    const HEAD: &[u8] = b"HTTP/1.1 200 Told\r\nContent-Length: 1000000000000\r\n\r\n";
    match sent {
        Sent::Reply(None) => {}
        Sent::Reply(Some((204, _))) => {
            return stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
        }
        Sent::Reply(Some((status, text))) => {
            let head = format!("HTTP/1.1 {status} Told\r\nContent-Length: {}\r\n\r\n", text.len());
            return stream.write_all((head + &text).as_bytes());
        }
        Sent::Bytes(bytes) => stream.write_all(bytes)?,
        Sent::Slow => {
            stream.write_all(HEAD)?;
            loop {
                stream.write_all(b" ")?;
                thread::sleep(Duration::from_millis(50));
            }
        }
        Sent::Endless => {
            stream.write_all(HEAD)?;
            loop {
                stream.write_all(&[b' '; 4096])?;
            }
        }
        // Closing with a linger time of zero resets the connection.
        Sent::Reset => rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?,
    }
    Err(io::ErrorKind::ConnectionAborted.into())
}

/// The next request; `None` at the end of the connection.
fn request(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut length, mut headers) = (0, Vec::new());
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        headers.push(header);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let text = String::from_utf8_lossy(&body).into_owned();
    Some(Request { path, headers, body: text, bytes: body })
}
