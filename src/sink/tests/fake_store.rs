//! A store that does what its script says: any status, delay, cut answer or reset, before or after
//! it has stored what it was sent.

use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use flate2::read::GzDecoder;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::model::line::lines;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) target: String,
    pub(super) head: String,
    /// Decompressed.
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn lines(&self) -> Vec<String> {
        lines(&self.body).map(|line| String::from_utf8_lossy(line).into_owned()).collect()
    }

    pub(super) fn holds(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.body).contains(text)
    }
}

/// What the store does with a request.
#[derive(Clone, Debug)]
pub(super) enum Play {
    /// Stores every line and answers 204.
    Store,
    /// Stores every line, then resets the connection.
    StoreThenReset,
    /// Stores these lines, waits a moment, and answers with a status and a body.
    Told(Vec<String>, Duration, u16, String),
    /// Stores nothing and answers with a status, a header line (or none) and a body.
    Answer(u16, &'static str, &'static str),
    /// Answers with a status and a body that ends before its announced length.
    Cut(u16, &'static str),
    /// Answers with a status and a body without an end, as long as anybody reads it.
    Endless(u16),
    /// Stores nothing and closes the connection without an answer.
    Reset,
    /// Answers nothing until the store changes its script.
    Hang,
}

type Script = Box<dyn Fn(&Request) -> Play + Send + Sync>;

struct Inner {
    script: Mutex<Script>,
    /// Moves with each script, which ends every [`Play::Hang`].
    scripts: watch::Sender<u64>,
    requests: Mutex<Vec<Request>>,
    stored: Mutex<BTreeSet<String>>,
}

/// The running store; it ends with the test's runtime.
#[derive(Clone)]
pub(super) struct FakeStore {
    pub(super) address: SocketAddr,
    inner: Arc<Inner>,
}

impl FakeStore {
    pub(super) async fn start(script: impl Fn(&Request) -> Play + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let inner = Arc::new(Inner {
            script: Mutex::new(Box::new(script)),
            scripts: watch::Sender::new(0),
            requests: Mutex::default(),
            stored: Mutex::default(),
        });
        let store = Self { address, inner };
        let accepting = store.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let store = accepting.clone();
                tokio::spawn(async move {
                    // A connection that the script breaks ends in an error; that is its purpose.
                    let _broken = store.serve(stream).await;
                });
            }
        });
        store
    }

    /// Changes what the store does from now on.
    pub(super) fn play(&self, script: impl Fn(&Request) -> Play + Send + Sync + 'static) {
        *self.inner.script.lock().expect("no test panics here") = Box::new(script);
        self.inner.scripts.send_modify(|count| *count += 1);
    }

    pub(super) fn stored(&self) -> BTreeSet<String> {
        self.inner.stored.lock().expect("no test panics here").clone()
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.inner.requests.lock().expect("no test panics here").clone()
    }

    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            let Some(request) = self.receive(&mut stream, &mut buffer).await? else {
                return Ok(());
            };
            let play = (self.inner.script.lock().expect("no test panics here"))(&request);
            if matches!(play, Play::Store | Play::StoreThenReset) {
                self.inner.stored.lock().expect("no test panics here").extend(request.lines());
            }
            match play {
                Play::Told(stored, wait, status, body) => {
                    tokio::time::sleep(wait).await;
                    self.inner.stored.lock().expect("no test panics here").extend(stored);
                    let len = body.len();
                    let answer = match status {
                        204 => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
                        _ => format!("HTTP/1.1 {status} x\r\ncontent-length: {len}\r\n\r\n{body}"),
                    };
                    stream.write_all(answer.as_bytes()).await?;
                }
                Play::Store => {
                    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
                }
                Play::StoreThenReset | Play::Reset => {
                    stream.set_zero_linger()?;
                    return Ok(());
                }
                Play::Answer(status, header, body) => {
                    let header = if header.is_empty() { "x: y" } else { header };
                    let len = body.len();
                    let answer = format!(
                        "HTTP/1.1 {status} x\r\ncontent-length: {len}\r\n{header}\r\n\r\n{body}"
                    );
                    stream.write_all(answer.as_bytes()).await?;
                }
                Play::Cut(status, body) => {
                    let answer =
                        format!("HTTP/1.1 {status} x\r\ncontent-length: 9999\r\n\r\n{body}");
                    stream.write_all(answer.as_bytes()).await?;
                    return Ok(());
                }
                Play::Endless(status) => {
                    let head = format!("HTTP/1.1 {status} x\r\n\r\n");
                    stream.write_all(head.as_bytes()).await?;
                    loop {
                        stream.write_all(&[b'x'; 4096]).await?;
                    }
                }
                Play::Hang => {
                    let mut scripts = self.inner.scripts.subscribe();
                    scripts.changed().await.map_err(io::Error::other)?;
                    return Ok(());
                }
            }
        }
    }

    /// Reads one request; `None` at the connection's end.
    async fn receive(
        &self,
        stream: &mut TcpStream,
        buffer: &mut Vec<u8>,
    ) -> io::Result<Option<Request>> {
        let head_end = loop {
            if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(buffer).await? == 0 {
                return Ok(None);
            }
        };
        let head = String::from_utf8_lossy(&buffer[..head_end]).to_ascii_lowercase();
        let len: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |len| len.trim().parse().expect("a number"));
        while buffer.len() < head_end + len {
            if stream.read_buf(buffer).await? == 0 {
                return Ok(None);
            }
        }
        let target = String::from_utf8_lossy(&buffer[..head_end])
            .split(' ')
            .nth(1)
            .expect("a request line")
            .to_owned();
        let mut body = buffer[head_end..head_end + len].to_vec();
        buffer.drain(..head_end + len);
        if head.contains("content-encoding: gzip") {
            let mut plain = Vec::new();
            io::Read::read_to_end(&mut GzDecoder::new(body.as_slice()), &mut plain)?;
            body = plain;
        }
        let mut requests = self.inner.requests.lock().expect("no test panics here");
        let request = Request { target, head, body };
        requests.push(request.clone());
        Ok(Some(request))
    }
}
