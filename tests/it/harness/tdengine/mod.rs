//! A stand-in for TDengine behind its taosAdapter: it gives the answers that a running 3.3.6.6
//! gave, and keeps the tables in SQLite, which runs the SQL.
//!
//! `crate::tdengine::rows` lists the answers of the real server and compares the stand-in with
//! them, row by row. Its line parser is not Fleetline's. It knows the SQL that portable questions
//! use: `PARTITION BY`, `INTERVAL(…b)`, `FIRST`, `LAST`, `SUM` and `_wstart` are rewritten, texts
//! are unescaped by TDengine's rules, and all else is the same in both. It shows that Fleetline is
//! right if TDengine still answers like that; only a real TDengine can show whether it does.

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
