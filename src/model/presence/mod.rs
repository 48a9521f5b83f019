//! The vehicles with a connected session, those that had one recently, and access to their
//! sessions.
//!
//! [`Presence`] holds one small entry per vehicle: its sessions, or when it was last seen. It
//! changes when a session publishes for a vehicle for the first time and when that session ends,
//! never per message. Data that changes with every message (last seen, last lines) stays with the
//! session, on its worker's thread, and is read through [`Sessions`].
//!
//! - PR-1: a vehicle is connected exactly while one of its noted sessions is alive.
//! - PR-2: a session returns the latest durable line of a mapping and vehicle, or, if it could not
//!   keep that one, none; never an older one.
//!
//! # Bounds
//! Connected vehicles are bounded by the number of sessions and by the vehicles per session. A
//! vehicle has at most [`Presence::SESSIONS_MAX`] noted sessions: one more replaces the oldest. The
//! latest `away_max` disconnected vehicles are remembered: past that the one that left first is
//! forgotten and counted.
//!
//! Memory: about 130 bytes per connected vehicle and 180 per disconnected one, including a name of
//! 17 bytes.

mod sessions;
mod table;
#[cfg(test)]
mod tests;

pub use sessions::{EdgeTimeout, Protocol, SessionAnswer, SessionFacts, SessionQuestion, Sessions};
pub use table::{Presence, PresenceCounts, PresenceFilter, SessionId, VehiclePresence};
