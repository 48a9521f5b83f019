//! The listener: connections in, within their bounds, until it is stopped.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use hyper::{
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinError, JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    auth::{ServerTls, Tls},
    env::{self, Clock, Supervisor},
    http::{HttpState, Options, routes},
    model::{SilentPeers, SilentTicket},
    telemetry::{Chain, LogLimit, Metrics},
};

/// How long the listener pauses if the kernel has no descriptor or memory for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often it is logged that no connection can be accepted.
const SAID_EVERY: Duration = Duration::from_mins(1);
/// How often silent peers are looked for.
const SILENT_LOOK: Duration = Duration::from_millis(250);

/// The operator edge cannot listen. When: at start. The operator frees the address or names another
/// in `http.listen`.
#[derive(Debug, thiserror::Error)]
#[error("listening for operators on {address}")]
pub struct BindError {
    /// As configured.
    pub address: SocketAddr,
    /// The error of the kernel.
    #[source]
    pub source: io::Error,
}

/// Takes the address. Connections queue in the kernel until [`serve`] is called.
///
/// # Errors
/// If the address is taken, not ours, or not allowed.
pub async fn bind(options: &Options) -> Result<TcpListener, BindError> {
    let address = options.listen;
    TcpListener::bind(address).await.map_err(|source| BindError { address, source })
}

/// A running operator edge.
#[derive(Debug)]
pub struct Server {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    /// Stops accepting, waits at most `within` for requests that are being answered, and closes the
    /// rest.
    pub async fn stop(self, within: Duration) {
        self.stop.send_replace(true);
        let mut task = self.task;
        if tokio::time::timeout(within, &mut task).await.is_err() {
            // Aborting the accept loop drops its set of connections, which aborts each of them.
            task.abort();
        }
    }
}

/// Serves on the current runtime until it is stopped.
#[must_use]
pub fn serve(
    listener: TcpListener,
    state: HttpState,
    options: &Options,
    tls: Option<Arc<Tls>>,
    supervisor: &Supervisor,
) -> Server {
    let (stop, stopped) = watch::channel(false);
    let (clock, metrics) = (Arc::clone(&state.clock), Arc::clone(&state.metrics));
    let router = routes::router(state, options);
    let connections = Connections { tls, ..Connections::new(router, options, clock, metrics) };
    let guard = supervisor.guard("http");
    let task = tokio::spawn(async move {
        let _guard = guard;
        connections.accept(listener, stopped).await;
    });
    Server { stop, task }
}

struct Connections {
    http: http1::Builder,
    router: Router,
    /// TLS of every connection, if configured.
    tls: Option<Arc<Tls>>,
    /// By number, to close one that is silent.
    aborts: HashMap<u64, AbortHandle>,
    /// Each ends with its number.
    open: JoinSet<u64>,
    next: u64,
    connections_max: usize,
    /// From accepting a connection to the end of its TLS handshake.
    handshake_max: Duration,
    /// Shared with the connections, each of which notes when it has sent something.
    silent: Arc<SilentPeers<u64>>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    said: LogLimit,
}

impl Connections {
    fn new(
        router: Router,
        options: &Options,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(options.header_timeout)
            .max_buf_size(options.header_bytes_max);
        let silent = SilentPeers::new(options.silent_max, options.silent_per_address_max);
        Self {
            http,
            router,
            tls: None,
            aborts: HashMap::new(),
            open: JoinSet::new(),
            next: 0,
            connections_max: options.connections_max,
            handshake_max: options.header_timeout,
            silent: Arc::new(silent),
            clock,
            metrics,
            said: LogLimit::new(SAID_EVERY),
        }
    }

    async fn accept(mut self, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
        let mut look = tokio::time::interval(SILENT_LOOK);
        // The new connection for which there is no room yet.
        let mut waiting = None;
        loop {
            tokio::select! {
                biased;
                () = stop_asked(&mut stopped) => break,
                Some(ended) = self.open.join_next() => self.ended(ended),
                _ = look.tick() => self.close_silent(),
                accepted = listener.accept(), if waiting.is_none() => match accepted {
                    Ok(newcomer) => waiting = Some(newcomer),
                    Err(error) => {
                        self.tell(&error);
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
            if self.open.len() >= self.connections_max && waiting.is_some() {
                // Its end is handled above, and frees its room.
                self.close(self.silent.longest());
            }
            if self.open.len() < self.connections_max
                && let Some((stream, address)) = waiting.take()
            {
                self.serve_one(stream, address.ip(), stopped.clone());
            }
        }
        drop(listener);
        while self.open.join_next().await.is_some() {}
    }

    /// Logs at intervals why no connection can be accepted. The lack of descriptors is logged with
    /// the state of the machine, for both edges.
    fn tell(&mut self, error: &io::Error) {
        if env::is_out_of_descriptors(error) {
            return;
        }
        if let Some(skipped) = self.said.admit(self.clock.monotonic()) {
            tracing::warn!(error = %Chain(error), skipped, "accepting an operator");
        }
    }

    /// Closes those that have been silent for too long, past the bounds on them.
    fn close_silent(&mut self) {
        let excess = self.silent.excess(self.clock.monotonic());
        self.close(excess);
    }

    fn close(&mut self, connections: impl IntoIterator<Item = u64>) {
        for number in connections {
            if let Some(abort) = self.aborts.get(&number) {
                self.metrics.http_closed_silent_connections.inc();
                abort.abort();
            }
        }
    }

    fn ended(&mut self, ended: Result<u64, JoinError>) {
        match ended {
            Ok(number) => drop(self.aborts.remove(&number)),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(error) => self.aborts.retain(|_, abort| abort.id() != error.id()),
        }
    }

    fn serve_one(
        &mut self,
        stream: TcpStream,
        address: IpAddr,
        mut stopped: watch::Receiver<bool>,
    ) {
        let number = self.next;
        self.next += 1;
        let ticket = self.silent.arrived(number, address, self.clock.monotonic());
        let left = Left { silent: Arc::clone(&self.silent), ticket };
        let router = TowerToHyperService::new(self.router.clone());
        let silent = Arc::clone(&self.silent);
        let service = service_fn(move |request| {
            silent.left(ticket);
            router.call(request)
        });
        let (http, tls) = (self.http.clone(), self.tls.as_ref().map(|tls| tls.current()));
        let handshake_max = self.handshake_max;
        let abort = self.open.spawn(async move {
            let _left = left;
            let stream = match secured(stream, tls, handshake_max).await {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::debug!(error = %Chain(&error), "an operator's handshake of TLS failed");
                    return number;
                }
            };
            let connection = http.serve_connection(TokioIo::new(stream), service);
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop_asked(&mut stopped) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(error = %Chain(&error), "a connection of an operator ended");
            }
            number
        });
        self.aborts.insert(number, abort);
    }
}

/// A connection as its bytes are read, whatever lies below.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The handshake of TLS, where it is spoken.
async fn secured(
    stream: TcpStream,
    tls: Option<Arc<ServerTls>>,
    handshake_max: Duration,
) -> io::Result<Box<dyn Stream>> {
    let Some(tls) = tls else { return Ok(Box::new(stream)) };
    let handshake = TlsAcceptor::from(Arc::clone(&tls.config)).accept(stream);
    match tokio::time::timeout(handshake_max, handshake).await {
        Ok(secured) => Ok(Box::new(secured?)),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// A connection that has ended is no longer counted as silent.
struct Left {
    silent: Arc<SilentPeers<u64>>,
    ticket: SilentTicket,
}

impl Drop for Left {
    fn drop(&mut self) {
        self.silent.left(self.ticket);
    }
}

/// Returns when the server is stopped, or its handle is gone, which is a stop too.
async fn stop_asked(stopped: &mut watch::Receiver<bool>) {
    drop(stopped.wait_for(|stop| *stop).await);
}
