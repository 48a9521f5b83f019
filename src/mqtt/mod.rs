//! The vehicle edge: listeners, sessions, acknowledgements.
//!
//! MQTT 3.1, 3.1.1 and 5.0 on every listener. Each worker thread owns its sessions; a connection's
//! packets are handled where they were read, on the bytes of the read buffer; what they take in
//! goes to [`uplink::Intake`](crate::uplink::Intake), and comes back as acknowledgements when it is
//! durable.
//!
//! ```text
//!  socket ─▶ listen ─▶ greeting ─▶ live ─▶ session (rules) ─▶ action ─▶ intake ─▶ lanes
//!                      (waits)    (a turn)      ▲                                  │
//!                                               └── worker ◀── mailbox ◀── group ──┘
//! ```
//!
//! - `wire`: packets as bytes.
//! - `listen`: sockets and what lies on them (PROXY header, TLS, WebSocket), start and drain.
//! - `connect`: CONNECT, as a pure function; `will`: what is published for who goes without a
//!   goodbye.
//! - `router`: who gets what: subscriptions and retained messages of all sessions. `topic`: what a
//!   topic means to one session.
//! - `session`: the rules of one session, as a pure state machine: packets and moments in, answers
//!   and actions out.
//! - `greeting`, `live`: the two phases of a connection: until its CONNECT is answered it may wait,
//!   after that everything happens within one turn. `close`: how it ends.
//! - `worker`: one thread and its sessions, each in a slot that is named by a small key and may
//!   outlive its socket.
//! - `vehicles`: for which vehicles a session speaks, and their last lines.
//! - `rate`: how fast one client may publish.
//! - `fuzz`: what the fuzz targets hold against all of it.
//! - `sys`: what `$SYS/broker/…` tells.
//! - `commands`: which sessions a command may go to, and the way there.
//! - `registry`: which session has which client identifier.
//! - `lasting`: the way to the journal, and messages as they lie there; `restore`: what a start
//!   takes up of it.
//!
//! # What a vehicle is promised
//! - **UP-1** PUBACK and PUBREC leave only after the message is durable, or is one that is counted
//!   as not to be stored.
//! - PINGRESP waits for no disk: pings are answered while publishes wait, until the session holds
//!   as much unacknowledged as it may; then reading and its keep-alive clock stop together.
//! - A message that cannot be decoded is acknowledged, with 0x99 to those who can read it, once it
//!   is in the dead-letter log.
//! - A 5.0 vehicle is told why its connection ends; a 3.1.1 vehicle has no word for it and is
//!   closed.
//!
//! # Which vehicles a session speaks for
//! Those that the mappings of its messages name, whatever its client identifier: a session may
//! carry many vehicles (a gateway), and a vehicle may come over many sessions. A vehicle is present
//! ([`Presence`](crate::model::Presence)) from the first line of its that is durable until the last
//! of its sessions ends; a session that has not published anything that was stored speaks for none.
//! Of each vehicle and mapping a session keeps the last durable line (PR-2), copied once a group
//! and not once a message, out of the group that its lane gives back; it is parsed when an operator
//! asks. Of two sessions that carry the same vehicle, the later point counts.
//!
//! # Commands
//! A command goes to one session, never by routing: the latest that speaks for its vehicle and
//! subscribes to its topic by itself at its QoS or above, or a gateway that carries the vehicle. It
//! stands in that session's queue as a message that bears which command it is; what becomes of it
//! there is told to [`CommandDesk`](crate::model::CommandDesk): its PUBACK or PUBCOMP, its refusal,
//! or that the session ended without one. A publish that brings a receipt is acknowledged when the
//! receipt is durable.
//!
//! # Client identifiers
//! A client that connects takes over the session of its identity and client identifier: the
//! connection that had it is told 0x8E and closed, on whichever worker it lives, before the new one
//! is answered. Equal identifiers of different identities are different sessions. What it had
//! published and nobody acknowledged stays on its way into the spool and is not acknowledged any
//! more; the vehicle sends it again. A client without an identifier is given one that nobody else
//! has.
//!
//! # Sessions that last
//! A 5.0 session with an expiry, and one of 3.1.1 without clean session, lie in the journal of
//! [`sessions`](crate::sessions). The router knows them by the journal's number and not by a
//! connection, so that nothing changes for a publisher when they come and go. A publish above QoS 0
//! for such a session, connected or not, is one record with all that it changes beside: the queues,
//! the retained message, the identifier that it came with; it is acknowledged, and goes on to who
//! is there, when that is durable. Its number in the queue is what its packet identifier follows
//! from. The front of a queue is in memory too, the rest is fetched when its turn comes. A publish
//! that changes nothing of that writes nothing.
//!
//! A command takes the next number of its session's queue, and leaves it with the connection: it is
//! told that it has left, and sent again as a new message with DUP.
//!
//! # Bounds
//! Every bound is one of [`Options`]: packet sizes by kind, times from accept to CONNECT and from a
//! packet's first byte to its last, keep alive at 1.5 times, publishes and bytes unacknowledged a
//! session, aliases, topic bytes and levels, user properties, sessions, silent peers in all and per
//! address; vehicles a session, bytes of a last line and of all of a session's together, vehicles
//! remembered that are away. Where the memory for lines is at its bound
//! ([`MemoryBudget`](crate::uplink::MemoryBudget)) a session is not read until there is room, its
//! next message still in the socket. Times are kept by a clock of half a second, one for all
//! connections of a worker.
//!
//! # Why not the dispatcher of ntex-mqtt
//! It costs a task, a queue slot and a wake-up a message: 4 to 17 times what batching by turn and
//! by group costs; and it holds back PINGRESP behind a pending PUBACK.

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

pub use listen::{Edge, Listener, Network, Others, StartError, Transport, hold_framing};
pub use options::{Options, QueueOptions};
pub use worker::Workers;
