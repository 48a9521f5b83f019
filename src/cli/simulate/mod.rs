//! `fleetline simulate`: a fleet of vehicles that drive, charge and stop, or that replay recorded
//! drives, for load tests and demos.
//!
//! The vehicles and their connections are those of [`fleet`](crate::cli::fleet), or what they say
//! comes from recordings ([`replay`]). This command turns arguments into a run of them, reports
//! what was acknowledged ([`report`]), and, if asked, proves by the appliance's ledger and by a
//! query that it is stored ([`verify`]).
//!
//! It believes nothing that it has not read from a socket: acknowledged means a PUBACK or PUBREC.

mod args;
mod error;
mod progress;
mod replay;
mod report;
mod run;
mod target;
mod verify;

pub(super) use args::Arguments;
use error::SimulateError;
pub(super) use run::run;
pub(super) use verify::{Appliance as Ledger, Stats};
