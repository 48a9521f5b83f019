//! Access rules: which topics an identity may publish on and subscribe to.
//!
//! The first rule that matches identity, operation and topic decides; an operation without a
//! matching rule is refused. A topic of a rule is an MQTT topic filter in which `{vehicle}`,
//! `{username}` and `{client-id}` each stand for one whole level. Without a file, a verified
//! identity may publish and subscribe below `vehicles/{vehicle}/`, and an anonymous one may do
//! everything but publish below `$SYS` and on the topics of commands.
//!
//! # Filters
//! A rule decides a filter only if it covers the whole filter. An `allow` that covers only a part
//! of it is skipped, so that no client gets a granted subscription that delivers nothing. A `deny`
//! that covers a part of it leaves the decision to a later rule, and every delivery is checked
//! ([`Grant::Asked`]). With [`Grant::Whole`] no topic that the filter matches is denied: deliveries
//! need not be checked until the rules change. A shared filter is decided by what follows
//! `$share/NAME/`.
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
