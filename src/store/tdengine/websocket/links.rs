//! A pool of connections to one address with one user: opened on demand, kept while they work.

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

/// How long a connection may be idle before it is not trusted any more.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// The maximum number of idle connections.
const IDLE_COUNT_MAX: usize = 4;

/// What to do about a certificate that the client does not trust; it knows no `store.ca-file`.
const TRUST_REMEDY: &str = " (an authority that this machine does not trust signed the adapter's \
                            certificate; name a file of all authorities with SSL_CERT_FILE)";

/// Connections to one address, with one database or none.
#[derive(Debug)]
pub(super) struct Links {
    builder: TaosBuilder,
    /// `host:port`.
    address: String,
    connect_timeout: Duration,
    clock: Arc<dyn Clock>,
    /// Idle connections, with the time since when they are idle; the last is the most recent.
    idle: Mutex<Vec<(Taos, Duration)>>,
}

/// Why a request has no successful answer.
#[derive(Debug)]
pub(super) enum LinkError {
    /// The server's fault.
    Fault(Fault),
    /// The server refuses the credentials or the connection.
    Barred(String),
    /// The server is down or unreachable.
    Away(String),
}

/// A task that is aborted when its handle is dropped.
#[derive(Debug)]
pub(super) struct AbortOnDrop<T>(JoinHandle<T>);

impl Links {
    pub(super) fn new(
        builder: TaosBuilder,
        address: String,
        connect_timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { builder, address, connect_timeout, clock, idle: Mutex::default() }
    }

    /// Takes a connection out of the pool; the client opens it with its first request.
    pub(super) async fn take(&self) -> Result<Taos, LinkError> {
        if let Some(link) = self.fresh() {
            return Ok(link);
        }
        // The client has no connect time-out of its own.
        let away =
            |why: &str| LinkError::Away(format!("cannot connect to {}: {why}", self.address));
        match tokio::time::timeout(self.connect_timeout, TcpStream::connect(&self.address)).await {
            Err(_elapsed) => return Err(away("timed out")),
            Ok(Err(error)) => return Err(away(&error.to_string())),
            Ok(Ok(_reached)) => {}
        }
        self.builder.build().await.map_err(|error| link_error(&error))
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

impl<T: Send + 'static> AbortOnDrop<T> {
    pub(super) fn new(task: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }

    /// The result of the task.
    pub(super) async fn ended(&mut self) -> Result<T, LinkError> {
        let broken = "the WebSocket client did not understand the server, and panicked";
        (&mut self.0).await.map_err(|_panic| LinkError::Away(broken.to_owned()))
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Maps an error of the client.
pub(super) fn link_error(error: &taos::Error) -> LinkError {
    /// The client's own codes begin here; they include the adapter's codes for faults that are not
    /// the server's.
    const OWN_CODES: u32 = 0xe000;
    const UNAUTHORIZED: u32 = 0xe006;
    let code = u32::from(error.code()) & 0xffff;
    let message = error.message();
    // The client adds text around the server's message.
    let said = message.strip_prefix("Internal error: `").and_then(|said| said.strip_suffix('`'));
    let mut text = said.unwrap_or(&message).to_owned();
    text.truncate(text.floor_char_boundary(Answer::BODY_BYTES_MAX));
    match code {
        UNAUTHORIZED => LinkError::Barred(text),
        OWN_CODES.. => {
            text.truncate(text.floor_char_boundary(Answer::QUOTE_BYTES_MAX));
            if text.contains("UnknownIssuer") {
                text.push_str(TRUST_REMEDY);
            }
            LinkError::Away(text)
        }
        _ => LinkError::Fault(Fault::new(i64::from(code), text)),
    }
}
