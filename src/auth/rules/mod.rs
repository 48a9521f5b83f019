//! Access rules: which topics an identity may publish on and subscribe to.
//!
//! The first rule that matches who, what and topic decides; what none decides is refused. A topic
//! of a rule is a topic filter of MQTT in which `{vehicle}`, `{username}` and `{client-id}` stand
//! for one whole level. Without a file, a verified identity may publish and subscribe below
//! `vehicles/{vehicle}/`, and an anonymous one may do everything but publish below `$SYS` and on
//! the topics of commands.
//!
//! # Filters
//! A rule decides a filter only if it covers it whole. An `allow` that covers a part of it only is
//! passed over: nobody is told yes and then hears nothing. A `deny` that covers a part of it leaves
//! the decision to a later rule, and every delivery is asked ([`Grant::Asked`]). Under
//! [`Grant::Whole`] no topic that the filter matches is denied: deliveries need not be asked
//! while the rules are the same. A shared filter is decided by what follows `$share/NAME/`.
//!
//! # Topics that begin with `$`
//! A wildcard, or a placeholder, at the first level of a rule does not cover them, as in MQTT;
//! below `$SYS` and `$query` nobody publishes (AU-3).

mod decide;
mod file;
mod pattern;
#[cfg(test)]
mod tests;

pub use decide::{Action, Decided, Grant, Rules};
