//! Accepts connections on the listeners' thread, and hands them to the workers in turn.
//!
//! ntex's own acceptor is a thread that hands a connection to a second one, which hands it to a
//! worker: so two threads are woken per connection, a seventh of its cost with TLS. Here one thread
//! does both.

use std::{
    convert::Infallible,
    future::pending,
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener, TcpStream},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use ntex::{
    io::IoConfig,
    service::{Service, ServiceCtx, ServiceFactory, cfg::SharedCfg},
};
use ntex_bytes::BytePageSize;
use ntex_server::{Server, ServerConfiguration};
use tokio::sync::watch;

use super::{listener::BoundListener, socket::connection};
use crate::{
    env::{Clock, is_out_of_descriptors},
    mqtt::{
        greeting::serve,
        worker::{Shared, Worker, start},
    },
    telemetry::LogLimit,
    uplink::IntakeParts,
};

/// The bytes of a connection that may wait to be handled; past that its socket is not read. The
/// other two values are for ntex's own buffers, of which none are kept.
const READ_BUFFER: (usize, usize, usize) = (16 * 1024, 1024, 0);
/// The bytes that may wait to be written; past that the socket is not read. Deliveries stop at half
/// of it, so that this happens only to a peer that does not read its acknowledgements.
const WRITE_BUFFER: (usize, usize, usize) = (128 * 1024, 1024, 0);
/// The bytes from which ntex sends what is written at once and not at the end of its turn: any. A
/// turn writes to a socket once, so waiting gains nothing, and each socket that waits holds a page
/// of 4 KiB. Without it the next socket gets the same page, which is still in the CPU's cache.
const SEND_AT_ONCE_BYTES: usize = 1;
/// How long nothing is accepted after the system had no descriptor or no memory.
const PAUSE: Duration = Duration::from_millis(50);
/// How often the log says that nothing can be accepted.
const SAID_EVERY: Duration = Duration::from_mins(1);

/// A connection on its way to its worker.
#[derive(Debug)]
pub(super) struct Incoming {
    stream: TcpStream,
    peer: SocketAddr,
    /// The index of its listener.
    listener: usize,
}

/// The parameters of each worker.
#[derive(Clone, Debug)]
pub(super) struct WorkerStart {
    pub(super) listeners: Vec<BoundListener>,
    pub(super) parts: IntakeParts,
    pub(super) shared: Arc<Shared>,
    /// Whether there is a worker that takes connections.
    pub(super) is_open: watch::Sender<bool>,
}

impl ServerConfiguration for WorkerStart {
    type Item = Incoming;
    type Factory = ConnectionReceiver;

    async fn create(&self) -> Result<ConnectionReceiver, ()> {
        Ok(ConnectionReceiver {
            worker: start(Arc::clone(&self.shared), &self.parts),
            listeners: self.listeners.iter().cloned().map(Rc::new).collect(),
            config: io_config(),
        })
    }

    fn paused(&self) {
        self.is_open.send_replace(false);
    }

    fn resumed(&self) {
        self.is_open.send_replace(true);
    }

    fn terminate(&self) {
        self.is_open.send_replace(false);
    }
}

/// The worker's side of the acceptor: receives connections.
#[derive(Clone)]
pub(super) struct ConnectionReceiver {
    worker: Rc<Worker>,
    listeners: Rc<[Rc<BoundListener>]>,
    config: SharedCfg,
}

impl ServiceFactory<Incoming> for ConnectionReceiver {
    type Response = ();
    type Error = ();
    type Service = Self;
    type InitError = ();

    async fn create(&self, (): ()) -> Result<Self, ()> {
        Ok(self.clone())
    }
}

impl Service<Incoming> for ConnectionReceiver {
    type Response = ();
    type Error = ();

    async fn call(&self, incoming: Incoming, _: ServiceCtx<'_, Self>) -> Result<(), ()> {
        let Incoming { stream, peer, listener } = incoming;
        match connection(stream, peer, self.config.clone()) {
            Ok(io) => {
                serve(io, Rc::clone(&self.worker), Rc::clone(&self.listeners[listener])).await
            }
            Err(error) => tracing::error!(%peer, %error, "a connection could not be taken in"),
        }
        Ok(())
    }
}

/// Accepts connections on a listener until the future is dropped.
///
/// # Errors
/// If the socket cannot be registered with the runtime.
pub(super) async fn accept(
    socket: TcpListener,
    listener: usize,
    workers: Server<Incoming>,
    mut is_open: watch::Receiver<bool>,
    clock: Arc<dyn Clock>,
) -> io::Result<Infallible> {
    let mut said = LogLimit::new(SAID_EVERY);
    socket.set_nonblocking(true)?;
    let socket = tokio::net::TcpListener::from_std(socket)?;
    loop {
        // An accepted socket leaves this thread, so it must not be registered with this thread's
        // runtime.
        let accepted = socket.accept().await.and_then(|(it, peer)| Ok((it.into_std()?, peer)));
        match accepted {
            Ok((stream, peer)) => {
                let mut incoming = Incoming { stream, peer, listener };
                while let Err(back) = workers.process(incoming) {
                    incoming = back;
                    if is_open.wait_for(|is_open| *is_open).await.is_err() {
                        // There will be no worker any more; the caller of `accept` sees that
                        // itself.
                        pending::<()>().await;
                    }
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // The state of the machine reports that no descriptor is left.
                if !is_out_of_descriptors(&error)
                    && let Some(skipped) = said.admit(clock.monotonic())
                {
                    tracing::warn!(%error, skipped, "accepting a connection");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whether the error is about one connection only, so that the next ones can be accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
    )
}

fn io_config() -> SharedCfg {
    let (most, least, kept) = READ_BUFFER;
    let (written_most, written_least, written_kept) = WRITE_BUFFER;
    let config = IoConfig::new()
        .set_read_buf(most, least, kept)
        .set_write_buf(written_most, written_least, written_kept)
        .set_write_buf_threshold(SEND_AT_ONCE_BYTES)
        .set_write_page_size(BytePageSize::Size4);
    SharedCfg::new("mqtt").add(config).into()
}
