//! The store inside Fleetline: SQLite, one file per measurement and period.
//!
//! ```text
//!  sink ── lines ──▶ queue ──▶ writer thread ── a transaction each ──▶ telemetry/2026-11.sqlite
//!                              sort by series and time                trips/2026-11.sqlite
//! ```
//!
//! Any SQLite tool can open the files. In each, `_series` has a row per series and a column per
//! tag, `_points` is clustered by series and time and has a column per field, and a view with the
//! measurement's name shows the measurement: `time` (nanoseconds since 1970, declared `TIMESTAMP`),
//! tags, fields. Columns are added as fields appear; their types are `REAL`, `INTEGER`, `BOOLEAN`
//! (0 and 1) and `TEXT`.
//!
//! # Invariants
//! - **EM-1** A request is accepted only when SQLite has fsynced every transaction that holds one
//!   of its lines (write-ahead log, `synchronous = FULL`). Accepted lines survive a kill.
//! - **EM-2** A line is stored completely, or it is in the verdict with the reason; it is never
//!   altered.
//! - **EM-3** A field has one type per measurement, over all periods: the type in its first point.
//!   A point with another type is refused, its neighbours are stored.
//! - **EM-4** Equal series and time: the fields merge, the last value wins. So a line that is sent
//!   again changes nothing.
//! - **EM-5** A file is deleted only when every point that it may hold is past the retention; a
//!   point that arrives past the retention is refused.
//! - **EM-6** A query never changes anything and is bounded in rows, bytes and time.
//! - **EM-7** A native query is bounded in memory (`store.question-memory-max`) and temporary
//!   files, and runs in its own process, so that it never uses the writer's memory.
//!
//! # What is refused, line by line
//! A field of another type (EM-3); a name that SQLite treats as equal to another (it ignores case)
//! or that is reserved for the tables (`time`, `_series`, `_id`, `_key`); more than [`FIELDS_MAX`]
//! fields or [`TAGS_MAX`] tags per measurement; an integer past 64 signed bits; a point past the
//! retention.
//!
//! # Bounds
//! [`REQUESTS_MAX`] requests are held at once, and up to [`BATCH_BYTES_MAX`] of them are written as
//! one batch. [`OPEN_FILES_MAX`] files are open and share a page cache of `store.cache-size`; a
//! file without writes for some time is closed. An open file caches the ids of [`SERIES_MAX`]
//! series and has a log of [`LOG_PAGES`] before a checkpoint.
//!
//! # What it costs
//! According to `cargo bench --bench embedded` it takes less CPU per point than inserting typed and
//! sorted rows, 10,000 per transaction, although it parses lines: several requests share a
//! transaction, and a page that every batch writes is checkpointed only once in many batches.
//!
//! # After a crash
//! SQLite recovers its write-ahead log when a file is first opened. Files that were open at the
//! crash are then checked with `PRAGMA quick_check`, in the background and for at most
//! [`CHECK_TIME_MAX`] each.
//!
//! # Damaged files
//! A file that SQLite reports as corrupt or as not a database, also after it was reopened, is set
//! aside: it is renamed to `….sqlite.damaged-<seconds since 1970>` with its log, never deleted, and
//! reported in the log and by `readyz` (`embedded-files`) as long as it exists. Its measurement
//! continues with its other files and, if it was the file being written, with a new one; queries do
//! not see its points. No other error sets a file aside.
//!
//! # Faults of the disk
//! A full disk or a failed write rolls the transaction back and gives the verdict *unavailable*:
//! the same lines are sent again. After a failed fsync SQLite writes the same pages of its log
//! again before it syncs again, so a page that the kernel dropped never counts as durable.

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
