//! `fleetline simulate`: a fleet of vehicles that drive, charge and stop, or that replay recorded
//! drives, for load tests and demos.
//!
//! The fleet is that of [`simulator`](crate::simulator). This command turns arguments into a run of
//! it, reports what was acknowledged ([`report`]), and, if asked, has it proved that this is
//! stored.

mod args;
mod error;
mod progress;
mod report;
mod run;
mod target;

pub(super) use args::Arguments;
use error::SimulateError;
pub(super) use run::run;
