//! TDengine 3 behind its taosAdapter: `POST /influxdb/v1/write` and, for statements, `POST
//! /rest/sql`.
//!
//! The behaviour described here was observed on 3.0.2.4 and 3.3.6.6.
//!
//! # What it guarantees
//! - TE-1: the `[0x…]` code in the body (`Class`) distinguishes a refusal from an outage, never the
//!   status: every fault is HTTP 500. After an unknown code the request is retried for a bounded
//!   time ([`crate::store::Verdict::Unclear`]), because the code may be about a line.
//! - TE-2: no line is sent that the server would silently misinterpret, that certainly fails its
//!   whole request, or that was observed to crash the server ([`LineRules`]): a line that begins
//!   with `#` is skipped, a time of `0` or none means now, NaN makes every answer that holds it
//!   unreadable, a line feed in a string fails the request, a long tag value corrupts the memory of
//!   servers before 3.3.
//! - TE-3: no line is sent into a database of another precision than nanoseconds
//!   ([`DatabaseCheck`]): its times would be truncated, and points with equal truncated times would
//!   overwrite each other, all answered with 204.
//! - TE-4: requests that add columns to one measurement do not run concurrently
//!   ([`crate::store::ledger`]): the one that loses the race is refused like a bad line. Somebody
//!   else may also add columns, so such a refusal does not count as final (`Class::Race`).
//!
//! # What a 500 leaves behind
//! A refused body may be stored in part: a time out of range is detected only in the storage
//! engine, after other rows are stored. The answer never names a line. So a refused request is
//! bisected like any other (`sink`), and sending a stored line again changes nothing: equal series
//! and time merge field by field.
//!
//! # Limits
//! A string field has at most 65,517 bytes (16,374 before 3.3), a row 65,531 and tags 16,384 over
//! the widths of all columns, a measurement's name 192 bytes, that of a field or tag 64, a
//! measurement 128 tags and 4,094 fields. `a.b` and `a_b` are one table. Times outside the
//! database's `KEEP` (3650 days by default) are refused by the server. While the server is down
//! each write takes 10.3 s; with a shorter `store.request-timeout` it is a time-out, which is
//! retried as well.

mod code;
mod database;
mod line;
mod reserved;
#[cfg(test)]
mod tests;
#[cfg(feature = "taos-ws")]
mod websocket;
mod write;

pub(super) use code::{Code, Fault, StatementClass};
pub(super) use database::{DatabaseCheck, NotReady};
pub use line::Unsendable;
pub(super) use line::{LineCheck, LineRules};
#[cfg(feature = "taos-ws")]
pub(super) use websocket::{AnswerStream, WebSockets};
pub(super) use write::{is_database_missing, read, route};
