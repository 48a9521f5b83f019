//! Vehicles that really drive, charge and stop.
//!
//! A [`Vehicle`] is a small physical model of an electric car: a driver who follows speed limits,
//! brakes for lights, corners and the end of the trip before they come, and stays around one town;
//! a battery that empties by speed, slope and weight, takes back what braking gives, and warms
//! under load; a charger that it goes to when it must, and that gives up now and then. One
//! [`Vehicle::step`] of a second costs some hundred nanoseconds, so that a fleet of thousands fits
//! a load source.
//!
//! Invariants:
//! - **FL-1** the same seed and the same steps give the same readings, on every machine.
//! - **FL-2** readings stay plausible: state of charge within 0 to 100, speed at most 15 % over the
//!   limit of the road, no distance without speed, no driving while plugged in, nothing faster than
//!   tyres and motors can.

mod chance;
mod make;
mod place;
mod reading;
mod vehicle;

pub(crate) use chance::Chance;
pub(crate) use reading::values_for;
pub(crate) use vehicle::Vehicle;
