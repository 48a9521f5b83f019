//! Dead letters: messages and points that could not be decoded, mapped or accepted, kept with cause
//! and bytes, listed, and removed.
//!
//! A letter is a line of JSON. One spool holds messages that cannot be decoded, another points that
//! the store refuses, so that neither kind displaces the other; one thread owns both. A letter is
//! as durable as a point: it is in an fsynced entry with a checksum before its message is
//! acknowledged (UP-1) or the cursor passes its line (SK-1).
//!
//! ```text
//!  uplink ── Handle::submit ──▶ thread ─▶ spool `dead-letter/`         ─▶ list, find
//!  sink ──── Handle::record ──▶        ─▶ spool `dead-letter/points/`  ─▶
//!  API ───── remove, change ──▶   (rewrites segments)
//! ```
//!
//! # Guarantees
//! - **DL-1** A letter has one [`LetterId`], for as long as it exists.
//! - **DL-2** Past its bounds the log does what [`WhenFull`] and [`SinkWhenFull`] say, and reports
//!   it. By default messages wait, and those of a vehicle past its share delay no other vehicle's;
//!   of points, which have a quarter of the log, the oldest are dropped and counted: a type
//!   conflict stops no shard.
//! - **DL-3** Payload and line are kept byte for byte; `detail` and `answer` are cut to
//!   [`DETAIL_BYTES_MAX`] and [`ANSWER_BYTES_MAX`].
//! - **DL-4** A letter whose removal was answered never comes back, and its room is freed. A
//!   removal that a crash interrupts has removed some of the matching letters, and nothing else.
//! - A sink that is killed between a letter and the cursor writes the letter again after the
//!   restart: letters are kept at least once, like points, but nothing overwrites the first.
//!
//! # Shares
//! A vehicle's share counts the bytes of its messages; a message with an unreadable vehicle counts
//! for its topic. The counts are read from the log at the start and kept in a sketch of fixed size,
//! so a million vehicles with one letter each cost no more than one.
//!
//! # Removing and changing
//! A segment with removed or changed letters is written anew beside itself and renamed over; an
//! empty line keeps the place of a removed letter, so the ids of the others stay. A letter that was
//! replayed and failed again has its new cause under its old id. Segments without letters are
//! deleted whole. The oldest letters are dropped by whole segments, a quarter of a part at most.
//! A log of the version that had one spool for both kinds opens as that of the messages.
//!
//! # What it does not do
//! It does not interpret letters: [`uplink`](crate::uplink) replays them.
//!
//! [`LetterId`]: crate::model::LetterId

mod change;
mod indicators;
mod letter;
mod letter_spool;
mod list;
mod log;
mod options;
mod queue;
mod room;
mod summary;
#[cfg(test)]
mod tests;
mod thread;
mod usage;
mod waiting;

pub use letter::{ANSWER_BYTES_MAX, DETAIL_BYTES_MAX, LetterError, to_json};
pub use list::{Letters, ListError, find, list};
pub use log::{Halted, Handle, Log, OpenError, open};
pub use options::{Options, SinkWhenFull, WhenFull};
pub use queue::Submission;
pub use summary::{CauseSummary, Remedy, Summary, VehicleSummary, summarize};
