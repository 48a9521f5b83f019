//! Who gets what: the subscriptions of all sessions, and the retained messages.
//!
//! One [`Router`] serves all workers. A publish asks it once a topic and keeps the answer, a
//! [`Route`], in its session's memo for as long as no subscription changes; a SUBSCRIBE changes it
//! under a lock. Who gets a message is a value here; bringing it there is the workers' business.
//!
//! - `message`: a message as it waits for its receivers, shared by all of them.
//! - `filter`: topic filters, shared ones too, as they are written.
//! - `tree`: filters as a tree of levels: matching costs what the topic's levels cost, however many
//!   filters there are.
//! - `group`: the members of a shared subscription, and whose turn it is.
//! - `retained`: the last message of each topic that asked for it.
//! - `route`: all of it together.
//!
//! # Invariants
//! - **RT-1** a session gets a message once, however many of its filters match, with the highest of
//!   their QoS and all of their identifiers ([MQTT-3.3.5-1]), its own without those that are no
//!   local; through each shared subscription of its own once more.
//! - **RT-2** a wildcard at the front of a filter matches no topic that begins with `$`
//!   ([MQTT-4.7.2-1]).
//! - **RT-3** a node of the tree is there exactly as long as a subscription lies at it or below it.
//! - **RT-4** retained messages take at most their bounds in count and bytes.

mod filter;
mod group;
mod message;
mod retained;
mod route;
mod tree;

pub(super) use filter::{Filter, FilterFault};
pub(super) use group::{Group, Load};
pub(super) use message::{CommandTag, Expiry, Message};
pub(super) use retained::{RetainedLimits, RetainedScan};
pub(super) use route::{Own, Receiver, Route, Router, Subscriber, SubscriptionIds};
