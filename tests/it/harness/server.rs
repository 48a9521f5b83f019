//! An HTTP server for stand-ins: requests in, whatever the stand-in answers out.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// A request as a stand-in needs it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// The headers, a line each, in small letters.
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
    /// The body as it came, where it need be no text.
    pub(crate) bytes: Vec<u8>,
}

/// Status and body; `None` closes the connection without a word.
pub(crate) type Reply = Option<(u16, String)>;

/// A server on a free port, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    gone: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start(reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let gone = Arc::new(AtomicBool::new(false));
        let (is_gone, reply) = (Arc::clone(&gone), Arc::new(reply));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if is_gone.load(Ordering::Relaxed) {
                    return;
                }
                let reply = Arc::clone(&reply);
                let Ok(stream) = stream else { continue };
                thread::spawn(move || converse(&stream, &*reply));
            }
        });
        Self { address, gone }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts, so that it sees it and closes the port.
        drop(TcpStream::connect(self.address));
    }
}

/// One connection, request after request.
fn converse(mut stream: &TcpStream, reply: &dyn Fn(&Request) -> Reply) {
    if stream.set_read_timeout(Some(Duration::from_mins(2))).is_err() {
        return;
    }
    let mut reader = BufReader::new(stream);
    while let Some(request) = request(&mut reader) {
        let Some((status, text)) = reply(&request) else { return };
        let answer = match status {
            204 => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            _ => format!("HTTP/1.1 {status} Told\r\nContent-Length: {}\r\n\r\n{text}", text.len()),
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
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
