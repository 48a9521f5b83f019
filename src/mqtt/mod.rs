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
//! - `connection`: the shell around a session and a socket.
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
//! # What is not here yet
//! Subscriptions (refused with a reason, not with silence), sessions that outlive their connection
//! (session present 0, session expiry 0), wills and retained messages (accepted, counted, logged
//! once), TLS, authentication. Quality 2 packet ids live with the connection.
//!
//! # Bounds
//! Every bound is one of [`Options`]: packet sizes by kind, times from accept to CONNECT and from a
//! packet's first byte to its last, keep alive at 1.5 times, publishes and bytes unacknowledged a
//! session, bytes between a worker and a lane, aliases, topic bytes and levels, user properties,
//! sessions. Times are kept by a clock of half a second, one for all connections of a worker,
//! because a timer a connection would cost more than all else that an idle vehicle costs.
//!
//! # Why not the dispatcher of ntex-mqtt
//! It costs a task, a queue slot and a wake-up a message: 4 to 17 times what batching by turn and
//! by group costs; and it holds back PINGRESP behind a pending PUBACK.

mod connection;
mod control;
mod handshake;
mod options;
mod server;
mod session;
mod wire;
mod worker;

pub use options::Options;
pub use server::{Edge, StartError};
