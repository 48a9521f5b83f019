//! `fleetline simulate`: a fleet of vehicles that drive, charge and stop, or that replay recorded
//! drives, for load tests and demos.
//!
//! What it does, in order: read a mapping backwards ([`shape`]), let vehicles drive ([`fleet`]) or
//! read recordings ([`replay`]) and encode what they say ([`script`]), publish it over thousands of
//! connections ([`client`]), report what was acknowledged ([`report`]), and, if asked, prove by the
//! appliance's ledger and by a query that it is stored ([`verify`]).
//!
//! It believes nothing that it has not read from a socket: acknowledged means a PUBACK or PUBREC.

mod args;
mod client;
mod error;
mod fleet;
mod progress;
mod replay;
mod report;
mod run;
mod script;
mod shape;
mod target;
mod verify;

pub(super) use args::Arguments;
use error::SimulateError;
pub(super) use run::run;
