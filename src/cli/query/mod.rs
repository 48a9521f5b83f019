//! `query`: queries to a running appliance, and their answers for people and programs.
//!
//! `query` is followed by a measurement, for a portable query (`GET
//! /api/v1/telemetry/{measurement}`), or by the name of a language and a query in it (`POST
//! /api/v1/query`). The names of languages take precedence: a measurement with the name `sql` needs
//! `--measurement sql`.
//!
//! `--list` shows what can be queried (`GET /api/v1/measurements` and the paths below it).
//!
//! The life of a query: `arguments` parses it, `ask` sends it and requests the pages, `read` parses
//! the answer row by row as it arrives, `show` writes each row. As CSV and JSON lines an answer of
//! any size uses bounded memory; a table is drawn in blocks, and a plot holds a bounded number of
//! points.
//!
//! Standard output has only the answer; a note that there are more rows, or that columns did not
//! fit, goes to standard error. A truncated answer ends with exit code 1, even if rows were already
//! written.

mod arguments;
mod ask;
mod list;
mod machine;
mod read;
mod show;

pub(super) use arguments::Arguments;
pub(super) use ask::run;
pub(super) use read::{Sink, read};
