//! The names of measurements, fields and tags that payloads bring, and how many may be new a day.
//!
//! A store keeps a column for good: the embedded one has at most 1,000 fields a measurement, others
//! slow down. Most names come from mappings, which the operator has written. Members of maps and
//! lists, and all names of line-protocol payloads, come with the payload, so that one message of a
//! firmware that counts its keys up could use up what the store has. Such a message becomes a dead
//! letter (`too-many-new-names`) instead; names that are known cost nothing, however many.
//!
//! # What is known
//! - what the mappings name ([`NameBook::know_mapped`]), at the start and after each reload;
//! - what payloads brought and was let through; written to the file `names` of the data directory,
//!   so that a restart neither forgets a fleet's names nor begins the day's budget anew;
//! - where there was no such file, what the store has already ([`NameBook::know_stored`]), read
//!   once in the background.
//!
//! # The file
//! A header and one record a name, each with a checksum; appended twice a second, and not synced:
//! a name that a crash takes is new once more when it comes again, which costs a little of that
//! day's budget and no message. A damaged end is cut; an unknown version is refused. A disk without
//! room is told once, and the names are written when there is some.

mod book;
mod file;
mod known;
mod options;
#[cfg(test)]
mod tests;

pub use book::{NameBook, NamesError};
pub(crate) use known::TooManyNew;
pub use options::NameOptions;
