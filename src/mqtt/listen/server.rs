//! Starts and drains the listeners and their workers.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    num::NonZeroU16,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};

use futures_util::future::try_join_all;
use ntex_server::WorkerPool;
use tokio::sync::{oneshot, watch};

use super::{
    accept_rate::AcceptRate,
    acceptor::{WorkerStart, accept},
    listener::{BoundListener, Listener, ListenerShared},
    socket::Sockets,
};
use crate::{
    auth::{Access, Tls},
    env::Supervisor,
    model::{CommandTracker, Presence, SilentPeers},
    mqtt::{
        Options, Workers,
        clock::ticks,
        commands::VehicleSessions,
        connect::Announced,
        lasting::{Lasting, Moments},
        rate::RateLimits,
        registry::ClientRegistry,
        restore::restore,
        router::{RetainedLimits, Router},
        session::{QueueLimits, SessionLimits},
        vehicles::VehicleLimits,
        worker::{Absent, Limits, Mail, Shared},
    },
    sessions::Sessions,
    telemetry::Metrics,
    uplink::IntakeParts,
};

/// Why the edge could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on: it is taken, not this machine's, or not allowed. Free it
    /// or change `mqtt.listen`.
    #[error("cannot listen on {address}")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// The session journal cannot be read: the disk fails.
    #[error("cannot read the session journal")]
    Sessions(#[source] io::Error),
    /// The thread for the workers could not be started: the machine is out of threads or memory.
    #[error("cannot start the worker threads")]
    Threads(#[source] io::Error),
}

/// The running edge.
#[derive(Debug)]
pub struct Edge {
    listeners: Vec<Listener>,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// The handles that the edge shares with the rest of the appliance.
#[derive(Debug)]
pub struct Others {
    /// Filled by the sessions.
    pub presence: Arc<Presence>,
    /// Joined by the workers.
    pub workers: Arc<Workers>,
    /// Decides what sessions may do.
    pub access: Arc<Access>,
    /// Is told about commands and receipts.
    pub tracker: Arc<dyn CommandTracker>,
    /// The persistent sessions.
    pub sessions: Sessions,
    /// TLS for the listeners that use it.
    pub tls: Option<Arc<Tls>>,
}

/// Connections that wait to be accepted; what the kernel allows by default.
const BACKLOG: i32 = 4096;
/// How often the drain checks whether the last connection has ended.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

impl Edge {
    /// Listens on every address and starts the workers.
    ///
    /// # Errors
    /// The first address that cannot be listened on.
    pub fn start(
        options: &Options,
        parts: &IntakeParts,
        others: Others,
        supervisor: &Supervisor,
    ) -> Result<Self, StartError> {
        let mut sockets = Vec::new();
        let mut listeners = Vec::new();
        for listener in &options.listen {
            let address = listener.address;
            let listen = |source| StartError::Listen { address, source };
            let socket = ntex::server::create_tcp_listener(address, BACKLOG).map_err(listen)?;
            let address = socket.local_addr().map_err(listen)?;
            listeners.push(Listener { address, ..listener.clone() });
            sockets.push(socket);
        }
        report_limits(options, &parts.metrics);
        let listener_shared = Arc::new(ListenerShared {
            tls: others.tls,
            proxies: options.proxies.clone(),
            origins: options.websocket_origins.clone(),
            accept_rate: AcceptRate::new(options.accepts_a_second),
            handshakes: parts.metrics.mqtt_open_handshakes.clone(),
        });
        let router = Arc::new(Router::new(RetainedLimits {
            count_max: options.retained_count_max,
            bytes_max: options.retained_bytes_max,
        }));
        let absent =
            Absent { sessions: others.sessions.clone(), access: Arc::clone(&others.access) };
        others.workers.look_for_absent(absent);
        let lasting = Lasting::new(others.sessions);
        let now = Moments { monotonic: parts.clock.monotonic(), wall: parts.clock.wall() };
        restore(&lasting, &router, &parts.metrics, now).map_err(StartError::Sessions)?;
        let vehicles = Arc::new(VehicleSessions::default());
        others.workers.route_commands(&router, &vehicles, &others.presence);
        let shared = Arc::new(Shared {
            limits: limits(options),
            metrics: Arc::clone(&parts.metrics),
            clock: Arc::clone(&parts.clock),
            supervisor: supervisor.clone(),
            presence: others.presence,
            access: others.access,
            registry: ClientRegistry::default(),
            silent: SilentPeers::new(options.silent_max, options.silent_per_address_max),
            handshakes: SilentPeers::new(options.handshakes_max, options.handshakes_max),
            workers: others.workers,
            live: 0.into(),
            assigned: 0.into(),
            router,
            lasting,
            vehicles,
            tracker: others.tracker,
            queued_bytes: 0.into(),
            sys_interval: options.sys_interval,
            connectivity: options.connectivity.as_deref().map(Into::into),
            started: parts.clock.monotonic(),
        });
        let (stop, stopped) = oneshot::channel();
        let run = Run {
            options: options.clone(),
            parts: parts.clone(),
            shared: Arc::clone(&shared),
            listener_shared,
        };
        let guard = supervisor.guard("mqtt");
        let thread = std::thread::Builder::new()
            .name("mqtt".to_owned())
            .spawn(move || {
                let _guard = guard;
                ntex::rt::System::new("mqtt", Sockets).block_on(run.serve(sockets, stopped))
            })
            .map_err(StartError::Threads)?;
        Ok(Self { listeners, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// The listeners, in the configured order, with their real ports.
    #[must_use]
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// Accepts nothing more, and waits until every connection has got its acknowledgements and a
    /// DISCONNECT, or until `limit` has passed. Returns how many connections were cut.
    pub async fn drain(&self, limit: Duration) -> usize {
        self.shared.workers.send_all(|| Mail::Drain);
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

/// The state that moves into the workers' thread.
struct Run {
    options: Options,
    parts: IntakeParts,
    shared: Arc<Shared>,
    listener_shared: Arc<ListenerShared>,
}

impl Run {
    async fn serve(
        self,
        listeners: Vec<TcpListener>,
        stopped: oneshot::Receiver<()>,
    ) -> io::Result<()> {
        let Self { options, parts, shared, listener_shared } = self;
        let bound = options.listen.into_iter().map(|Listener { transport, path, .. }| {
            BoundListener { transport, path, shared: Arc::clone(&listener_shared) }
        });
        let clock = Arc::clone(&parts.clock);
        let (is_open, opens) = watch::channel(false);
        let start = WorkerStart { listeners: bound.collect(), parts, shared, is_open };
        // One worker per thread, for any number of listeners.
        let workers = WorkerPool::new().name("mqtt").workers(options.workers).disable_signals();
        let server = workers.run(start);
        let accepting = listeners.into_iter().enumerate().map(|(number, socket)| {
            accept(socket, number, server.clone(), opens.clone(), Arc::clone(&clock))
        });
        let ended = tokio::select! {
            // A dropped sender means that the edge was dropped: then it stops as well.
            _ = stopped => Ok(()),
            ended = try_join_all(accepting) => ended.map(drop),
        };
        server.stop(false).await;
        ended
    }
}

/// Publishes the bounds as metrics, besides the values that they limit.
fn report_limits(options: &Options, metrics: &Metrics) {
    let gauge = |max: usize| i64::try_from(max).unwrap_or(i64::MAX);
    metrics.mqtt_open_limit_sessions.set(gauge(options.connections_max));
    metrics.mqtt_retained_limit_messages.set(gauge(options.retained_count_max));
    metrics.mqtt_retained_limit_bytes.set(gauge(options.retained_bytes_max));
    metrics.mqtt_queued_limit_bytes.set(gauge(options.queue.memory_max));
    metrics.mqtt_silent_limit_connections.set(gauge(options.silent_max));
    metrics.mqtt_open_limit_handshakes.set(gauge(options.handshakes_max));
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
        session: Arc::new(SessionLimits {
            receive_maximum: NonZeroU16::get(options.receive_maximum),
            session_bytes_max: options.session_bytes_max,
            topic_alias_max: options.topic_alias_max,
            topic_bytes_max: options.topic_bytes_max,
            topic_levels_max: options.topic_levels_max,
            user_properties_max: options.user_properties_max,
            packet_ticks: ticks(options.packet_timeout),
            idle_ticks: ticks(options.idle_max),
            queue: QueueLimits {
                messages_max: options.queue.messages_max,
                bytes_max: options.queue.bytes_max,
                in_flight_max: options.queue.in_flight_max,
                subscriptions_max: options.queue.subscriptions_max,
                topic_alias_max: options.topic_alias_max,
            },
        }),
        vehicles: VehicleLimits {
            vehicles_max: options.session_vehicles_max,
            line_bytes_max: options.last_line_bytes_max,
            bytes_max: options.last_lines_bytes_max,
        },
        connect_bytes_max: bytes(options.connect_bytes_max),
        control_bytes_max: bytes(options.control_bytes_max),
        packet_bytes_max: bytes(options.packet_bytes_max),
        connect_ticks: ticks(options.connect_timeout),
        connections_max: options.connections_max,
        takeover_interval: options.takeover_interval,
        rates: RateLimits { messages: options.messages_a_second, bytes: options.bytes_a_second },
        queue_overflow: options.queue.overflow,
        queue_stall_ticks: ticks(options.queue.stall_max),
        queue_memory_max: options.queue.memory_max,
        session_memory_max: options.queue.session_memory_max,
    }
}
