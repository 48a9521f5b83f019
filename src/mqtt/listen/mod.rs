//! Listeners: sockets, what lies on them (PROXY header, TLS, WebSocket), and the server that
//! accepts them.
//!
//! - `server`: start and drain. `acceptor`: connections on their way to a worker. `socket`: sockets
//!   under ntex. `turnstile`: reads that wait for their turns.
//! - `door`: what one listener asks of who comes in.
//! - `accepts`: how many a second come in.
//! - `proxy`: the header of a load balancer, as bytes. `proxied`: its address as the peer's.
//! - `hello`: whether a whole ClientHello of TLS has come.
//! - `hold`: what all of it is held to, whatever comes.
//! - `upgrade`: an HTTP request → a WebSocket. `frames`: its frames, as bytes. `websocket`: both as
//!   a layer of a connection.

mod acceptor;
mod accepts;
mod door;
mod frames;
mod hello;
mod hold;
mod proxied;
mod proxy;
mod server;
mod socket;
mod turnstile;
mod upgrade;
mod websocket;

pub(super) use accepts::Turn;
pub(super) use door::Door;
pub use door::{Listener, Network, Transport};
pub(super) use hello::has_client_hello;
pub use hold::hold_framing;
pub(super) use proxied::{Proxied, ProxiedName};
pub(super) use proxy::{Header, NoHeader, parse as parse_proxy_header};
pub use server::{Edge, Others, StartError};
pub(super) use turnstile::Turnstile;
pub(super) use upgrade::{Upgrade, UpgradeFault, read as read_upgrade};
pub(super) use websocket::WebSocket;
