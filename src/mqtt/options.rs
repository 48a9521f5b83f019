//! The options of the MQTT server: addresses and bounds.

use std::{net::SocketAddr, num::NonZeroU16, time::Duration};

use super::listen::{Listener, Network};
use crate::sessions::QueueOverflow;

/// The options of the MQTT server. Defaults are those of the configuration reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The addresses to listen on; port 0 takes any free one. Default: `mqtt://127.0.0.1:1883`.
    pub listen: Vec<Listener>,
    /// Peers that must send a PROXY header; no other may. Default: none.
    pub proxies: Vec<Network>,
    /// Pages, besides those of this server, that may open a WebSocket; `*`: all. Default: none.
    pub websocket_origins: Vec<String>,
    /// New connections per second; more wait for their turn, at most one second. Default: 50,000.
    pub accepts_a_second: u32,
    /// Publishes per second of one client; its socket is read no faster; 0: no bound. Default: 0.
    pub messages_a_second: u32,
    /// Bytes of publishes per second of one client; 0: no bound. Default: 0.
    pub bytes_a_second: u64,
    /// Peers that sent a ClientHello a second ago and no CONNECT yet; past the bound the oldest is
    /// closed. Default: 20,000.
    pub handshakes_max: usize,
    /// How often a session may be taken over from an older connection, after ten times at once.
    /// Default: once a second.
    pub takeover_interval: Duration,
    /// Worker threads. Default: one per core.
    pub workers: usize,
    /// Unacknowledged publishes per session: announced to 5.0 clients; for 3.1.1 clients reading
    /// pauses there. Default: 1024.
    pub receive_maximum: NonZeroU16,
    /// Bytes of one packet, announced to 5.0 clients. Default: 1 MiB.
    pub packet_bytes_max: u32,
    /// Bytes of a CONNECT, which any unknown peer may send. Default: 16 KiB.
    pub connect_bytes_max: u32,
    /// Bytes of any packet but CONNECT and PUBLISH. Default: 64 KiB.
    pub control_bytes_max: u32,
    /// From accepting a connection to its whole CONNECT. Default: 10 s.
    pub connect_timeout: Duration,
    /// From the first byte of a packet to its last. Default: 60 s.
    pub packet_timeout: Duration,
    /// The longest keep alive, imposed on 5.0 clients; zero imposes none. Default: zero.
    pub keep_alive_max: Duration,
    /// How long a client with a longer keep alive, or none, may send nothing; zero: no bound.
    /// Default: zero.
    pub idle_max: Duration,
    /// Connections at once; one more is closed at once. Default: 1,000,000.
    pub connections_max: usize,
    /// Unacknowledged payload bytes per session; past the bound reading pauses. Default: 1 MiB.
    pub session_bytes_max: usize,
    /// Topic aliases per 5.0 connection, in each direction. Default: 10.
    pub topic_alias_max: u16,
    /// Bytes of a topic. Default: 1024.
    pub topic_bytes_max: usize,
    /// Levels of a topic. Default: 32.
    pub topic_levels_max: usize,
    /// User properties per packet. Default: 64.
    pub user_properties_max: usize,
    /// Vehicles shown as connected through one session; messages of further vehicles are stored,
    /// too. Default: 64.
    pub session_vehicles_max: usize,
    /// Bytes of a line that is kept as a vehicle's last. Default: 4 KiB.
    pub last_line_bytes_max: usize,
    /// Bytes of last lines per session. Default: 64 KiB.
    pub last_lines_bytes_max: usize,
    /// Vehicles remembered after their last session has ended: about 180 bytes each. Default:
    /// 1,000,000.
    pub away_vehicles_max: usize,
    /// Bounds on the queues of subscribers.
    pub queue: QueueOptions,
    /// Retained messages. Default: 1,000,000.
    pub retained_count_max: usize,
    /// Bytes of retained messages in memory. Default: 256 MiB.
    pub retained_bytes_max: usize,
    /// Peers that connected a second ago and sent no CONNECT; past the bound the longest silent one
    /// is closed. Default: 20,000.
    pub silent_max: usize,
    /// The same for one address. Default: 1,000.
    pub silent_per_address_max: usize,
    /// How often `$SYS/broker/…` is published; zero: never. Default: 10 s.
    pub sys_interval: Duration,
    /// The measurement of connects and disconnects. Default: none.
    pub connectivity: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 1883)).into()],
            proxies: Vec::new(),
            websocket_origins: Vec::new(),
            accepts_a_second: 50_000,
            messages_a_second: 0,
            bytes_a_second: 0,
            handshakes_max: 20_000,
            takeover_interval: Duration::from_secs(1),
            workers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            receive_maximum: NonZeroU16::new(1024).expect("not zero"),
            packet_bytes_max: 1024 * 1024,
            connect_bytes_max: 16 * 1024,
            control_bytes_max: 64 * 1024,
            connect_timeout: Duration::from_secs(10),
            packet_timeout: Duration::from_secs(60),
            keep_alive_max: Duration::ZERO,
            idle_max: Duration::ZERO,
            connections_max: 1_000_000,
            session_bytes_max: 1024 * 1024,
            topic_alias_max: 10,
            topic_bytes_max: 1024,
            topic_levels_max: 32,
            user_properties_max: 64,
            session_vehicles_max: 64,
            last_line_bytes_max: 4 * 1024,
            last_lines_bytes_max: 64 * 1024,
            away_vehicles_max: 1_000_000,
            queue: QueueOptions::default(),
            retained_count_max: 1_000_000,
            retained_bytes_max: 256 * 1024 * 1024,
            silent_max: 20_000,
            silent_per_address_max: 1_000,
            sys_interval: Duration::from_secs(10),
            connectivity: None,
        }
    }
}

/// The bounds of subscriptions and queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueOptions {
    /// Subscriptions per session. Default: 10,000.
    pub subscriptions_max: usize,
    /// Publishes above QoS 0 in flight to a client, whatever its receive maximum. Default: 1024.
    pub in_flight_max: u16,
    /// Messages in a session's queue. Default: 100,000.
    pub messages_max: usize,
    /// Bytes in a session's queue. Default: 64 MiB.
    pub bytes_max: usize,
    /// Bytes of a persistent session's queue in memory; the rest is on disk only. Default: 64 KiB.
    pub session_memory_max: usize,
    /// Bytes in the queues of all sessions; past the bound only messages that can be sent at once
    /// are queued. Default: 128 MiB.
    pub memory_max: usize,
    /// What happens to a message for a full queue if its publisher does not wait. Default: refuse.
    pub overflow: QueueOverflow,
    /// How long publishers wait for a subscriber whose queue is full. Default: 10 s.
    pub stall_max: Duration,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            subscriptions_max: 10_000,
            in_flight_max: 1024,
            messages_max: 100_000,
            bytes_max: 64 * 1024 * 1024,
            session_memory_max: 64 * 1024,
            memory_max: 128 * 1024 * 1024,
            overflow: QueueOverflow::default(),
            stall_max: Duration::from_secs(10),
        }
    }
}
