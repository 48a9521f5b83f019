//! The reading side: a question in SQL on connections that can only read.
//!
//! Each question has a connection of its own, in memory, to which the files that it needs are
//! attached read-only: the statement is prepared, and whatever measurement SQLite misses is
//! attached and given a view over its files, until nothing is missing. So a measurement is one
//! table whatever its periods, and a hint about time leaves the other periods closed.
//!
//! Beside SQLite's own functions there are `now()` (nanoseconds since 1970) and `duration('5m')`
//! (nanoseconds): `WHERE time > now() - duration('5m')`.
//!
//! EM-6: a question never changes anything (files opened read-only, and an authorizer that knows
//! only reading) and is bounded in rows, bytes and time; work that nobody waits for is interrupted.
//!
//! # A process for each native question
//! What an operator writes can ask for memory without end: SQLite has no bound for a connection,
//! and its heap limit is the process's, which the writer needs. So a native question is answered
//! by a child, `fleetline answer-question`, which holds SQLite's heap limit and the kernel's limits
//! for itself alone (EM-7): it is refused, or at worst killed, and nothing else notices. It gets
//! the question on its standard input and answers in [`frames`] on its standard output; it inherits
//! neither the environment nor an open file, and ends when nobody reads its answer.
//!
//! Portable questions are our own text, whose memory follows from columns and page; they are
//! answered here, by the same code, without a process.

mod answer;
mod child;
mod connect;
mod frames;
mod parent;
mod question;
#[cfg(test)]
mod tests;

pub use child::answer_question;
pub use connect::FILES_MAX;
pub(in crate::store) use question::Reader;
pub use question::stored_in;
