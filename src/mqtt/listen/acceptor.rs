//! Accepting connections on the thread of the listeners, and handing them to the workers in turn.
//!
//! ntex's own acceptor is a thread that hands to another one, which hands to a worker: two threads
//! are woken for a connection, a seventh of what it costs with TLS. Here one thread does both.

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

use super::{door::Door, socket::connection};
use crate::{
    env::{Clock, is_out_of_descriptors},
    mqtt::{
        greeting::serve,
        worker::{Shared, Worker, start},
    },
    telemetry::LogLimit,
    uplink::IntakeParts,
};

/// Bytes of a connection that wait to be handled, past which its socket is not read; the other two
/// are for buffers of ntex's own, of which none are kept.
const READ_BUFFER: (usize, usize, usize) = (16 * 1024, 1024, 0);
/// The same of what waits to be written, past which the socket is not read: deliveries stop at half
/// of it, so that only a peer that does not read its acknowledgements is not read.
const WRITE_BUFFER: (usize, usize, usize) = (128 * 1024, 1024, 0);
/// How long nothing is accepted where the system has no descriptor or no memory for it.
const PAUSE: Duration = Duration::from_millis(50);
/// How often it is said that nothing can be accepted.
const SAID_EVERY: Duration = Duration::from_mins(1);

/// A connection on its way to its worker.
#[derive(Debug)]
pub(super) struct Incoming {
    stream: TcpStream,
    peer: SocketAddr,
    /// Which of the listeners took it in.
    listener: usize,
}

/// What each worker is started with.
#[derive(Clone, Debug)]
pub(super) struct WorkerStart {
    pub(super) doors: Vec<Door>,
    pub(super) parts: IntakeParts,
    pub(super) shared: Arc<Shared>,
    /// Whether a worker is there that takes connections.
    pub(super) is_open: watch::Sender<bool>,
}

impl ServerConfiguration for WorkerStart {
    type Item = Incoming;
    type Factory = Entrance;

    async fn create(&self) -> Result<Entrance, ()> {
        Ok(Entrance {
            worker: start(Arc::clone(&self.shared), &self.parts),
            doors: self.doors.iter().cloned().map(Rc::new).collect(),
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

/// Where a worker takes connections in.
#[derive(Clone)]
pub(super) struct Entrance {
    worker: Rc<Worker>,
    doors: Rc<[Rc<Door>]>,
    config: SharedCfg,
}

impl ServiceFactory<Incoming> for Entrance {
    type Response = ();
    type Error = ();
    type Service = Self;
    type InitError = ();

    async fn create(&self, (): ()) -> Result<Self, ()> {
        Ok(self.clone())
    }
}

impl Service<Incoming> for Entrance {
    type Response = ();
    type Error = ();

    async fn call(&self, incoming: Incoming, _: ServiceCtx<'_, Self>) -> Result<(), ()> {
        let Incoming { stream, peer, listener } = incoming;
        match connection(stream, peer, self.config.clone()) {
            Ok(io) => serve(io, Rc::clone(&self.worker), Rc::clone(&self.doors[listener])).await,
            Err(error) => tracing::error!(%peer, %error, "a connection could not be taken in"),
        }
        Ok(())
    }
}

/// Accepts what comes to a listener, for as long as it is asked.
///
/// # Errors
/// The socket cannot be waited for.
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
        // What is accepted leaves this thread, and so tokio must not wait for it here.
        let accepted = socket.accept().await.and_then(|(it, peer)| Ok((it.into_std()?, peer)));
        match accepted {
            Ok((stream, peer)) => {
                let mut incoming = Incoming { stream, peer, listener };
                while let Err(back) = workers.process(incoming) {
                    incoming = back;
                    if is_open.wait_for(|is_open| *is_open).await.is_err() {
                        // There will be no worker any more: whoever waits for this knows.
                        pending::<()>().await;
                    }
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // That no descriptor is left is told with the state of the machine.
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

/// Whether it says something of the connection that was to come, and nothing of the next ones.
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
        .set_write_page_size(BytePageSize::Size4);
    SharedCfg::new("mqtt").add(config).into()
}
