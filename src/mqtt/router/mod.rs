//! Decides who gets a message: the subscriptions of all sessions, and the retained messages.
//!
//! One [`Router`] serves all workers. A session asks it once per topic and keeps the answer, a
//! [`Route`], in its memo as long as no subscription changes; a SUBSCRIBE changes it under a lock.
//! The router only decides who gets a message; the workers deliver it.
//!
//! - `message`: a message, shared by all its receivers.
//! - `filter`: topic filters, also shared ones.
//! - `tree`: filters as a tree of levels: the cost of matching depends on the topic's levels, not
//!   on the number of filters.
//! - `group`: the members of a shared subscription, and the choice between them.
//! - `retained`: the retained message of each topic.
//! - `route`: combines them.
//!
//! # Invariants
//! - **RT-1** a session gets a message once, even if several of its filters match, with the highest
//!   QoS of them and all their identifiers ([MQTT-3.3.5-1]); for its own publishes, filters with No
//!   Local do not count; and once more through each of its shared subscriptions.
//! - **RT-2** a filter that begins with a wildcard matches no topic that begins with `$`
//!   ([MQTT-4.7.2-1]).
//! - **RT-3** a node of the tree exists exactly as long as there is a subscription at it or below
//!   it.
//! - **RT-4** retained messages stay within their bounds in count and bytes.

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
pub(super) use route::{OwnPublishes, Receiver, Route, Router, Subscriber, SubscriptionIds};
