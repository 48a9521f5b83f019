//! TDengine 3 behind its taosAdapter: `POST /influxdb/v1/write` and, for what lines cannot say,
//! `POST /rest/sql`.
//!
//! What this room knows was observed on 3.0.2.4, and read in newer sources where it says so.
//!
//! # What it guarantees
//! - TE-1: a refusal is told from an outage by the `[0x…]` code in the body ([`Class`]), never by
//!   the status: every fault is HTTP 500. A code that is not known to be about a line is waited
//!   out; no line is set aside for it.
//! - TE-2: no line is sent that the server would take in silence and mean otherwise, or that was
//!   seen to end it ([`unsendable()`]): a long tag value corrupts its memory, a line that begins
//!   with `#` is skipped, a time of `0` or none means now, NaN makes every answer that holds it
//!   unreadable.
//! - TE-3: no line is sent into a database of another precision than nanoseconds
//!   ([`DatabaseCheck`]): its times would be cut, and points of one cut moment overwrite each
//!   other, all with 204.
//!
//! # What a 500 leaves behind
//! A refused body may be stored in part: a time out of range shows only in the storage, after
//! other rows are in. The answer never names a line. So a refusal is halved like any other
//! (`sink`), and sending a stored line again changes nothing: equal series and time merge field by
//! field.
//!
//! # Limits
//! A string field has at most 16,374 bytes, a row 48 to 64 KB over all its fields, a measurement
//! 192 bytes, a field or tag name 64, a measurement 128 tags and 4,094 fields. A measurement with a
//! space or comma, a field `_ts`, a line feed in a string, and times outside of the database's
//! `KEEP` (3650 days by default) are refused by the server. With the server down each write takes
//! 10.3 s, so that a shorter `store.request-timeout` sees a time-out, which is waited out too.

mod code;
mod database;
#[cfg(test)]
mod tests;
mod unsendable;
mod write;

pub(super) use code::{Class, Code, Fault};
pub(super) use database::{DatabaseCheck, NotReady};
pub use unsendable::Unsendable;
pub(super) use unsendable::unsendable;
pub(super) use write::{is_database_missing, read, route};
