//! The session's rules, without sockets.

mod outbound;
mod rules;
