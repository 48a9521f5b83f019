//! A stand-in for TDengine behind its taosAdapter: the answers that one was seen to give, over
//! tables in SQLite, which runs the SQL that is meant.
//!
//! The table of questions (`crate::answers`) runs against it. Lines are read by a parser that is
//! not ours. Of SQL it knows what portable questions use: `PARTITION BY`, `INTERVAL(…b)`, `FIRST`,
//! `LAST`, `SUM` and `_wstart` are rewritten, texts are unescaped by TDengine's rules, and all else
//! is the same in both. It shows that the questions are right if TDengine does as it says; whether
//! it does, only a TDengine can show.

mod server;
mod sqlite;
mod tables;

pub(crate) use server::TdEngine;
