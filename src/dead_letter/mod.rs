//! What could not be decoded, mapped or accepted: kept with its cause and its bytes, and listed.
//!
//! A letter is a line of JSON; the log is a spool of its own whose entries hold such lines, written
//! by a commit thread of its own, so a letter is as durable as a point: it is in an fsynced entry
//! with a checksum before its message is acknowledged (UP-1) or the cursor passes its line (SK-1).
//!
//! ```text
//!  uplink ── encode into an entry, submit ──▶ commit thread ─▶ spool `dead-letter/` ─▶ list, find
//!  sink ──── Handle::record ────────────────▶
//! ```
//!
//! # What it guarantees
//! - **DL-1** A letter has one [`Id`], position and index, for as long as it exists.
//! - **DL-2** Nothing is dropped: past [`Options::bytes_max`] whoever writes waits, and the health
//!   board says so. The bound is on disk; what waits in memory is bounded by those who wait.
//! - **DL-3** Payload and line are kept byte for byte; `detail` and `answer` are cut to
//!   [`DETAIL_BYTES_MAX`] and [`ANSWER_BYTES_MAX`].
//! - A sink that is killed between a letter and the cursor writes the letter again after the
//!   restart: letters are kept at least once, like points, but nothing overwrites the first.
//!
//! # What it does not do
//! It does not delete, replay or interpret letters; nothing is confirmed in its spool. It does not
//! count what others submit through [`Handle::commit_handle`]: they know when they are answered.

mod id;
mod letter;
mod list;
mod log;
mod options;
#[cfg(test)]
mod tests;

pub use id::{Id, IdError};
pub use letter::{ANSWER_BYTES_MAX, DETAIL_BYTES_MAX, LetterError, to_json};
pub use list::{Filter, Letters, ListError, find, list};
pub use log::{Halted, Handle, Log, OpenError, encode, open};
pub use options::Options;
