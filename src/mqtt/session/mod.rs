//! The rules of one session, without sockets or clocks: packets in, answers and actions out.
//!
//! - `rules`: packets. `pending`: what the client published and waits for. `outbound`: what it
//!   subscribed to, and what it is to get (`delivery`); `answers`: what its client says to that;
//!   `stored`: its queue where it lasts.
//!
//! # Invariants
//! - **UP-1** an acknowledgement is written only for a publish that waits for nothing any more.
//! - **MQ-1** acknowledgements leave in the order in which the publishes came ([MQTT-4.6.0-2]),
//!   over lanes and the dead-letter log alike: the queue is the session's own.
//! - **MQ-2** `first_seq + pending.len()` is the number of the next publish; a number is never used
//!   twice, so a late answer can only find its own publish.
//! - **MQ-3** a 5.0 session never holds more than `receive_maximum` unfinished publishes of QoS 1
//!   and 2; one more ends it with 0x93. However often a QoS 2 publish is sent again, at most one
//!   more PUBREC waits for it.
//! - **OU-1** a message above QoS 0 that is queued is sent until it is acknowledged to its end, has
//!   expired, or is given up and counted.
//! - **OU-2** a packet identifier that is under way is given to no other message ([MQTT-2.2.1-4]):
//!   at most 65,534 numbers lie between the oldest and the newest of them.
//! - **OU-3** messages of one publisher, topic and QoS leave in the order in which they came
//!   ([MQTT-4.6.0-6]).

mod answers;
mod delivery;
mod outbound;
mod pending;
mod rules;
mod stored;
#[cfg(test)]
mod tests;

pub(super) use delivery::{Delivery, Outcomes, QueueLimits, Subscription, Takes};
pub(super) use outbound::Outbound;
pub(super) use pending::{Held, QUOTA_EXCEEDED};
pub(super) use rules::{Action, Session, SessionLimits, Terms};
pub(super) use stored::{Found, Resume, What};
