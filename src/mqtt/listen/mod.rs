//! Listeners: sockets, the layers on them (PROXY header, TLS, WebSocket), and the server that
//! accepts them.
//!
//! - `server`: start and drain. `acceptor`: hands connections to the workers. `socket`: sockets
//!   under ntex. `read_throttle`: reads that wait for their turns.
//! - `listener`: a listener, and what it requires of a connection.
//! - `accept_rate`: the limit of connections per second.
//! - `proxy`: the header of a load balancer, as bytes. `proxied`: its address as the peer's.
//! - `client_hello`: whether a complete TLS ClientHello has arrived.
//! - `fuzz`: the checks of the fuzz target.
//! - `upgrade`: an HTTP request → a WebSocket. `frames`: its frames, as bytes. `websocket`: both as
//!   a layer of a connection.

mod accept_rate;
mod acceptor;
mod client_hello;
mod frames;
mod fuzz;
mod listener;
mod proxied;
mod proxy;
mod read_throttle;
mod server;
mod socket;
mod upgrade;
mod websocket;

pub(super) use accept_rate::Turn;
pub(super) use client_hello::has_client_hello;
pub use fuzz::check_framing;
pub(super) use listener::BoundListener;
pub use listener::{Listener, Network, Transport};
pub(super) use proxied::{Proxied, ProxiedName};
pub(super) use proxy::{Header, InvalidHeader, parse as parse_proxy_header};
pub(super) use read_throttle::ReadThrottle;
pub use server::{Edge, Others, StartError};
pub(super) use upgrade::{Upgrade, UpgradeFault, read as read_upgrade};
pub(super) use websocket::WebSocket;
