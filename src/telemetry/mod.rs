//! What we tell the operator about ourselves: the counters of the two equations, metrics, health.

mod ledger;

pub use ledger::{MessageCounts, MessageLedger, PointCounts, PointLedger};
