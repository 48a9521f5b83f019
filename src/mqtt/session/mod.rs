//! The rules of one session, without sockets or clocks: packets in, answers and actions out.
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

mod rules;
#[cfg(test)]
mod tests;

pub(super) use rules::{Action, Session, SessionLimits, Terms};
