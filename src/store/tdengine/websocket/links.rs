//! Connections to one address as one user: made when they are needed, kept while they work.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use taos::{AsyncTBuilder, Taos, TaosBuilder};
use tokio::{net::TcpStream, task::JoinHandle};

use crate::{
    env::Clock,
    store::{Answer, tdengine::code::Fault},
};

/// How long a connection may lie unused before it is not trusted any more.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// How many may lie unused.
const IDLE_COUNT_MAX: usize = 4;

/// What to do about a certificate that the client does not trust; it knows no `store.ca-file`.
const TRUST_REMEDY: &str = " (an authority that this machine does not trust signed the adapter's \
                            certificate; name a file of all authorities with SSL_CERT_FILE)";

/// Connections to one address, to one database or none.
#[derive(Debug)]
pub(super) struct Links {
    builder: TaosBuilder,
    /// `host:port`.
    address: String,
    connect_timeout: Duration,
    clock: Arc<dyn Clock>,
    /// Unused ones, and since when; the last is the freshest.
    idle: Mutex<Vec<(Taos, Duration)>>,
}

/// Why there is no good answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server says why.
    Fault(Fault),
    /// Nobody may come in.
    Barred(String),
    /// The server is away, or the way to it.
    Away(String),
}

/// A task that ends with whoever waits for it.
#[derive(Debug)]
pub(super) struct Fenced<T>(JoinHandle<T>);

impl Links {
    pub(super) fn new(
        builder: TaosBuilder,
        address: String,
        connect_timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { builder, address, connect_timeout, clock, idle: Mutex::default() }
    }

    /// A connection that nobody else uses; the client makes it with its first request.
    pub(super) async fn take(&self) -> Result<Taos, Trouble> {
        if let Some(link) = self.fresh() {
            return Ok(link);
        }
        // The client would wait for as long as the kernel does.
        let away = |why: &str| Trouble::Away(format!("cannot connect to {}: {why}", self.address));
        match tokio::time::timeout(self.connect_timeout, TcpStream::connect(&self.address)).await {
            Err(_elapsed) => return Err(away("timed out")),
            Ok(Err(error)) => return Err(away(&error.to_string())),
            Ok(Ok(_reached)) => {}
        }
        self.builder.build().await.map_err(|error| trouble(&error))
    }

    /// Keeps a connection whose last request was answered.
    pub(super) fn give_back(&self, link: Taos) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() == IDLE_COUNT_MAX {
            idle.remove(0);
        }
        idle.push((link, self.clock.monotonic()));
    }

    fn fresh(&self) -> Option<Taos> {
        let now = self.clock.monotonic();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| now.saturating_sub(*since) < IDLE_MAX);
        idle.pop().map(|(link, _)| link)
    }
}

impl<T: Send + 'static> Fenced<T> {
    pub(super) fn new(task: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }

    /// What the task gave.
    pub(super) async fn ended(&mut self) -> Result<T, Trouble> {
        let broken = "the WebSocket client did not understand the server, and panicked";
        (&mut self.0).await.map_err(|_panic| Trouble::Away(broken.to_owned()))
    }
}

impl<T> Drop for Fenced<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What an error of the client means.
pub(super) fn trouble(error: &taos::Error) -> Trouble {
    /// The client's own codes begin here; the adapter's for what is no fault of the server's are
    /// among them.
    const OWN_CODES: u32 = 0xe000;
    const UNAUTHORIZED: u32 = 0xe006;
    let code = u32::from(error.code()) & 0xffff;
    let message = error.message();
    // The client dresses up what the server said.
    let said = message.strip_prefix("Internal error: `").and_then(|said| said.strip_suffix('`'));
    let mut text = said.unwrap_or(&message).to_owned();
    text.truncate(text.floor_char_boundary(Answer::BODY_BYTES_MAX));
    match code {
        UNAUTHORIZED => Trouble::Barred(text),
        OWN_CODES.. => {
            text.truncate(text.floor_char_boundary(Answer::QUOTE_BYTES_MAX));
            if text.contains("UnknownIssuer") {
                text.push_str(TRUST_REMEDY);
            }
            Trouble::Away(text)
        }
        _ => Trouble::Fault(Fault::new(i64::from(code), text)),
    }
}
