//! The store inside Fleetline: SQLite, one file per measurement and period.
//!
//! ```text
//!  sink ── lines ──▶ queue ──▶ writer thread ── a transaction each ──▶ telemetry/2026-11.sqlite
//!                              sort by series and time                trips/2026-11.sqlite
//! ```
//!
//! Any SQLite tool can open the files. In each, `_series` holds a row per series with a column a
//! tag, `_points` is clustered by series and time with a column a field, and a view with the
//! measurement's name reads like the measurement: `time` (nanoseconds since 1970, declared
//! `TIMESTAMP`), tags, fields. Columns come as fields appear; their types are `REAL`, `INTEGER`,
//! `BOOLEAN` (0 and 1) and `TEXT`.
//!
//! # Invariants
//! - **EM-1** A request is accepted only when SQLite has fsynced every transaction that holds one
//!   of its lines (write-ahead log, `synchronous = FULL`). Accepted lines survive a kill.
//! - **EM-2** A line is stored whole or named in the verdict with its reason; it is never altered.
//! - **EM-3** A field has one type per measurement, over all periods: the type in its first point.
//!   A point with another type is refused, its neighbours are stored.
//! - **EM-4** Equal series and time: the fields merge, the last value wins. So a line that is sent
//!   again changes nothing.
//! - **EM-5** A file is deleted only when every point that it may hold is past the retention; a
//!   point that arrives past the retention is refused.
//! - **EM-6** A query never changes anything and is bounded in rows, bytes and time.
//! - **EM-7** A native query is bounded in memory (`store.question-memory-max`) and temporary
//!   files, and never takes the writer's memory: it has its own process.
//!
//! # What is refused, line by line
//! A field of another type (EM-3); a name that SQLite could not tell from another (it ignores case)
//! or that the tables need for themselves (`time`, `_series`, `_id`, `_key`); more than
//! [`FIELDS_MAX`] fields or [`TAGS_MAX`] tags a measurement; an integer past 64 signed bits; a
//! point past the retention.
//!
//! # Bounds
//! [`REQUESTS_MAX`] requests are held at once and [`BATCH_BYTES_MAX`] of them written as one batch;
//! [`OPEN_FILES_MAX`] files are open, and share `store.cache-size` of pages; a file without writes
//! for a while is closed. An open file remembers the ids of [`SERIES_MAX`] series and has a log of
//! [`LOG_PAGES`] before a checkpoint.
//!
//! # What it costs
//! By `cargo bench --bench embedded` it takes less CPU a point than inserting typed and sorted
//! rows, 10,000 a transaction, although it parses lines: several requests share a transaction, and
//! a page that every batch writes is checkpointed once in many batches.
//!
//! # After a crash
//! SQLite recovers its write-ahead log when a file is first opened. Files that were open are then
//! read through by `PRAGMA quick_check`, beside the work and for at most [`CHECK_TIME_MAX`] each.
//!
//! # Damaged files
//! A file that SQLite calls corrupt, or no database, and again after it was reopened, is set aside:
//! renamed to `….sqlite.damaged-<seconds since 1970>` with its log, never deleted, reported in the
//! log and by `readyz` (`embedded-files`) as long as it is there. Its measurement goes on with its
//! other files and, if it was the file being written, with a new one; queries do not see its points
//! meanwhile. No other error sets a file aside.
//!
//! # Faults of the disk
//! A full disk or a failed write rolls the transaction back and is *unavailable*: the same lines
//! come again. After a failed fsync SQLite writes the same pages of its log again before it syncs
//! again, so a page that the kernel dropped never counts as durable.

mod check;
mod columns;
mod file;
mod folder;
mod period;
mod reader;
#[cfg(test)]
mod tests;
mod thread;
mod transaction;
mod value;
mod writer;

pub use check::CHECK_TIME_MAX;
pub use columns::{FIELDS_MAX, TAGS_MAX};
pub use file::{LOG_PAGES, SERIES_MAX};
pub(super) use reader::Reader;
pub use reader::{FILES_MAX, answer_question, stored_in};
pub use thread::{BATCH_BYTES_MAX, OPEN_FILES_MAX};
pub(super) use writer::Writer;
pub use writer::{OpenError, REQUESTS_MAX};
