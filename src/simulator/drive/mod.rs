//! Vehicles that drive, charge and stop, by a physical model.
//!
//! A [`Vehicle`] is a small physical model of an electric car: a driver who follows speed limits,
//! brakes in time for lights, corners and the end of the trip, and stays around one town; a battery
//! that empties by speed, slope and weight, recovers braking energy, and warms under load; a
//! charger that it uses when necessary, and that sometimes fails. One [`Vehicle::step`] of a second
//! costs some hundred nanoseconds, so that one load source can simulate thousands.
//!
//! Invariants:
//! - **FL-1** the same seed and the same steps give the same readings, on every machine.
//! - **FL-2** readings stay plausible: state of charge within 0 to 100, speed at most 15 % over the
//!   limit of the road, no distance without speed, no driving while plugged in, no acceleration
//!   beyond tyres and motors.

mod chance;
mod make;
mod place;
mod reading;
mod vehicle;

pub(crate) use chance::Chance;
pub(crate) use reading::values_for;
pub(crate) use vehicle::Vehicle;
