//! `fleetline simulate`: a fleet of vehicles that drive, charge and stop, or that replay recorded
//! drives, for load tests and demos.
//!
//! The fleet is that of [`simulator`](crate::simulator). This command turns arguments into a plan
//! and runs it, shows the progress, reports what was acknowledged, and, if requested, verifies that
//! this is stored.

mod args;
mod run;
mod show;

pub(super) use args::Arguments;
pub(super) use run::run;
