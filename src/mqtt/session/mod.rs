//! The rules of one session, without sockets or clocks: packets in, answers and actions out.
//!
//! - `rules`: packets. `pending`: the client's unacknowledged publishes. `outbound`: its
//!   subscriptions and the queue of its deliveries (`delivery`); `answers`: its acknowledgements of
//!   them; `stored`: the queue of a persistent session.
//!
//! # Invariants
//! - **UP-1** an acknowledgement is written only for a publish that does not wait for anything any
//!   more.
//! - **MQ-1** acknowledgements are sent in the order in which the publishes arrived
//!   ([MQTT-4.6.0-2]), across all lanes and the dead-letter log: the session has one queue.
//! - **MQ-2** `first_seq + pending.len()` is the number of the next publish; a number is never used
//!   twice, so a late answer can only match its own publish.
//! - **MQ-3** a 5.0 session never holds more than `receive_maximum` unfinished publishes of QoS 1
//!   and 2; one more ends it with 0x93. If a QoS 2 publish is sent again several times, at most one
//!   more PUBREC waits for it.
//! - **OU-1** a queued message above QoS 0 is sent until it is completely acknowledged, has
//!   expired, or is dropped and counted.
//! - **OU-2** a packet identifier in use is given to no other message ([MQTT-2.2.1-4]): there are
//!   at most 65,534 numbers between the oldest and the newest of them.
//! - **OU-3** messages of one publisher, topic and QoS are sent in the order in which they arrived
//!   ([MQTT-4.6.0-6]).

mod answers;
mod delivery;
mod outbound;
mod pending;
mod rules;
mod stored;
#[cfg(test)]
mod tests;

pub(super) use delivery::{ClientLimits, Delivery, Outcomes, QueueLimits, Subscription};
pub(super) use outbound::Outbound;
pub(super) use pending::{Held, QUOTA_EXCEEDED};
pub(super) use rules::{Action, Session, SessionLimits, Terms};
pub(super) use stored::{Found, Resume, What};
