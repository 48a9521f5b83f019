//! The MQTT server: listeners, sessions, acknowledgements.
//!
//! MQTT 3.1, 3.1.1 and 5.0 on every listener. Each worker thread owns its sessions. A worker
//! handles packets directly on the bytes of the read buffer, and passes messages to
//! [`uplink::Intake`](crate::uplink::Intake), which returns an acknowledgement for each once it is
//! durable.
//!
//! ```text
//!  socket ─▶ listen ─▶ greeting ─▶ live ─▶ session (rules) ─▶ action ─▶ intake ─▶ lanes
//!                      (waits)    (a turn)      ▲                                  │
//!                                               └── worker ◀── mailbox ◀── group ──┘
//! ```
//!
//! - `wire`: packets as bytes.
//! - `listen`: sockets with PROXY header, TLS and WebSocket; start and drain.
//! - `connect`: CONNECT, as a pure function; `will`: the message that is published when a client
//!   disappears without DISCONNECT.
//! - `router`: subscriptions and retained messages of all sessions. `topic`: what a topic means to
//!   one session.
//! - `session`: the rules of one session, as a pure state machine: packets and times in, answers
//!   and actions out.
//! - `greeting`, `live`: the two phases of a connection: before its CONNACK it may wait, after that
//!   every packet is handled within one turn. `close`: how a connection ends.
//! - `worker`: one thread and its sessions, each in a slot with a small key; a slot may outlive its
//!   socket.
//! - `vehicles`: the vehicles that a session publishes for, and their last lines.
//! - `rate`: how fast one client may publish.
//! - `fuzz`: the checks of the fuzz targets.
//! - `sys`: the content of `$SYS/broker/…`.
//! - `commands`: the sessions that may receive a command.
//! - `registry`: the session of each client identifier.
//! - `lasting`: the connection to the journal, and messages as stored in it; `restore`: what a
//!   start reads from it.
//!
//! # Guarantees to a vehicle
//! - **UP-1** PUBACK and PUBREC are sent only after the message is durable, or is counted as not to
//!   be stored.
//! - PINGRESP waits for no disk: pings are answered while publishes wait, until the session reaches
//!   its bound of unacknowledged messages; then reading and its keep-alive clock stop together.
//! - A message that cannot be decoded is acknowledged, with 0x99 to 5.0 clients, once it is in the
//!   dead-letter log.
//! - A 5.0 client gets the reason why its connection ends; the connection of a 3.1.1 client, whose
//!   protocol has no such packet, is just closed.
//!
//! # Which vehicles a session publishes for
//! The vehicles that the mappings of its messages name; the client identifier does not matter. One
//! session may publish for many vehicles (a gateway), and a vehicle may use many sessions. A
//! vehicle is present ([`Presence`](crate::model::Presence)) from its first durable line until its
//! last session ends; a session without a stored message publishes for no vehicle. For each vehicle
//! and mapping a session keeps the last durable line (PR-2), copied from the group that its lane
//! returns, once per group and not once per message; the line is parsed when an operator asks for
//! it. If two sessions publish for the same vehicle, the later point counts.
//!
//! # Commands
//! A command goes to one session, never by routing: the latest session of its vehicle that has a
//! non-shared subscription to the command's topic with at least its QoS, or a gateway of the
//! vehicle. It is a message in that session's queue, marked with its command.
//! [`CommandTracker`](crate::model::CommandTracker) is told of its PUBACK or PUBCOMP, its refusal,
//! or that the session ended without one. A PUBLISH with a receipt is acknowledged when the receipt
//! is durable.
//!
//! # Client identifiers
//! A client that connects takes over the session of its identity and client identifier: the worker
//! of the old connection sends it 0x8E and closes it before the new client gets its CONNACK. Equal
//! identifiers of different identities are different sessions. Unacknowledged messages of the old
//! connection still go into the spool but are not acknowledged; the vehicle sends them again. A
//! client without an identifier gets a unique one.
//!
//! # Persistent sessions
//! A 5.0 session with an expiry, and a 3.1.1 session without clean session, is stored in the
//! journal of [`sessions`](crate::sessions). The router knows it by the journal's number, not by a
//! connection, so that nothing changes for a publisher when the client connects or disconnects. A
//! PUBLISH above QoS 0 for such a session, connected or not, is one record with everything that it
//! changes: queues, retained message, packet identifier of the publisher. When the record is
//! durable the PUBLISH is acknowledged and sent to connected subscribers. A message's number in the
//! queue determines its packet identifier. The front of a queue is in memory too, the rest is
//! fetched when its turn comes. A PUBLISH that changes none of these writes no record.
//!
//! A command takes the next number of its session's queue, and keeps it until its end is durable in
//! [`downlink`](crate::downlink); it is sent again under the same packet identifier, with DUP.
//!
//! # Bounds
//! Every bound is one of [`Options`]: packet sizes by kind, times from accept to CONNECT and from a
//! packet's first byte to its last, keep alive at 1.5 times, unacknowledged publishes and bytes per
//! session, aliases, topic bytes and levels, user properties, sessions, silent peers in all and per
//! address; vehicles per session, bytes of a last line and of all last lines of a session,
//! remembered vehicles without a session. While the memory for lines is at its bound
//! ([`MemoryBudget`](crate::uplink::MemoryBudget)) the worker does not read the session; its next
//! message stays in the socket. One clock of half a second times all connections of a worker.
//!
//! # Why not the dispatcher of ntex-mqtt
//! It costs a task, a queue slot and a wake-up per message: 4 to 17 times the cost of batching by
//! turn and by group; and it holds back PINGRESP behind a pending PUBACK.

mod clock;
mod close;
mod commands;
mod connect;
#[doc(hidden)]
pub mod fuzz;
mod greeting;
mod lasting;
mod listen;
mod live;
mod options;
mod rate;
mod registry;
mod restore;
mod router;
mod session;
mod sys;
mod topic;
mod vehicles;
mod will;
pub(crate) mod wire;
mod worker;

pub use listen::{Edge, Listener, Network, Others, StartError, Transport, check_framing};
pub use options::{Options, QueueOptions};
pub use worker::Workers;
