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

mod answer;
mod connect;
mod question;
#[cfg(test)]
mod tests;

pub use connect::FILES_MAX;
pub(in crate::store) use question::Reader;
