//! The other way to a taosAdapter: its WebSocket, spoken by the crate `taos` (the cargo feature
//! `taos-ws`). Lines go by schemaless insert, statements as queries.
//!
//! Only the way differs. What comes is written as the adapter writes it over HTTP: a refusal as the
//! body of a write's fault, rows as the document of `/rest/sql`. So a code is read in one place,
//! whatever way it came, and so are rows.
//!
//! # The fence
//! The client is at fault where a server or a network is: it unwraps what it is sent, has no
//! time-out, and takes an answer to an abandoned request for a reason to panic. Therefore
//! - each request is a task of its own, so that a panic in it is an error and no end of anything;
//! - a connection serves one request at a time, is bounded by the store's time-outs, and is kept
//!   only if the request ended in an answer of the server;
//! - a connection that was unused for a while is not trusted, and few are kept: each wakes its
//!   thread a hundred times a second.
//!
//! Why 0.11.23 of `taos`, the last of its line, and not 0.12: that one reads through a buffer of no
//! size, which tokio answers with a panic since 1.54, on each connection. It also brings rustls
//! 0.20 with ring 0.16, and trusts authorities of its own.
//!
//! # What it does not do
//! It sends no token and nothing compressed, knows no path in front of the adapter's, and for `wss`
//! trusts the authorities of the machine and no others (`config` refuses the rest).

mod document;
mod links;
mod sockets;

pub(in crate::store) use sockets::{Coming, WebSockets};
