//! The listener: connections in, within their bounds, until it is stopped.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
};

use crate::{
    env::Supervisor,
    http::{HttpState, Options, routes},
    telemetry::Chain,
};

/// How long the listener rests when the kernel has no descriptor or memory for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The operator edge cannot listen. When: at start. The operator frees the address or names another
/// in `http.listen`.
#[derive(Debug, thiserror::Error)]
#[error("listening for operators on {address}")]
pub struct BindError {
    /// As configured.
    pub address: SocketAddr,
    /// What the kernel said.
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
    /// Accepts no more, lets the requests that are being answered end for at most `within`, and
    /// closes the rest.
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
    supervisor: &Supervisor,
) -> Server {
    let (stop, stopped) = watch::channel(false);
    let router = routes::router(state, options);
    let connections = Connections::new(router, options);
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
    room: Arc<Semaphore>,
    open: JoinSet<()>,
}

impl Connections {
    fn new(router: Router, options: &Options) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(options.header_timeout)
            .max_buf_size(options.header_bytes_max);
        let room = Arc::new(Semaphore::new(options.connections_max));
        Self { http, router, room, open: JoinSet::new() }
    }

    async fn accept(mut self, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                biased;
                () = stop_asked(&mut stopped) => break,
                Some(_) = self.open.join_next() => {}
                accepted = accept_one(&listener, &self.room) => match accepted {
                    Ok((stream, permit)) => {
                        let connection = self.serve_one(stream, stopped.clone());
                        self.open.spawn(async move {
                            connection.await;
                            drop(permit);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(error = %Chain(&error), "accepting an operator");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        while self.open.join_next().await.is_some() {}
    }

    fn serve_one(
        &self,
        stream: TcpStream,
        mut stopped: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let service = TowerToHyperService::new(self.router.clone());
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        async move {
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
        }
    }
}

/// Returns when the server is stopped, or its handle is gone, which is a stop too.
async fn stop_asked(stopped: &mut watch::Receiver<bool>) {
    drop(stopped.wait_for(|stop| *stop).await);
}

/// The next connection, once there is room for it.
async fn accept_one(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.expect("the semaphore is never closed");
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}
