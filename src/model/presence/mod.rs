//! The vehicles with a live session, those that had one recently, and the way to their sessions.
//!
//! [`Presence`] holds one small entry a vehicle: its sessions, or when it was last seen. It changes
//! when a session publishes for a vehicle for the first time and when that session ends, never per
//! message. Data that changes with every message (last seen, last lines) stays with the session, on
//! its worker's thread, and is read through [`Sessions`].
//!
//! - PR-1: a vehicle is connected exactly while one of its noted sessions lives.
//! - PR-2: a session returns the latest durable line of a mapping and vehicle, or, if it could not
//!   keep that one, none; never an older one.
//!
//! # Bounds
//! Connected vehicles are bounded by sessions, and vehicles a session. A vehicle has at most
//! [`Presence::SESSIONS_MAX`] noted sessions: one more replaces the oldest. The latest `away_max`
//! disconnected vehicles are remembered: past it the one that left first is forgotten and counted.
//!
//! Memory: some 130 bytes a connected vehicle and 180 a disconnected one, its name of 17 bytes
//! included.

mod sessions;
mod table;
#[cfg(test)]
mod tests;

pub use sessions::{EdgeSilent, Protocol, SessionAnswer, SessionFacts, SessionQuestion, Sessions};
pub use table::{Presence, PresenceCounts, PresenceFilter, SessionId, Sighting};
