//! The WebSocket of a taosAdapter, with the crate `taos` (the cargo feature `taos-ws`). Lines are
//! sent by schemaless insert, statements as queries.
//!
//! Only the transport differs. Answers are converted to the form that the adapter uses over HTTP: a
//! refusal to the body of a write's fault, rows to the document of `/rest/sql`. So codes and rows
//! of both transports are read by the same code.
//!
//! # The fence
//! The client is not robust against faults of a server or a network: it unwraps received values,
//! has no time-out, and panics on an answer to an abandoned request. Therefore
//! - each request is a separate task, so that a panic in it is only an error of that request;
//! - a connection serves one request at a time, is bounded by the store's time-outs, and is kept
//!   only if the server has answered the request;
//! - a connection that was idle for some time is not trusted, and few are kept: each wakes its
//!   thread a hundred times a second.
//!
//! Why 0.11.23 of `taos`, the last of its series, and not 0.12: 0.12 reads with a buffer of size
//! zero, on which tokio panics since 1.54, on each connection. It also brings rustls 0.20 with ring
//! 0.16, and trusts its own list of authorities.
//!
//! # What it does not do
//! It supports no token, no compression and no path prefix, and for `wss` trusts only the
//! authorities of the machine (`config` refuses other settings).

mod document;
mod links;
mod sockets;

pub(in crate::store) use sockets::{AnswerStream, WebSockets};
