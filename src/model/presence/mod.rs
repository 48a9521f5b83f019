//! Which vehicles have a live session, and which had one lately; and how their sessions are asked.
//!
//! [`Presence`] holds one small entry a vehicle: which sessions carry it, or when it was last seen.
//! It is told when a session carries a vehicle for the first time and when that session ends, never
//! per message. What changes with every message (last seen, last lines) stays with the session, on
//! its worker's thread, and is asked for through [`Sessions`].
//!
//! - PR-1: a vehicle is connected exactly while one of the sessions noted for it lives.
//! - PR-2: a line that a session tells is the latest durable one of its mapping and vehicle on that
//!   session; where it could not be kept, none is told, never an older one.
//!
//! # Bounds
//! Connected vehicles are bounded by whoever carries them (sessions, and vehicles a session).
//! A vehicle is noted with at most [`Presence::SESSIONS_MAX`] sessions: one more takes the place of
//! the oldest. Of the vehicles that are away the latest `away_max` are remembered: one more, and
//! the one that left first is forgotten and counted.
//!
//! Sketch of the memory: some 130 bytes a connected vehicle and 180 one that is away, its name of
//! 17 bytes included.

mod sessions;
mod table;
#[cfg(test)]
mod tests;

pub use sessions::{EdgeSilent, Protocol, SessionAnswer, SessionFacts, SessionQuestion, Sessions};
pub use table::{Presence, PresenceCounts, PresenceFilter, SessionId, Sighting};
