//! Fleetline's own telemetry: the counters of the two equations, metrics, health, the log.
//!
//! - [`MessageLedger`], [`PointLedger`] and [`DeliveryLedger`] hold the counters of the promise;
//!   [`Ledgers`] gathers them.
//! - [`Metrics`] holds every other metric by name, and writes all of them out.
//! - [`HealthBoard`] holds the readiness of components; each writes its own [`HealthCell`].
//! - [`log`] sets up the log, [`Chain`] prints an error with its sources, [`LogLimit`] bounds log
//!   lines per message.
//!
//! Only the log is global: the app makes one board and one [`Metrics`] and passes them to each
//! stage, so that two appliances in one process (tests) do not share counters.

mod equations;
mod exposition;
mod health;
mod ledger;
pub mod log;
mod metrics;
#[cfg(test)]
mod tests;

pub use equations::Ledgers;
pub use exposition::Exposition;
pub use health::{Component, Critical, Health, HealthBoard, HealthCell};
pub use ledger::{
    DeliveryCounts, DeliveryLedger, MessageCounts, MessageLedger, PointCounts, PointLedger,
};
pub use log::{Chain, LogFormat, LogLimit, LogOptions};
pub use metrics::{
    AlarmLabel, By, CauseLabel, CauseName, EdgeLabel, FailureLabel, KindLabel, Metrics,
    ReasonLabel, Seconds, ShardLabel, StatusLabel, VerdictLabel,
};
