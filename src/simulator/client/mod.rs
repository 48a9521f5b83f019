//! The load client: thousands of MQTT connections on one thread.
//!
//! One epoll loop ([`Load`]) owns every connection. A turn of it starts the connections that are
//! due, publishes what is due, and handles what is ready: one read a ready connection, one write
//! with all that it has to say. A connection at rest is a few hundred bytes: what has been sent is
//! not kept but asked of the [`Script`](super::script::Script) again.
//!
//! mio and not tokio: a task, a waker and a timer a connection would cost the source more than its
//! system calls do, and the source shares the machine with what it measures.
//!
//! - Subscribers, where there are any, have connections of the same loop behind those of the fleet;
//!   `audience` tells what reaches them.
//! - Vehicles subscribe to their commands and obey them, where that is asked for (`obey`).
//! - Packets are those of [`mqtt::wire`](crate::mqtt::wire); `session` is the exchanges of one
//!   vehicle (SIM-1, SIM-2), `link` one connection, `stream` what lies on TCP there (TLS, and
//!   WebSocket: `web`), `pace` who is due when, `load` the loop.
//! - Rates are open-loop: a message that is due while a vehicle is away or its window is full is
//!   published later, not skipped, and the report says how late the latest was.
//! - A lost connection is opened again after 0.2 s, doubling up to 5 s, with jitter; never faster
//!   than the connect rate.

mod audience;
mod link;
mod listen;
mod load;
mod obey;
mod pace;
mod record;
mod session;
mod stream;
#[cfg(test)]
mod tests;
mod turn;
mod web;

pub(crate) use audience::{AudienceOptions, Deliveries};
pub(crate) use load::{Load, LoadError, LoadOptions, Phase, Watch};
pub(crate) use pace::Pace;
pub(crate) use record::{AckLog, Counts, Latencies, Outcome};
pub(crate) use stream::Layers;
pub(crate) use web::WebPlace;
