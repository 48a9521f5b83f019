//! `fleetline simulate`: a fleet of vehicles that drive, charge and stop, or that replay recorded
//! drives, for load tests and demos.
//!
//! The fleet is that of [`simulator`](crate::simulator). This command turns arguments into a plan
//! and a run of it, shows how far it is, reports what was acknowledged, and, if asked, has it
//! proved that this is stored.

mod args;
mod run;
mod show;

pub(super) use args::Arguments;
pub(super) use run::run;
