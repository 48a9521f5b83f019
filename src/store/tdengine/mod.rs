//! TDengine 3 behind its taosAdapter: `POST /influxdb/v1/write` and, for what lines cannot say,
//! `POST /rest/sql`.
//!
//! What this room knows was observed on 3.0.2.4 and 3.3.6.6.
//!
//! # What it guarantees
//! - TE-1: a refusal is told from an outage by the `[0x…]` code in the body (`Class`), never by
//!   the status: every fault is HTTP 500. A code in no list is waited out for a bounded time
//!   ([`crate::store::Verdict::Unclear`]), as it may be about a line after all.
//! - TE-2: no line is sent that the server would take in silence and mean otherwise, that fails
//!   its whole request for sure, or that was seen to end it ([`LineRules`]): a line that begins
//!   with `#` is skipped, a time of `0` or none means now, NaN makes every answer that holds it
//!   unreadable, a line feed in a string fails the request, a long tag value corrupts the memory
//!   of servers before 3.3.
//! - TE-3: no line is sent into a database of another precision than nanoseconds
//!   ([`DatabaseCheck`]): its times would be cut, and points of one cut moment overwrite each
//!   other, all with 204.
//! - TE-4: requests that add columns to one measurement do not run side by side
//!   ([`crate::store::ledger`]): the one that loses is refused as a bad line is. Where somebody
//!   else adds columns, such a refusal is doubted (`Class::Race`).
//!
//! # What a 500 leaves behind
//! A refused body may be stored in part: a time out of range shows only in the storage, after
//! other rows are in. The answer never names a line. So a refusal is halved like any other
//! (`sink`), and sending a stored line again changes nothing: equal series and time merge field by
//! field.
//!
//! # Limits
//! A string field has at most 65,517 bytes (16,374 before 3.3), a row 65,531 and tags 16,384 over
//! the widths of all columns, a measurement's name 192 bytes, that of a field or tag 64, a
//! measurement 128 tags and 4,094 fields. `a.b` and `a_b` are one table. Times outside of the
//! database's `KEEP` (3650 days by default) are refused by the server. With the server down each
//! write takes 10.3 s, so that a shorter `store.request-timeout` sees a time-out, which is waited
//! out too.

mod code;
mod database;
mod line;
mod reserved;
#[cfg(test)]
mod tests;
#[cfg(feature = "taos-ws")]
mod websocket;
mod write;

pub(super) use code::{Asked, Code, Fault};
pub(super) use database::{DatabaseCheck, NotReady};
pub use line::Unsendable;
pub(super) use line::{LineRules, Looked};
#[cfg(feature = "taos-ws")]
pub(super) use websocket::{Coming, WebSockets};
pub(super) use write::{is_database_missing, read, route};
