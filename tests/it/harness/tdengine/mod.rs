//! A stand-in for TDengine behind its taosAdapter: the answers that a running 3.3.6.6 was seen to
//! give, over tables in SQLite, which runs the SQL that is meant.
//!
//! `crate::tdengine::rows` lists what was seen and holds this to it, row by row. Lines are read by
//! a parser that is not ours. Of SQL it knows what portable questions use: `PARTITION BY`,
//! `INTERVAL(…b)`, `FIRST`, `LAST`, `SUM` and `_wstart` are rewritten, texts are unescaped by
//! TDengine's rules, and all else is the same in both. It shows that Fleetline is right if
//! TDengine does as was seen; whether it does, only a TDengine can show.

#[cfg(feature = "taos-ws")]
mod block;
mod lines;
mod schema;
mod select;
mod server;
mod sqlite;
mod tables;
#[cfg(feature = "taos-ws")]
mod web_socket;

pub(crate) use schema::{Column, Kind};
pub(crate) use server::{Condition, TdEngine};
