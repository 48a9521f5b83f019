//! The listeners and their workers, started and drained.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    num::NonZeroU16,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};

use ntex::{io::Io, io::IoConfig, service::cfg::SharedCfg, service::fn_service};
use ntex_bytes::BytePageSize;
use tokio::sync::{oneshot, watch};

use super::{
    Options, Roster,
    carried::CarriedLimits,
    connection::serve,
    handshake::Announced,
    holders::Holders,
    session::SessionLimits,
    worker::{Limits, Shared, Worker, ticks},
};
use crate::{
    model::Presence,
    uplink::{IntakeOptions, IntakeParts},
};

/// Why the edge could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on: it is taken, not this machine's, or not allowed. Free it
    /// or change `mqtt.listen`.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The thread for the workers could not be started: the machine is out of threads or memory.
    #[error("cannot start the worker threads")]
    Threads(#[source] io::Error),
}

/// The running edge.
#[derive(Debug)]
pub struct Edge {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// Connections that wait to be accepted; what the kernel allows by default.
const BACKLOG: i32 = 4096;
/// Read buffers: what one read takes at most, when a buffer is exchanged, how many are kept.
const READ_BUFFER: (usize, usize, usize) = (8 * 1024, 1024, 256);
/// How often the drain looks whether the last connection has gone.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

impl Edge {
    /// Listens on every address and starts the workers, who fill `presence` and read the mailboxes
    /// of `roster`.
    ///
    /// # Errors
    /// The first address that cannot be listened on.
    pub fn start(
        options: &Options,
        parts: &IntakeParts,
        presence: Arc<Presence>,
        roster: Arc<Roster>,
    ) -> Result<Self, StartError> {
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        for &address in &options.listen {
            let listen = |source| StartError::Listen { address, source };
            let listener = ntex::server::create_tcp_listener(address, BACKLOG).map_err(listen)?;
            addresses.push(listener.local_addr().map_err(listen)?);
            listeners.push(listener);
        }
        let shared = Arc::new(Shared {
            limits: limits(options),
            metrics: Arc::clone(&parts.metrics),
            clock: Arc::clone(&parts.clock),
            presence,
            holders: Holders::default(),
            roster,
            live: 0.into(),
            assigned: 0.into(),
            told_will: false.into(),
            told_retain: false.into(),
            draining: watch::Sender::new(false),
        });
        let (stop, stopped) = oneshot::channel();
        let run =
            Run { options: options.clone(), parts: parts.clone(), shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new()
            .name("mqtt".to_owned())
            .spawn(move || {
                ntex::rt::System::new("mqtt", ntex::rt::DefaultRuntime)
                    .block_on(run.serve(listeners, stopped))
            })
            .map_err(StartError::Threads)?;
        Ok(Self { addresses, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// The addresses listened on, in the order asked for, free ports resolved.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Whether the workers' thread is still there; false only after a bug of ours.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Takes nothing more in, and waits until every connection has got its acknowledgements and a
    /// goodbye, or until `limit` has passed. Tells how many connections were cut.
    pub async fn drain(&self, limit: Duration) -> usize {
        self.shared.draining.send_replace(true);
        let all_gone = async {
            while self.shared.live.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(DRAIN_LOOK).await;
            }
        };
        match tokio::time::timeout(limit, all_gone).await {
            Ok(()) => 0,
            Err(_) => self.shared.live.load(Ordering::Relaxed),
        }
    }

    /// Stops listening and ends the workers. Blocks until they have ended.
    pub fn stop(mut self) {
        // Both fail only if the thread has ended already.
        if let Some(stop) = self.stop.take() {
            stop.send(()).unwrap_or_default();
        }
        if let Some(thread) = self.thread.take()
            && !matches!(thread.join(), Ok(Ok(())))
        {
            tracing::error!("the worker threads did not end cleanly");
        }
    }
}

/// What moves into the workers' thread.
struct Run {
    options: Options,
    parts: IntakeParts,
    shared: Arc<Shared>,
}

impl Run {
    async fn serve(
        self,
        listeners: Vec<TcpListener>,
        stopped: oneshot::Receiver<()>,
    ) -> io::Result<()> {
        let mut builder = ntex::server::build()
            .workers(self.options.workers)
            .backlog(BACKLOG)
            // Ours is checked in Worker::admit, where the one too many can be counted.
            .maxconn(usize::MAX / 2)
            .disable_signals();
        for (index, listener) in listeners.into_iter().enumerate() {
            let name = format!("mqtt-{index}");
            let (parts, shared) = (self.parts.clone(), Arc::clone(&self.shared));
            let intake = self.options.intake;
            builder = builder.listen(&name, listener, async move |_| {
                let worker = start_worker(&parts, Arc::clone(&shared), intake);
                fn_service(move |io: Io| {
                    let worker = std::rc::Rc::clone(&worker);
                    async move {
                        serve(io, worker).await;
                        Ok::<_, io::Error>(())
                    }
                })
            })?;
            let (most, least, kept) = READ_BUFFER;
            let io_config = IoConfig::new()
                .set_read_buf(most, least, kept)
                .set_write_page_size(BytePageSize::Size4);
            builder = builder.config(&name, SharedCfg::new("mqtt").add(io_config));
        }
        let server = builder.run();
        // A dropped sender means that the edge was dropped: stop as well.
        stopped.await.unwrap_or_default();
        server.stop(false).await;
        Ok(())
    }
}

fn start_worker(
    parts: &IntakeParts,
    shared: Arc<Shared>,
    options: IntakeOptions,
) -> std::rc::Rc<Worker> {
    let (intake, answers) = parts.open(options);
    Worker::start(shared, intake, answers)
}

fn limits(options: &Options) -> Limits {
    let bytes = |max: u32| usize::try_from(max).unwrap_or(usize::MAX);
    let seconds = options.keep_alive_max.as_secs();
    Limits {
        announced: Announced {
            receive_maximum: options.receive_maximum,
            packet_bytes_max: options.packet_bytes_max,
            topic_alias_max: options.topic_alias_max,
            keep_alive_max: u16::try_from(seconds).unwrap_or(u16::MAX),
        },
        session: SessionLimits {
            receive_maximum: NonZeroU16::get(options.receive_maximum),
            session_bytes_max: options.session_bytes_max,
            topic_alias_max: options.topic_alias_max,
            topic_bytes_max: options.topic_bytes_max,
            topic_levels_max: options.topic_levels_max,
            user_properties_max: options.user_properties_max,
        },
        carried: CarriedLimits {
            vehicles_max: options.session_vehicles_max,
            line_bytes_max: options.last_line_bytes_max,
            bytes_max: options.last_lines_bytes_max,
        },
        connect_bytes_max: bytes(options.connect_bytes_max),
        control_bytes_max: bytes(options.control_bytes_max),
        packet_bytes_max: bytes(options.packet_bytes_max),
        connect_ticks: ticks(options.connect_timeout),
        packet_ticks: ticks(options.packet_timeout),
        sessions_max: options.sessions_max,
    }
}
