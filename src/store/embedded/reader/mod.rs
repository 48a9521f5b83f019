//! The reading side: SQL queries on connections that can only read.
//!
//! Each query has its own in-memory connection, to which the needed files are attached read-only:
//! the statement is prepared, and each measurement that SQLite reports as missing is attached and
//! gets a view over its files, until nothing is missing. So a measurement is one table over all its
//! periods, and with a hint about time the files of other periods are not opened.
//!
//! In addition to SQLite's own functions there are `now()` (nanoseconds since 1970) and
//! `duration('5m')` (nanoseconds): `WHERE time > now() - duration('5m')`.
//!
//! EM-6: a query never changes anything (files are opened read-only, and an authorizer allows only
//! reading) and is bounded in rows, bytes and time; if nobody waits for it any more, it is
//! interrupted.
//!
//! # A process for each native question
//! An operator's query can need unlimited memory: SQLite has no bound per connection, and its heap
//! limit is per process, which would also limit the writer. So a native query is answered by a
//! child process, `fleetline answer-question`, with its own heap limit of SQLite and limits of the
//! kernel (EM-7): it fails, or at worst is killed, without any effect on the appliance. It gets the
//! query on its standard input and answers in [`frames`] on its standard output; it inherits
//! neither the environment nor open files, and ends when nobody reads its answer.
//!
//! Portable queries are our own text, whose memory is bounded by columns and page; they are
//! answered in this process, by the same code.

mod answer;
mod child;
mod connect;
mod frames;
mod parent;
mod run;
#[cfg(test)]
mod tests;

pub use child::answer_question;
pub use connect::FILES_MAX;
pub(in crate::store) use run::Reader;
pub use run::stored_in;
