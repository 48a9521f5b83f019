//! The vehicle edge: listeners, sessions, acknowledgements.
//!
//! MQTT 3.1.1 and 5.0 on one port. Each worker thread owns its connections; a connection's packets
//! are handled where they were read, on the bytes of the read buffer; what they take in goes to
//! [`uplink::Intake`](crate::uplink::Intake), and comes back as acknowledgements when it is
//! durable.
//!
//! - `wire`: packets as bytes.
//! - `handshake`, `control`: CONNECT, SUBSCRIBE and UNSUBSCRIBE, as pure functions.
//! - `session`: the rules of one session, as a pure state machine.
//! - `connection`, `close`: the shell around a session and a socket, and how it ends.
//! - `client`, `carried`: who is at the other end, for which vehicles it speaks, and their last
//!   lines.
//! - `roster`: the way from an operator's question to the worker that owns a session.
//! - `holders`: which session has which client id.
//! - `worker`: what the connections of one thread share.
//! - `server`: listeners, start, drain.
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
//! Those that the mappings of its messages name, whatever its client id: a session may carry many
//! vehicles (a gateway), and a vehicle may come over many sessions. A vehicle is present
//! ([`Presence`](crate::model::Presence)) from the first line of its that is durable until the last
//! of its sessions ends; a session that has not published anything that was stored speaks for none.
//! Of each vehicle and mapping a session keeps the last durable line (PR-2), copied once a group
//! and not once a message, out of the buffer that the lane gives back; it is parsed when an
//! operator asks. Of two sessions that carry the same vehicle, the later point counts.
//!
//! # Client ids
//! A client that connects takes its id over: the connection that had it is told 0x8E and closed, on
//! whichever worker it lives, a moment after the new one was answered. What it had published and
//! nobody acknowledged stays on its way into the spool and is not acknowledged any more; the
//! vehicle sends it again. A client without an id is given one that nobody else has.
//!
//! # What is not here yet
//! Subscriptions (refused with a reason, not with silence), sessions that outlive their connection
//! (session present 0, session expiry 0), wills and retained messages (accepted, counted, logged
//! once), TLS, authentication. Quality 2 packet ids live with the connection.
//!
//! # Bounds
//! Every bound is one of [`Options`]: packet sizes by kind, times from accept to CONNECT and from a
//! packet's first byte to its last, keep alive at 1.5 times, publishes and bytes unacknowledged a
//! session, bytes between a worker and a lane, aliases, topic bytes and levels, user properties,
//! sessions; vehicles a session, bytes of a last line and of all of a session's together, vehicles
//! remembered that are away. Times are kept by a clock of half a second, one for all connections of
//! a worker, because a timer a connection would cost more than all else that an idle vehicle costs.
//!
//! # Why not the dispatcher of ntex-mqtt
//! It costs a task, a queue slot and a wake-up a message: 4 to 17 times what batching by turn and
//! by group costs; and it holds back PINGRESP behind a pending PUBACK.

mod carried;
mod client;
mod close;
mod connection;
mod control;
mod handshake;
mod holders;
mod options;
mod roster;
mod server;
mod session;
pub(crate) mod wire;
mod worker;

pub use options::Options;
pub use roster::Roster;
pub use server::{Edge, StartError};
