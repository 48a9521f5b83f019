//! The engine against a vehicle edge that is played, on a real file.

mod alarms;
mod lasting;
mod order;
mod property;
mod pushes;
mod rig;
