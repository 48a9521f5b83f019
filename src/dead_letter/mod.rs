//! What could not be decoded, mapped or accepted: kept with its cause and its bytes, listed, and
//! removed.
//!
//! A letter is a line of JSON. Messages that cannot be decoded lie in one spool, points that the
//! store refuses in another, so that neither kind pushes the other out; a thread owns both, so a
//! letter is as durable as a point: it is in an fsynced entry with a checksum before its message is
//! acknowledged (UP-1) or the cursor passes its line (SK-1).
//!
//! ```text
//!  uplink ── Handle::submit ──▶ thread ─▶ spool `dead-letter/`         ─▶ list, find
//!  sink ──── Handle::record ──▶        ─▶ spool `dead-letter/points/`  ─▶
//!  API ───── remove, change ──▶   (rewrites segments)
//! ```
//!
//! # What it guarantees
//! - **DL-1** A letter has one [`LetterId`], for as long as it exists.
//! - **DL-2** Past its bounds the log does what [`WhenFull`] and [`SinkWhenFull`] say, and tells
//!   it. By default messages wait, those of a vehicle past its share behind nobody else's; and of
//!   points, a quarter of the log, the oldest go, which are counted: a type conflict stops no
//!   shard.
//! - **DL-3** Payload and line are kept byte for byte; `detail` and `answer` are cut to
//!   [`DETAIL_BYTES_MAX`] and [`ANSWER_BYTES_MAX`].
//! - **DL-4** What was removed never comes back once it was answered, and its room is given back. A
//!   removal that a crash cuts off has removed some of what it should, and nothing else.
//! - A sink that is killed between a letter and the cursor writes the letter again after the
//!   restart: letters are kept at least once, like points, but nothing overwrites the first.
//!
//! # Shares
//! A vehicle's share counts the bytes of its messages; one whose vehicle cannot be read counts for
//! its topic. The counts are read from the log at the start and kept in a sketch of fixed size, so
//! a million vehicles with one letter each cost no more than one.
//!
//! # Removing and changing
//! A segment out of which letters go, or in which they become others, is written anew beside itself
//! and renamed over; an empty line keeps the place of a letter that is gone, so the names of the
//! others stay. A letter that was replayed and failed again bears its new cause under its old name.
//! Segments without letters go whole. The oldest go by whole segments, a quarter of a part at most.
//! A log of the version that had one spool for both kinds opens as that of the messages.
//!
//! # What it does not do
//! It does not interpret letters: [`uplink`](crate::uplink) replays them.
//!
//! [`LetterId`]: crate::model::LetterId

mod change;
mod keeper;
mod letter;
mod list;
mod log;
mod options;
mod queue;
mod room;
mod shelf;
mod signs;
mod summary;
#[cfg(test)]
mod tests;
mod usage;
mod waiting;

pub use letter::{ANSWER_BYTES_MAX, DETAIL_BYTES_MAX, LetterError, to_json};
pub use list::{Letters, ListError, find, list};
pub use log::{Halted, Handle, Log, OpenError, open};
pub use options::{Options, SinkWhenFull, WhenFull};
pub use queue::Submission;
pub use summary::{CauseSummary, Remedy, Summary, VehicleSummary, summarize};
