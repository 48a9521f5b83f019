//! A store that reads every request, counts its lines and answers 204.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{Outcome, fault, process};

/// Serves for ever, a thread a connection: requests are large and few.
pub(crate) fn serve(port: &str) -> Outcome {
    let listener = TcpListener::bind(format!("127.0.0.1:{port}"))?;
    let lines = Arc::new(AtomicU64::new(0));
    for stream in listener.incoming() {
        let (stream, lines) = (stream?, Arc::clone(&lines));
        // A client that hangs up ends its thread, and nothing else.
        thread::spawn(move || drop(Exchange::new(stream, lines).run()));
    }
    Ok(())
}

struct Exchange {
    stream: TcpStream,
    lines: Arc<AtomicU64>,
    buffer: Vec<u8>,
    filled: usize,
}

impl Exchange {
    fn new(stream: TcpStream, lines: Arc<AtomicU64>) -> Self {
        Self { stream, lines, buffer: vec![0; 256 * 1024], filled: 0 }
    }

    fn run(mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        loop {
            let head = self.head()?;
            let counted = if head.chunked { self.chunks()? } else { self.take(head.length)? };
            let total = self.lines.fetch_add(counted, Ordering::Relaxed) + counted;
            if head.asks_count {
                let text = total.to_string();
                let length = text.len();
                write!(self.stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{text}")?;
            } else {
                self.stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
            }
        }
    }

    fn more(&mut self) -> io::Result<()> {
        match self.stream.read(&mut self.buffer[self.filled..])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                self.filled += n;
                Ok(())
            }
        }
    }

    fn drop_front(&mut self, bytes: usize) {
        self.buffer.copy_within(bytes..self.filled, 0);
        self.filled -= bytes;
    }

    fn line_end(&mut self, end: &[u8]) -> io::Result<usize> {
        loop {
            let at = self.buffer[..self.filled].windows(end.len()).position(|at| at == end);
            match at {
                Some(at) => return Ok(at + end.len()),
                None if self.filled == self.buffer.len() => {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                None => self.more()?,
            }
        }
    }

    fn head(&mut self) -> io::Result<Head> {
        let end = self.line_end(b"\r\n\r\n")?;
        let text = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim().to_owned())
        };
        let length = value("content-length:").and_then(|text| text.parse().ok()).unwrap_or(0);
        let chunked = value("transfer-encoding:").is_some_and(|text| text == "chunked");
        let asks_count = text.starts_with("get /count ");
        self.drop_front(end);
        Ok(Head { length, chunked, asks_count })
    }

    /// Reads so many bytes and counts the lines in them.
    fn take(&mut self, mut length: usize) -> io::Result<u64> {
        let mut lines = 0;
        loop {
            let here = length.min(self.filled);
            lines += self.buffer[..here].iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
            length -= here;
            if length == 0 {
                self.drop_front(here);
                return Ok(lines);
            }
            self.filled = 0;
            self.more()?;
        }
    }

    fn chunks(&mut self) -> io::Result<u64> {
        let mut lines = 0;
        loop {
            let end = self.line_end(b"\r\n")?;
            let text = String::from_utf8_lossy(&self.buffer[..end - 2]).into_owned();
            let length = usize::from_str_radix(text.split(';').next().unwrap_or("").trim(), 16);
            let length = length.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            self.drop_front(end);
            lines += self.take(length)?;
            let end = self.line_end(b"\r\n")?;
            self.drop_front(end);
            if length == 0 {
                return Ok(lines);
            }
        }
    }
}

struct Head {
    length: usize,
    chunked: bool,
    asks_count: bool,
}

/// A stub that runs as its own process.
#[derive(Debug)]
pub(crate) struct Stub {
    pub(crate) port: u16,
    _process: process::Process,
}

impl Stub {
    pub(crate) fn start() -> Outcome<Self> {
        let (process, port) = process::start_self("stub")?;
        Ok(Self { port, _process: process })
    }

    /// Lines stored so far.
    pub(crate) fn stored(&self) -> Outcome<u64> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.write_all(b"GET /count HTTP/1.1\r\nHost: stub\r\n\r\n")?;
        let mut text = String::new();
        let mut byte = [0];
        // The head, then as many digits as it says.
        while !text.ends_with("\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            text.push(char::from(byte[0]));
        }
        let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let mut digits = vec![0; length.ok_or_else(|| fault("no length"))?.parse()?];
        stream.read_exact(&mut digits)?;
        Ok(String::from_utf8(digits)?.parse()?)
    }

    /// Waits until so many lines are stored, or gives up and says how many are.
    pub(crate) fn wait_for(&self, wanted: u64, wait: Duration) -> Outcome<u64> {
        let deadline = Instant::now() + wait;
        loop {
            let stored = self.stored()?;
            if stored >= wanted || Instant::now() > deadline {
                return Ok(stored);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}
