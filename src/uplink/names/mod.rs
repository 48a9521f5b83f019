//! Bounds how many new names of measurements, fields and tags payloads may introduce per day.
//!
//! A store keeps a column permanently: the embedded one has at most 1,000 fields per measurement,
//! others slow down. Most names come from mappings, which the operator has written. Members of maps
//! and lists, and all names of line-protocol payloads, come from the payload, so that one message
//! of a firmware with ever new keys could use up all columns of the store. Such a message becomes a
//! dead letter (`too-many-new-names`) instead. Known names are not bounded.
//!
//! # What is known
//! - the names in the mappings ([`NameRegistry::add_mapped`]), at the start and after each reload;
//! - names from payloads that were admitted. They are written to the file `names` of the data
//!   directory, so that a restart neither forgets a fleet's names nor resets the day's budget;
//! - if there was no such file, the names that the store has already
//!   ([`NameRegistry::add_stored`]), read once in the background.
//!
//! # The file
//! A header and one record per name, each with a checksum. Records are appended twice per second
//! and not synced: a name that a crash loses counts as new again, which costs a little of that
//! day's budget and no message. A damaged end is truncated; an unknown version is refused. A full
//! disk is logged once, and the names are written when there is room.

mod file;
mod known;
mod options;
mod registry;
#[cfg(test)]
mod tests;

pub(crate) use known::TooManyNew;
pub use options::NameOptions;
pub use registry::{NameRegistry, NamesError};
