//! The load client: thousands of MQTT connections on one thread.
//!
//! One epoll loop ([`Load`]) owns every connection. Each turn starts the connections that are due,
//! publishes the messages that are due, and handles the ready connections: one read per ready
//! connection, and one write with all its output. An idle connection takes a few hundred bytes:
//! sent messages are not kept but requested from the [`Script`](super::script::Script) again.
//!
//! mio and not tokio: a task, a waker and a timer per connection would cost the source more than
//! its system calls, and the source shares the machine with the measured system.
//!
//! - Subscribers, if any, have connections in the same loop, after those of the fleet; `audience`
//!   counts their deliveries.
//! - Vehicles subscribe to their commands and obey them, if requested (`obey`).
//! - Packets are those of [`mqtt::wire`](crate::mqtt::wire); `session` contains the exchanges of
//!   one vehicle (SIM-1, SIM-2), `link` one connection, `stream` its layers over TCP (TLS, and
//!   WebSocket: `web`), `pace` when vehicles are due, `load` the loop.
//! - Rates are open-loop: a message that is due while a vehicle is not connected or its window is
//!   full is published later, not skipped, and the report contains the longest delay.
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
